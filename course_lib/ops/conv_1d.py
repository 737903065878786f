"""Convolution along one axis: sound, sensors, text. (N, C, L) in, (N, C_out, L_out) out.

A signal is an image one pixel high, and its kernel is one pixel high as well. So nothing is
computed here: an axis of length one goes in front of L, `conv2d` does the work, and the axis comes
off.
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, Margins, batch, integer, pair, shaped
from course_lib.ops._settings import check_groups, settings_for, whole_weight
from course_lib.ops.conv_2d import conv2d, conv2d_backward

__all__ = ["conv1d", "conv1d_backward"]


def conv1d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: SupportsIndex = 1,
    padding: IntOrPair = 0,
    dilation: SupportsIndex = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    algorithm: str = "auto",
) -> Array:
    """Slide kernels along signals: (N, C, L) and (C_out, C/groups, K) → (N, C_out, L_out).

    `stride` and `dilation` are ints, in samples; `padding` is an int or a (before, after) pair:
    with (dilation · (K - 1), 0) no output sees its future (causal). The rest, types and errors are
    as in `conv2d`.

    >>> x = [[[1, 2, 4, 7]]]
    >>> conv1d(x, [[[-1, 1]]])  # the steps between neighbours
    array([[[1, 2, 3]]])
    >>> conv1d(x, [[[-1, 1]]], padding=(1, 0))
    array([[[1, 1, 2, 3]]])
    """
    x, weight = _one_pixel_high(x, weight, groups)
    steps, around, dilations = _along_the_width(stride, padding, dilation)
    out = conv2d(x, weight, bias, steps, around, dilations, groups, padding_mode, algorithm)
    return out[:, :, 0]  # (N, C_out, 1, L_out) → (N, C_out, L_out)


def conv1d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: SupportsIndex = 1,
    padding: IntOrPair = 0,
    dilation: SupportsIndex = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
) -> tuple[Array, Array, Array]:
    """The gradients of `conv1d`: (N, C_out, L_out) → those of x, weight and bias.

    Types and errors are as in `conv2d_backward`.

    >>> grads = conv1d_backward([[[1.0, 1.0]]], [[[1.0, 2.0, 3.0]]], [[[10.0, 1.0]]])
    >>> print(*(grad.ravel() for grad in grads))
    [10. 11.  1.] [3. 5.] [2.]
    """
    x, weight = _one_pixel_high(x, weight, groups)
    steps, around, dilations = _along_the_width(stride, padding, dilation)
    settings = settings_for(
        (1, x.shape[3]), (1, weight.shape[3]), steps, around, dilations, 1, padding_mode
    )
    out_shape = (len(x), len(weight), settings.out[1])  # (N, C_out, L_out)
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    grad_x, grad_weight, grad_bias = conv2d_backward(
        grad_out[:, :, None, :], x, weight, steps, around, dilations, groups, padding_mode
    )
    return grad_x[:, :, 0], grad_weight[:, :, 0], grad_bias  # (N, C, L), (C_out, C/G, K), (C_out,)


def _one_pixel_high(x: npt.ArrayLike, weight: npt.ArrayLike, groups: int) -> tuple[Array, Array]:
    x = batch(x, "x", ("N", "C", "L"))
    weight = whole_weight(weight, ("C_out", "C_in/groups", "K"))
    check_groups(x.shape[1], weight.shape, groups)
    return x[:, :, None, :], weight[:, :, None, :]  # (N, C, 1, L), (C_out, C/G, 1, K)


def _along_the_width(
    stride: SupportsIndex, padding: IntOrPair, dilation: SupportsIndex
) -> tuple[tuple[int, int], Margins, tuple[int, int]]:
    return (
        (1, integer(stride, "stride", at_least=1)),
        ((0, 0), pair(padding, "padding", at_least=0, axes="(before, after)")),
        (1, integer(dilation, "dilation", at_least=1)),
    )
