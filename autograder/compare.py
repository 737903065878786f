"""Compare an answer with the expected one and say in words how they differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograder.plain import Opaque
from autograder.verdict import Mismatch

FLOAT32_RTOL = 1e-4


def compare(
    expected: Any, got: Any, rtol: float = 1e-6, names: Sequence[str] = ()
) -> Mismatch | None:
    """None where `got` is an honest form of `expected`, else how it differs.

    The expected value decides what is asked for: an int (any integer counts, a float does not), a
    float (any real number), a truth value, text, an array (a tensor has become one by now, a list
    does not count), a tuple or list of these, a dict with at least these keys.
    `names` are what the items of a tuple are called.

    >>> compare(3, 3.0).text
    'an int is expected, you returned the float 3.0: did you divide with "/"?'
    >>> compare(np.ones(2), np.ones(2, dtype=np.float32)) is None
    True
    """
    if isinstance(expected, tuple) and len(names) == len(expected):
        return _compare_sequence(expected, got, rtol, "", names)
    return _compare(expected, got, rtol, "")


def _compare(expected: Any, got: Any, rtol: float, where: str) -> Mismatch | None:
    if got is None and expected is not None:
        return Mismatch("none", _nothing(where), expected, got, where)
    if isinstance(expected, bool):
        return _compare_bool(expected, got, where)
    if isinstance(expected, int):
        return _compare_int(expected, got, where)
    if isinstance(expected, float):
        return _compare_float(expected, got, rtol, where)
    if isinstance(expected, np.ndarray):
        return _compare_array(expected, got, rtol, where)
    if isinstance(expected, tuple | list):
        return _compare_sequence(expected, got, rtol, where)
    if isinstance(expected, dict):
        return _compare_dict(expected, got, rtol, where)
    if type(expected) is type(got) and expected == got:
        return None
    return Mismatch("value", _differs(expected, got, where), expected, got, where)


def _nothing(where: str) -> str:
    if where:
        return f"{where} is None"
    return "your function returned None: is a return statement missing?"


def _subject(where: str) -> str:
    return f"{where} is" if where else "you returned"


def _differs(expected: Any, got: Any, where: str) -> str:
    if where:
        return f"the expected value of {where} is {show(expected)}, yours is {show(got)}"
    return f"the expected value is {show(expected)}, you returned {show(got)}"


def _asked(kind: str, where: str) -> str:
    return f"{kind} is expected for {where}" if where else f"{kind} is expected"


def _wrong_type(kind: str, expected: Any, got: Any, where: str, rest: str = "") -> Mismatch:
    text = f"{_asked(kind, where)}, {_subject(where)} {name_type(got)}{rest}"
    return Mismatch("type", text, expected, got, where)


def _scalar(got: Any) -> Any:
    """A 0-d array as the number in it; anything else as it is."""
    return got.item() if isinstance(got, np.ndarray) and got.shape == () else got


def _compare_bool(expected: bool, got: Any, where: str) -> Mismatch | None:
    value = _scalar(got)
    if not isinstance(value, bool):
        return _wrong_type("True or False", expected, got, where)
    if value != expected:
        return Mismatch("value", _differs(expected, value, where), expected, value, where)
    return None


def _compare_int(expected: int, got: Any, where: str) -> Mismatch | None:
    value = _scalar(got)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong_type("an int", expected, got, where)
    if isinstance(value, float):
        return _wrong_type("an int", expected, value, where, ': did you divide with "/"?')
    if value != expected:
        return Mismatch("value", _differs(expected, value, where), expected, value, where)
    return None


def _compare_float(expected: float, got: Any, rtol: float, where: str) -> Mismatch | None:
    value = _scalar(got)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _wrong_type("a float", expected, got, where)
    if isinstance(got, np.ndarray) and got.dtype in (np.float32, np.float16):
        rtol = max(rtol, FLOAT32_RTOL)
    number = _as_float(value)
    if np.isnan(number) and not np.isnan(expected):
        return Mismatch("nan", f"{_subject(where)} NaN (not a number)", expected, value, where)
    if not close(np.array([expected]), np.array([number]), rtol).all():
        return Mismatch("value", _differs(expected, value, where), expected, value, where)
    return None


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def close(expected: Any, got: Any, rtol: float) -> np.ndarray:
    """Elementwise closeness: relative to the element and to the largest finite element.

    The second part allows for cancellation: a sum of large terms that should be zero is as wrong
    as its terms' last digits.
    """
    finite = np.abs(expected[np.isfinite(expected)])
    scale = float(finite.max()) if finite.size else 0.0
    with np.errstate(all="ignore"):
        near = np.abs(got - expected) <= rtol * (np.abs(expected) + scale) + 1e-12
    same_special = (got == expected) | (np.isnan(got) & np.isnan(expected))
    return np.asarray(near & np.isfinite(got) & np.isfinite(expected) | same_special)


def _compare_array(expected: np.ndarray, got: Any, rtol: float, where: str) -> Mismatch | None:
    if expected.shape == () and isinstance(got, int | float):
        got = np.asarray(got)
    if not isinstance(got, np.ndarray):
        rest = ": use np.array(…)" if isinstance(got, list | tuple) else ""
        return _wrong_type("an array", expected, got, where, rest)
    if got.shape != expected.shape:
        whose = f"{where} has" if where else "yours has"
        text = f"the expected shape is {expected.shape}, {whose} {got.shape}"
        return Mismatch("shape", text, expected, got, where)
    if got.dtype in (np.float32, np.float16):
        rtol = max(rtol, FLOAT32_RTOL)
    a, b = expected.astype(np.float64), got.astype(np.float64)
    wrong = ~close(a, b, rtol)
    if not wrong.any():
        return None
    new_nan = np.isnan(b) & ~np.isnan(a)
    if new_nan.any():
        text = f"{int(new_nan.sum())} of {a.size} values{_of(where)} are NaN (not a number)"
        return Mismatch("nan", text, expected, got, where, wrong)
    text = f"{int(wrong.sum())} of {a.size} values{_of(where)} differ"
    if a.size == 1:
        text = _differs(expected, got, where)
    return Mismatch("value", text, expected, got, where, wrong)


def _of(where: str) -> str:
    return f" of {where}" if where else ""


def _compare_sequence(
    expected: Sequence[Any], got: Any, rtol: float, where: str, names: Sequence[str] = ()
) -> Mismatch | None:
    names = names or [f"item {place}" for place in range(1, len(expected) + 1)]
    kind = f"a {type(expected).__name__} of {len(expected)}"
    if not isinstance(got, tuple | list):
        return _wrong_type(kind, expected, got, where)
    if len(got) != len(expected):
        text = f"{_asked(kind, where)}, {_subject(where)} one of {len(got)}"
        return Mismatch("shape", text, expected, got, where)
    if all(isinstance(item, int | float | str) for item in expected):
        # Short rows of numbers read better whole than item by item.
        if all(_compare(a, b, rtol, "") is None for a, b in zip(expected, got, strict=True)):
            return None
        for name, a, b in zip(names, expected, got, strict=True):
            found = _compare(a, b, rtol, name)
            if found is not None and found.kind != "value":
                return found
        return Mismatch("value", _differs(expected, got, where), expected, got, where)
    for name, a, b in zip(names, expected, got, strict=True):
        found = _compare(a, b, rtol, f"{where}, {name}" if where else name)
        if found is not None:
            return found
    return None


def _compare_dict(expected: dict[str, Any], got: Any, rtol: float, where: str) -> Mismatch | None:
    keys = ", ".join(repr(key) for key in expected)
    if not isinstance(got, dict):
        return _wrong_type(f"a dict with the keys {keys}", expected, got, where)
    for key, value in expected.items():
        if key not in got:
            return Mismatch("shape", f"the key {key!r} is missing", expected, got, where)
        found = _compare(value, got[key], rtol, f"{where}[{key!r}]" if where else repr(key))
        if found is not None:
            return found
    return None


def mentioned(words: Sequence[str], text: str) -> tuple[bool, ...]:
    """Which of the `words` stand in a text as words of their own.

    >>> mentioned(["2", "linear"], "layer 12, linear: takes 3")
    (False, True)
    """
    return tuple(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None for word in words)


def name_type(value: Any) -> str:
    """A plain value's type in words, with its article."""
    if value is None:
        return "None"
    if isinstance(value, Opaque):
        detail = f" ({value.text})" if value.text and "0x" not in value.text else ""
        return f"an object of type {value.type}{detail}"
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, bool):
        return f"the truth value {value}"
    if isinstance(value, int):
        return "an int" if abs(value) > 10**12 else f"the int {value}"
    if isinstance(value, float):
        return f"the float {float(f'{value:.6g}')!r}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    return f"a {type(value).__name__}"


