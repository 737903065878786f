"""Marks come out as they stand in nbgrader's gradebook, for whoever is to get them."""

import csv
import io
import os
import warnings
from datetime import datetime

import pytest
import sqlalchemy.exc
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from nbgrader.api import Gradebook

from autograder import cli
from autograder.grading.export import (
    CSV_COLUMNS,
    Filling,
    as_canvas,
    as_csv,
    as_moodle,
    dangerous,
    defused,
    export,
    number,
)
from autograder.grading.marks import Assignment, Mark, Marks, Student, read_marks
from autograder.grading.roster import match, read_canvas, read_moodle
from autograder.paths import CourseError, UsageError, put_scripts_on_path

CHAPTERS = ("ch01_doubling", "ch02_halving")


@pytest.fixture(scope="module")
def class_dir(tmp_path_factory):
    """A class with marks of every kind, entered with nbgrader's own interface."""
    directory = tmp_path_factory.mktemp("class")
    put_scripts_on_path()
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}") as book:
        for chapter in (*CHAPTERS, "ch03_unused"):
            book.add_assignment(chapter)
            book.add_notebook(chapter, chapter)
            for cell in ("first", "second"):
                book.add_grade_cell(cell, chapter, chapter, max_score=4.5, cell_type="code")
        book.add_student("student01", first_name="Zoë", last_name="O'Neill, Jr.", email="z@x.org")
        book.add_student("student02", first_name='The "Two"', last_name="Ångström\nline")
        book.add_student("=student03", last_name="=1+1")
        book.add_student("student04")  # submits nothing
        enter(book, "student01", CHAPTERS[0], auto=(4.5, 1 / 3))
        enter(book, "student02", CHAPTERS[0], auto=(4.5, 0.0), manual=(None, 2.25), extra=1.0)
        enter(book, "=student03", CHAPTERS[0], auto=(1.0, 1.0), penalty=5.0)
        enter(book, "student01", CHAPTERS[1], auto=(4.0, None))
        enter(book, "student02", CHAPTERS[1], auto=(0.0, 0.0))
    return directory


def enter(book, student, chapter, auto, manual=(None, None), extra=None, penalty=0.0):
    """A submission with its scores; a score of None asks for manual grading."""
    with warnings.catch_warnings(category=sqlalchemy.exc.SAWarning, action="ignore"):
        # nbgrader adds a submission in an order that SQLAlchemy remarks on.
        submission = book.add_submission(chapter, student, timestamp=datetime(2026, 3, 1, 12, 30))
    (notebook,) = submission.notebooks
    notebook.late_submission_penalty = penalty
    for cell, score, by_hand in zip(("first", "second"), auto, manual, strict=True):
        grade = book.find_grade(cell, chapter, chapter, student)
        grade.auto_score, grade.manual_score = score, by_hand
        grade.needs_manual_grade = score is None and by_hand is None
        grade.extra_credit = extra if cell == "first" else None
    book.db.commit()


def nbgraders(directory):
    """What the gradebook says each mark is, as `nbgrader export` works it out."""
    with Gradebook(f"sqlite:///{directory / 'gradebook.db'}") as book:
        return {
            (s.student.id, s.assignment.name): (
                max(0.0, s.score - s.late_submission_penalty),
                bool(s.needs_manual_grade),
            )
            for chapter in CHAPTERS
            for s in book.assignment_submissions(chapter)
        }


def parsed(sheet):
    """The table as another program reads it."""
    text = sheet.to_bytes().decode("utf-8-sig" if sheet.byte_order_mark else "utf-8")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_csv_holds_what_the_gradebook_holds(class_dir):
    sheet = as_csv(read_marks(class_dir), Filling())
    header, *rows = parsed(sheet)
    assert header == list(CSV_COLUMNS)
    assert len(rows) == 2 * 4
    expected = nbgraders(class_dir)
    assert len(expected) == 5
    for row in (dict(zip(header, values, strict=True)) for values in rows):
        student = row["student_id"].removeprefix("'")
        score, by_hand = expected.get((student, row["assignment"]), (None, False))
        if score is None:
            assert (row["status"], row["score"], row["submitted"]) == ("no submission", "", "")
        elif by_hand:
            assert (row["status"], row["score"]) == ("needs manual grading", "")
            assert float(row["raw_score"]) == score
        else:
            assert row["status"] == "graded"
            assert float(row["score"]) == round(score, 6)
            assert row["submitted"] == "2026-03-01T12:30:00Z"
        assert row["max_score"] == "9"
    names = {(row[1], row[2]) for row in rows}
    assert names >= {("O'Neill, Jr.", "Zoë"), ("Ångström\nline", 'The "Two"'), ("'=1+1", "")}


