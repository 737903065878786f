"""The examples in the docstrings are true, and every public function has one."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import course_lib

# Figures and explorers draw; their own tests look at them.
LIGHT = (
    "course_lib._validate",
    "course_lib.cost",
    "course_lib.equivariance",
    "course_lib.geometry",
    "course_lib.timing",
    "course_lib.training",
    "course_lib.transfer",
)
PACKAGES = ("course_lib.ops", "course_lib.data", "course_lib.nets")


def module_names() -> list[str]:
    names = ["course_lib", *LIGHT, *PACKAGES]
    for package in PACKAGES:
        path = importlib.import_module(package).__path__
        names += [module.name for module in pkgutil.iter_modules(path, prefix=f"{package}.")]
    return names


def public_functions() -> list[tuple[str, object]]:
    modules = [getattr(course_lib, name) for name in course_lib.__all__]
    return [
        (f"{module.__name__}.{name}", getattr(module, name))
        for module in modules
        for name in module.__all__
        if inspect.isfunction(getattr(module, name))
    ]


@pytest.mark.parametrize("name", module_names())
def test_examples_are_true(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


@pytest.mark.parametrize(("name", "function"), public_functions())
def test_every_public_function_has_an_example(name, function):
    assert ">>>" in (inspect.getdoc(function) or "")


def test_all_parts_are_looked_at():
    names = {name for name, _ in public_functions()}
    assert {"course_lib.ops.conv2d_single", "course_lib.data.digits"} <= names
    assert "course_lib.ops.conv" in module_names()
