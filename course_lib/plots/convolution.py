"""The arithmetic of convolution in pictures, for any sizes: one function for each argument.

padding, stride and dilation draw an image's pixels and the output beside them, at one scale: dark
cells are the taps of a window, dotted ones padding, hatched ones are seen by no window. groups
draws which channels feed which; transposition draws where each pixel's stamp lands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib import geometry
from course_lib._validate import IntOrPair, integer, pair
from course_lib.plots.base import INK, STYLES, figure, heatmap

__all__ = [
    "MOST_CHANNELS",
    "MOST_PIXELS",
    "dilation_figure",
    "groups_figure",
    "padding_figure",
    "stride_figure",
    "transposition_figure",
]

TAP, SPAN, UNUSED = "#1f5fa8", "#cfdcec", "#f4d9b8"

MOST_PIXELS = 24
"""Along an axis, the padding included: smaller cells could not be told apart."""

SMALLEST_TEXT = 5.0
"""In points: smaller numbers are left out."""

MOST_CHANNELS = 24
"""On either side of a layer, for the same reason."""


class _Setting(NamedTuple):
    """Sizes in pixels, as (height, width)."""

    image: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def out(self) -> tuple[int, int]:
        return geometry.output_shape(*self.image, *self[1:])

    @property
    def span(self) -> tuple[int, int]:
        return (
            geometry.effective_kernel(self.kernel[0], self.dilation[0]),
            geometry.effective_kernel(self.kernel[1], self.dilation[1]),
        )

    @property
    def in_words(self) -> str:
        return f"{_by(self.image)} → {_by(self.out)}"


# ── padding, stride, dilation ───────────────────────────────────────────────────────────────────


def padding_figure(
    size: IntOrPair, kernel: IntOrPair, padding: IntOrPair, stride: IntOrPair = 1
) -> Figure:
    """What padding changes: without it (where a window fits) and with it.

    The number in a pixel says in how many windows it takes part; dark is the first window and its
    output. All sizes are an int or a (height, width) pair.

    Raises ValueError where no window fits, and for more pixels than `MOST_PIXELS`.

    >>> fig = padding_figure(5, kernel=3, padding=1)
    >>> print(fig.get_suptitle())
    Padding 1 gives the corner pixel 4 windows in place of 1
    >>> [ax.get_title() for ax in fig.axes]
    ['padding 0: 5×5 → 3×3', 'padding 1: 5×5 → 5×5']
    """
    padded = _checked(size, kernel, stride, padding, 1)
    bare = padded._replace(padding=(0, 0))
    fits = bare.span[0] <= bare.image[0] and bare.span[1] <= bare.image[1]
    shown = [bare, padded] if fits and padded != bare else [padded]
    corners = [int(geometry.visit_counts(*each.image, *each[1:])[0, 0]) for each in shown]
    title = f"Padding {_short(padded.padding)} gives the corner pixel {_windows(corners[-1])}"
    if len(shown) == 2:
        title += f" in place of {corners[0]}"
    return _panels(shown, [f"padding {_short(each.padding)}" for each in shown], title, _visited)


def stride_figure(
    size: IntOrPair, kernel: IntOrPair, stride: IntOrPair, padding: IntOrPair = 0
) -> Figure:
    """What a stride changes: windows side by side at stride 1, and at this one.

    The windows are counted in reading order: each has its number on its first tap and on its
    output. The frames are the first two windows of the first row and the first of the second.

    Raises ValueError where no window fits, and for more pixels than `MOST_PIXELS`.

    >>> fig = stride_figure(6, kernel=3, stride=2)
    >>> print(fig.get_suptitle())
    Stride 2 keeps 4 of 16 windows; 11 pixels are seen by none
    """
    strided = _checked(size, kernel, stride, padding, 1)
    dense = strided._replace(stride=(1, 1))
    shown = [dense, strided] if dense != strided else [strided]
    kept, all_of_them = (int(np.prod(each.out)) for each in (strided, dense))
    title = f"Stride {_short(strided.stride)} keeps {kept} of {_windows(all_of_them)}"
    unseen = int((geometry.visit_counts(*strided.image, *strided[1:]) == 0).sum())
    if unseen:
        title += f"; {unseen} pixel{'s are' if unseen > 1 else ' is'} seen by none"
    return _panels(shown, [f"stride {_short(each.stride)}" for each in shown], title, _numbered)


def dilation_figure(
    size: IntOrPair,
    kernel: IntOrPair,
    dilation: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
) -> Figure:
    """What dilation changes: the same taps side by side, and apart.

    Dark are the taps of the first window, pale the gaps between them, and the frame is all that the
    window spans.

    Raises ValueError where no window fits, and for more pixels than `MOST_PIXELS`.

    >>> fig = dilation_figure(7, kernel=3, dilation=2)
    >>> print(fig.get_suptitle())
    Dilation 2 spreads 9 taps over 5×5 pixels
    >>> [ax.get_title() for ax in fig.axes]
    ['dilation 1: 7×7 → 5×5', 'dilation 2: 7×7 → 3×3']
    """
    dilated = _checked(size, kernel, stride, padding, dilation)
    dense = dilated._replace(dilation=(1, 1))
    shown = [dense, dilated] if dense != dilated else [dilated]
    taps = int(np.prod(dilated.kernel))
    title = (
        f"Dilation {_short(dilated.dilation)} spreads {taps} tap{'s' if taps > 1 else ''} over "
        f"{_by(dilated.span)} pixel{'s' if dilated.span != (1, 1) else ''}"
    )
    return _panels(shown, [f"dilation {_short(each.dilation)}" for each in shown], title, _spread)


def _checked(
    size: IntOrPair, kernel: IntOrPair, stride: IntOrPair, padding: IntOrPair, dilation: IntOrPair
) -> _Setting:
    setting = _Setting(
        pair(size, "size", at_least=1),
        pair(kernel, "kernel", at_least=1),
        pair(stride, "stride", at_least=1),
        pair(padding, "padding", at_least=0),
        pair(dilation, "dilation", at_least=1),
    )
    _check_drawable(
        tuple(n + 2 * p for n, p in zip(setting.image, setting.padding, strict=True)),
        f"size (={setting.image}) with padding (={setting.padding})",
    )
    _ = setting.out  # raises where no window fits
    return setting


def _check_drawable(pixels: Sequence[int], what: str) -> None:
    if max(pixels) > MOST_PIXELS:
        raise ValueError(f"{what} must be at most {MOST_PIXELS} pixels along each axis to be drawn")


def _panels(
    settings: Sequence[_Setting],
    names: Sequence[str],
    title: str,
    draw: Callable[[Axes, _Setting, float, float], None],
) -> Figure:
    """A panel for each setting: the padded image, an arrow, the output, all cells of one size."""
    rows = max(max(each.image[0] + 2 * each.padding[0], each.out[0]) for each in settings) + 1
    width_of_all = max(each.image[1] + 2 * each.padding[1] + each.out[1] for each in settings) + 3.5
    cell = min(0.36, 6.2 / width_of_all, 4.5 / rows)  # inches
    columns = len(settings) if len(settings) * width_of_all * cell < 12 else 1
    size = (max(cell * width_of_all, 3.2), cell * rows + 0.6)
    fig, axes = figure(len(settings), columns=columns, size=size, title=title)
    for ax, name, each in zip(axes, names, settings, strict=True):
        (height, width), (top, left) = each.image, each.padding
        out_x = width + left + 2.5
        out_y = (height - each.out[0]) / 2
        _grid(ax, -left, -top, (height + 2 * top, width + 2 * left), linestyles=":", lw=0.7)
        _grid(ax, 0, 0, each.image, lw=1.0)
        _grid(ax, out_x, out_y, each.out, lw=1.0)
        draw(ax, each, out_x, out_y)
        _size_numbers(ax, cell)
        ax.annotate(
            "",
            (out_x - 0.75, height / 2 - 0.5),
            (width + left + 0.25, height / 2 - 0.5),
            arrowprops={"arrowstyle": "->", "color": INK},
        )
        middle = (height - 1) / 2
        ax.set(xlim=(-left - 1, width_of_all - left - 1), aspect="equal")
        ax.set(ylim=(middle + rows / 2, middle - rows / 2))
        ax.axis("off")
        ax.set_title(f"{name}: {each.in_words}", fontsize=11, color=INK)
    return fig


def _visited(ax: Axes, setting: _Setting, out_x: float, out_y: float) -> None:
    """The first window dark, and each pixel's number of windows."""
    _first_window(ax, setting)
    _cell(ax, out_x, out_y, TAP)
    counts = geometry.visit_counts(*setting.image, *setting[1:])
    (k_h, k_w), (top, left) = setting.kernel, setting.padding
    for row, column in np.ndindex(*setting.image):
        in_window = row + top < k_h and column + left < k_w
        _count(ax, column, row, int(counts[row, column]), white=in_window)


