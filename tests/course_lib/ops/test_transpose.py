"""Transposed convolution against torch, and as the adjoint of a convolution."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import conv2d, conv_transpose2d, conv_transpose2d_backward

SMALL = st.integers(1, 3)
PAIR = st.tuples(SMALL, SMALL)


@st.composite
def problems(draw):
    kernel, stride, dilation, size = (draw(PAIR) for _ in range(4))
    extra = tuple(draw(st.integers(0, s - 1)) for s in stride)
    whole = [
        (n - 1) * s + d * (k - 1) + e + 1
        for n, s, d, k, e in zip(size, stride, dilation, kernel, extra, strict=True)
    ]
    padding = tuple(draw(st.integers(0, min(3, (n - 1) // 2))) for n in whole)
    groups, per_group, outputs_each = draw(SMALL), draw(SMALL), draw(SMALL)
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    arrays = (
        rng.normal(size=(draw(st.integers(1, 2)), groups * per_group, *size)),
        rng.normal(size=(groups * per_group, outputs_each, *kernel)),
        rng.normal(size=groups * outputs_each),
    )
    return arrays, (stride, padding, extra, groups, dilation)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_against_torch(compare, problem):
    arrays, sizes = problem
    compare(
        lambda *arrays: conv_transpose2d(*arrays, *sizes),
        lambda grad, x, weight, bias: conv_transpose2d_backward(grad, x, weight, *sizes),
        lambda *arrays: functional.conv_transpose2d(*arrays, *sizes),
        *arrays,
    )


@given(problems())
@settings(max_examples=20, deadline=None)
def test_it_is_the_adjoint_of_a_convolution(problem):
    (x, weight, _), (stride, padding, extra, groups, dilation) = problem
    out = conv_transpose2d(x, weight, None, stride, padding, extra, groups, dilation)
    y = np.random.default_rng(0).normal(size=out.shape)
    back = conv2d(y, weight, None, stride, padding, dilation, groups)
    assert np.vdot(out, y) == pytest.approx(np.vdot(x, back), rel=1e-9, abs=1e-9)


def test_one_pixel_stamps_the_kernel():
    weight = np.arange(9).reshape(1, 1, 3, 3)
    np.testing.assert_array_equal(conv_transpose2d([[[[2]]]], weight)[0, 0], 2 * weight[0, 0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(x=np.ones((4, 3, 3))), ValueError, "x has shape (4, 3, 3), must have 4 dimensions"),
        (dict(weight=np.ones((6, 4, 3, 3))), ValueError,
         "weight has shape (6, 4, 3, 3), must have 4 input channels (the first axis), as x has"),
        (dict(weight=np.ones((4, 0, 3, 3))), ValueError, "must not be empty"),
        (dict(bias=np.ones(4)), ValueError, "bias has shape (4,), must have shape (6,)"),
        (dict(groups=3), ValueError, "groups (=3) must divide the 4 channels of x"),
        (dict(groups=0), ValueError, "groups (=0) must be at least 1"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
        (dict(output_padding=1), ValueError,
         "output_padding (=(1, 1)) must be smaller than stride (=(1, 1))"),
        (dict(stride=(3, 2), output_padding=(2, 2)), ValueError,
         "output_padding (=(2, 2)) must be smaller than stride (=(3, 2))"),
        (dict(output_padding=-1), ValueError, "output_padding (=-1) must be at least 0"),
        (dict(padding=3), ValueError,
         "padding (=(3, 3)) must leave some of the output: it would be (-1, -1)"),
        (dict(padding=((1, 1), (1, 1))), TypeError, "padding[0] (=(1, 1)) must be an integer"),
        (dict(stride=2.0), TypeError, "stride (=2.0) must be an integer"),
    ],
)  # fmt: skip
def test_bad_input(arguments, error, message):
    good = dict(x=np.ones((2, 4, 3, 3)), weight=np.ones((4, 6, 3, 3)))
    with pytest.raises(error, match=re.escape(message)):
        conv_transpose2d(**good | arguments)
    if "bias" not in arguments:
        with pytest.raises(error, match=re.escape(message)):
            conv_transpose2d_backward(**{"grad_out": np.ones((2, 6, 5, 5))} | good | arguments)
