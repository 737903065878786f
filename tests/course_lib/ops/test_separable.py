"""Depthwise and pointwise convolution against torch, and one after the other."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import (
    conv2d,
    depthwise_conv2d,
    depthwise_conv2d_backward,
    pointwise_conv2d,
    pointwise_conv2d_backward,
)

SMALL = st.integers(1, 3)


@given(
    channels=SMALL,
    multiplier=SMALL,
    kernel=SMALL,
    stride=SMALL,
    padding=st.integers(0, 2),
    dilation=SMALL,
)
@settings(max_examples=30, deadline=None)
def test_depthwise(compare, channels, multiplier, kernel, stride, padding, dilation):
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(channels * multiplier, 1, kernel, kernel))
    sizes = (stride, padding, dilation)
    compare(
        lambda *arrays: depthwise_conv2d(*arrays, *sizes),
        lambda grad, x, weight, bias: depthwise_conv2d_backward(grad, x, weight, *sizes),
        lambda *arrays: functional.conv2d(*arrays, *sizes, channels),
        rng.normal(size=(2, channels, 8, 7)),
        weight,
        rng.normal(size=len(weight)),
    )


@given(channels=SMALL, outputs=SMALL, stride=SMALL)
@settings(max_examples=15, deadline=None)
def test_pointwise(compare, channels, outputs, stride):
    rng = np.random.default_rng(0)
    compare(
        lambda *arrays: pointwise_conv2d(*arrays, stride),
        lambda grad, x, weight, bias: pointwise_conv2d_backward(grad, x, weight, stride),
        lambda *arrays: functional.conv2d(*arrays, stride),
        rng.normal(size=(2, channels, 5, 4)),
        rng.normal(size=(outputs, channels, 1, 1)),
        rng.normal(size=outputs),
    )


def test_one_after_the_other_is_one_layer_of_low_rank():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 3, 6, 6))
    deep, wide = rng.normal(size=(3, 1, 3, 3)), rng.normal(size=(5, 3, 1, 1))
    out = pointwise_conv2d(depthwise_conv2d(x, deep), wide)
    np.testing.assert_allclose(out, conv2d(x, wide * deep[:, 0]), 1e-10)


X = np.ones((2, 4, 6, 6))


@pytest.mark.parametrize("shape", [(4, 2, 3, 3), (6, 1, 3, 3), (2, 1, 3, 3)])
def test_a_weight_that_is_not_depthwise(shape):
    message = re.escape(f"weight has shape {shape}, must have shape (m·C, 1, K_h, K_w): x has C=4")
    with pytest.raises(ValueError, match=message):
        depthwise_conv2d(X, np.ones(shape))
    with pytest.raises(ValueError, match=message):
        depthwise_conv2d_backward(np.ones((2, 4, 4, 4)), X, np.ones(shape))


def test_a_weight_that_is_not_pointwise():
    message = re.escape("weight has shape (5, 4, 3, 1), must have shape (C_out, C, 1, 1)")
    with pytest.raises(ValueError, match=message):
        pointwise_conv2d(X, np.ones((5, 4, 3, 1)))
    with pytest.raises(ValueError, match=message):
        pointwise_conv2d_backward(X, X, np.ones((5, 4, 3, 1)))
