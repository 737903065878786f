"""The figures of chapter 04 show what they are given: frames, winners, numbers, marks."""

import doctest

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from course_lib.plots import pooling as plots

FOUR = np.array([[1, 3, 2, 1], [4, 2, 6, 5], [7, 8, 1, 2], [3, 5, 9, 4]])


def numbers(ax):
    return [text.get_text() for text in ax.texts]


def circles(ax):
    """Where the winners are marked, as (row, column)."""
    return [(line.get_ydata()[0], line.get_xdata()[0]) for line in ax.lines]


def test_windows_have_frames_and_their_winners_circles():
    fig = plots.windows_and_winners(FOUR, 2, {"largest": [[4, 6], [8, 9]]}, title="Four windows")
    image, largest = fig.axes
    assert fig.get_suptitle() == "Four windows"
    assert numbers(image) == [str(n) for n in FOUR.ravel()]
    assert numbers(largest) == ["4", "6", "8", "9"]
    frames = {(p.get_xy(), p.get_width(), p.get_height()) for p in image.patches}
    assert frames == {((x - 0.5, y - 0.5), 2, 2) for x in (0, 2) for y in (0, 2)}
    assert circles(image) == [(1, 0), (1, 2), (2, 1), (3, 2)]


def test_a_tie_marks_the_first_and_a_rest_has_no_frame():
    fig = plots.windows_and_winners([[5, 5, 9], [5, 1, 9]], (1, 2), {})
    (ax,) = fig.axes
    assert circles(ax) == [(0, 0), (1, 0)]
    assert len([p for p in ax.patches if isinstance(p, Rectangle)]) == 2


def test_windows_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="must fit"):
        plots.windows_and_winners([[1, 2]], 2, {})


def test_rows_below_write_their_numbers_on_one_scale():
    fig = plots.rows_below({"row": [0, 0, 1, 1], "pooled": [0.5, -2]}, title="A row")
    row, pooled = fig.axes
    assert fig.get_suptitle() == "A row"
    assert numbers(row) == ["0", "0", "1", "1"]
    assert numbers(pooled) == ["0.5", "−2"]
    assert row.images[0].get_clim() == pooled.images[0].get_clim()


@pytest.mark.parametrize("row", [[], [[1, 2]], 3])
def test_rows_below_refuse_what_is_no_row(row):
    with pytest.raises(ValueError, match="must be"):
        plots.rows_below({"it": row})


def test_against_shift_draws_a_line_for_each_in_a_style_of_its_own():
    curves = {f"window {k}": [k, 2 * k, 3 * k] for k in range(1, 6)}
    (ax,) = plots.against_shift([1, 2, 4], curves, title="Shifts").axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [
        [k, 2 * k, 3 * k] for k in range(1, 6)
    ]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(curves)
    looks = {
        (line.get_color(), line.get_linestyle(), line.get_markerfacecolor()) for line in ax.lines
    }
    assert len(looks) == 5
    assert ax.get_ylim()[0] == 0


def test_against_shift_refuses_a_curve_of_another_length():
    with pytest.raises(ValueError, match="must be"):
        plots.against_shift([1, 2], {"it": [1.0]})


def test_marks_show_every_number_and_the_mean():
    (ax,) = plots.marks({"a": [0.1, 0.3], "b": [0.7]}, y="error", top=1.0).axes
    dots = [line.get_ydata().tolist() for line in ax.lines[::2]]
    means = [set(np.round(line.get_ydata(), 12)) for line in ax.lines[1::2]]
    assert dots == [[0.1, 0.3], [0.7]]
    assert means == [{0.2}, {0.7}]
    assert ax.get_ylim() == (0, 1)


@pytest.mark.parametrize("values", [[], [[1.0]]])
def test_marks_refuse_what_is_no_list_of_numbers(values):
    with pytest.raises(ValueError, match="must be"):
        plots.marks({"it": values})


def test_head_costs_add_their_layers_up():
    (ax,) = plots.head_costs(
        {"VGG": {"first": 100_000_000, "second": 30_000_000}, "GAP": {"linear": 513_000}}
    ).axes
    assert sorted(bar.get_width() for bar in ax.patches) == [513_000, 30_000_000, 100_000_000]
    assert {"first", "second", "130.0 million", "0.5 million"} == set(numbers(ax))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["VGG", "GAP"]
    with pytest.raises(ValueError, match="at least one"):
        plots.head_costs({})


def test_no_figure_becomes_one_of_pyplots():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.marks({"it": [1.0]})
    plots.rows_below({"it": [1.0]})
    assert plt.get_fignums() == before


def test_the_examples_in_the_docstrings_hold():
    result = doctest.testmod(plots)
    assert result.attempted > 5
    assert result.failed == 0
