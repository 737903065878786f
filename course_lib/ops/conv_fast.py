"""The fast convolution: im2col in blocks that stay in the processor's cache.

The matrix of all windows (see `columns`) is large: with 64 channels of 56×56 and a 3×3 kernel, 7 MB
for one image. Written to main memory and read back, it costs as much time as the product it is
for. So it is made in blocks, a few output rows at a time, two megabytes at most. Each block is
multiplied at once, while the cache still holds it, and the next one overwrites it.

Layout. A block is (C·K_h·K_w, positions), the positions side by side in memory, because

- a row of it is then a run of neighbouring pixels, which NumPy copies at full speed (where windows
  step over pixels, each image is sorted first, so that they still are: see `place_to_slide`);
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
from course_lib.ops.columns import add_windows, empty_phases, in_order, place_to_slide
from course_lib.ops.padding import unpad

BLOCK_BYTES = 2**21
"""About as much as a core's own cache holds."""

Block = tuple[int, slice, Array]
"""Which image, which output positions, and their columns (G, C/G·K_h·K_w, positions)."""


def blocked(x: Array, weight: Array, settings: ConvSettings) -> Array:
    """Convolution, (N, C, H, W) → (N, C_out, H_out, W_out), a block of windows at a time.

    Beside its result it takes no more memory than the columns of one image. (Where there are fewer
    columns than pixels, as with a padded 1×1 kernel, it is that image with its border.)
    """
    images, c_out, groups, (out_h, out_w) = len(x), len(weight), settings.groups, settings.out
    # NumPy hands a product to BLAS where rows lie unbroken in memory, as those of a view may not.
    weight = np.ascontiguousarray(weight)
    matrix = weight.reshape(groups, c_out // groups, -1)  # (G, C_out/G, C/G·K_h·K_w)
    out = np.empty((images, groups, c_out // groups, out_h * out_w), dtype=weight.dtype)
    for n, positions, columns in column_blocks(x, settings, weight.dtype):
        np.matmul(matrix, columns, out=out[n, :, :, positions])
    return out.reshape(images, c_out, out_h, out_w)


def weight_gradient(grad_out: Array, x: Array, settings: ConvSettings) -> Array:
    """The gradient (C_out, C/G, K_h, K_w): grad_out times the columns it was made from.

    In the forward pass a weight multiplies one row of the columns. So its gradient is that row
    times grad_out, added up over the positions (the product below) and over the images.
    """
    images, c_out, out_h, out_w = grad_out.shape
    per_group = x.shape[1] // settings.groups
    grad_out = grad_out.reshape(images, settings.groups, c_out // settings.groups, out_h * out_w)
    taps = per_group * settings.kernel[0] * settings.kernel[1]
    grad = np.zeros((settings.groups, taps, c_out // settings.groups), dtype=grad_out.dtype)
    for n, positions, columns in column_blocks(x, settings, grad_out.dtype):
        grad += columns @ grad_out[n, :, :, positions].swapaxes(1, 2)  # (G, C/G·K_h·K_w, C_out/G)
    return grad.swapaxes(1, 2).reshape(c_out, per_group, *settings.kernel)


def column_blocks(x: Array, settings: ConvSettings, dtype: np.dtype[Any]) -> Iterator[Block]:
    """The columns of all images, some output rows of one image at a time.

    Use a block before you ask for the next one, which overwrites it.
    """
    (images, channels), groups, (out_h, out_w) = x.shape[:2], settings.groups, settings.out
    if settings.kernel == settings.stride == (1, 1) and not settings.is_padded and x.dtype == dtype:
        for n in range(images):  # a 1×1 kernel's windows are the pixels as they lie
            yield n, slice(None), x[n].reshape(groups, channels // groups, out_h * out_w)
        return

    source = place_to_slide(x, settings, dtype)  # nothing copied yet
    # With what the source takes, the buffer must not take more than the columns of a whole image.
    row_bytes = channels * settings.kernel[0] * settings.kernel[1] * out_w * dtype.itemsize
    room = row_bytes * out_h - source.nbytes
    rows_each = max(min(BLOCK_BYTES, room) // row_bytes, 1)
    buffer = np.empty(row_bytes * rows_each // dtype.itemsize, dtype=dtype)
    blocks = []  # of each: what to copy from where, its place in the output, its columns
    for top in range(0, out_h, rows_each):
        rows = min(rows_each, out_h - top)
        shape = (groups, channels // groups, *settings.kernel, rows, out_w)
        block = buffer[: math.prod(shape)].reshape(shape)
        columns = block.reshape(groups, -1, rows * out_w)  # (G, C/G·K_h·K_w, rows·W_out)
        positions = slice(top * out_w, (top + rows) * out_w)
        copies = [
            (block[:, :, :, taps], windows[..., top : top + rows, :])
            for taps, windows in source.parts
        ]
        blocks.append((copies, positions, columns))

    for n in range(images):
        place = n
        if source.put is not None:
            source.put(x[n])
            place = 0
        for copies, positions, columns in blocks:
            for part, windows in copies:
                part[...] = windows[place]  # (G, C/G, K_h, taps, rows, W_out)
            yield n, positions, columns


def input_gradient(grad_out: Array, weight: Array, settings: ConvSettings) -> Array:
    """The gradient (N, C, H, W): each output hands back through the taps it came through.

    The gradient of the columns is `weight.T @ grad_out`, and `add_windows` brings it to the pixels,
    again some rows at a time. At stride 1 there is a second way, a convolution of grad_out with the
    flipped kernel. It copies where the first adds, and is the faster one unless it has more
    channels to copy.
    """
    images, c_out, (out_h, out_w) = len(grad_out), len(weight), settings.out
    groups, per_group = settings.groups, weight.shape[1]
    by_group = np.ascontiguousarray(weight)
    by_group = by_group.reshape(groups, c_out // groups, per_group, *settings.kernel)
    backwards = _backwards(settings)
    if backwards is not None and c_out // groups <= per_group:
        flipped = by_group.swapaxes(1, 2)[..., ::-1, ::-1]  # (G, C/G, C_out/G, K_h, K_w)
        flipped = flipped.reshape(groups * per_group, c_out // groups, *settings.kernel)
        return blocked(grad_out, flipped, backwards)

    transposed = by_group.reshape(groups, c_out // groups, -1).swapaxes(1, 2)
    grad_out = grad_out.reshape(images, groups, c_out // groups, out_h * out_w)
    # As many whole images as fit into a block, or as many rows of one.
    row_size = transposed[:, :, 0].size * out_w  # the columns of one output row
    fitting = BLOCK_BYTES // (row_size * weight.itemsize)
    rows_each, images_each = max(min(fitting, out_h), 1), max(min(fitting // out_h, images), 1)
    buffer = np.empty(row_size * rows_each * images_each, dtype=weight.dtype)
    phases = empty_phases(images_each, groups * per_group, settings, weight.dtype)
    grad = np.empty((images, groups * per_group, *settings.image), dtype=weight.dtype)
    for first in range(0, images, images_each):
        n = min(images_each, images - first)
        phases[...] = 0
        for top in range(0, out_h, rows_each):
            rows = min(rows_each, out_h - top)
            positions = slice(top * out_w, (top + rows) * out_w)
            columns = buffer[: n * rows * row_size].reshape(n, groups, -1, rows * out_w)
            np.matmul(transposed, grad_out[first : first + n, :, :, positions], out=columns)
            windows = columns.reshape(n, groups * per_group, *settings.kernel, rows, out_w)
            add_windows(phases[:n], windows, settings, first_row=top)
        grad_padded = in_order(phases[:n], settings)
        grad[first : first + n] = unpad(grad_padded, settings.padding, settings.padding_mode)
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
