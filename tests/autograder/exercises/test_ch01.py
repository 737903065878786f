"""The exercises of chapter 01: their proof, and what the proof does not say."""

import re
from pathlib import Path

import numpy as np
import pytest

from autograder.card import as_text
from autograder.exercise import QuestionExercise
from autograder.exercises import ch01
from autograder.judge import evaluate
from autograder.proof import prove
from course_lib import cost, equivariance, geometry, ops

FUNCTIONS = [e for e in ch01.EXERCISES if not isinstance(e, QuestionExercise)]


def named(exercise):
    return exercise.name


@pytest.mark.parametrize("exercise", ch01.EXERCISES, ids=named)
def test_every_mistake_is_caught_and_named_and_no_honest_answer_harmed(exercise):
    proof = prove(exercise)
    assert proof.holds, proof.defects[:5]
    assert proof.judged > 0
    assert proof.named == proof.judged


def test_the_chapter_has_its_exercises_and_points():
    points = {e.name: e.points for e in ch01.EXERCISES}
    assert points == {
        "fc_params": 2,
        "conv_params": 4,
        "flattened_distance": 3,
        "conv_as_matrix": 4,
        "equivariance_error": 4,
        "quiz_01": 7,
    }


@pytest.mark.parametrize(
    ("exercise", "place", "answer"),
    [
        (ch01.FC_PARAMS, 0, 401_408),
        (ch01.FC_PARAMS, 1, 401_920),
        (ch01.FC_PARAMS, 2, 77_070_336),
        (ch01.CONV_PARAMS, 0, 9),
        (ch01.CONV_PARAMS, 1, 448),
        (ch01.CONV_PARAMS, 2, 20),
        (ch01.CONV_PARAMS, 3, 20),
        (ch01.FLATTENED_DISTANCE, 0, 1),
        (ch01.FLATTENED_DISTANCE, 1, 28),
        (ch01.FLATTENED_DISTANCE, 2, 1),
    ],
)
def test_worked_examples_have_the_numbers_of_the_text(exercise, place, answer):
    case = exercise.worked[place]
    assert exercise.reference(*case.args, **case.kwargs) == answer


def test_the_worked_matrices():
    square, wide, flat = (case.args for case in ch01.CONV_AS_MATRIX.worked)
    np.testing.assert_array_equal(
        ch01.CONV_AS_MATRIX.reference(*square),
        [
            [1, 2, 0, 3, 4, 0, 0, 0, 0],
            [0, 1, 2, 0, 3, 4, 0, 0, 0],
            [0, 0, 0, 1, 2, 0, 3, 4, 0],
            [0, 0, 0, 0, 1, 2, 0, 3, 4],
        ],
    )
    np.testing.assert_array_equal(
        ch01.CONV_AS_MATRIX.reference(*wide), [[1, 2, 0, 3, 4, 0], [0, 1, 2, 0, 3, 4]]
    )
    np.testing.assert_array_equal(
        ch01.CONV_AS_MATRIX.reference(*flat),
        [[1, 2, 0, 0, 0, 0], [0, 1, 2, 0, 0, 0], [0, 0, 0, 1, 2, 0], [0, 0, 0, 0, 1, 2]],
    )


@pytest.mark.parametrize("exercise", FUNCTIONS, ids=named)
def test_every_kind_of_call_is_drawn(exercise):
    """No aspect rests on its worked example alone."""
    for seed in range(20):
        drawn = list(exercise.cases(exercise.rng(seed)))
        assert {case.aspect for case in drawn} == {aspect.name for aspect in exercise.aspects}
        assert len(drawn) >= 10


def by_the_library(kernel, height, width):
    """Right, but the course's own convolution has done the work."""
    units = np.eye(height * width).reshape(-1, height, width)
    return np.stack([ops.conv2d_single(unit, kernel).ravel() for unit in units], axis=1)


