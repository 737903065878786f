"""The figures of chapter 03: channels, the sum over them, matrices of windows, learned kernels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib._validate import Array, plane
from course_lib.plots.base import INK, STYLES, figure, heatmap, number, plain_axes, show_image

__all__ = [
    "between_colours",
    "colour_channels",
    "colour_responses",
    "feature_maps",
    "kernel_tiles",
    "learned_weights",
    "partial_sums",
    "photographs",
    "shape_flow",
    "window_as_column",
]

FRONT, TOP, SIDE = "#cfdcec", "#e4ecf5", "#a9bfd9"


def _three_axes(values: npt.ArrayLike, name: str, meaning: str) -> Array:
    array = np.asarray(values)
    if array.ndim != 3 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, must be {meaning}")
    return array


# ── one kernel, several channels ────────────────────────────────────────────────────────────────


def colour_channels(image: npt.ArrayLike, title: str = "") -> Figure:
    """A colour photograph (H, W, 3) and its three channels, each as a picture in grey.

    Raises ValueError for an array of another shape.

    >>> fig = colour_channels(np.zeros((4, 6, 3)))
    >>> [ax.get_title() for ax in fig.axes]
    ['the photograph', 'red', 'green', 'blue']
    """
    picture = _three_axes(image, "image", "(H, W, 3)")
    fig, axes = figure(4, size=(2.7, 2.7), title=title)
    show_image(axes[0], picture, "the photograph")
    for ax, name, channel in zip(axes[1:], ("red", "green", "blue"), range(3), strict=True):
        show_image(ax, picture[..., channel], name)
    return fig


def photographs(pictures: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Some photographs (H, W, 3), five in a row, each below its name.

    Raises ValueError for an array of another shape, and for no picture at all.

    >>> fig = photographs({"black": np.zeros((4, 6, 3)), "white": np.ones((4, 6, 3))})
    >>> [ax.get_title() for ax in fig.axes]
    ['black', 'white']
    """
    shown = {name: _three_axes(picture, name, "(H, W, 3)") for name, picture in pictures.items()}
    fig, axes = figure(len(shown), columns=5, size=(2.1, 1.8), title=title)
    for ax, (name, picture) in zip(axes, shown.items(), strict=True):
        show_image(ax, picture, name)
    return fig


def partial_sums(window: npt.ArrayLike, kernel: npt.ArrayLike, bias: float = 0.0) -> Figure:
    """How one output comes from several channels: a row for each, then the sum of their sums.

    `window` and `kernel` are (C, K_h, K_w). Raises ValueError where their shapes differ.

    >>> fig = partial_sums(np.ones((2, 2, 2)), np.ones((2, 2, 2)), bias=1)
    >>> fig.get_suptitle()
    '4 + 4 + bias 1 = 9'
    """
    pixels = _three_axes(window, "window", "(C, K_h, K_w)")
    weights = _three_axes(kernel, "kernel", "(C, K_h, K_w)")
    if pixels.shape != weights.shape:
        raise ValueError(f"window {pixels.shape} must have the shape of kernel {weights.shape}")
    products = pixels * weights
    sums = [float(part.sum()) for part in products]
    terms = " + ".join(number(value) for value in sums).replace("+ −", "− ")
    if bias:
        terms += f" + bias {number(bias)}"
    fig, axes = figure(
        3 * len(pixels),
        columns=3,
        size=(2.1, 2.0),
        title=f"{terms} = {number(sum(sums) + bias)}",
    )
    for c, (ours, theirs, both) in enumerate(zip(pixels, weights, products, strict=True)):
        left, middle, right = axes[3 * c : 3 * c + 3]
        heatmap(left, ours, title=f"window, channel {c}", limit=float(np.abs(pixels).max()) or 1.0)
        heatmap(middle, theirs, title="its slice", limit=2 * float(np.abs(weights).max()) or 1.0)
        limit = float(np.abs(products).max()) or 1.0
        heatmap(right, both, title=f"products: {number(sums[c])}", limit=limit)
    return fig


