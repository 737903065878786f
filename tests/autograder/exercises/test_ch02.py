"""The exercises of chapter 02: their proof, their cases, and answers that learners really write."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, signal

from autograder.exercise import Case
from autograder.exercises import ch02
from autograder.judge import evaluate
from autograder.proof import prove

BY_NAME = {exercise.name: exercise for exercise in ch02.EXERCISES}
NAMES = list(BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name], seeds=range(20))
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "output_size",
        "zero_pad",
        "conv2d_single",
        "true_convolution",
        "same_padding",
        "visit_counts",
        "conv2d_single_backward",
        "edge_kernel",
        "conv2d_vectorised",
        "quiz_02",
    }
    assert all(exercise.chapter == "02" for exercise in ch02.EXERCISES)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("quiz_02", "edge_kernel")])
@pytest.mark.parametrize("seed", [0, 7])
def test_cases_are_legal_and_start_small(name, seed):
    exercise = BY_NAME[name]
    for case in exercise.draw(seed):
        refuses = case.aspect in ("no window fits", "illegal numbers")
        if refuses:
            with pytest.raises(ValueError, match="must"):
                exercise.reference(*case.args, **case.kwargs)
        else:
            exercise.reference(*case.args, **case.kwargs)
    drawn = list(exercise.cases(exercise.rng(seed)))
    assert 5 <= len(drawn) <= 40
    sizes = [sum(np.size(value) for value in case.args) for case in drawn]
    assert min(sizes[:2]) <= min(sizes) + 2


def test_cases_pass_pairs_in_every_form():
    kinds = {
        type(value) for case in BY_NAME["conv2d_single"].draw(3) for value in case.kwargs.values()
    }
    assert kinds == {int, tuple, list, np.int64}


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name: str, answer: object) -> list[str]:
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def tired_size(n, kernel, stride=1, padding=0, dilation=1):
    return (n - kernel + 2 * padding) // stride + 1


def test_the_formula_of_most_tutorials_earns_half():
    assert passed("output_size", tired_size) == ["kernel", "padding", "stride and floor"]


def exact_size(n, kernel, stride=1, padding=0, dilation=1):
    if min(n, kernel, stride, dilation) < 1 or padding < 0:
        raise ValueError
    rest = n + 2 * padding - dilation * (kernel - 1) - 1
    if rest < 0:
        raise ValueError
    return int(rest / stride) + 1


def test_int_of_a_quotient_is_a_floor_too():
    assert verdict("output_size", exact_size).verdict == "pass"


def sized_and_then_refused(formula):
    """A size whose check looks at the result."""

    def size(n, kernel, stride=1, padding=0, dilation=1):
        if min(n, kernel, stride, dilation) < 1 or padding < 0:
            raise ValueError
        windows = formula(n + 2 * padding, dilation * (kernel - 1) + 1, stride)
        if windows < 1:
            raise ValueError
        return windows

    return size


def test_a_floor_may_be_checked_afterwards_but_int_rounds_towards_zero():
    floor = sized_and_then_refused(lambda n, span, stride: (n - span) // stride + 1)
    assert verdict("output_size", floor).verdict == "pass"
    truncated = sized_and_then_refused(lambda n, span, stride: int((n - span) / stride) + 1)
    said = verdict("output_size", truncated)
    assert (said.score, said.misconception) == (5 / 6, "truncated")


@pytest.mark.parametrize("seed", range(5))
def test_a_forgotten_one_has_a_name_with_and_without_a_check(seed):
    steps = sized_and_then_refused(lambda n, span, stride: (n - span) // stride)
    assert verdict("output_size", steps, seed).misconception == "first_window_refused"
    unchecked = lambda n, kernel, stride=1, padding=0, dilation=1: (  # noqa: E731
        (n + 2 * padding - kernel) // stride
    )
    assert verdict("output_size", unchecked, seed).misconception == "first_window_forgotten"
    too_many = lambda n, kernel, stride=1, padding=0, dilation=1: (  # noqa: E731
        (n + 2 * padding - kernel + 1) // stride + 1
    )
    assert verdict("output_size", too_many, seed).misconception == "one_window_too_many"


def padding_counted_once_in_the_check(n, kernel, stride=1, padding=0, dilation=1):
    span = dilation * (kernel - 1) + 1
    if min(n, kernel, stride, dilation) < 1 or padding < 0 or span > n + padding:
        raise ValueError
    return (n + 2 * padding - span) // stride + 1


def test_a_pixel_between_two_zeros_holds_a_kernel_of_three():
    said = verdict("output_size", padding_counted_once_in_the_check)
    assert (said.score, said.misconception) == (5 / 6, "refuses_with_padding_once")


def asserting_size(n, kernel, stride=1, padding=0, dilation=1):
    assert min(n, kernel, stride, dilation, padding + 1) > 0
    rest = n + 2 * padding - dilation * (kernel - 1) - 1
    assert rest >= 0
    return rest // stride + 1


def test_an_assertion_is_no_value_error():
    assert len(passed("output_size", asserting_size)) == 4


def loops_of_the_web(img, kernel, stride=1, padding=0, dilation=1):
    """The function of a hundred tutorials: square kernels, one number, no dilation."""
    img = np.pad(img, padding)
    K = kernel.shape[0]
    H = (img.shape[0] - K) // stride + 1
    W = (img.shape[1] - K) // stride + 1
    out = np.zeros((H, W))
    for i in range(H):
        for j in range(W):
            patch = img[i * stride : i * stride + K, j * stride : j * stride + K]
            out[i, j] = np.sum(patch * kernel)
    return out


def test_a_tutorials_convolution_earns_what_it_can():
    assert passed("conv2d_single", loops_of_the_web) == [
        "one window after another",
        "stride",
        "padding",
    ]


def test_scipys_correlation_is_forbidden_and_named():
    said = verdict("conv2d_vectorised", lambda x, k: signal.correlate2d(x, k, mode="valid"))
    assert said.verdict == "forbidden"
    assert "scipy.signal.correlate2d" in said.message


def test_torchs_convolution_is_forbidden():
    import torch

    def by_torch(image, kernel, stride=1, padding=0, dilation=1):
        as_tensor = lambda a: torch.tensor(np.asarray(a, float))[None, None]  # noqa: E731
        sizes = [tuple(int(v) for v in np.broadcast_to(s, 2)) for s in (stride, padding, dilation)]
        return torch.conv2d(as_tensor(image), as_tensor(kernel), None, *sizes)[0, 0]

    assert verdict("conv2d_single", by_torch).verdict == "forbidden"


def test_padding_in_its_own_exercise_is_not_numpys():
    assert verdict("zero_pad", np.pad).verdict == "forbidden"


def test_padding_in_its_own_exercise_is_not_torchs():
    import torch

    def by_torch(image, padding):
        above, aside = (int(n) for n in np.broadcast_to(padding, 2))
        sides = (aside, aside, above, above)
        return torch.nn.functional.pad(torch.tensor(image), sides)

    assert verdict("zero_pad", by_torch).verdict == "forbidden"


def row_by_row(image, kernel):
    k_h = kernel.shape[0]
    rows = []
    for r in range(image.shape[0] - k_h + 1):
        band = np.lib.stride_tricks.sliding_window_view(image[r : r + k_h], kernel.shape)[0]
        rows.append(np.einsum("cij,ij->c", band, kernel))
    return np.array(rows)


def in_a_comprehension(image, kernel):
    k_h, k_w = kernel.shape
    rows, columns = image.shape[0] - k_h + 1, image.shape[1] - k_w + 1
    return np.array(
        [
            [(image[r : r + k_h, c : c + k_w] * kernel).sum() for c in range(columns)]
            for r in range(rows)
        ]
    )


def wordy_loop_over_the_kernel(image, kernel):
    image_height, image_width = image.shape
    kernel_height, kernel_width = kernel.shape
    output = np.zeros((image_height - kernel_height + 1, image_width - kernel_width + 1))
    for i in range(kernel_height):
        for j in range(kernel_width):
            top, left = i, j
            bottom, right = top + output.shape[0], left + output.shape[1]
            weight = kernel[i, j]
            if weight == 0:
                continue
            shifted = image[top:bottom, left:right]
            output = output + weight * shifted
    return output


def strided(image, kernel, steps):
    (height, width), (k_h, k_w) = image.shape, kernel.shape
    # Room behind the image, so that steps that are too long read zeros and not what lies there.
    memory = np.concatenate([image.ravel(), np.zeros(image.size, image.dtype)])
    windows = np.lib.stride_tricks.as_strided(
        memory, (height - k_h + 1, width - k_w + 1, k_h, k_w), (*steps, *steps)
    )
    return np.einsum("rcij,ij->rc", windows, kernel)


def test_steps_through_memory_are_not_always_of_eight_bytes():
    def eight(image, kernel):
        return strided(image, kernel, (8 * image.shape[1], 8))

    assert verdict("conv2d_vectorised", lambda x, k: strided(x, k, x.strides)).verdict == "pass"
    assert passed("conv2d_vectorised", eight) == []
    assert verdict("conv2d_vectorised", eight).verdict == "wrong"


@pytest.mark.parametrize("answer", [row_by_row, in_a_comprehension])
def test_a_loop_over_rows_or_pixels_earns_the_numbers_only(answer):
    assert passed("conv2d_vectorised", answer) == ["the same numbers"]


def test_a_loop_over_the_kernels_cells_is_fine():
    assert verdict("conv2d_vectorised", wordy_loop_over_the_kernel).verdict == "pass"


def kernel_gradient_only(grad_out, image, kernel, stride=1, padding=0):
    (s_h, s_w), (p_h, p_w) = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    padded = np.pad(image, ((p_h, p_h), (p_w, p_w)))
    grad_kernel = np.zeros(kernel.shape)
    for (r, c), g in np.ndenumerate(grad_out):
        y, x = r * s_h, c * s_w
        grad_kernel += g * padded[y : y + kernel.shape[0], x : x + kernel.shape[1]]
    return np.zeros(image.shape), grad_kernel


def test_one_of_the_two_gradients_earns_its_points():
    assert passed("conv2d_single_backward", kernel_gradient_only) == ["gradient of the kernel"]


def by_sliding(grad_out, image, kernel, stride=1, padding=0):
    """With the course's forward pass, as the chapter allows, and no thought of what is left."""
    from course_lib import ops

    (s_h, s_w), (p_h, p_w) = np.broadcast_to(stride, 2), np.broadcast_to(padding, 2)
    k_h, k_w = kernel.shape
    spread = np.zeros(((grad_out.shape[0] - 1) * s_h + 1, (grad_out.shape[1] - 1) * s_w + 1))
    spread[::s_h, ::s_w] = grad_out
    padded = np.pad(image, ((p_h, p_h), (p_w, p_w)))
    grad_padded = np.zeros(padded.shape)
    stamped = ops.conv2d_single(spread, kernel[::-1, ::-1], padding=(k_h - 1, k_w - 1))
    grad_padded[: stamped.shape[0], : stamped.shape[1]] = stamped
    grad_image = grad_padded[p_h : p_h + image.shape[0], p_w : p_w + image.shape[1]]
    return grad_image, ops.conv2d_single(padded, spread)


