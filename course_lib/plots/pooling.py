"""The figures of chapter 04: windows and their winners, what a shift does, what a head costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib import geometry
from course_lib._validate import Array, IntOrPair, pair, plane
from course_lib.plots.base import INK, STYLES, figure, heatmap, plain_axes

__all__ = ["against_shift", "head_costs", "marks", "rows_below", "windows_and_winners"]

FRAME, WINNER = "#222222", "#b35806"


def windows_and_winners(
    image: npt.ArrayLike,
    kernel_size: IntOrPair,
    outputs: Mapping[str, npt.ArrayLike],
    title: str = "",
) -> Figure:
    """An image cut into windows that stand side by side, and grids that were made of them.

    Each window has a frame, and the first of its largest pixels a circle. Errors are those of
    `course_lib.geometry.output_size`, and ValueError for an array that is not (H, W).

    >>> fig = windows_and_winners([[1, 3], [4, 2]], 2, {"largest": [[4]], "mean": [[2.5]]})
    >>> [ax.get_title() for ax in fig.axes]
    ['image', 'largest', 'mean']
    """
    pixels = plane(image, "image")
    k_h, k_w = pair(kernel_size, "kernel_size", at_least=1)
    fig, axes = figure(1 + len(outputs), size=(2.7, 3.0), title=title)
    heatmap(axes[0], pixels, numbers=True, title="image", limit=_limit(pixels))
    for top in geometry.window_starts(pixels.shape[0], k_h, k_h):
        for left in geometry.window_starts(pixels.shape[1], k_w, k_w):
            window = pixels[top : top + k_h, left : left + k_w]
            row, column = divmod(int(np.argmax(window)), k_w)
            place = (left + column, top + row)
            axes[0].plot(*place, "o", ms=25, mfc="none", mec=WINNER, mew=2.0)
            axes[0].add_patch(
                Rectangle((left - 0.5, top - 0.5), k_w, k_h, fill=False, edgecolor=FRAME, lw=2.2)
            )
    for ax, (name, values) in zip(axes[1:], outputs.items(), strict=True):
        grid = plane(values, name)
        heatmap(ax, grid, numbers=True, title=name, limit=_limit(grid))
    return fig


def _limit(values: Array) -> float:
    """A scale that leaves the numbers in the cells readable."""
    return 1.8 * float(np.abs(values).max(initial=0.0)) or 1.0


def rows_below(rows: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Rows of numbers below each other, on one scale and stretched to one width.

    A row of half as many numbers has cells twice as wide: each stands below what it was made of.

    Raises ValueError for no row at all and for one that is not (W,).

    >>> fig = rows_below({"row": [0, 0, 1, 1], "every second": [0, 1]})
    >>> [ax.get_title(loc="left") for ax in fig.axes]
    ['row', 'every second']
    """
    arrays = {name: np.asarray(row, dtype=float) for name, row in rows.items()}
    for name, row in arrays.items():
        if row.ndim != 1 or not row.size:
            raise ValueError(f"{name} has shape {row.shape}, must be (W,)")
    fig, axes = figure(len(arrays), columns=1, size=(7.0, 0.85), title=title)
    limit = 1.6 * max(float(np.abs(row).max()) for row in arrays.values()) or 1.0
    for ax, (name, row) in zip(axes, arrays.items(), strict=True):
        drawn = heatmap(ax, row[None], numbers=True, limit=limit)
        drawn.axes.set_aspect("auto")
        for text in ax.texts:
            text.set_fontsize(11)
            text.set_color(INK)
        for edge in range(row.size + 1):
            ax.axvline(edge - 0.5, color="#9a9a9a" if 0 < edge < row.size else INK, lw=1.5)
        ax.set_title(name, loc="left", fontsize=10, color=INK)
    return fig


