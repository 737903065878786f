"""Judge files and notebooks: learners' code runs in child processes, the verdict is made here.

The child is told the inputs of the cases and sends back what it observed; cases, references and
misconceptions stay in this process.
"""

from __future__ import annotations

import difflib
import importlib.util
import os
import re
import secrets
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from autograder import exercises, probe
from autograder.exercise import Case, Exercise
from autograder.judge import UNWRITTEN, judge
from autograder.known import Known
from autograder.paths import CourseError, course_root
from autograder.probe import Observation, Trouble
from autograder.sandbox.child import CUT_OFF
from autograder.sandbox.worker import (
    CAN_FORK,
    Outcome,
    Worker,
    WorkerError,
    frame_observations,
    frame_trouble,
)
from autograder.transplant import (
    Chapter,
    Submission,
    UnreadableError,
    chapters,
    read_bytes,
    read_notebook,
    transplant,
)
from autograder.verdict import Verdict, blank

SECONDS = 10.0  # for a file, or for an exercise of a notebook, unless the exercise says more
DAY = 86_400  # seconds: the most that may be given
MAX_SOURCE_BYTES = 4 * 2**20
_UNDEFINED = re.compile(r"name '(\w+)' is not defined")
_T = TypeVar("_T")
_R = TypeVar("_R")

Registry = Mapping[str, Exercise]


@dataclass(frozen=True)
class FileResult:
    """The verdict on one file."""

    file: str
    verdict: Verdict

    def to_json(self) -> dict[str, Any]:
        """As `course judge --json` prints it."""
        return {"file": self.file, **_with_advice(self.verdict)}


@dataclass(frozen=True)
class NotebookResult:
    """The verdicts on a notebook's exercises, in the chapter's order.

    `problem` says why nothing could be judged, `notes` what was remarkable, `points` is what the
    whole chapter is worth.
    """

    file: str
    chapter: str | None = None
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def earned(self) -> float:
        """The points of all exercises together."""
        return float(round(sum(verdict.earned for verdict in self.verdicts), 6))

    @property
    def points(self) -> float:
        """What the chapter is worth."""
        return float(sum(verdict.points for verdict in self.verdicts))

    @property
    def full_marks(self) -> bool:
        """Whether every exercise passed."""
        return bool(self.verdicts) and all(v.verdict == "pass" for v in self.verdicts)

    def to_json(self) -> dict[str, Any]:
        """As `course check --json` prints it."""
        return {
            "file": self.file,
            "chapter": self.chapter,
            "earned": self.earned,
            "points": self.points,
            "problem": self.problem,
            "exercises": [
                {**_with_advice(v), "points": float(v.points), "earned": v.earned}
                for v in self.verdicts
            ],
            "notes": list(self.notes),
        }


def _with_advice(verdict: Verdict) -> dict[str, Any]:
    data = verdict.to_json()
    if verdict.advice:
        data["message"] = f"{_ended(verdict.message)} {verdict.advice}"
    return data


