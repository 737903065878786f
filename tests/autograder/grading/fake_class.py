"""A class of a small chapter, and a judge that does what a submission says: no sandbox, no wait.

Imported by name, also by the processes that judge.
"""

import hashlib
import json
import os
import signal
import sqlite3
import time
from pathlib import Path

from autograder.grading.engine import ExerciseGrade, Grade
from autograder.paths import CourseError, put_scripts_on_path

CHAPTER = "ch99_sums"
POINTS = {"total": 3.0, "mean": 2.0}


def cell(kind, grade_id, source, **more):
    flags = {"grade": kind == "test", "solution": kind == "solution", "task": False}
    flags |= {"locked": kind != "solution", "schema_version": 3, "grade_id": grade_id}
    return {
        "cell_type": "code",
        "id": grade_id.replace("_", "-"),
        "execution_count": None,
        "metadata": {"nbgrader": {**flags, **more}},
        "outputs": [],
        "source": source,
    }


def notebook(cells):
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def source():
    """The class's own notebook."""
    cells = [cell("setup", "setup", "import math")]
    for name, points in POINTS.items():
        cells.append(cell("solution", name, f"def {name}(x):\n    return {name}"))
        cells.append(cell("test", f"test_{name}", f"check({name})", points=points))
    return notebook(cells)


def make_class(directory: Path) -> None:
    """A class with a gradebook that knows the chapter, and no submission."""
    from nbgrader.api import Gradebook  # not at the top: processes that judge need none

    place = directory / "source" / CHAPTER
    place.mkdir(parents=True)
    (place / f"{CHAPTER}.ipynb").write_text(json.dumps(source()))
    (place / "picture.svg").write_text("<svg/>")
    (directory / "submitted").mkdir()
    (directory / "grading").mkdir()
    (directory / "grading/seed").write_text("17")
    put_scripts_on_path()
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}") as gradebook:
        gradebook.add_assignment(CHAPTER)
        gradebook.add_notebook(CHAPTER, CHAPTER)
        for name, points in POINTS.items():
            gradebook.add_solution_cell(name, CHAPTER, CHAPTER)
            gradebook.add_grade_cell(
                f"test_{name}", CHAPTER, CHAPTER, max_score=points, cell_type="code"
            )


def hand_in(directory: Path, student: str, *what: str) -> Path:
    """A submission that asks for what `judge` can do: ``total 1``, ``die``, …"""
    path = directory / "submitted" / student / CHAPTER / f"{CHAPTER}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(what))
    return path


def judge(task):
    """The grade for a submission, after doing what it says.

    ``NAME SHARE`` gives a share of the points of an exercise, ``die`` kills this process, ``die
    until FILE`` only until that file is there (and makes it), ``wait SECONDS`` takes its time,
    ``fault`` fails at one exercise and ``raise`` altogether.
    """
    shares = dict.fromkeys(POINTS, 0.0)
    verdicts = {}
    for line in (task.notebook or b"").decode().splitlines():
        word, *rest = line.split()
        if word in shares:
            shares[word] = float(rest[0])
        elif word == "fault":
            verdicts["mean"] = "grader_error"
        elif word == "wait":
            time.sleep(float(rest[0]))
        elif word == "raise":
            raise RuntimeError("a judge that fails")
        elif word == "refuse":
            raise CourseError("bubblewrap does not work here")
        elif word == "die":
            if rest and not Path(rest[1]).exists():
                Path(rest[1]).touch()
            elif rest:
                continue
            os.kill(os.getpid(), signal.SIGKILL)
    log = os.environ.get("FAKE_LOG")
    if log:
        with open(log, "a") as file:
            print(task.student, *task.only, file=file)
    exercises = []
    cells = source()
    for name, points in POINTS.items():
        if task.only and name not in task.only:
            continue
        share = shares[name]
        verdict = verdicts.get(name) or ("pass" if share == 1 else "wrong")
        if task.notebook is None:
            verdict = "not_attempted"
        exercises.append(
            ExerciseGrade(
                name, f"test_{name}", verdict, share, points, share * points,
                (("all", 1.0, share == 1),), None, f"{share:.0%} of {name}",
                f"<b>{share}</b>", f"seed {task.seed}",
            )
        )  # fmt: skip
    for one in cells["cells"]:
        if one["metadata"]["nbgrader"]["solution"]:
            one["source"] = (task.notebook or b"").decode()
    return Grade(
        task.student, task.chapter, task.seed, "bubblewrap" if task.sandbox else "none", (),
        "" if task.notebook is None else hashlib.sha256(task.notebook).hexdigest(),
        hashlib.sha256(task.source).hexdigest(), task.problem, task.notes, tuple(exercises),
        json.dumps(cells, sort_keys=True), {"judge": time.perf_counter()},
    )  # fmt: skip


# ── what a class has come to ────────────────────────────────────────────────────────────────────

MARKS = """
select a.student_id, a.timestamp, c.name, g.auto_score, g.manual_score, g.needs_manual_grade
from grade g join base_cell c on c.id = g.cell_id
join submitted_notebook n on n.id = g.notebook_id
join submitted_assignment a on a.id = n.assignment_id order by a.student_id, c.name
"""


def marks(directory: Path) -> list[tuple]:
    """Every score in the gradebook, and when the submission was handed in."""
    with sqlite3.connect(directory / "gradebook.db") as connection:
        rows = list(connection.execute(MARKS))
    connection.close()
    return rows


def scores(directory: Path) -> dict[str, list[float]]:
    """Each student's scores: of the mean, of the total."""
    found: dict[str, list[float]] = {}
    for student, _, _, score, *_ in marks(directory):
        found.setdefault(student, []).append(score)
    return found


def state(directory: Path) -> dict:
    """All that grading leaves, but for the time that it took and the names of run and edition."""
    files = {}
    for place in ("autograded", f"grading/{CHAPTER}"):
        for path in sorted((directory / place).rglob("*")):
            if path.is_file():
                files[str(path.relative_to(directory))] = path.read_bytes()
    for name in files:
        if "/records/" in name:
            record = json.loads(files[name])
            record["run"] = record["edition"] = record["grade"]["seconds"] = None
            files[name] = record
    return {"marks": marks(directory), "files": files}


def edition():
    """An edition that all processes share, also while somebody changes the course."""
    return "the same"


def other_edition():
    """An edition that no two processes share."""
    return str(os.getpid())
