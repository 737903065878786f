"""What a chapter calls: `check`, `hint`, `solution`, `questions`.

`check` runs a learner's object on worked examples and practice cases, or on unseen ones, shows a
card and returns the points as a plain float. nbgrader reads the last value of a test cell as its
score, silence as full marks and an exception as zero: so `check` raises at zero and only there.
"""

from __future__ import annotations

import linecache
import os
import re
import secrets
import sys
from collections.abc import Iterator
from html import escape
from types import FrameType
from typing import Any

from autograder import exercises
from autograder.card import Card, marked
from autograder.compare import name_type
from autograder.exercise import Asked, Exercise, QuestionExercise
from autograder.judge import evaluate
from autograder.plain import simplify
from autograder.pristine import pristine_builtins, restore_after_every_cell
from autograder.verdict import Verdict, blank

PRACTICE_SEED = 0

_passed: set[str] = set()
_hints_shown: dict[str, int] = {}
restore_after_every_cell()


class NoPoints(Exception):  # noqa: N818 - it is no error of the program: it says "zero" to nbgrader
    """An exercise earned nothing. The card above says why."""

    def _render_traceback_(self) -> list[str]:
        return ["0 points: the card says why"]


def check(
    obj: Any, *, hidden: bool = False, seed: int | None = None, exercise: str | None = None
) -> float:
    """Judge a learner's answer, show the card, return the points.

    The exercise is the one called `exercise`; unless said, it is found by the name of the variable
    that holds `obj`, else by ``obj.__name__``; a dict of answers names its quiz. With
    ``hidden=True`` the cases are drawn anew: from `seed`, else from the environment's
    ``COURSE_SEED``, else from chance.

    Returns the points earned, more than zero. Raises `NoPoints` where nothing is earned and
    LookupError where no exercise fits `obj`.
    """
    with pristine_builtins():
        asked = find_exercise(obj if exercise is None else exercise, sys._getframe(1))
        if seed is None:
            seed = _hidden_seed() if hidden else PRACTICE_SEED
        verdict = _evaluate(asked, obj, seed)
        if verdict.verdict == "pass" and exercise is None:
            _passed.add(asked.name)
        _show(Card(verdict))
        if verdict.earned <= 0:
            # from None: a learner needs no history of our own exceptions.
            raise NoPoints(f"{asked.name}: {verdict.message}") from None
        return verdict.earned


def _evaluate(exercise: Exercise, obj: Any, seed: int) -> Verdict:
    try:
        return evaluate(exercise, obj, seed)
    except Exception as error:
        text = f"{type(error).__name__}: {error} (seed {seed})"
        return blank(exercise.name, exercise.points, "grader_error", text, exercise.aspects)


def hint(what: Any) -> None:
    """Show the next hint for an exercise, given as the learner's object or by its name."""
    exercise = find_exercise(what, sys._getframe(1))
    if not exercise.hints:
        _show(Note(exercise.name, "There is no hint for this one."))
        return
    shown = _hints_shown.get(exercise.name, 0)
    place = min(shown, len(exercise.hints) - 1)
    _hints_shown[exercise.name] = place + 1
    left = len(exercise.hints) - place - 1
    more = f"{left} more: run the cell again." if left else "This is the last one."
    title = f"{exercise.name}: hint {place + 1} of {len(exercise.hints)}"
    _show(Note(title, exercise.hints[place], more))


def solution(what: Any) -> None:
    """Show the course's solution, after a pass or the last hint."""
    exercise = find_exercise(what, sys._getframe(1))
    seen = _hints_shown.get(exercise.name, 0)
    if exercise.name not in _passed and seen < len(exercise.hints):
        left = len(exercise.hints) - seen
        text = f"Pass the check or read the hints first ({left} left): hint({exercise.variable})."
        _show(Note(exercise.name, text))
        return
    if isinstance(exercise, QuestionExercise):
        answers = simplify(what)
        seed = answers.get("seed") if isinstance(answers, dict) else PRACTICE_SEED
        _show(QuestionSheet(exercise, seed if isinstance(seed, int) else 0, solved=True))
        return
    source = exercises.solution_source(exercise.name)
    _show(Note(exercise.name, "" if source else "No solution is stored.", code=source or ""))


def questions(quiz: str, seed: int = 1) -> QuestionSheet:
    """The questions of a chapter's quiz for a seed, ready to be shown.

    Another seed draws other numbers: practise as long as you like.
    """
    exercise = exercises.get(f"quiz_{quiz}")
    assert isinstance(exercise, QuestionExercise)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed (={seed!r}) must be an int from 0 to 2**32 - 1")
    return QuestionSheet(exercise, seed)


# ── finding the exercise ────────────────────────────────────────────────────────────────────────