def _ended(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def judge_files(
    name: str,
    paths: Iterable[str | Path],
    seed: int | None = None,
    timeout: float | None = None,
    *,
    jobs: int | None = None,
    registry: Registry | None = None,
    fork: bool = CAN_FORK,
) -> Iterator[FileResult]:
    """Judge plain Python files that define the name of the exercise `name`, in their order.

    Every file gets the same cases, drawn from `seed`, else from chance. A file may take `timeout`
    seconds, else 10 or what the exercise says if that is more. `jobs` files run at once (default:
    as many as there are processors, at most four). Raises KeyError for an unknown exercise and
    ValueError for an impossible `timeout`; whatever is wrong with a file is its own verdict.
    """
    _check_timeout(timeout)
    task = _pose(_lookup(registry, name), seed, timeout)
    return _judge_files(task, [str(path) for path in paths], jobs, fork)


def _lookup(registry: Registry | None, name: str) -> Exercise:
    if registry is None:
        return exercises.get(name)
    if name not in registry:
        raise KeyError(f"no exercise is called {name!r}")
    return registry[name]


@dataclass(frozen=True)
class Posed:
    """An exercise with the cases that answers are judged on, and what is known of them."""

    exercise: Exercise
    cases: Sequence[Case]
    known: Known


def _check_timeout(timeout: float | None) -> None:
    # Written so that NaN is refused too.
    if timeout is not None and not 0 < timeout <= DAY:
        raise ValueError(f"timeout (={timeout:g}) must be seconds, above 0 and at most {DAY:,}")


def _pose(exercise: Exercise, seed: int | None, timeout: float | None) -> Posed:
    limit = timeout if timeout is not None else max(SECONDS, exercise.time_limit)
    try:
        cases = exercise.draw(secrets.randbits(32) if seed is None else seed)
    except Exception as error:
        raise CourseError(f"the exercise {exercise.name} cannot draw its cases: {error}") from error
    exercise = replace(exercise, time_limit=limit)
    return Posed(exercise, cases, Known(exercise, cases))


def _judge_files(
    task: Posed, files: Sequence[str], jobs: int | None, fork: bool
) -> Iterator[FileResult]:
    exercise = task.exercise
    probing = _probe_step(task)

    def run(worker: Worker, file: str) -> Report:
        cell = _cell_step(Path(file).name, read_source(Path(file)), exercise.time_limit)
        return run_steps(worker, [cell, probing], exercise.time_limit, notebook=False)

    for file, found in zip(files, _at_once(run, files, jobs, fork), strict=True):
        if isinstance(found, UnreadableError):
            verdict = _blank(exercise, "error", str(found))
        elif isinstance(found, Exception):
            verdict = _blank(exercise, "grader_error", f"{type(found).__name__}: {found}")
        else:
            verdict = _verdict(task, found, Path(file).name, "the file")
        yield FileResult(file, verdict)


def read_source(path: Path) -> str:
    """The text of a Python file, decoded as Python does; UnreadableError with the reason."""
    data = read_bytes(path, MAX_SOURCE_BYTES)
    if not data.strip():
        raise UnreadableError("the file is empty")
    if data.lstrip()[:1] == b"{" and path.suffix == ".ipynb":
        raise UnreadableError("this is a notebook, no Python file: use `course check`")
    try:
        return importlib.util.decode_source(data)
    except (UnicodeDecodeError, SyntaxError, LookupError):
        raise UnreadableError(_undecodable(data)) from None


def _undecodable(data: bytes) -> str:
    """Why a Python file is no text: where its first byte is that is none of UTF-8."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "the file is UTF-16 text: save it as UTF-8"
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        byte = data[error.start]
        return f"the file is no UTF-8 text (byte {byte:#04x} in line {line}): save it as UTF-8"
    return "the coding that the file names in its first lines is unknown: save it as UTF-8"


# ── notebooks ───────────────────────────────────────────────────────────────────────────────────


def check_notebooks(
    paths: Iterable[str | Path],
    seed: int | None = None,
    timeout: float | None = None,
    *,
    jobs: int | None = None,
    root: Path | None = None,
    registry: Registry | None = None,
    fork: bool = CAN_FORK,
) -> Iterator[NotebookResult]:
    """Judge learners' notebooks with unseen cases, in their order.

    Each is rebuilt from the course's own notebook (see `transplant`), found by its grade ids. The
    cell of an exercise and its cases may each take `timeout` seconds, else 10 or what the exercise
    says if that is more. Raises CourseError where the course in `root` is not built and
    ValueError for an impossible `timeout`.
    """
    _check_timeout(timeout)
    known = chapters(root if root is not None else course_root())
    if seed is None:
        seed = secrets.randbits(32)
    ask = partial(pose, seed=seed, timeout=timeout, registry=registry)
    return _check_notebooks(known, cache(ask), [str(path) for path in paths], jobs, fork)


def pose(
    chapter: Chapter, seed: int, timeout: float | None, registry: Registry | None
) -> dict[str, Posed]:
    """The exercises of a chapter, by name, in its order."""
    tasks = {}
    for cell in chapter.cells:
        if cell.role == "test":
            try:
                exercise = _lookup(registry, cell.exercise)
            except KeyError as error:
                raise CourseError(f"{chapter.name}: {error.args[0]}") from None
            tasks[cell.exercise] = _pose(exercise, seed, timeout)
    return tasks


def _check_notebooks(
    known: Sequence[Chapter],
    ask: Callable[[Chapter], Mapping[str, Posed]],
    files: Sequence[str],
    jobs: int | None,
    fork: bool,
) -> Iterator[NotebookResult]:
    def run(worker: Worker, file: str) -> Checked:
        submission = transplant(read_notebook(Path(file)), known)
        tasks = ask(submission.chapter)
        steps = list(notebook_steps(submission, tasks))
        return Checked(submission, tasks, run_steps(worker, steps, notebook=True))

    for file, found in zip(files, _at_once(run, files, jobs, fork), strict=True):
        if isinstance(found, UnreadableError):
            yield NotebookResult(file, problem=str(found))
        elif isinstance(found, Exception):
            said = str(found) if isinstance(found, CourseError) else f"{found!r}"
            yield NotebookResult(file, problem=f"our fault, not yours: {said}")
        else:
            yield _notebook_result(file, found)


@dataclass(frozen=True)
class Checked:
    """A notebook after its cells ran: what is needed to judge it."""

    submission: Submission
    tasks: Mapping[str, Posed]
    report: Report


def notebook_steps(
    submission: Submission, tasks: Mapping[str, Posed]
) -> Iterator[Mapping[str, Any]]:
    """The set-up cells, the learner's solution cells, and a probe where each test cell stands."""
    for cell in submission.chapter.cells:
        if cell.role == "setup":
            yield _cell_step(cell.id, cell.released, 60.0)
        elif cell.role == "solution" and cell.id in submission.sources:
            limit = tasks[cell.id].exercise.time_limit if cell.id in tasks else SECONDS
            yield _cell_step(cell.id, submission.sources[cell.id], limit)
        elif cell.role == "test" and cell.exercise in submission.sources and cell.exercise in tasks:
            yield _probe_step(tasks[cell.exercise])


def _notebook_result(file: str, checked: Checked) -> NotebookResult:
    submission = checked.submission
    found = tuple(verdicts(submission, checked.tasks, checked.report))
    return NotebookResult(file, submission.chapter.name, found, submission.notes)


def verdicts(
    submission: Submission, tasks: Mapping[str, Posed], report: Report
) -> Iterator[Verdict]:
    """The verdict on each exercise posed, after the cells of a submission ran."""
    broken = _broken_setup(submission.chapter, report)
    for name, task in tasks.items():
        if name not in submission.sources:
            text = f"your notebook has no cell {name!r}: copy it from the released notebook"
            yield _blank(task.exercise, "not_attempted", text)
        elif broken:
            yield _blank(task.exercise, "grader_error", broken)
        else:
            verdict = _verdict(task, report, name, "the cell")
            yield _explain_undefined(verdict, submission, report, name)


def _broken_setup(chapter: Chapter, report: Report) -> str:
    """Why a set-up cell failed before any cell of the learner ran, or the empty text."""
    for cell in chapter.cells:
        if cell.role == "solution":
            return ""
        if cell.role == "setup" and cell.id in report.cells:
            end = report.cells[cell.id]
            if end.trouble is not None or end.status != "ok":
                said = _said(end.trouble) if end.trouble else end.status
                return f"the course's set-up cell {cell.id!r} failed: {said}"
    return ""


def _explain_undefined(
    verdict: Verdict, submission: Submission, report: Report, name: str
) -> Verdict:
    """Say so where a missing name is defined in a cell that is not taken over."""
    observed = report.probes.get(name, {}).get("observations") or []
    troubles = [o.trouble for o in observed]
    if name in report.cells:
        troubles.append(report.cells[name].trouble)
    for trouble in troubles:
        match = _UNDEFINED.search(trouble.text) if trouble is not None else None
        if match and submission.defines(match[1]):
            text = (
                f"{match[1]} is defined in a cell that does not count: only solution cells are "
                f"taken over, so define it in the cell {name!r}."
            )
            if verdict.failure is None:
                return replace(verdict, message=f"{_ended(verdict.message)} {text}")
            return replace(verdict, advice=f"{verdict.advice} {text}".strip())
    return verdict


# ── running the steps ───────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class CellEnd:
    """How a cell ended."""

    status: str
    trouble: Trouble | None


@dataclass
class Report:
    """What is known after all steps ran, in one job or in several.

    `cells` says how each cell ended; `probes` holds the frame of each exercise, its observations
    decoded; `ended` names the steps (``cell …``, ``probe …``) at which a job ended before its time,
    and how.
    """

    cells: dict[str, CellEnd] = field(default_factory=dict)
    probes: dict[str, dict[str, Any]] = field(default_factory=dict)
    ended: dict[str, Outcome] = field(default_factory=dict)


def _cell_step(name: str, source: str, seconds: float) -> dict[str, Any]:
    return {"cell": name, "source": source, "seconds": seconds}


def _probe_step(task: Posed) -> dict[str, Any]:
    return {
        "exercise": task.exercise.name,
        "probe": probe.request(task.exercise, task.cases).to_plain(),
        "seconds": task.exercise.time_limit,
    }


def _key(step: Mapping[str, Any]) -> str:
    return f"cell {step['cell']}" if "source" in step else f"probe {step['exercise']}"


def run_steps(
    worker: Worker,
    steps: Sequence[Mapping[str, Any]],
    seconds: float = float("inf"),
    *,
    notebook: bool,
) -> Report:
    """Run steps, and where one ends the process, run the others again without it.

    So an endless loop in one cell costs the marks of its exercise and of no other.
    """
    report = Report()
    remaining = list(steps)
    while any("probe" in step for step in remaining):
        outcome = worker.run(remaining, seconds=seconds, notebook=notebook)
        for step, frame in zip(remaining, outcome.frames, strict=False):
            _absorb(report, step, frame)
        if outcome.ending == "unready":
            raise WorkerError(f"the child process did not get ready: {outcome.detail}")
        if outcome.ending == "done":
            break
        guilty = remaining[min(len(outcome.frames), len(remaining) - 1)]
        report.ended[_key(guilty)] = outcome
        remaining = [s for s in remaining if s is not guilty and _again(s, report, guilty)]
        if not notebook:
            break  # a file has one exercise: there are no other marks to save
    return report


def run_cells(worker: Worker, cells: Sequence[Mapping[str, Any]]) -> dict[str, CellEnd]:
    """How the cells of a notebook end where none of its exercises is tried."""
    report = Report()
    for step, frame in zip(cells, worker.run(cells, notebook=True).frames, strict=False):
        _absorb(report, step, frame)
    return report.cells


def _again(step: Mapping[str, Any], report: Report, guilty: Mapping[str, Any]) -> bool:
    """Whether a step has to run again after `guilty` has ended the process."""
    if "source" in step:
        # One that ran into its limit would do so again, at the same cost.
        return step["cell"] not in report.cells or report.cells[step["cell"]].status != "time"
    return step["exercise"] not in report.probes and step["exercise"] != guilty.get("cell")


def _absorb(report: Report, step: Mapping[str, Any], frame: Mapping[str, Any]) -> None:
    if "source" in step:
        report.cells[step["cell"]] = CellEnd(frame["status"], frame_trouble(frame))
    elif "observations" in frame:
        observations = frame_observations(frame, step["probe"])
        report.probes[step["exercise"]] = {"observations": observations}
    else:
        report.probes[step["exercise"]] = dict(frame)


def _at_once(
    run: Callable[[Worker, _T], _R], tasks: Sequence[_T], jobs: int | None, fork: bool
) -> Iterator[_R | Exception]:
    """The results of `run` in the order of `tasks`, a few of them running at once.

    An exception of `run` is the result of its task, so that it harms no other; but where no child
    process can be started, none can for the others.
    """
    jobs = min(jobs or min(os.cpu_count() or 1, 4), max(1, len(tasks)))
    workers: SimpleQueue[Worker] = SimpleQueue()
    all_workers = [Worker(fork) for _ in range(jobs)]

    def run_one(task: _T) -> _R | Exception:
        worker = workers.get()
        try:
            return run(worker, task)
        except WorkerError:
            raise
        except Exception as error:
            return error
        finally:
            workers.put(worker)

    pool = ThreadPoolExecutor(jobs)
    waiting: deque[Future[_R | Exception]] = deque()
    try:
        for worker in all_workers:
            workers.put(worker)
        for task in tasks:
            waiting.append(pool.submit(run_one, task))
            if len(waiting) > 2 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        # In this order: closing the workers ends the jobs that a thread may wait for.
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in all_workers:
            worker.close()
        pool.shutdown(wait=True)


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────


def _blank(exercise: Exercise, verdict: str, message: str) -> Verdict:
    return blank(exercise.name, exercise.points, verdict, message, exercise.aspects)


def _verdict(task: Posed, report: Report, cell: str, where: str) -> Verdict:
    """The verdict on an exercise whose answer is in `cell`; `where` is "the file" or "the cell"."""
    exercise = task.exercise
    probed = report.probes.get(exercise.name)
    end = report.cells.get(cell)
    if probed is None:
        during = f"while {where} ran" if f"cell {cell}" in report.ended else "while it was called"
        ended = report.ended.get(f"cell {cell}") or report.ended.get(f"probe {exercise.name}")
        return _cut_short(exercise, ended, during)
    if "too_large" in probed:
        text = f"the answers hold {probed['too_large'] / 2**20:,.0f} MB together: far too much"
        return _blank(exercise, "output", text)
    if "late" in probed or (end is not None and end.status == "time" and "missing" in probed):
        text = f"{where} itself ran longer than {exercise.time_limit:g} s: does a loop never end?"
        return _blank(exercise, "time", text)
    if "missing" in probed:
        return _undefined(exercise, end, probed["missing"], where)
    verdict = _judge(task, probed["observations"])
    if end is None or end.status == "ok" or verdict.verdict == "not_attempted":
        return verdict
    return replace(verdict, advice=f"{verdict.advice} {_aside(end, where, exercise)}".strip())


def _judge(task: Posed, observations: Sequence[Observation]) -> Verdict:
    try:
        return judge(task.exercise, task.cases, observations, task.known)
    except Exception as error:
        return _blank(task.exercise, "grader_error", f"{type(error).__name__}: {error}")


def _undefined(
    exercise: Exercise, end: CellEnd | None, defined: Sequence[str], where: str
) -> Verdict:
    """The verdict where the name asked for does not exist."""
    name = exercise.variable
    if end is not None and end.status == "not_attempted":
        return _blank(exercise, "not_attempted", UNWRITTEN)
    if end is not None and end.status == "memory":
        return _blank(exercise, "memory", f"{where} itself ran out of memory")
    if end is not None and end.trouble is not None:
        text = f"{where} stops before {name} is defined: {_said(end.trouble)}"
        return _blank(exercise, "error", text)
    text = f"{where} does not define {name}"
    near = difflib.get_close_matches(name, defined, n=1, cutoff=0.6)
    same = [other for other in defined if other.lower() == name.lower()]
    if same or near:
        text += f"; did you mean {(same or near)[0]}?"
    elif defined:
        text += f"; it defines {', '.join(defined[:5])}{' …' if len(defined) > 5 else ''}"
    return _blank(exercise, "error", text)


def _said(trouble: Trouble) -> str:
    """An exception in one line, with the last of the learner's own lines."""
    # Python's own "(file, line 3)" after a syntax error: the line is given anyway.
    words = re.sub(r" \([^()]*, line \d+\)$", "", trouble.text)
    text = f"{trouble.type}: {words}" if words else trouble.type
    if trouble.type == "SystemExit":
        text = "your code calls exit()"
    if trouble.type == "EOFError":
        text = "your code waits for input(), and nobody is there to type"
    if trouble.lines:
        number, source = trouble.lines[-1]
        text = f"line {number}: {text}" + (f" (`{source}`)" if source else "")
    return text


def _aside(end: CellEnd, where: str, exercise: Exercise) -> str:
    """What to say of code that defines its answer and then fails."""
    where = where.capitalize()
    if end.status == "time":
        return f"{where} itself ran longer than {exercise.time_limit:g} s and was stopped."
    if end.status == "memory" or end.trouble is None:
        return f"{where} itself ran out of memory."
    return f"{where} itself stops in {_said(end.trouble)}."


def _cut_short(exercise: Exercise, outcome: Outcome | None, during: str) -> Verdict:
    """The verdict where the process ended before the exercise was observed."""
    if outcome is None:
        return _blank(exercise, "grader_error", "the child process said nothing about it")
    if outcome.ending == "time":
        limit = f"{exercise.time_limit:g} s"
        text = f"ran longer than {limit} {during} and had to be killed: does a loop never end?"
        return _blank(exercise, "time", text)
    if outcome.ending == "cpu":
        return _blank(exercise, "time", f"used far too much processor time {during}")
    if outcome.ending == "memory":
        return _blank(exercise, "memory", f"ran out of memory {during}, all processes together")
    if outcome.ending == "flood":
        text = f"your code sent back far too much data {during}"
        return _blank(exercise, "output", text)
    if outcome.ending == "broken" and outcome.detail.startswith("MemoryError"):
        return _blank(exercise, "memory", f"ran out of memory {during}")
    if outcome.ending == "broken":
        text = f"your code broke what runs it {during}: {outcome.detail}"
        return _blank(exercise, "crash", text)
    if outcome.ending == "rubbish":
        text = f"your code meddled with how answers are sent back {during}"
        return _blank(exercise, "tampered", text)
    return _blank(exercise, "crash", f"your code {_death(outcome.status)} {during}")


_SIGNALS = {
    "SIGSEGV": "segmentation fault: is a recursion endless?",
    "SIGABRT": "aborted",
    "SIGKILL": "killed: did it need too much memory?",
    "SIGFPE": "arithmetic error",
    "SIGBUS": "bus error",
}


def _death(status: int | None) -> str:
    if status is None:
        return "ended its process"
    if status == CUT_OFF:
        return "closed what answers are sent through"
    if status >= 0:
        return f"ended its process with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    meaning = f" ({_SIGNALS[name]})" if name in _SIGNALS else ""
    return f"crashed its process with {name}{meaning}"
