"""Depthwise and pointwise convolution: the two halves of a layer, apart.

A convolution mixes pixels and channels at once. A depthwise one mixes pixels only: one kernel for
each channel, which is `groups` = C. A pointwise one mixes channels only: kernels of one pixel. One
after the other they make a depthwise-separable layer, with K_h·K_w + C_out weights for each input
channel in place of K_h·K_w·C_out.

Both are special cases of `conv2d`, and that is all they are here. What they add is the check that
the weight is of the special kind.

Source: Howard et al., "MobileNets: efficient convolutional neural networks for mobile vision
applications", 2017.
"""

from __future__ import annotations

import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, Padding, batch
from course_lib.ops._settings import whole_weight
from course_lib.ops.conv_2d import conv2d, conv2d_backward

__all__ = [
    "depthwise_conv2d",
    "depthwise_conv2d_backward",
    "pointwise_conv2d",
    "pointwise_conv2d_backward",
]


def depthwise_conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> Array:
    """Each channel with kernels of its own: (N, C, H, W) and (m·C, 1, K_h, K_w) → (N, m·C, …).

    The m outputs of channel c are m·c … m·c + m - 1; m is mostly 1. Types and errors are as in
    `conv2d`.

    >>> x = [[[[1, 2, 3]], [[1, 2, 3]]]]  # the same row in two channels
    >>> print(depthwise_conv2d(x, [[[[1, 1]]], [[[-1, 1]]]])[0, :, 0])
    [[3 5]
     [1 1]]
    """
    x, weight = _of_one_channel(x, weight)
    return conv2d(x, weight, bias, stride, padding, dilation, x.shape[1], padding_mode)


def depthwise_conv2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> tuple[Array, Array, Array]:
    """The gradients of `depthwise_conv2d` for x, weight and bias, as `conv2d_backward` gives them.

    >>> x, weight = [[[[1.0, 2.0, 3.0]]]], [[[[10.0, 1.0]]]]
    >>> grads = depthwise_conv2d_backward([[[[1.0, 1.0]]]], x, weight)
    >>> print(*(grad.ravel() for grad in grads))
    [10. 11.  1.] [3. 5.] [2.]
    """
    x, weight = _of_one_channel(x, weight)
    return conv2d_backward(grad_out, x, weight, stride, padding, dilation, x.shape[1], padding_mode)


def pointwise_conv2d(
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    bias: npt.ArrayLike | None = None,
    stride: IntOrPair = 1,
) -> Array:
    """Mix the channels of each pixel: (N, C, H, W) and (C_out, C, 1, 1) → (N, C_out, H_out, W_out).

    A fully connected layer from C to C_out values, the same one at every pixel. Types and errors
    are as in `conv2d`.

    >>> x = [[[[255, 0]], [[0, 255]]]]  # a red pixel and a green one
    >>> print(pointwise_conv2d(x, [[[[1]], [[-1]]]]))  # red minus green
    [[[[ 255 -255]]]]
    """
    return conv2d(x, _of_one_pixel(weight), bias, stride)


def pointwise_conv2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    weight: npt.ArrayLike,
    stride: IntOrPair = 1,
) -> tuple[Array, Array, Array]:
    """The gradients of `pointwise_conv2d` for x, weight and bias, as `conv2d_backward` gives them.

    >>> grads = pointwise_conv2d_backward([[[[1.0]]]], [[[[2.0]], [[3.0]]]], [[[[10.0]], [[1.0]]]])
    >>> print(*(grad.ravel() for grad in grads))
    [10.  1.] [2. 3.] [1.]
    """
    return conv2d_backward(grad_out, x, _of_one_pixel(weight), stride)


def _of_one_channel(x: npt.ArrayLike, weight: npt.ArrayLike) -> tuple[Array, Array]:
    x = batch(x, "x", ("N", "C", "H", "W"))
    weight = whole_weight(weight, ("C_out", "1", "K_h", "K_w"))
    if weight.shape[1] != 1 or len(weight) % x.shape[1]:
        raise ValueError(
            f"weight has shape {weight.shape}, must have shape (m·C, 1, K_h, K_w): "
            f"x has C={x.shape[1]} channels"
        )
    return x, weight


def _of_one_pixel(weight: npt.ArrayLike) -> Array:
    weight = whole_weight(weight, ("C_out", "C", "1", "1"))
    if weight.shape[2:] != (1, 1):
        raise ValueError(f"weight has shape {weight.shape}, must have shape (C_out, C, 1, 1)")
    return weight
