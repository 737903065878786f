"""im2col and col2im: the windows of an image as the columns of a matrix, and back.

Write every window of an image out as one column, channel after channel, and the sum of products
that a convolution takes over each window becomes a matrix product, which computers do fast:

    weight (C_out, C·K_h·K_w)  @  columns (C·K_h·K_w, H_out·W_out)  =  output (C_out, H_out·W_out)

The price is memory. Neighbouring windows share pixels, so at stride 1 each pixel is written up to
K_h·K_w times.

Source: Chellapilla, Puri and Simard, "High performance convolutional neural networks for document
processing", 2006.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from course_lib._validate import Array, IntOrPair, Padding, batch, pair
from course_lib.ops._dtypes import computing_and_result_types
from course_lib.ops._settings import ConvSettings, Pair, padded, settings_for
from course_lib.ops.padding import pad_into, unpad

__all__ = ["col2im", "im2col"]

DType: TypeAlias = np.dtype[Any]


def im2col(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> Array:
    """The windows of each image as columns: (N, C, H, W) → (N, C·K_h·K_w, H_out·W_out).

    Down a column the channel varies slowest, then the kernel's row, then its column. The columns
    run over the output positions row by row. The type of x stays what it is.

    Sizes, in pixels, are as in `conv2d`. Raises ValueError for an illegal one and where no window
    fits, TypeError for anything but integers and numeric arrays.

    >>> x = np.arange(9).reshape(1, 1, 3, 3)
    >>> print(im2col(x, kernel_size=2)[0])
    [[0 1 3 4]
     [1 2 4 5]
     [3 4 6 7]
     [4 5 7 8]]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    kernel = pair(kernel_size, "kernel_size", at_least=1)
    settings = settings_for(_size(x), kernel, stride, padding, dilation, 1, padding_mode)
    columns = window_view(padded(x, settings), settings)  # (N, 1, C, K_h, K_w, H_out, W_out)
    rows = x.shape[1] * kernel[0] * kernel[1]
    # (N, C·K_h·K_w, H_out·W_out); a kernel of one pixel would give a view of x without the copy
    return columns.reshape(x.shape[0], rows, settings.out[0] * settings.out[1]).copy()


def col2im(
    columns: npt.ArrayLike,
    image_size: IntOrPair,
    kernel_size: IntOrPair,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
) -> Array:
    """Add columns up where their pixels came from: (N, C·K_h·K_w, H_out·W_out) → (N, C, H, W).

    The backward pass (the adjoint) of `im2col`, not its inverse: a pixel that stands in several
    windows gets the sum of its several entries. `image_size` is (H, W); the rest as in `im2col`.

    Raises ValueError where the columns do not have the shape that `im2col` gives them, and as
    `im2col` does.

    >>> print(col2im(np.ones((1, 4, 4), dtype=int), image_size=3, kernel_size=2)[0, 0])
    [[1 2 1]
     [2 4 2]
     [1 2 1]]
    """
    columns = batch(columns, "columns", ("N", "C·K_h·K_w", "H_out·W_out"))
    image = pair(image_size, "image_size", at_least=1)
    kernel = pair(kernel_size, "kernel_size", at_least=1)
    settings = settings_for(image, kernel, stride, padding, dilation, 1, padding_mode)
    images, rows, positions = columns.shape
    if rows % (kernel[0] * kernel[1]):
        raise ValueError(
            f"columns has shape {columns.shape}, must have C·K_h·K_w rows: "
            f"a multiple of {kernel[0] * kernel[1]}"
        )
    if positions != settings.out[0] * settings.out[1]:
        raise ValueError(
            f"columns has shape {columns.shape}, must have {settings.out[0] * settings.out[1]} "
            f"columns: the output is {settings.out}"
        )
    channels = rows // (kernel[0] * kernel[1])
    computing, result = computing_and_result_types(columns)
    windows = columns.reshape(images, channels, *kernel, *settings.out)  # (N, C, K_h, K_w, H_o, …)
    phases = empty_phases(images, channels, settings, computing)
    add_windows(phases, windows, settings)
    return unpad(in_order(phases, settings), settings.padding, settings.padding_mode).astype(result)


