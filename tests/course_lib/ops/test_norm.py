"""Batch, layer and group norm against torch."""

import math
import re

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib import ops

SMALL = st.integers(1, 4)

ENOUGH = 6
"""Of so many values some differ enough. Two become -1 and 1 whatever they were, so that their
gradient is the rest of a cancellation, of which float32 keeps no digit."""


@given(
    shape=st.tuples(st.integers(1, 3), SMALL, SMALL, SMALL),
    training=st.booleans(),
    momentum=st.sampled_from([0.0, 0.1, 1.0]),
    eps=st.sampled_from([1e-5, 0.1]),
)
@settings(max_examples=50, deadline=None)
def test_batch_norm_against_torch(compare, shape, training, momentum, eps):
    if training and shape[0] * shape[2] * shape[3] == 1:
        shape = (2, *shape[1:])
    rng = np.random.default_rng(0)
    x, gamma, beta = (rng.normal(1.0, 2.0, size=s) for s in (shape, shape[1], shape[1]))
    mean, var = rng.normal(size=shape[1]), rng.uniform(0.5, 2, size=shape[1])

    def running(array):
        return mean.astype(array.dtype), var.astype(array.dtype)

    def reference(x, gamma, beta):
        tensors = (torch.tensor(a) for a in running(x.detach().numpy()))
        return functional.batch_norm(x, *tensors, gamma, beta, training, momentum, eps)

    compare(
        lambda x, *rest: ops.batch_norm2d(x, *rest, *running(x), training, momentum, eps)[0],
        lambda grad, x, gamma, beta: ops.batch_norm2d_backward(
            grad, x, gamma, *running(x), training, eps
        ),
        reference,
        *(x, gamma, beta),
        single=x[:, 0].size >= ENOUGH,
    )
    torch_mean, torch_var = torch.tensor(mean), torch.tensor(var)
    functional.batch_norm(torch.tensor(x), torch_mean, torch_var, None, None, training, momentum)
    before = mean.copy(), var.copy()
    _, new_mean, new_var = ops.batch_norm2d(x, gamma, beta, mean, var, training, momentum)
    np.testing.assert_allclose(new_mean, torch_mean.numpy(), 1e-10)
    np.testing.assert_allclose(new_var, torch_var.numpy(), 1e-10)
    for array, copy in zip((mean, var), before, strict=True):
        np.testing.assert_array_equal(array, copy)


