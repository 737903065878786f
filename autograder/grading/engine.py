"""One submission: judged in a sandbox, marked here.

`grade` is a function of its task and of nothing else, so that any process on any machine can do
it. What learners' code sends back is plain data; the verdicts are made in this process.
"""

from __future__ import annotations

import ast
import atexit
import builtins
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from autograder import exercises
from autograder.card import as_html, as_text
from autograder.grading.rebuild import rebuild
from autograder.paths import CourseError
from autograder.plain import readable
from autograder.runner import (
    Posed,
    Report,
    notebook_steps,
    pose,
    run_cells,
    run_steps,
    verdicts,
)
from autograder.sandbox.bubblewrap import Sandbox, View
from autograder.sandbox.view import groups, make_view, was_withheld
from autograder.sandbox.worker import Worker, WorkerError
from autograder.transplant import (
    Chapter,
    Submission,
    UnreadableError,
    parse_chapter,
    parse_notebook,
    transplant,
)
from autograder.verdict import Verdict, blank


@dataclass(frozen=True)
class Task:
    """A submission to be graded: all that is needed, nothing bound to a machine.

    `source` is the class's own notebook of the chapter, `notebook` what the student handed in;
    None where there is nothing to judge, and `problem` says why. `notes` are remarks of whoever
    collected it. With `reveal`, cards show the smallest failing case. `only` names the exercises to
    judge; empty, all. `timeout` replaces the seconds that exercises allow.
    """

    student: str
    chapter: str
    source: bytes
    notebook: bytes | None
    problem: str | None = None
    notes: tuple[str, ...] = ()
    seed: int = 0
    sandbox: bool = True
    reveal: bool = False
    only: tuple[str, ...] = ()
    timeout: float | None = None


@dataclass(frozen=True)
class ExerciseGrade:
    """The mark for one exercise, and what the learner may read about it.

    `cell` is the grade id of the test cell, whose `points` the class decides. Texts of the card
    hold nothing but what the class reveals; `message` is for the instructor.
    """

    exercise: str
    cell: str
    verdict: str
    score: float
    points: float
    earned: float
    aspects: tuple[tuple[str, float, bool], ...]
    misconception: str | None
    message: str
    card_html: str
    card_text: str


