"""A function that is withheld keeps its name and signature; its source is nowhere any more."""

import doctest
import importlib
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType

import pytest

from autograder.sandbox import strip
from autograder.sandbox.strip import Package

SOURCES = {
    "toy": '''
"""A package that offers what its modules define."""
from toy.areas import SHAPES, area, perimeter
from toy import figures

__all__ = ["SHAPES", "area", "figures", "perimeter"]
''',
    "toy.areas": '''
"""Areas."""
from __future__ import annotations
import functools
from toy import figures
from toy.helpers import doubled, halved as half, shared

__all__ = ["SHAPES", "area", "perimeter"]
_FACTOR = 3

@functools.cache
def area(width: int, height: int = 2, *, unit: str = "m") -> int:
    """The area of a rectangle.

    In square metres.

    >>> area(2, 3)
    6
    """
    return half(doubled(width * height)) + _only_here(width) * 0

def _only_here(x):
    return _deeper(x) * _FACTOR

def _deeper(x):
    return _deeper(x - 1) + _only_here(0) if x > 9 else shared(x)

SHAPES = {"rectangle": _deeper, "square": _only_here}

def perimeter(width, height):
    return shared(doubled(width + height)) // 2 + len(SHAPES) * 0
''',
    "toy.helpers": """
import toy.figures

def doubled(x):
    return 2 * x

def halved(x):
    return x // 2

def shared(x):
    return x

EVERYTHING = [toy.figures]
""",
    "toy.figures": '''
from dataclasses import dataclass

class Circle:
    """A circle.

    >>> Circle(3)
    """
    sides = 0

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def area(self) -> float:
        """Its area."""
        return 3.14 * self.radius**2

    @property
    def width(self):
        return 2 * self.radius

class Ring(Circle):
    pass

@dataclass(frozen=True)
class Box:
    side: int

    def __call__(self, x):
        return x + self.side

class Plain:
    pass
''',
}

Written = Callable[[Mapping[str, str]], ModuleType]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Written]:
    """Write the package without some functions, and import it."""

    def write(withheld: Mapping[str, str]) -> ModuleType:
        for name, text in {**SOURCES, **Package("toy", SOURCES).without(withheld)}.items():
            path = tmp_path / name.replace(".", "/")
            file = path / "__init__.py" if name == "toy" else path.with_suffix(".py")
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        return importlib.import_module("toy")

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "toy"]:
        del sys.modules[name]


def error() -> type[Exception]:
    kind: type[Exception] = importlib.import_module("toy._withheld").WithheldError
    return kind


def test_a_function_keeps_its_name_its_signature_and_its_words(written: Written) -> None:
    toy = written({"toy.area": "find it yourself"})
    shown = "(width: 'int', height: 'int' = 2, *, unit: 'str' = 'm') -> 'int'"
    assert str(inspect.signature(toy.area)) == shown
    assert inspect.getdoc(toy.area) == "The area of a rectangle.\n\nIn square metres."
    assert toy.area is sys.modules["toy.areas"].area
    message = "toy.area is not available where marks are made: find it yourself"
    with pytest.raises(error(), match=message) as caught:
        toy.area(1)
    assert isinstance(caught.value, RuntimeError)
    assert not isinstance(caught.value, NotImplementedError | ValueError)


def test_what_only_it_used_is_gone_and_what_others_use_stays(written: Written) -> None:
    toy = written({"toy.area": ""})
    assert toy.perimeter(2, 3) == 5
    helpers = sys.modules["toy.helpers"]
    assert not hasattr(helpers, "halved")
    assert (helpers.doubled(2), helpers.shared(2)) == (4, 2)
    # The table is used by `perimeter`, so what stands in it stays too.
    assert toy.SHAPES["square"](2) == 6


def test_a_table_that_nobody_needs_any_more_is_empty(written: Written) -> None:
    package = Package("toy", SOURCES)
    both = {"toy.area": "", "toy.perimeter": ""}
    assert package.left_over(both) == {
        ("toy.areas", "_FACTOR"),
        ("toy.areas", "_deeper"),
        ("toy.areas", "_only_here"),
        ("toy.helpers", "doubled"),
        ("toy.helpers", "halved"),
        ("toy.helpers", "shared"),
    }
    toy = written(both)
    assert toy.SHAPES == {}
    source = inspect.getsource(sys.modules["toy.areas"])
    assert "_deeper" not in source
    assert "toy.helpers" not in source


def test_a_class_can_be_named_and_inherited_from_but_not_made(written: Written) -> None:
    toy = written({"toy.figures.Circle": "", "toy.figures.Box": "", "toy.figures.Plain": ""})
    figures = toy.figures
    assert issubclass(figures.Ring, figures.Circle)
    assert not isinstance(3, figures.Circle)
    assert str(inspect.signature(figures.Circle)) == "(radius: float) -> None"
    assert inspect.getdoc(figures.Circle) == "A circle."
    assert inspect.getdoc(figures.Circle.area) == "Its area."
    assert figures.Circle.sides == 0
    for make in (lambda: figures.Circle(2), lambda: figures.Ring(2), figures.Plain):
        with pytest.raises(error()):
            make()
    half_made = object.__new__(figures.Circle)
    for use in (lambda: half_made.area(), lambda: half_made.width):
        with pytest.raises(error()):
            use()
    box = object.__new__(figures.Box)
    with pytest.raises(error()):
        box(1)
    assert "radius**2" not in inspect.getsource(figures)


def test_a_dataclass_cannot_be_made_either(written: Written) -> None:
    toy = written({"toy.figures.Box": ""})
    with pytest.raises(error()):
        toy.figures.Box(1)
    assert list(inspect.signature(toy.figures.Box).parameters) == ["side"]


def test_a_module_that_is_used_as_a_whole_uses_all_that_it_holds() -> None:
    """`EVERYTHING` holds a module: nobody can say what is taken out of it."""
    used = """
def only_in_the_table():
    return 1
"""
    sources = {
        "toy": "from toy import things\n\ndef f():\n    return things.only_in_the_table()\n",
        "toy.things": used,
    }
    gone = Package("toy", sources).left_over({"toy.f": ""})
    assert gone == {("toy.things", "only_in_the_table")}
    sources["toy.list"] = "from toy import things\n\nALL = [things]\n"
    assert Package("toy", sources).left_over({"toy.f": ""}) == set()


def test_nothing_else_is_touched() -> None:
    changed = Package("toy", SOURCES).without({"toy.figures.Plain": ""})
    assert sorted(changed) == ["toy._withheld", "toy.figures"]


def test_a_name_that_is_nothing_raises() -> None:
    with pytest.raises(KeyError, match=r"toy\.volume"):
        Package("toy", SOURCES).without({"toy.volume": ""})
    with pytest.raises(TypeError, match="SHAPES must be a function or a class"):
        Package("toy", SOURCES).without({"toy.SHAPES": ""})


def test_doctests() -> None:
    assert doctest.testmod(strip).failed == 0
