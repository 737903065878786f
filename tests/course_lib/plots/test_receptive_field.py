"""The figures of chapter 05 show what they are given: cones, regions, bars, lines, maps."""

import doctest

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from course_lib.plots import receptive_field as plots

STRIDED = [(3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1)]


def boxes(ax: Axes, colour: str) -> list[Rectangle]:
    return [
        patch
        for patch in ax.patches
        if isinstance(patch, Rectangle) and patch.get_facecolor()[:3] == to_rgb(colour)
    ]


def row_of(box: Rectangle) -> int:
    return round(box.get_y() + box.get_height() / 2)


@pytest.mark.parametrize(
    ("layers", "seen_by_row"),
    [
        ([(3,)] * 2, [5, 3, 1]),
        ([(3,), (3, 2), (3,), (3, 2)], [13, 11, 5, 3, 1]),
        ([(3, 1, 0, 2)], [3, 1]),
    ],
)
def test_a_cone_marks_what_the_unit_needs_of_every_layer(layers, seen_by_row):
    (ax,) = plots.cones({"it": layers}).axes
    rows = [row_of(box) for box in boxes(ax, plots.SEEN)]
    assert [rows.count(depth) for depth in range(len(seen_by_row))] == seen_by_row


def test_cones_stand_side_by_side_under_their_names():
    fig = plots.cones({"a": [(3,)], "b": [(5,)], "c": [(1,)]}, columns=2, title="Three")
    assert fig.get_suptitle() == "Three"
    assert [ax.get_title() for ax in fig.axes] == [
        "a: sees 3 pixels",
        "b: sees 5 pixels",
        "c: sees 1 pixel",
    ]


def test_every_line_of_a_cone_joins_a_unit_to_a_tap():
    (ax,) = plots.cones({"it": [(3,), (3, 2)]}).axes
    middles = {
        (round(box.get_x() + box.get_width() / 2, 6), row_of(box)) for box in boxes(ax, plots.SEEN)
    }
    for line in ax.lines:
        (top, bottom), (y_top, y_bottom) = line.get_xdata(), line.get_ydata()
        assert (round(top, 6), round(y_top + 0.3)) in middles
        assert (round(bottom, 6), round(y_bottom - 0.3)) in middles
    assert len(ax.lines) == 3 + 3 * 3


def test_regions_mark_the_padding_apart():
    (ax,) = plots.regions(STRIDED, indices=(0, 2), n=24).axes
    assert len(boxes(ax, plots.SEEN)) == 7 + 13
    assert len(boxes(ax, plots.PADDING)) == 6
    words = [text.get_text() for text in ax.texts if "unit" in text.get_text()]
    assert words == ["unit 0: pixels −6 to 6", "unit 2: pixels 2 to 14"]


def test_growth_draws_every_curve_and_the_target():
    (ax,) = plots.growth({"plain": [1, 3, 5], "other": [1, 5]}, target=5, title="Up").axes
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [[1, 3, 5], [1, 5]]
    assert list(ax.lines[2].get_ydata()) == [5, 5]


def test_growth_refuses_more_curves_than_styles():
    with pytest.raises(ValueError, match="at most 4"):
        plots.growth({str(n): [1] for n in range(5)})


@pytest.mark.parametrize(
    ("layers", "counts"),
    [
        ([(3,)] * 3, [1, 3, 6, 7, 6, 3, 1]),
        ([(3, 1, 0, 2)] * 2, [1, 0, 2, 0, 3, 0, 2, 0, 1]),
        ([(3, 2, 1)], [1, 1, 1]),
        ([(3, 1, 0, 1), (3, 1, 0, 3)], [1] * 9),
    ],
)
def test_path_counts_are_a_convolution_of_ones(layers, counts):
    (ax,) = plots.path_counts({"it": layers}).axes
    bars = [patch.get_height() for patch in ax.patches if not patch.get_hatch()]
    assert bars == counts
    assert sum(bool(patch.get_hatch()) for patch in ax.patches) == counts.count(0)
    assert f"{np.count_nonzero(counts)} of {len(counts)} pixels" in ax.get_title()


def test_field_frames_cut_out_what_they_frame():
    image = np.arange(100).reshape(10, 10) / 100
    fig = plots.field_frames(image, {"a": 3, "b": 5}, centre=(4, 6))
    first, second = (ax.images[0].get_array() for ax in fig.axes[1:])
    assert np.array_equal(first, image[3:6, 5:8])
    assert np.array_equal(second, image[2:7, 4:9])
    frames = {(patch.get_x(), patch.get_y(), patch.get_width()) for patch in fig.axes[0].patches}
    assert frames == {(4.5, 2.5, 3), (3.5, 1.5, 5)}


def test_bars_carry_their_numbers_and_the_images_width():
    (ax,) = plots.backbone_bars({"A": 195, "B": 268}, image=224).axes
    assert [text.get_text() for text in ax.texts] == ["195", "268"]
    assert [patch.get_width() for patch in ax.patches] == [195, 268]
    assert list(ax.lines[0].get_xdata()) == [224, 224]


def test_effective_fields_share_one_scale():
    fig = plots.effective_fields({"a": np.eye(3), "b": np.full((5, 5), 0.5)})
    assert [ax.images[0].get_clim() for ax in fig.axes] == [(0, 1), (0, 1)]
    assert [ax.get_xlabel() for ax in fig.axes] == ["the field: 3 pixels", "the field: 5 pixels"]


def test_effective_fields_are_maps():
    with pytest.raises(ValueError, match="2 dimensions"):
        plots.effective_fields({"a": np.ones((1, 3, 3))})


def test_width_by_depth_draws_means_and_every_seed():
    values = np.array([[1.0, 3.0], [3.0, 5.0]])
    (ax,) = plots.width_by_depth([5, 10], {"it": values}, {"it": 0.5}).axes
    assert ax.lines[0].get_ydata().tolist() == [2, 4]
    assert [line.get_ydata().tolist() for line in ax.lines[1:]] == values.tolist()
    assert "0.50" in ax.get_legend().get_texts()[0].get_text()


def test_examples_are_true():
    assert doctest.testmod(plots).failed == 0
