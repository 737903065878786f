"""Packages that are loaded when a picture is asked for, not before."""

from __future__ import annotations

import importlib
from typing import Any


def package(module: str, distribution: str) -> Any:
    """Import a module by name; where it is missing, say which command installs it.

    >>> package("no_such_module", "absent")
    Traceback (most recent call last):
    ModuleNotFoundError: this needs the package absent: python -m pip install absent
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # the package is here; something that it needs is not
        raise ModuleNotFoundError(
            f"this needs the package {distribution}: python -m pip install {distribution}",
            name=error.name,
        ) from error
