"""The figures of chapter 02 show what they are given: titles, frames, marks, numbers."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib.plots import output_size as plots

RAMP = np.add.outer(np.arange(1, 6), np.arange(5))
CROSS = np.array([[1, 0, 1], [0, 1, 0], [1, 0, 1]])
OUTPUT = np.array([[15, 20, 25], [20, 25, 30], [25, 30, 35]])


def titles(fig: Figure) -> list[str]:
    return [ax.get_title() for ax in fig.axes]


def numbers(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def boxes(ax: Axes) -> list[tuple[float, ...]]:
    """The rectangles drawn: (left, top, width, height)."""
    return [
        (*patch.get_xy(), patch.get_width(), patch.get_height())
        for patch in ax.patches
        if isinstance(patch, Rectangle)
    ]


def hatched(ax: Axes) -> list[tuple[float, float]]:
    return [patch.get_xy() for patch in ax.patches if patch.get_hatch()]


def test_one_window_shows_the_products_and_frames_the_window_and_its_output():
    fig = plots.one_window(RAMP, CROSS, OUTPUT, 1, 2)
    image, kernel, products, output = fig.axes
    assert "30" in fig.get_suptitle()
    assert numbers(kernel) == list("101010101")
    assert numbers(products) == ["4", "0", "6", "0", "6", "0", "6", "0", "8"]
    assert sum(map(int, numbers(products))) == OUTPUT[1, 2]
    assert boxes(image) == [(1.5, 0.5, 3, 3)]
    assert boxes(output) == [(1.5, 0.5, 1, 1)]


@pytest.mark.parametrize("place", [(3, 0), (0, -1)])
def test_one_window_refuses_a_place_outside_the_output(place):
    with pytest.raises(ValueError, match="must lie in output"):
        plots.one_window(RAMP, CROSS, OUTPUT, *place)


def test_grids_names_every_grid_and_writes_its_numbers():
    fig = plots.grids({"a": [[1, -2]], "b": [[0.5]]}, title="Two grids")
    assert fig.get_suptitle() == "Two grids"
    assert titles(fig) == ["a", "b"]
    assert [numbers(ax) for ax in fig.axes] == [["1", "−2"], ["0.5"]]


@pytest.mark.parametrize(
    ("setting", "title", "n_taps"),
    [
        ({"n": 8, "kernel": 3}, "6 windows", 18),
        ({"n": 8, "kernel": 3, "stride": 2}, "3 windows, pixel 7 unseen", 9),
        ({"n": 8, "kernel": 3, "stride": 3}, "2 windows, pixels 6, 7 unseen", 6),
        ({"n": 3, "kernel": 3}, "1 window", 3),
        ({"n": 5, "kernel": 3, "padding": 1}, "5 windows", 15),
        ({"n": 7, "kernel": 3, "dilation": 3}, "1 window, pixels 1, 2, 4, 5 unseen", 3),
    ],
)
def test_windows_along_axis_draws_every_tap_and_says_which_pixels_are_unseen(
    setting, title, n_taps
):
    (ax,) = plots.windows_along_axis({"it": setting}).axes
    assert ax.get_title() == f"it: {title}"
    taps = [
        p
        for p in ax.patches
        if p.get_facecolor()[:3] == pytest.approx((31 / 255, 95 / 255, 168 / 255))
    ]
    assert len(taps) == n_taps
    assert numbers(ax) == [str(i) for i in range(setting["n"])]


def test_windows_along_axis_hatches_the_dropped_pixel_and_outlines_the_padding():
    (ax,) = plots.windows_along_axis({"it": {"n": 4, "kernel": 3, "stride": 2}}).axes
    assert hatched(ax) == [(2.5, -0.5)]
    (ax,) = plots.windows_along_axis({"it": {"n": 4, "kernel": 3, "padding": 2}}).axes
    dotted = [p.get_xy()[0] for p in ax.patches if p.get_linestyle() in (":", "dotted")]
    assert dotted == [-2.5, -1.5, 3.5, 4.5]


def test_windows_along_axis_refuses_a_kernel_that_does_not_fit():
    with pytest.raises(ValueError, match="must fit"):
        plots.windows_along_axis({"it": {"n": 2, "kernel": 3}})


def test_visit_maps_share_a_scale_and_hatch_what_is_never_seen():
    fig = plots.visit_maps({"few": [[1, 0]], "many": [[4, 9]]}, title="Visits")
    few, many = fig.axes
    assert few.images[0].get_clim() == many.images[0].get_clim()
    assert numbers(few) == ["1", "0"]
    assert hatched(few) == [(0.5, -0.5)]
    assert hatched(many) == []


def test_border_modes_frames_the_photograph_inside_its_padding():
    image = np.linspace(0, 1, 12).reshape(3, 4)
    fig = plots.border_modes(image, 2)
    assert titles(fig) == ["zeros", "reflect", "replicate", "circular"]
    for ax, mode in zip(fig.axes, ("constant", "reflect", "edge", "wrap"), strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), np.pad(image, 2, mode))
        assert set(boxes(ax)) == {(1.5, 1.5, 4, 3)}


def test_pictures_say_how_many_pixels_they_have():
    fig = plots.pictures({"a": np.full((2, 3), 7.0), "b": np.zeros((40, 50, 3))})
    assert [ax.get_xlabel() for ax in fig.axes] == ["2×3 = 6 pixels", "40×50 = 2,000 pixels"]
    assert fig.axes[0].images[0].get_array().max() == 1


def test_kernel_gallery_puts_zero_in_middle_grey_only_where_a_kernel_answers_with_both_signs():
    edge, blur = [[-1, 0, 1]], [[1 / 3, 1 / 3, 1 / 3]]
    response = np.array([[-2.0, 0.0, 2.0]])
    fig = plots.kernel_gallery(
        np.zeros((1, 5)), {"edge": edge, "blur": blur}, {"edge": response, "blur": response}
    )
    edge_ax, blur_ax = (ax for ax in fig.axes if ax.get_title() in ("edge", "blur"))
    np.testing.assert_allclose(edge_ax.images[0].get_array(), [[0, 0.5, 1]], atol=0.02)
    np.testing.assert_array_equal(blur_ax.images[0].get_array(), [[0, 0, 1]])
    insets = [numbers(ax.child_axes[0]) for ax in (edge_ax, blur_ax)]
    assert insets == [["−1", "0", "1"], ["1/3"] * 3]


def test_kernel_gallery_hides_nothing_of_a_picture_behind_a_kernel_or_a_title():
    image, edge = np.zeros((15, 20)), np.array([[-1, 0, 1]] * 3)
    names = [f"kernel {n}" for n in range(7)]
    fig = plots.kernel_gallery(image, dict.fromkeys(names, edge), dict.fromkeys(names, image))
    fig.draw_without_rendering()
    drawn = [ax for ax in fig.axes if ax.get_title()]
    kernels = [ax.child_axes[0].get_window_extent() for ax in drawn[1:]]
    for kernel in kernels:
        for ax in drawn:
            assert not kernel.overlaps(ax.get_window_extent())
            assert not kernel.overlaps(ax.title.get_window_extent())


def test_kernel_gallery_refuses_responses_of_other_kernels():
    with pytest.raises(ValueError, match="must have the names"):
        plots.kernel_gallery(np.zeros((2, 2)), {"a": [[1]]}, {"b": [[1]]})


def test_learning_shows_the_losses_and_the_kernels_on_one_scale():
    fig = plots.learning([3.0, 1.0, 0.5], {"before": [[0.1]], "after": [[2.0]]})
    curve, before, after = fig.axes
    np.testing.assert_array_equal(curve.lines[0].get_ydata(), [3.0, 1.0, 0.5])
    assert curve.get_yscale() == "log"
    assert before.images[0].get_clim() == after.images[0].get_clim() == (-2.0, 2.0)


@pytest.mark.parametrize("losses", [[1.0, 0.0], [[1.0]]])
def test_learning_refuses_losses_without_a_logarithm(losses):
    with pytest.raises(ValueError, match="positive number"):
        plots.learning(losses, {"it": [[1.0]]})


def test_no_figure_becomes_one_of_pyplots():
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    plots.visit_maps({"it": [[1]]})
    plots.windows_along_axis({"it": {"n": 3, "kernel": 2}})
    assert plt.get_fignums() == before