def feature_maps(maps: npt.ArrayLike, names: Sequence[str], title: str = "") -> Figure:
    """The maps (C, H, W) of a layer on one grey scale each, 0 in the middle.

    Raises ValueError where there are not as many names as maps.

    >>> fig = feature_maps(np.zeros((2, 3, 4)), ["edges", "orange"])
    >>> [ax.get_title() for ax in fig.axes]
    ['edges', 'orange']
    """
    planes = _three_axes(maps, "maps", "(C, H, W)")
    if len(names) != len(planes):
        raise ValueError(f"names (={len(names)}) must be as many as maps ({len(planes)})")
    fig, axes = figure(len(planes), size=(2.7, 2.7), title=title)
    for ax, name, values in zip(axes, names, planes, strict=True):
        # The few strongest responses would leave everything else grey.
        limit = float(np.quantile(np.abs(values), 0.99)) or 1.0
        show_image(ax, np.clip(0.5 + 0.5 * values / limit, 0, 1), name)
    return fig


# ── colours ─────────────────────────────────────────────────────────────────────────────────────


def colour_responses(
    colours: Mapping[str, Sequence[float]], responses: Sequence[float], title: str = ""
) -> Figure:
    """A detector's response to each colour: a bar of that colour, above or below 0.

    Raises ValueError where there are not as many responses as colours.

    >>> fig = colour_responses({"red": (1, 0, 0), "black": (0, 0, 0)}, [1.0, -0.5])
    >>> [label.get_text() for label in fig.axes[0].get_xticklabels()]
    ['red', 'black']
    """
    if len(responses) != len(colours):
        raise ValueError(
            f"responses (={len(responses)}) must be as many as colours ({len(colours)})"
        )
    fig, (ax,) = figure(1, size=(0.85 * len(colours) + 1.2, 3.0))
    places = np.arange(len(colours))
    ax.bar(places, responses, color=list(colours.values()), edgecolor=INK, linewidth=0.8)
    ax.axhline(0, color=INK, linewidth=1)
    ax.set_xticks(places, list(colours))
    plain_axes(ax, title, y="response")
    return fig


def between_colours(
    colours: Mapping[str, Sequence[float]], responses: npt.ArrayLike, names: Sequence[str]
) -> Figure:
    """The responses of some detectors along the straight way between two colours.

    `colours` holds the two by their names, `responses` is (detectors, steps), `names` has one name
    for each detector. Below the lines lies a strip of the colours themselves.

    Raises ValueError where there are not two colours, or not as many names as detectors.

    >>> fig = between_colours({"red": (1, 0, 0), "blue": (0, 0, 1)}, [[0.0, 1.0]], ["a detector"])
    >>> len(fig.axes[0].lines)
    2
    """
    if len(colours) != 2:
        raise ValueError(f"colours {list(colours)} must be two")
    ends, (start, end) = list(colours), colours.values()
    lines = plane(responses, "responses")
    if len(names) != len(lines):
        raise ValueError(f"names (={len(names)}) must be as many as responses ({len(lines)})")
    fig, (ax,) = figure(
        1, size=(7.4, 2.9), title="Along a straight way a linear response has no peak"
    )
    share = np.linspace(0, 1, lines.shape[1])
    for place, (name, line) in enumerate(zip(names, lines, strict=True)):
        style = {**STYLES[place % len(STYLES)], "marker": ""}
        ax.plot(share, line, label=name, **style)  # type: ignore[arg-type]
    ax.axhline(0, color=INK, linewidth=1)
    ax.set_xlim(0, 1)
    ax.set_xticks([])
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    plain_axes(ax, y="response")
    mixed = np.outer(1 - share, start) + np.outer(share, end)  # (steps, 3)
    strip = ax.inset_axes((0, -0.16, 1, 0.13))
    strip.imshow(mixed[np.newaxis], aspect="auto", extent=(0, 1, 0, 1))
    strip.set_yticks([])
    strip.set_xticks([0, 0.5, 1], [ends[0], "half-way", ends[1]])
    return fig


