"""The figures of chapter 11 show what they are given."""

import doctest

import numpy as np
import pytest

from course_lib.experiments.transfer import STRATEGIES
from course_lib.plots import transfer as plots


def test_the_examples_hold():
    assert doctest.testmod(plots).failed == 0


def test_rows_of_pictures_with_names_and_words():
    images = np.random.default_rng(0).random((3, 4, 4))
    fig = plots.picture_rows({"a": images, "b": 1 - images}, {"b": ["x", "y", "z"]}, title="Rows")
    assert fig.get_suptitle() == "Rows"
    assert [ax.get_ylabel() for ax in fig.axes] == ["a", "", "", "b", "", ""]
    assert [ax.get_title() for ax in fig.axes] == ["", "", "", "x", "y", "z"]
    np.testing.assert_array_equal(fig.axes[4].images[0].get_array(), 1 - images[1])


@pytest.mark.parametrize("rows", [{}, {"a": np.ones((2, 3, 3)), "b": np.ones((1, 3, 3))}])
def test_rows_of_different_lengths_are_refused(rows):
    with pytest.raises(ValueError, match="same length"):
        plots.picture_rows(rows)


def test_a_curve_goes_through_the_means_and_bars_span_all_runs():
    runs = [np.array([0.2, 0.4, 0.9]), np.array([0.9, 0.9, 0.9])]
    fig = plots.label_curves({"one": runs, "two": runs[::-1]}, [1, 5], title="Curves")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "two"]
    np.testing.assert_allclose(ax.containers[0].lines[0].get_ydata(), [0.5, 0.9])
    (bars,) = ax.containers[0].lines[2]
    np.testing.assert_allclose([s[:, 1] for s in bars.get_segments()], [[0.2, 0.9], [0.9, 0.9]])
    with pytest.raises(ValueError, match="has 2 entries"):
        plots.label_curves({"one": runs}, [1])


def test_a_strategy_looks_the_same_in_every_figure_and_like_no_other():
    def looks(names):
        (ax,) = plots.label_curves({name: [[0.5], [0.6]] for name in names}, [1, 5]).axes
        lines = [container.lines[0] for container in ax.containers]
        return {n: (x.get_color(), x.get_marker()) for n, x in zip(names, lines, strict=True)}

    every = looks(STRATEGIES)
    few = looks(("full", "scratch", "too fast"))
    assert few == {name: every[name] for name in few}
    assert len({color for color, _ in every.values()}) == len(STRATEGIES)
    assert len({marker for _, marker in every.values()}) == len(STRATEGIES)


def test_changes_are_those_of_the_same_seed():
    fig = plots.changes([0.5, 0.6], {"up": [0.6, 0.7], "down": [0.4, 0.6]})
    (ax,) = fig.axes
    assert [bar.get_width() for bar in ax.patches] == pytest.approx([10, -5])
    np.testing.assert_allclose(ax.lines[1].get_xdata(), [-10, 0], atol=1e-9)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["up", "down"]
    with pytest.raises(ValueError, match="shape"):
        plots.changes([0.5], {"up": [0.6, 0.7]})
