"""The exercises of chapter 09: their proof, their cases, and answers that learners really write."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.exercises import ch09
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove
from course_lib import data

BY_NAME = {exercise.name: exercise for exercise in ch09.EXERCISES}
NAMES = list(BY_NAME)
FUNCTIONS = [
    "causal_dilated_conv1d",
    "transposed_conv2d",
    "transposed_output_size",
    "overlap_counts",
    "upsample_nearest",
    "iou",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name])
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {*FUNCTIONS, "UNet", "segmenter", "quiz_09"}
    assert all(exercise.chapter == "09" for exercise in ch09.EXERCISES)


@pytest.mark.parametrize("name", [*FUNCTIONS, "UNet"])
@pytest.mark.parametrize("seed", [0, 7])
def test_cases_are_legal_and_not_too_many(name, seed):
    exercise = BY_NAME[name]
    for case in exercise.draw(seed):
        exercise.reference(*realise(case.args), **realise(dict(case.kwargs)))
    assert 5 <= len(list(exercise.cases(exercise.rng(seed)))) <= 40


def verdict(name, answer, seed=5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name, answer):
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


# ── the references are torch's ──────────────────────────────────────────────────────────────────


def tensor(values):
    return torch.tensor(np.asarray(values, dtype=float))


def two(value):
    return tuple(map(int, np.broadcast_to(value, 2)))


def in_torch(x, weight, stride=1, padding=0, output_padding=0):
    return functional.conv_transpose2d(
        tensor(x),
        tensor(weight),
        stride=two(stride),
        padding=two(padding),
        output_padding=two(output_padding),
    ).numpy()


def padded_conv1d(x, weight, dilation):
    wide = functional.pad(tensor(x), ((weight.shape[2] - 1) * dilation, 0))
    return functional.conv1d(wide, tensor(weight), dilation=dilation).numpy()


def interpolated(x, scale):
    return functional.interpolate(tensor(x), scale_factor=tuple(map(float, two(scale)))).numpy()


def size_of_torch(n, kernel, stride=1, padding=0, dilation=1, output_padding=0):
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding, dilation=dilation)
    out = layer(torch.zeros(1, 1, n))
    return out.shape[2] + output_padding


def counts_of_torch(n, kernel, stride):
    return functional.conv_transpose1d(
        torch.ones(1, 1, n), torch.ones(1, 1, kernel), stride=stride
    )[0, 0].numpy()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("transposed_conv2d", in_torch),
        ("causal_dilated_conv1d", padded_conv1d),
        ("upsample_nearest", interpolated),
        ("transposed_output_size", size_of_torch),
        ("overlap_counts", counts_of_torch),
    ],
)
def test_what_is_expected_is_torchs(name, oracle, seed):
    for case in BY_NAME[name].draw(seed):
        got = BY_NAME[name].reference(*case.args, **case.kwargs)
        np.testing.assert_allclose(got, oracle(*case.args, **case.kwargs), atol=1e-12)


def test_the_courses_unet_passes_where_it_is_not_forbidden():
    from course_lib.nets import unet

    free = replace(BY_NAME["UNet"], forbidden=())
    assert evaluate(free, lambda *a, **k: unet.UNet(*a, **k), 3).verdict == "pass"
    assert verdict("UNet", lambda *a, **k: unet.UNet(*a, **k)).verdict == "forbidden"
    assert verdict("UNet", unet.UNet).verdict == "forbidden"


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def test_the_libraries_answers_are_forbidden():
    from course_lib import geometry, masks, ops

    def in_ops(x, weight, stride=1, padding=0, output_padding=0):
        return ops.conv_transpose2d(x, weight, None, stride, padding, output_padding)

    def in_geometry(n, kernel, stride=1, padding=0, dilation=1, output_padding=0):
        return geometry.transposed_output_size(n, kernel, stride, padding, output_padding, dilation)

    for name, answer in {
        "transposed_conv2d": in_ops,
        "transposed_output_size": in_geometry,
        "causal_dilated_conv1d": padded_conv1d,
        "upsample_nearest": interpolated,
        "iou": lambda pred, target: masks.iou(pred, target),
    }.items():
        assert verdict(name, answer).verdict == "forbidden", name
    assert verdict("transposed_conv2d", in_torch).verdict == "forbidden"


def test_so_are_ways_round_the_names():
    from scipy import signal
    from scipy.spatial import distance

    from course_lib.nets import unet

    def correlated(x, weight, dilation):
        taps = weight.shape[2]
        spread = np.kron(weight, np.eye(1, dilation)[0])[:, :, : (taps - 1) * dilation + 1]
        wide = np.pad(x, ((0, 0), (0, 0), (spread.shape[2] - 1, 0)))
        return np.array([[signal.correlate(one, k, "valid")[0] for k in spread] for one in wide])

    class Inherited(unet.UNet):
        pass

    for name, answer in {
        "transposed_output_size": size_of_torch,
        "causal_dilated_conv1d": correlated,
        "iou": lambda pred, target: 1 - distance.jaccard(np.ravel(pred) > 0, np.ravel(target) > 0),
        "UNet": Inherited,
    }.items():
        free = replace(BY_NAME[name], forbidden=())
        assert evaluate(free, answer, 3).verdict == "pass", name
        assert verdict(name, answer).verdict == "forbidden", name


def test_a_slice_that_ends_at_minus_zero_is_named():
    def answer(x, weight, stride=1, padding=0, output_padding=0):
        full = in_torch(x, weight, stride)
        (p_h, p_w), (e_h, e_w) = two(padding), two(output_padding)
        full = np.pad(full, ((0, 0), (0, 0), (0, e_h), (0, e_w)))
        return full[:, :, p_h:-p_h, p_w:-p_w]

    free = replace(BY_NAME["transposed_conv2d"], forbidden=())
    for seed in range(5):
        found = evaluate(free, answer, seed)
        assert (found.score, found.misconception) == (0, "sliced_to_minus_zero")


def test_a_small_number_in_the_division_is_named():
    def answer(pred, target):
        both, either = np.logical_and(pred, target).sum(), np.logical_or(pred, target).sum()
        return (both + 1e-6) / (either + 1e-6)

    assert verdict("iou", answer).misconception == "small_number_added"


def test_stamps_without_padding_earn_the_rest():
    def answer(x, weight, stride=1, padding=0, output_padding=0):
        return ch09._stamped(np.asarray(x), np.asarray(weight), two(stride))

    assert passed("transposed_conv2d", answer) == [
        "one stamp beside the other",
        "stride",
        "channels and batch",
    ]


def test_a_unet_in_another_order_of_layers_passes():
    assert verdict("UNet", ch09._recursive_unet, 11).verdict == "pass"


def test_a_unet_of_one_depth_earns_no_values():
    earned = passed("UNet", lambda c, n, width=16, depth=3: ch09._unet_as()(c, n, width, 2))
    assert earned == []


@pytest.mark.parametrize("name", [*FUNCTIONS, "UNet"])
@pytest.mark.parametrize("answer", [None, 3, "block", np.ones(3), nn.ReLU], ids=str)
def test_an_answer_may_be_anything_at_all(name, answer):
    assert verdict(name, lambda *_, **__: answer).score == 0


# ── the segmenter ───────────────────────────────────────────────────────────────────────────────


def test_the_segmenters_score():
    truth = data.scenes("test", 5, seed=1).masks
    logits = np.stack([1 - truth, truth], axis=1).astype(np.float32)
    for right in (truth, truth.astype(bool), truth.astype(np.float32), logits):
        assert ch09._overlap_score(right, truth) == 1
    assert ch09._overlap_score(1 - truth, truth) == 0
    for nonsense in (None, 3, truth[0], truth[:, None], 255 * truth, logits[:, :1], "mask"):
        assert ch09._overlap_score(nonsense, truth) == 0


def test_the_hidden_scenes_are_of_the_other_split():
    (case,) = BY_NAME["segmenter"].draw(3)
    (images, masks), (hidden,) = case.args, case.inputs
    assert (images.shape, masks.shape) == ((500, 1, 32, 32), (500, 32, 32))
    assert hidden.shape[1:] == images.shape[1:]
    assert case.targets.shape == (len(hidden), 32, 32)


def test_shares_and_single_scores_are_neither_masks_nor_logits():
    """They are not many marks: what is wrong is that they are no marks at all."""
    for nonsense in (lambda x: x, lambda x: x[:, 0], lambda x: np.zeros_like(x, dtype=int)):
        found = verdict("segmenter", lambda images=None, masks=None, model=nonsense: model)
        assert (found.score, found.misconception) == (0, "neither_masks_nor_logits")


def test_a_threshold_is_no_segmenter():
    """What differs from the middle of its image: light from one side is enough against that."""

    def thresholds(images=None, masks=None):
        return lambda x: np.abs(x - np.median(x, axis=(2, 3), keepdims=True))[:, 0] > 0.25

    assert verdict("segmenter", thresholds).score < 1


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text.replace(",", ""))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch09.QUIZ.asked(seed)

    kernel, _, dilation = numbers(asked["dilated"].text)
    taps = np.flatnonzero(np.kron(np.ones(kernel), np.eye(1, dilation)))
    assert asked["dilated"].answer == taps[-1] - taps[0] + 1

    taps, *rates = numbers(asked["heard"].text)
    line = torch.zeros(1, 1, 600, requires_grad=True)
    out = line
    for rate in rates:
        wide = functional.pad(out, ((taps - 1) * rate, 0))
        out = functional.conv1d(wide, torch.ones(1, 1, taps), dilation=rate)
    out[0, 0, -1].backward()
    assert asked["heard"].answer == int((line.grad != 0).sum())

    kernel, stride, padding, n = numbers(asked["size"].text)
    layer = nn.ConvTranspose1d(1, 1, kernel, stride, padding)
    assert asked["size"].answer == layer(torch.zeros(1, 1, n)).shape[2]

    (stride,) = numbers(asked["overlap"].text)
    even = [
        len(set(counts_of_torch(60, int(k), stride)[40:-40].tolist())) == 1
        for k in asked["overlap"].choices
    ]
    assert "abcd"[even.index(True)] == asked["overlap"].answer
    assert sum(even) == 1

    width, depth, *_ = numbers(asked["joined"].text)
    net = BY_NAME["UNet"].reference(1, 2, width, depth)
    of_level = re.search(r"1/(\d+)", asked["joined"].text)
    level = int(of_level[1]).bit_length() - 1 if of_level else 0
    first = net.merge[depth - 1 - level][0]
    assert asked["joined"].answer == first.weight.numel()

    pred, target, both = numbers(asked["overlapping"].text)[:3]
    first, second = set(range(pred)), set(range(pred - both, pred - both + target))
    assert asked["overlapping"].answer == pytest.approx(len(first & second) / len(first | second))

    side, _, boxes, classes = numbers(asked["grid"].text)
    head = nn.Conv2d(1, boxes * 5 + classes, 1)
    assert asked["grid"].answer == head(torch.zeros(1, 1, side, side)).numel()


def test_the_numbers_of_the_statements():
    signal = np.array([[[1, 2, 3, 4, 5]]])
    taps = np.array([[[10, 1]]])
    heard = BY_NAME["causal_dilated_conv1d"].reference(signal, taps, 2)
    assert heard.ravel().tolist() == [1, 2, 13, 24, 35]
    stamped = BY_NAME["transposed_conv2d"].reference
    assert stamped(ch09.PIXELS, ch09.STAMP)[0, 0].tolist() == [[1, 12, 20], [3, 34, 40]]
    assert stamped(ch09.PIXELS, ch09.STAMP, 2)[0, 0].tolist() == [[1, 2, 10, 20], [3, 4, 30, 40]]
    assert BY_NAME["transposed_output_size"].reference(7, 4, stride=2, padding=1) == 14
    assert BY_NAME["overlap_counts"].reference(3, 3, 2).tolist() == [1, 1, 2, 1, 2, 1, 1]
    net = BY_NAME["UNet"].reference(1, 2, width=4, depth=2)
    assert sum(weight.numel() for weight in net.parameters()) == 7_482
    assert BY_NAME["iou"].reference(np.array([1, 1, 0]), np.array([0, 1, 1])) == 1 / 3
