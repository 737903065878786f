"""The matrix of a convolution, column by column against torch."""

import re

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import conv_matrix, pad2d, toeplitz

quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(
    kernel_shape=PAIR,
    stride=PAIR,
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=PAIR,
    spare=st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
@quick
def test_columns_against_torch(kernel_shape, stride, padding, dilation, spare):
    height, width = (
        max(1, d * (k - 1) + 1 - 2 * p) + extra
        for k, p, d, extra in zip(kernel_shape, padding, dilation, spare, strict=True)
    )
    kernel = np.random.default_rng(0).normal(size=kernel_shape)
    matrix = conv_matrix(kernel, height, width, stride, padding, dilation)
    # Column m of a matrix is its answer to the m-th unit vector: an image with one bright pixel.
    spots = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    weight = torch.tensor(kernel)[None, None]
    answers = functional.conv2d(spots, weight, stride=stride, padding=padding, dilation=dilation)
    np.testing.assert_array_equal(matrix, answers.reshape(height * width, -1).T.numpy())


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate", "circular"])
def test_padding_modes(mode):
    rng = np.random.default_rng(0)
    image, kernel = rng.normal(size=(4, 5)), rng.normal(size=(3, 2))
    padding = ((2, 1), (0, 3))
    matrix = conv_matrix(kernel, 4, 5, padding=padding, padding_mode=mode)
    padded = torch.tensor(pad2d(image, padding, mode))[None, None]
    expected = functional.conv2d(padded, torch.tensor(kernel)[None, None]).numpy().ravel()
    np.testing.assert_allclose(matrix @ image.ravel(), expected, rtol=1e-10)


def test_a_row_kernel_gives_the_toeplitz_matrix_of_scipy():
    first_row, first_column = [3, 1, 4, 0, 0, 0], [3, 0, 0, 0]
    expected = scipy.linalg.toeplitz(first_column, first_row)
    np.testing.assert_array_equal(conv_matrix([[3, 1, 4]], 1, 6), expected)


def test_weights_are_few_and_tied():
    kernel = np.arange(1, 10).reshape(3, 3)
    matrix = conv_matrix(kernel, 6, 7)
    assert matrix.shape == (4 * 5, 6 * 7)
    for row in matrix:
        assert sorted(row[row != 0]) == list(range(1, 10))


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", "int64"), ("bool", "int64"), ("int64", "int64"), ("float16", "float16"),
     ("float32", "float32"), ("float64", "float64")],
)  # fmt: skip
def test_types(dtype, expected):
    assert conv_matrix(np.ones((2, 2), dtype), 3, 3).dtype == expected


def test_the_kernel_is_unchanged_and_may_be_any_view():
    base = np.arange(24.0).reshape(4, 6)
    kernel = base[::2, ::-3]
    kernel.setflags(write=False)
    np.testing.assert_array_equal(conv_matrix(kernel, 5, 5), conv_matrix(kernel.copy(), 5, 5))
    np.testing.assert_array_equal(base, np.arange(24.0).reshape(4, 6))


def test_nan_stays_where_its_weight_is():
    matrix = conv_matrix([[np.nan, 1.0]], 1, 3)
    np.testing.assert_array_equal(matrix, [[np.nan, 1, 0], [0, np.nan, 1]])


def test_a_matrix_too_large_is_refused_before_it_is_made():
    with pytest.raises(ValueError, match=re.escape("the matrix has shape (260100, 262144), must")):
        conv_matrix(np.ones((3, 3)), 512, 512)
    assert toeplitz.MOST_ENTRIES < 260_100 * 262_144


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(kernel=[1, 2]), ValueError, "kernel has shape (2,), must have 2 dimensions"),
        (dict(kernel=[[]]), ValueError, "kernel has shape (1, 0), must not be empty"),
        (dict(kernel="edge"), TypeError, "kernel (='edge') must be an array of real numbers"),
        (dict(kernel=np.ones((6, 1))), ValueError, "kernel has shape (6, 1), must fit into the"),
        (dict(height=0), ValueError, "height (=0) must be at least 1"),
        (dict(width=5.0), TypeError, "width (=5.0) must be an integer"),
        (dict(stride=0), ValueError, "stride (=0) must be at least 1"),
        (dict(padding=-1), ValueError, "padding (=-1) must be at least 0"),
        (dict(dilation=(1, 0)), ValueError, "dilation[1] (=0) must be at least 1"),
        (dict(dilation=5), ValueError, "it spans (11, 11) pixels with dilation (=(5, 5))"),
        (dict(padding_mode="same"), ValueError, "padding_mode (='same') must be one of"),
        (dict(padding=5, padding_mode="reflect"), ValueError, "must be at most 4 along the height"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        conv_matrix(**{"kernel": np.ones((3, 3)), "height": 5, "width": 5, **arguments})