def learned_weights(losses: npt.ArrayLike, weights: Mapping[str, float]) -> Figure:
    """The loss of each step, on a logarithmic axis, and the numbers that were learned, as bars.

    Raises ValueError for losses that are not one positive number a step.

    >>> fig = learned_weights([1.0, 0.1], {"red": 2.0, "bias": -1.0})
    >>> [label.get_text() for label in fig.axes[1].get_xticklabels()]
    ['red', 'bias']
    """
    history = np.asarray(losses, dtype=float)
    if history.ndim != 1 or not (history > 0).all():
        raise ValueError("losses must be one positive number for each step")
    fig, (left, right) = figure(
        2, size=(3.6, 2.8), title="The gradient finds what you found by thinking"
    )
    left.plot(np.arange(len(history)), history, color=STYLES[0]["color"])
    left.set_yscale("log")
    plain_axes(left, "the loss falls", x="step", y="loss")
    places = np.arange(len(weights))
    values = list(weights.values())
    signs = [STYLES[0]["color"] if value > 0 else STYLES[1]["color"] for value in values]
    right.bar(places, values, color=signs, edgecolor=INK, linewidth=0.8)
    right.axhline(0, color=INK, linewidth=1)
    right.set_xticks(places, list(weights))
    plain_axes(right, "what it has learned")
    return fig


# ── the matrix of windows ───────────────────────────────────────────────────────────────────────


def window_as_column(
    image: npt.ArrayLike,
    columns: npt.ArrayLike,
    kernel: tuple[int, int],
    row: int,
    column: int,
) -> Figure:
    """A window of each channel (C, H, W), framed, and the column of the matrix that it becomes.

    `kernel` is the window's (height, width), (`row`, `column`) its place at stride 1 without
    padding. Raises ValueError where the matrix has not one column for each window.

    >>> fig = window_as_column(np.ones((2, 2, 3)), np.ones((8, 2)), (2, 2), 0, 1)
    >>> [ax.get_title() for ax in fig.axes]
    ['channel 0', 'channel 1', 'one column for each window']
    """
    channels = _three_axes(image, "image", "(C, H, W)")
    matrix = plane(columns, "columns")
    out_h, out_w = channels.shape[1] - kernel[0] + 1, channels.shape[2] - kernel[1] + 1
    if matrix.shape != (len(channels) * kernel[0] * kernel[1], out_h * out_w):
        raise ValueError(
            f"columns has shape {matrix.shape}, must have one column for each of the "
            f"{out_h}×{out_w} windows"
        )
    fig, axes = figure(
        len(channels) + 1, size=(2.6, 3.1), title="Channel after channel, a window becomes a column"
    )
    limit = 1.6 * (float(np.abs(channels).max()) or 1.0)
    for c, (ax, values) in enumerate(zip(axes, channels, strict=False)):
        heatmap(ax, values, title=f"channel {c}", limit=limit)
        _frame_cells(ax, row, column, *kernel)
    heatmap(axes[-1], matrix, title="one column for each window", limit=limit)
    _frame_cells(axes[-1], 0, row * out_w + column, len(matrix), 1)
    return fig


def _frame_cells(ax: Axes, row: int, column: int, height: int, width: int) -> None:
    ax.add_patch(
        Rectangle((column - 0.5, row - 0.5), width, height, fill=False, lw=3, edgecolor=INK)
    )


# ── learned kernels ─────────────────────────────────────────────────────────────────────────────


