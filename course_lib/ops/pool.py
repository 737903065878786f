"""Pooling: one number for each window of each channel, its largest or its mean.

Nothing here is learned. Both kinds work on rows and columns one after the other: the largest of a
window is the largest of its rows' largest, and a sum is a sum of sums. So a K×K window takes 2K
steps in place of K².

Sources: LeCun et al., "Gradient-based learning applied to document recognition", 1998 (mean);
Scherer, Müller and Behnke, "Evaluation of pooling operations in convolutional architectures for
object recognition", 2010 (largest); Lin, Chen and Yan, "Network in network", 2014 (global).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, batch, integer, pair, shaped
from course_lib.ops._dtypes import answer, computing_and_result_types, real_types
from course_lib.ops._settings import ConvSettings, settings_for
from course_lib.ops.padding import padded_shape

__all__ = [
    "avg_pool2d",
    "avg_pool2d_backward",
    "global_avg_pool2d",
    "global_avg_pool2d_backward",
    "max_pool2d",
    "max_pool2d_backward",
]


def max_pool2d(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Array:
    """The largest value of each window: (N, C, H, W) → (N, C, H_out, W_out).

    Without a stride the windows stand side by side (`stride = kernel_size`). Sizes are an int or a
    (height, width) pair, in pixels. Padding can never win: it holds −inf, or for integers the
    smallest there is; a window whose taps all miss the image, as a dilation wider than the image
    makes possible, finds nothing else. NaN wins always.

    Integers and booleans give int64, floats their own type. Raises TypeError for anything but
    integers and numeric arrays, ValueError for an illegal size, where no window fits, and for
    a padding of more than half the window, which would leave windows without a pixel.

    >>> x = [[[[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]]]
    >>> print(max_pool2d(x, kernel_size=2)[0, 0])
    [[4 6]
     [8 9]]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    settings = _settings(_size(x), kernel_size, stride, padding, dilation)
    computing, result = computing_and_result_types(x)
    bordered = _bordered(x, settings, computing, _smallest(computing))
    return _rows_then_columns(np.maximum, bordered, settings).astype(result)


def max_pool2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Array:
    """The gradient of `max_pool2d`: (N, C, H_out, W_out) → (N, C, H, W).

    Each window's gradient goes to the pixel that won it, whole: a small change of any other changes
    nothing. Of equal winners the first in reading order gets it all. A pixel that won several
    windows gets the sum.

    Errors are as in `max_pool2d`, and ValueError where grad_out has not the shape of the output.

    >>> x = [[[[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]]]
    >>> print(max_pool2d_backward([[[[10, 20], [30, 40]]]], x, kernel_size=2)[0, 0])
    [[ 0  0  0  0]
     [10  0 20  0]
     [ 0 30  0  0]
     [ 0  0 40  0]]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    settings = _settings(_size(x), kernel_size, stride, padding, dilation)
    grad_out = _grad_of(grad_out, (*x.shape[:2], *settings.out))
    values, _ = computing_and_result_types(x)
    computing, result = computing_and_result_types(grad_out)
    bordered = _bordered(x, settings, values, _smallest(values))
    largest = _rows_then_columns(np.maximum, bordered, settings)
    grad_padded = np.zeros(bordered.shape, dtype=computing)
    to_give = np.ones(grad_out.shape, dtype=bool)
    for tap in _taps(settings):
        here = bordered[tap]  # (N, C, H_out, W_out): this pixel of every window
        wins = to_give & ((here == largest) | (here != here))  # NaN differs from itself, and wins
        grad_padded[tap] += np.where(wins, grad_out, 0)
        to_give &= ~wins
    return _inside(grad_padded, settings).astype(result)


def avg_pool2d(
    x: npt.ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Array:
    """The mean of each window: (N, C, H, W) → (N, C, H_out, W_out).

    Padded zeros count as pixels: every sum is divided by K_h·K_w, as is PyTorch's default. Sizes
    and errors are as in `max_pool2d`. A mean is a fraction: integers give float64.

    >>> x = [[[[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]]]]
    >>> print(avg_pool2d(x, kernel_size=2)[0, 0])
    [[2.5  3.5 ]
     [5.75 4.  ]]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    settings = _settings(_size(x), kernel_size, stride, padding, 1)
    computing, result = real_types(x)
    bordered = _bordered(x, settings, computing, 0)
    total = _rows_then_columns(np.add, bordered, settings)
    total /= settings.kernel[0] * settings.kernel[1]
    return total.astype(result, copy=False)


def avg_pool2d_backward(
    grad_out: npt.ArrayLike,
    input_shape: Sequence[int],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
) -> Array:
    """The gradient of `avg_pool2d`: (N, C, H_out, W_out) → `input_shape`, which is (N, C, H, W).

    Every pixel of a window had the same share in its mean and gets that share of its gradient,
    1/(K_h·K_w). The pixels' values do not matter, so their shape is all that is asked for.

    Types and errors are as in `avg_pool2d`; ValueError where grad_out has not the output's shape.

    >>> print(avg_pool2d_backward([[[[4.0, 8.0]]]], (1, 1, 2, 4), kernel_size=2)[0, 0])
    [[1. 1. 2. 2.]
     [1. 1. 2. 2.]]
    """
    shape = image_shape(input_shape)
    settings = _settings(shape[2:], kernel_size, stride, padding, 1)
    grad_out = _grad_of(grad_out, (*shape[:2], *settings.out))
    computing, result = real_types(grad_out)
    share = grad_out.astype(computing) / (settings.kernel[0] * settings.kernel[1])
    grad_padded = np.zeros((*shape[:2], *settings.padded), dtype=computing)
    for tap in _taps(settings):
        grad_padded[tap] += share
    return _inside(grad_padded, settings).astype(result)


def global_avg_pool2d(x: npt.ArrayLike) -> Array:
    """The mean of each channel: (N, C, H, W) → (N, C), whatever H and W are.

    Integers give float64. Raises TypeError for an array that is not numeric, ValueError for a wrong
    number of dimensions.

    >>> global_avg_pool2d([[[[1, 2], [3, 4]]]])
    array([[2.5]])
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    computing, result = real_types(x)
    return answer(x.mean(axis=(2, 3), dtype=computing), result)


def global_avg_pool2d_backward(grad_out: npt.ArrayLike, input_shape: Sequence[int]) -> Array:
    """The gradient of `global_avg_pool2d`: (N, C) → `input_shape`, which is (N, C, H, W).

    Every pixel gets the same share, 1/(H·W).

    >>> print(global_avg_pool2d_backward([[8.0]], (1, 1, 2, 2)))
    [[[[2. 2.]
       [2. 2.]]]]
    """
    shape = image_shape(input_shape)
    grad_out = _grad_of(grad_out, shape[:2])
    computing, result = real_types(grad_out)
    share = grad_out.astype(computing) / (shape[2] * shape[3])
    return np.broadcast_to(share[:, :, np.newaxis, np.newaxis], shape).astype(result)


def image_shape(value: Sequence[int]) -> tuple[int, int, int, int]:
    """Check an (N, C, H, W); N may be 0."""
    sizes = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(sizes) != 4:
        raise ValueError(f"input_shape (={value}) must be a shape (N, C, H, W)")
    n, c, h, w = (
        integer(size, f"input_shape[{axis}]", at_least=1 if axis else 0)
        for axis, size in enumerate(sizes)
    )
    return n, c, h, w


def _settings(
    image: tuple[int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: IntOrPair,
    dilation: IntOrPair,
) -> ConvSettings:
    kernel = pair(kernel_size, "kernel_size", at_least=1)
    around = pair(padding, "padding", at_least=0)
    settings = settings_for(image, kernel, kernel if stride is None else stride, around, dilation)
    if around[0] > settings.span[0] // 2 or around[1] > settings.span[1] // 2:
        raise ValueError(
            f"padding (={around}) must be at most half of the window, which spans {settings.span}"
        )
    return settings


def _bordered(x: Array, settings: ConvSettings, computing: np.dtype[Any], border: float) -> Array:
    """(N, C, H, W) → (N, C, H_p, W_p), the border holding one value; x itself without padding."""
    if not settings.is_padded:
        return x.astype(computing, copy=False)
    bordered = np.full(padded_shape(x.shape, settings.padding), border, dtype=computing)
    _inside(bordered, settings)[...] = x
    return bordered


def _inside(bordered: Array, settings: ConvSettings) -> Array:
    """(N, C, H_p, W_p) → (N, C, H, W), a view."""
    (top, _), (left, _) = settings.padding
    return bordered[:, :, top : top + settings.image[0], left : left + settings.image[1]]


def _rows_then_columns(combine: Callable[..., Any], x: Array, settings: ConvSettings) -> Array:
    """Combine the pixels of each window: (N, C, H_p, W_p) → (N, C, H_out, W_out), a new array."""
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = settings.kernel, settings.stride, settings.dilation
    last_row, last_column = (settings.out[0] - 1) * s_h, (settings.out[1] - 1) * s_w
    rows = x[:, :, : last_row + 1 : s_h].copy()  # (N, C, H_out, W_p)
    for i in range(1, k_h):
        combine(rows, x[:, :, i * d_h : i * d_h + last_row + 1 : s_h], out=rows)
    out = rows[:, :, :, : last_column + 1 : s_w].copy()  # (N, C, H_out, W_out)
    for j in range(1, k_w):
        combine(out, rows[:, :, :, j * d_w : j * d_w + last_column + 1 : s_w], out=out)
    return out


def _taps(settings: ConvSettings) -> list[tuple[Any, ...]]:
    """For each pixel of a window, in reading order, the index that takes it from all windows."""
    (k_h, k_w), (s_h, s_w), (d_h, d_w) = settings.kernel, settings.stride, settings.dilation
    last_row, last_column = (settings.out[0] - 1) * s_h, (settings.out[1] - 1) * s_w
    return [
        (
            ...,
            slice(i * d_h, i * d_h + last_row + 1, s_h),
            slice(j * d_w, j * d_w + last_column + 1, s_w),
        )
        for i in range(k_h)
        for j in range(k_w)
    ]


def _smallest(dtype: np.dtype[Any]) -> float:
    return int(np.iinfo(dtype).min) if dtype.kind == "i" else -np.inf


def _grad_of(grad_out: npt.ArrayLike, out_shape: tuple[int, ...]) -> Array:
    return shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")


def _size(x: Array) -> tuple[int, int]:
    return (x.shape[2], x.shape[3])
