"""The figures of chapter 10."""

import doctest

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from course_lib.plots import described
from course_lib.plots import transformers as plots


def test_the_examples_hold():
    assert doctest.testmod(plots).failed == 0


def test_the_patches_shown_are_those_of_their_numbers():
    image = np.arange(48 * 64).reshape(48, 64) / (48 * 64)
    fig = plots.patches(image, 8, first=(2, 3))
    whole, *tiles = fig.axes
    assert whole.get_title() == "6 × 8 patches"
    assert len(tiles) == 12
    for ax in tiles:
        row, column = divmod(int(ax.get_title()), 8)
        expected = image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        np.testing.assert_array_equal(np.asarray(ax.images[0].get_array()), expected)


@pytest.mark.parametrize(
    ("shape", "first"), [((30, 64), (0, 0)), ((48, 64), (4, 0)), ((48, 64), (0, -1))]
)
def test_patches_that_do_not_fit_are_refused(shape, first):
    with pytest.raises(ValueError, match=r"patch=|first"):
        plots.patches(np.zeros(shape), 8, first=first)


def test_the_level_to_reach_is_drawn():
    ax = plots.reach_by_depth({"3×3": [1, 3, 5]}, target=7).axes[0]
    assert ax.lines[-1].get_ydata()[0] == 7
    assert [text.get_text() for text in ax.texts] == ["7 pixels"]


def test_a_power_is_a_straight_line():
    ax = plots.costs([2, 4, 8], {"square": [4, 16, 64]}).axes[0]
    x, y = (np.log(values) for values in ax.lines[0].get_data())
    np.testing.assert_allclose(np.diff(y) / np.diff(x), 2)


def test_a_curve_of_another_length_is_refused():
    with pytest.raises(ValueError, match="square has 1"):
        plots.costs([2, 4], {"square": [4]})


def test_the_roll_brings_the_coloured_tokens_to_the_end():
    fig = plots.shifts(4, 6, window=2, shift=1)
    rolled = fig.axes[2]
    numbers = np.array([int(text.get_text()) for text in rolled.texts]).reshape(4, 6)
    expected = np.roll(np.arange(24).reshape(4, 6), (-1, -1), axis=(0, 1))
    np.testing.assert_array_equal(numbers, expected)
    cells = [patch for patch in rolled.patches if isinstance(patch, Rectangle)]
    colours = np.array([cell.get_facecolor() for cell in cells]).reshape(4, 6, 4)
    strange = (colours[..., :3] != 1).any(axis=-1)
    assert strange[-1].all()
    assert strange[:, -1].all()
    assert strange.sum() == 4 + 6 - 1


def test_every_seed_is_a_dot_and_the_line_runs_through_the_means():
    runs = {50: [0.5, 0.7], 200: [0.8, 1.0]}
    ax = plots.against_labels({"plain": {"CNN": runs}}).axes[0]
    *dots, line = ax.lines
    assert sorted(float(y) for dot in dots for y in dot.get_ydata()) == [0.5, 0.7, 0.8, 1.0]
    np.testing.assert_allclose(line.get_ydata(), [0.6, 0.9])


def test_every_head_is_a_dot_of_its_layer():
    heads = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    ax = plots.reach_by_layer({"after": heads}, even=4.5).axes[0]
    first, second, even = ax.lines
    assert list(first.get_ydata()) == [1, 2, 3]
    assert list(second.get_ydata()) == [4, 5, 6]
    assert even.get_ydata()[0] == 4.5


def test_heads_without_layers_are_refused():
    with pytest.raises(ValueError, match=r"\(layers, heads\)"):
        plots.reach_by_layer({"after": np.ones(3)}, even=1)


def test_a_ladder_ends_at_the_sum():
    ax = plots.ladder(10.0, {"up": 2.0, "down": -0.5, "nothing": 0.0}).axes[0]
    assert [text.get_text() for text in ax.texts] == ["10.0", "+2.0", "−0.5", "0.0", "11.5"]
    bars = [(bar.get_x(), bar.get_width()) for bar in ax.patches]
    assert bars == [(10.0, 2.0), (12.0, -0.5), (11.5, 0.0)]


@pytest.mark.parametrize(
    "fig",
    [
        plots.reach_by_depth({"a": [1, 2]}),
        plots.shifts(4, 4, 2, 1),
        plots.ladder(1.0, {"a": 1.0}),
        plots.reach_by_layer({"a": np.ones((2, 2))}, 1.0),
    ],
    ids=["depth", "shifts", "ladder", "layer"],
)
def test_a_figure_can_be_drawn(fig):
    assert described(fig, "a figure").png().startswith(b"\x89PNG")
