"""In which type an operator computes, and in which type it answers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from course_lib._validate import Array

if TYPE_CHECKING:
    from course_lib.ops._settings import ConvSettings

    Algorithm = Callable[[Array, Array, ConvSettings], Array]

_INT64, _FLOAT32 = np.dtype(np.int64), np.dtype(np.float32)

LARGEST_ROUNDED = 2**40
"""Integers up to here come out of a detour through float64 exactly, with room for its errors."""


def computing_and_result_types(*arrays: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """The type to compute in and the type to answer in, for these inputs.

    >>> computing_and_result_types(np.zeros(3, np.uint8), np.zeros(3, np.int8))
    (dtype('int64'), dtype('int64'))
    >>> computing_and_result_types(np.zeros(3, np.float16))
    (dtype('float32'), dtype('float16'))
    """
    if "f" not in [array.dtype.kind for array in arrays]:
        # 200 * 2 in 8 bits is 144: a sum of products must not stay as narrow as its pixels.
        return _INT64, _INT64
    result = np.result_type(*arrays)
    return (_FLOAT32 if result.itemsize == 2 else result), result


def real_types(*arrays: Array) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """As above, for operators whose answers are no integers: those of integers are float64.

    >>> real_types(np.zeros(3, np.uint8))
    (dtype('float64'), dtype('float64'))
    """
    computing, result = computing_and_result_types(*arrays)
    if computing.kind == "i":
        return np.dtype(np.float64), np.dtype(np.float64)
    return computing, result


def answer(out: Any, dtype: np.dtype[Any]) -> Array:
    """An array in the type to answer in: itself where it has that type already.

    >>> answer(np.float64(1.5) * np.ones(2), np.dtype(np.float32))
    array([1.5, 1.5], dtype=float32)
    """
    return np.asarray(out, dtype=dtype)


def in_floats(algorithm: Algorithm) -> Algorithm:
    """Let an algorithm that needs fractions on its way take integers: float64, rounded at the end.

    Raises ValueError where a sum could grow so large that the rounding might miss.
    """

    @functools.wraps(algorithm)
    def with_integers(x: Array, weight: Array, settings: ConvSettings) -> Array:
        if weight.dtype.kind != "i":
            return algorithm(x, weight, settings)
        x, weight = x.astype(np.float64), weight.astype(np.float64)
        largest = np.abs(x).max(initial=0) * np.abs(weight).sum(axis=(1, 2, 3)).max()
        if largest > LARGEST_ROUNDED:
            raise ValueError(
                f"x and weight can add up to {largest:.3g}, must stay below {LARGEST_ROUNDED:.3g} "
                f"for integers in algorithm {algorithm.__name__!r}: take algorithm='auto'"
            )
        return np.rint(algorithm(x, weight, settings)).astype(np.int64)

    return with_integers
