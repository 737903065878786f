"""The fully connected layer against torch."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import linear, linear_backward

SIZES = st.integers(1, 5)


@given(front=st.lists(SIZES, max_size=3), n_in=SIZES, n_out=SIZES)
@settings(max_examples=40, deadline=None)
def test_against_torch(compare, front, n_in, n_out):
    rng = np.random.default_rng(0)
    compare(
        linear,
        lambda grad, x, weight, bias: linear_backward(grad, x, weight),
        functional.linear,
        *(rng.normal(size=shape) for shape in ((*front, n_in), (n_out, n_in), n_out)),
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(x=np.ones((2, 4))), "x has shape (2, 4), must have 3 values along its last axis"),
        (dict(x=3.0), "x has shape (), must have 3 values along its last axis"),
        (dict(weight=np.ones(3)), "weight has shape (3,), must have 2 dimensions (n_out, n_in)"),
        (dict(weight=np.ones((0, 3))), "weight has shape (0, 3), must not be empty"),
        (dict(bias=np.ones(3)), "bias has shape (3,), must have shape (5,): one for each output"),
    ],
)
def test_bad_input(arguments, message):
    good = dict(x=np.ones((2, 3)), weight=np.ones((5, 3)))
    with pytest.raises(ValueError, match=re.escape(message)):
        linear(**good | arguments)
    if "bias" not in arguments:
        with pytest.raises(ValueError, match=re.escape(message)):
            linear_backward(np.ones((2, 5)), **good | arguments)
