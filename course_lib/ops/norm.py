"""Normalisation: mean 0 and variance 1, then a scale and a shift that are learned.

The three differ in what they average over, shown for (N, C, H, W), and in nothing else:

    batch norm   each channel over the batch and its pixels      (N, ·, H, W)
    layer norm   each example over its last axes                 e.g. (·, C, H, W)
    group norm   each example over a share of its channels       (·, C/groups, H, W)

Backward, x reaches the output in three ways: directly, through the mean and through the variance.
The three come to one line, with g the gradient that arrives at x_hat:

    grad_x = (g - mean(g) - x_hat · mean(g · x_hat)) / sqrt(variance + eps)

Sources: Ioffe and Szegedy, "Batch normalization", 2015; Ba, Kiros and Hinton, "Layer
normalization", 2016; Wu and He, "Group normalization", 2018.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, batch, flag, integer, number, numbers, shaped
from course_lib.ops._dtypes import real_types

__all__ = [
    "batch_norm2d",
    "batch_norm2d_backward",
    "group_norm",
    "group_norm_backward",
    "layer_norm",
    "layer_norm_backward",
]


def batch_norm2d(
    x: npt.ArrayLike,
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    running_mean: npt.ArrayLike,
    running_var: npt.ArrayLike,
    training: bool,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """Normalise each channel: (N, C, H, W) → (N, C, H, W), and the new running mean and variance.

    `gamma` (scale), `beta` (shift) and the running statistics are (C,). In training the batch's own
    mean and variance are used, and the running ones move by `momentum` towards them: new = (1 -
    momentum) · old + momentum · batch. Otherwise the running ones are used and returned as they
    were. As in PyTorch, the variance that normalises divides by n, the running one by n - 1. A
    batch of no images leaves the running statistics alone.

    Integers give float64. Raises ValueError for wrong shapes and for one value a channel in
    training (which has no variance), TypeError for anything but numbers.

    >>> x = [[[[1.0, 3.0]]]]
    >>> out, mean, var = batch_norm2d(x, [10.0], [5.0], [0.0], [1.0], training=True, eps=1e-12)
    >>> print(out.round(6), mean.round(6), var.round(6))
    [[[[-5. 15.]]]] [0.2] [1.1]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    gamma = _per_channel(gamma, "gamma", x.shape[1])
    beta = _per_channel(beta, "beta", x.shape[1])
    running_mean = _per_channel(running_mean, "running_mean", x.shape[1])
    running_var = _per_channel(running_var, "running_var", x.shape[1])
    training, momentum, eps = _checked_settings(training, momentum, eps, x)
    computing, result = real_types(x, gamma, beta, running_mean, running_var)
    x = x.astype(computing, copy=False)
    mean, var = running_mean.astype(computing), running_var.astype(computing)
    new_mean, new_var = mean, var
    if training and len(x) > 0:
        count = x.size // x.shape[1]
        batch_mean = x.mean(axis=(0, 2, 3))  # (C,)
        batch_var = x.var(axis=(0, 2, 3))
        new_mean = (1 - momentum) * mean + momentum * batch_mean
        new_var = (1 - momentum) * var + momentum * batch_var * (count / (count - 1))
        mean, var = batch_mean, batch_var
    x_hat = (x - _on_channels(mean)) / np.sqrt(_on_channels(var) + eps)
    out = x_hat * _on_channels(gamma) + _on_channels(beta)
    return out.astype(result), new_mean.astype(result), new_var.astype(result)


def batch_norm2d_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    gamma: npt.ArrayLike,
    running_mean: npt.ArrayLike,
    running_var: npt.ArrayLike,
    training: bool,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """The gradients of `batch_norm2d`: (N, C, H, W) → those of x, gamma and beta.

    The running statistics are those that the forward pass got. Outside training they are constants,
    and the gradient passes through the scale alone.

    >>> x, grad_out = [[[[1.0, 3.0]]]], [[[[1.0, 0.0]]]]
    >>> grads = batch_norm2d_backward(grad_out, x, [10.0], [0.0], [3.0], training=False, eps=1.0)
    >>> print(*(grad.ravel() for grad in grads))
    [5. 0.] [0.5] [1.]
    """
    x = batch(x, "x", ("N", "C", "H", "W"))
    grad_out = shaped(grad_out, "grad_out", x.shape, "that of x")
    gamma = _per_channel(gamma, "gamma", x.shape[1])
    running_mean = _per_channel(running_mean, "running_mean", x.shape[1])
    running_var = _per_channel(running_var, "running_var", x.shape[1])
    training, _, eps = _checked_settings(training, 0.1, eps, x)
    computing, result = real_types(grad_out, x, gamma, running_mean, running_var)
    x, grad_out = x.astype(computing, copy=False), grad_out.astype(computing, copy=False)
    axes = (0, 2, 3)
    if training and len(x) > 0:
        x_hat, deviation = _normalised(x, axes, eps)
        grad_x = _through_statistics(grad_out * _on_channels(gamma), x_hat, deviation, axes)
    else:
        deviation = np.sqrt(_on_channels(running_var.astype(computing)) + eps)
        x_hat = (x - _on_channels(running_mean)) / deviation
        grad_x = grad_out * _on_channels(gamma) / deviation
    grad_gamma, grad_beta = (grad_out * x_hat).sum(axis=axes), grad_out.sum(axis=axes)
    return grad_x.astype(result), grad_gamma.astype(result), grad_beta.astype(result)


