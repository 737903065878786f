"""The exercises of chapter 03: their proof, their cases, and answers that learners really write."""

import itertools
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from autograder.card import as_text
from autograder.exercises import ch03
from autograder.judge import evaluate
from autograder.proof import prove

BY_NAME = {exercise.name: exercise for exercise in ch03.EXERCISES}
NAMES = list(BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name], seeds=range(20))
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "conv2d",
        "conv_cost",
        "orange_detector",
        "pointwise_conv",
        "im2col",
        "conv2d_backward",
        "trace_shapes",
        "quiz_03",
    }
    assert all(exercise.chapter == "03" for exercise in ch03.EXERCISES)


@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in ("quiz_03", "orange_detector")]
)
@pytest.mark.parametrize("seed", [0, 7])
def test_cases_are_legal_and_start_small(name, seed):
    exercise = BY_NAME[name]
    refusing = (
        "channels or features differ",
        "the wrong kind of input",
        "no window fits",
        "the layer is named",
    )
    for case in exercise.draw(seed):
        just_fits = case.note in ("a window as high as its input", "the padding makes room")
        if case.aspect in refusing and not just_fits:
            with pytest.raises(ValueError, match="layer"):
                exercise.reference(*case.args, **case.kwargs)
        else:
            exercise.reference(*case.args, **case.kwargs)
    drawn = list(exercise.cases(exercise.rng(seed)))
    assert 5 <= len(drawn) <= 40
    if name != "trace_shapes":
        sizes = [sum(np.size(value) for value in case.args) for case in drawn]
        assert min(sizes[:2]) <= min(sizes) + 2


@pytest.mark.parametrize("name", ["conv2d", "im2col", "conv2d_backward"])
def test_cases_pass_pairs_in_every_form(name):
    kinds = {type(value) for case in BY_NAME[name].draw(3) for value in case.kwargs.values()}
    assert kinds == {int, tuple, list, np.int64}


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name: str, answer: object) -> list[str]:
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


def as_tensor(array):
    return None if array is None else torch.tensor(np.asarray(array, float))


def sizes_for_torch(**sizes):
    return {name: tuple(int(v) for v in np.broadcast_to(s, 2)) for name, s in sizes.items()}


