"""Softmax and cross-entropy against torch."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import cross_entropy, cross_entropy_backward, softmax, softmax_backward


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    axis=st.integers(-4, 3),
    scale=st.sampled_from([1.0, 100.0]),
)
@settings(max_examples=40, deadline=None)
def test_softmax_against_torch(compare, shape, axis, scale):
    axis = axis % len(shape) if axis >= 0 else axis % len(shape) - len(shape)
    compare(
        lambda x: softmax(x, axis),
        lambda grad, x: softmax_backward(grad, x, axis),
        lambda x: torch.softmax(x, axis),
        np.random.default_rng(0).normal(size=shape) * scale,
    )


@given(
    images=st.integers(1, 5),
    classes=st.integers(1, 6),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    scale=st.sampled_from([1.0, 1000.0]),
)
@settings(max_examples=40, deadline=None)
def test_cross_entropy_against_torch(compare, images, classes, reduction, scale):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, classes, images)
    compare(
        lambda x: cross_entropy(x, targets, reduction),
        lambda grad, x: cross_entropy_backward(grad, x, targets, reduction),
        lambda x: functional.cross_entropy(x, torch.tensor(targets), reduction=reduction),
        rng.normal(size=(images, classes)) * scale,
    )


def test_a_loss_stays_finite_for_scores_of_a_thousand():
    logits = [[1000.0, -1000.0], [-1000.0, 1000.0]]
    assert cross_entropy(logits, [0, 0], "none").tolist() == [0.0, 2000.0]
    assert cross_entropy(logits, [0, 0]).shape == ()


def test_the_mean_over_nothing_is_nan_as_in_torch():
    logits, targets = np.ones((0, 3)), np.ones(0, int)
    assert np.isnan(cross_entropy(logits, targets))
    assert functional.cross_entropy(torch.ones(0, 3), torch.ones(0, dtype=int)).isnan()
    assert cross_entropy(logits, targets, "sum") == 0
    assert cross_entropy_backward(1.0, logits, targets).shape == (0, 3)


@pytest.mark.parametrize("kind", [list, np.int8, np.uint64, torch.tensor])
def test_targets_may_be_any_integers(kind):
    targets = kind([1, 0]) if kind in (list, torch.tensor) else np.array([1, 0], kind)
    np.testing.assert_allclose(cross_entropy(np.zeros((2, 4)), targets), np.log(4))


def test_a_plain_gradient_takes_the_type_of_the_logits():
    logits = np.zeros((1, 2), np.float32)
    assert cross_entropy_backward(1.0, logits, [0]).dtype == np.float32
    assert cross_entropy(logits, [0]).dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            dict(logits=np.ones(3)),
            ValueError,
            "logits has shape (3,), must have 2 dimensions (N, K",
        ),
        (dict(logits=np.ones((2, 0))), ValueError, "must not be empty but along N"),
        (dict(targets=[0, 3]), ValueError, "targets[1] (=3) must be a class number from 0 to 2"),
        (dict(targets=[-1, 0]), ValueError, "targets[0] (=-1) must be a class number from 0 to 2"),
        (dict(targets=[0]), ValueError, "targets has shape (1,), must have shape (2,): a class"),
        (
            dict(targets=[0.0, 1.0]),
            TypeError,
            "targets must be integers, class numbers, not of typ",
        ),
        (dict(targets=[True, False]), TypeError, "targets must be integers"),
        (dict(targets=np.eye(2)), ValueError, "targets has shape (2, 2), must have shape (2,)"),
        (dict(reduction="avg"), ValueError, "reduction (='avg') must be one of 'mean', 'sum', 'n"),
    ],
)
def test_bad_input(arguments, error, message):
    good = dict(logits=np.ones((2, 3)), targets=[0, 1])
    with pytest.raises(error, match=re.escape(message)):
        cross_entropy(**good | arguments)
    with pytest.raises(error, match=re.escape(message)):
        cross_entropy_backward(1.0, **good | arguments)


@pytest.mark.parametrize(
    ("axis", "error", "message"),
    [
        (2, ValueError, "axis (=2) must be an axis of x, which has shape (2, 3)"),
        (-3, ValueError, "axis (=-3) must be an axis of x, which has shape (2, 3)"),
        (1.0, TypeError, "axis (=1.0) must be an integer"),
    ],
)
def test_bad_axes(axis, error, message):
    with pytest.raises(error, match=re.escape(message)):
        softmax(np.ones((2, 3)), axis)
    with pytest.raises(error, match=re.escape(message)):
        softmax_backward(np.ones((2, 3)), np.ones((2, 3)), axis)
