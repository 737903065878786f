"""im2col and col2im against torch's unfold and fold."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import col2im, conv2d, im2col, pad2d
from course_lib.ops.padding import PADDING_MODES

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    batch=st.integers(0, 2),
    channels=st.integers(1, 3),
    kernel=PAIR,
    stride=PAIR,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=PAIR,
    spare=st.tuples(st.integers(0, 4), st.integers(0, 4)),
)
@settings(max_examples=50, deadline=None)
def test_against_torch(compare, batch, channels, kernel, stride, padding, dilation, spare):
    height, width = (
        max(1, d * (k - 1) + 1 - 2 * p) + extra
        for k, p, d, extra in zip(kernel, padding, dilation, spare, strict=True)
    )
    x = np.random.default_rng(0).normal(size=(batch, channels, height, width))
    sizes = (kernel, stride, padding, dilation)
    torch_sizes = (kernel, dilation, padding, stride)
    if batch:  # torch unfolds no empty batch
        compare(
            lambda x: im2col(x, *sizes),
            lambda grad, x: col2im(grad, (height, width), *sizes),
            lambda x: functional.unfold(x, *torch_sizes),
            x,
        )
    columns = im2col(x, *sizes)
    compare(
        lambda columns: col2im(columns, (height, width), *sizes),
        lambda grad, columns: im2col(grad, *sizes),
        lambda columns: functional.fold(columns, (height, width), *torch_sizes),
        columns,
    )


@pytest.mark.parametrize("mode", PADDING_MODES)
def test_a_matrix_product_of_columns_is_a_convolution(mode):
    rng = np.random.default_rng(0)
    x, weight = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 2, 3))
    columns = im2col(x, (2, 3), 2, ((1, 0), (2, 1)), padding_mode=mode)
    out = weight.reshape(4, 18) @ columns
    expected = conv2d(pad2d(x, ((1, 0), (2, 1)), mode), weight, stride=2, algorithm="loops")
    np.testing.assert_allclose(out.reshape(expected.shape), expected, 1e-10)
    grad = rng.normal(size=columns.shape)
    back = col2im(grad, (6, 7), (2, 3), 2, ((1, 0), (2, 1)), padding_mode=mode)
    assert np.vdot(columns, grad) == pytest.approx(np.vdot(x, back))


def test_the_channel_varies_slowest_down_a_column():
    x = np.arange(8).reshape(1, 2, 2, 2)
    assert im2col(x, 2)[0, :, 0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_columns_are_new_and_keep_their_type():
    x = np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3)
    x.setflags(write=False)
    for columns in (im2col(x, 1), im2col(x, (2, 3))):
        assert columns.dtype == np.uint8
        assert not np.shares_memory(columns, x)
        columns[...] = 0
    assert col2im(np.full((1, 1, 6), 200, np.uint8), (2, 3), 1).dtype == np.int64
    assert col2im(np.ones((1, 1, 6), np.float16), (2, 3), 1).dtype == np.float16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(columns=np.ones((4, 4))), "columns has shape (4, 4), must have 3 dimensions"),
        (dict(columns=np.ones((1, 6, 4))), "must have C·K_h·K_w rows: a multiple of 4"),
        (dict(columns=np.ones((1, 4, 5))), "must have 4 columns: the output is (2, 2)"),
        (dict(image_size=(3, 0)), "image_size[1] (=0) must be at least 1"),
        (dict(kernel_size=0), "kernel_size (=0) must be at least 1"),
        (dict(dilation=4), "must fit into the padded image"),
    ],
)
def test_bad_input(arguments, message):
    good = dict(columns=np.ones((1, 4, 4)), image_size=3, kernel_size=2)
    with pytest.raises(ValueError, match=re.escape(message)):
        col2im(**good | arguments)
    if {"kernel_size", "dilation"} & set(arguments):
        with pytest.raises(ValueError, match=re.escape(message)):
            im2col(np.ones((1, 1, 3, 3)), **{"kernel_size": 2} | arguments)


def test_bad_images():
    with pytest.raises(ValueError, match=re.escape("x has shape (3, 3), must have 4 dimensions")):
        im2col(np.ones((3, 3)), 2)