# ── the references against torch ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
def test_the_layer_expected_is_torchs(seed):
    for case in BY_NAME["conv2d"].draw(seed):
        x, weight, bias = (*case.args, None)[:3]
        out = torch.nn.functional.conv2d(
            as_tensor(x), as_tensor(weight), as_tensor(bias), **sizes_for_torch(**case.kwargs)
        )
        expected = BY_NAME["conv2d"].reference(*case.args, **case.kwargs)
        np.testing.assert_allclose(expected, out, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_gradients_expected_are_torchs(seed):
    for case in BY_NAME["conv2d_backward"].draw(seed):
        grad_out, x, weight = case.args
        leaves = [as_tensor(a).requires_grad_() for a in (x, weight, np.zeros(weight.shape[0]))]
        out = torch.nn.functional.conv2d(*leaves, **sizes_for_torch(**case.kwargs))
        expected = torch.autograd.grad(out, leaves, as_tensor(grad_out))
        got = BY_NAME["conv2d_backward"].reference(*case.args, **case.kwargs)
        for ours, theirs in zip(got, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_columns_expected_are_torchs(seed):
    for case in BY_NAME["im2col"].draw(seed):
        x, kernel_size = case.args
        sizes = sizes_for_torch(kernel_size=kernel_size, **case.kwargs)
        expected = torch.nn.functional.unfold(as_tensor(x), **sizes)
        np.testing.assert_array_equal(
            BY_NAME["im2col"].reference(*case.args, **case.kwargs), expected
        )


def torch_layer(name, *sizes):
    return {
        "conv": lambda c_in, c_out, k, s, p: torch.nn.Conv2d(c_in, c_out, k, s, p),
        "pool": lambda k, s: torch.nn.MaxPool2d(k, s),
        "flatten": torch.nn.Flatten,
        "linear": torch.nn.Linear,
        "relu": torch.nn.ReLU,
    }[name](*sizes)


@pytest.mark.parametrize("seed", range(5))
def test_the_shapes_expected_are_torchs(seed):
    for case in BY_NAME["trace_shapes"].draw(seed):
        shape, layers = case.args
        x, shapes, failed = torch.zeros(shape), [], False
        try:
            for layer in layers:
                if layer[0] == "linear" and x.ndim != 2:
                    raise RuntimeError("torch would take the last axis")
                x = torch_layer(*layer)(x)
                shapes.append(tuple(x.shape))
        except RuntimeError:
            failed = True
        if failed:
            place = len(shapes)
            with pytest.raises(ValueError, match=f"layer {place}, {layers[place][0]}"):
                ch03.TRACE_SHAPES.reference(shape, layers)
        else:
            assert ch03.TRACE_SHAPES.reference(shape, layers) == shapes


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def conv_of_the_web(x, w, b, stride=1, pad=0):
    """The convolution of a well-known course's homework: one stride, one padding, a bias always."""
    N, _, H, W = x.shape
    F, _, HH, WW = w.shape
    x_pad = np.pad(x, ((0,), (0,), (pad,), (pad,)))
    out = np.zeros((N, F, 1 + (H + 2 * pad - HH) // stride, 1 + (W + 2 * pad - WW) // stride))
    for i, f, r, q in np.ndindex(*out.shape):
        window = x_pad[i, :, r * stride : r * stride + HH, q * stride : q * stride + WW]
        out[i, f, r, q] = np.sum(window * w[f]) + b[f]
    return out


def test_a_bias_that_must_be_given_earns_the_bias():
    assert passed("conv2d", conv_of_the_web) == ["bias"]


def test_the_tutorials_convolution_earns_what_it_can():
    def answer(x, weight, bias=None, stride=1, padding=0, dilation=1):
        bias = np.zeros(len(weight)) if bias is None else bias
        return conv_of_the_web(x, weight, bias, stride, padding)

    assert passed("conv2d", answer) == ["channels", "kernels", "batch", "bias"]
    assert verdict("conv2d", answer).verdict == "partial"


def test_one_image_in_float32_passes():
    def answer(x, weight, bias=None, stride=1, padding=0, dilation=1):
        given = [np.asarray(a, np.float32) for a in (x, weight)]
        return ch03._layer(*given, bias, stride, padding, dilation).astype(np.float32)

    assert verdict("conv2d", answer).verdict == "pass"


def test_torchs_convolution_is_forbidden():
    def answer(x, weight, bias=None, stride=1, padding=0, dilation=1):
        sizes = sizes_for_torch(stride=stride, padding=padding, dilation=dilation)
        return torch.conv2d(as_tensor(x), as_tensor(weight), as_tensor(bias), **sizes)

    assert verdict("conv2d", answer).verdict == "forbidden"


def test_the_courses_own_layer_is_forbidden():
    from course_lib import cost, cost_table, ops

    assert verdict("conv2d", lambda *a, **k: ops.conv2d(*a, **k)).verdict == "forbidden"
    assert verdict("pointwise_conv", lambda x, w, b=None: ops.conv2d(x, w, b)).verdict == (
        "forbidden"
    )
    assert verdict("im2col", lambda *a, **k: ops.im2col(*a, **k)).verdict == "forbidden"
    said = verdict("conv2d_backward", lambda *a, **k: ops.conv2d_backward(*a, **k))
    assert said.verdict == "forbidden"
    assert verdict("conv_cost", lambda *a, **k: cost.conv_cost(*a, **k)).verdict == "forbidden"

    def from_the_table(input_shape, layers):
        return [row.output_shape for row in cost_table.of_layers(input_shape, layers).rows]

    assert verdict("trace_shapes", from_the_table).verdict == "forbidden"


def test_torchs_unfold_is_no_im2col_of_ones_own():
    def answer(x, kernel_size, stride=1, padding=0):
        sizes = sizes_for_torch(kernel_size=kernel_size, stride=stride, padding=padding)
        return torch.nn.functional.unfold(as_tensor(x), **sizes)

    assert verdict("im2col", answer).verdict == "forbidden"


def test_scipy_in_three_dimensions_is_forbidden():
    def answer(x, weight, bias=None, **sizes):
        return np.array([[signal.correlate(image, k, "valid")[0] for k in weight] for image in x])

    assert verdict("conv2d", answer).verdict == "forbidden"


def weight_gradient_only(grad_out, x, weight, stride=1, padding=0):
    grad_weight = ch03._weight_gradient(grad_out, x, weight, stride, padding)
    return np.zeros(x.shape), grad_weight, np.zeros(len(weight))


def input_gradient_only(grad_out, x, weight, stride=1, padding=0):
    grad_x = ch03._input_gradient(grad_out, x, weight, stride, padding)
    return grad_x, np.zeros(weight.shape), np.zeros(len(weight))


def bias_gradient_only(grad_out, x, weight, stride=1, padding=0):
    return np.zeros(x.shape), np.zeros(weight.shape), grad_out.sum(axis=(0, 2, 3))


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (weight_gradient_only, "weight"),
        (input_gradient_only, "input"),
        (bias_gradient_only, "bias"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_one_of_the_three_gradients_earns_its_points(answer, part, seed):
    said = verdict("conv2d_backward", answer, seed)
    assert [a.name for a in said.aspects if a.passed] == [f"gradient of the {part}"]


def test_gradients_by_autograd_are_not_ones_own():
    def answer(grad_out, x, weight, stride=1, padding=0):
        leaves = [as_tensor(a).requires_grad_() for a in (x, weight, np.zeros(len(weight)))]
        out = torch.nn.functional.conv2d(*leaves, **sizes_for_torch(stride=stride, padding=padding))
        return torch.autograd.grad(out, leaves, as_tensor(grad_out))

    assert verdict("conv2d_backward", answer).verdict == "forbidden"


def test_a_cost_of_numpy_integers_counts():
    def answer(*given, **sizes):
        found = ch03._cost_as()(*given, **sizes)
        return {
            "params": np.int64(found["params"]),
            "macs": np.int64(found["macs"]),
            "flops": np.int64(found["flops"]),
            "output_shape": np.array(found["output_shape"]).tolist(),
            "kernel": "more than was asked",
        }

    assert verdict("conv_cost", answer).verdict == "pass"


def test_a_cost_without_a_key_says_which():
    def answer(*given, **sizes):
        found = ch03._cost_as()(*given, **sizes)
        return {"params": found["params"], "MACs": found["macs"], "flops": found["flops"]}

    said = verdict("conv_cost", answer)
    assert said.score == 0
    assert "'macs'" in as_text(said)


def tracing_network(input_shape, layers):
    """As a learner may write it: by name, with lists for shapes."""
    shape, out = list(input_shape), []
    for i, layer in enumerate(layers):
        kind = layer[0]
        if kind in ("conv", "pool"):
            if len(shape) != 4:
                raise ValueError(f"layer {i} ({kind}) wants (N, C, H, W)")
            if kind == "conv":
                _, c_in, c, k, s, p = layer
                if c_in != shape[1]:
                    raise ValueError(f"layer {i} (conv) wants {c_in} channels, gets {shape[1]}")
            else:
                _, k, s = layer
                c, p = shape[1], 0
            h, w = ((n + 2 * p - k) // s + 1 for n in shape[2:])
            if h < 1 or w < 1:
                raise ValueError(f"layer {i} ({kind}): no window fits")
            shape = [shape[0], c, h, w]
        elif kind == "flatten":
            shape = [shape[0], shape[1] * shape[2] * shape[3]]
        elif kind == "linear":
            if len(shape) != 2 or shape[1] != layer[1]:
                raise ValueError(f"layer {i} (linear) wants {layer[1]} features, gets {shape}")
            shape = [shape[0], layer[2]]
        out.append(shape)
    return out


def test_shapes_as_lists_and_layers_by_name_pass():
    for seed in range(10):
        assert verdict("trace_shapes", tracing_network, seed).verdict == "pass"


def test_a_trace_that_never_complains_earns_the_shapes():
    def answer(input_shape, layers):
        return ch03._trace_as(checks=())(input_shape, layers)

    said = verdict("trace_shapes", answer)
    assert [a.name for a in said.aspects if a.passed] == ["conv and pool", "the head"]
    assert said.misconception == "refuses_nothing"


# ── orange_detector: the conditions say what they mean ──────────────────────────────────────────


def colours(low, high):
    return [
        np.array(c)
        for c in itertools.product(*(np.linspace(a, b, 4) for a, b in zip(low, high, strict=True)))
    ]


def meets_the_statement(weights: np.ndarray, bias: float) -> bool:
    """The statement, tried on many colours of the box and many greys."""

    def response(colour):
        return float(colour @ weights + bias)

    if min(map(response, colours((0.9, 0.45, 0.0), (1.0, 0.65, 0.1)))) <= 1e-9:
        return False
    refused = [np.full(3, v) for v in np.linspace(0, 1, 11)]
    refused += [np.array(c) for c in ((0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 1))]
    return max(map(response, refused)) < -1e-9


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(-8, 8), min_size=4, max_size=4))
def test_orange_detector_passes_exactly_what_the_statement_says(numbers):
    *weights, bias = numbers
    layer = ch03._as_layer(*weights, bias)
    full_marks = verdict("orange_detector", lambda: layer).verdict == "pass"
    assert full_marks == meets_the_statement(np.array(weights, float), bias)


def test_no_detector_refuses_both_red_and_yellow():
    """Orange lies between them: a linear response there is a mean of the two."""
    red, yellow = np.array([1, 0, 0]), np.array([1, 1, 0])
    orange = (red + yellow) / 2
    assert ch03.ORANGES[0][1] < orange[1] < ch03.ORANGES[-1][1]
    rng = np.random.default_rng(3)
    for weights, bias in zip(rng.normal(size=(200, 3)), rng.normal(size=200), strict=True):
        at = [colour @ weights + bias for colour in (red, yellow, orange)]
        assert at[2] <= max(at[:2]) + 1e-12


@pytest.mark.parametrize(
    "answer",
    [None, 3, "orange", ([1, 2], [3]), (np.ones((1, 3, 1, 1)), np.array([np.nan])), ([], [], [])],
    ids=["none", "number", "text", "lists", "nan", "three"],
)
def test_orange_detector_survives_any_answer(answer):
    said = verdict("orange_detector", lambda: answer)
    assert said.score == 0
    assert said.failure is not None


def test_a_faint_and_a_loud_detector_count_alike():
    weight, bias = ch03.ORANGE_DETECTOR.example()
    for scale in (1e-6, 1, 1e6):
        answer = (weight * scale, bias * scale)
        assert verdict("orange_detector", lambda answer=answer: answer).verdict == "pass"


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text: str) -> list[int]:
    return [int(n) for n in re.findall(r"\d+", text)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch03.QUIZ.asked(seed)

    kernel, _, c_in, c_out = numbers(asked["params"].text)
    layer = torch.nn.Conv2d(c_in, c_out, kernel)
    assert asked["params"].answer == sum(p.numel() for p in layer.parameters())

    c_in, size, _, kernel, _, stride, padding, c_out = numbers(asked["macs"].text)
    layer = torch.nn.Conv2d(c_in, c_out, kernel, stride, padding, bias=False)
    outputs = layer(torch.zeros(1, c_in, size, size)).numel()
    assert asked["macs"].answer == outputs * layer.weight[0].numel()

    wide, narrow = (numbers(asked["bottleneck"].text)[i] for i in (2, 6))
    layers = [(wide, narrow, 1), (narrow, narrow, 3), (narrow, wide, 1)]
    sizes = [torch.nn.Conv2d(*layer, bias=False).weight.numel() for layer in layers]
    assert asked["bottleneck"].answer == sum(sizes)

    _, channels, height, width, kernel, *_ = [1, *numbers(asked["columns"].text)]
    columns = torch.nn.functional.unfold(torch.zeros(1, channels, height, width), kernel)
    assert asked["columns"].answer == columns.numel()

    images, _, height, width = numbers(asked["bias"].text)
    assert asked["bias"].answer == np.ones((images, height, width)).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_network_is_as_torch_builds_it(seed):
    asked = ch03.QUIZ.asked(seed)["trace"]
    _, size, _, _, _, first, _, _, _, _, _, second, *_ = numbers(asked.text)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(3, first, 3),
        torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(first, second, 3),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
    )
    assert net(torch.zeros(1, 3, size, size)).shape == (1, asked.answer)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_weight_is_torchs(seed):
    asked = ch03.QUIZ.asked(seed)["weight"]
    c_out, c_in, kernel, _ = numbers(asked.text)
    chosen = asked.choices["abcd".index(asked.answer)]
    assert tuple(numbers(chosen)) == tuple(torch.nn.Conv2d(c_in, c_out, kernel).weight.shape)
