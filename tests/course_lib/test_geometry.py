"""Sizes and positions, against windows that are tried out one by one."""

import re

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_lib import geometry

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# n, kernel, stride, padding, dilation
AXIS = (
    st.integers(1, 12),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(0, 4),
    st.integers(1, 3),
)


def enumerated_windows(n, kernel, stride, padding, dilation):
    """The taps of every window, in input coordinates, found by trying every start there is."""
    end = n + padding
    windows = []
    for start in range(-padding, end, stride):
        taps = [start + i * dilation for i in range(kernel)]
        if taps[-1] < end:
            windows.append(taps)
    return windows


@given(*AXIS)
@quick
def test_one_axis_against_enumeration(n, kernel, stride, padding, dilation):
    windows = enumerated_windows(n, kernel, stride, padding, dilation)
    axis = (n, kernel, stride, padding, dilation)
    if not windows:
        for function in (
            geometry.output_size,
            geometry.window_starts,
            geometry.unused_pixels,
            geometry.dropped_tail,
        ):
            with pytest.raises(ValueError, match="must fit into the padded input"):
                function(*axis)
        return
    touched = {tap for taps in windows for tap in taps}
    starts = geometry.window_starts(*axis)
    assert geometry.output_size(*axis) == len(windows)
    assert starts == [taps[0] for taps in windows]
    assert [list(geometry.window_pixels(s, kernel, dilation)) for s in starts] == windows
    assert geometry.unused_pixels(*axis) == tuple(i for i in range(n) if i not in touched)
    assert geometry.dropped_tail(*axis) == n + padding - 1 - max(touched)
    assert geometry.dropped_tail(*axis) < stride
    assert geometry.effective_kernel(kernel, dilation) == windows[0][-1] - windows[0][0] + 1


@given(*AXIS)
@quick
def test_output_size_against_torch(n, kernel, stride, padding, dilation):
    image = torch.zeros(1, 1, n)
    weight = torch.zeros(1, 1, kernel)
    try:
        expected = torch.conv1d(
            image, weight, stride=stride, padding=padding, dilation=dilation
        ).shape[-1]
    except RuntimeError:  # torch's way to say that the kernel does not fit
        with pytest.raises(ValueError, match="must fit"):
            geometry.output_size(n, kernel, stride, padding, dilation)
    else:
        assert geometry.output_size(n, kernel, stride, padding, dilation) == expected