@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    last=st.integers(1, 3),
    eps=st.sampled_from([1e-5, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_layer_norm_against_torch(compare, shape, last, eps):
    normalised = shape[1:][-last:]
    assume(math.prod(normalised) > 1)
    rng = np.random.default_rng(0)
    compare(
        lambda *arrays: ops.layer_norm(*arrays, eps),
        lambda grad, x, gamma, beta: ops.layer_norm_backward(grad, x, gamma, eps),
        lambda x, gamma, beta: functional.layer_norm(x, normalised, gamma, beta, eps),
        *(rng.normal(1.0, 2.0, size=s) for s in (shape, normalised, normalised)),
        single=math.prod(normalised) >= ENOUGH,
    )


@given(
    groups=st.integers(1, 3),
    per_group=st.integers(1, 3),
    rest=st.lists(st.integers(1, 4), min_size=0, max_size=3),
    eps=st.sampled_from([1e-5, 0.1]),
)
@settings(max_examples=40, deadline=None)
def test_group_norm_against_torch(compare, groups, per_group, rest, eps):
    channels = groups * per_group
    assume(per_group * math.prod(rest) > 1)
    rng = np.random.default_rng(0)
    compare(
        lambda x, gamma, beta: ops.group_norm(x, groups, gamma, beta, eps),
        lambda grad, x, gamma, beta: ops.group_norm_backward(grad, x, groups, gamma, eps),
        lambda x, gamma, beta: functional.group_norm(x, groups, gamma, beta, eps),
        *(rng.normal(1.0, 2.0, size=s) for s in ((2, channels, *rest), channels, channels)),
        single=per_group * math.prod(rest) >= ENOUGH,
    )


def test_a_value_by_itself_is_its_own_mean():
    """Exactly so: torch's float32 is 1e-5 off here, so it is no judge of this case."""
    x = np.array([[3.7], [-0.1]], np.float32)
    gamma, beta = np.array([2.0], np.float32), np.array([0.5], np.float32)
    assert (ops.layer_norm(x, gamma, beta) == 0.5).all()
    assert (ops.group_norm(x, 1, gamma, beta) == 0.5).all()
    for grads in (
        ops.layer_norm_backward(np.ones_like(x), x, gamma),
        ops.group_norm_backward(np.ones_like(x), x, 1, gamma),
    ):
        assert [grad.ravel().tolist() for grad in grads] == [[0.0, 0.0], [0.0], [2.0]]


def test_an_empty_batch_leaves_the_running_statistics_alone():
    mean, var = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    x = np.ones((0, 2, 3, 3))
    out, new_mean, new_var = ops.batch_norm2d(x, [1, 1], [0, 0], mean, var, training=True)
    assert out.shape == x.shape
    np.testing.assert_array_equal(new_mean, mean)
    np.testing.assert_array_equal(new_var, var)


C = np.ones(4)
BATCH = dict(x=np.ones((2, 4, 3, 3)), gamma=C, beta=C, running_mean=C, running_var=C, training=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(x=np.ones((2, 4))), ValueError, "x has shape (2, 4), must have 4 dimensions"),
        (dict(x=np.ones((1, 4, 1, 1))), ValueError,
         "x has shape (1, 4, 1, 1), must have more than one value for each channel in training"),
        (dict(gamma=np.ones(3)), ValueError, "gamma has shape (3,), must have shape (4,): one for"),
        (dict(beta=np.ones((4, 1))), ValueError, "beta has shape (4, 1), must have shape (4,)"),
        (dict(running_mean=0.0), ValueError, "running_mean has shape (), must have shape (4,)"),
        (dict(running_var=np.ones(5)), ValueError, "running_var has shape (5,), must have"),
        (dict(training=1), TypeError, "training (=1) must be True or False"),
        (dict(momentum="0.1"), TypeError, "momentum (='0.1') must be a number, not str"),
        (dict(momentum=np.nan), ValueError, "momentum (=nan) must be finite"),
        (dict(eps=0), ValueError, "eps (=0) must be above 0"),
    ],
)  # fmt: skip
def test_bad_input_of_batch_norm(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ops.batch_norm2d(**BATCH | arguments)
    backward = {key: value for key, value in (BATCH | arguments).items() if key != "beta"}
    if not {"beta", "momentum"} & set(arguments):
        with pytest.raises(error, match=re.escape(message)):
            ops.batch_norm2d_backward(np.ones(np.shape(backward["x"])), **backward)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(gamma=np.ones(3), beta=np.ones(3)),
         "gamma has shape (3,), must have the last axes of x, of shape (2, 5)"),
        (dict(gamma=1.0), "gamma has shape (), must have the last axes of x"),
        (dict(beta=np.ones(3)), "beta has shape (3,), must have shape (5,): that of gamma"),
        (dict(eps=-1e-5), "eps (=-1e-05) must be above 0"),
    ],
)  # fmt: skip
def test_bad_input_of_layer_norm(arguments, message):
    good = dict(x=np.ones((2, 5)), gamma=np.ones(5), beta=np.ones(5))
    with pytest.raises(ValueError, match=re.escape(message)):
        ops.layer_norm(**good | arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(groups=3), "groups (=3) must divide the 4 channels of x"),
        (dict(groups=0), "groups (=0) must be at least 1"),
        (dict(x=np.ones(4)), "x has shape (4,), must be (N, C, …), not empty but along N"),
        (dict(x=np.ones((2, 4, 0))), "must be (N, C, …), not empty but along N"),
        (dict(gamma=np.ones(3)), "gamma has shape (3,), must have shape (4,): one for each chan"),
        (dict(beta=np.ones(3)), "beta has shape (3,), must have shape (4,): one for each channel"),
        (dict(eps=np.inf), "eps (=inf) must be finite"),
    ],
)
def test_bad_input_of_group_norm(arguments, message):
    good = dict(x=np.ones((2, 4, 3)), groups=2, gamma=C, beta=C)
    with pytest.raises(ValueError, match=re.escape(message)):
        ops.group_norm(**good | arguments)
