"""The pictures of padding, stride, dilation, groups and transposition show what is computed."""

import doctest
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from course_lib.plots import convolution as plots

sizes = st.integers(1, 9)
pairs = st.tuples(sizes, sizes)


def filled(ax: Axes, colour: str) -> set[tuple[float, float]]:
    """The centres (x, y) of the cells of a colour."""
    return {
        (patch.get_x() + 0.5, patch.get_y() + 0.5)
        for patch in ax.patches
        if patch.get_fill() and patch.get_facecolor()[:3] == to_rgb(colour)
    }


def hatched(ax: Axes) -> set[tuple[float, float]]:
    return {(p.get_x() + 0.5, p.get_y() + 0.5) for p in ax.patches if p.get_hatch()}


def frames(ax: Axes) -> list[tuple[float, float]]:
    return [(p.get_width(), p.get_height()) for p in ax.patches if not p.get_fill()]


def numbers(ax: Axes) -> dict[tuple[float, float], int]:
    return {text.get_position(): int(text.get_text()) for text in numerals(ax)}


def numerals(ax: Axes) -> list[Text]:
    return [text for text in ax.texts if text.get_text().isdigit()]


def titles(fig) -> list[str]:
    return [ax.get_title() for ax in fig.axes]


def seen_by(size, kernel, **options) -> np.ndarray:
    """How many windows see each pixel, by torch: the gradient of the sum of all windows."""
    x = torch.zeros(1, 1, *size, requires_grad=True)
    torch.nn.functional.conv2d(x, torch.ones(1, 1, *kernel), **options).sum().backward()
    return x.grad[0, 0].numpy().astype(int)


def test_the_examples_are_true():
    assert doctest.testmod(plots).failed == 0


@pytest.mark.parametrize(
    ("size", "kernel", "padding", "stride"),
    [((5, 5), (3, 3), (1, 1), 1), ((4, 7), (3, 5), (1, 2), (2, 3)), ((6, 6), (2, 2), (0, 1), 3)],
)
def test_padding_numbers_each_pixel_with_its_windows(size, kernel, padding, stride):
    fig = plots.padding_figure(size, kernel, padding, stride)
    for ax, around in zip(fig.axes, ((0, 0), padding), strict=True):
        seen = seen_by(size, kernel, stride=stride, padding=around)
        found = numbers(ax)
        assert found == {(c, r): seen[r, c] for r, c in np.ndindex(*size)}
        assert hatched(ax) == {(c, r) for r, c in np.argwhere(seen == 0)}
        first = {(c - around[1], r - around[0]) for r, c in np.ndindex(*kernel)}
        inside = {cell for cell in filled(ax, plots.TAP) if cell[0] < size[1] + around[1]}
        assert inside == first
    assert f"{seen_by(size, kernel, stride=stride, padding=padding)[0, 0]} window" in (
        fig.get_suptitle()
    )


