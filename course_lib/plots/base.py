"""What every figure of the course shares: its frame, its colours, its alternative text.

One scale serves all signed numbers: white at zero, orange below, blue above, as dark as the number
is large. Printed in grey the sign is lost, so small grids carry their numbers in the cells.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from course_lib._validate import Array, integer, plane

__all__ = [
    "DIVERGING",
    "INK",
    "STYLES",
    "Described",
    "described",
    "figure",
    "heatmap",
    "plain_axes",
    "show_image",
]

INK = "#222222"

DIVERGING = LinearSegmentedColormap.from_list(
    "orange_white_blue", ["#b35806", "#ffffff", "#1f5fa8"]
)
"""White at zero, orange below, blue above: apart for every kind of colour vision."""

STYLES: tuple[dict[str, str], ...] = (
    {"color": "#1f5fa8", "linestyle": "-", "marker": "o"},
    {"color": "#b35806", "linestyle": "--", "marker": "s"},
    {"color": "#555555", "linestyle": ":", "marker": "^"},
    {"color": "#2a7f62", "linestyle": "-.", "marker": "D"},
)
"""Keyword arguments of ``ax.plot`` that stay apart without colour."""

NUMBERED = 150  # cells of a heatmap at most that carry their number unasked


def figure(
    n_axes: int = 1,
    *,
    columns: int | None = None,
    size: tuple[float, float] = (3.4, 3.4),
    title: str = "",
) -> tuple[Figure, list[Axes]]:
    """A figure and its `n_axes` axes, in rows of `columns` (one row unless said).

    `size` is the (width, height) of one of the axes in inches, `title` stands above them all. The
    figure is none of pyplot's: it appears where it is shown and nowhere else, and needs no closing.

    Raises ValueError where `n_axes` or `columns` is below 1.

    >>> fig, (left, right) = figure(2, title="Before and after")
    >>> fig.get_suptitle()
    'Before and after'
    """
    n_axes = integer(n_axes, "n_axes", at_least=1)
    columns = n_axes if columns is None else integer(columns, "columns", at_least=1)
    rows = -(-n_axes // columns)
    fig = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = [fig.add_subplot(rows, columns, place + 1) for place in range(n_axes)]
    if title:
        fig.suptitle(title, fontsize=12, color=INK)
    return fig, axes


def heatmap(
    ax: Axes,
    values: npt.ArrayLike,
    numbers: bool | None = None,
    title: str = "",
    limit: float | None = None,
) -> AxesImage:
    """Draw a signed (H, W) grid on the diverging scale, zero in the middle.

    `numbers` writes each value into its cell; unless said, where there are at most 150 of them.
    `limit` is the magnitude of the darkest colour, the largest in `values` unless said: give two
    heatmaps the same to make their colours comparable. NaN stays light grey.

    Returns matplotlib's image, for a colour bar.

    >>> fig, (ax,) = figure()
    >>> image = heatmap(ax, [[1, 0], [-2, 0.5]], title="Four weights")
    >>> [text.get_text() for text in ax.texts], image.get_clim()
    (['1', '0', '−2', '0.5'], (-2.0, 2.0))
    """
    grid = plane(values, "values")
    finite = np.abs(grid[np.isfinite(grid)].astype(float))
    if limit is None:
        limit = float(finite.max(initial=0.0)) or 1.0
    colours = DIVERGING.with_extremes(bad="#dddddd")
    image = ax.imshow(grid.astype(float), cmap=colours, vmin=-limit, vmax=limit, aspect="equal")
    if numbers if numbers is not None else grid.size <= NUMBERED:
        _write_numbers(ax, grid, limit)
    _frame(ax, title)
    return image


def _write_numbers(ax: Axes, grid: Array, limit: float) -> None:
    texts = [[number(value) for value in row] for row in grid]
    longest = max(len(text) for row in texts for text in row)
    size = _font_size(ax, grid.shape[0], grid.shape[1], longest)
    for row, column in np.ndindex(*grid.shape):
        value = float(grid[row, column])
        ax.text(
            column,
            row,
            texts[row][column],
            ha="center",
            va="center",
            fontsize=size,
            # Pale zeros: a grid of zeros with a few weights in it.
            color=_ink_on(DIVERGING(0.5 + 0.5 * value / limit)) if value else "#8a8a8a",
        )


def _ink_on(colour: tuple[float, float, float, float]) -> str:
    """White or dark, whichever reads better on a colour (contrast as in WCAG 2)."""
    behind, dark = _luminance(colour), _luminance(to_rgb(INK))
    return "white" if 1.05 / (behind + 0.05) > (behind + 0.05) / (dark + 0.05) else INK


def _luminance(colour: Sequence[float]) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _font_size(ax: Axes, rows: int, columns: int, characters: int) -> float:
    """The size, in points, at which so many characters fit into a cell of an axes' grid."""
    extent, dpi = ax.get_window_extent(), ax.get_figure(root=True).dpi  # type: ignore[union-attr]
    cell = 72 / dpi * min(extent.width / columns, extent.height / rows)
    return float(min(11.0, 0.7 * cell, 1.3 * cell / characters))


