"""Convolution of a batch of images with many kernels: a layer, forward and backward.

A kernel spans all input channels and sums over them into one map; C_out kernels give C_out maps.
With stride s, dilation d and P the padded batch,

    output[n, o, r, q] = bias[o] + sum over c, i, j of
                         weight[o, c, i, j] · P[n, c, r·s + i·d, q·s + j·d]

In groups, the channels are cut into that many equal shares, and each output channel sees one share
only: `groups=C` is depthwise convolution, one kernel for each channel.

`conv2d` can compute this in several ways. They take the same arguments and give the same numbers:

    loops         the sum above, window by window
    im2col        all windows as one matrix, one matrix product
    blocked       im2col, a piece at a time; what "auto" takes (see `conv_fast`)
    fft           a product in the Fourier domain: its cost does not grow with the kernel
    winograd      F(4×4, 3×3): a 4×4 patch of outputs for 36 multiplications in place of 144
    winograd_2x2  F(2×2, 3×3): a 2×2 patch for 16 in place of 36, with smaller rounding errors

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016; the
argument names are those of `torch.nn.functional.conv2d`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, Padding, choice, shaped
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._settings import (
    ConvSettings,
    checked_bias,
    images_and_weight,
    padded,
    settings_for,
)
from course_lib.ops.columns import window_view
from course_lib.ops.conv_fast import blocked, input_gradient, weight_gradient
from course_lib.ops.conv_fft import fft
from course_lib.ops.conv_winograd import winograd, winograd_2x2

__all__ = ["CONV2D_ALGORITHMS", "conv2d", "conv2d_backward"]


def conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Array:
    """A convolution layer: (N, C, H, W) and (C_out, C/groups, K_h, K_w) → (N, C_out, H_out, W_out).

    `bias`, (C_out,), is added to each map. `stride` and `dilation` are an int or a (height, width)
    pair, in pixels; `padding` may also be ((top, bottom), (left, right)), and `padding_mode` is
    "zeros", "reflect", "replicate" or "circular" (see `pad2d`). `algorithm` is one of those
    listed at the top of this module.

    The result's type is NumPy's promotion of the types that went in; integers give int64, float16
    is computed in float32. A batch of no images gives one. NaN reaches the outputs whose window
    holds it; "winograd" spreads it over a patch of outputs, "fft" over the whole image.

    Raises TypeError for arrays that are not of numbers and sizes that are not integers. Raises
    ValueError for a wrong number of dimensions, an illegal size, groups that do not divide the
    channels, a weight that does not fit the channels, a kernel larger than the padded
    image, and where an algorithm cannot do what is asked.

    >>> x = np.array([[[[1, 2], [3, 4]], [[10, 20], [30, 40]]]])  # one image of two channels
    >>> add, subtract = [[[1]], [[1]]], [[[-1]], [[1]]]  # two kernels of 1×1
    >>> print(conv2d(x, [add, subtract], bias=[0, 100])[0])
    [[[ 11  22]
      [ 33  44]]
    <BLANKLINE>
     [[109 118]
      [127 136]]]
    """
    x, weight = images_and_weight(x, weight, groups)
    biases = checked_bias(bias, len(weight))
    image, kernel = (x.shape[2], x.shape[3]), (weight.shape[2], weight.shape[3])
    settings = settings_for(image, kernel, stride, padding, dilation, int(groups), padding_mode)
    correlate = CONV2D_ALGORITHMS[choice(algorithm, "algorithm", tuple(CONV2D_ALGORITHMS))]
    computing, result = computing_and_result_types(x, weight, *biases)
    out = correlate(x, weight.astype(computing, copy=False), settings)
    for values in biases:
        out += values.astype(computing)[
            :, np.newaxis, np.newaxis
        ]  # (C_out, 1, 1): the same at every position
    return out.astype(result, copy=False)


def loops(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """The definition: for each output, a window times a kernel, added up."""
    x = padded(x, settings).astype(weight.dtype, copy=False)
    (s_h, s_w), (d_h, d_w), (span_h, span_w) = settings.stride, settings.dilation, settings.span
    images, (c_out, per_group), (out_h, out_w) = len(x), weight.shape[:2], settings.out
    out = np.zeros((images, c_out, out_h, out_w), dtype=weight.dtype)
    for n in range(images):
        for o in range(c_out):
            group = o // (c_out // settings.groups)
            channels = slice(group * per_group, (group + 1) * per_group)
            for r in range(out_h):
                for q in range(out_w):
                    rows = slice(r * s_h, r * s_h + span_h, d_h)
                    columns = slice(q * s_w, q * s_w + span_w, d_w)
                    window = x[n, channels, rows, columns]  # (C/G, K_h, K_w)
                    out[n, o, r, q] = (window * weight[o]).sum()
    return out


def im2col_product(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """Every window a column of a matrix (see `im2col`), every kernel a row of another."""
    images, groups, (out_h, out_w) = len(x), settings.groups, settings.out
    c_out = len(weight)
    x = padded(x, settings).astype(weight.dtype, copy=False)
    windows = window_view(x, settings)  # (N, G, C/G, K_h, K_w, H_out, W_out)
    columns = windows.reshape(images, groups, weight[0].size, out_h * out_w)
    matrix = weight.reshape(groups, c_out // groups, weight[0].size)
    out: Array = matrix @ columns  # (N, G, C_out/G, H_out·W_out)
    return out.reshape(images, c_out, out_h, out_w)


Algorithm = Callable[[Array, Array, ConvSettings], Array]

CONV2D_ALGORITHMS: dict[str, Algorithm] = {
    "auto": blocked,
    "loops": loops,
    "im2col": im2col_product,
    "blocked": blocked,
    "fft": fft,
    "winograd": winograd,
    "winograd_2x2": winograd_2x2,
}


def conv2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> tuple[Array, Array, Array]:
    """The gradients of `conv2d`: (N, C_out, H_out, W_out) → those of x, weight and bias.

    `grad_out` says how much the loss moves with each output; the rest is what the forward pass
    got. A bias is added at every position of its map, so its gradient is the sum over them; the
    other two are told at `input_gradient` and `weight_gradient`.

    Types are as in `conv2d`. Raises as `conv2d` does, and ValueError where `grad_out` has not the
    shape of the forward pass's output.

    >>> x, weight = [[[[1.0, 2.0, 3.0]]]], [[[[10.0, 1.0]]]]  # output: 1·10 + 2·1 and 2·10 + 3·1
    >>> grad_x, grad_weight, grad_bias = conv2d_backward([[[[1.0, 1.0]]]], x, weight)
    >>> print(grad_x.ravel(), grad_weight.ravel(), grad_bias)
    [10. 11.  1.] [3. 5.] [2.]
    """
    x, weight = images_and_weight(x, weight, groups)
    image, kernel = (x.shape[2], x.shape[3]), (weight.shape[2], weight.shape[3])
    settings = settings_for(image, kernel, stride, padding, dilation, int(groups), padding_mode)
    out_shape = (len(x), len(weight), *settings.out)
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")

    computing, result = computing_and_result_types(grad_out, x, weight)
    grad_out = grad_out.astype(computing, copy=False)
    grad_x = input_gradient(grad_out, weight.astype(computing, copy=False), settings)
    grad_weight = weight_gradient(grad_out, x, settings)
    grad_bias = grad_out.sum(axis=(0, 2, 3))  # (C_out,)
    return (
        grad_x.astype(result, copy=False),
        grad_weight.astype(result, copy=False),
        grad_bias.astype(result, copy=False),
    )