def test_sliding_passes_once_the_rest_is_cut_off_the_kernels_gradient():
    assert verdict("conv2d_single_backward", by_sliding).misconception == "rest_kept"

    def cut(grad_out, image, kernel, *sizes, **more):
        grad_image, grad_kernel = by_sliding(grad_out, image, kernel, *sizes, **more)
        return grad_image, grad_kernel[: kernel.shape[0], : kernel.shape[1]]

    assert verdict("conv2d_single_backward", cut).verdict == "pass"


def by_differences(grad_out, image, kernel, stride=1, padding=0):
    """Both gradients from nothing but the forward pass, which is linear in each argument."""
    from course_lib import ops

    def forward(x, k):
        return ops.conv2d_single(x, k, stride, padding)

    def gradient(base, run):
        result = np.zeros(base.shape)
        for place in np.ndindex(*base.shape):
            nudged = base.astype(float).copy()
            nudged[place] += 1
            result[place] = (grad_out * (run(nudged) - run(base))).sum()
        return result

    return (
        gradient(image, lambda x: forward(x, kernel)),
        gradient(kernel, lambda k: forward(image, k)),
    )


def test_gradients_by_differences_are_honest():
    assert verdict("conv2d_single_backward", by_differences).verdict == "pass"


def test_a_list_is_no_tuple_of_gradients_to_refuse():
    as_list = lambda *given, **sizes: list(by_differences(*given, **sizes))  # noqa: E731
    assert verdict("conv2d_single_backward", as_list).verdict == "pass"


