"""The exercises of chapter 05: their proof, their cases, and answers that learners really write."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autograder.exercise import Case
from autograder.exercises import ch05
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove

BY_NAME = {exercise.name: exercise for exercise in ch05.EXERCISES}
NAMES = list(BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name])
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "rf_of_stack",
        "receptive_field",
        "input_region",
        "layers_to_see",
        "dilated_rf",
        "stack_params",
        "effective_receptive_field",
        "design_stack",
        "quiz_05",
    }
    assert all(exercise.chapter == "05" for exercise in ch05.EXERCISES)


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("quiz_05", "design_stack")])
@pytest.mark.parametrize("seed", [0, 7])
def test_cases_are_legal_and_not_too_many(name, seed):
    exercise = BY_NAME[name]
    for case in exercise.draw(seed):
        exercise.reference(*realise(case.args), **realise(dict(case.kwargs)))
    assert 5 <= len(list(exercise.cases(exercise.rng(seed)))) <= 40


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name: str, answer: object) -> list[str]:
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def textbook_field(layers):
    """The recursion of most tutorials: sizes and jumps, no padding, no dilation."""
    size, jump = 1, 1
    for kernel, stride, _, _ in layers:
        size += (kernel - 1) * jump
        jump *= stride
    return size, jump, 0


def test_the_recursion_of_most_tutorials_earns_half():
    assert passed("receptive_field", textbook_field) == ["stride 1", "strides and jumps"]


def test_a_list_counts_as_the_tuple():
    as_list = lambda layers: list(ch05._field_by_sums(layers))  # noqa: E731
    assert verdict("receptive_field", as_list).verdict == "pass"


def test_by_counting_pixels_is_honest():
    def region(layers, index):
        seen = {index}
        for kernel, stride, padding, dilation in reversed(layers):
            seen = {u * stride - padding + t * dilation for u in seen for t in range(kernel)}
        return min(seen), max(seen)

    assert verdict("input_region", region).verdict == "pass"


@pytest.mark.parametrize(
    ("exercise", "name"),
    [
        ("receptive_field", "receptive_field"),
        ("rf_of_stack", "rf_of_stack"),
        ("layers_to_see", "layers_to_see"),
        ("input_region", "input_region"),
        ("dilated_rf", "dilated_rf"),
    ],
)
def test_the_courses_own_functions_are_forbidden(exercise, name):
    from course_lib import geometry

    assert verdict(exercise, getattr(geometry, name)).verdict == "forbidden"


def test_the_courses_effective_field_is_forbidden():
    from course_lib import receptive_field_torch as ours

    said = verdict("effective_receptive_field", lambda m, s: ours.effective_receptive_field(m, s))
    assert said.verdict == "forbidden"


def test_input_region_may_use_the_courses_receptive_field():
    from course_lib import geometry

    def region(layers, index):
        size, jump, start = geometry.receptive_field(layers)
        first = start + index * jump
        return first, first + size - 1

    assert verdict("input_region", region).verdict == "pass"


# ── effective_receptive_field ───────────────────────────────────────────────────────────────────


def of_half_precision_of_patience(model, input_shape):
    """Honest in another style: a dry run for the shape, a hook-free loop, uniform inputs."""
    height, width = model(torch.zeros(1, *input_shape)).shape[2:]
    maps = []
    for _ in range(16):
        x = torch.rand(input_shape, dtype=torch.float32).unsqueeze(0).requires_grad_(True)
        out = model(x)
        mask = torch.zeros_like(out)
        mask[:, :, height // 2, width // 2] = 1
        out.backward(mask)
        maps.append(x.grad.abs().sum(dim=(0, 1)))
    mean = torch.stack(maps).mean(0)
    return (mean / mean.max()).numpy()


def test_another_style_is_honest():
    assert verdict("effective_receptive_field", of_half_precision_of_patience).verdict == "pass"


def test_one_constant_image_is_not_sixteen_random_ones():
    def of_ones(model, input_shape):
        x = torch.ones(16, *input_shape, requires_grad=True)
        out = model(x)
        out[:, :, out.shape[2] // 2, out.shape[3] // 2].sum().backward()
        field = x.grad.abs().sum(1).mean(0)
        return field / field.max()

    assert passed("effective_receptive_field", of_ones) == ["the centre unit", "signs and channels"]


@pytest.mark.parametrize("seed", range(3))
def test_an_even_output_and_a_field_as_large_as_the_image_are_drawn(seed):
    even, whole = [], []
    for case in BY_NAME["effective_receptive_field"].draw(seed):
        model, shape = realise(case.args)
        sides = model(torch.zeros(1, *shape)).shape[2:]
        even.append(all(side % 2 == 0 for side in sides))
        whole.append(BY_NAME["effective_receptive_field"].reference(model, shape).min() > 0)
    assert any(even)
    assert any(whole)


def test_the_reference_is_the_gradient_of_a_linear_map():
    (model, shape) = realise(ch05.EFFECTIVE_RECEPTIVE_FIELD.worked[1].args)
    assert isinstance(model, nn.Sequential)
    columns = []
    for place in range(int(np.prod(shape))):
        x = torch.zeros(int(np.prod(shape)))
        x[place] = 1
        out = model(x.reshape(1, *shape))
        columns.append(float(out[:, :, out.shape[2] // 2, out.shape[3] // 2].sum().detach()))
    field = np.abs(np.array(columns).reshape(shape)).sum(axis=0)
    ours = ch05.EFFECTIVE_RECEPTIVE_FIELD.reference(model, shape)
    np.testing.assert_allclose(ours, field / field.max(), rtol=1e-4, atol=1e-6)


# ── design_stack: the conditions say what they mean ─────────────────────────────────────────────

CASE = Case("within the budget", (12, 6 * 9 * 64, 8))
LAYER = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 4))


@settings(max_examples=200, deadline=None)
@given(st.lists(LAYER, max_size=6))
def test_a_design_passes_exactly_where_both_conditions_hold(layers):
    size, _, _ = ch05.RECEPTIVE_FIELD.reference(layers)
    weights = sum(nn.Conv2d(8, 8, k, bias=False).weight.numel() for k, *_ in layers)
    said = ch05.DESIGN_STACK.conditions["within the budget"](layers, CASE)
    assert (said is None) == (size >= 12 and weights <= 6 * 9 * 64)


@pytest.mark.parametrize(
    "answer",
    [None, 3, "3x3", [[]], [(3, 0, 0, 1)], [(3.0, 1, 0, 1)], [("3",)], {"layers": 3}, [(3,) * 5]],
)
def test_a_design_may_be_anything_at_all(answer):
    said = verdict("design_stack", lambda *_: answer)
    assert said.score == 0
    assert said.failure is not None


@pytest.mark.parametrize(
    "answer",
    [
        lambda rf, most, c: [[2, 1, 0, rf - 1]],
        lambda rf, most, c: [(np.int64(2), 1, 0, np.int64(rf - 1))],
        lambda rf, most, c: np.array([[2, 1, 0, rf - 1]]),
        lambda rf, most, c: ((1,), (2, 1, 0, rf - 1)),
        lambda rf, most, c: [(2, rf - 1), 2],
    ],
    ids=["lists", "NumPy integers", "an array", "tuples", "numbers left out"],
)
def test_layers_come_in_any_form(answer):
    assert verdict("design_stack", answer).verdict == "pass"


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def ones_through(net: nn.Sequential, n: int, unit: int) -> list[int]:
    """The pixels of a row whose gradient at a unit is not zero, every weight 1."""
    for layer in net:
        nn.init.ones_(layer.weight)
    row = torch.zeros(1, 1, n, dtype=torch.float32, requires_grad=True)
    (gradient,) = torch.autograd.grad(net(row)[0, 0, unit], row)
    return torch.nonzero(gradient[0, 0]).ravel().tolist()


def conv(kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> nn.Conv1d:
    return nn.Conv1d(1, 1, kernel, stride, padding, dilation, bias=False)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch05.QUIZ.asked(seed)

    layers, kernel, _, _ = numbers(asked["stack"].text)
    length = asked["stack"].answer
    assert (
        nn.Sequential(*(conv(kernel) for _ in range(layers)))(torch.zeros(1, 1, length)).shape[-1]
        == 1
    )

    kernel, _, _, size = numbers(asked["depth"].text)
    seen, layers = 1, 0
    while seen < size:
        seen, layers = seen + kernel - 1, layers + 1
    assert asked["depth"].answer == layers

    (*both,) = numbers(asked["strided"].text)
    net = nn.Sequential(*(conv(k, s) for k, s in zip(both[:4], both[4:], strict=True)))
    reached = ones_through(net, 400, 1)
    # Strides longer than a kernel may leave gaps; the field runs from the first to the last pixel.
    assert asked["strided"].answer == reached[-1] - reached[0] + 1

    _, _, _, first, second, unit = numbers(asked["region"].text)
    net = nn.Sequential(conv(3, 2, first), conv(3, 2, second))
    assert asked["region"].answer == ones_through(net, 200, unit)[0]

    kernel, _, *dilations, _ = numbers(asked["dilated"].text)
    net = nn.Sequential(*(conv(kernel, dilation=d) for d in dilations))
    assert net(torch.zeros(1, 1, asked["dilated"].answer)).shape[-1] == 1

    layers, kernel, _, large, _, channels = numbers(asked["weights"].text)
    assert (
        nn.Sequential(*(conv(kernel) for _ in range(layers)))(torch.zeros(1, 1, large)).shape[-1]
        == 1
    )
    saved = large**2 * channels**2 - layers * kernel**2 * channels**2
    assert asked["weights"].answer == saved

    before, _, _, _, after = numbers(asked["effective"].text)
    chosen = asked["effective"].choices["abcd".index(asked["effective"].answer)]
    assert numbers(chosen) == [round((after / before) ** 0.5)]
