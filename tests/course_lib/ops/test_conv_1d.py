"""Convolution of signals against torch."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import CONV2D_ALGORITHMS, conv1d, conv1d_backward
from course_lib.ops.padding import PADDING_MODES

SMALL = st.integers(1, 3)


@given(
    shape=st.tuples(SMALL, SMALL, SMALL),  # N, C/groups, C_out/groups
    groups=SMALL,
    kernel=st.integers(1, 4),
    stride=SMALL,
    padding=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    dilation=SMALL,
    mode=st.sampled_from(PADDING_MODES),
    spare=st.integers(0, 5),
)
@settings(max_examples=50, deadline=None)
def test_against_torch(compare, shape, groups, kernel, stride, padding, dilation, mode, spare):
    images, per_group, outputs_each = shape
    needed = {"reflect": max(padding) + 1, "circular": max(padding)}.get(mode, 1)
    length = max(1, needed, dilation * (kernel - 1) + 1 - sum(padding)) + spare
    rng = np.random.default_rng(0)
    x = rng.normal(size=(images, groups * per_group, length))
    weight = rng.normal(size=(groups * outputs_each, per_group, kernel))
    sizes = (stride, padding, dilation, groups, mode)

    def reference(x, weight, bias):
        padded = functional.pad(x, padding, mode="constant" if mode == "zeros" else mode)
        return functional.conv1d(padded, weight, bias, stride, 0, dilation, groups)

    compare(
        lambda x, weight, bias: conv1d(x, weight, bias, *sizes),
        lambda grad, x, weight, bias: conv1d_backward(grad, x, weight, *sizes),
        reference,
        x,
        weight,
        rng.normal(size=len(weight)),
    )


@pytest.mark.parametrize("algorithm", [a for a in CONV2D_ALGORITHMS if "winograd" not in a])
def test_algorithms_agree(algorithm):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 9)), rng.normal(size=(4, 3, 3))
    out = conv1d(x, weight, stride=2, algorithm=algorithm)
    np.testing.assert_allclose(out, conv1d(x, weight, stride=2), 1e-10, 1e-12)


def test_causal_padding_sees_no_future():
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(1, 1, 10)), rng.normal(size=(1, 1, 3))
    later = x.copy()
    later[..., 6:] += 1
    before, after = (conv1d(s, weight, padding=(4, 0), dilation=2) for s in (x, later))
    np.testing.assert_array_equal(before[..., :6], after[..., :6])
    assert (before[..., 6:] != after[..., 6:]).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            dict(x=np.ones((4, 6))),
            ValueError,
            "x has shape (4, 6), must have 3 dimensions (N, C, L",
        ),
        (
            dict(weight=np.ones((6, 4))),
            ValueError,
            "must have 3 dimensions (C_out, C_in/groups, K)",
        ),
        (
            dict(weight=np.ones((6, 3, 2))),
            ValueError,
            "weight has shape (6, 3, 2), must have 4 input channels",
        ),
        (dict(weight=np.ones((6, 4, 7))), ValueError, "must fit into the padded image"),
        (dict(groups=3), ValueError, "groups (=3) must divide the 4 channels of x"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(stride=(1, 1)), TypeError, "stride (=(1, 1)) must be an integer"),
        (dict(dilation=0), ValueError, "dilation (=0) must be at least 1"),
        (dict(padding=(1, 2, 3)), ValueError, "must be an integer or a pair (before, after)"),
        (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
    ],
)
def test_bad_input(arguments, error, message):
    good = dict(x=np.ones((2, 4, 6)), weight=np.ones((6, 4, 3)))
    with pytest.raises(error, match=re.escape(message)):
        conv1d(**good | arguments)
    with pytest.raises(error, match=re.escape(message)):
        conv1d_backward(**{"grad_out": np.ones((2, 6, 4))} | good | arguments)