def array_text(value: np.ndarray) -> str:
    """An array as nested lists, numbers with four digits, floats told from ints by a point.

    >>> array_text(np.array([[0.0, 99.5], [1 / 3, -2.0]])), array_text(np.array([1.0, 2.0]))
    ('[[0, 99.5], [0.3333, -2]]', '[1., 2.]')
    """
    if value.dtype.kind != "f":
        return str(value.tolist())
    flat = [f"{number:.4g}" for number in value.ravel().tolist()]
    if all(text.lstrip("-").isdecimal() for text in flat):
        flat = [f"{text}." for text in flat]
    texts = iter(flat)

    def nested(shape: tuple[int, ...]) -> str:
        if not shape:
            return next(texts)
        return f"[{', '.join(nested(shape[1:]) for _ in range(shape[0]))}]"

    return nested(value.shape)


def show(value: Any, limit: int = 300) -> str:
    """A plain value as short text: numbers with up to six digits, arrays in rows."""
    if isinstance(value, np.ndarray):
        if value.size > 64:
            return f"array of shape {value.shape}"
        text = array_text(value)
        return text if len(text) <= limit else f"array of shape {value.shape}"
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return repr(value)[:limit]
    if isinstance(value, float):
        return f"{value:.6g}" if np.isfinite(value) else str(value)
    if isinstance(value, int):
        return str(value) if abs(value) < 10**15 else f"about 2**{value.bit_length() - 1}"
    if isinstance(value, Opaque):
        return f"<{value.type}>"
    if isinstance(value, tuple):
        inner = ", ".join(show(item) for item in value)
        return f"({inner},)"[:limit] if len(value) == 1 else f"({inner})"[:limit]
    if isinstance(value, list):
        return f"[{', '.join(show(item) for item in value)}]"[:limit]
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k!r}: {show(v)}" for k, v in value.items())[:limit] + "}"
    return repr(value)[:limit]
