"""The figures of chapter 07: networks on a map, their stages, and what depth does to training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from course_lib.plots.base import INK, STYLES, figure, plain_axes

__all__ = [
    "Point",
    "block_gains",
    "gradient_profiles",
    "loss_by_depth",
    "loss_curves",
    "parameters_and_accuracy",
    "stage_shapes",
]

Runs = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A network on the map: its name, year, parameters and top-1 accuracy in per cent."""

    name: str
    year: int
    params: int
    top1: float


def parameters_and_accuracy(
    points: Sequence[Point], title: str = "", left: Sequence[str] = ()
) -> Figure:
    """Published accuracy against parameters, a dot a network, labelled with its year.

    The labels of the networks in `left` stand to the left of their dots.

    >>> fig = parameters_and_accuracy([Point("AlexNet", 2012, 61_100_840, 57.1)])
    >>> fig.axes[0].texts[0].get_text()
    'AlexNet, 2012'
    """
    fig, (ax,) = figure(size=(6.6, 3.9), title=title)
    for point in points:
        x = point.params / 1e6
        ax.plot(x, point.top1, linestyle="", marker="o", color=STYLES[0]["color"], ms=6)
        side = -1 if point.name in left else 1
        ax.annotate(
            f"{point.name}, {point.year}",
            (x, point.top1),
            xytext=(7 * side, 0),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="center",
            fontsize=9,
            color=INK,
        )
    plain_axes(ax, x="parameters, in millions", y="published top-1 accuracy, %")
    ax.set_xscale("log")
    ax.set_xlim(2, 600)
    ax.set_xticks([3, 10, 30, 100])
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_locator(NullLocator())
    return fig


def stage_shapes(
    networks: Mapping[str, Sequence[tuple[int, int]]], title: str = "", columns: int = 3
) -> Figure:
    """Every stage of some networks as a slab: as high as its grid, as wide as its channels.

    A stage is (channels, side of the grid). Heights grow with the logarithm of the side, widths
    with that of the channels.

    >>> fig = stage_shapes({"two stages": [(64, 56), (128, 28)]})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['64', '56×56', '128', '28×28']
    """
    fig, axes = figure(len(networks), columns=columns, size=(3.7, 2.5), title=title)
    for ax, (name, stages) in zip(axes, networks.items(), strict=True):
        x = 0.0
        for channels, side in stages:
            width, height = 0.22 * np.log2(channels), float(np.log2(side + 1))
            ax.add_patch(
                Rectangle(
                    (x, -height / 2), width, height, facecolor="#8fb3d9", edgecolor=INK, lw=0.8
                )
            )
            middle = x + width / 2
            ax.text(middle, 0, f"{channels}", ha="center", va="center", fontsize=8, color=INK)
            ax.text(middle, -4.7, f"{side}×{side}", ha="center", va="center", fontsize=7, color=INK)
            x += width + 1.2
        ax.set_xlim(-0.5, max(x, 14.5))
        ax.set_ylim(-5.1, 4.2)
        ax.axis("off")
        ax.set_title(name, fontsize=11, color=INK, loc="left")
    return fig


def loss_by_depth(
    panels: Mapping[str, Mapping[str, Mapping[int, Runs]]],
    title: str = "",
    guess: float | None = None,
) -> Figure:
    """The final training loss against depth: a dot a run, a line through the medians.

    `panels[panel][line][depth]` are the losses of the runs. A run that diverged has an infinite
    loss and is drawn as a cross on the upper edge. `guess` draws the loss of guessing.

    >>> runs = {"plain": {8: [0.1, 0.2], 20: [1.0, 2.0]}}
    >>> fig = loss_by_depth({"with BatchNorm": runs})
    >>> [line.get_label() for line in fig.axes[0].lines if not line.get_label().startswith("_")]
    ['plain']
    """
    fig, axes = figure(len(panels), size=(5.6, 3.7), title=title)
    every = [v for p in panels.values() for line in p.values() for r in line.values() for v in r]
    finite = np.array([value for value in every if np.isfinite(value)])
    low, high = float(finite.min()) / 1.6, max(float(finite.max()) * 2.2, 8.0)
    for ax, (panel, lines) in zip(axes, panels.items(), strict=True):
        for place, ((name, runs), style) in enumerate(zip(lines.items(), STYLES, strict=False)):
            depths = sorted(runs)
            _dots(ax, runs, style, high, shift=1 + 0.03 * (place - (len(lines) - 1) / 2))
            medians = [float(np.median(runs[depth])) for depth in depths]
            drawn = [(d, m) for d, m in zip(depths, medians, strict=True) if np.isfinite(m)]
            look: dict[str, Any] = {**style, "marker": ""}
            ax.plot([d for d, _ in drawn], [m for _, m in drawn], label=name, **look)
        if guess is not None:
            ax.axhline(guess, color="#8a8a8a", lw=0.8)
            ax.text(8, guess * 1.08, "guessing", fontsize=8, color="#555555", va="bottom")
        plain_axes(ax, panel, x="layers", y="training loss at the end")
        ax.set_xscale("log")
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        ticks = sorted({depth for runs in lines.values() for depth in runs})
        ax.set_xticks(ticks, [str(depth) for depth in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
    # Beside the last panel: inside, it would cover dots in one figure or the other.
    axes[-1].legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 0.85))
    return fig