def number(value: float) -> str:
    """A number as a cell of a figure shows it: at most three digits after the first, a true minus.

    >>> number(-2), number(0.12345), number(12.0)
    ('−2', '0.123', '12')
    """
    text = f"{int(value)}" if float(value).is_integer() else f"{float(value):.3g}"
    return text.replace("-", "−")


def show_image(ax: Axes, image: npt.ArrayLike, title: str = "") -> AxesImage:
    """Draw a picture with values in [0, 1]: grey for (H, W), colours for (H, W, 3).

    Raises ValueError for any other shape.

    >>> fig, (ax,) = figure()
    >>> show_image(ax, np.zeros((4, 6)), "All black").get_clim()
    (0.0, 1.0)
    """
    picture = np.asarray(image)
    if picture.ndim != 2 and (picture.ndim != 3 or picture.shape[2] != 3):
        raise ValueError(f"image has shape {picture.shape}, must be (H, W) or (H, W, 3)")
    drawn = ax.imshow(picture, cmap="gray", vmin=0.0, vmax=1.0, interpolation="nearest")
    _frame(ax, title)
    return drawn


def _frame(ax: Axes, title: str) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    if title:
        ax.set_title(title, fontsize=11, color=INK)


def plain_axes(ax: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Give a plot of lines or bars its title and labels, and take off the lines it can do without.

    >>> fig, (ax,) = figure()
    >>> plain_axes(ax, "Loss falls", x="epoch", y="loss")
    >>> ax.get_title(), ax.get_xlabel()
    ('Loss falls', 'epoch')
    """
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_title(title, fontsize=11, color=INK)
    ax.set_xlabel(x)
    ax.set_ylabel(y)


class Described:
    """A figure with the text that stands in for it where it cannot be seen.

    A notebook shows it as an image with alternative text; so do its exports.
    """

    def __init__(self, fig: Figure, alt: str) -> None:
        self.figure = fig
        self.alt = alt

    def __repr__(self) -> str:
        return f"[figure: {self.alt}]"

    def png(self, dpi: int = 110) -> bytes:
        """The figure as a PNG file, the same bytes every time."""
        stream = io.BytesIO()
        self.figure.savefig(
            stream,
            format="png",
            dpi=dpi,
            bbox_inches="tight",
            pad_inches=0.12,  # else titles touch the edge
            # Without its version number in the file, two patch releases of matplotlib may agree.
            metadata={"Software": None},
        )
        return stream.getvalue()

    def _repr_html_(self) -> str:
        data = base64.b64encode(self.png()).decode("ascii")
        return (
            f'<img src="data:image/png;base64,{data}" alt="{escape(self.alt, quote=True)}" '
            'style="max-width:100%;height:auto;background:#ffffff">'
        )


def described(fig: Figure, alt: str) -> Described:
    """Attach alternative text to a figure: the last line of a cell that shows one.

    `alt` says what there is to see, for a reader who cannot: one or two sentences.

    Raises ValueError for an empty text.

    >>> fig, (ax,) = figure()
    >>> described(fig, "An empty square.")
    [figure: An empty square.]
    """
    if not isinstance(alt, str) or not alt.strip():
        raise ValueError(f"alt (={alt!r}) must be a sentence that says what there is to see")
    return Described(fig, alt.strip())
