"""Where the windows of a convolution stand, and what a stack of them sees: sizes, starts, fields.

Nothing here looks at a pixel's value. A convolution treats its two axes alike and apart, so most
functions speak of one axis: an input of `n` pixels, a kernel of `kernel` taps, and

    stride    pixels from one window's start to the next
    padding   zeros put on at each end
    dilation  pixels from one tap of the kernel to the next (1: side by side)

Sources: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016; for
receptive fields Araujo, Norris and Sim, "Computing receptive fields of convolutional neural
networks", Distill, 2019.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import IntOrPair, integer, pair, shown

__all__ = [
    "Layer",
    "ReceptiveField",
    "dilated_rf",
    "dropped_tail",
    "effective_kernel",
    "field_by_layer",
    "flattened_distance",
    "input_region",
    "layers_to_see",
    "output_shape",
    "output_size",
    "pair",
    "pixels_seen",
    "receptive_field",
    "rf_of_stack",
    "same_padding",
    "transposed_output_size",
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


def transposed_output_size(
    n: int,
    kernel: int,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    dilation: int = 1,
) -> int:
    """How long a transposed convolution's output is along one axis.

    `n` stamps stand `stride` apart, each `effective_kernel` long. `padding` is cut off both ends;
    `output_padding` goes on after the last:

        (n - 1) * stride + effective_kernel - 2 * padding + output_padding

    It turns `output_size` around: of all sizes that a convolution with the same numbers shrinks
    to `n`, this is the smallest, plus `output_padding`.

    Raises ValueError where nothing is left, where `output_padding` is not below the stride, where
    `n`, `kernel`, `stride` or `dilation` is below 1, or one of the paddings below 0; TypeError for
    anything but integers.

    >>> transposed_output_size(7, kernel=2, stride=2)
    14
    >>> [transposed_output_size(14, 3, 2, 1, extra) for extra in (0, 1)]
    [27, 28]
    >>> output_size(27, 3, 2, 1), output_size(28, 3, 2, 1)
    (14, 14)
    """
    n = integer(n, "n", at_least=1)
    stride = integer(stride, "stride", at_least=1)
    padding = integer(padding, "padding", at_least=0)
    output_padding = integer(output_padding, "output_padding", at_least=0)
    if output_padding >= stride:
        raise ValueError(
            f"output_padding (={output_padding}) must be smaller than stride (={stride})"
        )
    size = (n - 1) * stride + effective_kernel(kernel, dilation) + output_padding
    if size <= 2 * padding:
        raise ValueError(
            f"padding (={padding}) must leave some of the output: it cuts 2 * {padding} off {size}"
        )
    return size - 2 * padding


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


# ── what a stack of layers sees ─────────────────────────────────────────────────────────────────


class Layer(NamedTuple):
    """One layer with a window, a convolution or a pooling, along one axis."""

    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1


class ReceptiveField(NamedTuple):
    """What the units of a layer see of the input, along one axis, in pixels.

    Unit i covers the pixels from `start + i * jump` to `start + i * jump + size - 1`.
    """

    size: int
    jump: int
    start: int

    def region(self, index: int) -> tuple[int, int]:
        """The first and the last pixel that unit `index` covers; see `input_region`.

        >>> ReceptiveField(size=7, jump=4, start=-3).region(2)
        (5, 11)
        """
        first = self.start + integer(index, "index", at_least=0) * self.jump
        return first, first + self.size - 1


def receptive_field(layers: Iterable[Sequence[int]]) -> ReceptiveField:
    """The receptive field of a stack: its size, the jump between units, and where unit 0's starts.

    `layers` are `Layer`s or tuples (kernel, stride, padding, dilation), the first one next to the
    input; a tuple may leave out its last numbers. A layer reaches over `effective_kernel - 1` steps
    of its own input, and each of these is `jump` pixels long, the product of the strides before:

        size  += (effective_kernel - 1) * jump
        start -= padding * jump
        jump  *= stride

    The start is negative where unit 0 looks into the padding. No layer at all sees one pixel.

    Raises ValueError for a layer that is none, TypeError for anything but integers.

    >>> receptive_field([(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)])
    ReceptiveField(size=13, jump=4, start=-6)
    """
    return field_by_layer(layers)[-1]


def field_by_layer(layers: Iterable[Sequence[int]]) -> list[ReceptiveField]:
    """The receptive field before the first layer, after it, after the second, …

    Raises as `receptive_field` does.

    >>> [field.size for field in field_by_layer([(3, 1), (3, 2), (3, 1), (3, 2)])]
    [1, 3, 5, 9, 13]
    """
    fields = [ReceptiveField(1, 1, 0)]
    for place, given in enumerate(layers):
        layer, field = _layer(given, f"layers[{place}]"), fields[-1]
        steps = effective_kernel(layer.kernel, layer.dilation) - 1
        fields.append(
            ReceptiveField(
                field.size + steps * field.jump,
                field.jump * layer.stride,
                field.start - layer.padding * field.jump,
            )
        )
    return fields


def _layer(given: Sequence[int], name: str) -> Layer:
    if not isinstance(given, (tuple, list, np.ndarray)):
        raise TypeError(
            f"{name} (={shown(given)}) must be a tuple (kernel, stride, padding, dilation), "
            f"not {type(given).__name__}"
        )
    if not 1 <= len(given) <= 4:
        raise ValueError(
            f"{name} (={shown(given)}) must have 1 to 4 numbers (kernel, stride, padding, dilation)"
        )
    lowest = {"kernel": 1, "stride": 1, "padding": 0, "dilation": 1}
    return Layer(
        *(
            integer(value, f"{name}.{part}", at_least)
            for value, (part, at_least) in zip(given, lowest.items(), strict=False)
        )
    )


def input_region(layers: Iterable[Sequence[int]], index: int) -> tuple[int, int]:
    """The first and the last input pixel that unit `index` of the last layer covers.

    Both are part of the region, and neither is clipped to the image: a negative first pixel lies
    in the padding. `layers` as for `receptive_field`.

    Raises ValueError where `index` is below 0, and as `receptive_field` does.

    >>> input_region([(3, 2, 1, 1), (3, 2, 1, 1)], index=2)
    (5, 11)
    """
    return receptive_field(layers).region(index)


def pixels_seen(layers: Iterable[Sequence[int]], index: int = 0) -> tuple[int, ...]:
    """The input pixels that reach unit `index`, in order, the padding's positions included.

    They fill the `input_region` but where dilated taps or long strides leave gaps. As all regions
    here, they are those of an image that goes on beyond its border: near it, padding takes the
    place of some.

    Raises as `input_region` does.

    >>> pixels_seen([(3, 1, 0, 2)])
    (0, 2, 4)
    >>> pixels_seen([(3, 1, 0, 2), (3, 1, 0, 1)])
    (0, 1, 2, 3, 4, 5, 6)
    """
    seen = {integer(index, "index", at_least=0)}
    stack = [_layer(given, f"layers[{place}]") for place, given in enumerate(layers)]
    for layer in reversed(stack):  # from the unit down to the pixels
        seen = {
            position
            for unit in seen
            for position in window_pixels(
                unit * layer.stride - layer.padding, layer.kernel, layer.dilation
            )
        }
    return tuple(sorted(seen))


def rf_of_stack(n_layers: int, kernel: int = 3) -> int:
    """The receptive field of `n_layers` equal layers at stride 1: each adds `kernel - 1` pixels.

    Raises ValueError where `n_layers` is below 0 or `kernel` below 1.

    >>> rf_of_stack(5), rf_of_stack(10), rf_of_stack(50)
    (11, 21, 101)
    """
    n_layers = integer(n_layers, "n_layers", at_least=0)
    kernel = integer(kernel, "kernel", at_least=1)
    return 1 + n_layers * (kernel - 1)


def layers_to_see(size: int, kernel: int = 3) -> int:
    """The fewest stride-1 layers with this kernel whose receptive field has at least `size` pixels.

    Raises ValueError where `size` is below 1, or `kernel` below 2: a 1×1 kernel sees one pixel
    however often it is stacked.

    >>> layers_to_see(224), layers_to_see(224, kernel=7), layers_to_see(1)
    (112, 38, 0)
    """
    size = integer(size, "size", at_least=1)
    kernel = integer(kernel, "kernel", at_least=2)
    return -(-(size - 1) // (kernel - 1))


def dilated_rf(dilations: Iterable[int], kernel: int = 3) -> int:
    """The receptive field of stride-1 layers with these dilations, one number a layer.

    Raises ValueError where a dilation or `kernel` is below 1.

    >>> [dilated_rf([1, 2, 4, 8][:n]) for n in range(1, 5)]
    [3, 7, 15, 31]
    """
    return receptive_field([(kernel, 1, 0, dilation) for dilation in dilations]).size