def _dots(
    ax: Axes, runs: Mapping[int, Runs], style: Mapping[str, str], high: float, shift: float
) -> None:
    look: dict[str, Any] = {"linestyle": "", "color": style["color"], "alpha": 0.75}
    for depth, losses in runs.items():
        values = np.asarray(losses, dtype=float)
        ended = values[np.isfinite(values)]
        ax.plot([shift * depth] * len(ended), ended, marker=style["marker"], ms=4.5, **look)
        lost = len(values) - len(ended)
        if lost:
            ax.plot([shift * depth], [high * 0.86], marker="x", ms=8, mew=2, **look)
            ax.annotate(
                f"{lost} of {len(values)}\ndiverged",
                (shift * depth, high * 0.86),
                xytext=(-8, 0),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=8,
                color=style["color"],
            )


def loss_curves(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]], every: int, title: str = ""
) -> Figure:
    """Training loss by step: for each line the median of its runs and the band that holds them.

    `panels[panel][line]` is an array (runs, points), a point the mean of `every` steps.

    >>> fig = loss_curves({"plain": {"8 layers": [[2.0, 1.0], [2.2, 0.8]]}}, every=10)
    >>> fig.axes[0].lines[0].get_ydata().tolist()
    [2.1, 0.9]
    """
    fig, axes = figure(len(panels), size=(4.3, 3.5), title=title)
    arrays = {n: {k: np.asarray(v, dtype=float) for k, v in p.items()} for n, p in panels.items()}
    lowest = min(float(a.min()) for panel in arrays.values() for a in panel.values())
    for ax, (panel, lines) in zip(axes, arrays.items(), strict=True):
        for (name, runs), style in zip(lines.items(), STYLES, strict=False):
            steps = every * (np.arange(runs.shape[1]) + 0.5)
            look: dict[str, Any] = {**style, "marker": ""}
            ax.plot(steps, np.median(runs, axis=0), label=name, **look)
            ax.fill_between(
                steps, runs.min(axis=0), runs.max(axis=0), color=style["color"], alpha=0.15, lw=0
            )
        plain_axes(ax, panel, x="step", y="training loss")
        ax.set_yscale("log")
        ax.set_ylim(lowest / 1.3, 4)
        ax.legend(frameon=False, fontsize=9, loc="lower left")
    return fig


def gradient_profiles(
    panels: Mapping[str, Mapping[str, npt.ArrayLike]], title: str = "", columns: int | None = None
) -> Figure:
    """The gradient's norm at each layer, first layer on the left: a band over the runs a network.

    `panels[panel][line]` is an array (runs, layers).

    >>> fig = gradient_profiles({"at the start": {"plain": [[1e-3, 1.0], [1e-2, 1.0]]}})
    >>> fig.axes[0].get_yscale(), fig.axes[0].lines[0].get_xdata().tolist()
    ('log', [1, 2])
    """
    fig, axes = figure(len(panels), columns=columns, size=(4.3, 3.5), title=title)
    arrays = {n: {k: np.asarray(v, dtype=float) for k, v in p.items()} for n, p in panels.items()}
    positive = np.concatenate([a[a > 0] for p in arrays.values() for a in p.values()])
    low, high = float(positive.min()) / 3, float(positive.max()) * 3
    for ax, (panel, lines) in zip(axes, arrays.items(), strict=True):
        for (name, runs), style in zip(lines.items(), STYLES, strict=False):
            layers = np.arange(1, runs.shape[1] + 1)
            shown = np.maximum(runs, low)  # a zero lies on the lower edge
            look: dict[str, Any] = {**style, "marker": ""}
            ax.plot(layers, np.median(shown, axis=0), label=name, **look)
            ax.fill_between(
                layers, shown.min(axis=0), shown.max(axis=0), color=style["color"], alpha=0.2, lw=0
            )
        plain_axes(ax, panel, x="layer", y="norm of the weight's gradient")
        ax.set_yscale("log")
        ax.set_ylim(low, high)
        ax.legend(frameon=False, fontsize=9)
    return fig


def block_gains(gains: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """By how much each block multiplies a gradient on its way back: a dot a block and run.

    `gains[line]` is an array (runs, blocks). The line at 1 is where a gradient keeps its size.

    >>> fig = block_gains({"residual": [[1.2, 0.9], [1.1, 0.8]]})
    >>> [text.get_text() for text in fig.axes[0].get_legend().get_texts()]
    ['residual']
    """
    fig, (ax,) = figure(size=(6.6, 3.4), title=title)
    ax.axhline(1, color=INK, lw=0.8)
    lowest = min(float(np.min(values)) for values in gains.values())
    highest = max(float(np.max(values)) for values in gains.values())
    for place, ((name, values), style) in enumerate(zip(gains.items(), STYLES, strict=False)):
        runs = np.asarray(values, dtype=float)
        blocks = np.arange(1, runs.shape[1] + 1) + 0.12 * (place - (len(gains) - 1) / 2)
        for row in runs:
            ax.plot(blocks, row, linestyle="", marker=style["marker"], color=style["color"], ms=4)
        ax.plot([], [], linestyle="", marker=style["marker"], color=style["color"], label=name)
    plain_axes(ax, x="block", y="gradient before the block / after it")
    ax.set_yscale("log")
    ax.set_yticks([0.5, 0.7, 0.9, 1, 1.2, 1.5, 2, 3], minor=False)
    ax.set_ylim(0.85 * min(1.0, lowest), 1.1 * highest)
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.legend(frameon=False, fontsize=9)
    return fig
