"""Convolution of one image with one kernel, forward and backward.

Lay the kernel on a corner of the image, multiply what lies on top of each other, add it up: that is
one output pixel. Slide, and repeat. With stride s, dilation d and P the padded image,

    output[r, c] = sum over i, j of  kernel[i, j] · P[r·s + i·d, c·s + j·d]

`conv2d_single` can do this in three ways that give the same numbers: as the loops above, without a
Python loop, and as one matrix. Read them side by side.

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from course_lib._validate import Array, IntOrPair, Padding, choice, margins, pair, plane
from course_lib.geometry import effective_kernel
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._windows import window_grid
from course_lib.ops.padding import PADDING_MODES, pad2d, pad2d_backward
from course_lib.ops.toeplitz import conv_matrix

__all__ = ["ALGORITHMS", "conv2d_single", "conv2d_single_backward", "true_convolution"]


def conv2d_single(
    image: npt.ArrayLike,
    kernel: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
    algorithm: str = "vectorised",
) -> Array:
    """Slide a kernel over an image: (H, W) and (K_h, K_w) → (H_out, W_out).

    `stride` and `dilation` are an int or a (height, width) pair, in pixels; `padding` may also be
    ((top, bottom), (left, right)). `padding_mode` is "zeros", "reflect", "replicate" or
    "circular" (see `pad2d`), `algorithm` is "loops", "vectorised" or "matrix".

    The type of the result is NumPy's promotion of the two types; integers give int64, float16 is
    computed in float32. NaN passes through: it reaches every output whose window holds it. In the
    "matrix" form it reaches all of them, since a matrix multiplies pixels it has no use for
    by zero, and 0 · NaN is NaN.

    Raises TypeError for arrays that are not of numbers and sizes that are not integers, ValueError
    for a wrong number of dimensions, an illegal size, or a kernel larger than the padded image.

    >>> image = np.add.outer(np.arange(1, 6), np.arange(5))  # rows 1 2 3 4 5, 2 3 4 5 6, …
    >>> cross = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    >>> print(conv2d_single(image, cross))
    [[15 20 25]
     [20 25 30]
     [25 30 35]]
    >>> print(conv2d_single(image, cross, stride=2, padding=1, algorithm="loops"))
    [[ 4 11 10]
     [11 25 19]
     [10 19 16]]
    """
    image, kernel = plane(image, "image"), plane(kernel, "kernel")
    strides = pair(stride, "stride", at_least=1)
    dilations = pair(dilation, "dilation", at_least=1)
    around = margins(padding)
    choice(padding_mode, "padding_mode", PADDING_MODES)
    correlate = ALGORITHMS[choice(algorithm, "algorithm", tuple(ALGORITHMS))]

    computing, result = computing_and_result_types(image, kernel)
    padded = pad2d(image, around, padding_mode).astype(computing, copy=False)
    out = correlate(padded, kernel.astype(computing, copy=False), strides, dilations)
    return out.astype(result, copy=False)


def _loops(
    padded: Array, kernel: Array, stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """The definition, word for word."""
    (kernel_h, kernel_w), (s_h, s_w), (d_h, d_w) = kernel.shape, stride, dilation
    out_h, out_w = window_grid(_shape(padded), _shape(kernel), stride, dilation)
    out = np.zeros((out_h, out_w), dtype=padded.dtype)
    for r in range(out_h):
        for c in range(out_w):
            for i in range(kernel_h):
                for j in range(kernel_w):
                    out[r, c] += kernel[i, j] * padded[r * s_h + i * d_h, c * s_w + j * d_w]
    return out


def _vectorised(
    padded: Array, kernel: Array, stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """All windows at once: a view that shows each of them, and one sum of products."""
    (s_h, s_w), (d_h, d_w) = stride, dilation
    window_grid(_shape(padded), _shape(kernel), stride, dilation)  # raises where none fits
    span = (effective_kernel(kernel.shape[0], d_h), effective_kernel(kernel.shape[1], d_w))
    windows = sliding_window_view(padded, span)  # (H_p - span_h + 1, W_p - span_w + 1, span_h, …)
    windows = windows[::s_h, ::s_w, ::d_h, ::d_w]  # (H_out, W_out, K_h, K_w), nothing copied yet
    out: Array = np.einsum("rcij,ij->rc", windows, kernel)
    return out


def _matrix(
    padded: Array, kernel: Array, stride: tuple[int, int], dilation: tuple[int, int]
) -> Array:
    """One product of a matrix, mostly zero, with the flattened image."""
    out_h, out_w = window_grid(_shape(padded), _shape(kernel), stride, dilation)
    matrix = conv_matrix(kernel, *_shape(padded), stride=stride, dilation=dilation)
    out: Array = (matrix @ padded.ravel()).reshape(out_h, out_w)  # (H_out·W_out,) → (H_out, W_out)
    return out


Algorithm = Callable[[Array, Array, tuple[int, int], tuple[int, int]], Array]

ALGORITHMS: dict[str, Algorithm] = {"loops": _loops, "vectorised": _vectorised, "matrix": _matrix}


def conv2d_single_backward(
    grad_out: npt.ArrayLike,
    image: npt.ArrayLike,
    kernel: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> tuple[Array, Array]:
    """The gradients of `conv2d_single`: (H_out, W_out) → (H, W) and (K_h, K_w).

    `grad_out` says how much the loss moves with each output; `image`, `kernel` and the rest are
    those of the forward pass. Both gradients are convolutions again.

    *Kernel.* Forward, tap (i, j) meets the pixels P[r·s + i·d, c·s + j·d]. So its gradient sums
    grad_out[r, c] times just those: a convolution of the padded image with grad_out as the kernel
    in which stride and dilation have changed places.

    *Image.* Forward, a pixel gives to an output through one tap; backward, the output gives back
    through the same tap. Spread grad_out out so that neighbours stand a stride apart, then
    slide the flipped kernel over it, with so much padding that every overlap counts: a full
    convolution. What the floor dropped gets zero, and `pad2d_backward` takes the padding off.

    Types are as in `conv2d_single`. Raises as `conv2d_single` does, and ValueError where
    `grad_out` has not the shape of the forward pass's output.

    >>> image, kernel = [[1.0, 2.0, 3.0]], [[10.0, 1.0]]  # output: 1·10 + 2·1 and 2·10 + 3·1
    >>> grad_image, grad_kernel = conv2d_single_backward([[1.0, 1.0]], image, kernel)
    >>> print(grad_image, grad_kernel)
    [[10. 11.  1.]] [[3. 5.]]
    """
    grad_out = plane(grad_out, "grad_out")
    image, kernel = plane(image, "image"), plane(kernel, "kernel")
    strides = (s_h, s_w) = pair(stride, "stride", at_least=1)
    dilations = (d_h, d_w) = pair(dilation, "dilation", at_least=1)
    around = margins(padding)
    choice(padding_mode, "padding_mode", PADDING_MODES)

    computing, result = computing_and_result_types(grad_out, image, kernel)
    padded = pad2d(image, around, padding_mode).astype(computing, copy=False)  # (H_p, W_p)
    kernel, grad_out = kernel.astype(computing), grad_out.astype(computing)
    kernel_h, kernel_w = _shape(kernel)
    out_shape = (out_h, out_w) = window_grid(_shape(padded), _shape(kernel), strides, dilations)
    if grad_out.shape != out_shape:
        raise ValueError(
            f"grad_out has shape {grad_out.shape}, must have the shape {out_shape} of the output"
        )

    # The kernel. A rest that the floor dropped would let grad_out slide further: keep K_h × K_w.
    grad_kernel = _vectorised(padded, grad_out, stride=dilations, dilation=strides)
    grad_kernel = grad_kernel[:kernel_h, :kernel_w]

    # The image. (out - 1)·s + 1 spread-out rows, and span - 1 more on each side for every overlap.
    spread = np.zeros(((out_h - 1) * s_h + 1, (out_w - 1) * s_w + 1), dtype=computing)
    spread[::s_h, ::s_w] = grad_out
    overlap = ((kernel_h - 1) * d_h, (kernel_w - 1) * d_w)  # span - 1 along each axis
    touched = _vectorised(pad2d(spread, overlap), kernel[::-1, ::-1], (1, 1), dilations)
    grad_padded = np.zeros_like(padded)  # (H_p, W_p); zero where no window came
    grad_padded[: touched.shape[0], : touched.shape[1]] = touched
    grad_image = pad2d_backward(grad_padded, around, padding_mode)  # (H, W)

    return grad_image.astype(result, copy=False), grad_kernel.astype(result)


def true_convolution(
    image: npt.ArrayLike,
    kernel: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
    algorithm: str = "vectorised",
) -> Array:
    """The convolution of mathematics: the kernel is flipped on both axes, then slid.

    Shapes, types, arguments and errors are those of `conv2d_single`. The flip is what makes
    convolution commutative and lets a single bright pixel come out as the kernel itself,
    upright. A network learns its kernels and has no need of either.

    >>> spot = [[0, 0, 0], [0, 1, 0], [0, 0, 0]]
    >>> print(true_convolution(spot, [[1, 2], [3, 4]]))
    [[1 2]
     [3 4]]
    >>> print(conv2d_single(spot, [[1, 2], [3, 4]]))
    [[4 3]
     [2 1]]
    """
    flipped = plane(kernel, "kernel")[::-1, ::-1]
    return conv2d_single(image, flipped, stride, padding, dilation, padding_mode, algorithm)


def _shape(array: Array) -> tuple[int, int]:
    return (array.shape[0], array.shape[1])
