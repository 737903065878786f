"""Plain data: the only thing that passes between a learner's code and the judge.

Plain values are ``None``, ``bool``, ``int``, ``float``, ``str``, lists, tuples, dicts with text
keys, numeric NumPy arrays, and ``Opaque`` for anything else. `simplify` turns whatever a learner
returned into a plain value; `pack` and `unpack` carry plain values across a process boundary as
JSON and ``.npy`` blocks, never as pickles.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

MAX_BYTES = 64 * 2**20  # of one array: beyond it, an answer is no answer to a small case
MAX_ITEMS = 100_000  # of all containers of one value together
MAX_DEPTH = 20
MAX_DIGITS_BITS = 8_192  # of an int: Python refuses to print much longer ones


@dataclass(frozen=True)
class Opaque:
    """Something that is no plain data: its type's name and a short description."""

    type: str
    text: str = ""


@dataclass(frozen=True)
class Bound:
    """An input that is a function: the importable ``module:name`` with some arguments bound."""

    path: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Made:
    """An input that is the result of calling the importable ``module:name``, made for each call."""

    path: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


class TooLargeError(ValueError):
    """A value is too large, too deep or too long to be carried."""


def simplify(value: object) -> Any:
    """Turn any object into plain data, never raising.

    NumPy scalars become Python numbers, tensors become arrays, subclasses of numbers, text,
    containers and arrays become their base class (so that an overridden ``__eq__`` is left behind).

    >>> simplify((np.int64(3), [True, 2.5]))
    (3, [True, 2.5])
    >>> simplify(object()).type
    'object'
    """
    try:
        return _simplify(value, _Budget(MAX_ITEMS), 0)
    except TooLargeError as error:
        return Opaque(_type_name(value), str(error))
    except RecursionError:
        return Opaque(_type_name(value), "nested too deeply")
    except Exception:
        return Opaque(_type_name(value), "could not be read")


class _Budget:
    def __init__(self, items: int) -> None:
        self.items = items

    def spend(self, n: int) -> None:
        self.items -= n
        if self.items < 0:
            raise TooLargeError(f"more than {MAX_ITEMS} items")


def _type_name(value: object) -> str:
    return str(type.__dict__["__name__"].__get__(type(value)))[:100]


