"""What a class finds hard, counted from records and shown as a table and a figure."""

import json
import xml.etree.ElementTree as ElementTree
from datetime import datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from autograder import cli, exercises
from autograder.grading import record as records
from autograder.grading.engine import ExerciseGrade, Grade
from autograder.grading.record import Record
from autograder.grading.statistics import Tally, as_text, count, read, since_when
from autograder.grading.statistics_figure import alternative, draw, save
from autograder.paths import CourseError, UsageError

CHAPTER = "ch02_output_size"
ASPECTS = tuple(aspect.name for aspect in exercises.get("zero_pad").aspects)
WHEN = datetime(2026, 3, 1)


def graded(verdict, passed=(), mistake=None, exercise="zero_pad"):
    """A grade for an exercise; `passed` are the names of its aspects."""
    aspects = tuple((name, 1.0, name in passed) for name in ASPECTS)
    earned = float(len(passed))
    return ExerciseGrade(
        exercise, f"test_{exercise}", verdict, earned / 2, 2.0, earned, aspects, mistake, "", "", ""
    )


def record(student, *grades, when=WHEN, problem=None):
    grade = Grade(student, CHAPTER, 0, "none", (), "", "", problem, (), tuple(grades), "{}", {})
    return Record(grade, "", timestamp=when)


def some_class():
    """Eight submissions: every kind that is counted in its own way."""
    return [
        record("student01", graded("pass", ASPECTS)),
        record("student02", graded("pass", ASPECTS)),
        record("student03", graded("partial", ASPECTS[:1], "before_only")),
        record("student04", graded("partial", ASPECTS[:1], "before_only")),
        record("student05", graded("wrong", (), "before_and_after")),
        record("student06", graded("not_attempted")),
        record("student07", graded("grader_error")),
        record("student08", graded("not_attempted"), problem="the notebook is missing"),
    ]


def test_counts_of_a_class():
    found = count(CHAPTER, some_class())
    assert (found.submissions, found.unreadable) == (8, 1)
    (one,) = found.exercises
    assert (one.submissions, one.attempted, one.mean) == (7, 5, 1.2)
    assert [(a.name, a.passed) for a in one.aspects] == [
        (ASPECTS[0], Tally(4, 4)),
        (ASPECTS[1], Tally(2, 2)),
    ]
    assert {name: str(number) for name, number in one.verdicts.items()} == {
        "pass": "2",
        "partial": "2",
        "wrong": "1",
        "not_attempted": "1",
        "grader_error": "1",
    }
    messages = {m.id: m.message for m in exercises.get("zero_pad").misconceptions}
    assert [(m.id, m.message, str(m.count)) for m in one.mistakes] == [
        ("before_only", messages["before_only"], "2"),
        ("before_and_after", messages["before_and_after"], "1"),
    ]


outcomes = st.lists(
    st.tuples(
        st.sampled_from(["pass", "partial", "wrong", "error", "not_attempted", "grader_error"]),
        st.sets(st.sampled_from(ASPECTS)),
        st.sampled_from([None, "before_only", "after_only", "from_another_edition"]),
    ),
    min_size=1,
    max_size=30,
)


@given(outcomes, st.integers(1, 5))
def test_counts_are_right_and_hide_small_groups(rows, least):
    given_records = [record(f"s{n}", graded(*row)) for n, row in enumerate(rows)]
    (one,) = count(CHAPTER, given_records, least=least).exercises
    tried = [row for row in rows if row[0] not in ("not_attempted", "grader_error")]
    assert one.attempted == len(tried)
    for aspect in one.aspects:
        passed = sum(aspect.name in row[1] for row in tried)
        assert aspect.passed.low <= passed <= aspect.passed.high
        small = 0 < passed < least or 0 < len(tried) - passed < least
        if small and least > 2 and len(tried) > 1:
            assert aspect.passed.low < aspect.passed.high
        elif not small:
            assert aspect.passed.low == aspect.passed.high
    for mistake in one.mistakes:
        made = sum(row[2] == mistake.id for row in tried)
        assert mistake.id == "others" or (mistake.count == Tally(made, made) and made >= least)
    if least == 1:
        assert sum(m.count.low for m in one.mistakes) == sum(row[2] is not None for row in tried)
        assert sum(n.low for n in one.verdicts.values()) == len(rows)


