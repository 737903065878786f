"""The start page's table of chapters says of each what the chapter is."""

import re
from pathlib import Path

from autograder.exercises import all_exercises

ROOT = Path(__file__).resolve().parents[3]
START = (ROOT / "solutions/00_start_here/00_start_here.py").read_text(encoding="utf-8")
ROW = re.compile(r"^# \| (\d*) ?\| \[([^]]+)\]\(\.\./([^)]+)\) \| ([^|]+) \| (\d*) ?\|$", re.M)
ROWS = ROW.findall(START)


def heading(path: Path) -> str:
    """The first heading of a source, without the chapter's number."""
    found = re.search(r"^# # (?:Chapter \d\d · )?(.+)$", path.read_text(encoding="utf-8"), re.M)
    assert found
    return found[1]


def test_each_link_leads_to_a_notebook_that_is_built_from_a_source() -> None:
    for _, title, link, question, _ in ROWS:
        name, _, notebook = link.partition("/")
        assert notebook == f"{name}.ipynb"
        assert heading(ROOT / "solutions" / name / f"{name}.py") == title
        assert "?" in question


def test_nothing_is_left_out() -> None:
    linked = [link.partition("/")[0] for _, _, link, _, _ in ROWS]
    sources = sorted(path.parent.name for path in ROOT.glob("solutions/*/*.py"))
    assert linked == [name for name in sources if name != "00_start_here"]


def test_numbers_and_points_are_those_of_the_exercises() -> None:
    points: dict[str, float] = {}
    for exercise in all_exercises():
        points[exercise.chapter] = points.get(exercise.chapter, 0) + exercise.points
    del points["00"]
    assert {number: float(worth) for number, _, _, _, worth in ROWS if number} == points
    for number, _, link, _, worth in ROWS:
        assert link.startswith(f"ch{number}_") if number else worth == ""


def test_the_readme_lists_the_same_chapters() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d\d) (.+?) \| .+ \|$", readme, re.M)
    assert listed == [(number, title) for number, title, *_ in ROWS if number]