@given(*AXIS, st.integers(0, 4))
@quick
def test_transposed_output_size_against_torch(n, kernel, stride, padding, dilation, extra):
    axis = dict(stride=stride, padding=padding, output_padding=extra, dilation=dilation)
    try:
        if extra >= stride:  # torch allows it below the dilation too
            raise RuntimeError
        weight = torch.zeros(1, 1, kernel)
        expected = torch.conv_transpose1d(torch.zeros(1, 1, n), weight, **axis).shape[-1]
    except RuntimeError:
        with pytest.raises(ValueError, match=r"must (be smaller than|leave some)"):
            geometry.transposed_output_size(n, kernel, **axis)
    else:
        found = geometry.transposed_output_size(n, kernel, **axis)
        assert (found, type(found)) == (expected, int)
        assert geometry.output_size(found, kernel, stride, padding, dilation) == n


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(n=0), ValueError, "n (=0) must be at least 1"),
        (dict(kernel=0), ValueError, "kernel (=0) must be at least 1"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
        (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
        (dict(output_padding=-1), ValueError, "output_padding (=-1) must be at least 0"),
        (dict(output_padding=2), ValueError, "output_padding (=2) must be smaller than stride"),
        (dict(padding=6), ValueError, "padding (=6) must leave some of the output: it cuts"),
        (dict(n=5.0), TypeError, "n (=5.0) must be an integer"),
    ],
)
def test_bad_input_of_a_transposed_convolution(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        geometry.transposed_output_size(**{"n": 5, "kernel": 3, "stride": 2, **arguments})


@pytest.mark.parametrize(
    ("n", "kernel", "padding", "stride", "expected"),
    [(5, 3, 0, 1, 3), (28, 3, 1, 1, 28), (28, 3, 1, 2, 14), (32, 5, 0, 1, 28), (32, 3, 1, 1, 32),
     (224, 3, 0, 2, 111), (224, 7, 3, 2, 112), (1, 1, 0, 1, 1)],
)  # fmt: skip
def test_the_sizes_of_the_text(n, kernel, padding, stride, expected):
    assert geometry.output_size(n, kernel, stride, padding) == expected


@given(n=st.integers(1, 30), kernel=st.integers(1, 9), dilation=st.integers(1, 4))
@quick
def test_same_padding_keeps_the_size(n, kernel, dilation):
    before, after = geometry.same_padding(kernel, dilation)
    padded = n + before + after
    assert geometry.output_size(padded, kernel, dilation=dilation) == n
    assert after - before in (0, 1)


@given(
    axes=st.tuples(st.tuples(*AXIS), st.tuples(*AXIS)),
)
@quick
def test_visit_counts_and_output_shape_against_enumeration(axes):
    (height, *rows), (width, *columns) = axes
    arguments = (height, width, *zip(rows, columns, strict=True))
    windows_h = enumerated_windows(height, *rows)
    windows_w = enumerated_windows(width, *columns)
    if not windows_h or not windows_w:
        with pytest.raises(ValueError, match="must fit"):
            geometry.visit_counts(*arguments)
        with pytest.raises(ValueError, match="must fit"):
            geometry.output_shape(*arguments)
        return
    counts = np.zeros((height, width), dtype=int)
    for taps_h in windows_h:
        for taps_w in windows_w:
            for y in taps_h:
                for x in taps_w:
                    if 0 <= y < height and 0 <= x < width:
                        counts[y, x] += 1
    answer = geometry.visit_counts(*arguments)
    assert answer.dtype == np.int64
    np.testing.assert_array_equal(answer, counts)
    assert geometry.output_shape(*arguments) == (len(windows_h), len(windows_w))


@given(
    p=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    q=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    width=st.integers(7, 12),
)
@quick
def test_flattened_distance_against_flattening(p, q, width):
    image = np.zeros((7, width))
    image[p] = 1
    if p != q:
        image[q] = 1
    places = np.flatnonzero(image.ravel())
    expected = places[-1] - places[0]
    assert geometry.flattened_distance(p, q, width) == expected
    assert geometry.flattened_distance(list(q), np.array(p), np.int64(width)) == expected


def test_answers_are_plain_integers():
    n = np.int64(9)
    assert type(geometry.output_size(n, n, n, np.int64(1), np.int64(1))) is int
    assert type(geometry.effective_kernel(n, n)) is int
    assert type(geometry.dropped_tail(n, np.int64(2), np.int64(2))) is int
    assert type(geometry.flattened_distance(np.array([0, 1]), (0, 0), n)) is int
    for answer in (
        geometry.same_padding(n, n),
        geometry.window_starts(n, np.int64(2), np.int64(2), np.int64(1)),
        geometry.unused_pixels(n, np.int64(2), np.int64(4)),
    ):
        assert answer
        assert all(type(number) is int for number in answer)


@pytest.mark.parametrize(
    "function",
    [geometry.output_size, geometry.window_starts, geometry.unused_pixels, geometry.dropped_tail],
)
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(n=0), ValueError, "n (=0) must be at least 1"),
        (dict(n=-5), ValueError, "n (=-5) must be at least 1"),
        (dict(kernel=0), ValueError, "kernel (=0) must be at least 1"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(stride=-1), ValueError, "stride (=-1) must be at least 1"),
        (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
        (dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
        (dict(kernel=6), ValueError, "kernel (=6) must fit into the padded input: it spans 6"),
        (dict(kernel=3, dilation=3), ValueError, "it spans 7 pixels with dilation (=3)"),
        (dict(n=1, padding=1, kernel=4), ValueError, "n + 2 * padding is 1 + 2 * 1 = 3"),
        (dict(n=5.0), TypeError, "n (=5.0) must be an integer"),
        (dict(kernel=3.0), TypeError, "kernel (=3.0) must be an integer"),
        (dict(stride=True), TypeError, "stride (=True) must be an integer"),
        (dict(stride=float("nan")), TypeError, "stride (=nan) must be an integer"),
        (dict(padding="same"), TypeError, "padding (='same') must be an integer"),
        (dict(padding=(1, 2)), TypeError, "padding (=(1, 2)) must be an integer"),
        (dict(dilation=None), TypeError, "dilation (=None) must be an integer"),
        (dict(n=np.array([5])), TypeError, "n (=an array of shape (1,)) must be an integer"),
    ],
)
def test_bad_input_along_one_axis(function, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        function(**{"n": 5, "kernel": 3, **arguments})


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: geometry.effective_kernel(0), ValueError, "kernel (=0) must be at least 1"),
        (lambda: geometry.effective_kernel(3, 0), ValueError, "dilation (=0) must be at least 1"),
        (lambda: geometry.same_padding(-3), ValueError, "kernel (=-3) must be at least 1"),
        (lambda: geometry.same_padding(3.0), TypeError, "kernel (=3.0) must be an integer"),
        (lambda: geometry.window_pixels(0.5, 3), TypeError, "start (=0.5) must be an integer"),
        (lambda: geometry.window_pixels(0, 0), ValueError, "kernel (=0) must be at least 1"),
    ],
)
def test_bad_input_of_a_kernel(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()


@pytest.mark.parametrize("function", [geometry.visit_counts, geometry.output_shape])
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(height=0), ValueError, "height (=0) must be at least 1"),
        (dict(width=4.0), TypeError, "width (=4.0) must be an integer"),
        (dict(kernel=(3, 0)), ValueError, "kernel[1] (=0) must be at least 1"),
        (dict(kernel=(9, 1)), ValueError, "kernel (=9) must fit"),
        (
            dict(kernel=np.ones((3, 3), int)),
            TypeError,
            "kernel (=an array of shape (3, 3)) must be",
        ),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(padding=(0, -1)), ValueError, "padding[1] (=-1) must be at least 0"),
        (dict(dilation=(1.5, 1)), TypeError, "dilation[0] (=1.5) must be an integer"),
    ],
)
def test_bad_input_on_two_axes(function, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        function(**{"height": 5, "width": 5, "kernel": 3, **arguments})


@pytest.mark.parametrize(
    ("p", "width", "error", "message"),
    [
        ((0, 5), 5, ValueError, "p[1] (=5) must be below width (=5)"),
        ((-1, 0), 5, ValueError, "p[0] (=-1) must be at least 0"),
        ((0, 0), 0, ValueError, "width (=0) must be at least 1"),
        ((0, 0, 0), 5, ValueError, "p (=(0, 0, 0)) must be a pixel (row, column)"),
        (3, 5, TypeError, "p (=3) must be a pixel (row, column), not int"),
        ("01", 5, TypeError, "p (='01') must be a pixel (row, column), not str"),
        ((0.0, 1), 5, TypeError, "p[0] (=0.0) must be an integer"),
        (np.zeros((2, 2), int), 5, ValueError, "must be a pixel (row, column)"),
        ((0, 0), 5.0, TypeError, "width (=5.0) must be an integer"),
    ],
)
def test_bad_pixels(p, width, error, message):
    with pytest.raises(error, match=re.escape(message)):
        geometry.flattened_distance(p, (0, 0), width)
