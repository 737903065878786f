"""The exercises of chapter 04: their proof, their cases, and answers that learners really write."""

import re

import numpy as np
import pytest
import torch
from scipy import ndimage

from autograder.exercises import ch04
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove

BY_NAME = {exercise.name: exercise for exercise in ch04.EXERCISES}
NAMES = list(BY_NAME)
FUNCTIONS = [name for name in NAMES if name != "quiz_04"]


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name], seeds=range(20))
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "max_pool2d",
        "avg_pool2d",
        "global_avg_pool2d",
        "max_pool2d_backward",
        "avg_pool2d_backward",
        "head_params",
        "shift_sensitivity",
        "blur_pool2d",
        "quiz_04",
    }
    assert all(exercise.chapter == "04" for exercise in ch04.EXERCISES)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("seed", [0, 7])
def test_cases_are_legal_and_start_small(name, seed):
    exercise = BY_NAME[name]
    for case in exercise.draw(seed):
        exercise.reference(*realise(case.args), **realise(dict(case.kwargs)))
    drawn = list(exercise.cases(exercise.rng(seed)))
    assert 5 <= len(drawn) <= 40
    sizes = [sum(np.size(value) for value in case.args) for case in drawn]
    assert min(sizes[:2]) <= min(sizes) + 2


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d", "max_pool2d_backward"])
def test_cases_pass_sizes_in_every_form(name):
    sizes = [
        value
        for case in BY_NAME[name].draw(3)
        for value in (*case.args, *case.kwargs.values())
        if np.ndim(value) < 4
    ]
    assert {type(value) for value in sizes} == {int, tuple, list, np.int64}


@pytest.mark.parametrize("seed", range(10))
def test_padding_stays_below_half_of_the_window(seed):
    """A wider border would leave windows without a pixel, and PyTorch refuses it."""
    for case in BY_NAME["max_pool2d"].draw(seed):
        names = ("x", "kernel_size", "stride", "padding")
        given = dict(zip(names, case.args, strict=False)) | dict(case.kwargs)
        kernel, padding = (np.broadcast_to(given.get(n, 0), 2) for n in ("kernel_size", "padding"))
        assert (2 * padding <= kernel).all()


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name: str, answer: object) -> list[str]:
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


# ── the references, against something independent ───────────────────────────────────────────────


def by_torch(name, *args, **sizes):
    functional = torch.nn.functional
    as_ints = {
        key: value if value is None else tuple(int(v) for v in np.broadcast_to(value, 2))
        for key, value in sizes.items()
    }
    tensors = [torch.tensor(np.asarray(a, dtype=float)) for a in args]
    return getattr(functional, name)(*tensors, **as_ints).numpy()


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
@pytest.mark.parametrize("seed", range(3))
def test_pooling_is_pytorchs(name, seed):
    for case in BY_NAME[name].draw(seed):
        names = ("x", "kernel_size", "stride", "padding")
        given = dict(zip(names, case.args, strict=False)) | dict(case.kwargs)
        x = given.pop("x")
        np.testing.assert_allclose(
            BY_NAME[name].reference(x, **given), by_torch(name, x, **given), rtol=1e-12, atol=1e-12
        )


@pytest.mark.parametrize("seed", range(3))
def test_gradients_are_pytorchs(seed):
    functional = torch.nn.functional
    for name, forward in (
        ("max_pool2d_backward", functional.max_pool2d),
        ("avg_pool2d_backward", functional.avg_pool2d),
    ):
        for case in BY_NAME[name].draw(seed):
            names = ("grad_out", "x", "kernel_size", "stride")
            given = dict(zip(names, case.args, strict=False)) | dict(case.kwargs)
            grad_out, x = given["grad_out"], given["x"]
            x = x if isinstance(x, np.ndarray) else np.zeros(tuple(x))
            tensor = torch.tensor(x.astype(float), requires_grad=True)
            sizes = [
                tuple(int(v) for v in np.broadcast_to(given[n], 2))
                for n in ("kernel_size", "stride")
                if given.get(n) is not None
            ]
            forward(tensor, *sizes).backward(torch.tensor(grad_out.astype(float)))
            np.testing.assert_allclose(
                BY_NAME[name].reference(*case.args, **case.kwargs), tensor.grad.numpy(), atol=1e-12
            )


@pytest.mark.parametrize("seed", range(3))
def test_the_blur_is_scipys(seed):
    for case in BY_NAME["blur_pool2d"].draw(seed):
        x = case.args[0].astype(float)
        stride = int(case.kwargs.get("stride", case.args[1] if len(case.args) > 1 else 2))
        kernel = np.outer([1, 2, 1], [1, 2, 1])[None, None] / 16
        blurred = ndimage.correlate(x, kernel, mode="mirror")
        np.testing.assert_allclose(
            BY_NAME["blur_pool2d"].reference(*case.args, **case.kwargs),
            blurred[:, :, ::stride, ::stride],
            atol=1e-12,
        )


@pytest.mark.parametrize("seed", range(3))
def test_heads_have_as_many_parameters_as_pytorchs(seed):
    for case in BY_NAME["head_params"].draw(seed):
        channels, height, width, n_classes, head = case.args
        inputs = channels * height * width if head == "flatten" else channels
        layer = torch.nn.Linear(inputs, n_classes, device="meta")
        assert ch04.HEAD_PARAMS.reference(*case.args) == sum(p.numel() for p in layer.parameters())


