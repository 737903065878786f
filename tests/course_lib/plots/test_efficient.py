"""The figures of chapter 08 show what they are given: lines, parts, points, a roof."""

import doctest

import numpy as np
import pytest

from course_lib.plots import efficient as plots

LAYERS = {"one": 1, "two": 2, "four": 4}


def connections(ax):
    """Which channels are joined: places from 0 to 1, as (below, above)."""
    lines = [line for line in ax.lines if len(line.get_xdata()) == 2]
    return [tuple(line.get_xdata()) for line in lines]


def test_the_examples_hold():
    assert doctest.testmod(plots).failed == 0


def test_wiring_joins_the_channels_of_a_group():
    fig = plots.wiring(4, 8, LAYERS, title="Wires", marked=7)
    assert fig.get_suptitle() == "Wires"
    for ax, groups in zip(fig.axes, LAYERS.values(), strict=True):
        joined = {(int(4 * below), int(8 * above)) for below, above in connections(ax)}
        assert joined == {
            (source, target)
            for source in range(4)
            for target in range(8)
            if source * groups // 4 == target * groups // 8
        }
        thick = [line for line in ax.lines if line.get_linewidth() > 2]
        assert {int(8 * line.get_xdata()[1]) for line in thick} == {7}
        assert len(thick) == 4 // groups


@pytest.mark.parametrize("groups", [3, 8])
def test_groups_must_divide_both_channels(groups):
    with pytest.raises(ValueError, match=r"groups .* must divide c_"):
        plots.wiring(4, 8, {"it": groups})


def test_a_bar_is_as_long_as_its_parts():
    fig = plots.weight_bars({"a": {"x": 3, "y": 4}, "b": {"y": 5}}, title="Bars")
    (ax,) = fig.axes
    bars = [(bar.get_x(), bar.get_width(), round(bar.get_y() + 0.4)) for bar in ax.patches]
    assert bars == [(0, 3, 0), (3, 4, 0), (0, 5, 1)]
    assert [text.get_text().strip() for text in ax.texts] == ["7", "5"]
    assert [label.get_text() for label in ax.get_legend().get_texts()] == ["x", "y"]
    first, second, third = (bar.get_facecolor() for bar in ax.patches)
    assert first != second == third


@pytest.mark.parametrize("layers", [{}, {"it": {"a": 1, "b": 2, "c": 3, "d": 4}}])
def test_bars_of_nothing_and_of_too_much_are_refused(layers):
    with pytest.raises(ValueError, match=r"at least|at most"):
        plots.weight_bars(layers)


def test_speedups_have_a_mark_and_a_bar():
    fig = plots.speedups({"a": 9.0, "b": 128.0}, {"a": (5, 6, 7), "b": (16, 17, 19)})
    (ax,) = fig.axes
    diagonal, bar, mark, *_ = ax.lines
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata())
    assert (list(bar.get_xdata()), list(bar.get_ydata())) == ([9, 9], [5, 7])
    assert (list(mark.get_xdata()), list(mark.get_ydata())) == ([9], [6])
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_speedups_want_the_same_names():
    with pytest.raises(ValueError, match="must be the same"):
        plots.speedups({"a": 1.0}, {"b": (1, 1, 1)})


def test_the_roof_bends_where_both_limits_meet():
    points = {"dense": (80.0, 50.0), "depthwise": (1.0, 7.0)}
    (ax,) = plots.roofline(points, bandwidth=20, peak=50).axes
    roof, *marks = ax.lines
    xs, ys = roof.get_xdata(), roof.get_ydata()
    assert (xs[1], ys[1], ys[2]) == (2.5, 50, 50)
    assert ys[0] == 20 * xs[0]
    assert [(m.get_xdata()[0], m.get_ydata()[0]) for m in marks] == list(points.values())


def test_the_text_along_the_slope_runs_along_it():
    fig = plots.roofline({"a": (1.0, 7.0)}, bandwidth=20, peak=50)
    (ax,) = fig.axes
    fig.canvas.draw()
    (along,) = (text for text in ax.texts if text.get_text() == "as fast as bytes arrive")
    ends = ax.transData.transform([(0.5, 10), (2.5, 50)])
    slope = np.degrees(np.arctan2(*(ends[1] - ends[0])[::-1]))
    assert along.get_rotation() == pytest.approx(slope, abs=1)


def test_what_comes_back_is_drawn_on_one_scale():
    there = np.array([[0.0, 1.0], [2.0, -1.0]])
    fig = plots.through_relu(there, {"back": there / 2})
    before, back = fig.axes
    assert before.get_xlim() == back.get_xlim() == (-2.5, 2.5)
    np.testing.assert_array_equal(back.collections[0].get_offsets(), there / 2)


def test_what_is_no_curve_is_refused():
    with pytest.raises(ValueError, match="flat has shape"):
        plots.through_relu(np.zeros((3, 2)), {"flat": np.zeros(3)})


def test_a_family_is_a_line_with_names():
    fig = plots.families({"A": {"a1": (1, 70), "a2": (10, 80)}, "B": {"b": (5, 75)}}, x="size")
    (ax,) = fig.axes
    assert [list(line.get_xdata()) for line in ax.lines] == [[1, 10], [5]]
    assert [text.get_text() for text in ax.texts] == ["a1", "a2", "b"]
    assert ax.get_xlabel() == "size"
