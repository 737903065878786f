"""Activations against torch and SciPy, far out as well as around zero."""

import re

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib import ops

PAIRS = {
    "relu": (ops.relu, ops.relu_backward, torch.relu),
    "sigmoid": (ops.sigmoid, ops.sigmoid_backward, torch.sigmoid),
    "silu": (ops.silu, ops.silu_backward, functional.silu),
    "gelu": (ops.gelu, ops.gelu_backward, functional.gelu),
    "gelu tanh": (
        lambda x: ops.gelu(x, "tanh"),
        lambda grad, x: ops.gelu_backward(grad, x, "tanh"),
        lambda x: functional.gelu(x, approximate="tanh"),
    ),
}

everything = pytest.mark.parametrize("name", PAIRS)


@everything
@given(shape=st.lists(st.integers(1, 5), max_size=4), scale=st.sampled_from([0.1, 1, 10]))
@settings(max_examples=20, deadline=None)
def test_against_torch(compare, name, shape, scale):
    x = np.random.default_rng(0).normal(size=shape) * scale
    compare(*PAIRS[name], np.asarray(x))


@everything
def test_far_out(name):
    forward, backward, reference = PAIRS[name]
    x = np.array([-1e4, -745.0, -88.0, -30.0, -6.0, -0.0, 0.0, 6.0, 30.0, 88.0, 745.0, 1e4])
    leaf = torch.tensor(x, requires_grad=True)
    expected = reference(leaf)
    expected.backward(torch.ones_like(leaf))
    np.testing.assert_allclose(forward(x), expected.detach().numpy(), 1e-10, 1e-15)
    np.testing.assert_allclose(backward(np.ones_like(x), x), leaf.grad.numpy(), 1e-10, 1e-15)


def test_small_values_keep_their_digits():
    x = np.array([-36.0, -20.0, -10.0, -5.0])
    np.testing.assert_allclose(ops.sigmoid(x), scipy.special.expit(x), 1e-14)
    np.testing.assert_allclose(ops.gelu(x), x * scipy.special.ndtr(x), 1e-12)


def test_relu_has_no_slope_at_zero():
    assert ops.relu_backward([5.0, 5.0], [0.0, -0.0]).tolist() == [0.0, 0.0]


def test_a_gradient_comes_in_the_shape_of_x():
    for _, backward, _ in PAIRS.values():
        message = re.escape("grad_out has shape (2,), must have shape (3,): that of x")
        with pytest.raises(ValueError, match=message):
            backward(np.ones(2), np.ones(3))


def test_an_unknown_approximation():
    message = re.escape("approximate (='tan') must be one of 'none', 'tanh': did you mean 'tanh'?")
    with pytest.raises(ValueError, match=message):
        ops.gelu([1.0], approximate="tan")
    with pytest.raises(ValueError, match=message):
        ops.gelu_backward([1.0], [1.0], approximate="tan")
