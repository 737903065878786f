"""Checks of arguments, shared by the whole library.

Every error names the argument, its value and the rule it breaks, so that a reader can mend the
call without opening this file: `stride (=0) must be at least 1`.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]

IntOrPair: TypeAlias = SupportsIndex | Sequence[SupportsIndex] | npt.NDArray[np.integer[Any]]
"""One integer for both axes, or a (height, width) pair: an int, `np.int64`, tuple or list."""

Margins: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""((top, bottom), (left, right))."""

Padding: TypeAlias = IntOrPair | Sequence[IntOrPair]
"""An int, a (height, width) pair, or ((top, bottom), (left, right))."""


def shown(value: object) -> str:
    """The value as an error message prints it: on one line, and never a whole image.

    >>> shown("zeroes"), shown(np.float64(3.0)), shown(np.zeros((3, 3)))
    ("'zeroes'", '3.0', 'an array of shape (3, 3)')
    """
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return f"an array of shape {value.shape}"
    text = " ".join((repr(value) if isinstance(value, str) else str(value)).split())
    return text if len(text) <= 60 else text[:57] + "..."


def integer(value: object, name: str, at_least: int | None = None) -> int:
    """Return `value` as a Python int.

    Any integer counts: int, `np.int64`, an integer array with no axes. A float does not, not even
    3.0, because where a size is asked it usually comes from `/` in place of `//`; True and False
    do not either.

    Raises TypeError for anything but an integer, ValueError below `at_least`.

    >>> integer(np.int64(3), "stride", at_least=1)
    3
    >>> integer(0, "stride", at_least=1)
    Traceback (most recent call last):
    ValueError: stride (=0) must be at least 1
    """
    if type(value) is int and (at_least is None or value >= at_least):
        return value  # as nearly always: before each small convolution, the rest would cost
    if not _is_integer(value):
        raise TypeError(f"{name} (={shown(value)}) must be an integer, not {_kind(value)}")
    number = operator.index(value)  # type: ignore[arg-type]
    if at_least is not None and number < at_least:
        raise ValueError(f"{name} (={number}) must be at least {at_least}")
    return number


def pair(
    value: object, name: str, at_least: int | None = None, axes: str = "(height, width)"
) -> tuple[int, int]:
    """Return an int-or-pair argument as a pair: one integer stands for both axes.

    Raises TypeError for anything but integers, ValueError for a sequence that does not hold two
    or for a number below `at_least`.

    >>> pair(3, "stride"), pair([2, 1], "stride")
    ((3, 3), (2, 1))
    >>> pair((2, 0), "stride", at_least=1)
    Traceback (most recent call last):
    ValueError: stride[1] (=0) must be at least 1
    """
    if type(value) is int:
        number = integer(value, name, at_least)
        return number, number
    if _is_sequence(value):
        first, second = _two(value, name, axes)
        return integer(first, f"{name}[0]", at_least), integer(second, f"{name}[1]", at_least)
    if not _is_integer(value):
        raise TypeError(
            f"{name} (={shown(value)}) must be an integer or a pair {axes} of integers, "
            f"not {_kind(value)}"
        )
    number = integer(value, name, at_least)
    return number, number


def triple(value: object, name: str, at_least: int | None = None) -> tuple[int, int, int]:
    """Return an int-or-triple argument as a triple: one integer stands for all three axes.

    >>> triple(2, "stride"), triple((1, 2, 2), "stride")
    ((2, 2, 2), (1, 2, 2))
    """
    if not _is_sequence(value):
        number = integer(value, name, at_least)
        return number, number, number
    numbers = [integer(v, f"{name}[{i}]", at_least) for i, v in enumerate(value)]  # type: ignore[arg-type, var-annotated]
    if len(numbers) != 3:
        raise ValueError(
            f"{name} (={shown(value)}) must be an integer or a triple (depth, height, width)"
        )
    return numbers[0], numbers[1], numbers[2]


def margins(value: object, name: str = "padding") -> Margins:
    """Return a padding as ((top, bottom), (left, right)).

    Raises TypeError for anything but integers, ValueError for a negative one or a wrong length.

    >>> margins(1), margins((2, 0)), margins(((1, 2), (0, 3)))
    (((1, 1), (1, 1)), ((2, 2), (0, 0)), ((1, 2), (0, 3)))
    """
    if isinstance(value, np.ndarray) and value.ndim == 2:
        value = list(value)
    if type(value) is int or not _is_sequence(value):
        both = pair(value, name, at_least=0)
        return both, both
    height, width = _two(value, name, "(height, width)")
    return (
        pair(height, f"{name}[0]", at_least=0, axes="(before, after)"),
        pair(width, f"{name}[1]", at_least=0, axes="(before, after)"),
    )


def flag(value: object, name: str) -> bool:
    """Return True or False; anything else raises TypeError.

    >>> flag(1, "bias")
    Traceback (most recent call last):
    TypeError: bias (=1) must be True or False, not int
    """
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(
            f"{name} (={shown(value)}) must be True or False, not {type(value).__name__}"
        )
    return bool(value)