def test_manual_scores_extra_credit_and_penalties_count(class_dir):
    found = read_marks(class_dir).found
    assert found["student02", CHAPTERS[0]].score == 4.5 + 1.0 + 2.25
    assert found["=student03", CHAPTERS[0]].score == 0.0
    assert found["=student03", CHAPTERS[0]].penalty == 5.0


def test_only_chapters_that_somebody_submitted_unless_named(class_dir):
    assert [a.name for a in read_marks(class_dir).assignments] == list(CHAPTERS)
    named = read_marks(class_dir, ["ch03_unused"])
    assert named.assignments == (Assignment("ch03_unused", 9.0),)
    with pytest.raises(UsageError, match=r"no chapter 'ch01': is it ch01_doubling\?"):
        read_marks(class_dir, ["ch01"])


def test_no_gradebook_is_said_and_none_is_made(tmp_path):
    with pytest.raises(UsageError, match="holds no class: name one with --directory"):
        read_marks(tmp_path)
    (tmp_path / "source").mkdir()
    with pytest.raises(CourseError, match="holds no gradebook"):
        read_marks(tmp_path)
    assert os.listdir(tmp_path) == ["source"]


def test_a_damaged_gradebook_is_a_line(tmp_path):
    (tmp_path / "gradebook.db").write_text("garbage\n")
    done = course("export", "--directory", tmp_path)
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("course export: the gradebook (")
    assert done.stderr.endswith("cannot be read: file is not a database\n")


def test_the_class_says_where_its_gradebook_is(class_dir, tmp_path):
    (tmp_path / "nbgrader_config.py").write_text(
        f"c = get_config()\nc.CourseDirectory.db_url = 'sqlite:///{class_dir}/gradebook.db'\n"
    )
    assert read_marks(tmp_path) == read_marks(class_dir)


def test_nobody_gets_a_mark_unasked(class_dir):
    marks = read_marks(class_dir)
    remarks = "\n".join(as_csv(marks, Filling()).remarks)
    assert (
        "ch01_doubling: no submission (left empty, unless --missing-as-zero): student04" in remarks
    )
    assert "needs manual grading (left empty, unless --unfinished): student01" in remarks

    for style in ("canvas", "moodle"):
        sheet = export(marks, style)
        assert not any("student04" in row for row in parsed(sheet))
        asked = export(marks, style, filling=Filling(missing_as_zero=True, unfinished=True))
        (row,) = [row for row in parsed(asked) if "student04" in row]
        assert row[-2:] == ["0", "0"]
        (row,) = [row for row in parsed(asked) if "student01" in row]
        assert row[-2:] == ["4.833333", "4"]


# ── Canvas ──────────────────────────────────────────────────────────────────────────────────────

IDS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
CANVAS = '''\
Student,ID,SIS User ID,SIS Login ID,Section,ch01_doubling (77),Essay (78),Current Score
,,,,,Manual Posting,,
    Points Possible,,,,,10,5,(read only)
"O'Neill, Zoe",101,S-1,student01,"A, late",,3,60
"Ångström, Two",102,@two,STUDENT02,B,,,
"=""=three""",103,S-3,=student03,A,,,
"Somebody, Else",105,S-5,student99,A,,,
'''


def test_canvas_file_of_a_roster(class_dir, tmp_path):
    roster = tmp_path / "canvas.csv"
    roster.write_text(CANVAS, encoding="utf-8-sig")
    sheet = export(read_marks(class_dir), "canvas", roster)
    assert parsed(sheet) == [
        [*IDS, "ch01_doubling (77)", "ch02_halving"],
        ["    Points Possible", "", "", "", "", "9", "9"],
        ["O'Neill, Zoe", "101", "S-1", "student01", "A, late", "4.833333", ""],
        ["Ångström, Two", "102", "'@two", "STUDENT02", "B", "7.75", "0"],
        ['\'="=three"', "103", "S-3", "'=student03", "A", "0", ""],
    ]
    remarks = "\n".join(sheet.remarks)
    assert "3 of 4 students found in the roster by student id and “SIS Login ID”" in remarks
    assert "left out, not in the roster, or not once: student04" in remarks
    assert "in the roster, not in the gradebook: Somebody, Else" in remarks
    assert "ch01_doubling is worth 9 points here and 10 in Canvas" in remarks
    assert "Canvas has no assignment called ch02_halving" in remarks


