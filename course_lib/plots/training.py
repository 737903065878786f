"""The figures of chapter 06: curves, kernels, digits, and where the parameters sit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.plots.base import INK, STYLES, figure, heatmap, plain_axes, show_image

if TYPE_CHECKING:
    from course_lib.training import History

__all__ = [
    "accuracy_dots",
    "curves_in_words",
    "image_rows",
    "kernel_rows",
    "parameter_bars",
    "training_curves",
]


def training_curves(
    histories: Mapping[str, History],
    title: str = "",
    epochs: int | None = None,
    lowest_accuracy: float = 0.0,
) -> Figure:
    """Loss and accuracy by epoch, a pair of lines for each training: thin seen, thick held back.

    `epochs` is how many are planned, so that curves drawn live keep their scale.

    Raises ValueError for no history at all.

    >>> from course_lib.training import History
    >>> fig = training_curves({"": History([1.0, 0.5], [0.6, 0.9], [1.1, 0.7], [0.5, 0.8])})
    >>> [ax.get_title() for ax in fig.axes]
    ['loss', 'accuracy']
    """
    if not histories:
        raise ValueError("histories is empty: one training at least has a curve")
    fig, (left, right) = figure(2, size=(4.6, 3.0), title=title)
    for style, (name, history) in zip(STYLES, histories.items(), strict=False):
        colour = style["color"]
        _pair(left, history.train_loss, history.val_loss, colour, name)
        _pair(right, history.train_accuracy, history.val_accuracy, colour, name)
    last = epochs or max(history.epochs for history in histories.values())
    for ax, what in ((left, "loss"), (right, "accuracy")):
        plain_axes(ax, what, x="epoch")
        ax.set_xlim(0.5, max(last, 1) + 0.5)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set_ylim(bottom=0)
    right.set_ylim(lowest_accuracy, 1.01)
    left.legend(frameon=False, fontsize=8)
    return fig


def _pair(ax: Axes, seen: list[float], held_back: list[float], colour: str, name: str) -> None:
    begin = f"{name}: " if name else ""
    ax.plot(range(1, len(seen) + 1), seen, color=colour, lw=1.2, ls="--", label=f"{begin}training")
    if held_back:
        ax.plot(
            range(1, len(held_back) + 1), held_back, color=colour, lw=2, label=f"{begin}held back"
        )


def curves_in_words(history: History) -> str:
    """The alternative text of a training's curves: how many epochs, and where they end.

    >>> from course_lib.training import History
    >>> curves_in_words(History(train_loss=[0.5], train_accuracy=[0.9]))
    'Curves of loss and accuracy over 1 epoch. They end at a training loss of 0.500.'
    """
    n = history.epochs
    begin = f"Curves of loss and accuracy over {n} epoch{'s' if n != 1 else ''}."
    if not n:
        return begin
    end = f" They end at a training loss of {history.train_loss[-1]:.3f}"
    if history.val_loss:
        end += (
            f", a loss of {history.val_loss[-1]:.3f} and an accuracy of "
            f"{history.val_accuracy[-1]:.3f} on what was held back"
        )
    return f"{begin}{end}."


def parameter_bars(counts: Mapping[str, int], title: str = "") -> Figure:
    """How many parameters each layer has, a bar for each with its number and share.

    Raises ValueError for no layer at all.

    >>> fig = parameter_bars({"conv": 30, "head": 70})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['30 (30 %)', '70 (70 %)']
    """
    if not counts:
        raise ValueError("counts is empty: one layer at least has parameters")
    fig, (ax,) = figure(1, size=(7.0, 0.9 + 0.36 * len(counts)), title=title)
    whole = sum(counts.values())
    places = range(len(counts))
    ax.barh(places, list(counts.values()), color=STYLES[0]["color"], height=0.62)
    for place, count in zip(places, counts.values(), strict=True):
        share = f"{count:,} ({100 * count / whole:.0f} %)" if whole else f"{count:,}"
        ax.text(count + whole / 100, place, share, va="center", fontsize=9, color=INK)
    ax.set_yticks(places, list(counts))
    ax.invert_yaxis()
    ax.set_xlim(0, 1.22 * max(counts.values()) or 1)
    ax.set_xticks([])
    plain_axes(ax)
    ax.spines["bottom"].set_visible(False)
    return fig


def kernel_rows(rows: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Kernels (n, H, W) side by side, a row for each name, all on one signed scale.

    Raises ValueError for no row, or rows that do not hold the same number of kernels.

    >>> fig = kernel_rows({"before": np.ones((2, 3, 3)), "after": -np.ones((2, 3, 3))})
    >>> len(fig.axes), fig.axes[2].get_ylabel()
    (4, 'after')
    """
    arrays = _same_length(rows, "kernels")
    limit = max(float(np.abs(array).max()) for array in arrays.values()) or 1.0
    columns = len(next(iter(arrays.values())))
    fig, axes = figure(len(arrays) * columns, columns=columns, size=(1.25, 1.3), title=title)
    for place, ax in enumerate(axes):
        name = list(arrays)[place // columns]
        heatmap(ax, arrays[name][place % columns], numbers=False, limit=limit)
        if place % columns == 0:
            ax.set_ylabel(name, fontsize=10, color=INK)
    return fig


def image_rows(rows: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Grey images (n, H, W) with values in [0, 1], a row for each name.

    Raises ValueError for no row, or rows that do not hold the same number of images.

    >>> fig = image_rows({"as it was": np.zeros((3, 8, 8))})
    >>> len(fig.axes)
    3
    """
    arrays = _same_length(rows, "images")
    columns = len(next(iter(arrays.values())))
    fig, axes = figure(len(arrays) * columns, columns=columns, size=(1.05, 1.1), title=title)
    for place, ax in enumerate(axes):
        name = list(arrays)[place // columns]
        show_image(ax, arrays[name][place % columns])
        if place % columns == 0:
            ax.set_ylabel(name, fontsize=9, color=INK)
    return fig


def _same_length(
    rows: Mapping[str, npt.ArrayLike], what: str
) -> dict[str, npt.NDArray[np.float64]]:
    arrays = {name: np.asarray(row, dtype=float) for name, row in rows.items()}
    sizes = {array.shape[0] if array.ndim == 3 else -1 for array in arrays.values()}
    if len(sizes) != 1 or not min(sizes) > 0:
        shapes = ", ".join(str(array.shape) for array in arrays.values())
        raise ValueError(f"rows have shapes {shapes or 'of none'}, must be (n, H, W) with one n")
    return arrays


def accuracy_dots(
    accuracies: Mapping[str, Sequence[float]], title: str = "", x: str = "accuracy"
) -> Figure:
    """One dot for each seed, a line at the mean, a row for each way of training.

    Dots of one seed are joined by a thin line, so that pairs can be compared.

    Raises ValueError where the ways have not the same number of seeds, or there is none.

    >>> fig = accuracy_dots({"plain": [0.8, 0.9], "augmented": [0.9, 0.92]})
    >>> [label.get_text() for label in fig.axes[0].get_yticklabels()]
    ['plain', 'augmented']
    """
    values = np.array([list(row) for row in accuracies.values()], dtype=float)
    if values.ndim != 2 or not values.size:
        raise ValueError("accuracies must hold as many seeds for each way, and one at least")
    fig, (ax,) = figure(1, size=(7.0, 0.9 + 0.45 * len(values)), title=title)
    places = np.arange(len(values))
    ax.plot(values, places, color="#bbbbbb", lw=0.8, zorder=0)
    for place, row in zip(places, values, strict=True):
        ax.plot(row, np.full(len(row), place), "o", color=STYLES[0]["color"], ms=6, alpha=0.75)
        ax.plot([row.mean()] * 2, [place - 0.28, place + 0.28], color=INK, lw=2)
    ax.set_yticks(places, list(accuracies))
    ax.set_ylim(len(values) - 0.5, -0.5)
    plain_axes(ax, x=x)
    return fig
