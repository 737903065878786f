"""The figures of chapter 05: cones, regions, growing fields, and what of them counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from course_lib import geometry
from course_lib._validate import plane
from course_lib.plots.base import INK, STYLES, figure, plain_axes, show_image

__all__ = [
    "backbone_bars",
    "cones",
    "effective_fields",
    "field_frames",
    "growth",
    "path_counts",
    "regions",
    "width_by_depth",
]

SEEN, UNSEEN, PADDING = "#1f5fa8", "#ffffff", "#f4d9b8"
STRENGTH = LinearSegmentedColormap.from_list("white_blue", ["#ffffff", "#8fb3d9", "#0b2f5c"])
"""White at zero, the darker the stronger: for values that are never negative."""

Layers = Sequence[Sequence[int]]
LEVELS = (5, 10, 20, 40, 80)  # where a logarithmic axis of pixels is labelled


def cones(
    stacks: Mapping[str, Layers], index: int = 0, title: str = "", columns: int | None = None
) -> Figure:
    """What one unit sees, layer by layer down to the pixels, a drawing for each stack.

    Rows are layers, the pixels at the bottom; dark cells reach the unit `index` of the last layer.
    Every unit stands above the middle of the pixels that it sees.

    Raises ValueError for no stack at all, and as `geometry.receptive_field` does.

    >>> fig = cones({"two of 3": [(3,), (3,)]})
    >>> fig.axes[0].get_title()
    'two of 3: sees 5 pixels'
    """
    tallest = max((len(layers) for layers in stacks.values()), default=0)
    widest = max((geometry.receptive_field(s).size for s in stacks.values()), default=1)
    size = (max(2.6, 0.26 * (widest + 2)), 0.9 + 0.42 * (tallest + 1))
    fig, axes = figure(len(stacks), columns=columns, size=size, title=title)
    for ax, (name, layers) in zip(axes, stacks.items(), strict=True):
        _draw_cone(ax, name, layers, index)
        ax.set_ylim(-0.8, tallest + 0.6)
    return fig


def _draw_cone(ax: Axes, name: str, layers: Layers, index: int) -> None:
    first, last = geometry.input_region(layers, index)
    fields = geometry.field_by_layer(layers)
    for depth, field in enumerate(fields):
        # What the stack above this layer needs of it.
        seen = set(geometry.pixels_seen(layers[depth:], index))
        middle = field.start + (field.size - 1) / 2
        for unit in range(min(seen) - 1, max(seen) + 2):
            x = middle + unit * field.jump
            if not first - 1.5 <= x <= last + 1.5:
                continue
            ax.add_patch(
                Rectangle(
                    (x - 0.4, depth - 0.3),
                    0.8,
                    0.6,
                    facecolor=SEEN if unit in seen else UNSEEN,
                    edgecolor=INK,
                    lw=0.6,
                )
            )
        label = f"layer {depth}" if depth else "pixels"
        ax.text(first - 2.2, depth, label, ha="right", va="center", fontsize=8, color=INK)
    for depth in range(len(layers)):
        _draw_connections(ax, layers, fields, depth, index)
    ax.set_xlim(first - 6.5, last + 2)
    ax.set_aspect("auto")
    ax.axis("off")
    pixels = last - first + 1
    ax.set_title(f"{name}: sees {pixels} pixel{'s' if pixels != 1 else ''}", fontsize=10, color=INK)


def _draw_connections(
    ax: Axes,
    layers: Layers,
    fields: Sequence[geometry.ReceptiveField],
    depth: int,
    index: int,
) -> None:
    """Lines from the units of layer depth + 1 to the taps that each of them reads."""
    below, above = fields[depth], fields[depth + 1]
    for unit in geometry.pixels_seen(layers[depth + 1 :], index):
        top = above.start + (above.size - 1) / 2 + unit * above.jump
        for tap in geometry.pixels_seen(layers[depth : depth + 1], unit):
            bottom = below.start + (below.size - 1) / 2 + tap * below.jump
            ax.plot([top, bottom], [depth + 0.7, depth + 0.3], color="#9a9a9a", lw=0.5, zorder=0)


def regions(layers: Layers, indices: Sequence[int], n: int, title: str = "") -> Figure:
    """The pixels that some units cover, a bar each, below an image of n pixels.

    What hangs over the image's ends lies in the padding and is drawn apart.

    Raises ValueError for no unit at all, and as `geometry.input_region` does.

    >>> fig = regions([(3, 2, 1, 1)], indices=(0, 1), n=6)
    >>> [text.get_text() for text in fig.axes[0].texts][:2]
    ['unit 0: pixels −1 to 1', 'unit 1: pixels 1 to 3']
    """
    spans = [geometry.input_region(layers, index) for index in indices]
    low, high = min(0, *(s[0] for s in spans)), max(n - 1, *(s[1] for s in spans))
    fig, (ax,) = figure(
        1, size=(max(6.0, 0.22 * (high - low + 18)), 1.0 + 0.42 * len(spans)), title=title
    )
    for place, (index, (first, last)) in enumerate(zip(indices, spans, strict=True), start=1):
        for pixel in range(first, last + 1):
            inside = 0 <= pixel < n
            _cell(ax, pixel, place, SEEN if inside else PADDING, None if inside else "////")
        words = f"unit {index}: pixels {first} to {last}".replace("-", "−")
        ax.text(high + 1.2, place, words, va="center", fontsize=9, color=INK)
    for pixel in range(n):
        _cell(ax, pixel, 0, UNSEEN, None)
        if n <= 40 or pixel % 5 == 0:
            ax.text(pixel, 0, str(pixel), ha="center", va="center", fontsize=6.5, color=INK)
    ax.set_xlim(low - 1, high + 15)
    ax.set_ylim(len(spans) + 0.8, -0.8)
    ax.axis("off")
    return fig


def _cell(ax: Axes, x: float, y: float, colour: str, hatch: str | None) -> None:
    ax.add_patch(
        Rectangle((x - 0.5, y - 0.3), 1, 0.6, facecolor=colour, edgecolor=INK, lw=0.5, hatch=hatch)
    )


def growth(
    curves: Mapping[str, npt.ArrayLike], target: int | None = None, title: str = ""
) -> Figure:
    """The size of the field after 0, 1, 2, … layers, a line for each kind of stack.

    `target` draws a level to reach, such as the image's width.

    Raises ValueError for more curves than there are styles that stay apart without colour.

    >>> fig = growth({"stride 1": [1, 3, 5]}, target=5)
    >>> [line.get_label() for line in fig.axes[0].lines]
    ['stride 1', '5 pixels']
    """
    if len(curves) > len(STYLES):
        raise ValueError(f"curves (={len(curves)} of them) must be at most {len(STYLES)}")
    fig, (ax,) = figure(1, size=(6.4, 3.8), title=title)
    for style, (name, sizes) in zip(STYLES, curves.items(), strict=False):
        values = np.asarray(sizes)
        ax.plot(np.arange(len(values)), values, label=name, markersize=4, **style)  # type: ignore[arg-type]
    if target is not None:
        ax.axhline(target, color=INK, lw=0.8, linestyle="-", label=f"{target} pixels")
    ax.legend(frameon=False, fontsize=9)
    plain_axes(ax, "", x="layers", y="receptive field (pixels)")
    return fig


def path_counts(stacks: Mapping[str, Layers], title: str = "") -> Figure:
    """In how many ways each pixel reaches a unit, as bars, one panel for each stack.

    With every weight 1 that number is the pixel's gradient. Pixels that the field spans and no path
    reaches are hatched.

    >>> fig = path_counts({"one layer": [(3, 1, 0, 2)]})
    >>> fig.axes[0].get_title()
    'one layer: 3 of 5 pixels are read'
    """
    fig, axes = figure(len(stacks), size=(3.6, 2.7), title=title)
    for ax, (name, layers) in zip(axes, stacks.items(), strict=True):
        counts = _paths(layers)
        places = np.arange(len(counts))
        ax.bar(places, counts, color=SEEN, width=0.85)
        for place in np.flatnonzero(counts == 0):
            _cell_below(ax, float(place), float(counts.max()))
        read = int((counts > 0).sum())
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        plain_axes(
            ax, f"{name}: {read} of {len(counts)} pixels are read", x="pixel", y="paths to the unit"
        )
    return fig


def _paths(layers: Layers) -> npt.NDArray[np.int64]:
    counts = {0: 1}
    for layer in reversed([geometry.Layer(*given) for given in layers]):
        below: dict[int, int] = {}
        for unit, ways in counts.items():
            start = unit * layer.stride - layer.padding
            for pixel in geometry.window_pixels(start, layer.kernel, layer.dilation):
                below[pixel] = below.get(pixel, 0) + ways
        counts = below
    first, last = geometry.input_region(layers, 0)
    return np.array([counts.get(pixel, 0) for pixel in range(first, last + 1)])


def _cell_below(ax: Axes, x: float, height: float) -> None:
    ax.add_patch(
        Rectangle(
            (x - 0.5, 0), 1, height, facecolor=PADDING, edgecolor=INK, hatch="////", lw=0, zorder=0
        )
    )


def field_frames(
    image: npt.ArrayLike, sizes: Mapping[str, int], centre: tuple[int, int], title: str = ""
) -> Figure:
    """A photograph, and what units with fields of several sizes see of it around one place.

    Left the photograph with the fields as frames, then the cut-outs. `centre` is (row, column).

    >>> fig = field_frames(np.zeros((9, 9)), {"one layer": 3}, centre=(4, 4))
    >>> [ax.get_title() for ax in fig.axes]
    ['the photograph', 'one layer: 3 pixels']
    """
    pixels = np.asarray(image)
    row, column = centre
    fig, axes = figure(1 + len(sizes), size=(2.7, 2.9), title=title)
    show_image(axes[0], pixels, "the photograph")
    for ax, (name, size) in zip(axes[1:], sizes.items(), strict=True):
        top, left = row - size // 2, column - size // 2
        for width, style, colour in ((2.4, "-", "white"), (1.2, "--", INK)):
            axes[0].add_patch(
                Rectangle(
                    (left - 0.5, top - 0.5),
                    size,
                    size,
                    fill=False,
                    lw=width,
                    linestyle=style,
                    edgecolor=colour,
                )
            )
        part = pixels[max(top, 0) : max(top, 0) + size, max(left, 0) : max(left, 0) + size]
        show_image(ax, part, f"{name}: {size} pixels")
    return fig


def backbone_bars(fields: Mapping[str, int], image: int = 224) -> Figure:
    """The fields of several networks as bars, with the width of the image that they look at.

    >>> fig = backbone_bars({"VGG-16": 212})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['212']
    """
    fig, (ax,) = figure(
        1,
        size=(7.0, 0.9 + 0.45 * len(fields)),
        title=f"Some see less than the image's {image} pixels, some about twice as much",
    )
    places = np.arange(len(fields))
    ax.barh(places, list(fields.values()), color=SEEN, height=0.6)
    for place, size in zip(places, fields.values(), strict=True):
        ax.text(
            size - 6, float(place), str(size), ha="right", va="center", fontsize=9, color="white"
        )
    ax.axvline(image, color="#b35806", lw=1.6, linestyle="--")
    ax.set_yticks(places, list(fields), fontsize=9)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.1 * max(fields.values()))
    plain_axes(ax, "", x="receptive field of the last layer with a window (pixels)")
    return fig


def effective_fields(fields: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Effective fields, each as large as the theoretical one, from white (0) to dark (1).

    >>> fig = effective_fields({"two layers": np.eye(5)})
    >>> fig.axes[0].get_xlabel()
    'the field: 5 pixels'
    """
    fig, axes = figure(len(fields), size=(2.7, 3.3), title=title)
    for ax, (name, values) in zip(axes, fields.items(), strict=True):
        strength = plane(values, "field")
        ax.imshow(strength, cmap=STRENGTH, vmin=0, vmax=1, interpolation="nearest")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(name, fontsize=10, color=INK)
        ax.set_xlabel(f"the field: {strength.shape[1]} pixels", fontsize=9)
    return fig


