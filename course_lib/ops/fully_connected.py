"""A fully connected layer: every output is a weighted sum of all inputs.

Source: Goodfellow, Bengio and Courville, "Deep learning", 2016, section 6.1.
"""

from __future__ import annotations

import numpy.typing as npt

from course_lib._validate import Array, numbers, real_array, shaped
from course_lib.ops._dtypes import answer, computing_and_result_types

__all__ = ["linear", "linear_backward"]


def linear(x: npt.ArrayLike, weight: npt.ArrayLike, bias: npt.ArrayLike | None = None) -> Array:
    """x @ weight.T + bias: (…, n_in), (n_out, n_in) and (n_out,) → (…, n_out).

    The result's type is NumPy's promotion of the types that went in; integers give int64, float16
    is computed in float32. Raises TypeError for arrays that are not numeric, ValueError where their
    shapes do not fit.

    >>> linear([1, 2], [[3, 4], [5, 6], [7, 8]], bias=[0, 0, 100])
    array([ 11,  17, 123])
    """
    x, weight = _checked(x, weight)
    biases = [] if bias is None else [shaped(bias, "bias", weight.shape[:1], "one for each output")]
    computing, result = computing_and_result_types(x, weight, *biases)
    out = x.astype(computing, copy=False) @ weight.T.astype(computing, copy=False)
    for values in biases:
        out = out + values.astype(computing)
    return answer(out, result)


def linear_backward(
    grad_out: npt.ArrayLike, x: npt.ArrayLike, weight: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """The gradients of `linear`: (…, n_out) → those of x, weight and bias.

    Types and errors are as in `linear`, and ValueError where grad_out has not the output's shape.

    >>> grad_x, grad_weight, grad_bias = linear_backward([[1, 10]], [[2, 3]], [[4, 5], [6, 7]])
    >>> print(grad_x, grad_weight.tolist(), grad_bias)
    [[64 75]] [[2, 3], [20, 30]] [ 1 10]
    """
    x, weight = _checked(x, weight)
    out_shape = (*x.shape[:-1], len(weight))
    grad_out = shaped(grad_out, "grad_out", out_shape, "that of the forward pass's output")
    computing, result = computing_and_result_types(grad_out, x, weight)
    grad_out, x = grad_out.astype(computing, copy=False), x.astype(computing, copy=False)
    rows = x.size // x.shape[-1]  # all axes but the last as one: (rows, n_in), (rows, n_out)
    flat_grad, flat_x = grad_out.reshape(rows, len(weight)), x.reshape(rows, x.shape[-1])
    grad_x = grad_out @ weight.astype(computing, copy=False)
    return (
        grad_x.astype(result, copy=False),
        (flat_grad.T @ flat_x).astype(result, copy=False),
        flat_grad.sum(axis=0).astype(result, copy=False),
    )


def _checked(x: npt.ArrayLike, weight: npt.ArrayLike) -> tuple[Array, Array]:
    x, weight = numbers(x, "x"), real_array(weight, "weight")
    if weight.ndim != 2:
        raise ValueError(f"weight has shape {weight.shape}, must have 2 dimensions (n_out, n_in)")
    if x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"x has shape {x.shape}, must have {weight.shape[1]} values along its last axis, "
            f"as weight of shape {weight.shape} does"
        )
    return x, weight