def layer_norm(
    x: npt.ArrayLike, gamma: npt.ArrayLike, beta: npt.ArrayLike, eps: float = 1e-5
) -> Array:
    """Normalise over the last axes, as many as `gamma` and `beta` have: (N, …) → (N, …).

    For tokens (N, L, D), gamma of shape (D,) normalises each token by itself; for (N, C, H, W) a
    gamma of (C, H, W) each image. Integers give float64. Raises ValueError where the last axes
    of x are not gamma's, TypeError for anything but numbers.

    >>> print(layer_norm([[1.0, 3.0], [10.0, 30.0]], [1.0, 1.0], [0.0, 0.0], eps=1e-12).round(6))
    [[-1.  1.]
     [-1.  1.]]
    """
    x, gamma, axes = _checked_layer(x, gamma)
    beta = shaped(beta, "beta", gamma.shape, "that of gamma")
    eps = number(eps, "eps", above=0)
    computing, result = real_types(x, gamma, beta)
    x_hat, _ = _normalised(x.astype(computing, copy=False), axes, eps)
    return (x_hat * gamma + beta).astype(result)


def layer_norm_backward(
    grad_out: npt.ArrayLike, x: npt.ArrayLike, gamma: npt.ArrayLike, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """The gradients of `layer_norm`: the shape of x → those of x, gamma and beta.

    >>> grads = layer_norm_backward([[1.0, 1.0]], [[1.0, 3.0]], [2.0, 2.0], eps=1e-12)
    >>> print(*(grad.round(6) + 0.0 for grad in grads))  # both up by one: the mean takes it back
    [[0. 0.]] [-1.  1.] [1. 1.]
    """
    x, gamma, axes = _checked_layer(x, gamma)
    grad_out = shaped(grad_out, "grad_out", x.shape, "that of x")
    eps = number(eps, "eps", above=0)
    computing, result = real_types(grad_out, x, gamma)
    x, grad_out = x.astype(computing, copy=False), grad_out.astype(computing, copy=False)
    x_hat, deviation = _normalised(x, axes, eps)
    grad_x = _through_statistics(grad_out * gamma, x_hat, deviation, axes)
    shared = tuple(range(x.ndim - gamma.ndim))  # the axes along which one gamma serves all
    grad_gamma, grad_beta = (grad_out * x_hat).sum(axis=shared), grad_out.sum(axis=shared)
    return grad_x.astype(result), grad_gamma.astype(result), grad_beta.astype(result)


def group_norm(
    x: npt.ArrayLike,
    groups: int,
    gamma: npt.ArrayLike,
    beta: npt.ArrayLike,
    eps: float = 1e-5,
) -> Array:
    """Normalise each example's channels in `groups` equal shares: (N, C, …) → (N, C, …).

    `gamma` and `beta` are (C,). One group is layer norm over (C, …), C groups are instance norm.
    Integers give float64. Raises ValueError for groups that do not divide C and for wrong shapes,
    TypeError for anything but numbers.

    >>> x = np.array([[1.0, 3.0, 10.0, 30.0]])[:, :, None, None]  # four channels of one pixel
    >>> print(group_norm(x, 2, np.ones(4), np.zeros(4), eps=1e-12).ravel().round(6))
    [-1.  1. -1.  1.]
    """
    x, groups, gamma = _checked_groups(x, groups, gamma)
    beta = shaped(beta, "beta", gamma.shape, "one for each channel")
    eps = number(eps, "eps", above=0)
    computing, result = real_types(x, gamma, beta)
    x_hat, _ = _normalised(_in_groups(x.astype(computing, copy=False), groups), (2,), eps)
    x_hat = x_hat.reshape(x.shape)  # (N, G, C/G·…) → (N, C, …)
    return (x_hat * _on_channels(gamma, x.ndim) + _on_channels(beta, x.ndim)).astype(result)


def group_norm_backward(
    grad_out: npt.ArrayLike,
    x: npt.ArrayLike,
    groups: int,
    gamma: npt.ArrayLike,
    eps: float = 1e-5,
) -> tuple[Array, Array, Array]:
    """The gradients of `group_norm`: (N, C, …) → those of x, gamma and beta.

    >>> x, grad_out = [[[1.0], [3.0]]], [[[1.0], [0.0]]]  # one example, two channels, one group
    >>> grads = group_norm_backward(grad_out, x, 1, [1.0, 1.0], eps=1e-12)
    >>> print(*(grad.ravel().round(6) + 0.0 for grad in grads))
    [0. 0.] [-1.  0.] [1. 0.]
    """
    x, groups, gamma = _checked_groups(x, groups, gamma)
    grad_out = shaped(grad_out, "grad_out", x.shape, "that of x")
    eps = number(eps, "eps", above=0)
    computing, result = real_types(grad_out, x, gamma)
    grad_out = grad_out.astype(computing, copy=False)
    x_hat, deviation = _normalised(_in_groups(x.astype(computing, copy=False), groups), (2,), eps)
    arriving = _in_groups(grad_out * _on_channels(gamma, x.ndim), groups)
    grad_x = _through_statistics(arriving, x_hat, deviation, (2,)).reshape(x.shape)
    axes = (0, *range(2, x.ndim))
    grad_gamma = (grad_out * x_hat.reshape(x.shape)).sum(axis=axes)
    return grad_x.astype(result), grad_gamma.astype(result), grad_out.sum(axis=axes).astype(result)


def _normalised(x: Array, axes: tuple[int, ...], eps: float) -> tuple[Array, Array]:
    """x with mean 0 and variance 1 over the axes, and the deviation it was divided by."""
    centred = x - x.mean(axis=axes, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=axes, keepdims=True) + eps)
    return centred / deviation, deviation


