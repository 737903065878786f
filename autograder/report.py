"""What `course judge` and `course check` print: text for a reader, JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click

from autograder import runner
from autograder.card import as_text
from autograder.paths import CourseError, UsageError
from autograder.sandbox.worker import WorkerError


def judge(
    exercise: str,
    files: Sequence[str],
    seed: int | None,
    timeout: float | None,
    jobs: int | None,
    as_json: bool,
) -> bool:
    """Print the verdict on each file as it comes; whether all pass."""
    try:
        results = runner.judge_files(exercise, files, seed, timeout, jobs=jobs)
    except (KeyError, ValueError) as error:
        raise UsageError(error.args[0]) from None
    passed = 0
    try:
        for result in results:
            passed += result.verdict.verdict == "pass"
            if as_json:
                _print_json(result.to_json())
            else:
                _print(f"{result.file}\n{_indented(as_text(result.verdict))}\n")
    except WorkerError as error:
        raise CourseError(str(error)) from None
    if not as_json:
        _print(f"{passed} of {len(files)} pass")
    return passed == len(files)


def check(
    notebooks: Sequence[str],
    seed: int | None,
    timeout: float | None,
    jobs: int | None,
    as_json: bool,
) -> bool:
    """Print the verdicts on each notebook as they come; whether all earn full marks."""
    try:
        results = runner.check_notebooks(notebooks, seed, timeout, jobs=jobs)
    except ValueError as error:
        raise UsageError(error.args[0]) from None
    full = True
    try:
        for result in results:
            full = full and result.full_marks
            if as_json:
                _print_json(result.to_json())
            else:
                _print(notebook_text(result))
    except WorkerError as error:
        raise CourseError(str(error)) from None
    return full


def notebook_text(result: runner.NotebookResult) -> str:
    """The result of a notebook for a terminal."""
    if result.problem is not None:
        return f"{result.file}: cannot be marked: {result.problem}\n"
    lines = [f"{result.file} ({result.chapter})", ""]
    lines += [f"{_indented(as_text(verdict))}\n" for verdict in result.verdicts]
    if result.notes:
        lines += ["  Notes on the notebook:", *(f"  - {note}" for note in result.notes), ""]
    lines.append(f"{result.chapter}: {result.earned:g} of {result.points:g} points")
    return "\n".join(lines) + "\n"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _print(text: str) -> None:
    # A learner's text may hold what no terminal can show.
    click.echo(text.encode("utf-8", "backslashreplace").decode())


def _print_json(data: dict[str, Any]) -> None:
    # Escapes for all that is not ASCII: it survives every terminal and pipe.
    click.echo(json.dumps(data))
