"""The marks of a class for a spreadsheet, for Canvas and for Moodle.

The plain CSV has a row for each student and assignment, because a mark comes with a time, a
penalty and whether it is finished; Canvas and Moodle take a row for each student. A mark is left
empty where nothing was submitted and where something is still to be graded by hand.

Canvas finds a student by the ID, else the SIS User ID, else the SIS Login ID, else the name; Moodle
by the one column that the import is told, and refuses the whole file for one unknown student. Both
read an empty cell as "no mark", also where there is one: a student without any mark gets no row.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autograder.grading.marks import Assignment, Mark, Marks, Student
from autograder.grading.printable import printable
from autograder.grading.roster import (
    MOODLE_COLUMNS,
    Match,
    Person,
    Roster,
    match,
    read_canvas,
    read_moodle,
)
from autograder.paths import CourseError, UsageError

FORMATS = ("csv", "canvas", "moodle")
IDENTIFIERS = tuple(MOODLE_COLUMNS)
CSV_COLUMNS = (
    "student_id",
    "last_name",
    "first_name",
    "email",
    "assignment",
    "submitted",
    "status",
    "raw_score",
    "late_penalty",
    "score",
    "max_score",
)
MOODLE_LABELS = {"username": "Username", "email": "Email address", "idnumber": "ID number"}

# What makes a spreadsheet read a cell as a formula, full-width forms included; blanks before it do
# not always prevent that.
_FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")
_TITLE_AND_ID = re.compile(r"(?s)(.*)\s\(\d+\)")


@dataclass(frozen=True)
class Filling:
    """What stands in the cells that would be empty: 0 for no submission, the points so far."""

    missing_as_zero: bool = False
    unfinished: bool = False

    def points(self, mark: Mark | None) -> float | None:
        """The points that count; None leaves the cell empty."""
        if mark is None:
            return 0.0 if self.missing_as_zero else None
        return mark.score if mark.finished or self.unfinished else None


@dataclass(frozen=True)
class Sheet:
    """A table to be written, and what its reader must know about it, a line each."""

    rows: tuple[tuple[str, ...], ...]
    remarks: tuple[str, ...] = ()
    byte_order_mark: bool = False

    def to_bytes(self) -> bytes:
        """The table as CSV: UTF-8, lines that end as RFC 4180 says."""
        stream = io.StringIO(newline="")
        csv.writer(stream, lineterminator="\r\n").writerows(self.rows)
        encoding = "utf-8-sig" if self.byte_order_mark else "utf-8"
        return stream.getvalue().encode(encoding, "backslashreplace")


def export(
    marks: Marks,
    style: str = "csv",
    roster: Path | None = None,
    identifier: str | None = None,
    filling: Filling | None = None,
) -> Sheet:
    """The marks as a table in one of FORMATS.

    `roster` is a CSV file that Canvas or Moodle exported: who is in it decides who gets a row.
    `identifier` says how Moodle is to find people, one of IDENTIFIERS; by default as the roster
    lets it, and without a roster by the user name. Raises UsageError for a format or roster that
    does not fit, and CourseError for a roster with none of the students.
    """
    filling = filling or Filling()
    if style not in FORMATS:
        raise UsageError(f"format (={style}) must be one of {', '.join(FORMATS)}")
    if style == "csv":
        if roster is not None:
            raise UsageError("a roster is for the formats canvas and moodle")
        return as_csv(marks, filling)
    if style == "canvas":
        return as_canvas(marks, filling, read_canvas(roster) if roster else None)
    people = read_moodle(roster, identifier) if roster else None
    sheet = as_moodle(marks, filling, identifier or "username", people)
    if people is None or identifier is not None:
        return sheet
    how = f"Moodle is to find people by “{people.keys[0]}”: choose that when you import the file"
    return replace(sheet, remarks=(*sheet.remarks, how))


# ── the formats ─────────────────────────────────────────────────────────────────────────────────


def as_csv(marks: Marks, filling: Filling) -> Sheet:
    """One row for each student and assignment, with a byte order mark for Excel."""
    rows: list[tuple[str, ...]] = [CSV_COLUMNS]
    for assignment in marks.assignments:
        for student in marks.students:
            mark = marks.found.get((student.id, assignment.name))
            texts = (student.id, student.last_name, student.first_name, student.email)
            rows.append(
                (
                    *map(defused, texts),
                    defused(assignment.name),
                    _time(mark),
                    _status(mark),
                    number(mark.raw if mark else None),
                    number(mark.penalty if mark else None),
                    number(filling.points(mark)),
                    number(assignment.points),
                )
            )
    return Sheet(tuple(rows), tuple(_unmarked(marks, filling)), byte_order_mark=True)


def as_canvas(marks: Marks, filling: Filling, roster: Roster | None) -> Sheet:
    """Canvas's own gradebook file, without a byte order mark: its reader does not skip one.

    Without a roster the SIS Login ID is nbgrader's student id.
    """
    ids = ["Student", "ID", "SIS User ID", "SIS Login ID"]
    if roster is not None:
        ids += [c for c in ("Integration ID", "Root Account") if c in roster.columns]
    ids.append("Section")
    headers, remarks = _canvas_headers(marks.assignments, roster)
    people, left_out = _people(marks, roster, _canvas_person)
    rows = [
        (*ids, *headers),
        (
            "    Points Possible",
            *[""] * (len(ids) - 1),
            *(number(a.points) for a in marks.assignments),
        ),
    ]
    bare = []
    for person, student in people:
        cells = _marked(marks, filling, student)
        if not any(cells):
            continue
        found_by = next(
            (c for c in ("ID", "SIS User ID", "SIS Login ID") if person.get(c)), "Student"
        )
        if dangerous(person.get(found_by)):
            bare.append(student.id)
        texts = (person.get(c) if c == found_by else defused(person.get(c)) for c in ids)
        rows.append((*texts, *cells))
    remarks = [*_unmarked(marks, filling), *left_out, *remarks, *_bare(bare, "Canvas")]
    return Sheet(tuple(rows), tuple(remarks))


def as_moodle(marks: Marks, filling: Filling, identifier: str, roster: Roster | None) -> Sheet:
    """Moodle's grade import: the identifier, the names (for a reader), a column an assignment.

    Without a roster the user name is nbgrader's student id, the e-mail address the gradebook's,
    and the id number the gradebook's lms_user_id or else the student id.
    """
    key = roster.keys[0] if roster is not None else MOODLE_LABELS[identifier]

    def person_of(student: Student) -> Person:
        identity = {
            "username": student.id,
            "email": student.email or (student.id if "@" in student.id else ""),
            "idnumber": student.lms_user_id or student.id,
        }
        return Person({key: identity[identifier]})

    people, left_out = _people(marks, roster, person_of)
    shared = Counter(person.get(key) for person, _ in people)
    rows = [(key, "First name", "Last name", *(defused(a.name) for a in marks.assignments))]
    bare, unknown = [], []
    for person, student in people:
        cells = _marked(marks, filling, student)
        if not any(cells):
            continue
        if not person.get(key) or shared[person.get(key)] > 1:
            unknown.append(student.id)
            continue
        if dangerous(person.get(key)):
            bare.append(student.id)
        first = person.get("First name") or student.first_name
        last = person.get("Last name") or person.get("Surname") or student.last_name
        rows.append((person.get(key), defused(first), defused(last), *cells))
    remarks = [*_unmarked(marks, filling), *left_out]
    if unknown:
        remarks.append(f"left out, no {key} of their own: {_names(unknown)}")
    return Sheet(tuple(rows), (*remarks, *_bare(bare, "Moodle")))


def _people(
    marks: Marks, roster: Roster | None, person_of: Callable[[Student], Person]
) -> tuple[Sequence[tuple[Person, Student]], list[str]]:
    """Who gets a row, and what is to be said about those who get none."""
    if roster is None:
        return [(person_of(student), student) for student in marks.students], []
    found = match(marks.students, roster)
    if marks.students and not found.pairs:
        raise CourseError(_nobody(found, roster))
    return found.pairs, list(_left_out(found, roster))


def _left_out(found: Match, roster: Roster) -> Iterator[str]:
    total = len(found.pairs) + len(found.students)
    surely = len(found.pairs) - len(found.by_name)
    if surely:
        yield f"{surely} of {total} students found in the roster by {found.by}"
    if found.by_name:
        names = _names(student.id for student in found.by_name)
        yield f"{len(found.by_name)} of {total} students found in the roster only by name: {names}"
    if found.namesakes:
        names = _names(student.id for student in found.namesakes)
        yield f"not looked for by name, which several people share: {names}"
    if found.students:
        names = _names(student.id for student in found.students)
        yield f"left out, not in the roster, or not once: {names}"
    if found.people:
        names = _names(_roster_name(person, roster) for person in found.people)
        yield f"in the roster, not in the gradebook: {names}"


def _nobody(found: Match, roster: Roster) -> str:
    """Why a roster does not fit, with somebody of each side to compare."""
    columns = ", ".join(f"“{key}”" for key in roster.keys if key in roster.columns)
    lines = [
        f"none of {len(found.students)} students is in the roster: not by what the gradebook knows "
        f"of them and the columns {columns}, and no student id is the name of one person there"
    ]
    if found.namesakes:
        lines.append(f"several people share a name: {_names(s.id for s in found.namesakes)}")
    if found.people:
        lines.append(
            f"the gradebook has {printable(found.students[0].id)}, "
            f"the roster {printable(_roster_name(found.people[0], roster))}"
        )
    return "\n".join(lines)


def _roster_name(person: Person, roster: Roster) -> str:
    return person.get("Student") or next((t for key in roster.keys if (t := person.get(key))), "?")


def _canvas_person(student: Student) -> Person:
    return Person({"Student": student.name, "ID": student.lms_user_id, "SIS Login ID": student.id})


def _canvas_headers(
    assignments: Sequence[Assignment], roster: Roster | None
) -> tuple[list[str], list[str]]:
    """The columns' names: those of Canvas where the roster has them, which end in an id."""
    if roster is None:
        return [defused(assignment.name) for assignment in assignments], []
    headers, remarks = [], []
    titles = {_title(column): column for column in roster.assignments}
    for assignment in assignments:
        column = titles.get(assignment.name.casefold())
        headers.append(column if column is not None else defused(assignment.name))
        if column is None:
            remarks.append(
                f"Canvas has no assignment called {printable(assignment.name)}: rename the column, "
                "or the import asks whether to make one"
            )
        elif not _worth(roster.assignments[column], assignment.points):
            remarks.append(
                f"{printable(assignment.name)} is worth {number(assignment.points)} points here "
                f"and {printable(roster.assignments[column])} in Canvas: make them equal"
            )
    return headers, remarks


