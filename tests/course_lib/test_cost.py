"""Parameter counts against torch's own layers and against the published numbers."""

import re

import numpy as np
import pytest
from torch import nn

from course_lib.cost import conv_params, fc_params


def torch_count(layer: nn.Module) -> int:
    return sum(parameter.numel() for parameter in layer.parameters())


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("n_in", "n_out"), [(1, 1), (784, 512), (7, 3), (3, 7)])
def test_fully_connected_against_torch(n_in, n_out, bias):
    assert fc_params(n_in, n_out, bias) == torch_count(nn.Linear(n_in, n_out, bias=bias))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(
    ("c_in", "c_out", "kernel"), [(1, 1, 1), (3, 16, 3), (3, 64, (7, 5)), (16, 8, [1, 3])]
)
def test_convolution_against_torch(c_in, c_out, kernel, bias):
    kernel_size = kernel if isinstance(kernel, int) else tuple(kernel)
    layer = nn.Conv2d(c_in, c_out, kernel_size, bias=bias)
    assert conv_params(c_in, c_out, kernel, bias) == torch_count(layer)


@pytest.mark.parametrize(
    ("n_in", "n_out", "weights"),
    [
        (28 * 28, 512, 401_408),
        (224 * 224 * 3, 512, 77_070_336),
        (200 * 200 * 3, 1000, 120_000_000),
        (10**9, 10**9, 10**18),
        (10**12, 10**12, 10**24),  # beyond 64 bits: Python's integers do not wrap
    ],
)
def test_the_weights_of_the_text(n_in, n_out, weights):
    assert fc_params(n_in, n_out, bias=False) == weights
    assert fc_params(np.int64(n_in), n_out, bias=False) == weights


def test_answers_are_plain_integers():
    assert type(fc_params(np.int64(3), np.int32(2))) is int
    assert type(conv_params(np.int64(3), np.int32(2), np.int64(3), np.True_)) is int


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: fc_params(0, 1), ValueError, "n_in (=0) must be at least 1"),
        (lambda: fc_params(1, -2), ValueError, "n_out (=-2) must be at least 1"),
        (lambda: fc_params(784.0, 1), TypeError, "n_in (=784.0) must be an integer"),
        (lambda: fc_params("784", 1), TypeError, "n_in (='784') must be an integer"),
        (lambda: fc_params(1, 1, bias=1), TypeError, "bias (=1) must be True or False"),
        (lambda: conv_params(0, 1, 3), ValueError, "c_in (=0) must be at least 1"),
        (lambda: conv_params(1, 0, 3), ValueError, "c_out (=0) must be at least 1"),
        (lambda: conv_params(1, 1, 0), ValueError, "kernel_size (=0) must be at least 1"),
        (lambda: conv_params(1, 1, (3, 0)), ValueError, "kernel_size[1] (=0) must be at least 1"),
        (lambda: conv_params(1, 1, 3.0), TypeError, "kernel_size (=3.0) must be an integer"),
        (lambda: conv_params(1, 1, (3, 3, 3)), ValueError, "kernel_size (=(3, 3, 3)) must be"),
        (lambda: conv_params(1, 1, 3, bias=None), TypeError, "bias (=None) must be True or False"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
