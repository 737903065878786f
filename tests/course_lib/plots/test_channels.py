"""The figures of chapter 03 show what they are given: titles, bars, frames, numbers."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from course_lib import ops
from course_lib.plots import channels as plots

IMAGE = np.array([[[1, 2, 0], [0, 1, 3], [2, 0, 1]], [[0, 1, 1], [2, 0, 1], [1, 3, 0]]])
KERNEL = np.array([[[1, 0], [0, 1]], [[0, 2], [1, 0]]])


def titles(fig: Figure) -> list[str]:
    return [ax.get_title() for ax in fig.axes]


def numbers(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def bars(ax: Axes) -> list[float]:
    return [patch.get_height() for patch in ax.patches if isinstance(patch, Rectangle)]


def frames(ax: Axes) -> list[tuple[float, ...]]:
    return [(*p.get_xy(), p.get_width(), p.get_height()) for p in ax.patches]


def drawn(ax: Axes) -> np.ndarray:
    return np.asarray(ax.images[0].get_array())


def test_a_photograph_comes_with_its_three_channels():
    image = np.random.default_rng(0).uniform(size=(4, 5, 3))
    fig = plots.colour_channels(image, title="Three channels")
    assert titles(fig) == ["the photograph", "red", "green", "blue"]
    np.testing.assert_array_equal(drawn(fig.axes[0]), image)
    for channel, ax in enumerate(fig.axes[1:]):
        np.testing.assert_array_equal(drawn(ax), image[..., channel])


def test_photographs_stand_below_their_names():
    pictures = {name: np.full((4, 5, 3), k / 7) for k, name in enumerate("abcdefg")}
    fig = plots.photographs(pictures)
    assert titles(fig) == list("abcdefg")
    for ax, picture in zip(fig.axes, pictures.values(), strict=True):
        np.testing.assert_array_equal(drawn(ax), picture)


def test_partial_sums_show_each_channels_products_and_their_sum():
    window = IMAGE[:, :2, 1:]
    fig = plots.partial_sums(window, KERNEL, bias=-1.5)
    expected = ops.conv2d(IMAGE[None], KERNEL[None])[0, 0, 0, 1] - 1.5
    assert fig.get_suptitle() == "5 + 2 + bias −1.5 = 5.5"
    assert expected == 5.5
    assert titles(fig)[2::3] == ["products: 5", "products: 2"]
    assert numbers(fig.axes[2]) == ["2", "0", "0", "3"]
    assert numbers(fig.axes[4]) == ["0", "2", "1", "0"]


def test_partial_sums_write_a_negative_sum_as_a_subtraction():
    fig = plots.partial_sums([[[1.0]], [[1.0]]], [[[3.0]], [[-2.0]]])
    assert fig.get_suptitle() == "3 − 2 = 1"


def test_feature_maps_put_zero_in_the_middle():
    maps = np.zeros((2, 3, 4))
    maps[1, 0, 0] = -5
    fig = plots.feature_maps(maps, ["nothing", "a spot"])
    assert titles(fig) == ["nothing", "a spot"]
    assert (drawn(fig.axes[0]) == 0.5).all()
    assert drawn(fig.axes[1]).min() == 0


def test_colour_responses_draw_a_bar_of_each_colour():
    fig = plots.colour_responses({"red": (1, 0, 0), "blue": (0, 0, 1)}, [0.5, -2.0], "Red it is")
    (ax,) = fig.axes
    assert bars(ax) == [0.5, -2.0]
    assert [patch.get_facecolor()[:3] for patch in ax.patches] == [(1, 0, 0), (0, 0, 1)]
    assert ax.get_title() == "Red it is"


def test_between_two_colours_lies_their_mixture():
    colours = {"red": (1, 0, 0), "yellow": (1, 1, 0)}
    fig = plots.between_colours(colours, [[0, 1, 2], [2, 1, 0]], ["up", "down"])
    (ax,) = fig.axes
    (strip,) = ax.child_axes
    assert [line.get_label() for line in ax.lines[:2]] == ["up", "down"]
    assert list(ax.lines[1].get_ydata()) == [2, 1, 0]
    np.testing.assert_allclose(drawn(strip)[0], [(1, 0, 0), (1, 0.5, 0), (1, 1, 0)])
    assert [t.get_text() for t in strip.get_xticklabels()] == ["red", "half-way", "yellow"]


def test_learned_weights_show_the_loss_and_a_bar_for_each():
    fig = plots.learned_weights([1.0, 0.1, 0.01], {"red": 2.0, "bias": -1.0})
    left, right = fig.axes
    assert left.get_yscale() == "log"
    assert list(left.lines[0].get_ydata()) == [1.0, 0.1, 0.01]
    assert bars(right) == [2.0, -1.0]
    assert len({patch.get_facecolor() for patch in right.patches}) == 2


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_the_framed_window_is_the_framed_column(place):
    row, column = place
    matrix = ops.im2col(IMAGE[None], 2)[0]
    fig = plots.window_as_column(IMAGE, matrix, (2, 2), row, column)
    first, second, last = fig.axes
    assert frames(first) == frames(second) == [(column - 0.5, row - 0.5, 2, 2)]
    ((left, top, width, height),) = frames(last)
    assert (top, width, height) == (-0.5, 1, 8)
    inside = IMAGE[:, row : row + 2, column : column + 2].ravel()
    np.testing.assert_array_equal(matrix[:, int(left + 0.5)], inside)


def test_kernel_tiles_draw_a_row_for_each_name_with_zero_in_the_middle():
    kernels = np.zeros((2, 3, 5, 5))
    kernels[0, 0] = 4.0  # red, at its own full strength
    fig = plots.kernel_tiles({"few": kernels, "more": np.zeros((3, 3, 5, 5))})
    assert [ax.get_title(loc="left") for ax in fig.axes] == ["few", "more"]
    strip = drawn(fig.axes[0])
    assert strip.shape == (5, 3 * 6 - 1, 3)
    np.testing.assert_allclose(strip[2, 2], (1, 0.5, 0.5))
    np.testing.assert_allclose(strip[2, 8], 0.5)
    np.testing.assert_allclose(strip[:, 5], 1)  # white between two tiles
    np.testing.assert_allclose(strip[:, 12:], 1)  # nothing where the row is shorter


def test_shape_flow_writes_every_shape_and_draws_to_scale():
    fig = plots.shape_flow({"image": (3, 8, 6), "pool": (3, 4, 3), "flatten": (36,)}, "Smaller")
    (ax,) = fig.axes
    assert numbers(ax) == ["image", "3×8×6", "pool", "3×4×3", "flatten", "36"]
    fronts = [(p.get_width(), p.get_height()) for p in ax.patches if isinstance(p, Rectangle)]
    assert fronts[:2] == [(6, 8), (3, 4)]
    assert fig.get_suptitle() == "Smaller"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.colour_channels(np.zeros((3, 3))), "image has shape"),
        (lambda: plots.photographs({"grey": np.zeros((3, 3))}), "grey has shape"),
        (lambda: plots.photographs({}), "n_axes"),
        (lambda: plots.partial_sums(IMAGE, KERNEL), "must have the shape of kernel"),
        (lambda: plots.partial_sums(IMAGE[0], KERNEL[0]), "window has shape"),
        (lambda: plots.feature_maps(IMAGE, ["one"]), "must be as many as maps"),
        (lambda: plots.colour_responses({"red": (1, 0, 0)}, [1, 2]), "must be as many as colours"),
        (lambda: plots.between_colours({"red": (1, 0, 0)}, [[1]], ["a"]), "must be two"),
        (
            lambda: plots.between_colours({"a": (1, 0, 0), "b": (0, 0, 0)}, [[1, 2]], []),
            "must be as many as responses",
        ),
        (lambda: plots.learned_weights([1.0, 0.0], {"a": 1.0}), "losses must be"),
        (lambda: plots.window_as_column(IMAGE, np.ones((4, 4)), (2, 2), 0, 0), "2×2 windows"),
        (lambda: plots.kernel_tiles({"grey": np.ones((2, 1, 3, 3))}), "grey has shape"),
        (lambda: plots.kernel_tiles({}), "n_axes"),
        (lambda: plots.shape_flow({}), "at least one shape"),
        (lambda: plots.shape_flow({"two": (3, 4)}), "two"),
        (lambda: plots.shape_flow({"flat": (3,)}), "at least one of three axes"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
