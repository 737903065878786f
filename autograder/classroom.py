"""A class directory: an ordinary nbgrader course that holds the chapters as assignments."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path, PurePosixPath

from nbgrader.api import Gradebook

from autograder import build
from autograder.paths import CourseError, UsageError, put_scripts_on_path

CONFIGURATION = '''\
"""nbgrader's settings for this class. Every nbgrader command is run in this directory."""

from pathlib import Path

c = get_config()

here = Path(__file__).resolve().parent
c.CourseDirectory.root = str(here)
c.CourseDirectory.course_id = "{course_id}"

# Marks come from the course: `nbgrader autograde`, the formgrader's button and `course grade` all
# rebuild each submission from your own notebook, run it in a sandbox and judge it outside.
c.Autograde.exporter_class = "autograder.grading.seams.GradedByCourse"

# Whether feedback shows the smallest case that fails, with what was expected. Whoever has seen it
# knows one of the unseen tests.
c.CourseGrading.reveal_failing_case = False

# Without a sandbox, a submission can read and change whatever you can.
c.CourseGrading.sandbox = True

# What lateness costs: nothing. For a part of the score for each day begun, after some minutes of
# grace, take the # away. When an assignment is due you say in the formgrader.
# c.AssignLatePenalties.plugin_class = "autograder.grading.late.PercentPerDay"
# c.PercentPerDay.percent = 10
# c.PercentPerDay.grace_minutes = 15
# c.PercentPerDay.most = 50

# Where a solution was, a learner finds code that says so when it runs.
c.ClearSolutions.code_stub = {{"python": 'raise NotImplementedError("your code here")'}}

# Seconds that one cell may take when nbgrader itself runs a notebook, to validate it: the chapters
# train small networks. What a graded answer may take is said by each exercise.
c.Execute.timeout = 120

# `nbgrader zip_collect` takes in what Canvas or Moodle lets you download: put the archive in
# downloaded/CHAPTER/archive/.
c.ZipCollectApp.collector_plugin = "autograder.grading.zip_names.DownloadedNames"

