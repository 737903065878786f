"""The figures of chapter 01: the data in their axes, their words, and nothing left behind."""

import doctest

import matplotlib as mpl
import numpy as np
import pytest

from course_lib import ops
from course_lib.plots import why_convolution as plots


def texts(ax):
    return {text.get_position(): text.get_text() for text in ax.texts}


def test_cost_growth_draws_the_counts_on_logarithmic_axes():
    fig = plots.cost_growth([8, 16, 32], {"dense": [64, 256, 1024], "convolution": [9, 9, 9]})
    (ax,) = fig.axes
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.get_lines()}
    assert drawn == {
        "dense": [[8, 64], [16, 256], [32, 1024]],
        "convolution": [[8, 9], [16, 9], [32, 9]],
    }
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert [label.get_text() for label in ax.get_xticklabels()] == ["8", "16", "32"]
    assert [text.get_text() for text in ax.texts] == ["dense", "convolution"]
    assert len({line.get_linestyle() for line in ax.get_lines()}) == 2
    assert ax.get_title() == "A dense layer grows with the image, a convolution does not"


def test_cost_growth_refuses_rows_of_another_length():
    with pytest.raises(ValueError, match=r"counts\['dense'\] has 1 values, must have 2"):
        plots.cost_growth([8, 16], {"dense": [1]})


def marked(ax):
    return {text.get_text() for text in ax.texts if text.get_weight() == "bold"}


@pytest.mark.parametrize(
    ("pixel", "neighbours"),
    [((1, 1), {"1", "4", "5", "6", "9"}), ((0, 0), {"0", "1", "4"}), ((2, 3), {"7", "10", "11"})],
)
def test_flattening_marks_the_neighbours_in_image_and_vector(pixel, neighbours):
    fig = plots.flattening(3, 4, pixel)
    image, vector = fig.axes
    assert marked(image) == marked(vector) == neighbours
    assert texts(image)[(3, 1)] == "7"  # row 1, column 3
    assert [texts(vector)[(place, 0)] for place in range(12)] == [str(n) for n in range(12)]
    thickest = max(image.patches, key=lambda patch: patch.get_linewidth())
    assert (thickest.get_y() + 0.5, thickest.get_x() + 0.5) == pixel


def test_flattening_refuses_a_pixel_outside():
    with pytest.raises(ValueError, match=r"pixel \(=\(3, 0\)\) must lie in an image of 3×4"):
        plots.flattening(3, 4, (3, 0))


def test_pictures_stand_side_by_side():
    images = [np.zeros((4, 4)), np.full((4, 4), 0.5)]
    fig = plots.pictures(images, ["black", "grey"], "Two squares")
    for ax, image, name in zip(fig.axes, images, ["black", "grey"], strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), image)
        assert ax.get_title() == name
    assert fig.get_suptitle() == "Two squares"
    with pytest.raises(ValueError, match="titles"):
        plots.pictures(images, ["black"], "Two squares")


def test_before_and_after_puts_each_image_above_its_own():
    before = np.arange(12.0).reshape(3, 2, 2) / 12
    fig = plots.before_and_after(before, 1 - before, ["0", "1", "2"], ("up", "down"), "Digits")
    drawn = [np.asarray(ax.images[0].get_array()) for ax in fig.axes]
    np.testing.assert_array_equal(drawn[:3], before)
    np.testing.assert_array_equal(drawn[3:], 1 - before)
    assert [ax.get_ylabel() for ax in fig.axes] == ["up", "", "", "down", "", ""]
    assert fig.get_suptitle() == "Digits"
    with pytest.raises(ValueError, match="must be one"):
        plots.before_and_after(before, before[:2], ["0", "1", "2"], ("up", "down"), "Digits")


def test_accuracies_show_every_seed_and_join_the_means():
    results = {"MLP": ([0.9, 1.0, 0.8], [0.7, 0.7, 0.7]), "CNN": ([0.5], [0.1])}
    (ax,) = plots.accuracies(results, "The title").axes
    heights = [line.get_ydata() for line in ax.get_lines()]
    expected = [[0.9, 1.0, 0.8], [0.7, 0.7, 0.7], [0.9, 0.7], [0.5], [0.1], [0.5, 0.1]]
    for got, right in zip(heights, expected, strict=True):
        np.testing.assert_allclose(got, right)
    first = ax.get_lines()[1].get_xdata()
    assert len(set(first)) == 3  # three equal accuracies, three marks to be seen
    assert [label.get_text() for label in ax.get_xticklabels()] == ["MLP", "CNN"]
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["pixels in their places", "pixels shuffled", "from mean to mean"]
    assert ax.get_ylim()[0] == pytest.approx(0.05)
    assert ax.get_ylabel().endswith("(the axis begins at 0.05)")
    assert {line.get_marker() for line in ax.get_lines()} == {"o", "s", "None"}
    assert ax.get_title() == "The title"


