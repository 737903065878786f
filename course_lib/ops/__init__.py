"""Operators in NumPy, each with its backward pass beside it in the same file.

    padding      pad2d and its backward: what lies beyond the border of an image
    toeplitz     conv_matrix: a convolution written out as the matrix it is
    conv         conv2d_single and its backward, true_convolution

"Convolution" means what deep learning means by it, cross-correlation: the kernel slides over the
image as it is. `true_convolution` is the one that flips it. An image here is one (H, W) array.

Everywhere: the inputs are never changed and the results are new arrays. The type of a result
follows NumPy's promotion of the types that went in, with two additions. Integers and booleans are
computed in int64 and come back as int64, because the product of two 8-bit pixels needs more
than 8 bits. float16 is computed in float32 and rounded once, at the end.
"""

from course_lib.ops.conv import conv2d_single, conv2d_single_backward, true_convolution
from course_lib.ops.padding import pad2d, pad2d_backward
from course_lib.ops.toeplitz import conv_matrix

__all__ = [
    "conv2d_single",
    "conv2d_single_backward",
    "conv_matrix",
    "pad2d",
    "pad2d_backward",
    "true_convolution",
]