# ── edge_kernel: the conditions say what they mean ──────────────────────────────────────────────


def scene(dark: float, bright: float, at: int) -> np.ndarray:
    """A 7×9 image, dark up to column `at`."""
    return np.where(np.arange(9) < at, dark, bright) * np.ones((7, 1))


def meets_the_statement(kernel: np.ndarray) -> bool:
    """The statement, tried on whole images with scipy, wherever the edge falls."""

    def responses(image):
        return ndimage.correlate(image, kernel)[1:-1, 1:-1]

    for at in range(1, 9):
        rising, falling = responses(scene(0.2, 0.7, at)), responses(scene(0.7, 0.2, at))
        touched = [c for c in range(7) if c < at < c + 3]
        if not ((rising[:, touched] > 1e-9).all() and (falling[:, touched] < -1e-9).all()):
            return False
        level = responses(scene(0.2, 0.7, at).T)
        if np.abs(level).max() > 1e-9:
            return False
    return bool(np.abs(responses(np.full((7, 9), 0.7))).max() < 1e-9)


WEIGHTS = st.integers(-3, 3)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(WEIGHTS, min_size=3, max_size=3), min_size=3, max_size=3), st.booleans())
def test_edge_kernel_passes_exactly_what_the_statement_says(rows, balanced):
    kernel = np.array(rows, dtype=float)
    if balanced:
        kernel -= kernel.mean(axis=1, keepdims=True)
    full_marks = verdict("edge_kernel", lambda: kernel).verdict == "pass"
    assert full_marks == meets_the_statement(kernel)


