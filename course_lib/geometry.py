"""Where the windows of a convolution stand: sizes, starts, and the pixels they touch.

Nothing here looks at a pixel's value. A convolution treats its two axes alike and apart, so most
functions speak of one axis: an input of `n` pixels, a kernel of `kernel` taps, and

    stride    pixels from one window's start to the next
    padding   zeros put on at each end
    dilation  pixels from one tap of the kernel to the next (1: side by side)

Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from course_lib._validate import IntOrPair, integer, pair, shown

__all__ = [
    "dropped_tail",
    "effective_kernel",
    "flattened_distance",
    "output_shape",
    "output_size",
    "pair",
    "same_padding",
    "unused_pixels",
    "visit_counts",
    "window_pixels",
    "window_starts",
]


def effective_kernel(kernel: int, dilation: int = 1) -> int:
    """How many pixels a kernel spans from its first tap to its last, both included.

    `kernel` taps have `kernel - 1` steps between them, each `dilation` pixels long:
    `dilation * (kernel - 1) + 1`.

    Raises ValueError where `kernel` or `dilation` is below 1.

    >>> effective_kernel(3)
    3
    >>> effective_kernel(3, dilation=2)  # x . x . x
    5
    """
    kernel = integer(kernel, "kernel", at_least=1)
    dilation = integer(dilation, "dilation", at_least=1)
    return dilation * (kernel - 1) + 1


def output_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many windows fit along one axis: the length of the output.

    The padded input has `n + 2 * padding` pixels. The first window takes `effective_kernel` of
    them; each further window needs `stride` more. A rest smaller than the stride holds no window,
    and the floor drops it:

        floor((n + 2 * padding - effective_kernel) / stride) + 1

    Raises ValueError where not even one window fits, where `n`, `kernel`, `stride` or `dilation`
    is below 1, or `padding` is below 0; TypeError for anything but integers.

    >>> output_size(5, kernel=3)
    3
    >>> output_size(28, kernel=3, padding=1, stride=2)
    14
    >>> output_size(224, kernel=3, stride=2)  # (224 - 3) / 2 is 110.5: half a window is no window
    111
    """
    n = integer(n, "n", at_least=1)
    kernel = integer(kernel, "kernel", at_least=1)
    stride = integer(stride, "stride", at_least=1)
    padding = integer(padding, "padding", at_least=0)
    dilation = integer(dilation, "dilation", at_least=1)
    span = effective_kernel(kernel, dilation)
    padded = n + 2 * padding
    if span > padded:
        raise ValueError(
            f"kernel (={kernel}) must fit into the padded input: it spans {span} pixels with "
            f"dilation (={dilation}), and n + 2 * padding is {n} + 2 * {padding} = {padded}"
        )
    return (padded - span) // stride + 1


