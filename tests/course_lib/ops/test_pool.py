"""Pooling against torch, and what it promises beyond: ties, NaN, the first in reading order."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import (
    avg_pool2d,
    avg_pool2d_backward,
    global_avg_pool2d,
    global_avg_pool2d_backward,
    max_pool2d,
    max_pool2d_backward,
)

SMALL = st.integers(1, 3)


@st.composite
def problems(draw, dilated):
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    stride = draw(st.none() | st.tuples(SMALL, SMALL))
    dilation = draw(st.tuples(SMALL, SMALL)) if dilated else (1, 1)
    span = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    # torch wants at most half of the kernel, whatever the dilation
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    # At least the dilation: torch reads outside its memory where all taps miss the image.
    size = [
        max(d, s - 2 * p) + draw(st.integers(0, 5))
        for d, s, p in zip(dilation, span, padding, strict=True)
    ]
    shape = (draw(st.integers(1, 2)), draw(SMALL), *size)
    x = np.random.default_rng(draw(st.integers(0, 99))).normal(size=shape)
    return x, (kernel, stride, padding, dilation)


@given(problems(dilated=True))
@settings(max_examples=50, deadline=None)
def test_max_against_torch(compare, problem):
    x, sizes = problem
    compare(
        lambda x: max_pool2d(x, *sizes),
        lambda grad, x: max_pool2d_backward(grad, x, *sizes),
        lambda x: functional.max_pool2d(x, *sizes),
        x,
    )


@given(problems(dilated=True), st.integers(2, 4))
@settings(max_examples=20, deadline=None)
def test_ties_go_to_the_first_as_in_torch(compare, problem, values):
    x, sizes = problem
    compare(
        lambda x: max_pool2d(x, *sizes),
        lambda grad, x: max_pool2d_backward(grad, x, *sizes),
        lambda x: functional.max_pool2d(x, *sizes),
        np.round(x * values) // values,
    )


@given(problems(dilated=False))
@settings(max_examples=40, deadline=None)
def test_average_against_torch(compare, problem):
    x, (kernel, stride, padding, _) = problem
    compare(
        lambda x: avg_pool2d(x, kernel, stride, padding),
        lambda grad, x: avg_pool2d_backward(grad, x.shape, kernel, stride, padding),
        lambda x: functional.avg_pool2d(x, kernel, stride, padding),
        x,
    )


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (1, 1, 1, 1), (3, 2, 1, 7)])
def test_global_average_against_torch(compare, shape):
    compare(
        global_avg_pool2d,
        lambda grad, x: global_avg_pool2d_backward(grad, x.shape),
        lambda x: functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0],
        np.random.default_rng(0).normal(size=shape),
    )


def test_integers_have_a_smallest_number_too():
    x = np.full((1, 1, 2, 2), np.iinfo(np.int64).min)
    assert (max_pool2d(x, 2, padding=1, stride=2) == x).all()
    assert max_pool2d(np.full((1, 1, 2, 2), -5), 2, padding=1).tolist() == [[[[-5, -5], [-5, -5]]]]


def test_taps_that_all_miss_the_image_find_nothing():
    x = np.array([[[[1.0, 2.0]]]])
    sizes = ((1, 2), (1, 1), (0, 1), (1, 3))  # taps on the padding left and right of the image
    assert max_pool2d(x, *sizes).tolist() == [[[[-np.inf]]]]
    assert max_pool2d_backward([[[[5.0]]]], x, *sizes).tolist() == [[[[0.0, 0.0]]]]


def test_the_first_nan_wins_and_takes_the_gradient():
    x = np.array([[[[1.0, np.nan], [np.nan, 4.0]]]])
    assert np.isnan(max_pool2d(x, 2)).all()
    assert max_pool2d_backward([[[[3.0]]]], x, 2).tolist() == [[[[0.0, 3.0], [0.0, 0.0]]]]


def test_a_pixel_that_wins_twice_gets_both_gradients():
    x = [[[[0.0, 9.0, 0.0]]]]
    assert max_pool2d_backward([[[[1.0, 10.0]]]], x, (1, 2), 1).ravel().tolist() == [0, 11, 0]


GOOD = dict(x=np.ones((2, 3, 6, 6)), kernel_size=3)

BAD = [
    (dict(x=np.ones((3, 6, 6))), ValueError, "x has shape (3, 6, 6), must have 4 dimensions"),
    (dict(x=np.ones((2, 0, 6, 6))), ValueError, "must not be empty but along N"),
    (dict(kernel_size=0), ValueError, "kernel_size (=0) must be at least 1"),
    (dict(kernel_size=7), ValueError, "must fit into the padded image"),
    (dict(kernel_size=2.0), TypeError, "kernel_size (=2.0) must be an integer or a pair"),
    (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
    (dict(padding=2), ValueError,
     "padding (=(2, 2)) must be at most half of the window, which spans (3, 3)"),
    (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
]  # fmt: skip


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input(pool, arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        pool(**GOOD | arguments)


@pytest.mark.parametrize(("arguments", "error", "message"), BAD)
def test_bad_input_backward(arguments, error, message):
    given = GOOD | arguments
    with pytest.raises(error, match=re.escape(message)):
        max_pool2d_backward(np.ones((2, 3, 2, 2)), **given)
    if "x" not in arguments:
        given["input_shape"] = given.pop("x").shape
        with pytest.raises(error, match=re.escape(message)):
            avg_pool2d_backward(np.ones((2, 3, 2, 2)), **given)


def test_dilation_is_at_least_1():
    for dilation in (0, (1, 0)):
        with pytest.raises(ValueError, match=r"dilation.* must be at least 1"):
            max_pool2d(**GOOD, dilation=dilation)


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        ((2, 3, 6), ValueError, "input_shape (=(2, 3, 6)) must be a shape (N, C, H, W)"),
        (None, ValueError, "input_shape (=None) must be a shape (N, C, H, W)"),
        ((2, 3, 0, 6), ValueError, "input_shape[2] (=0) must be at least 1"),
        ((2, 3, 6.0, 6), TypeError, "input_shape[2] (=6.0) must be an integer"),
    ],
)
def test_bad_shapes(shape, error, message):
    with pytest.raises(error, match=re.escape(message)):
        avg_pool2d_backward(np.ones((2, 3, 2, 2)), shape, 3)
    with pytest.raises(error, match=re.escape(message)):
        global_avg_pool2d_backward(np.ones((2, 3)), shape)