@dataclass(frozen=True)
class Grade:
    """The marks for one submission.

    `submission` and `source` are SHA-256 digests. `limits` names, in words, what could not be
    limited on this machine. `notebook` is the rebuilt notebook as JSON text. `seconds` says where
    the time went.
    """

    student: str
    chapter: str
    seed: int
    sandbox: str
    limits: tuple[str, ...]
    submission: str
    source: str
    problem: str | None
    notes: tuple[str, ...]
    exercises: tuple[ExerciseGrade, ...]
    notebook: str
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def earned(self) -> float:
        """The points of all exercises together."""
        return float(round(sum(exercise.earned for exercise in self.exercises), 6))

    @property
    def points(self) -> float:
        """What the chapter is worth."""
        return float(sum(exercise.points for exercise in self.exercises))

    @property
    def faults(self) -> tuple[str, ...]:
        """The exercises that could not be judged through no fault of the learner: no mark."""
        return tuple(e.exercise for e in self.exercises if e.verdict == "grader_error")

    def to_json(self) -> dict[str, Any]:
        """The grade as JSON can hold it."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Grade:
        """The grade that `to_json` wrote."""
        grades = tuple(
            ExerciseGrade(
                **{**row, "aspects": tuple((name, w, ok) for name, w, ok in row["aspects"])}
            )
            for row in data["exercises"]
        )
        lists = {name: tuple(data[name]) for name in ("limits", "notes")}
        return cls(**{**data, **lists, "exercises": grades})


MAX_MESSAGE = 2_000  # characters of what an instructor reads about one exercise


def grade(task: Task) -> Grade:
    """Judge a submission, whatever is in it.

    Raises CourseError where nothing can be judged on this machine or the class's own notebook is
    no chapter of the course; never for what a student handed in.
    """
    clock = _Clock()
    chapter = _chapter(task.chapter, task.source)
    posed = _posed(chapter, task.seed, task.timeout)
    asked = {name: posed[name] for name in posed if not task.only or name in task.only}
    found: dict[str, Verdict] = {}
    submission: Submission | None = None
    problem, notes = task.problem, task.notes
    if task.notebook is not None and problem is None:
        try:
            submission = transplant(parse_notebook(task.notebook), [chapter])
        except UnreadableError as error:
            problem = str(error)
    clock.lap("read")
    sandbox = "bubblewrap" if task.sandbox else "none"
    limits: tuple[str, ...] = ()
    if submission is None:
        kind = "not_attempted" if task.notebook is None else "error"
        found = {name: _blank(one, kind, problem or "") for name, one in asked.items()}
    else:
        notes = (*notes, *submission.notes)
        reports: list[tuple[Mapping[str, Posed], Report]] = []
        for group in _groups(asked):
            try:
                worker = _worker(chapter, tuple(group), task.sandbox)
                if worker.sandbox is not None:
                    limits = worker.sandbox.unlimited
                tried = list(_run(worker, submission, group, task.reveal))
                reports += tried
                for name in _hindered(tried) if task.sandbox else ():
                    one = {name: group[name]}
                    worker = _worker(chapter, (name,), task.sandbox)
                    reports += _run(worker, submission, one, task.reveal)
            except WorkerError as error:
                found.update(
                    {n: _blank(one, "grader_error", str(error)) for n, one in group.items()}
                )
        clock.lap("run")
        for together, report in reports:
            found.update({v.exercise: v for v in verdicts(submission, together, report)})
        clock.lap("judge")
    sources = {} if submission is None else submission.sources
    graded = tuple(_graded(chapter, found, sources, task.reveal))
    said = notes if problem is None else (problem, *notes)
    notebook = rebuild(json.loads(task.source), sources, graded, said)
    clock.lap("rebuild")
    return Grade(
        student=task.student,
        chapter=task.chapter,
        seed=task.seed,
        sandbox=sandbox,
        limits=limits,
        submission="" if task.notebook is None else digest(task.notebook),
        source=digest(task.source),
        problem=problem,
        notes=notes,
        exercises=graded,
        notebook=json.dumps(notebook, ensure_ascii=False, indent=1, sort_keys=True),
        seconds=clock.laps,
    )


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name], self._last = now - self._last, now


def digest(data: bytes) -> str:
    """The SHA-256 digest by which a file is known."""
    return hashlib.sha256(data).hexdigest()


# ── what is the same for a whole class ──────────────────────────────────────────────────────────


@lru_cache(maxsize=4)
def _chapter(name: str, source: bytes) -> Chapter:
    chapter = parse_chapter(name, source)
    if not chapter.ids("test"):
        raise CourseError(f"the class's own notebook of {name} has no cell that gives marks")
    return chapter


@lru_cache(maxsize=2)
def _posed(chapter: Chapter, seed: int, timeout: float | None) -> Mapping[str, Posed]:
    return pose(chapter, seed, timeout, None)


MAX_WARM = 3  # processes that one of ours keeps
_workers: dict[tuple[str, tuple[str, ...]], Worker] = {}


def _worker(chapter: Chapter, exercises: tuple[str, ...], sandboxed: bool) -> Worker:
    """A warm process for the submissions of one chapter.

    In a sandbox it serves `exercises`, since what it may hold depends on them.
    """
    key = (chapter.name, exercises if sandboxed else ())
    worker = _workers.pop(key, None)
    if worker is None:
        while len(_workers) >= MAX_WARM:
            _workers.pop(next(iter(_workers))).close()
        sandbox = Sandbox(partial(_view, exercises)) if sandboxed else None
        worker = Worker(sandbox=sandbox, ahead=("IPython", *_imports(chapter)))
    _workers[key] = worker  # at the end: the one used last is closed last
    return worker


def _view(names: Sequence[str], place: Path) -> View:
    return make_view(place, exercises.get(names[0]).chapter, names)


def _groups(asked: Mapping[str, Posed]) -> Iterator[dict[str, Posed]]:
    """The exercises, apart where what one may use would answer another."""
    for number in dict.fromkeys(one.exercise.chapter for one in asked.values()):
        for group in groups(number):
            chosen = {name: asked[name] for name in asked if name in group}
            if chosen:
                yield chosen


def _run(
    worker: Worker, submission: Submission, group: Mapping[str, Posed], reveal: bool
) -> Iterator[tuple[Mapping[str, Posed], Report]]:
    """What was observed of some exercises, those together that one process may try.

    A model is trained in a process for each of its cases: what one of them gives away of the data,
    the next must not know.
    """
    trained = {name: one for name, one in group.items() if one.exercise.kind == "trained"}
    others = {name: one for name, one in group.items() if name not in trained}
    if others:
        report = run_steps(worker, list(notebook_steps(submission, others)), notebook=True)
        yield others, report if reveal else _without_inputs(worker, submission, others, report)
    for name, one in trained.items():
        yield {name: one}, _run_apart(worker, submission, name, one)


def _hindered(tried: Sequence[tuple[Mapping[str, Posed], Report]]) -> Iterator[str]:
    """The exercises that called what only another one, tried beside them, has to do without."""
    for group, report in tried:
        for name in group if len(group) > 1 else ():
            observations = report.probes.get(name, {}).get("observations", ())
            troubles = [observation.trouble for observation in observations]
            if name in report.cells:
                troubles.append(report.cells[name].trouble)
            if any(map(was_withheld, troubles)):
                yield name


def _run_apart(worker: Worker, submission: Submission, name: str, posed: Posed) -> Report:
    observations = []
    limit = posed.exercise.time_limit / min(2, len(posed.cases))
    exercise = replace(posed.exercise, time_limit=limit)
    for case in posed.cases:
        alone = {name: Posed(exercise, [case], posed.known)}
        report = run_steps(worker, list(notebook_steps(submission, alone)), notebook=True)
        if "observations" not in report.probes.get(name, {}):
            return report
        observations += report.probes[name]["observations"]
    report.probes[name]["observations"] = observations
    return report


def _imports(chapter: Chapter) -> tuple[str, ...]:
    """The modules that the set-up cells import: ours to say, so they may be imported ahead."""
    found: dict[str, None] = {}
    for cell in chapter.cells:
        if cell.role != "setup":
            continue
        for node in ast.walk(ast.parse(cell.released)):
            if isinstance(node, ast.Import):
                found.update(dict.fromkeys(alias.name for alias in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module:
                found[node.module] = None
                found.update(dict.fromkeys(f"{node.module}.{alias.name}" for alias in node.names))
    return tuple(found)


@atexit.register
def close() -> None:
    """End the sandbox that is kept warm."""
    while _workers:
        _workers.popitem()[1].close()


# ── from verdicts to marks ──────────────────────────────────────────────────────────────────────


def _blank(posed: Posed, verdict: str, message: str) -> Verdict:
    exercise = posed.exercise
    return blank(exercise.name, exercise.points, verdict, message, exercise.aspects)


def _graded(
    chapter: Chapter, found: Mapping[str, Verdict], sources: Mapping[str, str], reveal: bool
) -> Iterator[ExerciseGrade]:
    for cell in chapter.cells:
        if cell.role == "test" and cell.exercise in found:
            # The card counts in the class's points too.
            verdict = replace(found[cell.exercise], points=cell.points)
            source = sources.get(cell.exercise, "")
            shown = verdict if reveal else _without_case(verdict, source)
            yield _exercise_grade(verdict, cell.id, shown)


def _exercise_grade(verdict: Verdict, cell: str, shown: Verdict) -> ExerciseGrade:
    return ExerciseGrade(
        exercise=verdict.exercise,
        cell=cell,
        verdict=verdict.verdict,
        score=round(float(verdict.score), 6),
        points=verdict.points,
        earned=verdict.earned,
        aspects=tuple((a.name, float(a.weight), bool(a.passed)) for a in verdict.aspects),
        misconception=verdict.misconception,
        message=readable(verdict.message)[:MAX_MESSAGE],
        card_html=readable(as_html(shown)),
        card_text=readable(as_text(shown)),
    )


# What a card says of a case that stays unseen: its kind, in our own words.
_KINDS = {
    "none": "your function returns None: is the return missing?",
    "type": "your answer has another type than the statement asks for",
    "shape": "your answer has the wrong shape",
    "nan": "your answer holds NaN (not a number)",
    "value": "your answer has wrong values",
    "changed": "your code changes its input: work on a copy",
    "no_error": "the error that the statement asks for is not raised",
    "time": "it runs too long: does a loop never end?",
    "memory": "it runs out of memory",
    "steps": "right values, but by far too many Python instructions: let NumPy do the loop",
    "condition": "your answer does not meet this condition",
    "not_attempted": "this part is not written yet",
    "raised": "it raises an error",
}


def _without_case(verdict: Verdict, source: str) -> Verdict:
    """The verdict without the case that failed: an unseen test stays unseen.

    Nor what the learner's code said of it: an exception's text may repeat what it was given.
    """
    failure = verdict.failure
    if failure is None:
        return verdict
    kind = failure.mismatch.kind
    # The score of a trained model tells nothing of the data.
    said = failure.mismatch.text if kind == "score" else _KINDS.get(kind, _KINDS["value"])
    if kind == "raised":
        said = _raised(failure.mismatch.text)
    lines = source.splitlines()
    for number, _ in failure.lines[-1:]:
        if kind == "raised" and 0 < number <= len(lines):
            said += f" in line {number}: `{lines[number - 1].strip()[:200]}`"
    return replace(verdict, failure=None, message=f"{failure.aspect}: {said}")


def _raised(text: str) -> str:
    """What was raised, where it is one of Python's own exceptions: those names tell nothing."""
    if text.startswith("your code calls exit()"):
        return text
    found = re.search(r"\braise[sd] (\w+)", text)
    kind = getattr(builtins, found[1], None) if found else None
    known = isinstance(kind, type) and issubclass(kind, BaseException)
    return f"it raises {found[1]}" if found and known else _KINDS["raised"]


def _without_inputs(
    worker: Worker, submission: Submission, asked: Mapping[str, Posed], report: Report
) -> Report:
    """Have every text of the learner's code come from a process that was given no input.

    What a cell says when it fails, a learner may read; and after the first exercise was tried, it
    could say what the unseen tests were.
    """
    own = "\n".join(submission.sources.values())
    for probed in report.probes.values():
        if "missing" in probed:
            probed["missing"] = [name for name in probed["missing"] if name in own]
    for key, outcome in report.ended.items():
        if outcome.ending == "broken" and not outcome.detail.startswith("MemoryError"):
            report.ended[key] = replace(outcome, detail="it could not go on")
    if all(end.trouble is None for end in report.cells.values()):
        return report
    cells = [step for step in notebook_steps(submission, asked) if "source" in step]
    again = run_cells(worker, cells)
    for name, end in report.cells.items():
        if end.trouble is not None:
            fresh = again.get(name)
            trouble = fresh.trouble if fresh is not None else None
            plain = replace(end.trouble, text="", lines=())
            report.cells[name] = replace(end, trouble=trouble or plain)
    return report
