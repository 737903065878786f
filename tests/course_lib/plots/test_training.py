"""The figures of chapter 06: what they show, and what they refuse."""

import doctest

import numpy as np
import pytest

from course_lib.plots import training as plots
from course_lib.training import History

HISTORY = History([1.0, 0.5, 0.2], [0.5, 0.8, 0.95], [1.1, 0.7, 0.8], [0.4, 0.7, 0.72])


def lines(ax):
    return {line.get_label(): list(line.get_ydata()) for line in ax.lines}


def test_examples_are_true():
    assert doctest.testmod(plots).failed == 0


def test_curves_show_the_history():
    fig = plots.training_curves({"": HISTORY}, title="Falls", epochs=5)
    loss, accuracy = fig.axes
    assert lines(loss) == {"training": HISTORY.train_loss, "held back": HISTORY.val_loss}
    assert lines(accuracy) == {
        "training": HISTORY.train_accuracy,
        "held back": HISTORY.val_accuracy,
    }
    assert loss.get_xlim() == (0.5, 5.5)
    assert fig.get_suptitle() == "Falls"


def test_curves_of_several_trainings_carry_their_names():
    without = History([1.0], [0.5])
    fig = plots.training_curves({"a": HISTORY, "b": without})
    assert set(lines(fig.axes[0])) == {"a: training", "a: held back", "b: training"}
    colours = {line.get_label()[0]: line.get_color() for line in fig.axes[0].lines}
    assert colours["a"] != colours["b"]
    with pytest.raises(ValueError, match="histories is empty"):
        plots.training_curves({})


def test_words_for_curves():
    words = plots.curves_in_words(HISTORY)
    assert "3 epochs" in words
    assert "accuracy of 0.720" in words
    assert plots.curves_in_words(History()) == "Curves of loss and accuracy over 0 epochs."


def test_bars_are_as_long_as_the_counts():
    fig = plots.parameter_bars({"C1": 156, "C5": 48_120})
    assert [bar.get_width() for bar in fig.axes[0].patches] == [156, 48_120]
    assert "48,120 (100 %)" in [text.get_text() for text in fig.axes[0].texts]
    with pytest.raises(ValueError, match="counts is empty"):
        plots.parameter_bars({})


def test_kernels_share_one_scale():
    fig = plots.kernel_rows({"a": np.ones((2, 3, 3)), "b": np.full((2, 3, 3), -4.0)})
    assert {ax.images[0].get_clim() for ax in fig.axes} == {(-4.0, 4.0)}
    assert np.array_equal(fig.axes[2].images[0].get_array(), np.full((3, 3), -4.0))


@pytest.mark.parametrize("function", [plots.kernel_rows, plots.image_rows])
@pytest.mark.parametrize(
    "rows", [{}, {"a": np.ones((3, 3))}, {"a": np.ones((2, 3, 3)), "b": np.ones((1, 3, 3))}]
)
def test_rows_that_do_not_fit_are_refused(function, rows):
    with pytest.raises(ValueError, match="rows have shapes"):
        function(rows)


def test_images_stand_in_rows():
    images = np.random.default_rng(0).random((3, 8, 8))
    fig = plots.image_rows({"as it was": images, "turned": images[:, ::-1, ::-1]})
    assert [ax.get_ylabel() for ax in fig.axes] == ["as it was", "", "", "turned", "", ""]
    assert np.array_equal(fig.axes[4].images[0].get_array(), images[1, ::-1, ::-1])


def test_dots_and_means():
    fig = plots.accuracy_dots({"plain": [0.8, 0.9], "augmented": [0.9, 0.92]})
    (ax,) = fig.axes
    dots = [list(line.get_xdata()) for line in ax.lines if line.get_marker() == "o"]
    means = [line.get_xdata()[0] for line in ax.lines if line.get_linewidth() == 2]
    assert dots == [[0.8, 0.9], [0.9, 0.92]]
    assert means == pytest.approx([0.85, 0.91])
    with pytest.raises(ValueError, match="accuracies must hold"):
        plots.accuracy_dots({})
