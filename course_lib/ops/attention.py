"""Scaled dot-product attention: every token takes a weighted mean of all tokens' values.

How much of each it takes is decided by what the tokens hold: query i meets key j in a dot product,
and the softmax over j turns the row of products into weights.

    output = softmax(q · kᵀ / √D) · v

A convolution's weights are fixed and reach its window; these depend on the input and reach
everywhere, at a cost of L² products.

Source: Vaswani et al., "Attention is all you need", 2017.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, flag, number, numbers, shaped
from course_lib.ops._dtypes import answer, real_types

__all__ = ["scaled_dot_product_attention", "scaled_dot_product_attention_backward"]


def scaled_dot_product_attention(
    q: npt.ArrayLike,
    k: npt.ArrayLike,
    v: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """Queries (…, L, D), keys (…, S, D) and values (…, S, E) → (…, L, E).

    The axes in front (batch, heads) are the same for all three. `mask` is (L, S) or broadcasts to
    (…, L, S): booleans say which keys may be seen, numbers are added to the scores. `is_causal`
    lets query i see the keys up to i. `scale` is 1/√D unless given. Integers give float64.

    Raises TypeError for arrays that are not numeric, ValueError where shapes do not fit, and for a
    query that no key is left to.

    >>> q, k, v = [[0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]], [[10.0], [20.0]]
    >>> print(scaled_dot_product_attention(q, k, v))  # an undecided query takes the mean
    [[15.]]
    >>> print(scaled_dot_product_attention(q, k, v, mask=[[False, True]]))
    [[20.]]
    """
    q, k, v, added, factor = _checked(q, k, v, mask, is_causal, scale)
    computing, result = real_types(q, k, v)
    q, k, v = (array.astype(computing, copy=False) for array in (q, k, v))
    return answer(_weights(q, k, added, factor) @ v, result)  # (…, L, S) @ (…, S, E)


def scaled_dot_product_attention_backward(
    grad_out: npt.ArrayLike,
    q: npt.ArrayLike,
    k: npt.ArrayLike,
    v: npt.ArrayLike,
    mask: npt.ArrayLike | None = None,
    is_causal: bool = False,
    scale: float | None = None,
) -> tuple[Array, Array, Array]:
    """The gradients of `scaled_dot_product_attention`: (…, L, E) → those of q, k and v.

    Back through the product with v, the softmax (see `softmax_backward`) and the product q·kᵀ.
    Types and errors are as forward, and ValueError where grad_out has not the output's shape.

    >>> q, k, v = [[0.0]], [[1.0], [-1.0]], [[10.0], [20.0]]
    >>> grads = scaled_dot_product_attention_backward([[1.0]], q, k, v)
    >>> print(*(grad.ravel() for grad in grads))
    [-5.] [0. 0.] [0.5 0.5]
    """
    q, k, v, added, factor = _checked(q, k, v, mask, is_causal, scale)
    out_shape = (*q.shape[:-1], v.shape[-1])
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    computing, result = real_types(grad_out, q, k, v)
    grad_out, q, k, v = (array.astype(computing, copy=False) for array in (grad_out, q, k, v))
    p = _weights(q, k, added, factor)  # (…, L, S)
    grad_p = grad_out @ v.swapaxes(-1, -2)  # (…, L, E) @ (…, E, S)
    grad_scores = p * (grad_p - (p * grad_p).sum(axis=-1, keepdims=True)) * factor
    return (
        (grad_scores @ k).astype(result, copy=False),
        (grad_scores.swapaxes(-1, -2) @ q).astype(result, copy=False),
        (p.swapaxes(-1, -2) @ grad_out).astype(result, copy=False),
    )


def _weights(q: Array, k: Array, added: Array | None, factor: float) -> Array:
    """softmax(q · kᵀ · factor + added): (…, L, S), rows that add up to one."""
    scores = (q @ k.swapaxes(-1, -2)) * factor  # (…, L, D) @ (…, D, S)
    if added is not None:
        scores = scores + added.astype(scores.dtype)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    out: Array = powers / powers.sum(axis=-1, keepdims=True)
    return out


def _checked(
    q: npt.ArrayLike,
    k: npt.ArrayLike,
    v: npt.ArrayLike,
    mask: npt.ArrayLike | None,
    is_causal: bool,
    scale: float | None,
) -> tuple[Array, Array, Array, Array | None, float]:
    """The arrays, what to add to their scores, and the scale."""
    q, k, v = numbers(q, "q"), numbers(k, "k"), numbers(v, "v")
    for array, name, axes in ((q, "q", "(…, L, D)"), (k, "k", "(…, S, D)"), (v, "v", "(…, S, E)")):
        if array.ndim < 2:
            raise ValueError(f"{name} has shape {array.shape}, must have axes {axes}")
        if array.shape[:-2] != q.shape[:-2]:
            raise ValueError(
                f"{name} has shape {array.shape}, must have the axes {q.shape[:-2]} of q in front"
            )
        if 0 in array.shape[-2:]:
            raise ValueError(f"{name} has shape {array.shape}, must not be empty along {axes[1:]}")
    if k.shape[-1] != q.shape[-1]:
        raise ValueError(f"k has shape {k.shape}, must have D={q.shape[-1]} values, as q has")
    if v.shape[-2] != k.shape[-2]:
        raise ValueError(
            f"v has shape {v.shape}, must have S={k.shape[-2]} values, one for each key"
        )
    factor = 1 / math.sqrt(q.shape[-1]) if scale is None else number(scale, "scale")
    scores_shape = (*q.shape[:-1], k.shape[-2])  # (…, L, S)
    return q, k, v, _added(mask, flag(is_causal, "is_causal"), scores_shape), factor


def _added(mask: npt.ArrayLike | None, is_causal: bool, shape: tuple[int, ...]) -> Array | None:
    """What to add to the scores, −inf where a key is not to be seen; None for nothing."""
    added: Array | None = None
    if mask is not None:
        given = numbers(mask, "mask")
        try:
            np.broadcast_to(given, shape)
        except ValueError:
            raise ValueError(
                f"mask has shape {given.shape}, must broadcast to (…, L, S), which is {shape}"
            ) from None
        added = np.where(given, 0, -np.inf) if given.dtype.kind == "b" else given
    if is_causal:
        seen = np.tri(shape[-2], shape[-1]) > 0  # row i: keys 0 … i
        causal = np.where(seen, 0, -np.inf)
        added = causal if added is None else added + causal
    if added is not None and (added == -np.inf).all(axis=-1).any():
        raise ValueError("mask must leave at least one key to each query")
    return added
