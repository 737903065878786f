"""The faces: their values and their labels."""

import numpy as np
import skimage.data
from sklearn.linear_model import LogisticRegression

from course_lib.data import faces


def test_values_and_types():
    images, labels = faces()
    assert images.dtype == np.float32
    assert labels.dtype == np.int64
    assert images.min() >= 0
    assert images.max() <= 1
    np.testing.assert_array_equal(images, skimage.data.lfw_subset().astype(np.float32))
    assert sorted(labels) == [0] * 100 + [1] * 100


def test_the_labels_say_what_the_images_show():
    images, labels = faces()
    flat = images.reshape(200, -1)
    model = LogisticRegression(max_iter=500).fit(flat[::2], labels[::2])
    # Labels at odds with the images would be guessed right half of the time.
    assert model.score(flat[1::2], labels[1::2]) > 0.85
    # Faces are alike, the rest is not: which of the two labels is which shows in the spread.
    assert images[labels == 1].std(axis=0).mean() < images[labels == 0].std(axis=0).mean()