@pytest.mark.parametrize(
    "answer",
    [None, 3, "Sobel", [[-1, 0, 1]] * 3, np.full((3, 3), np.nan), np.zeros((3, 3, 3))],
    ids=["none", "number", "text", "list", "nan", "three axes"],
)
def test_edge_kernel_survives_any_answer(answer):
    said = verdict("edge_kernel", lambda: answer)
    assert said.score == 0
    assert said.failure is not None


def test_a_tiny_and_a_large_kernel_count_alike():
    sobel = np.outer([1, 2, 1], [-1, 0, 1])
    for scale in (1e-6, 1 / 8, 1e6):
        assert verdict("edge_kernel", lambda scale=scale: sobel * scale).verdict == "pass"


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


def starts(n: int, span: int, stride: int = 1) -> list[int]:
    return [start for start in range(0, n, stride) if start + span <= n]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch02.QUIZ.asked(seed)

    n, kernel, padding, stride = numbers(asked["size"].text)
    assert asked["size"].answer == len(starts(n + 2 * padding, kernel, stride))

    n, kernel, dilation, _ = numbers(asked["dilated"].text)
    taps = range(0, dilation * kernel, dilation)
    assert asked["dilated"].answer == len(starts(n, taps[-1] + 1))

    n, kernel, stride = numbers(asked["dropped"].text)
    assert asked["dropped"].answer == n - (starts(n, kernel, stride)[-1] + kernel)

    height, width, k_h, k_w, _, row, column, _ = numbers(asked["visits"].text)
    windows = np.zeros((height, width), int)
    for top in starts(height, k_h):
        for left in starts(width, k_w):
            windows[top : top + k_h, left : left + k_w] += 1
    assert asked["visits"].answer == windows[row, column]

    height, width, k_h, k_w, _ = numbers(asked["gradient"].text)
    assert asked["gradient"].answer == len(starts(height, k_h)) * len(starts(width, k_w))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_choices_are_right(seed):
    asked = ch02.QUIZ.asked(seed)

    kernel, dilation, _ = numbers(asked["same"].text)
    chosen = asked["same"].choices["abcd".index(asked["same"].answer)]
    before, after = numbers(chosen)
    span = dilation * (kernel - 1) + 1
    assert len(starts(50 + before + after, span)) == 50
    assert after - before in (0, 1)

    kernel = re.search(r"\[\[.*\]\]", asked["flip"].text)[0]
    weights = np.array(numbers(kernel)).reshape(2, 2)
    chosen = asked["flip"].choices["abcd".index(asked["flip"].answer)]
    spot = np.zeros((3, 3))
    spot[1, 1] = 1
    assert numbers(chosen) == signal.correlate2d(spot, weights, "valid").ravel().tolist()


def test_worked_examples_are_those_of_the_text():
    ramp, cross = ch02.RAMP, ch02.CROSS
    assert ramp[:2].tolist() == [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6]]
    assert Case("one window after another", (ramp, cross)).args[0] is ramp
    expected = signal.correlate2d(ramp, cross, "valid")
    assert expected.tolist() == [[15, 20, 25], [20, 25, 30], [25, 30, 35]]
    sizes = [(case.args, dict(case.kwargs)) for case in ch02.OUTPUT_SIZE.worked]
    assert ((224, 3), {"stride": 2}) in sizes
