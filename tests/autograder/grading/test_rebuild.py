"""The rebuilt notebook: as nbgrader releases it, with answers and cards, and nothing that runs."""

import dataclasses
import html.parser
import json
import math
import random
from pathlib import Path

import nbformat
import pytest
from nbconvert.filters import markdown2html
from nbgrader import utils
from nbgrader.preprocessors import (
    ClearHiddenTests,
    ClearMarkScheme,
    ClearOutput,
    ClearSolutions,
    ComputeChecksums,
    LockCells,
)

from autograder.grading.engine import ExerciseGrade
from autograder.grading.rebuild import (
    MAX_CODE,
    MAX_MARKDOWN,
    NOTES_ID,
    OUR_FAULT,
    harmless_markdown,
    put_grades,
    rebuild,
    released,
)

PROJECT = Path(__file__).resolve().parents[3]
CHAPTERS = sorted(
    path for path in PROJECT.glob("solutions/*/*.ipynb") if path.stem == path.parent.name
)
SOLVED = "def double(n):\n    ### BEGIN SOLUTION\n    return 2 * n\n    ### END SOLUTION"


def cell(kind, source, grade_id=None, **grading):
    metadata = {}
    if grade_id is not None:
        flags = {"grade": False, "solution": False, "locked": False, "task": False, **grading}
        metadata["nbgrader"] = {"grade_id": grade_id, "schema_version": 3, **flags}
    made = {"cell_type": kind, "id": grade_id or "plain", "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


def notebook(*cells):
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}


WRITTEN = cell("markdown", "our answer", "why", grade=True, solution=True, points=2)
SOLUTION = cell("code", SOLVED, "double", solution=True)
TEST = cell(
    "code",
    "check(double)\n### BEGIN HIDDEN TESTS\ncheck(double, hidden=True)\n### END HIDDEN TESTS",
    "test_double",
    grade=True,
    locked=True,
    points=3,
)
TASK = cell(
    "markdown",
    "Plot it.\n=== BEGIN MARK SCHEME ===\n1 for labels\n=== END MARK SCHEME ===",
    "plot",
    task=True,
    locked=True,
    points=4,
)
SMALL = notebook(cell("markdown", "# Doubling"), SOLUTION, TEST, WRITTEN, TASK)


def graded(earned=3.0, points=3.0, verdict="pass", name="double"):
    return ExerciseGrade(
        exercise=name,
        cell=f"test_{name}",
        verdict=verdict,
        score=earned / points,
        points=points,
        earned=earned,
        aspects=(("plain", points, earned == points),),
        misconception=None,
        message="",
        card_html=f"<div class='cnncard'>{name}</div>",
        card_text=f"{name}: a card",
    )


def by_id(rebuilt):
    return {cell.get("id"): cell for cell in nbformat.from_dict(rebuilt).cells}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_released_as_nbgrader_releases(path):
    source = json.loads(path.read_text(encoding="utf-8"))
    expected, resources = nbformat.read(path, as_version=4), {}
    stub = {"python": 'raise NotImplementedError("your code here")'}
    for step in (
        LockCells(),
        ClearSolutions(code_stub=stub),
        ClearOutput(),
        ComputeChecksums(),
        ClearHiddenTests(),
        ClearMarkScheme(),
        ComputeChecksums(),
    ):
        expected, resources = step.preprocess(expected, resources)
    assert nbformat.writes(nbformat.from_dict(released(source))) == nbformat.writes(expected)