def test_padding_leaves_out_what_does_not_fit_and_what_would_be_the_same():
    assert titles(plots.padding_figure(2, 3, 1)) == ["padding 1: 2×2 → 2×2"]
    assert titles(plots.padding_figure(4, 3, 0)) == ["padding 0: 4×4 → 2×2"]
    fig = plots.padding_figure(3, 3, (0, 1))
    assert titles(fig) == ["padding 0: 3×3 → 1×1", "padding 0×1: 3×3 → 1×3"]


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding"),
    [((6, 6), (3, 3), (2, 2), (0, 0)), ((5, 9), (2, 3), (1, 4), (1, 0)), ((4, 4), 1, 3, 0)],
)
def test_stride_numbers_windows_where_they_start_and_where_they_answer(
    size, kernel, stride, padding
):
    fig = plots.stride_figure(size, kernel, stride, padding)
    kernel, stride, padding = (
        tuple(int(n) for n in np.broadcast_to(value, 2)) for value in (kernel, stride, padding)
    )
    seen = seen_by(size, kernel, stride=stride, padding=padding)
    strided = fig.axes[-1]
    assert hatched(strided) == {(c, r) for r, c in np.argwhere(seen == 0)}
    out = torch.nn.functional.conv2d(
        torch.zeros(1, 1, *size), torch.zeros(1, 1, *kernel), stride=stride, padding=padding
    ).shape[2:]
    cells = {(c * stride[1] - padding[1], r * stride[0] - padding[0]) for r, c in np.ndindex(*out)}
    assert cells <= filled(strided, plots.SPAN)
    assert len(filled(strided, plots.SPAN)) == 2 * len(cells)
    values = [int(text.get_text()) for text in numerals(strided)]
    assert sorted(values) == sorted([*range(1, len(cells) + 1)] * 2)
    assert fig.get_suptitle().startswith(f"Stride {stride[0] if stride[0] == stride[1] else ''}")
    assert f"keeps {len(cells)} of " in fig.get_suptitle()
    unseen = int((seen == 0).sum())
    assert (f"{unseen} pixel" in fig.get_suptitle()) == bool(unseen)


@pytest.mark.parametrize(
    ("size", "kernel", "dilation", "span"),
    [(7, (3, 3), (2, 2), (5, 5)), ((6, 12), (2, 4), (3, 2), (4, 7)), (5, (1, 1), (4, 4), (1, 1))],
)
def test_dilation_shows_the_taps_their_gaps_and_their_span(size, kernel, dilation, span):
    fig = plots.dilation_figure(size, kernel, dilation)
    ax = fig.axes[-1]
    taps = {(c * dilation[1], r * dilation[0]) for r, c in np.ndindex(*kernel)}
    assert taps < filled(ax, plots.TAP)
    assert len(filled(ax, plots.TAP)) == len(taps) + 1  # and the output
    assert filled(ax, plots.SPAN) == {(c, r) for r, c in np.ndindex(*span)}
    assert frames(ax) == [(span[1], span[0])]
    assert f"{span[0]}×{span[1]} pixel" in fig.get_suptitle()


@pytest.mark.parametrize(
    ("c_in", "c_out", "groups"), [(4, 8, 2), (6, 6, 6), (3, 5, 1), (24, 24, 3)]
)
def test_groups_connect_what_torch_connects(c_in, c_out, groups):
    fig = plots.groups_figure(c_in, c_out, groups)
    lines, table = fig.axes
    layer = torch.nn.Conv2d(c_in, c_out, 1, groups=groups, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1)
        reached = layer(torch.eye(c_in)[:, :, None, None])[:, :, 0, 0]  # (C_in, C_out)
    expected = {(int(c), int(o)) for c, o in reached.nonzero()}
    assert filled(table, plots.TAP) == expected
    assert len(lines.lines) == len(expected)
    written = [text.get_text() for text in lines.texts if text.get_text().isdigit()]
    assert written == [*map(str, range(c_in)), *map(str, range(c_out))]
    assert ("depthwise" in fig.get_suptitle()) == (groups == c_in)
    if groups > 1:
        assert f"{len(expected)} of {c_in * c_out} slices" in fig.get_suptitle()


