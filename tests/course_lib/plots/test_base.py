"""The shared helpers: what is drawn, where, and that nothing leaks into matplotlib's state."""

import doctest
import io
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

from course_lib.plots import base, described


@pytest.fixture
def ax():
    return base.figure()[1][0]


@pytest.mark.parametrize(
    ("n_axes", "columns", "grid"),
    [(1, None, (1, 1)), (3, None, (1, 3)), (4, 2, (2, 2)), (5, 2, (3, 2))],
)
def test_axes_stand_in_rows(n_axes, columns, grid):
    fig, axes = base.figure(n_axes, columns=columns, size=(2.0, 3.0))
    assert len(axes) == n_axes == len(fig.axes)
    assert axes[0].get_subplotspec().get_gridspec().get_geometry() == grid
    assert tuple(fig.get_size_inches()) == (2.0 * grid[1], 3.0 * grid[0])


def test_heatmap_draws_the_values_with_zero_in_the_middle(ax):
    values = np.array([[1.0, -3.0], [0.0, 2.0], [0.5, 0.25]])
    image = base.heatmap(ax, values, title="Weights")
    np.testing.assert_array_equal(image.get_array(), values)
    assert image.get_clim() == (-3.0, 3.0)
    np.testing.assert_allclose(image.to_rgba(np.array([[0.0]]))[0, 0, :3], 1.0, atol=0.01)
    assert ax.get_title() == "Weights"


def test_heatmap_writes_each_number_into_its_cell(ax):
    base.heatmap(ax, [[1, -2, 3.14159], [4, 5, 6]])
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {
        (0, 0): "1",
        (1, 0): "−2",
        (2, 0): "3.14",
        (0, 1): "4",
        (1, 1): "5",
        (2, 1): "6",
    }


def test_numbers_on_dark_cells_are_white(ax):
    base.heatmap(ax, [[10, 1]])
    assert [text.get_color() for text in ax.texts] == ["white", base.INK]


@pytest.mark.parametrize("sign", [-1, 1])
def test_numbers_read_well_on_every_shade(ax, sign):
    steps = sign * np.arange(1, 41)
    image = base.heatmap(ax, [steps])
    shades = image.cmap(image.norm(steps))[:, :3]
    relative = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    behind = relative @ [0.2126, 0.7152, 0.0722]
    for text, brightness in zip(ax.texts, behind, strict=True):
        digit = 1.0 if text.get_color() == "white" else 0.0159  # the luminance of #222222
        contrast = (max(digit, brightness) + 0.05) / (min(digit, brightness) + 0.05)
        assert contrast > 3.9, (text.get_text(), contrast)


@pytest.mark.parametrize(
    ("size", "numbers", "texts"), [(20, None, 0), (20, True, 400), (3, None, 9), (3, False, 0)]
)
def test_numbers_where_they_fit_or_are_asked_for(ax, size, numbers, texts):
    base.heatmap(ax, np.ones((size, size)), numbers=numbers)
    assert len(ax.texts) == texts


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.full((2, 2), np.nan)])
def test_heatmap_of_nothing_keeps_a_scale(ax, values):
    assert base.heatmap(ax, values, numbers=False).get_clim() == (-1.0, 1.0)


def test_heatmap_refuses_what_is_no_grid(ax):
    with pytest.raises(ValueError, match="values has shape"):
        base.heatmap(ax, np.zeros((2, 2, 2)))


def test_both_ends_of_the_scale_are_equally_dark():
    weights = np.array([0.2126, 0.7152, 0.0722])
    low, high = (weights @ np.array(base.DIVERGING(end)[:3]) for end in (0.0, 1.0))
    assert abs(low - high) < 0.1
    assert max(low, high) < 0.5


def test_show_image_keeps_black_black_and_white_white(ax):
    picture = np.array([[0.2, 0.4], [0.6, 0.8]])
    drawn = base.show_image(ax, picture, "Grey")
    np.testing.assert_array_equal(drawn.get_array(), picture)
    assert drawn.get_clim() == (0.0, 1.0)
    assert ax.get_title() == "Grey"


def test_show_image_takes_colours_and_refuses_the_rest(ax):
    base.show_image(ax, np.zeros((3, 4, 3)))
    with pytest.raises(ValueError, match=r"image has shape \(3, 4, 4\)"):
        base.show_image(ax, np.zeros((3, 4, 4)))


def test_styles_differ_without_colour():
    shapes = [(style["linestyle"], style["marker"]) for style in base.STYLES]
    assert len(set(shapes)) == len(shapes)


def test_described_shows_an_image_with_its_text():
    fig, (ax,) = base.figure()
    base.heatmap(ax, [[1, -1]])
    shown = described(fig, 'Two cells, "plus" & minus.')
    html = shown._repr_html_()
    assert html.startswith('<img src="data:image/png;base64,')
    assert 'alt="Two cells, &quot;plus&quot; &amp; minus."' in html
    assert shown.figure is fig
    pixels = imread(io.BytesIO(shown.png()))
    assert pixels.std() > 0.05  # something is drawn


def test_nothing_touches_the_edge_of_an_image():
    fig, (ax,) = base.figure(title="A title above a title")
    base.heatmap(ax, np.eye(3), title="A title")
    pixels = imread(io.BytesIO(described(fig, "A square.").png(dpi=100)))
    margins = [pixels[:8], pixels[-8:], pixels[:, :8], pixels[:, -8:]]
    assert all(margin.min() == 1.0 for margin in margins)


def test_the_image_is_the_same_every_time():
    def draw():
        fig, (ax,) = base.figure()
        base.heatmap(ax, np.arange(6).reshape(2, 3))
        return described(fig, "Six cells.")

    shown = draw()
    assert shown.png() == shown.png() == draw().png()


@pytest.mark.parametrize("alt", ["", "  ", None])
def test_a_figure_without_words_is_refused(alt):
    with pytest.raises(ValueError, match="alt"):
        described(base.figure()[0], alt)


def test_no_global_state_changes(ax):
    before = dict(mpl.rcParams)
    base.heatmap(ax, np.eye(3))
    base.plain_axes(ax, "t", "x", "y")
    described(ax.figure, "An identity.").png()
    assert dict(mpl.rcParams) == before


def test_pyplot_is_not_needed():
    code = "import sys, course_lib.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(base)
    assert result.attempted > 0
    assert result.failed == 0