def _through_statistics(
    grad: Array, x_hat: Array, deviation: Array, axes: tuple[int, ...]
) -> Array:
    """From the gradient of x_hat to that of x: the line at the top of this module."""
    mean = grad.mean(axis=axes, keepdims=True)
    slope = (grad * x_hat).mean(axis=axes, keepdims=True)
    out: Array = (grad - mean - x_hat * slope) / deviation
    return out


def _per_channel(value: npt.ArrayLike, name: str, channels: int) -> Array:
    return shaped(value, name, (channels,), "one for each channel")


def _on_channels(values: Array, ndim: int = 4) -> Array:
    """(C,) → (C, 1, …): ready to meet (N, C, …)."""
    return values.reshape(-1, *(1,) * (ndim - 2))


def _in_groups(x: Array, groups: int) -> Array:
    """(N, C, …) → (N, G, C/G·…)."""
    return x.reshape(len(x), groups, math.prod(x.shape[1:]) // groups)


def _checked_settings(
    training: bool, momentum: float, eps: float, x: Array
) -> tuple[bool, float, float]:
    training = flag(training, "training")
    momentum, eps = number(momentum, "momentum"), number(eps, "eps", above=0)
    if training and x.size == x.shape[1]:
        raise ValueError(
            f"x has shape {x.shape}, must have more than one value for each channel in training"
        )
    return training, momentum, eps


def _checked_layer(x: npt.ArrayLike, gamma: npt.ArrayLike) -> tuple[Array, Array, tuple[int, ...]]:
    x, gamma = numbers(x, "x"), numbers(gamma, "gamma")
    if gamma.ndim == 0 or gamma.size == 0 or x.shape[-gamma.ndim :] != gamma.shape:
        raise ValueError(
            f"gamma has shape {gamma.shape}, must have the last axes of x, of shape {x.shape}"
        )
    return x, gamma, tuple(range(x.ndim - gamma.ndim, x.ndim))


def _checked_groups(
    x: npt.ArrayLike, groups: int, gamma: npt.ArrayLike
) -> tuple[Array, int, Array]:
    x = numbers(x, "x")
    if x.ndim < 2 or 0 in x.shape[1:]:
        raise ValueError(f"x has shape {x.shape}, must be (N, C, …), not empty but along N")
    groups = integer(groups, "groups", at_least=1)
    if x.shape[1] % groups:
        raise ValueError(f"groups (={groups}) must divide the {x.shape[1]} channels of x")
    return x, groups, _per_channel(gamma, "gamma", x.shape[1])