def test_canvas_reads_the_file_as_its_importer_does(class_dir):
    """The conditions that lib/gradebook_importer.rb of Canvas puts on a file."""
    data = as_canvas(read_marks(class_dir), Filling(), None).to_bytes()
    assert data.startswith(b"Student,ID,")  # neither a byte order mark nor a quote before it
    header, points, *students = csv.reader(io.StringIO(data.decode(), newline=""))
    assert (header[2], header[3], header[4]) == ("SIS User ID", "SIS Login ID", "Section")
    assert "Points Possible" in points[0]
    assert {row[3] for row in students} == {"student01", "student02", "=student03"}
    assert all(len(row) == len(header) for row in (points, *students))


def test_what_canvas_finds_people_by_is_left_alone_and_said(class_dir):
    sheet = as_canvas(read_marks(class_dir), Filling(), None)
    (row,) = [row for row in parsed(sheet) if row[3] == "=student03"]
    assert row[0] == "'=1+1"
    assert sheet.remarks[-1].endswith("open the file in none: =student03")


@pytest.mark.parametrize("separator", [",", ";"])
def test_canvas_rosters_of_other_shapes(tmp_path, separator):
    roster = tmp_path / "roster.csv"
    lines = ["LastName,FirstName,ID,SIS Login ID,Integration ID,Root Account,Section"]
    lines += ["One,A B,1,login1,i1,canvas.example.org,S"]
    roster.write_text("\r\n".join(lines).replace(",", separator))
    found = {("login1", "ch"): Mark(1, 0, True)}
    marks = Marks((Assignment("ch", 1),), (Student("login1"),), found)
    rows = parsed(export(marks, "canvas", roster))
    assert rows[0][3:] == ["SIS Login ID", "Integration ID", "Root Account", "Section", "ch"]
    assert rows[2] == ["One, A B", "1", "", "login1", "i1", "canvas.example.org", "S", "1"]


def test_separators_are_told_apart_by_the_rows(tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "Student;ID;Section;Stride, padding, pooling, batches (7)\n"
        "    Points Possible;;;9\nOne, A;1;S;\nTwo, B;2;S;3\n"
    )
    found = read_canvas(roster)
    assert found.columns[:3] == ("Student", "ID", "Section")
    assert [p.get("Student") for p in found.people] == ["One, A", "Two, B"]
    roster.write_text('Student,ID,Section,"a; b; c; d; e (7)"\n"One, A",1,"S; T; U",\n')
    assert read_canvas(roster).people[0].get("Section") == "S; T; U"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"Name,Mark\nx,1\n", "is no gradebook exported from Canvas"),
        (b"", "is empty"),
        (b"\xff\xfe\x00", "is no UTF-8 text"),
    ],
)
def test_what_is_no_roster_is_refused(tmp_path, content, message):
    roster = tmp_path / "roster.csv"
    roster.write_bytes(content)
    with pytest.raises(CourseError, match=message):
        read_canvas(roster)
    with pytest.raises(CourseError, match="cannot be read"):
        read_canvas(tmp_path / "missing.csv")


def test_an_id_that_is_another_persons_number_matches_nobody(tmp_path):
    """Student 103 has left; 103 is also the internal id of somebody who is there."""
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section\nOne,103,101,a,S\nTwo,104,102,b,S\n"
    )
    found = match([Student("101"), Student("102"), Student("103")], read_canvas(roster))
    assert [(p.get("Student"), s.id) for p, s in found.pairs] == [("One", "101"), ("Two", "102")]
    assert [s.id for s in found.students] == ["103"]


