"""Costs against torch's own layers and against the published numbers."""

import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib.cost import conv_cost, conv_params, fc_params


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
    ("kernel", "size", "sizes"),
    [
        (3, (32, 32), {"padding": 1}),
        (1, (7, 9), {}),
        ((3, 5), (20, 17), {"stride": (2, 3), "padding": [1, 0], "bias": False}),
        (3, (15, 16), {"dilation": (2, 1), "stride": np.int64(2), "groups": 4}),
        (5, (9, 9), {"groups": 2, "bias": False}),
    ],
)
def test_cost_against_torch_and_its_counter(kernel, size, sizes):
    options = {
        name: value if isinstance(value, bool) else tuple(int(v) for v in np.broadcast_to(value, 2))
        for name, value in sizes.items()
        if name != "groups"
    }
    layer = nn.Conv2d(8, 12, kernel, groups=sizes.get("groups", 1), **options)
    with FlopCounterMode(display=False) as counter:
        out = layer(torch.zeros(1, 8, *size))
    found = conv_cost(8, 12, kernel, *size, **sizes)
    assert found == {
        "params": torch_count(layer),
        "macs": counter.get_total_flops() // 2,
        "flops": counter.get_total_flops(),
        "output_shape": tuple(out.shape[1:]),
    }
    assert all(type(found[key]) is int for key in ("params", "macs", "flops"))
    assert all(type(n) is int for n in found["output_shape"])


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
        (lambda: conv_params(4, 6, 3, groups=4), ValueError, "groups (=4) must divide c_out (=6)"),
        (lambda: conv_params(3, 6, 3, groups=2), ValueError, "groups (=2) must divide c_in (=3)"),
        (lambda: conv_params(4, 4, 3, groups=0), ValueError, "groups (=0) must be at least 1"),
        (lambda: conv_cost(1, 1, 3, 2, 9), ValueError, "kernel (=3) must fit"),
        (lambda: conv_cost(1, 1, 3, 9, 9, stride=0), ValueError, "stride (=0) must be at least 1"),
        (lambda: conv_cost(1, 1, 3, 9, 9.0), TypeError, "width (=9.0) must be an integer"),
    ],
)
def test_bad_input(call, error, message):
    with pytest.raises(error, match=re.escape(message)):
        call()
