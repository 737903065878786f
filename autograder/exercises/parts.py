"""What the exercises of several chapters share: inputs, and how mistakes read arguments."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

SCIPY_CONVOLUTIONS = (
    "scipy.signal.convolve",
    "scipy.signal.convolve2d",
    "scipy.signal.correlate",
    "scipy.signal.correlate2d",
    "scipy.signal.fftconvolve",
    "scipy.signal.oaconvolve",
    "scipy.ndimage.convolve",
    "scipy.ndimage.correlate",
)


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────


def reals(rng: np.random.Generator, *shape: int, spread: float = 2.0) -> Array:
    """Numbers with decimals, of both signs: nothing about them is symmetric."""
    return np.round(rng.normal(0.0, spread, shape), 2)


def wholes(rng: np.random.Generator, *shape: int) -> Array:
    """Small integers of both signs."""
    return rng.integers(-4, 5, shape)


def batch_of(rng: np.random.Generator, *shape: int, scale: float = 1.0) -> Array:
    """A batch for a module: float32, of both signs."""
    return (scale * rng.standard_normal(shape)).astype(np.float32)


def below(rng: np.random.Generator, high: int, low: int = 1) -> int:
    """An integer from `low` to below `high`."""
    return int(rng.integers(low, high))


def renumbered(rng: np.random.Generator, *labels: Array) -> tuple[Array, ...]:
    """The same classes by other numbers: labels that were found elsewhere are worth nothing."""
    numbers = rng.permutation(10)
    return tuple(numbers[values] for values in labels)


# ── how an int or a pair is read ────────────────────────────────────────────────────────────────


def hw(value: Any) -> tuple[int, int]:
    """Height and width, of an int or a pair: how it is right."""
    first, second = np.broadcast_to(value, 2)
    return int(first), int(second)


def wh(value: Any) -> tuple[int, int]:
    """Width and height: the order that many expect."""
    height, width = hw(value)
    return width, height


def one_number(value: Any) -> int:
    """What arithmetic with `value` needs: a tuple or a list raises TypeError."""
    return operator.index(value)


def python_ints_only(value: Any) -> tuple[int, int]:
    """Read one number or a pair as many do; a NumPy integer is neither an int nor a pair."""
    if isinstance(value, int):
        return value, value
    first, second = value
    return first, second


# ── answers ─────────────────────────────────────────────────────────────────────────────────────


def distinct(
    right: float, wrong: Mapping[str, tuple[int | float | str, str]]
) -> dict[str, tuple[int | float | str, str]]:
    """Wrong answers without those that happen to be right, or the same as one before."""
    seen: list[int | float | str] = [right]
    kept = {}
    for name, (value, message) in wrong.items():
        if value not in seen:
            seen.append(value)
            kept[name] = (value, message)
    return kept


def share_right(outputs: Any, targets: Any) -> float:
    """The share of right class numbers (N,), or of scores (N, 10) whose largest counts."""
    found = np.asarray(outputs)
    if found.ndim == 2 and found.shape[1] == 10:
        found = found.argmax(axis=1)
    return float(np.mean(found == targets)) if found.shape == np.shape(targets) else 0.0
