"""Convolution of videos against torch."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import conv3d
from course_lib.ops.padding import PADDING_MODES

TRIPLE = st.tuples(*[st.integers(1, 2)] * 3)


@given(
    shape=st.tuples(*[st.integers(1, 2)] * 3),  # N, C/groups, C_out/groups
    groups=st.integers(1, 2),
    kernel=st.tuples(*[st.integers(1, 3)] * 3),
    stride=TRIPLE,
    padding=st.tuples(*[st.integers(0, 2)] * 3),
    dilation=TRIPLE,
    mode=st.sampled_from(PADDING_MODES),
    spare=st.tuples(*[st.integers(0, 3)] * 3),
)
@settings(max_examples=40, deadline=None)
def test_against_torch(compare, shape, groups, kernel, stride, padding, dilation, mode, spare):
    images, per_group, outputs_each = shape
    size = []
    for k, p, d, extra in zip(kernel, padding, dilation, spare, strict=True):
        needed = {"reflect": p + 1, "circular": p}.get(mode, 1)
        size.append(max(1, needed, d * (k - 1) + 1 - 2 * p) + extra)
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(groups * outputs_each, per_group, *kernel))

    def reference(x, weight, bias):
        p_d, p_h, p_w = padding
        around, name = (p_w, p_w, p_h, p_h, p_d, p_d), "constant" if mode == "zeros" else mode
        padded = functional.pad(x, around, mode=name)
        return functional.conv3d(padded, weight, bias, stride, 0, dilation, groups)

    compare(
        lambda *arrays: conv3d(*arrays, stride, padding, dilation, groups, mode),
        None,
        reference,
        rng.normal(size=(images, groups * per_group, *size)),
        weight,
        rng.normal(size=len(weight)),
    )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(x=np.ones((2, 4, 6, 6))), ValueError, "must have 5 dimensions (N, C, D, H, W)"),
        (dict(weight=np.ones((6, 3, 2, 2, 2))), ValueError, "must have 4 input channels"),
        (dict(weight=np.ones((6, 4, 7, 1, 1))), ValueError, "must fit into the padded image"),
        (dict(weight=np.ones((6, 4, 1, 7, 1))), ValueError, "must fit into the padded image"),
        (dict(groups=3), ValueError, "groups (=3) must divide the 4 channels of x"),
        (dict(bias=np.ones(3)), ValueError, "bias has shape (3,), must have shape (6,)"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(stride=(1, 2)), ValueError, "must be an integer or a triple (depth, height, width)"),
        (dict(dilation=(1, 1, 0)), ValueError, "dilation[2] (=0) must be at least 1"),
        (dict(padding=1.5), TypeError, "padding (=1.5) must be an integer"),
        (dict(padding=6, padding_mode="reflect"), ValueError, "must be at most 5 along the height"),
        (dict(padding_mode="mirror"), ValueError, "padding_mode (='mirror') must be one of"),
    ],
)
def test_bad_input(arguments, error, message):
    good = dict(x=np.ones((2, 4, 6, 6, 6)), weight=np.ones((6, 4, 2, 2, 2)))
    with pytest.raises(error, match=re.escape(message)):
        conv3d(**good | arguments)
