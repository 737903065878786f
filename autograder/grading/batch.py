"""A class, graded: every submission of a chapter judged, its marks written, nothing done twice.

Workers judge and return data; this process alone writes. What is recorded for the same notebook,
class notebook, seed and kind of sandbox is not judged again, so a run that was interrupted goes on
where it was.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from nbgrader.api import Gradebook

from autograder.grading import engine, gradebook, settings
from autograder.grading import record as records
from autograder.grading.chapters import chapters_of, check_class, near
from autograder.grading.collect import Found, submissions
from autograder.grading.dispatch import Interrupted, Lost, judged
from autograder.grading.edition import edition
from autograder.grading.engine import Grade, Task, digest
from autograder.grading.lock import only_writer
from autograder.grading.pool import Judge, LocalPool, Pool
from autograder.grading.progress import Shown
from autograder.grading.record import Record
from autograder.grading.regrade import merged
from autograder.grading.tally import Tally, submissions_text
from autograder.grading.writer import Enter, Writer
from autograder.paths import CourseError, UsageError
from autograder.transplant import Cell, UnreadableError, parse_chapter

RESUME = "run the same command again to go on: what is recorded is not graded twice"


@dataclass(frozen=True)
class Request:
    """What to grade: a chapter, of all students or some.

    With `again`, also what is recorded; with `exercises`, these again and the others as recorded.
    `seed` and `sandbox` default to the class's own.
    """

    chapter: str
    students: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    again: bool = False
    seed: int | None = None
    sandbox: bool | None = None


@dataclass(frozen=True)
class Plan:
    """A request, with what the class says: all that decides on a grade."""

    directory: Path
    chapter: str
    source: bytes
    seed: int
    sandbox: bool
    reveal: bool
    exercises: tuple[str, ...]
    forced: bool
    run: str

    def task(self, found: Found, only: tuple[str, ...]) -> Task:
        """What a worker is asked; the notebook is read for it."""
        notebook, problem = _read(found)
        return Task(
            student=found.student,
            chapter=self.chapter,
            source=self.source,
            notebook=notebook,
            problem=problem,
            notes=found.notes,
            seed=self.seed,
            sandbox=self.sandbox,
            reveal=self.reveal,
            only=only,
        )


@dataclass(frozen=True)
class Job:
    """A submission to be judged; `only` some of its exercises, if it names any."""

    found: Found
    only: tuple[str, ...]


def grade_class(
    directory: Path,
    request: Request,
    start: Callable[[], Pool],
    *,
    judge: Judge = engine.grade,
    enter: Enter | None = None,
    opened: Gradebook | None = None,
) -> Tally:
    """Grade what `request` asks for, in the class in `directory`, and say how far it is.

    `start` starts what judges. `enter` puts a grade into the gradebook that is `opened`; without
    them, the class's own is. Raises CourseError where grading cannot go on, Interrupted where
    somebody stops it; what was graded until then is kept.
    """
    directory = directory.resolve()
    with contextlib.ExitStack() as stack:
        check_class(directory)
        stack.enter_context(only_writer(directory))
        plan = _plan(directory, request)
        found = submissions(directory, plan.chapter, request.students)
        if not found:
            raise CourseError(f"{directory}/submitted/*/{plan.chapter} holds nothing to grade")
        if enter is None:
            own = settings.load(directory)
            entering = gradebook.entering(own.course(directory), own.late_policy())
            enter, opened = stack.enter_context(entering)
        known = None if opened is None else _entered(opened, plan)
        writer = Writer(directory, plan.chapter, enter, plan.reveal, edition(), plan.run)
        tally = Tally(total=len(found))
        stop = stack.enter_context(_asked_to_stop())
        shown = stack.enter_context(Shown(tally))
        if not plan.sandbox:
            shown.say("WITHOUT A SANDBOX: submissions can read and change whatever you can")
        jobs = _jobs(plan, found, known, writer, tally, shown, stop)
        first = next(jobs, None)
        if first is not None:
            pool = start()
            stack.callback(pool.close)
            at_once = min(pool.slots, len(found))
            shown.say(f"{plan.chapter}: {submissions_text(len(found))}, {at_once} at once")
            try:
                _judge_all(plan, _chained(first, jobs), pool, judge, writer, tally, shown, stop)
            except CourseError as error:
                raise CourseError(f"{error}\n{RESUME}" if tally.graded else str(error)) from None
        records.write_verdicts(directory, plan.chapter)
        if plan.forced:
            _run_path(directory, plan.chapter).unlink(missing_ok=True)
    return tally


def _judge_all(
    plan: Plan,
    jobs: Iterator[Job],
    pool: Pool,
    judge: Judge,
    writer: Writer,
    tally: Tally,
    shown: Shown,
    stop: threading.Event,
) -> None:
    asked = ((job, partial(plan.task, job.found, job.only)) for job in jobs)
    for job, outcome in judged(asked, pool, judge, stop.is_set):
        student = job.found.student
        if isinstance(outcome, Lost):
            tally.refuse(student, outcome.reason)
        else:
            grade: Grade = outcome
            if job.only:
                old = records.load(plan.directory, plan.chapter, student)
                if old is None or old.grade.submission != grade.submission:
                    tally.refuse(student, "the submission changed while it was judged")
                    continue
                grade = merged(old.grade, grade)
            try:
                writer.write(grade, job.found.timestamp)
            except ValueError as error:
                tally.refuse(student, f"our fault: {error}")
            else:
                tally.add(grade)
        shown.update()


# ── what is asked ───────────────────────────────────────────────────────────────────────────────


def _plan(directory: Path, request: Request) -> Plan:
    """The request with what the class's own files say about it."""
    own = settings.load(directory)
    _check_structure(own.course(directory))
    source = _source(directory, request.chapter)
    known = [cell.exercise for cell in _test_cells(request.chapter, source)]
    for name in request.exercises:
        if name not in known:
            raise UsageError(f"{request.chapter} has no exercise {name!r}{near(name, known)}")
    forced = request.again or bool(request.exercises)
    plan = Plan(
        directory,
        request.chapter,
        source,
        seed=settings.seed_of(directory) if request.seed is None else request.seed,
        sandbox=own.sandbox if request.sandbox is None else request.sandbox,
        reveal=own.reveal_failing_case,
        exercises=() if request.again else tuple(request.exercises),
        forced=forced,
        run="",
    )
    return replace(plan, run=_run(plan, request)) if forced else plan