def test_this_week():
    early, late = datetime(2026, 3, 1, 23, 59), datetime(2026, 3, 2)
    rows = [
        record("a", graded("pass", ASPECTS), when=early),
        record("b", graded("pass", ASPECTS), when=late),
        record("c", graded("pass", ASPECTS), when=None),
    ]
    found = count(CHAPTER, rows, since=late)
    assert (found.submissions, found.undated) == (1, 1)
    assert "left out: 1 submission of which the time is not known" in as_text(found)


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-03-01", datetime(2026, 3, 1)),
        ("2026-03-01T12:30+02:00", datetime(2026, 3, 1, 10, 30)),
        ("0", datetime(2026, 3, 9, 12)),
        ("7", datetime(2026, 3, 2, 12)),
    ],
)
def test_since(text, when):
    assert since_when(text, now=datetime(2026, 3, 9, 12)) == when


@pytest.mark.parametrize("text", ["yesterday", "-1", "", "2026-13-01", "99999"])
def test_what_is_no_time(text):
    with pytest.raises(UsageError, match="must be a date"):
        since_when(text)


def test_editions_of_the_course_that_differ():
    old = ExerciseGrade(
        "gone", "test_gone", "wrong", 0.0, 1.0, 0.0, (("x", 1.0, False),), "lost", "", "", ""
    )
    found = count(CHAPTER, [record("a", old), record("b", graded("pass", ASPECTS))])
    assert [one.exercise for one in found.exercises] == ["gone", "zero_pad"]
    assert "1 × lost" in as_text(found)


def every_exercise():
    """Records in which each mistake that the chapter knows is made three times."""
    own = [one for one in exercises.all_exercises() if one.chapter == "02"]
    longest = max(len(one.misconception_ids()) for one in own)
    for number in range(longest):
        grades = []
        for one in own:
            ids = one.misconception_ids()
            aspects = tuple((a.name, a.weight, False) for a in one.aspects)
            mistake = ids[number] if number < len(ids) else None
            grades.append(
                ExerciseGrade(
                    one.name, "", "wrong", 0.0, one.points, 0.0, aspects, mistake, "", "", ""
                )
            )
        yield record(f"s{number}", *grades)


def test_the_table_fits_a_terminal_and_tells_every_mistake():
    found = count(CHAPTER, every_exercise())
    text = as_text(found)
    assert max(map(len, text.splitlines())) <= 100
    for one in found.exercises:
        assert all(m.message for m in one.mistakes), one.exercise
        assert all(f"1 × {m.id}" in text for m in one.mistakes)


# ── the figure ──────────────────────────────────────────────────────────────────────────────────


def test_bars_are_as_long_as_the_counts():
    drawn = draw(count(CHAPTER, some_class()))
    aspects, mistakes = drawn.figure.axes
    # Behind each bar an outline that says how long it could be.
    assert [bar.get_width() for bar in aspects.patches] == [5, 4, 5, 2]
    assert [label.get_text() for label in aspects.get_yticklabels()] == list(ASPECTS)
    assert [text.get_text() for text in aspects.texts] == ["4 pass (80 %)", "2 pass (40 %)"]
    # The one that a single student made is not common.
    assert [bar.get_width() for bar in mistakes.patches] == [2]
    assert "hardest: “a pair” of zero_pad, passed by 2 of 5" in drawn.figure.get_suptitle()