def test_two_who_claim_one_row_get_none(tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text("Student,ID,SIS Login ID,Section\nOne,1,x,S\nTwo,2,y,S\nTwin,3,Y,S\n")
    found = match([Student("x"), Student("X"), Student("y")], read_canvas(roster))
    assert not found.pairs
    assert len(found.students) == len(found.people) == 3


# ── Moodle ──────────────────────────────────────────────────────────────────────────────────────


def test_moodle_file_of_a_roster(class_dir, tmp_path):
    roster = tmp_path / "moodle.csv"
    roster.write_text(
        "First name,Last name,ID number,Email address\n"
        "Zoë,O'Neill,S1,Z@X.org\nTwo,Ångström,student02,two@x.org\nElse,Somebody,S5,e@x.org\n"
    )
    sheet = export(read_marks(class_dir), "moodle", roster, "email")
    assert parsed(sheet) == [
        ["Email address", "First name", "Last name", *CHAPTERS],
        # Moodle compares addresses letter by letter: the spelling is the roster's.
        ["Z@X.org", "Zoë", "O'Neill", "4.833333", ""],
    ]
    assert "left out, not in the roster, or not once" in "\n".join(sheet.remarks)
    with pytest.raises(UsageError, match="has no column for the username"):
        read_moodle(roster, "username")


@pytest.mark.parametrize(
    ("identifier", "label", "found"),
    [
        ("username", "Username", ["=student03", "student01", "student02"]),
        ("idnumber", "ID number", ["=student03", "student01", "student02"]),
        ("email", "Email address", ["z@x.org"]),
    ],
)
def test_moodle_identifiers_without_a_roster(class_dir, identifier, label, found):
    sheet = export(read_marks(class_dir), "moodle", identifier=identifier)
    header, *rows = parsed(sheet)
    assert header[0] == label
    assert sorted(row[0] for row in rows) == found
    said = "no Email address of their own: =student03, student02"
    assert (said in "\n".join(sheet.remarks)) == (identifier == "email")


def test_a_shared_address_finds_nobody_for_moodle():
    students = (Student("a", email="x@y.org"), Student("b", email="x@y.org"))
    marks = Marks((Assignment("ch", 1),), students, {(s, "ch"): Mark(1, 0, True) for s in "ab"})
    sheet = as_moodle(marks, Filling(), "email", None)
    assert len(parsed(sheet)) == 1
    assert sheet.remarks[-1].endswith("of their own: a, b")


def test_the_roster_decides_how_moodle_finds_people(class_dir, tmp_path):
    roster = tmp_path / "moodle.csv"
    roster.write_text("First name,Last name,ID number,Email address\nZoë,O'Neill,,z@x.org\n")
    sheet = export(read_marks(class_dir), "moodle", roster)
    assert parsed(sheet)[1][0] == "z@x.org"
    assert sheet.remarks[-1].startswith("Moodle is to find people by “Email address”")
    with pytest.raises(UsageError, match="no column for the username: use --identifier email or "):
        export(read_marks(class_dir), "moodle", roster, "username")
    roster.write_text("First name,Surname\nZoë,O'Neill\n")
    with pytest.raises(UsageError, match="ID number, and names First name, Surname"):
        export(read_marks(class_dir), "moodle", roster)


# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("site", "row", "student"),
    [
        ("moodle", "Zoë,O'Neill,z@x.org", "zoe\u0308  ONeill"),
        ("moodle", "Ann,Lee Jr.,a@x.org", "Ann Lee Jr"),
        ("canvas", '"Smith-Jones, Ann",1,A', "smithjonesann"),
        ("canvas", '"Smith-Jones, Ann",1,A', "Ann Smith-Jones"),
        ("canvas", '"Smith-Jones, Ann",1,A', "Smith-Jones, Ann"),
    ],
)
def test_a_student_id_that_is_a_name_finds_its_person(tmp_path, site, row, student):
    roster = tmp_path / "roster.csv"
    header = {"moodle": "First name,Last name,Email address", "canvas": "Student,ID,Section"}[site]
    roster.write_text(f"{header}\n{row}\n")
    marks = Marks((Assignment("ch", 1),), (Student(student),), {(student, "ch"): Mark(1, 0, True)})
    sheet = export(marks, site, roster)
    assert len([r for r in parsed(sheet) if r[-1] == "1"]) == (1 if site == "moodle" else 2)
    assert f"1 of 1 students found in the roster only by name: {student}" in sheet.remarks


def test_a_name_finds_only_whom_nothing_better_finds_and_nobody_who_shares_it(tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "First name,Surname,Username,Email address\n"
        "Ann,Lee,lee,a@x.org\nBo,Ray,ray,b@x.org\nBo,Ray,ray2,c@x.org\nCy,Day,day,d@x.org\n"
        "Di,Fox,fox,e@x.org\n"
    )
    ids = ["lee", "Ann Lee", "Bo Ray", "Bo Ray 4711", "Cy Day", "cy day", "Di Fox", "Ed Oak"]
    found = match(map(Student, ids), read_moodle(roster))
    pairs = {student.id: person.get("Username") for person, student in found.pairs}
    assert pairs == {"lee": "lee", "Di Fox": "fox"}
    assert [s.id for s in found.by_name] == ["Di Fox"]
    assert [s.id for s in found.namesakes] == ["Bo Ray", "Bo Ray 4711", "Cy Day", "cy day"]
    assert [p.get("Username") for p in found.people] == ["ray", "ray2", "day"]


