"""What every chapter's source says of its exercises is what they are."""

import re
from pathlib import Path

import pytest

from autograder.exercises import all_exercises

ROOT = Path(__file__).resolve().parents[3]
CHAPTERS = sorted({exercise.chapter for exercise in all_exercises()} - {"00"})


def source(chapter: str) -> str:
    (path,) = ROOT.glob(f"solutions/ch{chapter}_*/*.py")
    return path.read_text(encoding="utf-8")


def exercises_of(chapter: str) -> list:
    return [exercise for exercise in all_exercises() if exercise.chapter == chapter]


def test_there_are_chapters() -> None:
    assert CHAPTERS[:5] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_chapter_announces_its_points(chapter: str) -> None:
    text, exercises = source(chapter), exercises_of(chapter)
    listed = dict(re.findall(r"^# \| \d+ \| `(\w+)` \| (\d+) \|$", text, flags=re.MULTILINE))
    assert {name: float(points) for name, points in listed.items()} == {
        exercise.name: exercise.points for exercise in exercises
    }
    (total,) = re.findall(r"about [^,]+, (\d+) points", text)
    assert int(total) == sum(exercise.points for exercise in exercises)
    headings = dict(re.findall(r"^# ### Exercise: `(\w+)` \((\d+) points\)$", text, re.MULTILINE))
    quiz = f"quiz_{chapter}"
    assert headings == {name: points for name, points in listed.items() if name != quiz}


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_chapter_has_its_exercises_in_the_order_of_its_table(chapter: str) -> None:
    text = source(chapter)
    graded = re.findall(r'"grade": true, "grade_id": "test_(\w+)"', text)
    assert graded == re.findall(r"^# \| \d+ \| `(\w+)` \|", text, flags=re.MULTILINE)
    assert graded == [exercise.name for exercise in exercises_of(chapter)]
