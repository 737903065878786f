"""Activations: the bends between the layers, element by element.

    relu     max(0, x)
    sigmoid  1 / (1 + e^-x)
    silu     x · sigmoid(x)
    gelu     x · Φ(x), with Φ the normal distribution's cumulative function

They take an array of any shape and keep it. `relu` of integers gives int64, the others float64.
Backward, each output depends on one input, so the gradient is grad_out times the slope there.

Sources: Nair and Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010;
Hendrycks and Gimpel, "Gaussian error linear units", 2016 (gelu, silu).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, choice, numbers, shaped
from course_lib.ops._dtypes import answer, computing_and_result_types, real_types

__all__ = [
    "gelu",
    "gelu_backward",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "silu",
    "silu_backward",
]


def relu(x: npt.ArrayLike) -> Array:
    """What is above zero; NaN stays NaN. Raises TypeError for an array that is not numeric.

    >>> relu([-2, 0, 3])
    array([0, 0, 3])
    """
    x = numbers(x, "x")
    _, result = computing_and_result_types(x)
    return answer(np.maximum(x.astype(result, copy=False), 0), result)


def relu_backward(grad_out: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """The gradient of `relu`: it passes where x is above zero.

    At zero itself, where there is no slope, it does not pass: that is the custom.

    Raises TypeError for an array that is not numeric, ValueError where the shapes differ.

    >>> relu_backward([10.0, 10.0, 10.0], [-2.0, 0.0, 3.0])
    array([ 0.,  0., 10.])
    """
    x = numbers(x, "x")
    grad_out = shaped(grad_out, "grad_out", x.shape, "that of x")
    _, result = computing_and_result_types(grad_out, x)
    return answer(np.where(x <= 0, 0, grad_out), result)


def sigmoid(x: npt.ArrayLike) -> Array:
    """Squeeze any number into (0, 1). Errors are as in `relu`.

    >>> sigmoid([0.0, 1000.0])
    array([0.5, 1. ])
    """
    x, _, result = _floats(x)
    return _sigmoid(x).astype(result, copy=False)


def sigmoid_backward(grad_out: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """The gradient of `sigmoid`, whose slope is σ·(1 - σ). Errors are as in `relu_backward`.

    >>> sigmoid_backward([8.0], [0.0])
    array([2.])
    """
    x, grad_out, result = _floats(x, grad_out)
    s = _sigmoid(x)
    return answer(grad_out * s * _sigmoid(-x), result)  # 1 - σ(x) is σ(-x), unrounded


def silu(x: npt.ArrayLike) -> Array:
    """x · sigmoid(x), also called swish. Errors are as in `relu`.

    >>> print(silu([-1.0, 0.0, 1.0]).round(4))
    [-0.2689  0.      0.7311]
    """
    x, _, result = _floats(x)
    return answer(x * _sigmoid(x), result)


def silu_backward(grad_out: npt.ArrayLike, x: npt.ArrayLike) -> Array:
    """The gradient of `silu`, whose slope is σ + x·σ·(1 - σ). Errors are as in `relu_backward`.

    >>> silu_backward([8.0], [0.0])
    array([4.])
    """
    x, grad_out, result = _floats(x, grad_out)
    s = _sigmoid(x)
    return answer(grad_out * s * (1 + x * _sigmoid(-x)), result)


def gelu(x: npt.ArrayLike, approximate: str = "none") -> Array:
    """x · Φ(x): x weighed by how likely a normal number is to be smaller. Errors are as in `relu`.

    `approximate="tanh"` takes the paper's formula 0.5·x·(1 + tanh(√(2/π)·(x + 0.044715·x³))), as
    GPT-2 does; it differs by less than 0.001.

    >>> print(gelu([-1.0, 0.0, 1.0]).round(4), gelu([1.0], approximate="tanh").round(4))
    [-0.1587  0.      0.8413] [0.8412]
    """
    x, _, result = _floats(x)
    if choice(approximate, "approximate", ("none", "tanh")) == "tanh":
        return answer(0.5 * x * (1 + np.tanh(_tanh_argument(x))), result)
    return answer(x * _normal_below(x), result)


def gelu_backward(grad_out: npt.ArrayLike, x: npt.ArrayLike, approximate: str = "none") -> Array:
    """The gradient of `gelu`, whose slope is Φ(x) + x·φ(x). Errors are as in `relu_backward`.

    >>> gelu_backward([8.0], [0.0])
    array([4.])
    """
    x, grad_out, result = _floats(x, grad_out)
    if choice(approximate, "approximate", ("none", "tanh")) == "tanh":
        t = np.tanh(_tanh_argument(x))
        inner = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * inner
    else:
        density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
        slope = _normal_below(x) + x * density
    return answer(grad_out * slope, result)


def _floats(
    x: npt.ArrayLike, grad_out: npt.ArrayLike | None = None
) -> tuple[Array, Array, np.dtype[Any]]:
    """x and grad_out (or x again) in the type to compute in, and the type to answer in."""
    x = numbers(x, "x")
    grad = x if grad_out is None else shaped(grad_out, "grad_out", x.shape, "that of x")
    computing, result = real_types(x, grad)
    return x.astype(computing, copy=False), grad.astype(computing, copy=False), result


def _sigmoid(x: Array) -> Array:
    # e^-x overflows for large negative x, e^x for large positive ones: take the one that does not.
    small = np.exp(-np.abs(x))
    out: Array = np.where(x >= 0, 1, small) / (1 + small)
    return out


def _tanh_argument(x: Array) -> Array:
    out: Array = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return out


def _normal_below(x: Array) -> Array:
    """Φ(x), the probability that a normal number is below x: erfc(-x / √2) / 2."""
    # NumPy has no erf, and Python's takes one number at a time: slow beside a ufunc, quick beside
    # the convolution that it follows. erfc keeps its digits far out, where 1 + erf would lose them.
    scaled = (x * -math.sqrt(0.5)).ravel().tolist()
    values = np.fromiter(map(math.erfc, scaled), dtype=x.dtype, count=x.size)
    out: Array = 0.5 * values.reshape(x.shape)
    return out