def test_a_roster_with_none_of_the_students_is_an_error(class_dir, tmp_path):
    roster = tmp_path / "moodle.csv"
    roster.write_text("First name,Surname,Email address\nAnn,Lee,a@x.org\n")
    output = tmp_path / "out.csv"
    done = course(
        *("export", "--directory", class_dir, "--format", "moodle"),
        *("--roster", roster, "--output", output),
    )
    assert done.exit_code == 1
    assert "course export: none of 4 students is in the roster" in done.stderr
    assert "the gradebook has student04, the roster a@x.org" in done.stderr
    assert not output.exists()


# ── text ────────────────────────────────────────────────────────────────────────────────────────

# Whatever a gradebook can hold: all that UTF-8 can say.
texts = st.text(st.characters(exclude_categories=["Cs"]))
awkward = st.sampled_from(list("=+-@\t\r\n'\",; ＝é\u2028\x1b"))
names = st.builds("".join, st.lists(st.one_of(awkward, texts), max_size=8))
scores = st.floats(0, 1000).map(lambda x: round(x, 6))


@given(names, names, names, scores)
def test_every_name_survives_every_format(student_id, first, last, score):
    student = Student(student_id or "x", first, last, "x@y.org")
    marks = Marks((Assignment("ch", 9.0),), (student,), {(student.id, "ch"): Mark(score, 0, True)})

    row = parsed(as_csv(marks, Filling()))[1]
    assert row[:3] == [defused(student.id), defused(last), defused(first)]
    assert float(row[9]) == score
    assert not any(dangerous(cell) for cell in row)

    row = parsed(as_canvas(marks, Filling(), None))[2]
    assert (row[0], row[3]) == (defused(student.name), student.id)
    assert float(row[-1]) == score

    row = parsed(as_moodle(marks, Filling(), "email", None))[1]
    assert row == ["x@y.org", defused(first), defused(last), number(score)]


@given(st.floats(0, 1e9))
def test_numbers_have_no_exponent_and_six_decimals(value):
    text = number(value)
    assert abs(float(text) - value) <= 5.0000001e-7
    assert set(text) <= set("0123456789.")


@given(names)
def test_a_defused_text_is_no_formula_and_keeps_its_words(text):
    assert not dangerous(defused(text))
    assert defused(text).removeprefix("'" if dangerous(text) else "") == text


# ── the command ─────────────────────────────────────────────────────────────────────────────────


def course(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)), prog_name="course")


def test_the_command_writes_a_file_or_standard_output(class_dir, tmp_path):
    output = tmp_path / "grades.csv"
    done = course("export", CHAPTERS[0], "--directory", class_dir, "--output", output)
    assert done.exit_code == 0
    assert done.stdout == ""
    assert "course export: ch01_doubling: no submission" in done.stderr
    assert os.listdir(tmp_path) == ["grades.csv"]
    assert output.read_bytes() == as_csv(read_marks(class_dir, [CHAPTERS[0]]), Filling()).to_bytes()

    done = course("export", "--directory", class_dir, "--format", "moodle")
    assert (
        done.stdout_bytes
        == as_moodle(read_marks(class_dir), Filling(), "username", None).to_bytes()
    )


def test_control_characters_reach_no_terminal():
    marks = Marks((Assignment("ch", 1),), (Student("a\x1b[2J\u202e"),), {})
    remarks = as_csv(marks, Filling()).remarks
    assert remarks[0].endswith(r": a\x1b[2J\u202e")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "course export: this class has no chapter 'nonsense'; it has ch01_doubling"),
        (["chapter2"], "course export: this class has no chapter 'chapter2': is it ch02_halving?"),
        (["--roster", "x.csv"], "course export: a roster is for the formats canvas and moodle"),
        (["--format", "xls"], "course export: Invalid value for '--format'"),
    ],
)
def test_wrong_calls_are_a_line_and_status_2(class_dir, arguments, line):
    done = course("export", "--directory", class_dir, *arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith(line)


def test_a_file_that_cannot_be_written_is_said(class_dir):
    done = course("export", "--directory", class_dir, "--output", class_dir / "gradebook.db" / "x")
    assert done.exit_code == 1
    assert "cannot be written" in done.stderr
