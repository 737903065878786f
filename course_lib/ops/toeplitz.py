"""A convolution as the matrix it is.

A convolution is linear: every output is a weighted sum of the pixels. So there is a matrix M with
`M @ image.ravel() == output.ravel()`, as in a fully connected layer with one input for each
pixel. What sets it apart is what M looks like:

- *mostly zero*: a row holds weights only for the pixels of its own window (local connectivity);
- *tied*: every row holds the same K_h·K_w weights, shifted (weight sharing).

A matrix that repeats itself along its diagonals is called a Toeplitz matrix. At stride 1, without
padding, this one is that twice over: blocks repeat along the diagonals (one image row down), and so
do the entries in each block.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, Padding, choice, integer, margins, pair, plane
from course_lib.geometry import effective_kernel
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._windows import window_grid
from course_lib.ops.padding import PADDING_MODES, pad2d_backward

__all__ = ["MOST_ENTRIES", "conv_matrix"]

MOST_ENTRIES = 2**27
"""The largest matrix `conv_matrix` builds: 1 GiB of float64. A 512×512 photograph needs 500."""


def conv_matrix(
    kernel: npt.ArrayLike,
    height: int,
    width: int,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> Array:
    """The matrix (H_out·W_out, H·W) of a convolution with `kernel` on images (height, width).

    Row r·W_out + c belongs to output pixel (r, c), column y·W + x to image pixel (y, x). Each row
    is drawn rather than computed: lay the kernel on an empty image where its window stands,
    then flatten. Taps that lie in the padding return to the pixel they copied, or vanish for zeros.

    The backward pass needs no function of its own: `grad_image = M.T @ grad_out.ravel()`.

    Raises ValueError where no window fits, for an illegal number, and for a matrix of more than
    `MOST_ENTRIES` entries; TypeError for anything but integers and a numeric kernel.

    >>> M = conv_matrix([[1, 2]], height=2, width=3)
    >>> print(M)
    [[1 2 0 0 0 0]
     [0 1 2 0 0 0]
     [0 0 0 1 2 0]
     [0 0 0 0 1 2]]
    >>> print((M @ [10, 20, 30, 40, 50, 60]).reshape(2, 2))
    [[ 50  80]
     [140 170]]
    """
    kernel = plane(kernel, "kernel")
    height, width = integer(height, "height", at_least=1), integer(width, "width", at_least=1)
    stride_h, stride_w = pair(stride, "stride", at_least=1)
    dilation_h, dilation_w = pair(dilation, "dilation", at_least=1)
    choice(padding_mode, "padding_mode", PADDING_MODES)
    (top, bottom), (left, right) = around = margins(padding)

    padded_shape = (top + height + bottom, left + width + right)
    kernel_shape = (kernel.shape[0], kernel.shape[1])
    out_h, out_w = window_grid(
        padded_shape, kernel_shape, (stride_h, stride_w), (dilation_h, dilation_w)
    )
    shape = (out_h * out_w, height * width)
    if math.prod(shape) > MOST_ENTRIES:
        raise ValueError(
            f"the matrix has shape {shape}, must have at most {MOST_ENTRIES} entries: "
            "take a smaller image, or conv2d_single with algorithm='vectorised'"
        )

    computing, result = computing_and_result_types(kernel)
    span_h = effective_kernel(kernel_shape[0], dilation_h)
    span_w = effective_kernel(kernel_shape[1], dilation_w)
    matrix = np.empty(shape, dtype=result)
    for r in range(out_h):
        for c in range(out_w):
            y, x = r * stride_h, c * stride_w  # the window's corner on the padded image
            canvas = np.zeros(padded_shape, dtype=computing)
            canvas[y : y + span_h : dilation_h, x : x + span_w : dilation_w] = kernel
            on_image = pad2d_backward(canvas, around, padding_mode)  # (H, W)
            matrix[r * out_w + c] = on_image.ravel()  # (H·W,)
    return matrix
