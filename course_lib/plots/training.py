"""The figures of chapter 06: curves, kernels, digits, and where the parameters sit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from course_lib.plots.base import STYLES, figure, plain_axes

if TYPE_CHECKING:
    from course_lib.training import History

__all__ = ["curves_in_words", "training_curves"]


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