def test_released_with_answers_that_people_mark():
    cells = by_id(released(SMALL))
    assert cells["why"].source == "YOUR ANSWER HERE"
    assert cells["plot"].source == "Plot it."
    assert cells["test_double"].source == "check(double)"
    assert "return 2" not in cells["double"].source
    assert SMALL["cells"][1]["source"] == SOLVED  # the instructor's own is as it was


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_nbgrader_reads_the_score_that_was_earned(path):
    source = json.loads(path.read_text(encoding="utf-8"))
    rng = random.Random(path.stem)
    grades = {}
    for test in source["cells"]:
        grading = test["metadata"].get("nbgrader", {})
        if grading.get("grade"):
            points = float(grading["points"])
            earned = rng.choice([0.0, points, round(points / 3, 6), round(points * 0.7, 6)])
            name = grading["grade_id"].removeprefix("test_")
            grades[grading["grade_id"]] = graded(earned, points, "partial", name)
    rebuilt = nbformat.from_dict(rebuild(source, {}, list(grades.values())))
    nbformat.validate(rebuilt)
    found = {
        test.metadata.nbgrader.grade_id: utils.determine_grade(test)
        for test in rebuilt.cells
        if utils.is_grade(test)
    }
    assert found == {name: (grade.earned, grade.points) for name, grade in grades.items()}
    assert "HIDDEN" not in json.dumps(rebuilt)


@pytest.mark.parametrize(
    ("earned", "verdict"),
    [
        (0.0, "wrong"),
        (0.0, "not_attempted"),
        (0.0, "grader_error"),
        (1e-6, "partial"),
        (2 / 3, "partial"),
        (3.0, "pass"),
    ],
)
def test_one_score(earned, verdict):
    rebuilt = rebuild(SMALL, {"double": "def double(n): ..."}, [graded(earned, 3.0, verdict)])
    score, most = utils.determine_grade(by_id(rebuilt)["test_double"])
    assert (score, most) == (earned, 3.0)
    assert type(score) is float


def test_what_was_not_judged_earns_nothing():
    assert utils.determine_grade(by_id(rebuild(SMALL, {}, []))["test_double"]) == (0, 3.0)


def test_marks_put_in_anew():
    rebuilt = rebuild(SMALL, {}, [graded(0.0)])
    put_grades(rebuilt, [graded(2.0)])
    assert utils.determine_grade(by_id(rebuilt)["test_double"]) == (2.0, 3.0)
    assert len(by_id(rebuilt)["test_double"].outputs) == 2


def test_what_went_wrong_with_us_is_not_shown():
    secret = "ValueError: double(17) (seed 4711) in /srv/grader"
    fault = dataclasses.replace(
        graded(0.0, 3.0, "grader_error"), message=secret, card_html=secret, card_text=secret
    )
    rebuilt = rebuild(SMALL, {}, [fault])
    assert "4711" not in json.dumps(rebuilt)
    assert OUR_FAULT in json.dumps(rebuilt)
    assert utils.determine_grade(by_id(rebuilt)["test_double"]) == (0.0, 3.0)


def test_answers_that_people_mark():
    untouched = by_id(rebuild(SMALL, {}, []))["why"]
    assert utils.determine_grade(untouched) == (0, 2.0)
    answered = by_id(rebuild(SMALL, {"why": "Because 1 < 2."}, []))["why"]
    assert utils.determine_grade(answered) == (None, 2.0)
    assert utils.compute_checksum(answered) != answered.metadata.nbgrader.checksum


def test_only_text_is_taken_over():
    sources = {"double": "def double(n):\n    return n + n", "test_double": "5.0", "new": "1"}
    cells = by_id(rebuild(SMALL, sources, [graded()]))
    assert cells["double"].source == sources["double"]
    assert cells["test_double"].source == "check(double)"
    assert list(cells) == ["plain", "double", "test_double", "why", "plot"]


def test_remarks_come_first_and_say_nothing_but_text():
    notes = ("the cell 'x' is there twice", "called\n\n'<b>[a](javascript:b)'")
    rebuilt = rebuild(SMALL, {}, [graded()], notes)
    first = rebuilt["cells"][0]
    assert first["id"] == NOTES_ID
    nbformat.validate(nbformat.from_dict(rebuilt))
    page = Elements(markdown2html(first["source"]))
    assert page.tags == ["div", "b", "ul", "li", "li"]
    assert "'<b>[a](javascript:b)'" in page.text