def test_matrix_structure_shows_the_matrix_and_two_rows_of_it():
    kernel = np.array([[1, 2], [3, -4]])
    matrix = ops.conv_matrix(kernel, 3, 4)
    whole, first, last = plots.matrix_structure(matrix, 3, 4).axes
    np.testing.assert_array_equal(whole.images[0].get_array(), matrix)
    np.testing.assert_array_equal(first.images[0].get_array()[:2, :2], kernel)
    np.testing.assert_array_equal(last.images[0].get_array()[1:, 2:], kernel)
    assert {ax.images[0].get_clim() for ax in (whole, first, last)} == {(-4.0, 4.0)}
    assert [line.get_xdata()[0] for line in whole.get_lines()] == [3.5, 7.5]  # between image rows
    assert "6 outputs (rows), 12 pixels (columns)" in whole.get_title()


def test_matrix_structure_refuses_another_image():
    with pytest.raises(ValueError, match="must have height · width = 10 columns"):
        plots.matrix_structure(np.eye(12), 2, 5)


def test_moved_along_puts_image_and_answer_in_a_row():
    answer, moved_answer = np.array([[-2.0, 1.0]]), np.array([[1.0, -2.0]])
    image, moved = np.array([[0.1, 0.2]]), np.array([[0.2, 0.1]])
    fig = plots.moved_along(image, answer, moved, moved_answer)
    drawn = [np.asarray(ax.images[0].get_array()).tolist() for ax in fig.axes]
    assert drawn == [[[0.1, 0.2]], [[0, 1]], [[-2, 0]], [[0.2, 0.1]], [[1, 0]], [[0, -2]]]
    limits = {fig.axes[place].images[0].get_clim() for place in (1, 2, 4, 5)}
    assert limits == {(-2.0, 2.0)}
    assert fig.get_suptitle() == "The image moves, the answer moves along"


def test_looked_at_frames_the_pixel_in_every_grid():
    grids = {"near": np.eye(3), "far": 1 - np.eye(3)}
    fig = plots.looked_at(grids, (0, 2), "Who looks where?")
    for ax, grid in zip(fig.axes, grids.values(), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), grid)
        (frame,) = ax.patches
        assert (frame.get_x(), frame.get_y()) == (1.5, -0.5)
        assert (frame.get_width(), frame.get_height()) == (1, 1)
    assert fig.get_suptitle() == "Who looks where?"
    with pytest.raises(ValueError, match=r"pixel \(=\(0, 3\)\) must lie in 'near' of 3×3"):
        plots.looked_at(grids, (0, 3), "Who looks where?")


def test_error_maps_share_a_scale_and_say_the_largest():
    fig = plots.error_maps({"circular": np.full((2, 2), 1e-15), "zeros": np.eye(2) * 2.5})
    assert [ax.get_title() for ax in fig.axes] == [
        "circular: largest error 0",
        "zeros: largest error 2.5",
    ]
    assert {ax.images[0].get_clim() for ax in fig.axes} == {(-2.5, 2.5)}
    np.testing.assert_array_equal(fig.axes[1].images[0].get_array(), np.eye(2) * 2.5)


def test_signal_response_stands_under_the_middle_of_its_window():
    signal = np.array([0.0, 0.0, 5.0, 5.0, 0.0])
    response = np.correlate(signal, [-1, 0, 1], mode="valid")  # at pixels 1, 2, 3
    fig = plots.signal_response(signal, response, "Edges", ("brightness", "answer"), "pixel")
    assert fig.axes[1].get_xlabel() == "pixel"
    upper, lower = fig.axes
    assert upper.get_lines()[0].get_xydata().tolist() == [[i, v] for i, v in enumerate(signal)]
    assert lower.get_lines()[0].get_xydata().tolist() == [[1, 5], [2, 5], [3, -5]]
    assert (upper.get_title(), upper.get_ylabel(), lower.get_ylabel()) == (
        "Edges",
        "brightness",
        "answer",
    )


def test_no_figure_leaves_anything_in_pyplot_or_its_settings():
    import matplotlib.pyplot as plt

    before = dict(mpl.rcParams)
    plots.cost_growth([8, 16], {"dense": [64, 256]})
    plots.flattening(2, 2, (0, 0))
    plots.error_maps({"a": np.eye(2)})
    assert plt.get_fignums() == []
    assert dict(mpl.rcParams) == before


def test_the_examples_in_the_docstrings_are_true():
    result = doctest.testmod(plots)
    assert result.attempted > 0
    assert result.failed == 0
