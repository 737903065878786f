"""What is said while a class is graded, and in the end."""

import doctest
import importlib
import io
import re
from collections import Counter

import pytest

from autograder.grading.progress import Shown, time_left
from autograder.grading.tally import Tally
from autograder.verdict import VERDICTS


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("graded", "before", "seconds", "said"),
    [
        (0, 50, 100, ""),
        (1, 0, 2, "about 3 min 18 s left"),
        (50, 49, 50, "about 1 s left"),
        (10, 0, 1_000, "about 2 h 30 min left"),
        (50, 50, 1_000, ""),
    ],
)
def test_time_left(graded, before, seconds, said):
    assert time_left(Tally(total=100, graded=graded, before=before), seconds) == said


def test_without_a_terminal_a_line_now_and_then():
    stream, tally, now = io.StringIO(), Tally(total=100), [0.0]
    with Shown(tally, stream, clock=lambda: now[0]) as shown:
        for n in range(40):
            now[0] = float(n)
            tally.graded += 1
            tally.verdicts["pass"] += 10
            shown.update()
        shown.say("a line that stays [bold]")
    assert stream.getvalue() == (
        "16 of 100; pass 160; about 1 min 19 s left\n"
        "31 of 100; pass 310; about 1 min 7 s left\n"
        "a line that stays [bold]\n"
    )


def test_on_a_terminal_a_line_that_is_rewritten(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream, tally = Terminal(), Tally(total=3)
    with Shown(tally, stream) as shown:
        shown.say("a line that stays [bold]")
        for _ in range(3):
            tally.graded += 1
            tally.verdicts["pass"] += 2
            shown.update()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "a line that stays [bold]\n" in text
    assert "pass 6 of 6" in text
    assert "3/3" in text


def test_what_a_terminal_shows_fits_in_80_columns(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    now = [0.0]
    verdicts = Counter(dict.fromkeys(VERDICTS, 10_000))
    tally = Tally(12_000, graded=4_000, verdicts=verdicts)
    stream = Terminal()
    with Shown(tally, stream, clock=lambda: now[0]) as shown:
        now[0] = 80_000.0
        shown.update()
    said = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue()).split("\r")
    assert any(
        line.startswith("pass 10,000 of 120,000 ")
        and "4000/12000 about 44 h 26 min left" in line
        and len(line.strip()) <= 80
        for line in said
    ), said


def test_the_summary_names_whoever_has_no_marks():
    tally = Tally(
        3, graded=2, refused=1, older=1, verdicts=Counter(grader_error=1, wrong=1), earned=1.0,
        points=4.0, limits={"disk": None}, unmarked=[("zoe", "lost"), ("ada", "no mark for total")],
    )  # fmt: skip
    assert tally.summary("ch99") == [
        "ch99: 2 submissions of 3 graded",
        "  mean of automatic points: 0.50 of 4 (12%)",
        "  exercises: wrong 1, grader_error 1",
        "  judged by another edition of this course: 1 submission; --again judges all by this one",
        "  not limited on this machine: disk",
        "  NO MARKS; run the same command again once this is mended:",
        "    ada: no mark for total",
        "    zoe: lost",
    ]


@pytest.mark.parametrize("name", ["collect", "tally", "progress", "zip_names"])
def test_examples(name):
    result = doctest.testmod(importlib.import_module(f"autograder.grading.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
