"""The figures of chapter 01: costs, flattening, shuffled pixels, a layer's matrix, moved images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib._validate import Array, integer, pair, plane, real_array
from course_lib.plots.base import INK, STYLES, figure, heatmap, plain_axes, show_image

__all__ = [
    "accuracies",
    "before_and_after",
    "cost_growth",
    "error_maps",
    "flattening",
    "looked_at",
    "matrix_structure",
    "moved_along",
    "pictures",
    "signal_response",
]


def cost_growth(sides: Sequence[int], counts: Mapping[str, Sequence[int]]) -> Figure:
    """Weights of layers against the side of a square image, both on logarithmic axes.

    `counts` maps a layer's description to its number of weights at each of `sides` (in pixels).

    Raises ValueError where a row of counts is not as long as `sides`.

    >>> fig = cost_growth([8, 16], {"dense": [64, 256], "convolution": [9, 9]})
    >>> [line.get_label() for line in fig.axes[0].get_lines()]
    ['dense', 'convolution']
    """
    fig, (ax,) = figure(size=(6.4, 3.6))
    for (label, row), style in zip(counts.items(), STYLES, strict=False):
        if len(row) != len(sides):
            raise ValueError(f"counts[{label!r}] has {len(row)} values, must have {len(sides)}")
        ax.loglog(sides, row, label=label, **style)
        ax.annotate(
            label, (sides[-1], row[-1]), xytext=(8, 0), textcoords="offset points", va="center"
        )
    ax.set_xticks(list(sides), [str(side) for side in sides])
    ax.minorticks_off()
    ax.grid(axis="y", color="#dddddd")
    plain_axes(
        ax,
        "A dense layer grows with the image, a convolution does not",
        x="side of the image, in pixels",
        y="weights",
    )
    return fig


def flattening(height: int, width: int, pixel: tuple[int, int]) -> Figure:
    """An image's pixels numbered row by row, and the vector that they make.

    A thick frame marks `pixel`, given as (row, column), thin frames its neighbours above, below,
    left and right, in the image and in the vector.

    Raises ValueError for a pixel outside the image.

    >>> fig = flattening(3, 4, pixel=(1, 1))
    >>> [text.get_text() for text in fig.axes[1].texts if text.get_weight() == "bold"]
    ['1', '4', '5', '6', '9']
    """
    height, width = integer(height, "height", at_least=1), integer(width, "width", at_least=1)
    row, column = pair(pixel, "pixel", at_least=0, axes="(row, column)")
    if row >= height or column >= width:
        raise ValueError(f"pixel (={(row, column)}) must lie in an image of {height}×{width}")
    fig = Figure(figsize=(8.4, 3.6), layout="constrained")
    grid_ax, vector_ax = fig.subplots(2, 1, height_ratios=[height, 1.6])
    marked = {(row, column): 3.0}
    for r, c in ((row - 1, column), (row, column - 1), (row, column + 1), (row + 1, column)):
        if 0 <= r < height and 0 <= c < width:
            marked[(r, c)] = 1.6
    positions = np.arange(height * width).reshape(height, width)
    _numbered_cells(grid_ax, positions, marked, "The image: neighbours touch")
    in_vector = {(0, r * width + c): line for (r, c), line in marked.items()}
    _numbered_cells(
        vector_ax,
        positions.reshape(1, -1),
        in_vector,
        "The vector: those in the row stay, those in the column go a row's length away",
    )
    return fig


def _numbered_cells(
    ax: Axes, numbers: Array, marked: Mapping[tuple[int, int], float], title: str
) -> None:
    height, width = numbers.shape
    for r, c in np.ndindex(height, width):
        line = marked.get((r, c), 0.0)
        fill = "#f7f7f7" if not line else "#f2c79b" if line < 2 else "#8fb4e3"
        ax.add_patch(
            Rectangle(
                (c - 0.5, r - 0.5),
                1,
                1,
                facecolor=fill,
                edgecolor=INK if line else "#bbbbbb",
                linewidth=line or 0.6,
                zorder=2 if line else 1,
            )
        )
        weight = "bold" if line else "normal"
        ax.text(
            c,
            r,
            str(numbers[r, c]),
            ha="center",
            va="center",
            fontsize=8,
            weight=weight,
            color=INK,
            zorder=3,
        )
    ax.set_xlim(-0.6, width - 0.4)
    ax.set_ylim(height - 0.4, -0.6)
    ax.set_aspect("equal")
    ax.set_axis_off()
    ax.set_title(title, fontsize=11, color=INK)


def pictures(images: Sequence[npt.ArrayLike], titles: Sequence[str], title: str) -> Figure:
    """Pictures with values in [0, 1] side by side, each with its title.

    Raises ValueError where there are not as many titles as pictures.

    >>> fig = pictures([np.zeros((4, 4)), np.ones((4, 4))], ["black", "white"], "Two squares")
    >>> [ax.get_title() for ax in fig.axes]
    ['black', 'white']
    """
    if len(titles) != len(images):
        raise ValueError(f"titles (of length {len(titles)}) must be as many as images")
    fig, axes = figure(len(images), size=(2.6, 2.9), title=title)
    for ax, image, name in zip(axes, images, titles, strict=True):
        show_image(ax, image, name)
    return fig


def before_and_after(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    names: Sequence[str],
    rows: tuple[str, str],
    title: str,
) -> Figure:
    """Two rows of small images (N, H, W) in [0, 1], each image above what became of it.

    `names` stands above the N columns, `rows` beside the two rows.

    Raises ValueError where the two are not of one shape.

    >>> images = np.zeros((2, 4, 4))
    >>> fig = before_and_after(images, images, ["0", "1"], ("as scanned", "shuffled"), "Digits")
    >>> [ax.get_title() for ax in fig.axes]
    ['0', '1', '', '']
    """
    upper, lower = real_array(before, "before"), real_array(after, "after")
    if upper.ndim != 3 or upper.shape != lower.shape:
        raise ValueError(
            f"before and after have shapes {upper.shape} and {lower.shape}, must be one (N, H, W)"
        )
    n = len(upper)
    fig, axes = figure(2 * n, columns=n, size=(0.95, 1.15), title=title)
    for place, image in enumerate([*upper, *lower]):
        show_image(axes[place], image, names[place] if place < n else "")
    for ax, name in zip((axes[0], axes[n]), rows, strict=True):
        ax.set_ylabel(name, fontsize=10, color=INK)
    return fig


def accuracies(
    results: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str
) -> Figure:
    """Accuracy of several networks on two versions of the data, a mark for each seed.

    `results` maps a network's name to its accuracies on the images as they are and on the shuffled
    ones, one for each seed. A line joins the two means. The axis of accuracies begins a little
    below the lowest of them, and says where.

    >>> fig = accuracies({"MLP": ([0.9, 1.0], [0.9, 0.9])}, "It stays")
    >>> [round(float(y), 2) for y in fig.axes[0].get_lines()[-1].get_ydata()]
    [0.95, 0.9]
    """
    fig, (ax,) = figure(size=(6.8, 3.8))
    looks = (("o", "#1f5fa8", "#1f5fa8"), ("s", "#b35806", "white"))  # marker, edge, face
    labels = ("pixels in their places", "pixels shuffled")
    for place, both in enumerate(results.values()):
        ends = (place - 0.18, place + 0.18)
        for x, values, (marker, edge, face), label in zip(ends, both, looks, labels, strict=True):
            # Marks side by side, so that equal ones do not hide each other.
            beside = x + 0.05 * (np.arange(len(values)) - (len(values) - 1) / 2)
            ax.plot(
                beside,
                values,
                linestyle="none",
                marker=marker,
                markersize=6,
                markeredgewidth=1.6,
                markeredgecolor=edge,
                markerfacecolor=face,
                label=label if place == 0 else None,
            )
        ax.plot(
            ends,
            [float(np.mean(values)) for values in both],
            color=INK,
            linewidth=1.4,
            label="from mean to mean" if place == 0 else None,
        )
    ax.set_xticks(range(len(results)), list(results))
    ax.set_xlim(-0.6, len(results) - 0.4)
    ax.grid(axis="y", color="#dddddd")
    ax.legend(frameon=False, loc="lower left")
    lowest = min(float(min(values)) for both in results.values() for values in both)
    bottom = np.floor((lowest - 0.02) * 20) / 20  # room for a mark below the lowest
    ax.set_ylim(bottom=bottom)
    plain_axes(ax, title, y=f"accuracy on test images\n(the axis begins at {bottom:.2f})")
    return fig


def matrix_structure(matrix: npt.ArrayLike, height: int, width: int) -> Figure:
    """The matrix of a layer from an image (height, width), its columns grouped by image rows.

    Beside it the matrix's first and last row, each given the image's shape: what one output sees.

    Raises ValueError where the matrix has not height · width columns.

    >>> fig = matrix_structure(np.eye(4), height=2, width=2)
    >>> [ax.get_title() for ax in fig.axes][1:]
    ['its first row, as an image', 'its last row, as an image']
    """
    grid = plane(matrix, "matrix")
    if grid.shape[1] != height * width:
        raise ValueError(
            f"matrix has shape {grid.shape}, must have height · width = {height * width} columns"
        )
    fig = Figure(figsize=(9.2, 4.4), layout="constrained")
    spec = fig.add_gridspec(2, 2, width_ratios=[3.2, 1])
    limit = float(np.abs(grid).max()) or 1.0
    whole = fig.add_subplot(spec[:, 0])
    n_out, n_in = grid.shape
    heatmap(
        whole,
        grid,
        numbers=grid.size <= 400,
        title=f"The layer as a matrix: {n_out} outputs (rows), {n_in} pixels (columns)",
        limit=limit,
    )
    for edge in range(width, n_in, width):
        whole.axvline(edge - 0.5, color="#999999", linewidth=0.8)
    for place, (row, name) in enumerate(((grid[0], "first"), (grid[-1], "last"))):
        ax = fig.add_subplot(spec[place, 1])
        heatmap(ax, row.reshape(height, width), title=f"its {name} row, as an image", limit=limit)
    return fig


def moved_along(
    image: npt.ArrayLike,
    response: npt.ArrayLike,
    moved: npt.ArrayLike,
    moved_response: npt.ArrayLike,
) -> Figure:
    """An image and a layer's answer, above the moved image and the answer to that.

    Each answer stands in two panels, its positive part and its negative part, so that they stay
    apart in grey, too.

    >>> fig = moved_along(np.eye(3), np.eye(3), np.eye(3), np.eye(3))
    >>> [ax.get_title() for ax in fig.axes][:3]
    ['image', 'where the answer is positive', 'where it is negative']
    """
    fig, axes = figure(
        6, columns=3, size=(2.7, 2.8), title="The image moves, the answer moves along"
    )
    limit = float(np.abs(plane(response, "response")).max()) or 1.0
    rows = (("image", image, response), ("image, moved", moved, moved_response))
    for place, (name, picture, answer) in enumerate(rows):
        left, middle, right = axes[3 * place : 3 * place + 3]
        grid = plane(answer, "response")
        show_image(left, picture, name)
        heatmap(
            middle,
            np.maximum(grid, 0),
            numbers=False,
            title="where the answer is positive",
            limit=limit,
        )
        heatmap(
            right, np.minimum(grid, 0), numbers=False, title="where it is negative", limit=limit
        )
    return fig


def looked_at(grids: Mapping[str, npt.ArrayLike], pixel: tuple[int, int], title: str) -> Figure:
    """How much one pixel looks at each pixel of the image, in several layers side by side.

    Each of `grids` is one (H, W) map of weights on a scale of its own; a frame marks `pixel`, given
    as (row, column).

    Raises ValueError for a pixel outside a grid.

    >>> fig = looked_at({"itself": np.eye(3), "all": np.ones((3, 3))}, (1, 1), "Two layers")
    >>> [ax.get_title() for ax in fig.axes]
    ['itself', 'all']
    """
    row, column = pair(pixel, "pixel", at_least=0, axes="(row, column)")
    fig, axes = figure(len(grids), size=(2.7, 3.0), title=title)
    for ax, (name, values) in zip(axes, grids.items(), strict=True):
        grid = plane(values, name)
        if row >= grid.shape[0] or column >= grid.shape[1]:
            raise ValueError(
                f"pixel (={(row, column)}) must lie in {name!r} of {grid.shape[0]}×{grid.shape[1]}"
            )
        heatmap(ax, grid, numbers=False, title=name)
        corner = (column - 0.5, row - 0.5)
        ax.add_patch(Rectangle(corner, 1, 1, fill=False, edgecolor=INK, linewidth=2.4))
    return fig


def error_maps(maps: Mapping[str, npt.ArrayLike]) -> Figure:
    """Maps (H, W) of equivariance errors side by side: white where there is none.

    All share one scale; each title names the map and its largest error.

    >>> fig = error_maps({"circular": np.zeros((3, 3)), "zeros": np.eye(3)})
    >>> [ax.get_title() for ax in fig.axes]
    ['circular: largest error 0', 'zeros: largest error 1']
    """
    grids = {name: plane(values, name) for name, values in maps.items()}
    limit = max((float(grid.max()) for grid in grids.values()), default=0.0) or 1.0
    fig, axes = figure(len(grids), size=(3.8, 4.0))
    for ax, (name, grid) in zip(axes, grids.items(), strict=True):
        largest = float(grid.max())
        shown = "0" if largest < 1e-9 else f"{largest:.2g}"
        heatmap(ax, grid, numbers=False, title=f"{name}: largest error {shown}", limit=limit)
    return fig


def signal_response(
    signal: npt.ArrayLike,
    response: npt.ArrayLike,
    title: str,
    names: tuple[str, str],
    along: str = "",
) -> Figure:
    """A signal over time or along a line, and below it a layer's answer at the same places.

    The response is as long as the signal or shorter, and stands centred under it. `names` are those
    of the two vertical axes, `along` is the name of the horizontal one.

    >>> fig = signal_response([0, 0, 1, 1], [0, 1], "An edge", ("signal", "answer"), "second")
    >>> fig.axes[1].get_lines()[0].get_xdata()
    array([1., 2.])
    """
    above, below = real_array(signal, "signal"), real_array(response, "response")
    fig = Figure(figsize=(7.2, 3.4), layout="constrained")
    upper, lower = fig.subplots(2, 1, sharex=True)
    first = (len(above) - len(below)) / 2
    upper.plot(np.arange(len(above)), above, color=INK, linewidth=1.2)
    lower.plot(first + np.arange(len(below)), below, color="#1f5fa8", linewidth=1.2)
    lower.axhline(0.0, color="#999999", linewidth=0.8)
    plain_axes(upper, title, y=names[0])
    plain_axes(lower, x=along, y=names[1])
    return fig