def output_shape(
    height: int,
    width: int,
    kernel: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> tuple[int, int]:
    """The shape (H_out, W_out) of a convolution's output: `output_size` along each axis.

    Raises as `output_size` does.

    >>> output_shape(28, 32, kernel=5, padding=(2, 0))
    (28, 28)
    """
    height, width = integer(height, "height", at_least=1), integer(width, "width", at_least=1)
    kernel_h, kernel_w = pair(kernel, "kernel", at_least=1)
    stride_h, stride_w = pair(stride, "stride", at_least=1)
    padding_h, padding_w = pair(padding, "padding", at_least=0)
    dilation_h, dilation_w = pair(dilation, "dilation", at_least=1)
    return (
        output_size(height, kernel_h, stride_h, padding_h, dilation_h),
        output_size(width, kernel_w, stride_w, padding_w, dilation_w),
    )


def same_padding(kernel: int, dilation: int = 1) -> tuple[int, int]:
    """The padding (before, after) that keeps the size at stride 1.

    A kernel shortens its input by `effective_kernel - 1` in all, so that much goes back on. An odd
    kernel splits it evenly; where it cannot be halved, the odd pixel goes after.

    Raises ValueError where `kernel` or `dilation` is below 1.

    >>> same_padding(3), same_padding(5), same_padding(3, dilation=2)
    ((1, 1), (2, 2), (2, 2))
    >>> same_padding(4)
    (1, 2)
    """
    lost = effective_kernel(kernel, dilation) - 1
    before = lost // 2
    return before, lost - before


def window_starts(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> list[int]:
    """The input position of each window's first tap; negative where it stands in the padding.

    Raises as `output_size` does.

    >>> window_starts(5, kernel=3, stride=2, padding=1)
    [-1, 1, 3]
    """
    windows = output_size(n, kernel, stride, padding, dilation)
    return [window * int(stride) - int(padding) for window in range(windows)]


def window_pixels(start: int, kernel: int, dilation: int = 1) -> range:
    """The positions that the taps of one window touch, the window's first tap at `start`.

    Positions below 0, or from n on, lie in the padding.

    >>> list(window_pixels(-1, kernel=3, dilation=2))
    [-1, 1, 3]
    """
    start = integer(start, "start")
    return range(start, start + effective_kernel(kernel, dilation), int(dilation))


def unused_pixels(
    n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1
) -> tuple[int, ...]:
    """The input positions that no window touches: nothing they hold reaches the output.

    There are three ways to be missed: behind the last window that fits (the floor dropped it),
    between two windows (a stride longer than the kernel), or between two taps (dilation).

    Raises as `output_size` does.

    >>> unused_pixels(6, kernel=3, stride=2)  # windows 0-2 and 2-4
    (5,)
    >>> unused_pixels(7, kernel=2, stride=3)
    (2, 5, 6)
    """
    return tuple(int(i) for i in np.flatnonzero(_visits(n, kernel, stride, padding, dilation) == 0))


def dropped_tail(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many positions at the end of the padded input the floor throws away.

    They may be padding: then nothing of the image is lost. `unused_pixels` tells which pixels are.

    Raises as `output_size` does.

    >>> dropped_tail(6, kernel=3, stride=2)
    1
    >>> dropped_tail(28, kernel=3, stride=2, padding=1), unused_pixels(28, 3, stride=2, padding=1)
    (1, ())
    """
    windows = output_size(n, kernel, stride, padding, dilation)
    used = (windows - 1) * int(stride) + effective_kernel(kernel, dilation)
    return int(n) + 2 * int(padding) - used


def visit_counts(
    height: int,
    width: int,
    kernel: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> npt.NDArray[np.int64]:
    """In how many windows each pixel takes part: an integer array (height, width).

    A window covers pixel (r, c) exactly where it covers row r along the height and column c
    along the width. The two do not depend on each other, so the counts multiply.

    Raises as `output_size` does.

    >>> print(visit_counts(5, 5, kernel=3))
    [[1 2 3 2 1]
     [2 4 6 4 2]
     [3 6 9 6 3]
     [2 4 6 4 2]
     [1 2 3 2 1]]
    """
    height, width = integer(height, "height", at_least=1), integer(width, "width", at_least=1)
    kernel_h, kernel_w = pair(kernel, "kernel", at_least=1)
    stride_h, stride_w = pair(stride, "stride", at_least=1)
    padding_h, padding_w = pair(padding, "padding", at_least=0)
    dilation_h, dilation_w = pair(dilation, "dilation", at_least=1)
    rows = _visits(height, kernel_h, stride_h, padding_h, dilation_h)  # (height,)
    columns = _visits(width, kernel_w, stride_w, padding_w, dilation_w)  # (width,)
    return np.outer(rows, columns)  # (height, width)


def _visits(n: int, kernel: int, stride: int, padding: int, dilation: int) -> npt.NDArray[np.int64]:
    """How often each of the n positions along one axis is touched."""
    starts = window_starts(n, kernel, stride, padding, dilation)
    counts = np.zeros(n, dtype=np.int64)
    for start in starts:
        for position in window_pixels(start, kernel, dilation):
            if 0 <= position < n:  # the rest is padding
                counts[position] += 1
    return counts


def flattened_distance(p: Sequence[int], q: Sequence[int], width: int) -> int:
    """How far apart pixels p and q end up when an image is flattened row by row.

    Pixels are (row, column). Pixel (r, c) of an image `width` pixels wide goes to position
    `r * width + c`, so a neighbour to the right stays 1 away and a neighbour below moves `width`
    away.

    Raises ValueError for a pixel outside the image, TypeError for anything but integers.

    >>> flattened_distance((0, 0), (0, 1), width=28), flattened_distance((0, 0), (1, 0), width=28)
    (1, 28)
    """
    width = integer(width, "width", at_least=1)
    return abs(_flat_position(p, "p", width) - _flat_position(q, "q", width))


def _flat_position(pixel: Sequence[int], name: str, width: int) -> int:
    if not isinstance(pixel, (tuple, list, np.ndarray)):
        raise TypeError(
            f"{name} (={shown(pixel)}) must be a pixel (row, column), not {type(pixel).__name__}"
        )
    if np.ndim(pixel) != 1 or len(pixel) != 2:
        raise ValueError(f"{name} (={shown(pixel)}) must be a pixel (row, column)")
    row, column = pair(pixel, name, at_least=0)
    if column >= width:
        raise ValueError(f"{name}[1] (={column}) must be below width (={width})")
    return row * width + column
