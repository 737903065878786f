"""Figures of chapter 09: looking back in time, a U-Net's plan, masks, and a detection head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib._validate import Array, integer
from course_lib.plots.base import INK, STYLES, figure, plain_axes, show_image

__all__ = ["causal_tree", "detection_head", "mask_rows", "rows_of_pixels", "unet_plan"]

BLUE, ORANGE = STYLES[0]["color"], STYLES[1]["color"]
GREY = "#bbbbbb"


def causal_tree(dilations: Sequence[int], samples: int, title: str = "") -> Figure:
    """What the last output of causal layers of two taps hears: lines from layer to layer.

    A row of `samples` dots for the input and for each layer, the input below. Blue dots and lines
    are those on which the last output depends.

    Raises ValueError for no layer or fewer than 2 samples.

    >>> fig = causal_tree([1, 2, 4], samples=10, title="Eight samples")
    >>> len(fig.axes[0].lines)
    14
    """
    samples = integer(samples, "samples", at_least=2)
    rates = [integer(rate, "dilations", at_least=1) for rate in dilations]
    if not rates:
        raise ValueError("dilations must hold at least one number")
    fig, (ax,) = figure(size=(7.4, 0.9 + 0.62 * len(rates)))
    heard = {samples - 1}
    for level in range(len(rates), 0, -1):
        _row_of_dots(ax, samples, level, heard)
        below = set()
        for t in heard:
            for then in (t, t - rates[level - 1]):
                if then >= 0:
                    ax.plot([t, then], [level, level - 1], color=BLUE, lw=1.2, zorder=1)
                    below.add(then)
        heard = below
    _row_of_dots(ax, samples, 0, heard)
    names = ["input", *(f"dilation {rate}" for rate in rates)]
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(length=0)
    ax.set_xticks([])
    plain_axes(ax, title, x="time →")
    ax.spines[["left", "bottom"]].set_visible(False)
    return fig


def _row_of_dots(ax: Axes, samples: int, level: int, heard: set[int]) -> None:
    for t in range(samples):
        face = BLUE if t in heard else "white"
        ax.scatter([t], [level], s=42, facecolor=face, edgecolor=INK, lw=0.8, zorder=2)


def unet_plan(shapes: Sequence[tuple[int, int]], title: str = "") -> Figure:
    """The U of a U-Net: for each level, from the top, its (channels, height).

    Bars are as high as the maps and as wide as their channels; arrows go down, up, and across.

    Raises ValueError for fewer than two levels.

    >>> fig = unet_plan([(16, 32), (32, 16), (64, 8)])
    >>> sorted({text.get_text() for text in fig.axes[0].texts} & {"16 × 32²", "64 × 8²"})
    ['16 × 32²', '64 × 8²']
    """
    if len(shapes) < 2:
        raise ValueError(f"shapes has {len(shapes)} levels, must have two at least")
    fig, (ax,) = figure(size=(7.6, 4.4))
    most = max(channels for channels, _ in shapes)
    tallest = max(side for _, side in shapes)
    bottom = len(shapes) - 1
    y = 0.0
    centres: list[tuple[float, float, float]] = []
    for level, (channels, side) in enumerate(shapes):
        height, width = 0.35 + 0.9 * side / tallest, 0.25 + 0.75 * channels / most
        places = [0.0] if level == bottom else [-3.6 + level, 3.6 - level]
        for x in places:
            ax.add_patch(
                Rectangle((x - width / 2, y - height), width, height, facecolor=BLUE, alpha=0.8)
            )
            side_of = 0.0 if level == bottom else np.sign(x)
            ax.text(
                x + side_of * (width / 2 + 0.08),
                y - height - 0.07 if level == bottom else y - height / 2,
                f"{channels} × {side}²",
                ha={-1.0: "right", 0.0: "center", 1.0: "left"}[float(side_of)],
                va="top" if level == bottom else "center",
                fontsize=9,
            )
        centres.append((places[0], y - height, width))
        if level < bottom:
            left, right = places[0] + width / 2 + 0.1, places[1] - width / 2 - 0.1
            _arrow(ax, (left, y - height / 2), (right, y - height / 2), ORANGE)
            ax.text(
                0, y - height / 2 + 0.06, "handed across", ha="center", fontsize=9, color=ORANGE
            )
        y -= height + 0.45
    for (x, lowest, _), (below, _, beside) in pairwise(centres):
        end = below - beside / 2 - 0.05
        _arrow(ax, (x, lowest - 0.05), (end, lowest - 0.55), INK)
        _arrow(ax, (-end, lowest - 0.55), (-x, lowest - 0.05), INK)
    ax.text(-3.9, y + 0.9, "down: pool", fontsize=9, color=INK)
    ax.text(2.6, y + 0.9, "up: transposed", fontsize=9, color=INK)
    ax.set_xlim(-5.1, 5.1)
    ax.set_ylim(y, 0.35)
    ax.set_axis_off()
    ax.set_title(title, fontsize=11, color=INK)
    return fig


def _arrow(ax: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    ax.annotate("", xy=end, xytext=start, arrowprops={"arrowstyle": "->", "color": colour})


def mask_rows(
    images: npt.ArrayLike,
    truth: npt.ArrayLike,
    found: Mapping[str, npt.ArrayLike],
    title: str = "",
) -> Figure:
    """Images (N, H, W), their masks, and what networks found: a row for each, a column an image.

    A single image, its mask and what was found stand side by side. Found masks are white where they
    are right; orange marks pixels found too much, blue those missed.

    Raises ValueError where the shapes differ.

    >>> fig = mask_rows(np.zeros((2, 4, 4)), np.ones((2, 4, 4)), {"net": np.ones((2, 4, 4))})
    >>> len(fig.axes)
    6
    """
    pictures, masks = np.asarray(images), np.asarray(truth)
    rows = {"image": pictures, "mask": masks, **{k: np.asarray(v) for k, v in found.items()}}
    for name, values in rows.items():
        if values.shape != pictures.shape or values.ndim != 3:
            raise ValueError(f"{name} has shape {values.shape}, must be (N, H, W) as images")
    count = len(pictures)
    fig, axes = figure(
        len(rows) * count,
        columns=count if count > 1 else len(rows),
        size=(8.6 / max(count, 4), 8.6 / max(count, 4)),
        title=title,
    )
    for row, (name, values) in enumerate(rows.items()):
        for column in range(count):
            ax = axes[row * count + column]
            picture = values[column].astype(float)
            if name in found:
                picture = _mistakes(values[column] != 0, masks[column] != 0)
            show_image(ax, picture)
        axes[row * count].set_ylabel(name, fontsize=9)
    return fig


def _mistakes(found: Array, truth: Array) -> Array:
    colours = np.zeros((*truth.shape, 3))
    colours[found & truth] = 1.0
    colours[found & ~truth] = (0.95, 0.55, 0.15)
    colours[~found & truth] = (0.25, 0.5, 0.95)
    return colours


def rows_of_pixels(rows: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Rows of numbers as steps, one axis each on one scale: where a pattern repeats shows.

    Raises ValueError for a row that is not (N,).

    >>> fig = rows_of_pixels({"kernel 3": [1, 1, 2, 1, 1], "kernel 2": [1, 1, 1, 1]})
    >>> [ax.get_title() for ax in fig.axes]
    ['kernel 3', 'kernel 2']
    """
    fig, axes = figure(len(rows), columns=1, size=(7.2, 1.15), title=title)
    values = {name: np.asarray(row, dtype=float) for name, row in rows.items()}
    longest = max(row.size for row in values.values())
    top = max(float(row.max(initial=0)) for row in values.values())
    for ax, (name, row) in zip(axes, values.items(), strict=True):
        if row.ndim != 1:
            raise ValueError(f"{name} has shape {row.shape}, must be (N,)")
        ax.bar(np.arange(row.size), row, width=0.92, color=BLUE)
        ax.set_xlim(-0.7, longest - 0.3)
        ax.set_ylim(0, 1.15 * top)
        ax.set_yticks(range(int(top) + 1))
        ax.set_xticks([])
        plain_axes(ax)
        ax.set_title(name, fontsize=10, color=INK)
    return fig


