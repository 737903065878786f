"""The fast convolution: im2col in blocks that stay in the processor's cache.

The matrix of all windows (see `columns`) is large: with 64 channels of 56×56 and a 3×3 kernel, 7 MB
for one image. Written to main memory and read back, it costs as much time as the product it is
for. So it is made in blocks, a few output rows at a time, two megabytes at most. Each block is
multiplied at once, while the cache still holds it, and the next one overwrites it.

Layout. A block is (C·K_h·K_w, positions), the positions side by side in memory, because

- a row of it is then a run of neighbouring pixels, which NumPy copies at full speed;
- `weight @ block` is (C_out, positions), channels first as the output is stored, so that the
  product goes straight to its place and nothing is transposed afterwards;
- groups are one more axis in front, along which `np.matmul` walks: depthwise convolution is the
  case of one channel a group and needs no code of its own.

The same blocks serve the gradient of the weight, and backwards that of the input.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from course_lib._validate import Array
from course_lib.ops._settings import ConvSettings, settings_for
from course_lib.ops.columns import add_windows, window_view
from course_lib.ops.padding import pad_into, unpad

BLOCK_BYTES = 2**21
"""About as much as a core's own cache holds."""

Block = tuple[slice, slice, Array]
"""Which images, which output positions, and their columns (n, G, C/G·K_h·K_w, positions)."""


