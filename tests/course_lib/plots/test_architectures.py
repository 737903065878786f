"""The figures of chapter 07 show what they are given: dots, slabs, medians, bands."""

import doctest
from itertools import pairwise

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from course_lib.plots import architectures as plots


def test_the_examples_are_true():
    assert doctest.testmod(plots).failed == 0


def test_every_network_has_a_labelled_dot():
    points = [plots.Point("A", 2012, 10_000_000, 60.0), plots.Point("B", 2015, 20_000_000, 70.0)]
    (ax,) = plots.parameters_and_accuracy(points, left=("B",)).axes
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in ax.lines] == [(10, 60), (20, 70)]
    assert [(t.get_text(), t.get_ha()) for t in ax.texts] == [
        ("A, 2012", "left"),
        ("B, 2015", "right"),
    ]


def test_slabs_are_higher_for_grids_and_wider_for_channels():
    (ax,) = plots.stage_shapes({"net": [(64, 56), (128, 28), (512, 7)]}).axes
    slabs = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    heights, widths = [s.get_height() for s in slabs], [s.get_width() for s in slabs]
    assert heights == sorted(heights, reverse=True)
    assert widths == sorted(widths)
    # Beside each other, not over each other.
    assert all(a.get_x() + a.get_width() < b.get_x() for a, b in pairwise(slabs))


def test_losses_are_dots_and_a_line_through_medians():
    runs = {"plain": {8: [0.1, 0.3, 0.2], 20: [1.0, 3.0, 2.0]}}
    (ax,) = plots.loss_by_depth({"it": runs}, guess=2.3).axes
    (line,) = (line for line in ax.lines if line.get_label() == "plain")
    assert line.get_ydata().tolist() == [0.2, 2.0]
    dots = [y for dot in ax.lines if dot.get_marker() == "o" for y in dot.get_ydata()]
    assert sorted(dots) == [0.1, 0.2, 0.3, 1.0, 2.0, 3.0]
    assert [text.get_text() for text in ax.texts] == ["guessing"]


def test_a_run_that_diverged_is_a_cross():
    runs = {"plain": {8: [0.1, 0.2], 20: [np.inf, np.inf]}}
    (ax,) = plots.loss_by_depth({"it": runs}).axes
    (cross,) = (line for line in ax.lines if line.get_marker() == "x")
    assert cross.get_xdata()[0] == pytest.approx(20, rel=0.05)
    assert [text.get_text() for text in ax.texts] == ["2 of 2\ndiverged"]
    low, high = ax.get_ylim()
    assert low < cross.get_ydata()[0] < high


def test_curves_are_medians_in_bands():
    runs = np.array([[2.0, 1.0, 0.5], [3.0, 0.9, 0.4], [2.5, 1.2, 0.6]])
    (ax,) = plots.loss_curves({"plain": {"8 layers": runs}}, every=10).axes
    assert ax.lines[0].get_xdata().tolist() == [5, 15, 25]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(runs, axis=0))
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == (0.4, 3.0)


def test_profiles_put_a_zero_on_the_lower_edge():
    (ax,) = plots.gradient_profiles({"start": {"plain": [[0.0, 1e-3, 1.0]]}}).axes
    low, _ = ax.get_ylim()
    assert ax.lines[0].get_ydata().tolist() == [low, 1e-3, 1.0]


def test_panels_share_their_scale():
    left, right = plots.gradient_profiles(
        {"a": {"x": [[1e-6, 1.0]]}, "b": {"x": [[10.0, 5.0]]}}
    ).axes
    assert left.get_ylim() == right.get_ylim()
    left, right = plots.loss_by_depth({"a": {"x": {8: [0.01]}}, "b": {"x": {8: [9.0]}}}).axes
    assert left.get_ylim() == right.get_ylim()


def test_gains_stand_around_a_line_at_one():
    (ax,) = plots.block_gains({"residual": [[1.2, 0.9], [1.1, 0.8]]}).axes
    assert ax.lines[0].get_ydata() == [1, 1]
    drawn = [y for line in ax.lines[1:] for y in line.get_ydata()]
    assert drawn == [1.2, 0.9, 1.1, 0.8]
