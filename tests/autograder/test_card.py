from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from autograder.card import HEADINGS, Card, as_html, as_text, marked
from autograder.exercise import Aspect, Case, FunctionExercise
from autograder.judge import evaluate
from autograder.verdict import VERDICTS, blank


def exercise_returning(expected: Any) -> FunctionExercise:
    return FunctionExercise(
        name="f",
        chapter="99",
        signature="f() -> array",
        aspects=(Aspect("values", 1),),
        worked=(Case("values"),),
        reference=lambda: expected,
    )


def test_every_verdict_has_its_words() -> None:
    assert set(HEADINGS) == set(VERDICTS)
    assert len(set(HEADINGS.values())) == len(VERDICTS)
    for verdict in VERDICTS:
        told = blank("f", 2, verdict, "because", [Aspect("a", 2)])
        assert HEADINGS[verdict] in as_text(told)
        assert HEADINGS[verdict] in as_html(told)


def test_a_pass_lists_its_aspects() -> None:
    text = as_text(evaluate(exercise_returning(1), lambda: 1, 0))
    assert text == "f: right · 1 of 1 points\n  ✓ values"


def test_text_shows_both_arrays_and_marks_what_differs() -> None:
    verdict = evaluate(
        exercise_returning(np.array([[1, 2], [3, 4]])), lambda: np.array([[1, 2], [3, 5]]), 0
    )
    lines = as_text(verdict).splitlines()
    assert lines[3].strip() == "1 of 4 values differ"
    assert lines[-5:] == [
        "       1  2 ",
        "       3  4 ",
        "    yours, differing values in [ ]:",
        "       1  2 ",
        "       3 [5]",
    ]


@pytest.mark.parametrize("shape", [(3,), (20, 20), (2, 3, 20, 20), (1, 1)])
def test_the_window_shows_a_differing_value(shape: tuple[int, ...]) -> None:
    expected = np.zeros(shape)
    got = expected.copy()
    got[tuple(n - 1 for n in shape)] = 7.125
    html = as_html(evaluate(exercise_returning(expected), lambda: got, 0))
    assert html.count('class="cnncard-off"') == 1
    assert "7.125" in html
    assert html.count("<tr>") // 2 <= 11  # with the row of indices


def test_a_part_of_an_array_says_which_part_it_is() -> None:
    expected = np.zeros((2, 9, 20))
    got = expected.copy()
    got[1, 2, 19] = 1
    verdict = evaluate(exercise_returning(expected), lambda: got, 0)
    for text in (as_text(verdict), as_html(verdict)):
        assert "([1], columns 8 to 19 of 20)" in text
    small = evaluate(exercise_returning(np.eye(9)), lambda: 1 - np.eye(9), 0)
    assert " of 9" not in as_html(small)
    assert as_html(small).count("<th>8</th>") == 4


def test_everything_is_escaped() -> None:
    def attack() -> Any:
        print("<script>alert(1)</script>")
        raise ValueError("<img src=x onerror=alert(1)>")

    html = as_html(evaluate(exercise_returning(1), attack, 0))
    assert "<script>" not in html
    assert "<img" not in html
    assert "&lt;script&gt;" in html
    html = as_html(evaluate(exercise_returning("a"), lambda: "<b>", 0))
    assert "&lt;b&gt;" in html


def test_backticks_set_code() -> None:
    assert marked("call `f(<x>)` & stop") == "call <code>f(&lt;x&gt;)</code> &amp; stop"


def test_nan_and_infinity_have_their_place() -> None:
    verdict = evaluate(
        exercise_returning(np.zeros((1, 3))), lambda: np.array([[np.nan, np.inf, 0]]), 0
    )
    for text in (as_text(verdict), as_html(verdict)):
        assert "nan" in text
        assert "inf" in text
    assert "2 of 3 values" not in as_text(verdict)
    assert "1 of 3 values are NaN" in as_text(verdict)


def test_advice_and_waiting_aspects_are_told(samples: SimpleNamespace) -> None:
    verdict = evaluate(samples.function, lambda x, w, stride=1: np.convolve(x, np.ones(w)), 1)
    assert "(counts once" not in as_text(verdict)
    mean = samples.function.misconceptions[0].implementation
    text = as_text(evaluate(samples.function, mean, 1))
    assert "→ Add, do not average." in text
    assert "refuses (counts once “plain” is right)" in text


def test_the_card_is_what_ipython_and_a_terminal_show() -> None:
    card = Card(blank("f", 1, "crash", "it died"))
    assert repr(card) == "f: crashed · 0 of 1 points\n  it died"
    assert card._repr_html_().startswith("<style>")
