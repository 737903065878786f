"""Does an operation move along when its image moves?

An operation is *equivariant* to a shift where shifting first and shifting after give the same
result. Images are shifted with `np.roll`, so that what leaves on one side comes in on the other and
no pixel is made up; what remains of a difference is the operation's own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from course_lib._validate import Array, IntOrPair, pair, plane

__all__ = ["equivariance_error", "equivariance_map", "roll"]


def roll(image: npt.ArrayLike, shift: IntOrPair) -> Array:
    """Shift an image (H, W) by `shift` pixels, an int for both axes or a (down, right) pair.

    Negative shifts go up and left.

    >>> print(roll([[1, 2, 3], [4, 5, 6]], shift=(0, 1)))
    [[3 1 2]
     [6 4 5]]
    """
    return np.roll(plane(image, "image"), pair(shift, "shift", axes="(down, right)"), axis=(0, 1))


def equivariance_map(
    op: Callable[[Array], Array], image: npt.ArrayLike, shift: IntOrPair
) -> npt.NDArray[np.float64]:
    """Where an operation on images breaks equivariance: a map of absolute differences.

    Pixel by pixel, `roll(op(image))` against `op(roll(image))`. `op` takes an image (H, W) and
    returns an array with two axes, of any size.

    Raises ValueError where `image` or the operation's result has not two axes, TypeError where `op`
    is no function.

    >>> brighter_below = lambda image: image * np.array([[1], [2]])
    >>> print(equivariance_map(brighter_below, [[1, 1], [1, 1]], shift=1))
    [[1. 1.]
     [1. 1.]]
    """
    if not callable(op):
        raise TypeError(f"op must be a function of an image, not {type(op).__name__}")
    image = plane(image, "image")
    moved_after = roll(_result(op(image.copy())), shift)
    moved_before = _result(op(roll(image, shift)))
    difference: npt.NDArray[np.float64] = np.abs(
        np.asarray(moved_after, np.float64) - np.asarray(moved_before, np.float64)
    )
    return difference


def _result(value: object) -> Array:
    return plane(value, "op(image)")


def equivariance_error(
    op: Callable[[Array], Array], image: npt.ArrayLike, shift: IntOrPair
) -> float:
    """How far an operation is from equivariant: the largest value of its `equivariance_map`.

    Zero for an operation that treats all positions alike. Raises as `equivariance_map` does.

    >>> equivariance_error(np.negative, [[1, 2], [3, 4]], shift=(0, 1))
    0.0
    >>> equivariance_error(np.transpose, [[1, 2], [3, 4]], shift=(0, 1))
    3.0
    """
    return float(equivariance_map(op, image, shift).max())
