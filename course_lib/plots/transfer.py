"""The figures of chapter 11: what a backbone saw and sees, what it is worth, what a change did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from course_lib._validate import numbers, planes
from course_lib.plots.base import INK, STYLES, figure, plain_axes, show_image

__all__ = ["STRATEGY_STYLES", "changes", "label_curves", "picture_rows"]

STRATEGY_STYLES: Mapping[str, Mapping[str, str]] = {
    **dict(zip(("scratch", "frozen", "partly", "full"), STYLES, strict=True)),
    "too fast": {"color": "#a3305e", "linestyle": "--", "marker": "v"},
}
"""How each way to learn is drawn, the same in every figure of the chapter."""


def picture_rows(
    rows: Mapping[str, npt.ArrayLike],
    captions: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
) -> Figure:
    """Rows of grey pictures (N, H, W), as many in each row, the row's name on its left.

    `captions` has for some rows a word over each picture.

    Raises ValueError for no row, or rows of different lengths.

    >>> fig = picture_rows({"noise": np.ones((3, 4, 4))}, {"noise": "abc"})
    >>> [ax.get_title() for ax in fig.axes]
    ['a', 'b', 'c']
    """
    pictures = {name: planes(images, name) for name, images in rows.items()}
    lengths = {len(images) for images in pictures.values()}
    if len(lengths) != 1:
        raise ValueError(f"rows (of lengths {sorted(lengths)}) must all have the same length")
    (n,) = lengths
    fig, axes = figure(n * len(rows), columns=n, size=(0.8, 0.95), title=title)
    for row, (name, images) in enumerate(pictures.items()):
        words = (captions or {}).get(name, [""] * n)
        for place, (image, word) in enumerate(zip(images, words, strict=True)):
            ax = axes[row * n + place]
            show_image(ax, image)
            ax.set_title(word, fontsize=10, color=INK)
            if place == 0:
                ax.set_ylabel(name, fontsize=10, color=INK, rotation=0, ha="right", va="center")
    return fig


def label_curves(
    curves: Mapping[str, Sequence[npt.ArrayLike]], labels: Sequence[int], title: str = ""
) -> Figure:
    """Accuracy against the number of labels a class: mean and, as a bar, the whole spread.

    `curves` maps a name to one array of accuracies for each number in `labels`; the names in
    `STRATEGY_STYLES` are drawn as there, others in the order of `STYLES`.

    Raises ValueError where a curve has not as many entries as there are numbers of labels.

    >>> fig = label_curves({"it": [[0.5, 0.7], [0.9, 1.0]]}, [1, 10])
    >>> [round(float(y), 2) for y in fig.axes[0].lines[0].get_ydata()]
    [0.6, 0.95]
    """
    fig, (ax,) = figure(size=(6.4, 4.0), title=title)
    for place, (name, values) in enumerate(curves.items()):
        runs = [numbers(v, name) for v in values]
        if len(runs) != len(labels):
            raise ValueError(f"{name} has {len(runs)} entries, labels has {len(labels)}")
        means = np.array([run.mean() for run in runs])
        reach = [means - [r.min() for r in runs], np.array([r.max() for r in runs]) - means]
        style: dict[str, Any] = {**STRATEGY_STYLES.get(name, STYLES[place % len(STYLES)])}
        aside = np.array(labels) * 1.04 ** (place - (len(curves) - 1) / 2)  # bars side by side
        ax.errorbar(aside, means, yerr=reach, label=name, capsize=3, **style)
    plain_axes(ax)
    ax.set_xscale("log")
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(list(labels), [str(n) for n in labels])
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xlabel("labelled digits of each class")
    ax.set_ylabel("digits held back, read right")
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    return fig


def changes(
    base: npt.ArrayLike, changed: Mapping[str, npt.ArrayLike], title: str = "", unit: str = "points"
) -> Figure:
    """What each change did, seed by seed: a dot for each difference from `base`, a bar their mean.

    All arrays hold one accuracy for each seed, in the same order; differences are in percent
    points.

    Raises ValueError where a change has other seeds.

    >>> fig = changes([0.5, 0.5], {"better": [0.6, 0.7]})
    >>> round(float(fig.axes[0].patches[0].get_width()), 6)
    15.0
    """
    start = numbers(base, "base")
    fig, (ax,) = figure(size=(6.4, 0.9 + 0.45 * len(changed)), title=title)
    for row, (name, values) in enumerate(changed.items()):
        found = numbers(values, name)
        if found.shape != start.shape:
            raise ValueError(f"{name} has shape {found.shape}, base has {start.shape}")
        differences = 100 * (found - start)
        mean = float(differences.mean())
        ax.barh(row, mean, height=0.6, color="#1f5fa8" if mean >= 0 else "#e0a458", alpha=0.7)
        ax.plot(differences, [row] * len(differences), "o", color=INK, ms=4, mfc="none")
    plain_axes(ax)
    ax.axvline(0, color=INK, lw=1)
    ax.set_yticks(range(len(changed)), list(changed))
    ax.invert_yaxis()
    ax.set_xlabel(f"change of the accuracy, percent {unit}; a dot is one seed")
    return fig