def test_the_figure_speaks_in_every_format(tmp_path):
    found = count(CHAPTER, some_class())
    drawn = draw(found)
    assert "of 5 who attempted it, these pass: one number 4, a pair 2." in drawn.alt
    assert drawn.alt == alternative(found)
    for ending in ("png", "svg", "pdf", "html"):
        first, second = tmp_path / f"1.{ending}", tmp_path / f"2.{ending}"
        save(drawn, first)
        save(draw(found), second)
        assert first.read_bytes() == second.read_bytes(), ending
    assert Image.open(tmp_path / "1.png").text["Description"] == drawn.alt
    svg = ElementTree.parse(tmp_path / "1.svg").getroot()
    assert (svg.get("role"), svg.get("aria-label")) == ("img", drawn.alt)
    assert 'alt="ch02_output_size: 8 submissions.' in (tmp_path / "1.html").read_text("utf-8")
    assert (tmp_path / "1.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(UsageError, match=r"must end in one of \.png, \.svg, \.pdf, \.html"):
        save(drawn, tmp_path / "x.gif")


def test_nothing_in_common_is_not_drawn():
    rows = [
        record("a", graded("partial", ASPECTS[:1], "before_only")),
        record("b", graded("partial", ASPECTS[:1], "after_only")),
    ]
    found = count(CHAPTER, rows)
    drawn = draw(found)
    assert len(drawn.figure.axes) == 1
    assert "commonest mistake" not in drawn.figure.get_suptitle() + as_text(found)
    assert "1 × before_only" in as_text(found)
    both = draw(count(CHAPTER, [*rows, *rows])).figure
    assert "commonest mistake: after_only in zero_pad, made by 2" in both.get_suptitle()
    assert len(both.axes) == 2


def test_nothing_to_draw():
    with pytest.raises(CourseError, match="nobody attempted"):
        draw(count(CHAPTER, [record("a", graded("not_attempted"))]))


# ── the command ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def class_dir(tmp_path):
    for one in some_class():
        records.save(tmp_path, one, sync=False)
        (tmp_path / "submitted" / one.grade.student / CHAPTER).mkdir(parents=True)
    return tmp_path


def course(*arguments):
    return CliRunner().invoke(cli.main, list(map(str, arguments)), prog_name="course")


def test_the_command(class_dir):
    done = course("statistics", CHAPTER, "--directory", class_dir)
    assert done.exit_code == 0
    assert done.stdout == as_text(read(class_dir, CHAPTER)) + "\n"
    assert "student0" not in done.stdout

    figure = class_dir / "hard.svg"
    done = course(
        "statistics", CHAPTER, "--directory", class_dir, "--json", "--least", 3, "--figure", figure
    )
    (one,) = json.loads(done.stdout)["exercises"]
    assert one["aspects"][0] == {"name": ASPECTS[0], "weight": 1.0, "passed": [3, 4]}
    assert one["verdicts"] == {"others": 7}
    assert figure.exists()
    assert done.stderr == f"\nwrote {figure}\n"


def test_the_figure_is_announced_and_described_when_asked(class_dir):
    arguments = ("statistics", CHAPTER, "--directory", class_dir)
    figure = class_dir / "hard.svg"
    table = as_text(read(class_dir, CHAPTER))
    assert course(*arguments, "--figure", figure).stdout == f"{table}\n\nwrote {figure}\n"
    done = course(*arguments, "--figure", figure, "--describe")
    said = done.stdout.partition(f"wrote {figure}\n\n")[2]
    assert " ".join(said.split()) == alternative(read(class_dir, CHAPTER))
    assert max(map(len, said.splitlines())) <= 100
    assert course(*arguments, "--describe").exit_code == 2

    done = course(*arguments, "--figure", class_dir / "missing" / "hard.svg")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.endswith(f"there is no directory {class_dir / 'missing'}\n")
    assert not (class_dir / "missing").exists()


def test_what_was_withdrawn_is_not_counted(class_dir):
    (class_dir / "submitted" / "student01" / CHAPTER).rmdir()
    found = read(class_dir, CHAPTER)
    assert (found.submissions, found.withdrawn) == (7, 1)
    assert "left out: 1 graded submission no longer in submitted/" in as_text(found)
    assert found.to_json()["withdrawn"] == 1


def test_a_damaged_record_and_a_hostile_name_are_no_matter(class_dir):
    place = records.record_path(class_dir, CHAPTER, "student01").parent
    (place / "\x1b[2Jstudent.json").write_text("{")
    (place / "empty.json").write_text('{"format": 1, "grade": 3}')
    for student in ("\x1b[2Jstudent", "empty"):
        (class_dir / "submitted" / student / CHAPTER).mkdir(parents=True)
    found = read(class_dir, CHAPTER)
    assert (found.submissions, found.damaged) == (8, 2)
    done = course("statistics", CHAPTER, "--directory", class_dir)
    assert "left out: 2 records that cannot be read" in done.stdout
    assert "\x1b" not in done.output


def test_nothing_graded_is_a_line(tmp_path):
    done = course("statistics", CHAPTER, "--directory", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.endswith(f"{tmp_path} holds no class: name one with --directory\n")

    (tmp_path / "source" / CHAPTER).mkdir(parents=True)
    (tmp_path / "source" / CHAPTER / f"{CHAPTER}.ipynb").touch()
    done = course("statistics", CHAPTER, "--directory", tmp_path)
    assert done.exit_code == 1
    assert f"holds no graded submission of {CHAPTER}: `course grade {CHAPTER}`" in done.stderr

    done = course("statistics", "chapter2", "--directory", tmp_path)
    assert done.exit_code == 2
    assert (
        done.stderr
        == f"course statistics: this class has no chapter 'chapter2': is it {CHAPTER}?\n"
    )