@pytest.mark.parametrize(
    ("size", "options"),
    [
        ((3, 3), dict(kernel=3, stride=2)),
        ((2, 5), dict(kernel=(2, 3), stride=(2, 3), padding=(0, 1), output_padding=(0, 1))),
        ((3, 3), dict(kernel=3, stride=2, dilation=2)),
        ((4, 2), dict(kernel=4, stride=2, padding=1)),
    ],
)
def test_transposition_counts_the_stamps_that_torch_adds_up(size, options):
    fig = plots.transposition_figure(size, **options)
    kernel = tuple(int(k) for k in np.broadcast_to(options["kernel"], 2))
    rest = {key: value for key, value in options.items() if key != "kernel"}
    counts = torch.nn.functional.conv_transpose2d(
        torch.ones(1, 1, *size), torch.ones(1, 1, *kernel), **rest
    )[0, 0].numpy()
    along, both = fig.axes
    np.testing.assert_array_equal(both.images[0].get_array(), counts)
    name = "×".join(map(str, counts.shape))
    assert f"{size[0]}×{size[1]} → {name}: " in fig.get_suptitle()
    # One row of pixels through a kernel of one row: what happens along the width.
    narrow = {
        key: (1 if key in ("stride", "dilation") else 0, int(np.broadcast_to(value, 2)[1]))
        for key, value in rest.items()
    }
    line = torch.nn.functional.conv_transpose2d(
        torch.ones(1, 1, 1, size[1]), torch.ones(1, 1, 1, kernel[1]), **narrow
    )[0, 0, 0].int()
    bottom = max(text.get_position()[1] for text in numerals(along))
    row = [int(t.get_text()) for t in numerals(along) if t.get_position()[1] == bottom]
    assert row == line.tolist()
    assert hatched(along) == {(x, bottom) for x in np.flatnonzero(line.numpy() == 0)}


@given(
    size=pairs,
    kernel=st.tuples(*[st.integers(1, 4)] * 2),
    other=st.tuples(*[st.integers(1, 4)] * 2),
)
@settings(max_examples=6, deadline=None)
def test_any_sizes_are_drawn(size, kernel, other):
    for draw in (plots.padding_figure, plots.stride_figure, plots.dilation_figure):
        try:
            assert titles(draw(size, kernel, other))
        except ValueError as error:
            assert "must fit into" in str(error)  # noqa: PT017


def test_numbers_stay_inside_their_cells_or_away():
    fig = plots.stride_figure(20, 3, 2)
    assert not any(text.get_visible() for text in numerals(fig.axes[0]))  # up to 324: no room
    for ax in (plots.padding_figure(12, 5, 2).axes[-1], plots.stride_figure(9, 3, 2).axes[-1]):
        ax.figure.draw_without_rendering()
        cell = abs(np.subtract(*ax.transData.transform([(0, 0), (1, 1)]))).min()
        for text in numerals(ax):
            assert text.get_visible()
            assert text.get_window_extent().width <= cell


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: plots.padding_figure(5, 3, -1), ValueError, "padding (=-1) must be at least 0"),
        (lambda: plots.padding_figure(5, 8, 1), ValueError, "kernel (=8) must fit into the padded"),
        (lambda: plots.padding_figure(5.0, 3, 1), TypeError, "size (=5.0) must be an integer"),
        (
            lambda: plots.padding_figure(23, 3, 1),
            ValueError,
            "must be at most 24 pixels along each",
        ),
        (lambda: plots.stride_figure(5, 3, 0), ValueError, "stride (=0) must be at least 1"),
        (lambda: plots.stride_figure((4, 25), 3, 1), ValueError, "size (=(4, 25)) with padding"),
        (lambda: plots.dilation_figure(5, 3, 0), ValueError, "dilation (=0) must be at least 1"),
        (lambda: plots.dilation_figure(5, 3, 3), ValueError, "spans 7 pixels with dilation (=3)"),
        (lambda: plots.groups_figure(4, 6, 4), ValueError, "groups (=4) must divide c_out (=6)"),
        (lambda: plots.groups_figure(3, 6, 2), ValueError, "groups (=2) must divide c_in (=3)"),
        (lambda: plots.groups_figure(0, 6, 1), ValueError, "c_in (=0) must be at least 1"),
        (lambda: plots.groups_figure(4, 64, 1), ValueError, "c_out (=64) must be at most 24"),
        (
            lambda: plots.transposition_figure(3, 3, 2, output_padding=2),
            ValueError,
            "output_padding (=2) must be smaller than stride (=2)",
        ),
        (
            lambda: plots.transposition_figure(9, 3, 3),
            ValueError,
            "the output 27×27 with padding (=(0, 0)) must be at most 24 pixels",
        ),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