def blocked(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """Convolution, (N, C, H, W) → (N, C_out, H_out, W_out), a block of windows at a time.

    Beside its result it takes no more memory than the columns of one image.
    """
    images, c_out, groups, (out_h, out_w) = len(x), len(weight), settings.groups, settings.out
    matrix = weight.reshape(groups, c_out // groups, -1)  # (G, C_out/G, C/G·K_h·K_w)
    out = np.empty((images, groups, c_out // groups, out_h * out_w), dtype=weight.dtype)
    whole = _row_bytes(x.shape[1], settings, weight.dtype) * out_h
    padded_image = x.shape[1] * settings.padded[0] * settings.padded[1] * weight.itemsize
    at_most = min(BLOCK_BYTES, whole - padded_image if settings.is_padded else whole)
    for some, positions, columns in column_blocks(x, settings, weight.dtype, at_most):
        np.matmul(matrix, columns, out=out[some, :, :, positions])
    return out.reshape(images, c_out, out_h, out_w)


def column_blocks(
    x: Array, settings: ConvSettings, dtype: np.dtype[Any], at_most: int = BLOCK_BYTES
) -> Iterator[Block]:
    """The columns of all images in blocks of `at_most` bytes, or of one output row if that is more.

    Use a block before you ask for the next one, which overwrites it.
    """
    (images, channels), groups, (out_h, out_w) = x.shape[:2], settings.groups, settings.out
    if settings.kernel == settings.stride == (1, 1) and not settings.is_padded and x.dtype == dtype:
        for n in range(images):  # a 1×1 kernel's windows are the pixels as they lie
            columns = x[n : n + 1].reshape(1, groups, channels // groups, out_h * out_w)
            yield slice(n, n + 1), slice(0, out_h * out_w), columns
        return

    row_bytes = _row_bytes(channels, settings, dtype)
    rows_each = max(min(at_most // row_bytes, out_h), 1)
    images_each = max(min(at_most // (row_bytes * out_h), images), 1)
    buffer = np.empty(images_each * rows_each * row_bytes // dtype.itemsize, dtype=dtype)
    blocks = []  # where each belongs, and the buffer in the shapes of its windows and its columns
    for top in range(0, out_h, rows_each):
        rows = min(rows_each, out_h - top)
        shape = (images_each, groups, channels // groups, *settings.kernel, rows, out_w)
        block = buffer[: math.prod(shape)].reshape(shape)
        columns = block.reshape(images_each, groups, -1, rows * out_w)
        positions = slice(top * out_w, (top + rows) * out_w)
        blocks.append((slice(top, top + rows), positions, block, columns))

    if settings.is_padded:  # a border around a few images at a time, not around a copy of them all
        bordered = np.zeros((images_each, channels, *settings.padded), dtype=dtype)
    windows = window_view(bordered if settings.is_padded else x, settings)  # nothing copied yet
    for first in range(0, images, images_each):
        some = slice(first, min(first + images_each, images))
        n = some.stop - first
        if settings.is_padded:
            pad_into(bordered[:n], x[some], settings.padding, settings.padding_mode)
        here = windows[:n] if settings.is_padded else windows[some]
        for place, positions, block, columns in blocks:
            block[:n] = here[..., place, :]  # (n, G, C/G, K_h, K_w, rows, W_out)
            yield some, positions, columns[:n]  # (n, G, C/G·K_h·K_w, rows·W_out)


def weight_gradient(grad_out: Array, x: Array, settings: ConvSettings) -> Array:
    """The gradient (C_out, C/G, K_h, K_w): grad_out times the columns it was made from.

    In the forward pass a weight multiplies one row of the columns. So its gradient is that row
    times grad_out, added up over the positions (the product below) and over the images.
    """
    images, c_out, out_h, out_w = grad_out.shape
    per_group = x.shape[1] // settings.groups
    grad_out = grad_out.reshape(images, settings.groups, c_out // settings.groups, out_h * out_w)
    taps = per_group * settings.kernel[0] * settings.kernel[1]
    grad = np.zeros((settings.groups, c_out // settings.groups, taps), dtype=grad_out.dtype)
    for some, positions, columns in column_blocks(x, settings, grad_out.dtype):
        products = grad_out[some, :, :, positions] @ columns.swapaxes(-1, -2)
        grad += products.sum(axis=0)  # (n, G, C_out/G, C/G·K_h·K_w), added up over n
    return grad.reshape(c_out, per_group, *settings.kernel)


def input_gradient(grad_out: Array, weight: Array, settings: ConvSettings) -> Array:
    """The gradient (N, C, H, W): each output hands back through the taps it came through.

    The gradient of the columns is `weight.T @ grad_out`; `add_windows` brings it to the pixels. At
    stride 1 there is a second way, a convolution of grad_out with the flipped kernel, which copies
    where the first adds: it is the faster one unless it has more channels to copy.
    """
    images, c_out, (out_h, out_w) = len(grad_out), len(weight), settings.out
    groups, per_group = settings.groups, weight.shape[1]
    by_group = weight.reshape(groups, c_out // groups, per_group, *settings.kernel)
    backwards = _backwards(settings)
    if backwards is not None and c_out // groups <= per_group:
        flipped = by_group.swapaxes(1, 2)[..., ::-1, ::-1]  # (G, C/G, C_out/G, K_h, K_w)
        flipped = flipped.reshape(groups * per_group, c_out // groups, *settings.kernel)
        return blocked(grad_out, flipped, backwards)

    transposed = by_group.reshape(groups, c_out // groups, -1).swapaxes(
        1, 2
    )  # (G, C·K·K/G, C_out/G)
    grad_out = grad_out.reshape(images, groups, c_out // groups, out_h * out_w)
    row_bytes = _row_bytes(groups * per_group, settings, weight.dtype)
    rows_each = max(min(BLOCK_BYTES // row_bytes, out_h), 1)
    images_each = max(BLOCK_BYTES // (row_bytes * out_h), 1)
    grad = np.empty((images, groups * per_group, *settings.image), dtype=weight.dtype)
    for first in range(0, images, images_each):
        some = grad_out[first : first + images_each]  # (n, G, C_out/G, H_out·W_out)
        grad_padded = np.zeros((len(some), groups * per_group, *settings.padded), weight.dtype)
        for top in range(0, out_h, rows_each):
            rows = min(rows_each, out_h - top)
            columns = transposed @ some[..., top * out_w : (top + rows) * out_w]
            windows = columns.reshape(len(some), -1, *settings.kernel, rows, out_w)
            add_windows(
                grad_padded, windows, settings, first_row=top
            )  # (n, C, K_h, K_w, rows, W_o)
        grad[first : first + len(some)] = unpad(
            grad_padded, settings.padding, settings.padding_mode
        )
    return grad


def _backwards(settings: ConvSettings) -> ConvSettings | None:
    """The settings of the flipped convolution that undoes a shape, or None where there is none.

    A full convolution has span - 1 pixels of padding around it; those that only met the padding of
    the forward pass are not wanted.
    """
    (span_h, span_w), ((top, bottom), (left, right)) = settings.span, settings.padding
    around = ((span_h - 1 - top, span_h - 1 - bottom), (span_w - 1 - left, span_w - 1 - right))
    if settings.stride != (1, 1) or settings.padding_mode != "zeros" or min(map(min, around)) < 0:
        return None
    return settings_for(
        settings.out, settings.kernel, 1, around, settings.dilation, settings.groups
    )


def _row_bytes(channels: int, settings: ConvSettings, dtype: np.dtype[Any]) -> int:
    """The memory of the columns of one output row, for all channels."""
    k_h, k_w = settings.kernel
    return channels * k_h * k_w * settings.out[1] * dtype.itemsize