def _simplify(value: Any, budget: _Budget, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise TooLargeError("nested too deeply")
    # type() rather than isinstance(): an object may lie about its __class__.
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, np.generic):
        return _simplify_array(np.asarray(value)).item()
    if issubclass(kind, int):
        number = int.__int__(value)
        if number.bit_length() > MAX_DIGITS_BITS:
            raise TooLargeError(f"an int of {number.bit_length()} bits")
        return number
    if issubclass(kind, float):
        return float.__float__(value)
    if issubclass(kind, str):
        budget.spend(len(value) // 100)
        return str.__str__(value)
    if issubclass(kind, np.ndarray):
        return _simplify_array(value)
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        return _simplify_tensor(torch, value)
    if issubclass(kind, tuple | list):
        items = list.__iter__(value) if issubclass(kind, list) else tuple.__iter__(value)
        plain = []
        for item in items:
            budget.spend(1)
            plain.append(_simplify(item, budget, depth + 1))
        return plain if issubclass(kind, list) else tuple(plain)
    if issubclass(kind, dict):
        result = {}
        for key, item in dict.items(value):
            budget.spend(1)
            name = str.__str__(key) if issubclass(type(key), str) else repr(simplify(key))
            result[name] = _simplify(item, budget, depth + 1)
        return result
    return Opaque(_type_name(value), _described(value))


def _described(value: object) -> str:
    text = object.__repr__(value) if not callable(value) else ""
    return text[:120]


def _simplify_array(value: Any) -> Any:
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return Opaque(_type_name(value), f"dtype {array.dtype}")
    if array.nbytes > MAX_BYTES:
        raise TooLargeError(f"an array of shape {array.shape}")
    return np.array(array, copy=True, order="C")


def _simplify_tensor(torch: Any, value: Any) -> Any:
    if value.numel() * value.element_size() > MAX_BYTES:
        raise TooLargeError(f"a tensor of shape {tuple(value.shape)}")
    tensor = value.detach().cpu()
    if tensor.dtype == torch.bfloat16:
        tensor = tensor.float()
    return _simplify_array(tensor.numpy())


def same(a: Any, b: Any) -> bool:
    """Whether two plain values are the same to the bit (NaN equals NaN, types count).

    >>> same([1, np.zeros(2)], [1, np.zeros(2)]), same(1, 1.0)
    (True, False)
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return (
            a.dtype == b.dtype
            and a.shape == b.shape
            and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
        )
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return bool(a == b) or (isinstance(a, float) and a != a and b != b)


def realise(value: Any) -> Any:
    """A fresh copy of an input, with every `Bound` and `Made` turned into what it stands for."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, list):
        return [realise(item) for item in value]
    if isinstance(value, tuple):
        return tuple(realise(item) for item in value)
    if isinstance(value, dict):
        return {key: realise(item) for key, item in value.items()}
    if isinstance(value, Bound | Made):
        module, _, name = value.path.partition(":")
        function: Any = importlib.import_module(module)
        for part in name.split("."):
            function = getattr(function, part)
        args = [realise(item) for item in value.args]
        kwargs = {key: realise(item) for key, item in value.kwargs.items()}
        bound = partial(function, *args, **kwargs)
        return bound() if isinstance(value, Made) else bound
    return value


_UNREADABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def readable(text: str) -> str:
    """Text without what a terminal or a page would obey instead of show.

    >>> readable("a\\x1b[2Jb")
    'a�[2Jb'
    """
    return _UNREADABLE.sub("\ufffd", text)


def size(value: Any) -> int:
    """How many numbers a plain value holds: the measure by which the smallest case is chosen."""
    if isinstance(value, np.ndarray):
        return int(value.size)
    if isinstance(value, dict):
        return sum(size(item) for item in value.values())
    if isinstance(value, list | tuple):
        return sum(size(item) for item in value)
    if isinstance(value, Bound | Made):
        return size(value.args) + size(dict(value.kwargs))
    return 1


# ── the wire ────────────────────────────────────────────────────────────────────────────────────


def pack(value: Any) -> bytes:
    """Plain data as bytes: the length of a JSON text, the text, then its arrays as ``.npy`` blocks.

    >>> unpack(pack({"a": (1, np.arange(3))}))
    {'a': (1, array([0, 1, 2]))}
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_to_json(value, arrays)).encode()
    out = io.BytesIO()
    out.write(struct.pack(">Q", len(text)))
    out.write(text)
    for array in arrays:
        np.lib.format.write_array(out, array, allow_pickle=False)
    return out.getvalue()


def unpack(data: bytes, max_arrays: int | None = None) -> Any:
    """The plain data that `pack` turned into bytes; ValueError where they are something else.

    Not more than `max_arrays` arrays are read: a stranger's many empty ones would take minutes.
    """
    if len(data) < 8:
        raise ValueError(f"data has {len(data)} bytes, must have at least 8")
    (length,) = struct.unpack(">Q", data[:8])
    if length > len(data) - 8:
        raise ValueError(f"data announces {length} bytes of text, but holds {len(data) - 8}")
    tree = json.loads(data[8 : 8 + length])
    stream = io.BytesIO(data[8 + length :])
    arrays: list[np.ndarray] = []
    while stream.tell() < len(data) - 8 - length:
        if len(arrays) == max_arrays:
            raise ValueError(f"data holds more than {max_arrays:,} arrays")
        arrays.append(np.lib.format.read_array(stream, allow_pickle=False))
    return _from_json(tree, arrays)


def _to_json(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        arrays.append(np.asarray(value))
        return {"scalar": len(arrays) - 1}
    if isinstance(value, int | float):
        return value
    if isinstance(value, np.ndarray):
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, list):
        return {"list": [_to_json(item, arrays) for item in value]}
    if isinstance(value, tuple):
        return {"tuple": [_to_json(item, arrays) for item in value]}
    if isinstance(value, dict):
        return {"dict": [[str(key), _to_json(item, arrays)] for key, item in value.items()]}
    if isinstance(value, Opaque):
        return {"opaque": [value.type, value.text]}
    if isinstance(value, Bound | Made):
        tag = "bound" if isinstance(value, Bound) else "made"
        return {
            tag: [value.path, _to_json(value.args, arrays), _to_json(dict(value.kwargs), arrays)]
        }
    raise TypeError(f"value (of type {type(value).__name__}) is no plain data")


def _from_json(tree: Any, arrays: list[np.ndarray]) -> Any:
    if not isinstance(tree, dict):
        return tree
    ((tag, content),) = tree.items()
    if tag == "array":
        return arrays[content]
    if tag == "scalar":
        return arrays[content][()]
    if tag == "list":
        return [_from_json(item, arrays) for item in content]
    if tag == "tuple":
        return tuple(_from_json(item, arrays) for item in content)
    if tag == "dict":
        return {key: _from_json(item, arrays) for key, item in content}
    if tag == "opaque":
        return Opaque(str(content[0]), str(content[1]))
    if tag in ("bound", "made"):
        path, args, kwargs = content
        kind = Bound if tag == "bound" else Made
        return kind(path, _from_json(args, arrays), _from_json(kwargs, arrays))
    raise ValueError(f"tag (={tag!r}) is none that pack writes")