def _numbered(ax: Axes, setting: _Setting, out_x: float, out_y: float) -> None:
    """Each window's number where it starts and where its answer goes; the first ones framed."""
    counts = geometry.visit_counts(*setting.image, *setting[1:])
    for row, column in np.argwhere(counts == 0):
        _cell(ax, column, row, UNUSED, hatch="////")
    (s_h, s_w), (top, left), (k_h, k_w) = setting.stride, setting.padding, setting.kernel
    for place, (row, column) in enumerate(np.ndindex(*setting.out)):
        x, y = column * s_w - left, row * s_h - top
        for there in ((x, y), (out_x + column, out_y + row)):
            _cell(ax, *there, SPAN)
            _text(ax, *there, place + 1)
        if row + column <= 1:
            # Each frame a little smaller than the one before: edges that meet stay apart.
            inset = 0.09 * (row + 2 * column)
            line = STYLES[row + 2 * column]["linestyle"]
            _frame(ax, x + inset, y + inset, k_w - 2 * inset, k_h - 2 * inset, linestyle=line)


def _spread(ax: Axes, setting: _Setting, out_x: float, out_y: float) -> None:
    """The span of the first window pale and framed, its taps dark."""
    (top, left), (span_h, span_w) = setting.padding, setting.span
    for row, column in np.ndindex(span_h, span_w):
        _cell(ax, column - left, row - top, SPAN)
    _first_window(ax, setting)
    _frame(ax, -left, -top, span_w, span_h)
    _cell(ax, out_x, out_y, TAP)


