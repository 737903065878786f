"""The figures of chapter 10: patches, windows, what attention costs and where it looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from course_lib._validate import integer
from course_lib.plots.base import INK, STYLES, figure, plain_axes, show_image

__all__ = [
    "against_labels",
    "costs",
    "ladder",
    "patches",
    "reach_by_depth",
    "reach_by_layer",
    "shifts",
]

# Light enough for black numbers, and apart when printed in grey.
REGIONS = ("#ffffff", "#f3d3ab", "#c5d8ee", "#a9a9a9")


def reach_by_depth(
    curves: Mapping[str, Sequence[int]], target: int | None = None, title: str = ""
) -> Figure:
    """The size of the field after 0, 1, 2, … layers, a line for each kind of network.

    `target` draws a level to reach, such as the image's width.

    >>> fig = reach_by_depth({"3×3": [1, 3, 5], "attention": [1, 8, 8]}, target=8)
    >>> [line.get_label() for line in fig.axes[0].lines[:2]]
    ['3×3', 'attention']
    """
    fig, (ax,) = figure(size=(6.4, 3.6), title=title)
    for style, (name, sizes) in zip(STYLES, curves.items(), strict=False):
        line: dict[str, Any] = {**style, "marker": "", "lw": 2.2}
        ax.plot(range(len(sizes)), sizes, label=name, **line)
    if target is not None:
        ax.axhline(target, color="#9a9a9a", lw=0.8, zorder=0)
        ax.text(0, target * 1.02, f"{target} pixels", fontsize=8, color=INK)
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    plain_axes(ax, x="layers", y="reach, pixels")
    return fig


def patches(
    image: npt.ArrayLike, patch: int, first: tuple[int, int] = (0, 0), title: str = ""
) -> Figure:
    """An image under its grid of patches, and 3 × 4 of them, from `first` on, by themselves.

    `image` is (H, W) or (H, W, 3), in [0, 1], its sides multiples of `patch`; `first` is a row and
    a column of the grid.

    Raises ValueError where the patches do not fill the image or the twelve do not fit.

    >>> fig = patches(np.zeros((48, 80)), 16, first=(0, 1))
    >>> [ax.get_title() for ax in fig.axes][:3]
    ['3 × 5 patches', '1', '2']
    """
    picture, patch = np.asarray(image), integer(patch, "patch", at_least=1)
    rows, columns = picture.shape[0] // patch, picture.shape[1] // patch
    if picture.shape[:2] != (rows * patch, columns * patch) or not rows * columns:
        raise ValueError(f"image has shape {picture.shape}, must be multiples of patch={patch}")
    top, edge = first
    if not (0 <= top <= rows - 3 and 0 <= edge <= columns - 4):
        raise ValueError(
            f"first (={first}) must leave room for 3 × 4 of {rows} × {columns} patches"
        )
    fig = Figure(figsize=(9.0, 3.9), layout="constrained")
    left, right = np.ravel(np.array(fig.subfigures(1, 2, width_ratios=(1.05, 1)), dtype=object))
    show_image(whole := left.add_subplot(), picture, f"{rows} × {columns} patches")
    for row in range(rows + 1):
        whole.axhline(row * patch - 0.5, color="white", lw=0.8)
    for column in range(columns + 1):
        whole.axvline(column * patch - 0.5, color="white", lw=0.8)
    for place in range(12):
        row, column = top + place // 4, edge + place % 4
        tile = picture[row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        show_image(ax := right.add_subplot(3, 4, place + 1), tile)
        ax.set_title(str(row * columns + column), fontsize=9, color=INK)
    if title:
        fig.suptitle(title, fontsize=12, color=INK)
    return fig


def costs(
    sides: Sequence[int],
    curves: Mapping[str, Sequence[float]],
    title: str = "",
    y: str = "million MACs",
) -> Figure:
    """Costs against the side of the image, both axes logarithmic: a straight line is a power.

    Raises ValueError where a curve has not one number for each side.

    >>> costs([1, 2], {"all": [1, 16]}).axes[0].get_yscale()
    'log'
    """
    fig, (ax,) = figure(size=(6.2, 3.7))
    for style, (name, values) in zip(STYLES, curves.items(), strict=False):
        if len(values) != len(sides):
            raise ValueError(f"{name} has {len(values)} numbers, must have {len(sides)}")
        ax.plot(sides, values, label=name, **style)  # type: ignore[arg-type]
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks(list(sides), [str(side) for side in sides])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.legend(frameon=False, fontsize=9)
    plain_axes(ax, title, x="side of the image, pixels", y=y)
    return fig


def shifts(height: int, width: int, window: int, shift: int, title: str = "") -> Figure:
    """Windows, the same shifted, and what each holds after the roll, the strangers coloured.

    The numbers are those of the tokens, row by row.

    >>> fig = shifts(4, 4, 2, 1)
    >>> [ax.get_title() for ax in fig.axes]
    ['windows', 'windows shifted by 1', 'rolled: again a grid']
    """
    height, width = integer(height, "height", at_least=1), integer(width, "width", at_least=1)
    window, shift = integer(window, "window", at_least=1), integer(shift, "shift", at_least=0)
    tokens = np.arange(height * width).reshape(height, width)
    region = 2 * (np.arange(height) < shift)[:, None] + (np.arange(width) < shift)
    rolled = np.roll(tokens, (-shift, -shift), axis=(0, 1))
    panels = (
        ("windows", tokens, 0 * region, 0),
        (f"windows shifted by {shift}", tokens, region, shift),
        ("rolled: again a grid", rolled, np.roll(region, (-shift, -shift), axis=(0, 1)), 0),
    )
    fig, axes = figure(3, size=(3.1, 3.4), title=title)
    for ax, (name, numbers, colours, offset) in zip(axes, panels, strict=True):
        _tokens(ax, numbers, colours)
        for at in range(offset, height + 1, window) if offset else range(0, height + 1, window):
            ax.plot([-0.5, width - 0.5], [at - 0.5] * 2, color="#1f5fa8", lw=2.6)
        for at in range(offset, width + 1, window) if offset else range(0, width + 1, window):
            ax.plot([at - 0.5] * 2, [-0.5, height - 0.5], color="#1f5fa8", lw=2.6)
        ax.set_title(name, fontsize=11, color=INK)
    return fig


def _tokens(ax: Axes, numbers: npt.NDArray[Any], colours: npt.NDArray[Any]) -> None:
    for (row, column), number in np.ndenumerate(numbers):
        colour = REGIONS[int(colours[row, column])]
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, facecolor=colour, edgecolor="#bbbbbb", lw=0.8))
        ax.text(column, row, str(number), ha="center", va="center", fontsize=9, color=INK)
    ax.set_xlim(-0.6, numbers.shape[1] - 0.4)
    ax.set_ylim(numbers.shape[0] - 0.4, -0.6)
    ax.set_aspect("equal")
    ax.axis("off")


def against_labels(
    panels: Mapping[str, Mapping[str, Mapping[int, Sequence[float]]]], title: str = ""
) -> Figure:
    """Accuracy against the number of labels: a dot a seed, a line through the means.

    `panels[panel][network][labels]` are the accuracies of the runs.

    >>> fig = against_labels({"plain": {"CNN": {50: [0.5, 1.0], 200: [0.75]}}})
    >>> [float(y) for y in fig.axes[0].lines[-1].get_ydata()]
    [0.75, 0.75]
    """
    fig, axes = figure(len(panels), size=(4.4, 3.7), title=title)
    for ax, (name, lines) in zip(axes, panels.items(), strict=True):
        for place, (style, (network, runs)) in enumerate(zip(STYLES, lines.items(), strict=False)):
            labels = sorted(runs)
            dots: dict[str, Any] = {**style, "linestyle": "", "alpha": 0.6, "ms": 5}
            line: dict[str, Any] = {**style, "marker": ""}
            for n in labels:
                beside = n * (0.97 + 0.06 * place)
                ax.plot([beside] * len(runs[n]), runs[n], **dots)
            means = [float(np.mean(runs[n])) for n in labels]
            ax.plot(labels, means, label=network, **line)
        ticks = sorted({n for runs in lines.values() for n in runs})
        ax.set_xscale("log")
        ax.set_xticks(ticks, [str(n) for n in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_ylim(0.45, 1.01)
        ax.grid(axis="y", color="#e4e4e4", lw=0.8)
        plain_axes(ax, name, x="labels", y="accuracy on digits held back")
    axes[-1].legend(frameon=False, fontsize=9, loc="lower right")
    return fig


def reach_by_layer(
    heads: Mapping[str, npt.ArrayLike], even: float, title: str = "", y: str = "pixels"
) -> Figure:
    """The mean distance of attention, a dot for each head of each layer, a panel for each network.

    Each value of `heads` is (layers, heads). `even` is the distance of a head that looks at all
    patches alike, drawn as a line.

    >>> len(reach_by_layer({"before": np.ones((4, 2)), "after": np.ones((4, 2))}, 1.2).axes)
    2
    """
    fig, axes = figure(len(heads), size=(3.9, 3.2), title=title)
    arrays = {name: np.asarray(values, dtype=float) for name, values in heads.items()}
    top = 1.25 * max([even, *(float(values.max()) for values in arrays.values())])
    for ax, (name, values) in zip(axes, arrays.items(), strict=True):
        if values.ndim != 2:
            raise ValueError(f"{name} has shape {values.shape}, must be (layers, heads)")
        for layer, row in enumerate(values, start=1):
            beside = layer + np.linspace(-0.18, 0.18, len(row))
            ax.plot(beside, row, "o", color=STYLES[0]["color"], ms=5, alpha=0.75)
        ax.axhline(even, color=STYLES[1]["color"], lw=1.3, ls="--")
        ax.text(0.55, 0.9 * even, "everywhere alike", fontsize=8, color=INK, va="top")
        ax.set_xticks(range(1, len(values) + 1))
        ax.set_xlim(0.5, len(values) + 0.5)
        ax.set_ylim(0, top)
        plain_axes(ax, name, x="layer", y=y)
    return fig


def ladder(
    start: float, steps: Mapping[str, float], title: str = "", x: str = "top-1, %"
) -> Figure:
    """From a number to another, step by step: a bar from before to after, its change beside it.

    >>> fig = ladder(78.8, {"stage ratio": 0.6, "depthwise moved up": -0.7})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['78.8', '+0.6', '−0.7', '78.7']
    """
    fig, (ax,) = figure(size=(8.2, 1.0 + 0.3 * (len(steps) + 2)))
    names, at = ["start", *steps, "end"], start
    ax.text(start + 0.06, 0, f"{start:.1f}", va="center", fontsize=9, color=INK)
    ax.plot(start, 0, "o", color=INK, ms=6)
    low = high = start
    for row, change in enumerate(steps.values(), start=1):
        colour, hatch = (STYLES[0]["color"], "") if change >= 0 else (STYLES[1]["color"], "//")
        ax.barh(row, change, left=at, color=colour, hatch=hatch, edgecolor="white", height=0.72)
        ax.plot([at, at], [row - 1, row], color="#9a9a9a", lw=0.8, zorder=0)
        sign = "+" if change > 0 else "−" if change < 0 else ""
        label = f"{sign}{abs(change):.1f}"
        ax.text(max(at, at + change) + 0.06, row, label, va="center", fontsize=9, color=INK)
        at += change
        low, high = min(low, at), max(high, at)
    last = len(names) - 1
    ax.plot([at, at], [last - 1, last], color="#9a9a9a", lw=0.8, zorder=0)
    ax.plot(at, last, "o", color=INK, ms=6)
    ax.text(at + 0.06, last, f"{at:.1f}", va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.set_xlim(low - 0.3, high + 0.5)
    plain_axes(ax, title, x=x)
    return fig