def test_a_bright_pixel_that_leaves_its_window_doubles_up():
    """Of the four outputs' total of 1, a pixel that has moved on changes two: 0, then 2."""
    one, two = (case for case in ch04.SHIFT_SENSITIVITY.worked)
    reference = ch04.SHIFT_SENSITIVITY.reference
    assert reference(*realise(one.args)) == 0
    assert reference(*realise(two.args)) == (0 + 2) / 2


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def loops_of_the_web(x, kernel_size, stride=None, padding=0):
    """Square windows, one number, a border of zeros."""
    stride = stride or kernel_size
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    N, C, H, W = x.shape
    H_out = (H - kernel_size) // stride + 1
    W_out = (W - kernel_size) // stride + 1
    out = np.zeros((N, C, H_out, W_out))
    for n in range(N):
        for c in range(C):
            for i in range(H_out):
                for j in range(W_out):
                    y0, x0 = i * stride, j * stride
                    out[n, c, i, j] = np.max(x[n, c, y0 : y0 + kernel_size, x0 : x0 + kernel_size])
    return out


def test_a_tutorials_max_pool_earns_what_it_can_and_hears_of_its_border():
    said = verdict("max_pool2d", loops_of_the_web)
    assert passed("max_pool2d", loops_of_the_web) == [
        "windows side by side",
        "batches and channels",
        "stride",
    ]
    assert said.misconception == "pads_with_zeros"


def by_reshaping(x, kernel_size, stride=None, padding=0):
    """The well-known one-liner for windows that fill the image."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // kernel_size, kernel_size, w // kernel_size, kernel_size).max((3, 5))


def test_the_reshape_trick_earns_only_where_windows_fill_the_image():
    assert passed("max_pool2d", by_reshaping) == ["batches and channels"]


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_pytorchs_pooling_is_forbidden(name):
    def answer(x, kernel_size, stride=None, padding=0):
        return by_torch(name, x, kernel_size=kernel_size, stride=stride, padding=padding)

    assert verdict(name, answer).verdict == "forbidden"


def test_the_courses_pooling_is_forbidden():
    from course_lib import ops

    for name in ("max_pool2d", "avg_pool2d", "blur_pool2d", "global_avg_pool2d"):
        assert verdict(name, getattr(ops, name)).verdict == "forbidden"


def test_autograd_is_no_backward_pass():
    def autograd(grad_out, x, kernel_size, stride=None):
        tensor = torch.tensor(np.asarray(x, dtype=float), requires_grad=True)
        sizes = [
            tuple(int(v) for v in np.broadcast_to(size, 2))
            for size in (kernel_size, stride)
            if size is not None
        ]
        out = torch.nn.functional.max_pool2d(tensor, *sizes)
        out.backward(torch.tensor(np.asarray(grad_out, dtype=float)))
        return tensor.grad

    assert verdict("max_pool2d_backward", autograd).verdict == "forbidden"


def test_a_tensor_from_torchs_own_sums_is_welcome():
    assert verdict("global_avg_pool2d", lambda x: torch.tensor(x * 1.0).mean((2, 3))).score == 1


def test_an_array_of_one_number_is_a_sensitivity():
    def as_array(op, x, max_shift):
        return np.array(ch04.SHIFT_SENSITIVITY.reference(op, x, max_shift))

    assert verdict("shift_sensitivity", as_array).verdict == "pass"


def test_blurring_with_the_courses_convolution_is_welcome():
    from course_lib import ops

    def blur(x, stride=2):
        kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
        maps = [
            [ops.conv2d_single(a, kernel, stride, 1, padding_mode="reflect") for a in image]
            for image in x
        ]
        return np.array(maps)

    assert verdict("blur_pool2d", blur).verdict == "pass"


def test_a_float_count_of_parameters_is_told_apart():
    said = verdict("head_params", lambda c, h, w, n, head: (c * n + n) * 1.0)
    assert said.score == 0
    assert "int" in said.message


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"-?\d+", text.replace("−", "-").replace(",", ""))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch04.QUIZ.asked(seed)

    rows = asked["pooled"].text.split("the rows ")[1].split(".")[0]
    grid = np.array(numbers(rows), float).reshape(1, 1, 4, 4)
    assert asked["pooled"].answer == by_torch("max_pool2d", grid, kernel_size=2).sum()

    n = numbers(asked["size"].text)[-1]
    starts = [start for start in range(0, n, 2) if start + 3 <= n]
    assert asked["size"].answer == len(starts)

    kernel, _, _, _, _, _, channels, _ = numbers(asked["learned"].text)
    weights = np.zeros((channels, channels, kernel, kernel))
    assert asked["learned"].answer == weights.size + channels

    row = numbers(asked["gradient"].text.split("row ")[1].split(",")[0])
    first, second = numbers(asked["gradient"].text.split("gradients")[1])[:2]
    grad_out = np.array([[[[first, second]]]])
    pooled = ch04.MAX_POOL2D_BACKWARD.reference(
        grad_out, np.array([[[row]]]), (1, 3), stride=(1, 2)
    )
    assert asked["gradient"].answer == pooled[0, 0, 0, 2]

    channels, side, _, n_classes = numbers(asked["head"].text)
    assert asked["head"].answer == (channels * side * side - channels) * n_classes

    low, high = numbers(asked["alias"].text)[:2]
    row = np.tile([low, high], 10).astype(float)
    blurred = np.convolve(row, [0.25, 0.5, 0.25], mode="valid")
    assert set(blurred[::2]) == {asked["alias"].answer}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_choice_is_right(seed):
    asked = ch04.QUIZ.asked(seed)["any_size"]
    chosen = asked.choices["abcd".index(asked.answer)]
    assert chosen.startswith("the one with the global average runs as it is")


def test_worked_examples_are_those_of_the_text():
    (case,) = [c for c in ch04.MAX_POOL2D.worked if c.aspect == "windows side by side"]
    x, kernel_size = case.args
    assert by_torch("max_pool2d", x, kernel_size=kernel_size).tolist() == [[[[4, 6], [8, 9]]]]