def choice(value: object, name: str, options: Sequence[str]) -> str:
    """Return `value` if it is one of the options; the error suggests the nearest ones.

    >>> choice("reflct", "mode", ("zeros", "reflect"))
    Traceback (most recent call last):
    ValueError: mode (='reflct') must be one of 'zeros', 'reflect': did you mean 'reflect'?
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} (={shown(value)}) must be a string, not {type(value).__name__}")
    if value not in options:
        listed = ", ".join(map(repr, options))
        near = " or ".join(map(repr, difflib.get_close_matches(value.lower(), options)))
        raise ValueError(
            f"{name} (={shown(value)}) must be one of {listed}"
            + (f": did you mean {near}?" if near else "")
        )
    return value


def numbers(value: object, name: str) -> Array:
    """Return `value` as a NumPy array of real numbers; an array is not copied, and may be empty.

    Whatever `np.asarray` turns into integers, floats or booleans will do, a nested list as well
    as a torch tensor.

    Raises TypeError for anything else.

    >>> numbers([[1, 2], [3]], "image")
    Traceback (most recent call last):
    TypeError: image (=[[1, 2], [3]]) must be an array of real numbers
    """
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors with a gradient
        raise TypeError(f"{name} (={shown(value)}) must be an array of real numbers") from error
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"{name} (={shown(value)}) must be an array of real numbers, "
            f"not of type {array.dtype.name}"
        )
    return array


def real_array(value: object, name: str) -> Array:
    """Return `value` as `numbers` does, and raise ValueError where it is empty.

    >>> real_array([], "image")
    Traceback (most recent call last):
    ValueError: image has shape (0,), must not be empty
    """
    array = numbers(value, name)
    if array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, must not be empty")
    return array


def batch(value: object, name: str, axes: Sequence[str]) -> Array:
    """Return `value` as an array with these axes, of which only the first may be empty.

    A batch of no images is a batch: a loop over batches should not break at its last one.

    >>> batch(np.zeros((0, 3, 8, 8)), "x", "NCHW").shape
    (0, 3, 8, 8)
    >>> batch(np.zeros((8, 8)), "x", "NCHW")
    Traceback (most recent call last):
    ValueError: x has shape (8, 8), must have 4 dimensions (N, C, H, W)
    """
    array = numbers(value, name)
    if array.ndim != len(axes):
        raise ValueError(
            f"{name} has shape {array.shape}, must have {len(axes)} dimensions ({', '.join(axes)})"
        )
    if 0 in array.shape[1:]:
        raise ValueError(f"{name} has shape {array.shape}, must not be empty but along {axes[0]}")
    return array


def shaped(value: object, name: str, shape: tuple[int, ...], reason: str) -> Array:
    """Return `value` as an array of exactly this shape; the error gives the reason for it.

    >>> shaped([1, 2], "bias", (3,), "one for each output channel")
    Traceback (most recent call last):
    ValueError: bias has shape (2,), must have shape (3,): one for each output channel
    """
    array = numbers(value, name)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, must have shape {shape}: {reason}")
    return array


def number(value: object, name: str, above: float | None = None) -> float:
    """Return `value` as a Python float, for a setting such as eps; NaN and infinities raise.

    >>> number(0, "eps", above=0)
    Traceback (most recent call last):
    ValueError: eps (=0) must be above 0
    """
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        raise TypeError(f"{name} (={shown(value)}) must be a number, not {type(value).__name__}")
    if not np.isfinite(value):
        raise ValueError(f"{name} (={shown(value)}) must be finite")
    if above is not None and not value > above:
        raise ValueError(f"{name} (={shown(value)}) must be above {above}")
    return float(value)


def plane(value: object, name: str) -> Array:
    """Return `value` as one (height, width) array of real numbers.

    >>> plane([1, 2, 3], "image")
    Traceback (most recent call last):
    ValueError: image has shape (3,), must have 2 dimensions (height, width)
    """
    array = real_array(value, name)
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}, must have 2 dimensions (height, width)")
    return array


def planes(value: object, name: str) -> Array:
    """Return `value` as an array of real numbers whose last two axes are (height, width).

    Neither of these may be empty; there may be no planes at all.

    >>> planes(np.zeros((7, 4, 5)), "images").shape
    (7, 4, 5)
    """
    array = numbers(value, name)
    if 0 in array.shape[-2:]:
        raise ValueError(f"{name} has shape {array.shape}, must not be empty")
    if array.ndim < 2:
        raise ValueError(
            f"{name} has shape {array.shape}, must have at least 2 dimensions (…, height, width)"
        )
    return array


def _is_integer(value: object) -> bool:
    # Python's bool is an int by inheritance; nobody means True by a stride.
    if isinstance(value, (bool, np.bool_)):
        return False
    try:
        operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return False
    return True


def _kind(value: object) -> str:
    """The name of a value's type, and for a float where it is likely to come from."""
    kind = type(value).__name__
    is_float = isinstance(value, (float, np.floating))
    return f"{kind} (did you divide with / in place of //?)" if is_float else kind


def _is_sequence(value: object) -> bool:
    return isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)


def _two(value: Any, name: str, axes: str) -> tuple[object, object]:
    if len(value) != 2:
        raise ValueError(f"{name} (={shown(value)}) must be an integer or a pair {axes}")
    return value[0], value[1]
