"""Pictures for the course: real, and on your disk already.

    photographs  ten photographs that come with scikit-image and scikit-learn
    digits       1,797 handwritten digits, 8×8, that come with scikit-learn
    letters      as many printed letters as you like, 8×8, from matplotlib's fonts
    faces        200 patches of photographs, 25×25, half of them faces, from scikit-image
    permute      the same pictures with their pixels shuffled, all in the same way
    segmentation letters and digits on photographs, and coins, with a mask for each
    augment      each image a little different each time, its label the same
    downloads    MNIST and CIFAR-10 by name, where there is a network; nothing graded needs them

Values are float32 from 0 (black) to 1 (white), but for the downloads, which stay uint8. What is
returned is yours to change. Importing this package loads NumPy alone; scikit-image and
scikit-learn are loaded when a picture is asked for.
"""

from course_lib.data import augment
from course_lib.data.augment import augment_digits, augment_photographs
from course_lib.data.digits import Digits, digits
from course_lib.data.downloads import Downloaded, load
from course_lib.data.faces import Faces, faces
from course_lib.data.letters import Letters, letters
from course_lib.data.permute import permute_pixels
from course_lib.data.photographs import photograph, photograph_names
from course_lib.data.segmentation import Coins, Scenes, coins, scenes

__all__ = [
    "Coins",
    "Digits",
    "Downloaded",
    "Faces",
    "Letters",
    "Scenes",
    "augment",
    "augment_digits",
    "augment_photographs",
    "coins",
    "digits",
    "faces",
    "letters",
    "load",
    "permute_pixels",
    "photograph",
    "photograph_names",
    "scenes",
]
