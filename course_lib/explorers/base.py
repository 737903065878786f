"""What every explorer is: a widget whose page computes everything itself, with or without a kernel.

An explorer's drawing and arithmetic live in its JavaScript file; its Python class holds the state,
checks it, and can write itself as a page that needs neither kernel nor network.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from course_lib._validate import integer, pair, real_array

__all__ = [
    "Explorer",
    "NumberTable",
    "Position",
    "WholeNumber",
    "checked",
    "moved_inside",
    "must_lie_in",
    "style_text",
]

_HERE = Path(__file__).parent


def style_text() -> str:
    """The style sheet that all explorers share."""
    return (_HERE / "explorers.css").read_text(encoding="utf-8")


def checked(check: Callable[[], Any]) -> Any:
    """The result of a check, its error turned into the one that traitlets lets through."""
    try:
        return check()
    except (TypeError, ValueError) as error:
        raise traitlets.TraitError(str(error)) from error


class WholeNumber(traitlets.TraitType[int, int]):
    """An integer from `low` to `high`; `np.int64` becomes int, a float is refused."""

    def __init__(self, default: int, low: int, high: int) -> None:
        super().__init__(default)
        self.low = low
        self.high = high

    def validate(self, obj: Any, value: object) -> int:
        name = self.name or "value"
        number: int = checked(lambda: integer(value, name, at_least=self.low))
        if number > self.high:
            raise traitlets.TraitError(f"{name} (={number}) must be at most {self.high}")
        return number


class Position(traitlets.TraitType[list[int], Any]):
    """A cell as [row, column], counted from 0; a tuple becomes a list, which is what JSON has."""

    def validate(self, obj: Any, value: object) -> list[int]:
        name = self.name or "value"
        return list(checked(lambda: pair(_no_number(value, name), name, 0, "(row, column)")))


def must_lie_in(position: list[int], shape: tuple[int, int], where: str = "output") -> list[int]:
    """The position, where a grid of this shape has it; TraitError where it has not.

    >>> must_lie_in([1, 2], (2, 3))
    [1, 2]
    """
    rows, columns = shape
    if position[0] >= rows or position[1] >= columns:
        raise traitlets.TraitError(
            f"position (={position}) must lie in the {where} of {rows} × {columns}, counted from 0"
        )
    return position


def moved_inside(position: list[int], shape: tuple[int, int]) -> list[int]:
    """The nearest cell to a position in a grid of this shape.

    >>> moved_inside([5, 1], (2, 3))
    [1, 1]
    """
    return [min(index, size - 1) for index, size in zip(position, shape, strict=True)]


class NumberTable(traitlets.TraitType[list[list[float]], Any]):
    """A list of rows of finite numbers, all rows of one length, at most `most` × `most` of them.

    An array becomes lists; whole numbers stay whole.
    """

    def __init__(self, default: list[list[float]], most: int) -> None:
        super().__init__(default)
        self.most = most

    def validate(self, obj: Any, value: object) -> list[list[float]]:
        name = self.name or "value"
        array = checked(lambda: real_array(value, name))
        if array.ndim != 2:
            raise traitlets.TraitError(
                f"{name} has shape {array.shape}, must have 2 dimensions (height, width)"
            )
        if max(array.shape) > self.most:
            raise traitlets.TraitError(
                f"{name} has shape {array.shape}, must be at most {self.most} by {self.most}"
            )
        rows: list[list[float]] = [
            [int(number) if isinstance(number, bool) else number for number in row]
            for row in array.tolist()
        ]
        for number in (number for row in rows for number in row):
            if not math.isfinite(number):
                raise traitlets.TraitError(f"{name} holds {number}, must hold finite numbers only")
        return rows

    def default(self, obj: Any = None) -> list[list[float]]:
        # A list of its own for every widget: the default is not to be shared and then changed.
        return [list(row) for row in self.default_value]


def _no_number(value: object, name: str) -> object:
    """Refuse a bare integer, which `pair` would take for both axes."""
    if not hasattr(value, "__len__"):
        raise TypeError(f"{name} (={value}) must be a pair (row, column)")
    return value


class Explorer(anywidget.AnyWidget):
    """An interactive view whose state is plain traits: set them and read them from any cell.

    A subclass names its JavaScript file and its state, and tags the state's traits with
    `sync=True`.
    """

    _script: ClassVar[str]
    """The JavaScript file, beside this one."""

    _parts: ClassVar[tuple[str, ...]] = ()
    """Further files that the script uses: JavaScript, or a JSON file, which it finds as `DATA`."""

    _state_names: ClassVar[tuple[str, ...]]
    """The traits that make up the state, in the order in which `repr` shows them."""

    _frame_height: ClassVar[int] = 700
    """Height in pixels of the exported frame, until the page in it has measured itself."""

    def __init__(self, **state: Any) -> None:
        for name in state:
            if name not in self._state_names:  # traitlets only warns of a misspelt name
                raise TypeError(
                    f"{type(self).__name__} has no {name!r}; its state is "
                    + ", ".join(self._state_names)
                )
        super().__init__(**state)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Every widget makes a subclass of its own when traits are added; those have no script.
        if "_script" in cls.__dict__:
            cls._esm = cls.module_text()
            cls._css = style_text()
        super().__init_subclass__(**kwargs)

    @classmethod
    def module_text(cls) -> str:
        """The JavaScript module: what all explorers share, this one's parts, then its own file."""
        texts = []
        for file in ("common.js", *cls._parts, cls._script):
            text = (_HERE / file).read_text(encoding="utf-8")
            texts.append(f"const DATA = {text.strip()};\n" if file.endswith(".json") else text)
        return "\n".join(texts)

    def state(self) -> dict[str, Any]:
        """The state as plain data: one entry for each trait."""
        return {name: getattr(self, name) for name in self._state_names}

    def to_html(self) -> str:
        """A whole page with this explorer in its present state: no kernel, no network.

        The same state gives the same text.
        """
        # Inside a script element, only "<" could end the JSON early.
        state = json.dumps(self.state()).replace("<", "\\u003c")
        boot = (_HERE / "standalone.js").read_text(encoding="utf-8")
        return (
            "<!doctype html>\n"
            '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{type(self).__name__}</title>\n"
            f"<style>\nbody {{ margin: 0; }}\n{style_text()}</style>\n</head>\n<body>\n"
            '<div id="cx-explorer"></div>\n'
            f'<script type="application/json" id="cx-state">{state}</script>\n'
            f'<script type="module">\n{self.module_text()}\n{boot}</script>\n'
            "</body>\n</html>\n"
        )

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in self.state().items())
        return f"{type(self).__name__}({shown})"

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """The live widget, and beside it a frame for wherever no kernel answers (HTML export)."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        page = html.escape(self.to_html(), quote=True)
        frame = (
            f'<iframe srcdoc="{page}" title="{type(self).__name__}" '
            f'style="width: 100%; height: {self._frame_height}px; border: 0"></iframe>'
        )
        return {**data, "text/html": frame}, metadata
