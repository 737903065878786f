"""Scaled dot-product attention against torch."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from course_lib.ops import (
    scaled_dot_product_attention,
    scaled_dot_product_attention_backward,
    softmax,
)

SIZES = st.integers(1, 5)


@given(
    front=st.lists(st.integers(1, 3), max_size=2),
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES),
    kind=st.sampled_from(["none", "causal", "booleans", "numbers"]),
    scale=st.sampled_from([None, 1.0, 0.3]),
)
@settings(max_examples=50, deadline=None)
def test_against_torch(compare, front, sizes, kind, scale):
    queries, keys, depth, width = sizes
    rng = np.random.default_rng(0)
    mask = None
    if kind == "booleans":
        mask = rng.random((queries, keys)) < 0.5
        mask[:, 0] = True  # something to look at for every query
    if kind == "numbers":
        mask = rng.normal(size=(queries, keys))

    def reference(q, k, v):
        given = None if mask is None else torch.tensor(mask)
        given = given.to(q.dtype) if kind == "numbers" else given
        return functional.scaled_dot_product_attention(
            q, k, v, given, is_causal=kind == "causal", scale=scale
        )

    options = dict(mask=mask, is_causal=kind == "causal", scale=scale)
    compare(
        lambda *arrays: scaled_dot_product_attention(*arrays, **options),
        lambda *arrays: scaled_dot_product_attention_backward(*arrays, **options),
        reference,
        rng.normal(size=(*front, queries, depth)),
        rng.normal(size=(*front, keys, depth)),
        rng.normal(size=(*front, keys, width)),
    )


def test_a_causal_mask_and_one_of_numbers_add_up():
    rng = np.random.default_rng(0)
    q, k, v = rng.normal(size=(3, 4, 2))
    bias = rng.normal(size=(4, 4))
    out = scaled_dot_product_attention(q, k, v, mask=bias, is_causal=True, scale=1.0)
    scores = np.where(np.tri(4) == 1, q @ k.T + bias, -np.inf)
    np.testing.assert_allclose(out, softmax(scores) @ v, 1e-12)


def test_large_scores_do_no_harm():
    out = scaled_dot_product_attention([[1000.0]], [[1000.0], [-1000.0]], [[1.0], [2.0]])
    assert out.tolist() == [[1.0]]


Q = dict(q=np.ones((2, 3, 4)), k=np.ones((2, 5, 4)), v=np.ones((2, 5, 6)))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(q=np.ones(4)), ValueError, "q has shape (4,), must have axes (…, L, D)"),
        (dict(k=np.ones((1, 5, 4))), ValueError, "must have the axes (2,) of q in front"),
        (dict(k=np.ones((2, 5, 3))), ValueError, "k has shape (2, 5, 3), must have D=4 values"),
        (dict(v=np.ones((2, 4, 6))), ValueError, "must have S=5 values, one for each key"),
        (dict(v=np.ones((2, 5, 0))), ValueError, "v has shape (2, 5, 0), must not be empty along"),
        (dict(mask=np.ones((5, 3))), ValueError,
         "mask has shape (5, 3), must broadcast to (…, L, S), which is (2, 3, 5)"),
        (dict(mask=np.zeros((3, 5), bool)), ValueError, "mask must leave at least one key to each"),
        (dict(mask=np.full((3, 5), -np.inf)), ValueError, "mask must leave at least one key"),
        (dict(mask="causal"), TypeError, "mask (='causal') must be an array of real numbers"),
        (dict(is_causal=1), TypeError, "is_causal (=1) must be True or False"),
        (dict(scale="1"), TypeError, "scale (='1') must be a number"),
    ],
)  # fmt: skip
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        scaled_dot_product_attention(**Q | arguments)
    with pytest.raises(error, match=re.escape(message)):
        scaled_dot_product_attention_backward(np.ones((2, 3, 6)), **Q | arguments)
