"""The figures of chapter 02: windows, borders, kernels and their gradients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TypedDict

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib import geometry
from course_lib._validate import Array, plane
from course_lib.ops import pad2d
from course_lib.plots.base import INK, STYLES, figure, heatmap, plain_axes, show_image

__all__ = [
    "Axis",
    "border_modes",
    "grids",
    "kernel_gallery",
    "learning",
    "one_window",
    "pictures",
    "visit_maps",
    "windows_along_axis",
]

TAP, SPAN, UNUSED = "#1f5fa8", "#cfdcec", "#f4d9b8"
# Behind a number on a hatched cell.
_READABLE = {"facecolor": UNUSED, "edgecolor": "none", "boxstyle": "round,pad=0.1"}


class Axis(TypedDict, total=False):
    """One axis of a convolution, as the functions of `geometry` name its numbers."""

    n: int
    kernel: int
    stride: int
    padding: int
    dilation: int


# ── slide, multiply, sum ────────────────────────────────────────────────────────────────────────


def one_window(
    image: npt.ArrayLike, kernel: npt.ArrayLike, output: npt.ArrayLike, row: int, column: int
) -> Figure:
    """How one output of a stride-1 convolution comes about: window, kernel, products, output.

    The window in the image and its cell in the output have a frame. Raises ValueError where
    `output` has no cell (row, column) or an array is not (H, W).

    >>> fig = one_window(np.ones((3, 3)), np.ones((2, 2)), np.full((2, 2), 4), 0, 1)
    >>> [ax.get_title() for ax in fig.axes]
    ['image', 'kernel', 'window × kernel', 'output: their sum']
    """
    pixels, weights, results = (
        plane(value, name)
        for value, name in ((image, "image"), (kernel, "kernel"), (output, "output"))
    )
    if not (0 <= row < results.shape[0] and 0 <= column < results.shape[1]):
        raise ValueError(f"(row, column) (={row}, {column}) must lie in output {results.shape}")
    height, width = weights.shape
    products = pixels[row : row + height, column : column + width] * weights
    total = f"{results[row, column]:g}"
    fig, axes = figure(
        4, size=(2.6, 2.9), title=f"Nine products, one sum: {total}" if weights.size == 9 else ""
    )
    heatmap(axes[0], pixels, title="image")
    heatmap(axes[1], weights, title="kernel", limit=2 * float(np.abs(weights).max()))
    heatmap(axes[2], products, title="window × kernel", limit=float(np.abs(pixels).max()))
    heatmap(axes[3], results, title="output: their sum")
    _frame_cells(axes[0], row, column, height, width)
    _frame_cells(axes[3], row, column, 1, 1)
    return fig


def _frame_cells(ax: Axes, row: int, column: int, height: int, width: int) -> None:
    ax.add_patch(
        Rectangle((column - 0.5, row - 0.5), width, height, fill=False, lw=3, edgecolor=INK)
    )


def grids(
    arrays: Mapping[str, npt.ArrayLike], title: str = "", columns: int | None = None
) -> Figure:
    """Small signed grids side by side, each with its name and its numbers.

    Raises ValueError for no grid at all.

    >>> fig = grids({"kernel": [[1, 2]], "flipped": [[2, 1]]}, title="A flip")
    >>> [ax.get_title() for ax in fig.axes]
    ['kernel', 'flipped']
    """
    fig, axes = figure(len(arrays), columns=columns, size=(2.5, 2.8), title=title)
    for ax, (name, values) in zip(axes, arrays.items(), strict=True):
        heatmap(ax, values, title=name)
    return fig


# ── where the windows stand ─────────────────────────────────────────────────────────────────────


def windows_along_axis(settings: Mapping[str, Axis], title: str = "") -> Figure:
    """Every window along one axis, a row each, below the pixels it reads.

    Each setting is drawn under its name. Dark cells are the kernel's taps, light ones the gaps of
    a dilation, dashed boxes the padding; hatched pixels are touched by no window.

    Raises ValueError where no window fits, and for no setting at all.

    >>> fig = windows_along_axis({"stride 2": {"n": 6, "kernel": 3, "stride": 2}})
    >>> fig.axes[0].get_title()
    'stride 2: 2 windows, pixel 5 unseen'
    """
    rows = [len(geometry.window_starts(**setting)) for setting in settings.values()]
    longest = max(
        (s["n"] + 2 * s.get("padding", 0) for s in settings.values()),
        default=1,
    )
    size = (max(3.0, 0.36 * longest), 0.75 + 0.32 * max(rows, default=1))
    fig, axes = figure(len(settings), size=size, title=title)
    for ax, (name, setting) in zip(axes, settings.items(), strict=True):
        _draw_axis(ax, name, setting)
        ax.set_ylim(max(rows) + 1.2, -0.7)
    return fig


def _draw_axis(ax: Axes, name: str, setting: Axis) -> None:
    n, padding = setting["n"], setting.get("padding", 0)
    unused = geometry.unused_pixels(**setting)
    for position in range(-padding, n + padding):
        inside = 0 <= position < n
        ax.add_patch(
            Rectangle(
                (position - 0.5, -0.5),
                1,
                1,
                facecolor=UNUSED if position in unused else "white",
                edgecolor=INK,
                linestyle="-" if inside else ":",
                hatch="////" if position in unused else None,
                lw=0.8,
            )
        )
        if inside:
            text = ax.text(position, 0, str(position), ha="center", va="center", fontsize=9)
            if position in unused:
                text.set_bbox(_READABLE)
    for place, start in enumerate(geometry.window_starts(**setting), start=1):
        _draw_window(ax, place + 0.2, start, setting["kernel"], setting.get("dilation", 1))
    ax.set_xlim(-padding - 0.7, n + padding - 0.3)
    ax.set_aspect("equal")
    ax.axis("off")
    ax.set_title(f"{name}: {_summary(setting, unused)}", fontsize=10, color=INK)


def _draw_window(ax: Axes, y: float, start: int, kernel: int, dilation: int) -> None:
    taps = geometry.window_pixels(start, kernel, dilation)
    for position in range(taps[0], taps[-1] + 1):
        colour = TAP if position in taps else SPAN
        ax.add_patch(Rectangle((position - 0.42, y - 0.28), 0.84, 0.56, facecolor=colour, lw=0))


def _summary(setting: Axis, unused: Sequence[int]) -> str:
    windows = len(geometry.window_starts(**setting))
    text = f"{windows} window" + ("s" if windows != 1 else "")
    if not unused:
        return text
    pixels = ", ".join(map(str, unused))
    return f"{text}, pixel{'s' if len(unused) > 1 else ''} {pixels} unseen"


def visit_maps(counts: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """How often each pixel is seen, a map for each setting; pixels never seen are hatched.

    All maps share one scale. Raises ValueError for no map at all.

    >>> fig = visit_maps({"2×2": [[1, 1], [0, 0]]})
    >>> len(fig.axes[0].patches)
    2
    """
    planes = {name: plane(values, name) for name, values in counts.items()}
    fig, axes = figure(len(planes), size=(3.3, 3.5), title=title)
    limit = 1.3 * max((float(values.max()) for values in planes.values()), default=1.0)
    for ax, (name, values) in zip(axes, planes.items(), strict=True):
        heatmap(ax, values, title=name, limit=limit)
        for row, column in np.argwhere(values == 0):
            ax.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, facecolor=UNUSED, edgecolor=INK, hatch="////"
                )
            )
        for text in ax.texts:
            if text.get_text() == "0":
                text.set_bbox(_READABLE)
                text.set_color(INK)
    return fig


# ── photographs ─────────────────────────────────────────────────────────────────────────────────


def border_modes(
    image: npt.ArrayLike,
    padding: int,
    modes: Sequence[str] = ("zeros", "reflect", "replicate", "circular"),
) -> Figure:
    """A photograph padded in several ways; a frame marks where the photograph ends.

    Raises as `course_lib.ops.pad2d` does.

    >>> fig = border_modes(np.zeros((4, 4)), padding=2, modes=("zeros", "reflect"))
    >>> [ax.get_title() for ax in fig.axes]
    ['zeros', 'reflect']
    """
    pixels = plane(image, "image")
    fig, axes = figure(
        len(modes), size=(2.6, 2.9), title="What a kernel finds beyond the border (the frame)"
    )
    for ax, mode in zip(axes, modes, strict=True):
        show_image(ax, pad2d(pixels, padding, mode), mode)
        ax.add_patch(
            Rectangle(
                (padding - 0.5, padding - 0.5),
                pixels.shape[1],
                pixels.shape[0],
                fill=False,
                lw=1.8,
                edgecolor="white",
            )
        )
        ax.add_patch(
            Rectangle(
                (padding - 0.5, padding - 0.5),
                pixels.shape[1],
                pixels.shape[0],
                fill=False,
                lw=1.8,
                linestyle=(0, (3, 3)),
                edgecolor=INK,
            )
        )
    return fig


def pictures(images: Mapping[str, npt.ArrayLike], title: str = "") -> Figure:
    """Pictures side by side, each stretched to the same width, with their shapes below.

    Values below 0 are drawn black, above 1 white. Raises ValueError for no picture at all.

    >>> fig = pictures({"photograph": np.zeros((4, 6))})
    >>> fig.axes[0].get_xlabel()
    '4×6 = 24 pixels'
    """
    fig, axes = figure(len(images), size=(2.9, 3.1), title=title)
    for ax, (name, image) in zip(axes, images.items(), strict=True):
        pixels = np.asarray(image)
        show_image(ax, np.clip(pixels, 0, 1), name)
        height, width = pixels.shape[:2]
        ax.set_xlabel(f"{height}×{width} = {height * width:,} pixels", fontsize=9)
    return fig


def kernel_gallery(
    image: npt.ArrayLike,
    kernels: Mapping[str, npt.ArrayLike],
    responses: Mapping[str, npt.ArrayLike],
    columns: int = 4,
    title: str = "",
) -> Figure:
    """A photograph and what each kernel makes of it, the kernel's numbers below.

    A kernel whose weights add up to 0 answers with both signs: its response is drawn with 0 in
    middle grey, positive brighter, negative darker. Other responses are drawn as pictures.

    Raises ValueError where `kernels` and `responses` have different names.

    >>> fig = kernel_gallery(np.zeros((3, 3)), {"shift": [[0, 1]]}, {"shift": np.zeros((3, 2))})
    >>> [ax.get_title() for ax in fig.axes if ax.get_title()]
    ['the photograph', 'shift']
    """
    if list(kernels) != list(responses):
        raise ValueError(f"kernels {list(kernels)} must have the names of responses")
    fig, axes = figure(
        1 + len(kernels),
        columns=columns,
        size=(3.0, 4.0),
        title=title,
    )
    show_image(axes[0], image, "the photograph")
    for ax, (name, kernel) in zip(axes[1:], kernels.items(), strict=True):
        weights, response = plane(kernel, "kernel"), plane(responses[name], "response")
        if abs(weights.sum()) < 1e-9 * np.abs(weights).max():
            # The few strongest edges would leave everything else grey.
            limit = float(np.quantile(np.abs(response), 0.99)) or 1.0
            show_image(ax, np.clip(0.5 + 0.5 * response / limit, 0, 1), name)
        else:
            show_image(ax, np.clip(response, 0, 1), name)
        _inset_kernel(ax, weights)
    return fig


def _inset_kernel(ax: Axes, weights: Array) -> None:
    inset = ax.inset_axes((0.25, -0.56, 0.5, 0.5))
    heatmap(inset, weights, numbers=True, limit=2 * float(np.abs(weights).max()))
    for text, weight in zip(inset.texts, weights.ravel(), strict=True):
        text.set_text(_weight(float(weight)))
        text.set_fontsize(11)
        text.set_color(INK)


def _weight(value: float) -> str:
    """A weight as a fraction where that is exact and short: 1/9 rather than 0.111."""
    fraction = Fraction(value).limit_denominator(64)
    text = str(fraction) if abs(fraction - Fraction(value)) < 1e-12 else f"{value:.2g}"
    return text.replace("-", "−")


# ── learning ────────────────────────────────────────────────────────────────────────────────────


def learning(losses: npt.ArrayLike, kernels: Mapping[str, npt.ArrayLike]) -> Figure:
    """The loss of each step, on a logarithmic axis, and some kernels on one scale.

    Raises ValueError for losses that are not one positive number a step.

    >>> fig = learning([1.0, 0.1], {"before": [[0.0]], "after": [[1.0]]})
    >>> fig.axes[0].get_yscale(), [ax.get_title() for ax in fig.axes[1:]]
    ('log', ['before', 'after'])
    """
    history = np.asarray(losses, dtype=float)
    if history.ndim != 1 or not (history > 0).all():
        raise ValueError("losses must be one positive number for each step")
    planes = {name: plane(kernel, name) for name, kernel in kernels.items()}
    limit = max((float(np.abs(kernel).max()) for kernel in planes.values()), default=1.0)
    fig, axes = figure(
        1 + len(planes), size=(2.9, 3.0), title="Gradients alone lead from noise to the kernel"
    )
    axes[0].plot(
        np.arange(len(history)), history, color=STYLES[0]["color"], linestyle="-", marker=""
    )
    axes[0].set_yscale("log")
    plain_axes(axes[0], "the loss falls", x="step", y="mean squared error")
    for ax, (name, kernel) in zip(axes[1:], planes.items(), strict=True):
        heatmap(ax, kernel, title=name, limit=limit)
    return fig