def width_by_depth(
    depths: Sequence[int],
    widths: Mapping[str, npt.ArrayLike],
    exponents: Mapping[str, float],
    title: str = "",
) -> Figure:
    """Widths of fields against depth, both axes logarithmic, with the fitted power as a legend.

    Each entry of `widths` is an array (seeds, depths), drawn as its mean with all single values as
    dots, or (depths,).

    >>> fig = width_by_depth([5, 10], {"the field": [11, 21]}, {"the field": 0.93})
    >>> fig.axes[0].get_xscale(), fig.axes[0].get_legend().get_texts()[0].get_text()
    ('log', 'the field: grows like depth to the 0.93')
    """
    fig, (ax,) = figure(1, size=(6.4, 4.0), title=title)
    for style, (name, values) in zip(STYLES, widths.items(), strict=False):
        table = np.atleast_2d(np.asarray(values, dtype=float))
        label = f"{name}: grows like depth to the {exponents[name]:.2f}"
        ax.plot(depths, table.mean(axis=0), label=label, markersize=5, **style)  # type: ignore[arg-type]
        if len(table) > 1:
            for row in table:
                ax.plot(depths, row, color=style["color"], linestyle="", marker=".", markersize=4)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(list(depths), [str(depth) for depth in depths])
    ax.set_yticks(LEVELS, [str(level) for level in LEVELS])
    ax.minorticks_off()
    ax.legend(frameon=False, fontsize=9)
    plain_axes(ax, "", x="layers of 3×3", y="width (pixels)")
    return fig