def detection_head(
    image: npt.ArrayLike,
    grid: int,
    box: tuple[float, float, float, float],
    title: str = "",
) -> Figure:
    """A picture under a grid of cells, one object's box, and what the cell at its centre predicts.

    `box` is (left, top, width, height) in pixels.

    Raises ValueError for a box whose centre is outside the picture.

    >>> fig = detection_head(np.zeros((40, 60)), grid=4, box=(10, 5, 20, 30))
    >>> len(fig.axes)
    2
    """
    picture = np.asarray(image)
    grid = integer(grid, "grid", at_least=1)
    height, width = picture.shape[:2]
    left, top, across, down = box
    centre = (left + across / 2, top + down / 2)
    if not (0 <= centre[0] < width and 0 <= centre[1] < height):
        raise ValueError(f"box (={box}) must have its centre in the picture of {height}×{width}")
    fig, (ax, words) = figure(2, size=(4.6, 3.9), title=title)
    show_image(ax, picture)
    for line in range(1, grid):
        ax.axvline(line * width / grid - 0.5, color="white", lw=0.8, alpha=0.8)
        ax.axhline(line * height / grid - 0.5, color="white", lw=0.8, alpha=0.8)
    cell = (int(centre[0] * grid / width), int(centre[1] * grid / height))
    ax.add_patch(
        Rectangle(
            (cell[0] * width / grid - 0.5, cell[1] * height / grid - 0.5),
            width / grid,
            height / grid,
            facecolor=BLUE,
            alpha=0.55,
        )
    )
    ax.add_patch(Rectangle((left, top), across, down, fill=False, edgecolor=ORANGE, lw=2.5))
    ax.plot(*centre, "o", color=ORANGE, ms=6)
    lines = [
        ("The blue cell says:", INK),
        ("x, y   where in the cell the centre is", ORANGE),
        ("w, h   how wide and high the box is", ORANGE),
        ("confidence   that there is an object", INK),
        ("a score for each class", BLUE),
        (f"and so do the other {grid * grid - 1} cells", INK),
    ]
    words.set_axis_off()
    words.set_xlim(0, 1)
    words.set_ylim(0, 1)
    for place, (text, colour) in enumerate(lines):
        words.text(0.0, 0.86 - 0.14 * place, text, fontsize=11, color=colour)
    return fig
