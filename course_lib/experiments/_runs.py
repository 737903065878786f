"""The file that an experiment's runs go to, one after the other, so that none is done twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, TypeVar

from course_lib._validate import integer

__all__ = ["complete", "four_digits", "pairs", "place_in", "read_rows"]


class Run(Protocol):
    """The result of one run: a dataclass that says which setting and seed it is of."""

    @property
    def setting(self) -> Any: ...
    @property
    def seed(self) -> int: ...


R = TypeVar("R", bound=Run)
Key = tuple[Any, int]  # a setting and a seed


def four_digits(value: float) -> float:
    """A number with four significant digits: enough for every figure.

    >>> four_digits(0.123456)
    0.1235
    """
    return float(f"{value:.4g}")


def pairs(settings: Sequence[Any], seeds: Sequence[int]) -> list[Key]:
    """Every setting with every seed, seed after seed; ValueError for a negative seed."""
    return [(setting, integer(seed, "seeds", 0)) for seed in seeds for setting in settings]


def place_in(settings: Sequence[Any]) -> Callable[[Key], tuple[Any, ...]]:
    """A key to sort by: in the order of `settings`, unknown ones behind them, then by the seed."""

    def place(key: Key) -> tuple[Any, ...]:
        setting, seed = key
        known = settings.index(setting) if setting in settings else len(settings)
        return known, str(setting), seed

    return place


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a file, a dict for each run."""
    with open(path, encoding="utf-8") as file:
        rows: list[dict[str, Any]] = json.load(file)
    return rows


def complete(
    path: Path,
    wanted: Sequence[Key],
    train: Callable[[Any, int], R],
    done: Sequence[R],
    *,
    order: Callable[[Key], Any] | None = None,
    row: Callable[[R], dict[str, Any]] = asdict,  # type: ignore[assignment]
    name: str = "networks",
    progress: bool = True,
) -> tuple[R, ...]:
    """Do the `wanted` runs that are not `done`; after each, all go to the file as a `row` each.

    They stand there, and come back, in the order in which they were done, unless `order` sorts
    them.
    """
    from tqdm import tqdm

    results = {(result.setting, result.seed): result for result in done}

    def in_order() -> list[R]:
        keys = list(results) if order is None else sorted(results, key=order)
        return [results[key] for key in keys]

    missing = [key for key in wanted if key not in results]
    for setting, seed in tqdm(missing, desc=name, disable=not progress):
        results[setting, seed] = train(setting, seed)
        _save([row(result) for result in in_order()], path)
    return tuple(in_order())


def _save(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write a file that is whole at every moment, a line a run."""
    lines = ",\n".join(json.dumps(row) for row in rows)
    beside = path.with_suffix(".part")
    beside.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    beside.replace(path)