def _first_window(ax: Axes, setting: _Setting) -> None:
    (top, left), (d_h, d_w) = setting.padding, setting.dilation
    for row, column in np.ndindex(*setting.kernel):
        _cell(ax, column * d_w - left, row * d_h - top, TAP)


# ── groups ──────────────────────────────────────────────────────────────────────────────────────


def groups_figure(c_in: int, c_out: int, groups: int) -> Figure:
    """Which input channels feed which output channels: as lines, and as a table of the weights.

    The lines of neighbouring groups differ in colour and in dashes; dark cells of the table are
    slices of the kernels, empty ones were never made.

    Raises ValueError where `groups` does not divide the channels, and for more channels than
    `MOST_CHANNELS`.

    >>> groups_figure(4, 8, groups=2).get_suptitle()
    'Groups 2: every output channel sees 2 of 4 inputs, 16 of 32 slices are left'
    """
    c_in = integer(c_in, "c_in", at_least=1)
    c_out = integer(c_out, "c_out", at_least=1)
    groups = integer(groups, "groups", at_least=1)
    for channels, name in ((c_in, "c_in"), (c_out, "c_out")):
        if channels % groups:
            raise ValueError(f"groups (={groups}) must divide {name} (={channels})")
        if channels > MOST_CHANNELS:
            raise ValueError(f"{name} (={channels}) must be at most {MOST_CHANNELS} to be drawn")
    share_in, share_out = c_in // groups, c_out // groups
    title = f"Groups {groups}{' (depthwise)' if 1 < c_in == groups else ''}: every output channel "
    title += f"sees {share_in} of {c_in} inputs" if groups > 1 else "sees every input channel"
    if groups > 1:
        title += f", {c_out * share_in} of {c_out * c_in} slices are left"
    fig, (lines, table) = figure(2, size=(4.2, 4.0), title=title)

    tallest = max(c_in, c_out)
    step_in, step_out = tallest / c_in, tallest / c_out  # both columns as tall as the longer
    ends_x = 0.9 * tallest
    in_y = [(c + 0.5) * step_in - 0.5 for c in range(c_in)]
    out_y = [(c + 0.5) * step_out - 0.5 for c in range(c_out)]
    for o in range(c_out):
        style = STYLES[o // share_out % len(STYLES)]
        first = o // share_out * share_in
        for c in range(first, first + share_in):
            lines.plot(
                [0.5, ends_x - 0.5],
                [in_y[c], out_y[o]],
                color=style["color"],
                linestyle=style["linestyle"],
                lw=1.2,
                zorder=0,
            )
    size = min(9.0, 130 / tallest)
    for x, places in ((0.0, in_y), (ends_x, out_y)):
        for channel, y in enumerate(places):
            _cell(lines, x, y, "white", lw=1.0)
            lines.text(x, y, str(channel), ha="center", va="center", fontsize=size)
    _open_axes(lines, 0, ends_x + 1, 0, tallest)
    for x, text in ((0.0, "input\nchannels"), (ends_x, "output\nchannels")):
        lines.text(x, -0.8, text, ha="center", va="bottom", fontsize=9, color=INK)

    _grid(table, 0, 0, (c_out, c_in), lw=0.5)
    for o in range(c_out):
        first = o // share_out * share_in
        for c in range(first, first + share_in):
            _cell(table, c, o, TAP)
    table.set(xlim=(-0.6, c_in - 0.4), ylim=(c_out - 0.4, -0.6), aspect="equal")
    table.set_xticks(range(c_in), labels=list(map(str, range(c_in))), fontsize=size)
    table.set_yticks(range(c_out), labels=list(map(str, range(c_out))), fontsize=size)
    table.tick_params(length=0)
    table.spines[:].set_visible(False)
    table.set_xlabel("input channel")
    table.set_ylabel("output channel")
    table.set_title("the slices there are", fontsize=10, color=INK)
    return fig


# ── transposition ───────────────────────────────────────────────────────────────────────────────


def transposition_figure(
    size: IntOrPair,
    kernel: IntOrPair,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    output_padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Figure:
    """Where a transposed convolution's stamps land: along the width, and how many on each pixel.

    On the left a row for each input pixel, its number on every tap of its stamp; below them the
    output with the number of stamps that land on each pixel. Dotted cells are cut off by the
    padding. On the right the same count for the whole output. All sizes are an int or a (height,
    width) pair.

    Raises ValueError as `geometry.transposed_output_size` does, and for more pixels than
    `MOST_PIXELS`.

    >>> fig = transposition_figure(3, kernel=3, stride=2)
    >>> print(fig.get_suptitle())
    Transposed, 3×3 → 7×7: from 1 to 4 stamps land on a pixel
    """
    image = pair(size, "size", at_least=1)
    numbers = (
        pair(kernel, "kernel", at_least=1),
        pair(stride, "stride", at_least=1),
        pair(padding, "padding", at_least=0),
        pair(output_padding, "output_padding", at_least=0),
        pair(dilation, "dilation", at_least=1),
    )
    height, width = (
        geometry.transposed_output_size(image[axis], *(each[axis] for each in numbers))
        for axis in (0, 1)
    )
    kernels, strides, paddings, _, dilations = numbers
    _check_drawable(
        (height + 2 * paddings[0], width + 2 * paddings[1]),
        f"the output {_by((height, width))} with padding (={paddings})",
    )
    # The stamps that land on an output pixel are the windows that see it in the convolution.
    counts = geometry.visit_counts(height, width, kernels, strides, paddings, dilations)
    fewest, most = int(counts.min()), int(counts.max())
    often = f"{fewest} stamp{'s' if fewest != 1 else ''} on every pixel"
    if fewest < most:
        often = f"from {fewest} to {most} stamps land on a pixel"
    fig, (along, both) = figure(
        2,
        size=(4.4, 4.0),
        title=f"Transposed, {_by(image)} → {_by((height, width))}: {often}",
    )

    _grid(along, 0, 0, (1, image[1]), lw=1.0)
    for pixel in range(image[1]):
        _text(along, pixel, 0, pixel)
        start, row = pixel * strides[1] - paddings[1], 1.6 + pixel
        for place in range(geometry.effective_kernel(kernels[1], dilations[1])):
            is_tap, inside = place % dilations[1] == 0, 0 <= start + place < width
            if is_tap and inside:
                _cell(along, start + place, row, TAP, edgecolor="white", lw=1.0)
            elif is_tap:
                _cell(along, start + place, row, "white", lw=1.0, linestyle=":")
            if is_tap:
                _text(along, start + place, row, pixel, white=inside)
    bottom = image[1] + 2.2
    landed = geometry.visit_counts(
        1, width, (1, kernels[1]), (1, strides[1]), (0, paddings[1]), (1, dilations[1])
    )
    for place, count in enumerate(landed[0]):
        _cell(along, place, bottom, SPAN)
        _count(along, place, bottom, int(count))
    _grid(along, 0, bottom, (1, width), lw=1.0)
    _open_axes(along, -paddings[1], max(width + paddings[1], image[1]), 0, bottom + 1)
    across = width + 2 * paddings[1] + 1
    _size_numbers(along, 3.4 / across)
    along.set_title(f"along the width: {image[1]} → {width}", fontsize=11, color=INK)
    for name, y in (("input", 0.0), ("output", bottom)):
        along.annotate(
            name,
            (-paddings[1] - 0.8, y),
            ha="right",
            va="center",
            fontsize=9,
            annotation_clip=False,
        )

    heatmap(both, counts, title="stamps on each pixel", limit=1.3 * max(most, 1))
    return fig


# ── cells ───────────────────────────────────────────────────────────────────────────────────────


def _cell(ax: Axes, x: float, y: float, colour: str, **options: Any) -> None:
    """A filled cell around (x, y), without an outline unless one is asked for."""
    drawn: dict[str, Any] = {"facecolor": colour, "edgecolor": INK, "lw": 0.0} | options
    ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **drawn))


