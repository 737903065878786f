"""The people of a class as Canvas or Moodle exports them, matched with nbgrader's students.

Nobody is matched by name: people share names. What identifies is an id, a login or an address,
and only where it points to one person on both sides.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.marks import Student
from autograder.paths import CourseError, UsageError

CANVAS_KEYS = ("SIS Login ID", "SIS User ID", "ID")
"""What Canvas calls the columns that identify somebody."""

MOODLE_COLUMNS = {
    "username": ("username",),
    "email": ("email address", "email", "e-mail"),
    "idnumber": ("id number", "idnumber"),
}
"""What Moodle calls the columns that identify somebody."""

IDENTITIES = {
    "id": "student id",
    "lms_user_id": "lms_user_id",
    "email": "e-mail address",
}
"""What nbgrader's gradebook knows of a student that may identify them elsewhere."""


@dataclass(frozen=True)
class Person:
    """A row of a roster: its cells by the names of their columns."""

    cells: Mapping[str, str]

    def get(self, column: str) -> str:
        """The text of a cell; empty where the roster lacks the column."""
        return self.cells.get(column, "")


@dataclass(frozen=True)
class Roster:
    """A roster's columns and people, in its order.

    `keys` are the columns that identify, `assignments` those that hold marks, each with the points
    that it is worth as text.
    """

    columns: tuple[str, ...]
    people: tuple[Person, ...]
    keys: tuple[str, ...]
    assignments: Mapping[str, str]


@dataclass(frozen=True)
class Match:
    """Who is who: `pairs` in the roster's order, and whoever is left over on each side.

    `by` says in words what was compared.
    """

    pairs: tuple[tuple[Person, Student], ...]
    students: tuple[Student, ...]
    people: tuple[Person, ...]
    by: str


def read_canvas(path: Path) -> Roster:
    """A gradebook exported from Canvas. Raises UsageError for another file.

    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "canvas.csv")
    >>> _ = file.write_text(
    ...     "Student,ID,SIS Login ID,Section,ch02 (7)\\n"
    ...     "    Points Possible,,,,20\\n"
    ...     '"One, Student",101,student01,A,\\n'
    ... )
    >>> roster = read_canvas(file)
    >>> roster.people[0].get("Student"), roster.assignments
    ('One, Student', {'ch02 (7)': '20'})
    """
    columns, rows = _table(path)
    named = columns[:1] == ("Student",) or columns[:2] == ("LastName", "FirstName")
    if not (named and "ID" in columns and "Section" in columns):
        raise UsageError(
            f"{path} is no gradebook exported from Canvas: its first line must name the columns "
            "Student, ID and Section"
        )
    people: list[Person] = []
    points: dict[str, str] = {}
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        if columns[0] == "LastName":
            cells["Student"] = f"{cells['LastName']}, {cells['FirstName']}"
        if "Points Possible" in row[0]:
            points = cells
        # A row without a name and an id says which columns are posted by hand.
        elif row[0].strip() or cells["ID"].strip():
            people.append(Person(cells))
    assignments = columns[columns.index("Section") + 1 :]
    worth = {column: points.get(column, "").strip() for column in assignments}
    return Roster(columns, tuple(people), CANVAS_KEYS, worth)


def read_moodle(path: Path, identifier: str) -> Roster:
    """Participants or grades exported from Moodle, with the column that `identifier` asks for.

    Raises UsageError for a file without it.
    """
    columns, rows = _table(path)
    by_kind = {
        kind: column
        for kind, labels in MOODLE_COLUMNS.items()
        for column in columns
        if column.casefold() in labels
    }
    if identifier not in by_kind:
        raise UsageError(
            f"{path} has no column for the {identifier}: its first line must name one of "
            f"{', '.join(MOODLE_COLUMNS[identifier])}"
        )
    people = tuple(Person(dict(zip(columns, row, strict=False))) for row in rows)
    first = by_kind.pop(identifier)
    return Roster(columns, people, (first, *by_kind.values()), {})


def match(students: Iterable[Student], roster: Roster) -> Match:
    """Find each student's row; whoever is not found, or not found once, is left over.

    One column of the roster decides for the whole class, the one in which most students are found:
    a number that is one person's login may be another's internal id.
    """
    known = tuple(students)
    # The first of equals is taken: max keeps the order.
    identity, key = max(
        ((identity, key) for key in roster.keys for identity in IDENTITIES),
        key=lambda pair: len(_pairs(known, roster, *pair)),
    )
    pairs = _pairs(known, roster, identity, key)
    matched = {student.id for student in pairs.values()}
    return Match(
        tuple((roster.people[place], pairs[place]) for place in sorted(pairs)),
        tuple(student for student in known if student.id not in matched),
        tuple(p for place, p in enumerate(roster.people) if place not in pairs),
        f"{IDENTITIES[identity]} and “{key}”",
    )


def _pairs(
    students: Sequence[Student], roster: Roster, identity: str, key: str
) -> dict[int, Student]:
    """The students by the places of their rows, where exactly one points to exactly one."""
    rows: dict[str, list[int]] = {}
    for place, person in enumerate(roster.people):
        rows.setdefault(person.get(key).strip().casefold(), []).append(place)
    claims: dict[int, list[Student]] = {}
    for student in students:
        text = getattr(student, identity).strip().casefold()
        places = rows.get(text, []) if text else []
        if len(places) == 1:
            claims.setdefault(places[0], []).append(student)
    return {place: claimed[0] for place, claimed in claims.items() if len(claimed) == 1}


def _table(path: Path) -> tuple[tuple[str, ...], Sequence[Sequence[str]]]:
    """The columns and the rows of a CSV file with commas or, as some exports have, semicolons."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path} is no UTF-8 text: export it again, as UTF-8") from None
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV file: {error}") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise UsageError(f"{path} is empty")
    columns = tuple(column.strip() for column in rows[0])
    return columns, [row + [""] * (len(columns) - len(row)) for row in rows[1:]]
