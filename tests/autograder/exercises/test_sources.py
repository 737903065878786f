"""What every chapter's source says of its exercises is what they are."""

import itertools
import re
from pathlib import Path

import pytest

from autograder.exercises import all_exercises, get

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


# ── a prediction comes before its answer ────────────────────────────────────────────────────────

FOLDED = ' jupyter={"source_hidden": true}\n'
FIGURE = "# The figure."
ABOVE, BELOW = (f"# The claims of the text {where}." for where in ("above", "below"))
FIRST_LINES = {
    "01": {FIGURE, ABOVE, BELOW, "# The numbers of the text above."},
    "02": {FIGURE, BELOW, "# The count."},
    "03": {FIGURE, ABOVE, "# The count."},
    "04": {FIGURE, ABOVE, "# Both networks at work.", "# The numbers of the table above."},
    "06": {FIGURE, ABOVE, "# Both ways at work.", "# The larger images on their way."},
    "09": {FIGURE, ABOVE, "# The comparison."},
    "10": {FIGURE, ABOVE, "# The numbers."},
}
# At least so many predictions are asked for.
ASKED = {
    "01": 15,
    "02": 10,
    "03": 15,
    "04": 15,
    "05": 12,
    "06": 15,
    "07": 12,
    "08": 8,
    "09": 8,
    "10": 8,
    "11": 8,
}
# What marks a cell that asserts or catches something and gives no prediction away.
HARMLESS = {
    "01": "assert np.array_equal(by_matrix, by_sliding)",
    "06": "yours_if_it_works",
    "07": "except Exception:\n    bottleneck = OurBottleneck",
}


def cells(chapter: str) -> list[str]:
    return re.split(r"^# %%", source(chapter), flags=re.MULTILINE)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_visible_cell_gives_a_prediction_away(chapter: str) -> None:
    """Up to the next text, what draws a described figure or asserts a number is folded."""
    parts = cells(chapter)
    asked = [place for place, cell in enumerate(parts) if re.search(r"\*Before\s+(# )?you", cell)]
    assert len(asked) >= ASKED[chapter]
    harmless = HARMLESS.get(chapter)
    for place in asked:
        following = itertools.takewhile(
            lambda c: not c.startswith(" [markdown]"), parts[place + 1 :]
        )
        answers = list(following)
        assert answers, parts[place]
        for cell in answers:
            if re.search(r"described\(|assert|\bexcept\b", cell):
                assert cell.startswith(FOLDED) or (harmless and harmless in cell), cell


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_folded_cell_tells_nothing(chapter: str) -> None:
    """JupyterLab still shows the first line of a cell whose code it folds away."""
    folded = [cell for cell in cells(chapter) if cell.startswith(FOLDED)]
    assert {cell.splitlines()[1] for cell in folded} == FIRST_LINES.get(chapter, {FIGURE, ABOVE})


# ── a quiz tells its answers apart ──────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_no_two_answers_of_a_question_are_the_same(chapter: str, seed: int) -> None:
    for asked in get(f"quiz_{chapter}").asked(seed).values():
        answers = [asked.answer, *(value for value, _ in asked.wrong.values())]
        assert len(set(answers)) == len(answers) >= 3
        assert len(set(asked.choices)) == len(asked.choices)