def _check_structure(course: Any) -> None:
    for ours, theirs in (
        ("source", course.source_directory),
        ("submitted", course.submitted_directory),
        ("autograded", course.autograded_directory),
        ("{nbgrader_step}/{student_id}/{assignment_id}", course.directory_structure),
    ):
        if ours != theirs:
            raise CourseError(f"nbgrader_config.py names {theirs!r} where grading expects {ours!r}")


def _source(directory: Path, chapter: str) -> bytes:
    known = chapters_of(directory)
    if chapter not in known:
        raise UsageError(f"this class has no chapter {chapter!r}{near(chapter, known)}")
    path = directory / "source" / chapter / f"{chapter}.ipynb"
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None


def _test_cells(chapter: str, source: bytes) -> list[Cell]:
    return [cell for cell in parse_chapter(chapter, source).cells if cell.role == "test"]


def _run_path(directory: Path, chapter: str) -> Path:
    return records.chapter_directory(directory, chapter) / "run.json"


def _run(plan: Plan, request: Request) -> str:
    """The name of a run that grades again what is recorded.

    It outlives an interruption, so that the same command goes on instead of starting over.
    """
    asked = {**asdict(request), "seed": plan.seed, "sandbox": plan.sandbox, "edition": edition()}
    asked["source"] = digest(plan.source)
    asked = json.loads(json.dumps(asked))
    path = _run_path(plan.directory, plan.chapter)
    try:
        former = json.loads(path.read_bytes())
        if former["asked"] == asked:
            return str(former["run"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    name = secrets.token_hex(8)
    content = json.dumps({"run": name, "asked": asked}).encode()
    records.write_file(path, content, mode=records.PRIVATE)
    return name


# ── what is there already ───────────────────────────────────────────────────────────────────────


def _jobs(
    plan: Plan,
    found: list[Found],
    known: dict[str, float] | None,
    writer: Writer,
    tally: Tally,
    shown: Shown,
    stop: threading.Event,
) -> Iterator[Job]:
    """The submissions to be judged; the others are dealt with on the way.

    `known` says what the gradebook has, by student; None where nobody knows.
    """
    for one in found:
        if stop.is_set():
            raise Interrupted
        refused = one.refused or gradebook.unsafe_id(one.student)
        if refused is not None:
            tally.refuse(one.student, refused)
            continue
        record = records.load(plan.directory, plan.chapter, one.student)
        if record is None or not _holds(plan, one, record):
            yield Job(one, ())
        elif plan.forced and record.run != plan.run:
            # A fault is judged again in any case, and cards are all shown in the same way.
            whole = record.grade.faults or record.reveal != plan.reveal
            yield Job(one, () if whole else plan.exercises)
        elif record.grade.faults or record.reveal != plan.reveal:
            yield Job(one, ())
        else:
            lost = record.entered and known is not None and not _is_in(known, record.grade)
            if lost or not record.entered or record.timestamp != one.timestamp:
                writer.enter_again(record, one.timestamp)
            tally.lost += lost
            tally.add(record.grade, before=True)
            if record.edition != writer.edition:
                tally.older += 1
        shown.update()


def _entered(opened: Gradebook, plan: Plan) -> dict[str, float] | None:
    """The sum of each student's scores in the gradebook, which has to know the chapter as it is.

    None for a chapter without scores.
    """
    points = {cell.id: cell.points for cell in _test_cells(plan.chapter, plan.source)}
    gradebook.check_chapter(opened, plan.chapter, points)
    return gradebook.entered(opened, plan.chapter, points.keys()) if points else None


def _is_in(known: dict[str, float], grade: Grade) -> bool:
    """Whether the gradebook has what was recorded, not only an older grade or none."""
    score = known.get(grade.student)
    return score is not None and math.isclose(score, grade.earned, abs_tol=1e-9)


def _holds(plan: Plan, found: Found, record: Record) -> bool:
    """Whether a record is of this very submission, judged as it would be now."""
    grade = record.grade
    if (grade.source, grade.seed) != (digest(plan.source), plan.seed):
        return False
    # Where there was nothing to run, there was nothing to shut in.
    if grade.problem is None and (grade.sandbox != "none") != plan.sandbox:
        return False
    notebook, problem = _read(found)
    if grade.submission != ("" if notebook is None else digest(notebook)):
        return False
    if notebook is None and grade.problem != problem:
        return False
    path = records.notebook_path(plan.directory, plan.chapter, found.student)
    try:
        return digest(path.read_bytes()) == record.notebook
    except OSError:
        return False


def _read(found: Found) -> tuple[bytes | None, str | None]:
    """A submission's notebook, or why there is none."""
    try:
        return found.read(), None
    except UnreadableError as error:
        return None, str(error)


def _chained(first: Job, rest: Iterator[Job]) -> Iterator[Job]:
    yield first
    yield from rest


# ── interruptions ───────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, so that no step of writing is torn; a second one interrupts."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


# ── the command ─────────────────────────────────────────────────────────────────────────────────


def command(
    directory: Path, request: Request, jobs: int | None = None, scheduler: str | None = None
) -> int:
    """`course grade`: grade, print what came of it; the exit status."""
    start: Callable[[], Pool]
    if scheduler is not None:
        from autograder.grading.pool import Cluster

        start = partial(Cluster, scheduler)
    else:
        processors = len(os.sched_getaffinity(0))
        if jobs is not None and jobs > processors:
            print(
                f"--jobs {jobs} is more than the {processors} processors here: "
                "that takes memory, and is no faster",
                file=sys.stderr,
            )
        start = partial(LocalPool, jobs or processors)
    try:
        tally = grade_class(directory, request, start)
    except (Interrupted, KeyboardInterrupt):
        print(f"stopped; {RESUME}", file=sys.stderr)
        return 130
    print("\n".join(tally.summary(request.chapter)))
    print(f"  verdicts: {records.verdict_path(directory, request.chapter)}")
    return 1 if tally.unmarked else 0