def _title(column: str) -> str:
    """``ch02 (7)`` without the id that Canvas puts behind it."""
    found = _TITLE_AND_ID.fullmatch(column)
    return (found[1] if found else column).casefold()


def _worth(text: str, points: float) -> bool:
    if not text:
        return True
    try:
        return math.isclose(float(text.replace(",", ".")), points, abs_tol=0.005)
    except ValueError:
        return False


# ── cells ───────────────────────────────────────────────────────────────────────────────────────


def number(value: float | None) -> str:
    """A number for a cell: at most six decimals, none of them idle, never an exponent.

    >>> number(2.5), number(1 / 3), number(20.0), number(None)
    ('2.5', '0.333333', '20', '')
    """
    if value is None or not math.isfinite(value):
        return ""
    text = f"{value:.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def dangerous(text: str) -> bool:
    """Whether a spreadsheet might take the text for a formula.

    >>> dangerous("=1+1"), dangerous("O'Neill")
    (True, False)
    """
    return _FORMULA.match(text) is not None


def defused(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet might take it for a formula.

    >>> defused("=1+1"), defused("Zoë")
    ("'=1+1", 'Zoë')
    """
    return f"'{text}" if dangerous(text) else text


def _marked(marks: Marks, filling: Filling, student: Student) -> list[str]:
    return [
        number(filling.points(marks.found.get((student.id, assignment.name))))
        for assignment in marks.assignments
    ]


def _time(mark: Mark | None) -> str:
    if mark is None or mark.submitted is None:
        return ""
    return f"{mark.submitted.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def _status(mark: Mark | None) -> str:
    if mark is None:
        return "no submission"
    return "graded" if mark.finished else "needs manual grading"


# ── remarks ─────────────────────────────────────────────────────────────────────────────────────


def _unmarked(marks: Marks, filling: Filling) -> Iterator[str]:
    """Whose cells are empty, or would be, and what changes that."""
    for assignment in marks.assignments:
        name = printable(assignment.name)
        found = {s.id: marks.found.get((s.id, assignment.name)) for s in marks.students}
        open_ = [student for student, mark in found.items() if mark and not mark.finished]
        if open_:
            how = "points so far" if filling.unfinished else "left empty, unless --unfinished"
            yield f"{name}: needs manual grading ({how}): {_names(open_)}"
        missing = [student for student, mark in found.items() if mark is None]
        if missing:
            how = "marked 0" if filling.missing_as_zero else "left empty, unless --missing-as-zero"
            yield f"{name}: no submission ({how}): {_names(missing)}"


def _bare(students: Sequence[str], system: str) -> Iterator[str]:
    if students:
        yield (
            f"{system} finds these people by a text that a spreadsheet may take for a formula; "
            f"it is left as it is, so open the file in none: {_names(students)}"
        )


def _names(names: Iterable[str]) -> str:
    return ", ".join(printable(name) for name in names)