def kernel_tiles(rows: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Kernels over red, green and blue as little pictures: a row of (n, 3, K_h, K_w) for each name.

    Middle grey is 0; each kernel is scaled to its own largest weight.

    Raises ValueError for kernels of another shape, and for no row at all.

    >>> fig = kernel_tiles({"before": np.zeros((2, 3, 5, 5)), "after": np.ones((3, 3, 5, 5))})
    >>> [ax.get_title(loc="left") for ax in fig.axes]
    ['before', 'after']
    """
    kernels = {name: np.asarray(row) for name, row in rows.items()}
    for name, row in kernels.items():
        if row.ndim != 4 or row.shape[1] != 3 or row.size == 0:
            raise ValueError(f"{name} has shape {row.shape}, must be (n, 3, K_h, K_w)")
    most = max((len(row) for row in kernels.values()), default=1)
    fig, axes = figure(len(kernels), columns=1, size=(0.6 * most, 0.85), title=title)
    for ax, (name, row) in zip(axes, kernels.items(), strict=True):
        n, _, k_h, k_w = row.shape
        strip = np.ones((k_h, most * (k_w + 1) - 1, 3))
        for place in range(n):
            scale = float(np.abs(row[place]).max()) or 1.0
            left = place * (k_w + 1)  # a column of white after each
            strip[:, left : left + k_w] = 0.5 + 0.5 * row[place].transpose(1, 2, 0) / scale
        show_image(ax, strip)
        ax.set_title(name, fontsize=10, color=INK, loc="left")
        ax.axis("off")
    return fig


# ── shapes ──────────────────────────────────────────────────────────────────────────────────────


def shape_flow(shapes: Mapping[str, Sequence[int]], title: str = "") -> Figure:
    """Each shape as a block: (C, H, W) as a box H high, W wide and C deep, (F,) as a bar.

    All are drawn to one scale, the depth shortened; the numbers stand below.

    Raises ValueError for shapes of other lengths, and where none is (C, H, W).

    >>> fig = shape_flow({"image": (3, 8, 8), "flatten": (192,)})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['image', '3×8×8', 'flatten', '192']
    """
    if not shapes:
        raise ValueError("shapes must hold at least one shape")
    for name, shape in shapes.items():
        if len(shape) not in (1, 3):
            raise ValueError(f"{name} (={tuple(shape)}) must be (C, H, W) or (F,)")
    heights = [shape[1] for shape in shapes.values() if len(shape) == 3]
    if not heights:
        raise ValueError("shapes must hold at least one of three axes, to scale the others by")
    tallest = max(heights)
    fig, (ax,) = figure(1, size=(1.65 * len(shapes), 2.6), title=title)
    left, gap = 0.0, 0.9 * tallest
    for name, shape in shapes.items():
        if len(shape) == 3:
            width, height = float(shape[2]), float(shape[1])
            depth = 0.09 * tallest * np.log2(1 + shape[0])
        else:
            width, height, depth = 0.12 * tallest, min(1.0, shape[0] / 400) * tallest, 0.0
        _block(ax, left, width, height, float(depth))
        middle = left + (width + depth) / 2
        ax.text(middle, 1.32 * tallest, name, ha="center", fontsize=9, color=INK)
        said = "×".join(str(n) for n in shape)
        ax.text(middle, -0.12 * tallest, said, ha="center", va="top", fontsize=9, color=INK)
        left += width + float(depth) + gap
    ax.set_xlim(-0.3 * tallest, left - gap + 0.3 * tallest)
    ax.set_ylim(-0.35 * tallest, 1.5 * tallest)
    ax.set_aspect("equal")
    ax.axis("off")
    return fig


def _block(ax: Axes, left: float, width: float, height: float, depth: float) -> None:
    lean = 0.6 * depth
    ax.fill(
        [left, left + width, left + width + depth, left + depth],
        [height, height, height + lean, height + lean],
        facecolor=TOP,
        edgecolor=INK,
        linewidth=0.8,
    )
    ax.fill(
        [left + width, left + width + depth, left + width + depth, left + width],
        [0, lean, height + lean, height],
        facecolor=SIDE,
        edgecolor=INK,
        linewidth=0.8,
    )
    ax.add_patch(Rectangle((left, 0), width, height, facecolor=FRONT, edgecolor=INK, lw=0.8))
