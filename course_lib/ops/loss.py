"""Softmax and cross-entropy: from scores to probabilities, and how wrong they are.

`softmax` turns scores (logits) into positive numbers that add up to one. Cross-entropy is the
surprise at the right answer, -log p[target]. Together they are -(score of the target) + log of the
sum of exponentials, and their gradient is as simple as can be: p - onehot(target).

Shifting all scores by a constant changes nothing, so the largest is subtracted first: the
exponentials stay at most 1, and scores of ±1000 do no harm.

Source: Goodfellow, Bengio and Courville, "Deep learning", 2016, sections 4.1 and 6.2.2.
"""

from __future__ import annotations

from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, batch, choice, integer, numbers, shaped, shown
from course_lib.ops._dtypes import answer, real_types

__all__ = [
    "cross_entropy",
    "cross_entropy_backward",
    "softmax",
    "softmax_backward",
]

REDUCTIONS = ("mean", "sum", "none")


def softmax(x: npt.ArrayLike, axis: SupportsIndex = -1) -> Array:
    """Exponentials divided by their sum along an axis; the shape stays. Integers give float64.

    Raises TypeError for an array that is not numeric, ValueError for an axis that x does not have.

    >>> print(softmax([[0.0, 0.0], [1000.0, 0.0]]))
    [[0.5 0.5]
     [1.  0. ]]
    """
    x, along = _with_axis(x, axis)
    computing, result = real_types(x)
    return answer(_softmax(x.astype(computing), along), result)


def softmax_backward(grad_out: npt.ArrayLike, x: npt.ArrayLike, axis: SupportsIndex = -1) -> Array:
    """The gradient of `softmax`: p · (grad_out - sum of p · grad_out). Raising one lowers all.

    Errors are as in `softmax`, and ValueError where grad_out has not the shape of x.

    >>> softmax_backward([4.0, 0.0], [0.0, 0.0])
    array([ 1., -1.])
    """
    x, along = _with_axis(x, axis)
    grad_out = shaped(grad_out, "grad_out", x.shape, "that of x")
    computing, result = real_types(grad_out, x)
    p = _softmax(x.astype(computing), along)
    passed = p * (grad_out - (p * grad_out).sum(axis=along, keepdims=True))
    return answer(passed, result)


def cross_entropy(logits: npt.ArrayLike, targets: npt.ArrayLike, reduction: str = "mean") -> Array:
    """The surprise at the right classes: (N, K) scores and (N,) class numbers → () or (N,).

    `reduction` is "mean" or "sum" over the batch, which give an array without axes, or "none". The
    mean over a batch of none is NaN, as in PyTorch. Integers give float64.

    Raises TypeError where targets are not integers, ValueError for wrong shapes and for a target
    that is no class.

    >>> cross_entropy([[0.0, 0.0], [1000.0, -1000.0]], [1, 0], reduction="none")
    array([0.69314718, 0.        ])
    """
    logits, targets = _checked(logits, targets)
    choice(reduction, "reduction", REDUCTIONS)
    computing, result = real_types(logits)
    logits = logits.astype(computing)
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))  # (N,)
    losses: Array = log_sum - shifted[np.arange(len(targets)), targets]  # (N,)
    if reduction == "none":
        return losses.astype(result, copy=False)
    total = losses.sum()
    if reduction == "mean":
        total = total / len(losses) if len(losses) else total * np.nan
    return answer(total, result)


def cross_entropy_backward(
    grad_out: npt.ArrayLike,
    logits: npt.ArrayLike,
    targets: npt.ArrayLike,
    reduction: str = "mean",
) -> Array:
    """The gradient of `cross_entropy`: () or (N,) → (N, K), which is softmax - onehot, scaled.

    `grad_out` is 1.0 where the loss is the end of it all. Errors are as in `cross_entropy`.

    >>> cross_entropy_backward(1.0, [[0.0, 0.0]], [1])
    array([[ 0.5, -0.5]])
    """
    logits, targets = _checked(logits, targets)
    choice(reduction, "reduction", REDUCTIONS)
    out_shape = (len(logits),) if reduction == "none" else ()
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    # A plain number takes the type of the logits, as 1.0 does in NumPy's own arithmetic.
    computing, result = real_types(logits, *([grad_out] if grad_out.ndim else []))
    grad = _softmax(logits.astype(computing), 1)
    grad[np.arange(len(targets)), targets] -= 1
    if reduction == "mean" and len(grad):
        grad /= len(grad)
    grad *= grad_out.astype(computing)[..., np.newaxis]  # (N, 1), or (1,) for a single loss
    return grad.astype(result, copy=False)


def _softmax(x: Array, axis: int) -> Array:
    if x.size == 0:
        return x
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    out: Array = powers / powers.sum(axis=axis, keepdims=True)
    return out


def _with_axis(x: npt.ArrayLike, axis: SupportsIndex) -> tuple[Array, int]:
    x, along = numbers(x, "x"), integer(axis, "axis")
    if not -x.ndim <= along < x.ndim:
        raise ValueError(f"axis (={along}) must be an axis of x, which has shape {x.shape}")
    return x, along


def _checked(logits: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Array, Array]:
    logits = batch(logits, "logits", ("N", "K"))
    targets = shaped(targets, "targets", (len(logits),), "a class number for each row of logits")
    if targets.dtype.kind not in "iu" and len(targets):
        raise TypeError(
            f"targets must be integers, class numbers, not of type {targets.dtype.name}"
        )
    classes = logits.shape[1]
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if len(wrong):
        raise ValueError(
            f"targets[{wrong[0]}] (={shown(targets[wrong[0]])}) must be a class number "
            f"from 0 to {classes - 1}"
        )
    return logits, targets.astype(np.intp)