def against_shift(
    shifts: Sequence[int],
    curves: Mapping[str, npt.ArrayLike],
    title: str = "",
    y: str = "change of the output",
) -> Figure:
    """How much an output changes with shifts up to a largest one: a line for each of up to eight.

    Raises ValueError where a curve has not one number for each shift.

    >>> fig = against_shift([1, 2], {"max 2×2": [0.5, 1.0]})
    >>> fig.axes[0].get_xlabel()
    'largest shift of the image, in pixels'
    """
    fig, (ax,) = figure(size=(6.4, 3.8))
    for place, (name, values) in enumerate(curves.items()):
        curve = np.asarray(values, dtype=float)
        if curve.shape != (len(shifts),):
            raise ValueError(f"{name} has shape {curve.shape}, must be ({len(shifts)},)")
        style: dict[str, Any] = dict(STYLES[place % len(STYLES)])
        style["markerfacecolor"] = style["color"] if place < len(STYLES) else "white"
        ax.plot(shifts, curve, label=name, **style)
    ax.set_xticks(list(shifts))
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plain_axes(ax, title, x="largest shift of the image, in pixels", y=y)
    return fig


def marks(
    groups: Mapping[str, npt.ArrayLike], title: str = "", y: str = "", top: float | None = None
) -> Figure:
    """Numbers as marks, a column for each group: one mark a photograph, or a seed.

    A line marks each group's mean. `top` is the upper end of the axis. Raises ValueError for a
    group that is not (N,) or is empty.

    >>> fig = marks({"skip": [1.0, 1.2], "blur": [0.2, 0.3]}, y="error")
    >>> [label.get_text() for label in fig.axes[0].get_xticklabels()]
    ['skip', 'blur']
    """
    fig, (ax,) = figure(size=(1.6 + 1.35 * len(groups), 3.7))
    for place, (name, values) in enumerate(groups.items()):
        numbers = np.asarray(values, dtype=float)
        if numbers.ndim != 1 or not numbers.size:
            raise ValueError(f"{name} has shape {numbers.shape}, must be (N,)")
        beside = place + np.linspace(-0.12, 0.12, numbers.size)
        ax.plot(beside, numbers, "o", color=STYLES[0]["color"], alpha=0.75, ms=6)
        ax.plot([place - 0.27, place + 0.27], [numbers.mean()] * 2, color=WINNER, lw=2)
    ax.set_xticks(range(len(groups)), list(groups))
    ax.set_ylim(0, top)
    plain_axes(ax, title, y=y)
    return fig


def head_costs(heads: Mapping[str, Mapping[str, int]], title: str = "") -> Figure:
    """The parameters of some heads, a bar for each, cut into its layers and labelled in millions.

    Raises ValueError for no head at all.

    >>> fig = head_costs({"small": {"linear": 500_000}})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['linear', '0.5 million']
    """
    if not heads:
        raise ValueError("heads must hold at least one")
    fig, (ax,) = figure(size=(7.6, 0.9 + 0.62 * len(heads)))
    greys = ("#1f5fa8", "#8fb0d6", "#cfdcec", "#e8eef6")
    widest = max(sum(layers.values()) for layers in heads.values())
    for place, layers in enumerate(heads.values()):
        left = 0
        for layer, (label, count) in enumerate(layers.items()):
            ax.barh(place, count, left=left, height=0.6, color=greys[layer % 4], edgecolor="white")
            if count > 0.2 * widest:
                colour = "white" if layer == 0 else INK
                middle = left + count / 2
                ax.annotate(
                    label, (middle, place), ha="center", va="center", fontsize=9, color=colour
                )
            left += count
        total = f"{left / 1e6:.1f} million"
        ax.text(left + 0.01 * widest, place, total, va="center", fontsize=10, color=INK)
    ax.set_yticks(range(len(heads)), list(heads))
    ax.invert_yaxis()
    ax.set_xlim(0, 1.18 * widest)
    ax.set_xticks([])
    plain_axes(ax, title)
    ax.spines["bottom"].set_visible(False)
    return fig