def test_half_characters_and_endless_answers():
    sources = {"double": "# \ud800\n" + "x" * MAX_CODE, "why": "\udfff" * (MAX_MARKDOWN + 1)}
    rebuilt = rebuild(SMALL, sources, [graded()])
    assert json.loads(json.dumps(rebuilt, ensure_ascii=False).encode()) == rebuilt
    code, text = by_id(rebuilt)["double"].source, by_id(rebuilt)["why"].source
    assert code.endswith("\n# … 4 more characters are left out here")
    assert text.endswith("\n\n… 1 more characters are left out here")
    assert len(code) < MAX_CODE + 100
    assert len(text) < MAX_MARKDOWN + 100


# ── what a learner writes is shown and does nothing ─────────────────────────────────────────────


class Elements(html.parser.HTMLParser):
    """What is in a page: the names of its tags, its links, its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.links, self.handlers, self.text = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.links += [value or "" for name, value in attributes if name in ("href", "src")]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


ATTACKS = [
    "<script>alert(1)</script>",
    "<ScRiPt\n>alert(1)</sCrIpT>",
    "text <img src=x onerror=alert(1)> text",
    "<svg/onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<!-- --><script>alert(1)</script>",
    "<?php ?><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](< javascript:alert(1)>)",
    "[x](<\tjavascript:alert(1)>)",
    "[x](java&Tab;script:alert(1))",
    "[x](java&#10;script:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](javascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x]: javascript:alert(1)\n\n[x]",
    "[x]:\n  javascript:alert(1)\n\n[x]",
    "![x](javascript:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "<javascript:alert(1)>",
    "<data:text/html,1>",
    'x "onmouseover=alert(1) [a](b "\\" onmouseover=alert(1) ")',
    "```mermaid\n<img src=x onerror=alert(1)>\n```",
    "```<script>\nalert(1)\n```",
    '```x"onload="alert(1)\n1\n```',
    "``<script>alert(1)</script>``",
    "    <script>alert(1)</script>",
    "$</span><script>alert(1)</script>$",
    "$$<img src=x onerror=alert(1)>$$",
    "\\begin{a}<script>alert(1)</script>\\end{a}",
    "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "# <script>alert(1)</script>",
    "# <a onclick=alert(1)>",
    "- [ ] <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "![](attachment:gone.png)",
    "![](attachment&colon;gone.png)",
    "https://a.b/<script>alert(1)</script>",
    "<a\u0000b><script>",
    "\\<script>alert(1)</script>",
    "\\\\<script>alert(1)</script>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_markdown_runs_nothing(attack):
    for frame in ("{}", "> {}", "text\n\n{}", "1. {}\n\n   {}"):
        page = Elements(markdown2html(harmless_markdown(frame.replace("{}", attack))))
        assert not {"script", "svg", "iframe", "object", "style", "link"} & set(page.tags)
        assert page.handlers == []
        for link in page.links:
            plain = "".join(character for character in link.lower() if character > " ")
            assert not plain.startswith(("javascript:", "vbscript:", "data:", "attachment:"))


def test_the_attacks_run_without_it():
    # Else the test above would say nothing.
    raw = [Elements(markdown2html(attack)) for attack in ATTACKS if "attachment" not in attack]
    assert sum("script" in page.tags or page.handlers != [] for page in raw) > 10
    assert sum(any(":" in link for link in page.links) for page in raw) > 8


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("if `a < b` and a < b", "<code>a &lt;{0} b</code> and a &lt;{0} b"),
        ("**R&D**, 1 & 2", "<strong>R&amp;{0}D</strong>, 1 &amp; 2"),
        ("$x<y$", "$x&lt;{0}y$"),
        ("[a](https://a.org/b)", '<a href="https://a.org/b">a</a>'),
    ],
)
def test_honest_markdown_looks_as_before(text, shown):
    assert shown.format("\u200b") in markdown2html(harmless_markdown(text))


def test_points_survive_as_text():
    earned = round(7 * 0.1 / 0.3, 6)
    assert math.isclose(earned, 2.333333)
    rebuilt = rebuild(SMALL, {}, [graded(earned)])
    assert utils.determine_grade(by_id(rebuilt)["test_double"])[0] == earned
