"""Blur pooling against torch's padding and convolution, and against SciPy's window."""

import re

import numpy as np
import pytest
import scipy.ndimage
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import blur_pool2d, blur_pool2d_backward

ROWS = {1: [1], 3: [1, 2, 1], 5: [1, 4, 6, 4, 1], 7: [1, 6, 15, 20, 15, 6, 1]}


@given(
    images=st.integers(1, 2),
    channels=st.integers(1, 3),
    size=st.tuples(st.integers(4, 9), st.integers(4, 9)),
    stride=st.integers(1, 3),
    kernel=st.sampled_from(list(ROWS)),
)
@settings(max_examples=30, deadline=None)
def test_against_torch(compare, images, channels, size, stride, kernel):
    def reference(x):
        row = torch.tensor(ROWS[kernel], dtype=x.dtype) / sum(ROWS[kernel])
        weight = torch.outer(row, row).expand(channels, 1, kernel, kernel)
        padded = functional.pad(x, (kernel // 2,) * 4, mode="reflect")
        return functional.conv2d(padded, weight, None, stride, groups=channels)

    compare(
        lambda x: blur_pool2d(x, stride, kernel),
        lambda grad, x: blur_pool2d_backward(grad, x.shape, stride, kernel),
        reference,
        np.random.default_rng(0).normal(size=(images, channels, *size)),
    )


def test_at_stride_1_it_is_scipys_blur():
    image = np.random.default_rng(0).normal(size=(6, 7))
    blurred = image
    for axis in (0, 1):
        blurred = scipy.ndimage.correlate1d(blurred, [0.25, 0.5, 0.25], axis, mode="mirror")
    np.testing.assert_allclose(blur_pool2d(image[None, None], stride=1)[0, 0], blurred, 1e-12)


def test_a_constant_stays_what_it_is():
    np.testing.assert_allclose(blur_pool2d(np.full((1, 2, 5, 6), 7)), np.full((1, 2, 3, 3), 7.0))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(x=np.ones((5, 5))), ValueError, "x has shape (5, 5), must have 4 dimensions"),
        (dict(x=np.ones((1, 1, 1, 5))), ValueError, "kernel_size (=3) must be at most 1 on an"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(stride=(2, 2)), TypeError, "stride (=(2, 2)) must be an integer"),
        (dict(kernel_size=4), ValueError, "kernel_size (=4) must be odd"),
        (dict(kernel_size=0), ValueError, "kernel_size (=0) must be at least 1"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        blur_pool2d(**{"x": np.ones((1, 1, 5, 5))} | arguments)
    if "x" not in arguments:
        with pytest.raises(error, match=re.escape(message)):
            blur_pool2d_backward(np.ones((1, 1, 3, 3)), (1, 1, 5, 5), **arguments)
