"""Blur pooling: smooth before you skip.

A stride keeps every s-th pixel and forgets those between. Shift the image by one and others are
kept: fine detail flickers in and out (aliasing). A blur first spreads each pixel over its
neighbours, so that whichever are kept have heard of all.

The blur's weights are a row of Pascal's triangle along each axis: 1 2 1 over 4, 1 4 6 4 1 over 16.
The border is a mirror. It is a depthwise convolution with fixed weights.

Source: Zhang, "Making convolutional networks shift-invariant again", 2019.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, batch, integer, shaped
from course_lib.ops._dtypes import real_types
from course_lib.ops._settings import ConvSettings, settings_for
from course_lib.ops.conv_fast import blocked, input_gradient
from course_lib.ops.pool import image_shape

__all__ = ["blur_pool2d", "blur_pool2d_backward"]


def blur_pool2d(
    x: npt.ArrayLike, stride: SupportsIndex = 2, kernel_size: SupportsIndex = 3
) -> Array:
    """Blur, then keep every `stride`-th pixel: (N, C, H, W) → (N, C, ⌈H/stride⌉, ⌈W/stride⌉).

    `kernel_size`, odd, is how far the blur reaches, in pixels. Integers give float64.

    Raises TypeError for anything but integers and numeric arrays, ValueError for an illegal size
    and for an image too small to be mirrored at its border (H and W must exceed kernel_size // 2).

    >>> x = np.zeros((1, 1, 3, 4))
    >>> x[..., 1] = 16.0  # a line one pixel wide, in a column that a stride of 2 would skip
    >>> print(blur_pool2d(x)[0, 0])
    [[8. 4.]
     [8. 4.]]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    settings = _settings(x.shape, stride, kernel_size)
    computing, result = real_types(x)
    out = blocked(x, _binomial(settings).astype(computing), settings)
    return out.astype(result, copy=False)


def blur_pool2d_backward(
    grad_out: npt.ArrayLike,
    input_shape: Sequence[int],
    stride: SupportsIndex = 2,
    kernel_size: SupportsIndex = 3,
) -> Array:
    """The gradient of `blur_pool2d`: (N, C, H_out, W_out) → `input_shape`, which is (N, C, H, W).

    Types and errors are as in `blur_pool2d`; ValueError where grad_out has not the output's shape.

    >>> print(blur_pool2d_backward([[[[16.0]]]], (1, 1, 2, 2)))
    [[[[4. 4.]
       [4. 4.]]]]
    """
    shape = image_shape(input_shape)
    settings = _settings(shape, stride, kernel_size)
    out_shape = (*shape[:2], *settings.out)
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    computing, result = real_types(grad_out)
    kernels = _binomial(settings).astype(computing)
    return input_gradient(grad_out.astype(computing), kernels, settings).astype(result, copy=False)


def _settings(
    shape: tuple[int, ...], stride: SupportsIndex, kernel_size: SupportsIndex
) -> ConvSettings:
    step = integer(stride, "stride", at_least=1)
    size = integer(kernel_size, "kernel_size", at_least=1)
    if size % 2 == 0:
        raise ValueError(
            f"kernel_size (={size}) must be odd: an even blur has no pixel in its middle"
        )
    channels, image = shape[1], (shape[2], shape[3])
    if size // 2 >= min(image):
        raise ValueError(
            f"kernel_size (={size}) must be at most {2 * min(image) - 1} on an image {image}: its "
            "border is a mirror, and shows no more than the image has"
        )
    return settings_for(image, (size, size), step, size // 2, 1, channels, "reflect")


def _binomial(settings: ConvSettings) -> Array:
    """(C, 1, K, K): the same blur for each channel, its weights adding up to one."""
    size = settings.kernel[0]
    row = np.array([math.comb(size - 1, i) for i in range(size)]) / 2 ** (size - 1)
    return np.tile(np.outer(row, row), (settings.groups, 1, 1, 1))
