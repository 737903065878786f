"""The figures of chapter 08: which channels meet, what layers weigh, how long they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from course_lib._validate import integer
from course_lib.plots.base import INK, STYLES, figure, plain_axes

__all__ = ["families", "roofline", "speedups", "through_relu", "weight_bars", "wiring"]

PARTS = ("#1f5fa8", "#e0a458", "#9a9a9a")
HATCHES = ("", "//", "..")


def wiring(
    c_in: int,
    c_out: int,
    layers: Mapping[str, int],
    title: str = "",
    marked: int | None = None,
) -> Figure:
    """Which input channels (below) feed which output channels (above), for numbers of groups.

    `layers` maps a name to its number of groups. `marked` is an output channel whose connections
    are drawn in orange.

    Raises ValueError where a number of groups does not divide the channels.

    >>> fig = wiring(4, 4, {"dense": 1, "depthwise": 4})
    >>> [ax.get_title() for ax in fig.axes]
    ['dense: 16 connections', 'depthwise: 4 connections']
    """
    c_in, c_out = integer(c_in, "c_in", at_least=1), integer(c_out, "c_out", at_least=1)
    fig, axes = figure(len(layers), size=(3.0, 2.6), title=title)
    for ax, (name, n) in zip(axes, layers.items(), strict=True):
        groups = integer(n, name, at_least=1)
        for channels, what in ((c_in, "c_in"), (c_out, "c_out")):
            if channels % groups:
                raise ValueError(f"groups (={groups}) must divide {what} (={channels})")
        lines = _connections(c_in, c_out, groups)
        for source, target in lines:
            chosen = target == marked
            ax.plot(
                [_place(source, c_in), _place(target, c_out)],
                [0, 1],
                color="#b35806" if chosen else "#9a9a9a",
                lw=2.2 if chosen else 0.9,
                zorder=2 if chosen else 1,
            )
        for channels, row in ((c_in, 0), (c_out, 1)):
            for channel in range(channels):
                _dot(ax, _place(channel, channels), row, channel)
        ax.text(-0.1, 0, "in", ha="right", va="center", color=INK)
        ax.text(-0.1, 1, "out", ha="right", va="center", color=INK)
        ax.set_title(f"{name}: {len(lines)} connections", fontsize=11, color=INK)
        ax.set_xlim(-0.25, 1.1)
        ax.set_ylim(-0.25, 1.25)
        ax.axis("off")
    return fig


def _connections(c_in: int, c_out: int, groups: int) -> list[tuple[int, int]]:
    depth, maps = c_in // groups, c_out // groups
    return [
        (source, target)
        for target in range(c_out)
        for source in range(target // maps * depth, (target // maps + 1) * depth)
    ]


def _place(channel: int, channels: int) -> float:
    return (channel + 0.5) / channels


def _dot(ax: Axes, x: float, y: float, channel: int) -> None:
    ax.plot(x, y, "o", ms=15, mfc="white", mec=INK, mew=1.2, zorder=3)
    ax.text(x, y, str(channel), ha="center", va="center", fontsize=8, color=INK, zorder=4)


def weight_bars(
    layers: Mapping[str, Mapping[str, int]], title: str = "", x: str = "weights"
) -> Figure:
    """A bar for each layer, made of its parts, with the sum beside it.

    Raises ValueError for no layer, and for one of more than three parts.

    >>> fig = weight_bars({"dense": {"3×3": 9}, "separable": {"depthwise": 1, "pointwise": 2}})
    >>> [text.get_text() for text in fig.axes[0].texts]
    [' 9', ' 3']
    """
    if not layers:
        raise ValueError("layers is empty: one layer at least has a bar")
    longest = max(len(parts) for parts in layers.values())
    if longest > len(PARTS):
        raise ValueError(f"a layer has {longest} parts, must be at most {len(PARTS)}")
    fig, (ax,) = figure(size=(8.4, 0.85 + 0.5 * len(layers)))
    kinds = list(dict.fromkeys(kind for parts in layers.values() for kind in parts))
    looks = {
        kind: (PARTS[n % len(PARTS)], HATCHES[n % len(HATCHES)]) for n, kind in enumerate(kinds)
    }
    drawn = set()
    for row, parts in enumerate(layers.values()):
        left = 0
        for kind, count in parts.items():
            colour, hatch = looks[kind]
            label = kind if kind not in drawn else "_"
            drawn.add(kind)
            ax.barh(
                row, count, left=left, color=colour, hatch=hatch, edgecolor="white", label=label
            )
            left += count
        ax.text(left, row, f" {left:,}", va="center", fontsize=9, color=INK)
    ax.set_yticks(range(len(layers)), list(layers))
    ax.invert_yaxis()
    ax.margins(x=0.16)
    ax.set_xlim(left=0)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    ax.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    plain_axes(ax, title, x=x)
    return fig


def speedups(
    fewer: Mapping[str, float], faster: Mapping[str, Sequence[float]], title: str = ""
) -> Figure:
    """How many times fewer MACs a layer has, and how many times faster it was, one point a layer.

    `faster` has (low, middle, high) for each name: an upright line with a mark. The straight line
    is where time would follow the MACs.

    Raises ValueError where the two do not have the same names.

    >>> fig = speedups({"depthwise": 64.0}, {"depthwise": (8.0, 10.0, 11.0)})
    >>> fig.axes[0].get_xlabel()
    'times fewer MACs'
    """
    if fewer.keys() != faster.keys():
        raise ValueError(f"names {list(fewer)} and {list(faster)} must be the same")
    fig, (ax,) = figure(size=(6.2, 4.2))
    top = 1.4 * max(*fewer.values(), *(value for values in faster.values() for value in values))
    ax.plot([1, top], [1, top], color=INK, lw=1, ls="--")
    ax.annotate(
        "as many times faster",
        (top**0.62, top**0.62),
        xytext=(-6, 6),
        textcoords="offset points",
        ha="right",
        fontsize=9,
        color=INK,
    )
    for name, x in fewer.items():
        low, middle, high = faster[name]
        ax.plot([x, x], [low, high], color=STYLES[0]["color"], lw=3, alpha=0.35)
        ax.plot(x, middle, "o", color=STYLES[0]["color"])
        ax.annotate(
            name, (x, middle), xytext=(8, -4), textcoords="offset points", fontsize=9, color=INK
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.8, 2.2 * top)
    _plain_ticks(ax)
    plain_axes(ax, title, x="times fewer MACs", y="times faster, measured")
    return fig


def _plain_ticks(ax: Axes) -> None:
    for axis in (ax.xaxis, ax.yaxis):
        if axis.get_scale() == "log":
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_locator(NullLocator())


def roofline(
    points: Mapping[str, tuple[float, float]],
    bandwidth: float,
    peak: float,
    title: str = "",
) -> Figure:
    """Layers as points: MACs for each byte moved, and the thousand million MACs a second they made.

    `bandwidth` (thousand million bytes a second) and `peak` (thousand million MACs a second) are
    the roof above them: a layer can be no faster than either allows.

    >>> fig = roofline({"dense": (50.0, 40.0), "depthwise": (1.0, 6.0)}, bandwidth=10, peak=45)
    >>> sorted(text.get_text() for text in fig.axes[0].texts)[-2:]
    ['dense', 'depthwise']
    """
    fig, (ax,) = figure(size=(6.8, 4.2))
    left = 0.3 * min(*(x for x, _ in points.values()), peak / bandwidth)
    right = 3.0 * max(*(x for x, _ in points.values()), peak / bandwidth)
    corner = peak / bandwidth
    ax.plot([left, corner, right], [left * bandwidth, peak, peak], color=INK, lw=1.5)
    ax.annotate(
        "as fast as it can multiply",
        (corner, peak),
        xytext=(0, 7),
        textcoords="offset points",
        fontsize=9,
        color=INK,
    )
    for name, (x, y) in points.items():
        ax.plot(x, y, "o", color=STYLES[0]["color"])
        crowded = any(x < other < 2.5 * x for other, _ in points.values())
        ax.annotate(
            name,
            (x, y),
            xytext=(-7 if crowded else 7, -11),
            textcoords="offset points",
            ha="right" if crowded else "left",
            fontsize=9,
            color=INK,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    low = min(min(y for _, y in points.values()), left * bandwidth)
    ax.set_ylim(0.6 * low, 2.5 * max(peak, *(y for _, y in points.values())))
    _plain_ticks(ax)
    x, y = 1.15 * left, 1.25 * 1.15 * left * bandwidth
    ax.text(
        x,
        y,
        "as fast as bytes arrive",
        rotation=float(np.degrees(np.arctan2(y, x))),  # along a line through 0: straight in logs
        rotation_mode="anchor",
        transform_rotates_text=True,
        fontsize=9,
        color=INK,
    )
    plain_axes(ax, title, x="MACs for each byte moved", y="billion MACs a second, measured")
    return fig


def through_relu(
    points: npt.ArrayLike, returned: Mapping[str, npt.ArrayLike], title: str = ""
) -> Figure:
    """A curve of points (N, 2), and what came back of it from each of several detours.

    Points are joined in their order and get lighter along the way. Raises ValueError where an
    array is not (N, 2).

    >>> fig = through_relu([[0, 0], [1, 1]], {"2 channels": [[0, 0], [1, 0]]})
    >>> [ax.get_title() for ax in fig.axes]
    ['before', '2 channels']
    """
    curves = {"before": points, **returned}
    fig, axes = figure(len(curves), size=(2.3, 2.6), title=title)
    limit = 1.25 * float(np.abs(np.asarray(points, dtype=float)).max()) or 1.0
    for ax, (name, values) in zip(axes, curves.items(), strict=True):
        curve = np.asarray(values, dtype=float)
        if curve.ndim != 2 or curve.shape[1] != 2:
            raise ValueError(f"{name} has shape {curve.shape}, must be (N, 2)")
        across, up = curve.T
        ax.plot(across, up, color="#c8c8c8", lw=0.8, zorder=1)
        ax.scatter(across, up, c=np.linspace(0, 0.75, len(curve)), cmap="cividis", s=9, zorder=2)
        ax.set_xlim(-limit, limit)
        ax.set_ylim(-limit, limit)
        ax.set_aspect("equal")
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_title(name, fontsize=11, color=INK)
    return fig


def families(
    curves: Mapping[str, Mapping[str, tuple[float, float]]],
    title: str = "",
    x: str = "",
    y: str = "top-1 on ImageNet, published, %",
) -> Figure:
    """Families of networks: a line for each, a point for each member, named beside it.

    >>> fig = families({"EfficientNet": {"B0": (0.39, 77.1), "B1": (0.69, 79.1)}})
    >>> [text.get_text() for text in fig.axes[0].texts]
    ['B0', 'B1']
    """
    fig, (ax,) = figure(size=(6.8, 4.4))
    for style, (family, members) in zip(STYLES, curves.items(), strict=False):
        xs, ys = zip(*members.values(), strict=True)
        ax.plot(xs, ys, label=family, **style)  # type: ignore[arg-type]
        for name, place in members.items():
            ax.annotate(
                name, place, xytext=(5, -11), textcoords="offset points", fontsize=8, color=INK
            )
    ax.set_xscale("log")
    _plain_ticks(ax)
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    plain_axes(ax, title, x=x, y=y)
    return fig