def _grid(ax: Axes, x: float, y: float, shape: tuple[int, int], **options: Any) -> None:
    """The lines of a grid whose first cell lies around (x, y)."""
    (height, width), left, top = shape, x - 0.5, y - 0.5
    lines: dict[str, Any] = {"colors": INK, "zorder": 2, **options}
    ax.hlines([top + row for row in range(height + 1)], left, left + width, **lines)
    ax.vlines([left + column for column in range(width + 1)], top, top + height, **lines)


def _frame(ax: Axes, x: float, y: float, width: float, height: float, **options: Any) -> None:
    ax.add_patch(
        Rectangle(
            (x - 0.5, y - 0.5),
            width,
            height,
            fill=False,
            edgecolor=INK,
            lw=2.4,
            zorder=3,
            **options,
        )
    )


def _text(ax: Axes, x: float, y: float, value: int, white: bool = False) -> None:
    colour = "white" if white else INK
    ax.text(x, y, str(value), ha="center", va="center", zorder=4, color=colour)


def _count(ax: Axes, x: float, y: float, count: int, white: bool = False) -> None:
    """A count; a cell that counts nothing is hatched."""
    if not count:
        _cell(ax, x, y, UNUSED, hatch="////")
    _text(ax, x, y, count, white)
    if not count:
        ax.texts[-1].set_bbox(
            {"facecolor": UNUSED, "edgecolor": "none", "boxstyle": "square,pad=0"}
        )


def _size_numbers(ax: Axes, cell: float) -> None:
    """Make the numbers fit into cells of so many inches; none where one could not be read."""
    sizes = [
        min(9.0, 72 * cell * 0.7, 72 * cell * 1.35 / len(text.get_text())) for text in ax.texts
    ]
    for text, size in zip(list(ax.texts), sizes, strict=True):
        text.set_fontsize(size)
        text.set_visible(min(sizes) >= SMALLEST_TEXT)


def _open_axes(ax: Axes, left: float, right: float, top: float, bottom: float) -> None:
    """Room for cells from `left` and `top` up to, not including, `right` and `bottom`."""
    ax.set(xlim=(left - 0.7, right - 0.3), ylim=(bottom - 0.3, top - 0.7), aspect="equal")
    ax.axis("off")


def _by(size: Sequence[int]) -> str:
    return "×".join(map(str, size))


def _short(both: tuple[int, int]) -> str:
    """One number where the axes agree."""
    return str(both[0]) if both[0] == both[1] else _by(both)


def _windows(count: int) -> str:
    return f"{count} window" + ("s" if count != 1 else "")