@pytest.mark.parametrize(
    ("exercise", "shortcut"),
    [
        (ch01.FC_PARAMS, lambda *a, **k: cost.fc_params(*a, **k)),
        (ch01.CONV_PARAMS, lambda *a, **k: cost.conv_params(*a, **k)),
        (ch01.FLATTENED_DISTANCE, lambda *a, **k: geometry.flattened_distance(*a, **k)),
        (ch01.CONV_AS_MATRIX, lambda *a, **k: ops.conv_matrix(*a, **k)),
        (ch01.CONV_AS_MATRIX, lambda *a: by_the_library(*a)),
        (ch01.EQUIVARIANCE_ERROR, lambda *a, **k: equivariance.equivariance_error(*a, **k)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_handing_in_the_library_is_no_answer(exercise, shortcut):
    verdict = evaluate(exercise, shortcut, 0)
    assert (verdict.verdict, verdict.score) == ("forbidden", 0.0)


def test_half_an_answer_earns_its_half():
    weights_only = evaluate(ch01.CONV_PARAMS, lambda c_in, c_out, k, bias=True: 9, 0)
    assert weights_only.earned == 0
    square = evaluate(ch01.CONV_PARAMS, lambda i, o, k, bias=True: o * (i * k * k + bias), 0)
    assert (square.verdict, square.earned) == ("partial", 2)
    assert "rectangular kernel" in as_text(square)


def test_always_zero_is_not_equivariant_knowledge():
    verdict = evaluate(ch01.EQUIVARIANCE_ERROR, lambda op, image, shift: 0.0, 0)
    assert verdict.earned == 0


def test_a_quiz_never_has_two_ways_to_the_same_answer():
    for seed in range(300):
        for name, asked in ch01.QUIZ.asked(seed).items():
            values = [asked.answer, *(value for value, _ in asked.wrong.values())]
            assert len(set(values)) == len(values), (seed, name, values)
            if asked.choices:
                assert len(set(asked.choices)) == len(asked.choices) == len(values)


def test_the_neighbours_of_the_quiz_by_hand():
    steps = set()
    for seed in range(60):
        asked = ch01.QUIZ.asked(seed)["neighbours"]
        numbers = [int(n) for n in re.findall(r"\d+", asked.text)]
        width, row, column, other_row, other_column = numbers
        assert 0 <= column < width
        assert 0 <= other_column < width
        position, other = row * width + column, other_row * width + other_column
        assert asked.answer == abs(position - other)
        steps.add((other_row - row, other_column - column))
    assert len(steps) == 12  # one to three rows down, as many columns to either side, not both


@pytest.mark.parametrize(
    ("exercise", "answer", "mistake"),
    [
        (ch01.FC_PARAMS, lambda i, o, bias=True: i * o + i, "bias_per_input_always"),
        (ch01.CONV_AS_MATRIX, lambda k, h, w: square_slices(k, h, w), "height_for_both_sides"),
        (ch01.CONV_AS_MATRIX, lambda k, h, w: into_ints(k, h, w), "decimals_cut_off"),
    ],
)
def test_mistakes_as_learners_write_them(exercise, answer, mistake):
    verdict = evaluate(exercise, answer, 0)
    assert verdict.misconception == mistake


def square_slices(kernel, height, width):
    k = kernel.shape[0]
    ho, wo = height - k + 1, width - k + 1
    matrix = np.zeros((ho * wo, height, width))
    for i in range(ho):
        for j in range(wo):
            matrix[i * wo + j, i : i + k, j : j + k] = kernel
    return matrix.reshape(ho * wo, -1)


def into_ints(kernel, height, width):
    (kh, kw), wo = kernel.shape, width - kernel.shape[1] + 1
    matrix = np.zeros(((height - kh + 1) * wo, height * width), dtype=int)
    for row in range(len(matrix)):
        for i in range(kh):
            start = (row // wo + i) * width + row % wo
            matrix[row, start : start + kw] = kernel[i]
    return matrix


CHAPTER = Path(__file__).parents[3] / "solutions" / "ch01_why_convolution"


def test_the_chapter_announces_the_points_and_places_that_it_has():
    text = (CHAPTER / "ch01_why_convolution.py").read_text(encoding="utf-8")
    total = sum(exercise.points for exercise in ch01.EXERCISES)
    assert f", {total:g} points." in text
    for exercise in ch01.EXERCISES:
        row = re.search(rf"^# \| (\d+) \| `{exercise.name}` \| (\d+) \|$", text, re.MULTILINE)
        assert row is not None, exercise.name
        assert float(row[2]) == exercise.points
        assert f'"grade_id": "test_{exercise.name}", "locked": true, "points": {row[2]},' in text
        before = text.index(f'"grade_id": "{exercise.name}"')
        section = text[:before].rpartition("\n# ## ")[2].splitlines()[0]
        assert section.startswith(f"{row[1]} · ")
