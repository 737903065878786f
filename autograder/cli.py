"""The command line: ``course …``.

Thin on purpose: each command's work is a module of its own, imported when the command runs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, NoReturn

import click

from autograder.paths import CourseError, UsageError, course_root

if TYPE_CHECKING:
    from autograder.exercise import Exercise


class Failure(click.ClickException):
    """A CourseError, with the command in which it happened."""

    def __init__(self, message: str, ctx: click.Context) -> None:
        super().__init__(message)
        self.ctx = ctx


class CourseCommand(click.Command):
    """A command whose CourseErrors become lines on stderr and the exit status."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except UsageError as error:
            raise click.UsageError(str(error), ctx) from None
        except CourseError as error:
            raise Failure(str(error), ctx) from None
        except _database_errors() as error:
            said = getattr(error, "orig", error)
            raise Failure(f"the gradebook cannot be read or written: {said}", ctx) from None


def _database_errors() -> tuple[type[Exception], ...]:
    """What a gradebook raises that is none; nothing where no command has opened one."""
    module = sys.modules.get("sqlalchemy.exc")
    return () if module is None else (module.DatabaseError,)


class CourseGroup(click.Group):
    """Commands whose errors are one line each, and whose exit status is 0 only for success."""

    command_class = CourseCommand
    group_class = type

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> NoReturn:  # type: ignore[override]
        """Run the command line and exit: 1 where something fails, 2 where it is called wrongly."""
        extra["standalone_mode"] = False
        try:
            status = super().main(args, **extra)
        except click.ClickException as error:
            complain(error)
            sys.exit(error.exit_code)
        except click.Abort:
            click.echo("course: interrupted", err=True)
            sys.exit(130)
        # ctx.exit(status) comes back as that status; a command that returns nothing succeeded.
        sys.exit(status if isinstance(status, int) else 0)


def complain(error: click.ClickException) -> None:
    """Print an error on stderr, each line with the command's name before it."""
    message = error.format_message()
    if message.startswith("Usage:"):  # a group without a command: its help is the message
        click.echo(message, err=True)
        return
    ctx = getattr(error, "ctx", None)
    for line in message.splitlines():
        click.echo(f"{ctx.command_path if ctx else 'course'}: {line}", err=True)


@click.group(cls=CourseGroup, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """An interactive course on convolutional networks.

    Learners need `course lab`; `course doctor` helps where something does not work.
    """


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: tuple[str, ...]) -> None:
    """Open the course in JupyterLab, on this computer alone.

    ARGUMENTS go to JupyterLab: --no-browser, --port 8899, or a notebook's path below notebooks/.
    """
    from autograder.lab import start_lab

    click.get_current_context().exit(start_lab(course_root(), arguments))


@main.command(short_help="Say what is installed and what is missing.")
def doctor() -> None:
    """Say what is installed, what is missing, and which command installs it.

    The exit status is 0 where everything is there that a learner needs.
    """
    from autograder.doctor import examine, report

    findings = examine()
    click.echo(report(findings))
    if any(finding.needed and not finding.ok for finding in findings):
        click.get_current_context().exit(1)


@main.command(short_help="Make the notebooks from their sources.")
@click.option("--check", is_flag=True, help="Write nothing; fail where something would change.")
def build(check: bool) -> None:
    """Make the notebooks from the chapters' sources, solutions/NAME/NAME.py."""
    from autograder import build as builder

    root = course_root()
    if check:
        faults = builder.check(root)
        if faults:
            raise CourseError("\n".join(faults))
        click.echo("course build: every generated file is what its source builds")
        return
    for name in builder.build(root):
        click.echo(f"wrote {name}")


@main.command(short_help="Train the course's own backbone anew.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the weights go, a .safetensors file.  [default: the course's own place]",
)
def pretrain(output: Path | None) -> None:
    """Train the backbone of chapter 11 on rendered letters: some minutes of one core.

    Stopped with Ctrl-C, it goes on from there the next time.
    """
    from course_lib.experiments import pretrain as experiment

    try:
        experiment.main(output)
    except ValueError as error:
        raise UsageError(str(error)) from None


_seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="Draw the cases from this number."
)
_timeout = click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    help="How long each may take.  [default: 10, or more where an exercise says so]",
)
_jobs = click.option("--jobs", type=click.IntRange(1), help="How many are run at once.")


_class_directory = click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=".",
    help="The class directory.  [default: the working directory]",
)


@main.command(short_help="Judge plain Python files.")
@click.argument("exercise")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@_seed
@_timeout
@_jobs
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def judge(
    exercise: str,
    files: tuple[str, ...],
    seed: int | None,
    timeout: float | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Judge Python files that define the function, class or answers of EXERCISE.

    Each FILE is run by itself, without the files beside it. The exit status is 0 where all pass
    and 1 where one does not, also one that cannot be read.
    """
    from autograder import report

    passed = report.judge(exercise, files, seed, timeout, jobs, as_json)
    click.get_current_context().exit(0 if passed else 1)


@main.command(short_help="Judge a learner's notebooks.")
@click.argument("notebooks", nargs=-1, required=True, metavar="NOTEBOOK...")
@_seed
@_timeout
@_jobs
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def check(
    notebooks: tuple[str, ...],
    seed: int | None,
    timeout: float | None,
    jobs: int | None,
    as_json: bool,
) -> None:
    """Judge each NOTEBOOK with unseen cases: every exercise with its points and a message.

    Only what you wrote in the solution cells counts: other cells are not run. The exit status is
    0 where every notebook earns full marks.
    """
    from autograder import report

    full = report.check(notebooks, seed, timeout, jobs, as_json)
    click.get_current_context().exit(0 if full else 1)


@main.command(short_help="Grade a class.")
@click.argument("chapter")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="The class, as `course class new` made it.  [default: the working directory]",
)
@click.option("--student", "students", multiple=True, help="Only this student; may be repeated.")
@click.option(
    "--exercise", "exercises", multiple=True, help="Judge this again, and leave the other marks."
)
@click.option("--again", "--all", "again", is_flag=True, help="Also what is graded already.")
@click.option("--jobs", type=click.IntRange(1), help="How many processes.  [default: processors]")
@click.option("--scheduler", metavar="ADDRESS", help="Judge on the workers of this Dask scheduler.")
@click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), help="Instead of the class's secret number."
)
@click.option("--no-sandbox", is_flag=True, help="Run students' code with all that you may do.")
def grade(
    chapter: str,
    directory: Path,
    students: tuple[str, ...],
    exercises: tuple[str, ...],
    again: bool,
    jobs: int | None,
    scheduler: str | None,
    seed: int | None,
    no_sandbox: bool,
) -> None:
    """Grade every submission of CHAPTER in a class directory, and enter the marks.

    Stopped or broken off, it goes on where it was when run again. The exit status is 0 where every
    submission got its marks, and 1 where one did not.
    """
    from autograder.grading import batch

    request = batch.Request(
        chapter, students, exercises, again, seed, sandbox=False if no_sandbox else None
    )
    click.get_current_context().exit(batch.command(directory, request, jobs, scheduler))


@main.group("class")
def class_() -> None:
    """Prepare a class that is graded with nbgrader."""


@class_.command(short_help="Make a class directory.")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--course-id", help="The course's name in nbgrader.  [default: DIRECTORY's name]")
def new(directory: Path, course_id: str | None) -> None:
    """Make DIRECTORY an nbgrader course with every chapter as an assignment.

    Students' work lives there, never among the course's own files.
    """
    from autograder.classroom import new_class

    chapters = new_class(course_root(), directory, course_id)
    click.echo(f"{directory}: {len(chapters)} assignments; README.md there says how to go on")


@main.command(short_help="Write a class's marks for a spreadsheet, Canvas or Moodle.")
@click.argument("chapters", nargs=-1, metavar="[CHAPTER]...")
@_class_directory
@click.option(
    "--format",
    "style",
    type=click.Choice(["csv", "canvas", "moodle"]),
    default="csv",
    show_default=True,
    help="Which table.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where it goes.  [default: standard output]",
)
@click.option(
    "--roster",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Who is in the course: a CSV file that Canvas or Moodle exported.",
)
@click.option(
    "--identifier",
    type=click.Choice(["username", "email", "idnumber"]),
    help="How Moodle is to find people.  [default: as the roster lets it, else username]",
)
@click.option("--missing-as-zero", is_flag=True, help="Mark 0 where nothing was submitted.")
@click.option("--unfinished", is_flag=True, help="Count what is graded so far, too.")
def export(
    chapters: tuple[str, ...],
    directory: Path,
    style: str,
    output: Path | None,
    roster: Path | None,
    identifier: str | None,
    missing_as_zero: bool,
    unfinished: bool,
) -> None:
    """Write the marks in a class's gradebook: of each CHAPTER, or of all that were submitted.

    The marks are nbgrader's own, with manual scores and late penalties. Where nothing was
    submitted, or something is still to be graded by hand, the mark is left empty and the student
    named on standard error.
    """
    from autograder.grading import export as exporter
    from autograder.grading.marks import read_marks
    from autograder.grading.record import write_file

    filling = exporter.Filling(missing_as_zero, unfinished)
    marks = read_marks(directory, chapters)
    sheet = exporter.export(marks, style, roster, identifier, filling)
    if output is None:
        click.echo(sheet.to_bytes(), nl=False)
    else:
        write_file(output, sheet.to_bytes())
    for remark in sheet.remarks:
        click.echo(f"course export: {remark}", err=True)


@main.command(short_help="What a class finds hard in a chapter.")
@click.argument("chapter")
@_class_directory
@click.option(
    "--since",
    metavar="DATE|DAYS",
    help="Only what was handed in from then on: 2026-03-01, or 7 for the last week.",
)
@click.option(
    "--least",
    type=click.IntRange(1),
    default=1,
    help="Merge rows of fewer students, so that none of them can be told.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option(
    "--figure",
    "figures",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Draw it: a .png, .svg, .pdf or .html file.",
)
@click.option("--describe", is_flag=True, help="Print what the figure shows in words, too.")
def statistics(
    chapter: str,
    directory: Path,
    since: str | None,
    least: int,
    as_json: bool,
    figures: tuple[Path, ...],
    describe: bool,
) -> None:
    """Count how many of a class pass each aspect of CHAPTER's exercises, and the common mistakes.

    Counted are the submissions that are graded, each student once. No student is named.
    """
    from autograder.grading import statistics as counting

    if describe and (as_json or not figures):
        raise UsageError("--describe goes with --figure, and not with --json")
    when = None if since is None else counting.since_when(since)
    found = counting.read(directory, chapter, when, least)
    if figures:
        from autograder.grading import statistics_figure as figure

        for path in figures:
            figure.check(path)
    click.echo(json.dumps(found.to_json()) if as_json else counting.as_text(found))
    if figures:
        drawn = figure.draw(found)
        click.echo(err=as_json)
        for path in figures:
            figure.save(drawn, path)
            click.echo(f"wrote {path}", err=as_json)
        if describe:
            click.echo(f"\n{fill(drawn.alt, counting.WIDTH)}")


@main.command(short_help="List every exercise.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def exercises(as_json: bool) -> None:
    """List every exercise: name, chapter, kind, points, aspects, misconceptions."""
    from autograder.exercises import all_exercises

    found = all_exercises()
    if as_json:
        rows = (json.dumps(_as_json(exercise), ensure_ascii=False) for exercise in found)
        click.echo("[" + ",\n ".join(rows) + "]")
        return
    for exercise in found:
        click.echo(
            f"{exercise.chapter}  {exercise.name} ({exercise.kind}, {exercise.points:g} points)"
        )
        aspects = ", ".join(f"{aspect.name} {aspect.weight:g}" for aspect in exercise.aspects)
        click.echo(f"      aspects: {aspects}")
        misconceptions = exercise.misconception_ids()
        if misconceptions:
            click.echo(f"      misconceptions: {', '.join(misconceptions)}")


def _as_json(exercise: Exercise) -> dict[str, Any]:
    return {
        "name": exercise.name,
        "chapter": exercise.chapter,
        "kind": exercise.kind,
        "points": exercise.points,
        "aspects": [{"name": a.name, "weight": a.weight} for a in exercise.aspects],
        "misconceptions": list(exercise.misconception_ids()),
    }