def window_view(x: Array, settings: ConvSettings) -> Array:
    """(N, C, H_p, W_p) → (N, G, C/G, K_h, K_w, H_out, W_out) without copying anything.

    Entry [n, g, c, i, j, r, q] is pixel (r·s_h + i·d_h, q·s_w + j·d_w) of channel c in group g: a
    step along any axis is a step of fixed length through the memory of x, which is all that a
    NumPy array needs. Read-only, as each pixel appears in many places.
    """
    (images, channels), groups = x.shape[:2], settings.groups
    image_step, channel_step, row_step, column_step = x.strides
    (s_h, s_w), (d_h, d_w), (k_h, k_w) = settings.stride, settings.dilation, settings.kernel
    shape = (images, groups, channels // groups, k_h, k_w, settings.out[0], settings.out[1])
    steps = (
        image_step,
        channels // groups * channel_step,
        channel_step,
        d_h * row_step,
        d_w * column_step,
        s_h * row_step,
        s_w * column_step,
    )
    if not x.flags.c_contiguous:
        return as_strided(x, shape, steps, writeable=False)
    windows: Array = np.ndarray(shape, x.dtype, x, 0, steps)  # the same, and sooner there
    windows.setflags(write=False)
    return windows


class Source(NamedTuple):
    """Where windows are read: views of them, and what has to be done before for each image."""

    parts: list[tuple[slice, Array]]  # taps along the width, and their windows in all images
    nbytes: int  # of memory taken for it
    put: Callable[[Array], None] | None  # puts an image there; None where all images are


def place_to_slide(x: Array, settings: ConvSettings, dtype: DType) -> Source:
    """Make the windows of a batch readable without a copy of it: as it lies, or image by image.

    An image moves where it needs a border, or lies in memory with gaps and is read more than once;
    and, sorted by phase (see `phase_views`), where a stride would copy pixel by pixel and each
    pixel stands in four windows or more, so that sorting pays.
    """
    is_padded = settings.is_padded
    if x.flags.c_contiguous and not is_padded and settings.stride[1] == 1:  # nothing to be gained
        return Source([(slice(None), window_view(x, settings))], 0, None)
    # In how many windows a pixel stands.
    times = math.prod(settings.kernel) * math.prod(settings.out) / math.prod(settings.padded)
    can_sort = settings.padding_mode == "zeros" or not is_padded
    if 1 < settings.stride[1] < settings.kernel[1] and times >= 4 and can_sort:
        phases = empty_phases(1, x.shape[1], settings, dtype)
        put = functools.partial(sort_into, phases[0], settings=settings)
        return Source(phase_views(phases, settings), phases.nbytes, put)
    if not is_padded and (x.flags.c_contiguous or times < 1):
        return Source([(slice(None), window_view(x, settings))], 0, None)
    bordered = np.zeros((1, x.shape[1], *settings.padded), dtype=dtype)
    around, mode = settings.padding, settings.padding_mode
    put = functools.partial(pad_into, bordered[0], around=around, mode=mode)
    return Source([(slice(None), window_view(bordered, settings))], bordered.nbytes, put)


def phase_views(phases: Array, settings: ConvSettings) -> list[tuple[slice, Array]]:
    """`window_view` of images whose columns are sorted by phase (see `empty_phases`).

    At stride s_w, neighbouring windows take every s_w-th pixel of a row. Sorted, these lie side by
    side, and are copied as a run. A view for the taps of each phase, with the places of those taps:
    (N, G, C/G, K_h, taps, H_out, W_out).
    """
    images, channels, _, s_w, _ = phases.shape
    image_step, channel_step, row_step, phase_step, column_step = phases.strides
    (k_h, k_w), (d_h, d_w), groups = settings.kernel, settings.dilation, settings.groups
    period = s_w // math.gcd(s_w, d_w)  # from one tap to the next in the same phase
    views = []
    for first in range(min(period, k_w)):
        taps = slice(first, None, period)
        left, phase = divmod(first * d_w, s_w)
        view: Array = np.ndarray(
            (images, groups, channels // groups, k_h, len(range(k_w)[taps]), *settings.out),
            phases.dtype,
            phases,
            phase * phase_step + left * column_step,
            (
                image_step,
                channels // groups * channel_step,
                channel_step,
                d_h * row_step,
                period * d_w // s_w * column_step,
                settings.stride[0] * row_step,
                column_step,
            ),
        )
        view.setflags(write=False)
        views.append((taps, view))
    return views


def sort_into(phases: Array, image: Array, settings: ConvSettings) -> None:
    """Write an image (C, H, W) into its place in phases (C, H_p, s_w, …) whose border is zeros."""
    ((top, _), (left, _)), (height, width) = settings.padding, settings.image
    s_w = settings.stride[1]
    for column in range(min(s_w, width)):
        first, phase = divmod(left + column, s_w)
        pixels = image[:, :, column::s_w]
        phases[:, top : top + height, phase, first : first + pixels.shape[2]] = pixels


def empty_phases(images: int, channels: int, settings: ConvSettings, dtype: DType) -> Array:
    """Zeros for `add_windows`: a batch (N, C, H_p, W_p) with its columns sorted by phase.

    Every s_w-th column of an image belongs to the same tap of neighbouring windows. Here they lie
    side by side, so that adding to them goes at full speed: (N, C, H_p, s_w, W_p / s_w, rounded
    up), where column q·s_w + f stands at [f, q].
    """
    (height, width), (_, s_w) = settings.padded, settings.stride
    return np.zeros((images, channels, height, s_w, -(-width // s_w)), dtype=dtype)


def add_windows(phases: Array, windows: Array, settings: ConvSettings, first_row: int = 0) -> None:
    """Add windows (N, C, K_h, K_w, rows, W_out) to the pixels they stand over.

    Tap by tap, since within one tap no pixel occurs twice. `first_row` is the output row at which
    the windows begin.
    """
    (s_h, s_w), (d_h, d_w), (k_h, k_w) = settings.stride, settings.dilation, settings.kernel
    rows, columns = windows.shape[-2:]
    for i in range(k_h):
        top = first_row * s_h + i * d_h
        for j in range(k_w):
            left, phase = divmod(j * d_w, s_w)
            here = phases[:, :, top : top + (rows - 1) * s_h + 1 : s_h, phase]
            here[..., left : left + columns] += windows[:, :, i, j]  # (N, C, rows, W_out)


def in_order(phases: Array, settings: ConvSettings) -> Array:
    """The batch of `empty_phases` with its columns back in their order: (N, C, H_p, W_p)."""
    images, channels, height, s_w, each = phases.shape
    wide = phases.swapaxes(3, 4).reshape(images, channels, height, each * s_w)
    return wide[..., : settings.padded[1]]


def _size(x: Array) -> Pair:
    return (x.shape[-2], x.shape[-1])
