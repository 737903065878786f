"""Figures of chapter 09: what is drawn is what was given."""

import doctest

import numpy as np
import pytest

from course_lib.plots import upsampling as plots


def test_the_examples_are_true():
    assert doctest.testmod(plots).failed == 0


def test_the_tree_ends_in_the_samples_that_are_heard():
    (ax,) = plots.causal_tree([1, 2, 4], samples=12).axes
    ends = {tuple(map(int, line.get_xdata())) for line in ax.lines if min(line.get_ydata()) == 0}
    assert {then for _, then in ends} == set(range(4, 12))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["input", "dilation 1", "dilation 2", "dilation 4"]
    assert len(ax.collections) == 4 * 12


def test_the_tree_stops_at_the_first_sample():
    (ax,) = plots.causal_tree([4], samples=3).axes
    assert len(ax.lines) == 1


def test_the_u_has_two_sides_and_a_bottom():
    (ax,) = plots.unet_plan([(8, 16), (16, 8), (32, 4)]).axes
    assert len(ax.patches) == 5
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("16 × 8²") == 2
    assert texts.count("32 × 4²") == 1
    assert texts.count("handed across") == 2
    with pytest.raises(ValueError, match="two at least"):
        plots.unet_plan([(8, 16)])


def test_mistakes_have_their_colours():
    truth = np.array([[[0, 1], [0, 1]]])
    found = np.array([[[0, 1], [1, 0]]])
    *_, ax = plots.mask_rows(np.zeros((1, 2, 2)), truth, {"net": found}).axes
    colours = ax.images[0].get_array()
    assert colours[0, 0].tolist() == [0, 0, 0]
    assert colours[0, 1].tolist() == [1, 1, 1]
    assert colours[1, 0, 0] > colours[1, 0, 2]  # too much: orange
    assert colours[1, 1, 2] > colours[1, 1, 0]  # missed: blue
    assert ax.get_ylabel() == "net"


@pytest.mark.parametrize(("images", "layout"), [(1, (1, 3)), (2, (3, 2))])
def test_a_single_image_stands_beside_its_masks(images, layout):
    blank = np.zeros((images, 2, 2))
    axes = plots.mask_rows(blank, blank, {"net": blank}).axes
    assert {ax.get_subplotspec().get_gridspec().get_geometry() for ax in axes} == {layout}


def test_masks_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="net has shape"):
        plots.mask_rows(np.zeros((1, 2, 2)), np.zeros((1, 2, 2)), {"net": np.zeros((1, 2, 3))})
    with pytest.raises(ValueError, match="image has shape"):
        plots.mask_rows(np.zeros((2, 2)), np.zeros((2, 2)), {})


def test_rows_share_one_scale():
    first, second = plots.rows_of_pixels({"a": [1, 3], "b": [2, 2, 2]}).axes
    assert [bar.get_height() for bar in first.patches] == [1, 3]
    assert first.get_ylim() == second.get_ylim()
    assert first.get_xlim() == second.get_xlim()
    with pytest.raises(ValueError, match="a has shape"):
        plots.rows_of_pixels({"a": [[1]]})


def test_the_cell_that_speaks_holds_the_centre():
    fig = plots.detection_head(np.zeros((40, 60)), grid=4, box=(20, 8, 18, 20))
    ax, words = fig.axes
    cell, box = ax.patches
    assert (box.get_x(), box.get_y(), box.get_width(), box.get_height()) == (20, 8, 18, 20)
    assert cell.get_x() <= 29 < cell.get_x() + cell.get_width()
    assert cell.get_y() <= 18 < cell.get_y() + cell.get_height()
    assert "other 15 cells" in words.texts[-1].get_text()
    with pytest.raises(ValueError, match="box"):
        plots.detection_head(np.zeros((40, 60)), grid=4, box=(50, 8, 40, 20))