# Assignments are handed out and taken in here. Where students have accounts of their own, or on
# a JupyterHub, name a directory that all of them can write to, in their configuration too.
c.Exchange.root = str(here / "exchange")
'''

# What no student may read. The class directory itself is open: exchange/ has to be reached.
PRIVATE = ("source", "submitted", "autograded", "feedback", "grading")

README = """\
# {course_id}

A class directory for nbgrader, with {count} assignments. Run every command here:

    nbgrader generate_assignment {chapter}    # the learners' edition, in release/
    nbgrader release_assignment {chapter}     # hand it out through exchange/
    nbgrader collect {chapter}                # take it in, to submitted/STUDENT/{chapter}/
    course grade {chapter}                    # all of them, several at once
    nbgrader generate_feedback {chapter}
    nbgrader export                           # grades.csv

`jupyter lab`, started here, has the same under *Nbgrader → Formgrader*. Without an exchange, put
submissions in submitted/STUDENT/{chapter}/ yourself; or put what Canvas or Moodle let you
download into downloaded/{chapter}/archive/, and

    nbgrader zip_collect {chapter} --force    # to submitted/, by what the site called the files

A student is then known by the number that Canvas gives to people, or by the name in Moodle, whose
numbers are others in each assignment. `course export --format moodle --roster FILE` finds the names
in the list of participants that Moodle exports.

## Marks

`nbgrader autograde {chapter}` and the formgrader's button do what `course grade` does, and give
the same marks. Of a submission nothing counts but the text in its solution cells. That text is put
into your own notebook from source/ and run in a sandbox without network or files; its answers are
judged outside of it, on cases that nobody has seen.

- A notebook under another name is graded. One that is missing or cannot be read gets zero points,
  and the comment says why. None of them keeps others from their marks.
- What could not be judged through no fault of the student keeps the mark it had, and waits for you
  under *Manual Grading*. So do answers in text that you add to source/.
- Scores and comments that you give there are never overwritten. Where you gave a score and ours
  changes when the submission is graded again, it waits for you once more, and `course export`
  leaves its mark empty unless you say --unfinished. So does every answer that only you can mark.
- Of a *task* you see no cells that a student added, and no pictures pasted into a written answer:
  look for those in submitted/.
- A submission is late by the time in timestamp.txt beside the notebook, which `nbgrader collect`
  writes there. Without that file, as after `nbgrader zip_collect`, nothing is late; whom Canvas
  calls late, that command names. A line like 2026-03-01 23:59:00 UTC will do.
- What is graded is not graded again, unless the submission or source/ changed. After you change
  when an assignment is due, or what lateness costs: `course grade {chapter} --again`.
- A chapter that you change needs `nbgrader generate_assignment {chapter} --force` before it is
  graded: the gradebook has to know its points.

The sandbox needs Linux and bubblewrap; `course doctor` says whether it works here.

## Settings

nbgrader_config.py says what feedback reveals and what lateness costs. Beside nbgrader's own
settings it knows:

    c.CourseGrading.reveal_failing_case    # show the smallest failing case in feedback
    c.CourseGrading.sandbox                # False: run submissions without one
    c.PercentPerDay.percent                # of the score, for each day begun
    c.PercentPerDay.grace_minutes          # that cost nothing
    c.PercentPerDay.most                   # of the score, at most

## Keep

- grading/seed holds the number from which unseen cases are drawn: keep it secret. With the same
  number the same submissions get the same marks again.
- autograded/, grading/ and gradebook.db belong together; submitted/ is what students handed in.
  Back this directory up, and let no student read it: with accounts on this machine, others get
  into release/ and exchange/ only. If gradebook.db is lost, the marks
  come back with `nbgrader generate_assignment {chapter} --force` and `course grade {chapter}`;
  what you entered yourself does not: scores, comments, names, due dates.
"""


def new_class(
    root: Path, directory: Path, course_id: str | None = None, points: build.Points | None = None
) -> list[str]:
    """Make `directory` an nbgrader course with the chapters of the course in `root`.

    Returns the names of its assignments. `course_id` defaults to the directory's name. Raises
    UsageError for a directory that holds something or lies within the course's own files.
    """
    target = directory.resolve()
    _refuse_unsuitable(root, directory, target)
    name = course_id if course_id is not None else target.name
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._ -]*", name) or name != name.strip():
        raise UsageError(
            f"course id (={name}) must be letters, digits, dots, dashes and spaces: "
            "choose another with --course-id"
        )
    files = build.class_files(root, points)
    chapters = sorted(PurePosixPath(path).stem for path in files if path.endswith(".ipynb"))
    if not chapters:
        raise CourseError(f"{root / 'solutions'} holds no chapter")

    target.mkdir(parents=True, exist_ok=True)
    for private in PRIVATE:
        (target / private).mkdir(mode=0o700)
    for path, content in files.items():
        _write(target / "source" / path, content)
    _write(target / "nbgrader_config.py", CONFIGURATION.format(course_id=name).encode())
    readme = README.format(course_id=name, count=len(chapters), chapter=chapters[0])
    _write(target / "README.md", readme.encode())
    draw_seed(target / "grading" / "seed")
    exchange = target / "exchange"
    exchange.mkdir()
    exchange.chmod(0o777)  # students write to it; nbgrader asks for this
    _make_gradebook(target, name, chapters)
    return chapters


def _refuse_unsuitable(root: Path, directory: Path, target: Path) -> None:
    if target.is_relative_to(root.resolve()):
        raise UsageError(f"{directory} lies in the course's own files: choose one outside {root}")
    if target.exists() and not target.is_dir():
        raise UsageError(f"{directory} is a file: name a directory")
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{directory} is not empty: name a new directory")


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def draw_seed(path: Path) -> None:
    """Draw the secret number of a class, in a file that its owner alone can read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{secrets.randbits(32)}\n")


def _make_gradebook(target: Path, course_id: str, chapters: list[str]) -> None:
    put_scripts_on_path()
    path = target / "gradebook.db"
    path.touch(mode=0o600)  # what sqlite puts beside it is as private
    with Gradebook(f"sqlite:///{path}", course_id) as gradebook:
        for chapter in chapters:
            gradebook.update_or_create_assignment(chapter)