def find_exercise(obj: Any, frame: FrameType | None) -> Exercise:
    """The exercise that an object answers, found by variable name, own name or quiz.

    The variable goes first: after ``conv2d_vectorised = conv2d_single`` the object's own name
    would lead to the other exercise.
    """
    if type(obj) is str:
        return _by_name(obj)
    if type(obj) is dict and "quiz" in obj:
        return _by_name(f"quiz_{obj['quiz']}")
    names = _variables(obj, frame)
    if len(names) > 1:
        called = _called_with(frame)
        names = [called] if called in names else names
    if names:
        return exercises.get(names[0])
    own = getattr(obj, "__name__", None)
    if isinstance(own, str) and exercises.known(own):
        return exercises.get(own)
    what = name_type(simplify(obj)) if not isinstance(own, str) else f"{own!r}"
    raise LookupError(
        f"{what} is no exercise: give check the function or class that an exercise names"
    )


def _by_name(name: str) -> Exercise:
    try:
        return exercises.get(name)
    except KeyError as error:
        raise LookupError(error.args[0]) from None


def _variables(obj: Any, frame: FrameType | None) -> list[str]:
    if frame is None:
        return []
    spaces = (frame.f_locals, frame.f_globals)
    found = [name for space in spaces for name, value in list(space.items()) if value is obj]
    return [name for name in dict.fromkeys(found) if exercises.known(name)]


def _called_with(frame: FrameType | None) -> str:
    if frame is None:
        return ""
    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno)
    match = re.search(r"(?:check|hint|solution)\s*\(\s*(\w+)", line)
    return match[1] if match else ""


def _hidden_seed() -> int:
    given = os.environ.get("COURSE_SEED", "")
    if not given:
        return secrets.randbits(32)
    if not given.isdecimal():
        raise ValueError(f"COURSE_SEED (={given!r}) must be an int, not negative")
    return int(given)


# ── showing ─────────────────────────────────────────────────────────────────────────────────────


def _show(thing: Any) -> None:
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        from IPython.display import display

        display(thing)  # type: ignore[no-untyped-call]
    else:
        print(thing)


_NOTE_STYLE = (
    "font:14px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);"
    "border-left:5px solid #5b6f8f;padding:8px 14px;margin:4px 0;max-width:52em"
)


_CODE_STYLE = (
    "font:13px/1.45 var(--jp-code-font-family,ui-monospace,monospace);"
    "white-space:pre;overflow-x:auto;padding:6px 0"
)


class Note:
    """A short message with a title: a hint, a solution."""

    def __init__(self, title: str, text: str, more: str = "", code: str = "") -> None:
        self.title, self.text, self.more, self.code = title, text, more, code

    def __repr__(self) -> str:
        return "\n".join(part for part in (self.title, self.text, self.code, self.more) if part)

    def _repr_html_(self) -> str:
        code = f'<pre style="{_CODE_STYLE}">{escape(self.code)}</pre>' if self.code else ""
        return (
            f'<div style="{_NOTE_STYLE}"><b>{escape(self.title)}</b>'
            f"<p>{marked(self.text)}</p>{code}<small>{escape(self.more)}</small></div>"
        )


class QuestionSheet:
    """The questions of a quiz, with or without the worked solutions."""

    def __init__(self, exercise: QuestionExercise, seed: int, solved: bool = False) -> None:
        self.exercise, self.seed, self.solved = exercise, seed, solved

    def _rows(self) -> Iterator[tuple[int, str, Asked]]:
        for number, (name, asked) in enumerate(self.exercise.asked(self.seed).items(), start=1):
            yield number, name, asked

    def __repr__(self) -> str:
        lines = [f"Quiz {self.exercise.quiz}, seed {self.seed}"]
        for number, name, asked in self._rows():
            lines.append(f"{number}. [{name}] {asked.text}")
            lines += [f"   {'abcdefgh'[i]}) {text}" for i, text in enumerate(asked.choices)]
            if self.solved:
                lines.append(f"   answer: {asked.answer}. {asked.worked}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        items = []
        for _, name, asked in self._rows():
            options = "".join(
                f"<br>{'abcdefgh'[i]}) {marked(text)}" for i, text in enumerate(asked.choices)
            )
            solved = (
                f"<br><b>{escape(str(asked.answer))}</b>. {marked(asked.worked)}"
                if self.solved
                else ""
            )
            items.append(
                f'<li style="margin:6px 0"><code>{escape(name)}</code>: '
                f"{marked(asked.text)}{options}{solved}</li>"
            )
        return (
            f'<div style="{_NOTE_STYLE}"><b>Quiz {escape(self.exercise.quiz)}</b> '
            f"(seed {self.seed})<ol>{''.join(items)}</ol></div>"
        )
