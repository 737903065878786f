"""The people of a class as Canvas or Moodle exports them, matched with nbgrader's students.

What identifies is an id, a login or an address, and only where it points to one person on both
sides. A name does not: people share names. It is compared only where a student id is one, as in a
class whose submissions were downloaded from Moodle, and nothing better has found the student.
"""

from __future__ import annotations

import contextlib
import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from autograder.grading.marks import Student
from autograder.grading.printable import printable
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


_SAMPLE = 16_384  # characters that tell how cells are separated
# What the names of downloaded files, and the student ids made of them, lack.
_NOT_IN_FILE_NAMES = re.compile(r"""[<>"&\\/\[\]*?+'`|:]""")


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

    `by` says in words what was compared. The students in `by_name` are found by nothing but their
    names; those in `namesakes` would be, if they did not share them.
    """

    pairs: tuple[tuple[Person, Student], ...]
    students: tuple[Student, ...]
    people: tuple[Person, ...]
    by: str
    by_name: tuple[Student, ...] = ()
    namesakes: tuple[Student, ...] = ()


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


def read_moodle(path: Path, identifier: str | None = None) -> Roster:
    """Participants or grades exported from Moodle, with the column that `identifier` asks for.

    Without one it is the column that identifies most people, a user name before an address. Raises
    UsageError for a file without it.
    """
    columns, rows = _table(path)
    by_kind = {
        kind: column
        for kind, labels in MOODLE_COLUMNS.items()
        for column in columns
        if column.casefold() in labels
    }
    if not by_kind:
        raise UsageError(
            f"{path} is no list of people from Moodle: its first line must name a column Username, "
            f"Email address or ID number, and names {printable(', '.join(columns))}"
        )
    if identifier is not None and identifier not in by_kind:
        others = " or ".join(f"--identifier {kind}" for kind in by_kind)
        raise UsageError(f"{path} has no column for the {identifier}: use {others}")
    people = tuple(Person(dict(zip(columns, row, strict=False))) for row in rows)
    if identifier is None:
        # The first of equals is taken: max keeps the order.
        identifier = max(by_kind, key=lambda kind: sum(bool(p.get(by_kind[kind])) for p in people))
    first = by_kind.pop(identifier)
    return Roster(columns, people, (first, *by_kind.values()), {})


def match(students: Iterable[Student], roster: Roster) -> Match:
    """Find each student's row; whoever is not found, or not found once, is left over.

    One column of the roster decides for the whole class, the one in which most students are found:
    a number that is one person's login may be another's internal id. Whom it does not find, a name
    may.
    """
    known = tuple(students)
    # The first of equals is taken: max keeps the order.
    identity, key = max(
        ((identity, key) for key in roster.keys for identity in IDENTITIES),
        key=lambda pair: len(_pairs(known, roster, *pair)),
    )
    pairs = _pairs(known, roster, identity, key)
    found = {student.id for student in pairs.values()}
    named, namesakes = _named([s for s in known if s.id not in found], roster, pairs)
    pairs |= named
    matched = {student.id for student in pairs.values()}
    return Match(
        tuple((roster.people[place], pairs[place]) for place in sorted(pairs)),
        tuple(student for student in known if student.id not in matched),
        tuple(p for place, p in enumerate(roster.people) if place not in pairs),
        f"{IDENTITIES[identity]} and “{key}”",
        tuple(named[place] for place in sorted(named)),
        tuple(namesakes),
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


def _named(
    students: Sequence[Student], roster: Roster, taken: Iterable[int]
) -> tuple[dict[int, Student], list[Student]]:
    """Students whose id is the name of one person alone, by their rows; and those who share it."""
    rows: dict[str, set[int]] = {}
    for place, person in enumerate(roster.people):
        for name in _spellings(person):
            rows.setdefault(name, set()).add(place)
    found: dict[int, list[Student]] = {}
    namesakes = []
    for student in students:
        name = _plain(student.id)
        places = rows.get(name, set())
        # The number that tells people of one name apart in a download is in no roster.
        shared = rows.get(re.sub(r" \d+$", "", name), set())
        if len(places) == 1:
            found.setdefault(min(places), []).append(student)
        elif len(places) > 1 or len(shared) > 1:
            namesakes.append(student)
    namesakes += [s for claimed in found.values() if len(claimed) > 1 for s in claimed]
    free = found.keys() - set(taken)
    return {place: found[place][0] for place in free if len(found[place]) == 1}, namesakes


def _spellings(person: Person) -> Iterator[str]:
    """What a student id may be that is a person's first name and surname.

    Moodle's files are called after "Student One", those of Canvas after "onestudent".
    """
    last, _, first = person.get("Student").replace(";", ",").partition(",")
    if last and first:
        yield _plain(f"{last}, {first}")
        yield _plain(re.sub(r"[\W_]+", "", last + first))
    first = first or person.get("First name")
    last = last or person.get("Last name") or person.get("Surname")
    if first and last:
        yield _plain(f"{first} {last}")


def _plain(name: str) -> str:
    """A name as it is compared: without capitals and without what a file's name lacks.

    >>> _plain(" Zoe\u0308  O'Neill ")
    'zoë oneill'
    """
    name = unicodedata.normalize("NFC", name.replace("_", " ")).casefold()
    return " ".join(_NOT_IN_FILE_NAMES.sub("", name).split()).strip(" .")


def _table(path: Path) -> tuple[tuple[str, ...], Sequence[Sequence[str]]]:
    """The columns and the rows of a CSV file with commas or, as some exports have, semicolons."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CourseError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CourseError(f"{path} is no UTF-8 text: export it again, as UTF-8") from None
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except csv.Error as error:
        raise CourseError(f"{path} is no CSV file: {error}") from None
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if not rows:
        raise UsageError(f"{path} is empty")
    columns = tuple(column.strip() for column in rows[0])
    return columns, [row + [""] * (len(columns) - len(row)) for row in rows[1:]]


def _delimiter(text: str) -> str:
    """What separates cells; an assignment's title may hold the others.

    >>> _delimiter("Student;ID;Section;Stride, padding, pooling, batches (7)\\nOne, A;1;S;2\\n")
    ';'
    """
    first = text.split("\n", 1)[0]
    candidates = [one for one in ",;\t" if one in first]
    if len(candidates) > 1:
        with contextlib.suppress(csv.Error):  # undecided
            return csv.Sniffer().sniff(text[:_SAMPLE], "".join(candidates)).delimiter
    return max(",;\t", key=first.count)
