"""The exercises of chapter 10: their proof, their cases, and answers that learners really write."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from autograder.exercises import ch10
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove
from course_lib.nets import convnext, windows

BY_NAME = {exercise.name: exercise for exercise in ch10.EXERCISES}
NAMES = list(BY_NAME)


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name])
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "patchify",
        "patch_embedding_as_conv",
        "self_attention",
        "attention_macs",
        "window_partition",
        "window_reverse",
        "shifted_window_mask",
        "ConvNeXtBlock",
        "quiz_10",
    }
    assert all(exercise.chapter == "10" for exercise in ch10.EXERCISES)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "quiz_10"])
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


# ── the references are those of torch and of the course's networks ──────────────────────────────


def as_tensor(values):
    return torch.tensor(np.asarray(values, dtype=float))


@pytest.mark.parametrize("seed", range(3))
def test_patches_and_kernels_together_are_a_strided_convolution(seed):
    rng = np.random.default_rng(seed)
    patch, channels = 3, 2
    x, weight = rng.normal(size=(2, channels, 6, 9)), rng.normal(size=(patch**2 * channels, 5))
    tokens = BY_NAME["patchify"].reference(x, patch) @ weight  # (N, T, 5)
    kernels = BY_NAME["patch_embedding_as_conv"].reference(weight, patch, channels)
    maps = functional.conv2d(as_tensor(x), as_tensor(kernels), stride=patch)
    np.testing.assert_allclose(tokens, maps.flatten(2).mT, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_patches_expected_are_those_of_unfold(seed):
    for case in BY_NAME["patchify"].draw(seed):
        x, patch = case.args
        expected = functional.unfold(as_tensor(x), int(patch), stride=int(patch)).mT
        np.testing.assert_array_equal(BY_NAME["patchify"].reference(x, patch), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_attention_expected_is_torchs(seed):
    for case in BY_NAME["self_attention"].draw(seed):
        x, w_qkv, w_out, heads = case.args
        n, t, dim = x.shape
        q, k, v = (as_tensor(x) @ as_tensor(w_qkv)).split(dim, dim=-1)
        q, k, v = (part.reshape(n, t, int(heads), -1).transpose(1, 2) for part in (q, k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        expected = mixed.reshape(n, t, dim) @ as_tensor(w_out)
        got = BY_NAME["self_attention"].reference(*case.args)
        np.testing.assert_allclose(got, expected, atol=1e-9)


def test_the_attention_expected_is_that_of_torchs_module():
    rng = np.random.default_rng(0)
    x, w_qkv, w_out = rng.normal(size=(2, 5, 6)), rng.normal(size=(6, 18)), rng.normal(size=(6, 6))
    layer = nn.MultiheadAttention(6, 3, bias=False, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.in_proj_weight.copy_(as_tensor(w_qkv).T)
        layer.out_proj.weight.copy_(as_tensor(w_out).T)
        expected, _ = layer(as_tensor(x), as_tensor(x), as_tensor(x))
    np.testing.assert_allclose(BY_NAME["self_attention"].reference(x, w_qkv, w_out, 3), expected)


@pytest.mark.parametrize("seed", range(3))
def test_the_windows_expected_are_those_of_the_courses_swin(seed):
    for case in BY_NAME["window_partition"].draw(seed):
        x, window = case.args
        got = BY_NAME["window_partition"].reference(x, window)
        np.testing.assert_array_equal(got, windows.window_partition(as_tensor(x), int(window)))
        back = BY_NAME["window_reverse"].reference(got, window, *x.shape[2:])
        np.testing.assert_array_equal(back, x)
    for case in BY_NAME["shifted_window_mask"].draw(seed):
        expected = windows.shifted_window_mask(*map(int, case.args))
        got = BY_NAME["shifted_window_mask"].reference(*case.args)
        np.testing.assert_array_equal(got, expected)


def test_the_block_expected_is_that_of_the_courses_convnext():
    free = replace(BY_NAME["ConvNeXtBlock"], forbidden=())

    def build(channels):
        return convnext.Block(channels)

    for seed in range(3):
        assert evaluate(free, build, seed).verdict == "pass"
    assert verdict("ConvNeXtBlock", build).verdict == "forbidden"


def test_the_cost_expected_is_that_of_two_products():
    from torch.utils.flop_counter import FlopCounterMode

    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        q = torch.zeros(1, 4, 50, 16)
        (q @ q.mT) @ q
    assert BY_NAME["attention_macs"].reference(50, 64) == counter.get_total_flops() // 2


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def test_the_libraries_functions_are_forbidden():
    from course_lib import ops

    def by_unfold(x, patch):
        return functional.unfold(as_tensor(x), int(patch), stride=int(patch)).mT

    def by_an_unfold_layer(x, patch):
        return nn.Unfold(int(patch), stride=int(patch))(as_tensor(x)).mT

    def by_im2col(x, patch):
        return ops.im2col(x, patch, patch).swapaxes(1, 2)

    def by_sdpa(x, w_qkv, w_out, n_heads):
        n, t, dim = x.shape
        q, k, v = (as_tensor(x) @ as_tensor(w_qkv)).split(dim, dim=-1)
        q, k, v = (part.reshape(n, t, int(n_heads), -1).transpose(1, 2) for part in (q, k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return mixed.reshape(n, t, dim) @ as_tensor(w_out)

    def by_the_operator(x, w_qkv, w_out, n_heads):
        n, t, dim = x.shape
        q, k, v = (as_tensor(x) @ as_tensor(w_qkv)).split(dim, dim=-1)
        q, k, v = (part.reshape(n, t, int(n_heads), -1).transpose(1, 2) for part in (q, k, v))
        mixed = torch.ops.aten.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return mixed.reshape(n, t, dim) @ as_tensor(w_out)

    def by_the_layer(x, w_qkv, w_out, n_heads):
        dim = x.shape[-1]
        layer = nn.MultiheadAttention(dim, int(n_heads), bias=False, batch_first=True)
        layer = layer.double().requires_grad_(False)
        layer.in_proj_weight.copy_(as_tensor(w_qkv).T)
        layer.out_proj.weight.copy_(as_tensor(w_out).T)
        return layer(*[as_tensor(x)] * 3)[0]

    def by_ops(x, w_qkv, w_out, n_heads):
        n, t, dim = x.shape
        parts = np.split(x @ w_qkv, 3, axis=-1)
        q, k, v = (p.reshape(n, t, int(n_heads), -1).swapaxes(1, 2) for p in parts)
        mixed = ops.scaled_dot_product_attention(q, k, v).swapaxes(1, 2)
        return mixed.reshape(n, t, dim) @ w_out

    def by_the_swin(height, width, window, shift):
        return windows.shifted_window_mask(height, width, window, int(shift))

    assert verdict("patchify", by_unfold).verdict == "forbidden"
    assert verdict("patchify", by_an_unfold_layer).verdict == "forbidden"
    assert verdict("patchify", by_im2col).verdict == "forbidden"
    assert verdict("self_attention", by_sdpa).verdict == "forbidden"
    assert verdict("self_attention", by_the_operator).verdict == "forbidden"
    assert verdict("self_attention", by_the_layer).verdict == "forbidden"
    assert verdict("self_attention", by_ops).verdict == "forbidden"
    assert verdict("shifted_window_mask", by_the_swin).verdict == "forbidden"


def test_one_head_alone_earns_three_points():
    answer = ch10._attention_as(heads=lambda n: 1)
    assert passed("self_attention", answer) == ["one head", "projection"]
    assert verdict("self_attention", answer).score == pytest.approx(3 / 7)


def test_a_softmax_that_overflows_costs_one_point():
    answer = ch10._attention_as(softmax=ch10._softmax_unguarded)
    said = verdict("self_attention", answer)
    assert [aspect.name for aspect in said.aspects if not aspect.passed] == ["large scores"]


def test_grey_squares_earn_their_point():
    assert passed("patchify", lambda x, patch: ch10._patchify_of_squares(x[:1, :1], patch)) == [
        "one channel"
    ]


def test_a_mask_of_zeros_earns_nothing_for_no_shift():
    assert (
        passed("shifted_window_mask", lambda h, w, m, s: np.zeros((h * w // m**2, m**2, m**2)))
        == []
    )


def test_a_block_without_the_small_start_loses_one_point():
    said = verdict("ConvNeXtBlock", ch10._convnext_as(scale=1.0))
    assert [aspect.name for aspect in said.aspects if not aspect.passed] == ["start"]


def test_a_float_is_no_count_and_a_numpy_integer_is_one():
    assert verdict("attention_macs", lambda n, dim: 2.0 * n * n * dim).score == 0
    assert verdict("attention_macs", lambda n, dim: np.int64(2) * n * n * dim).verdict == "pass"


def test_torchs_functions_get_numbers_that_they_know():
    def by_unfold(x, window):
        tiles = functional.unfold(torch.from_numpy(x), int(window), stride=int(window)).mT
        return tiles.reshape(-1, x.shape[1], int(window), int(window))

    def by_a_layer(weight, patch, channels):
        size = int(patch)
        layer = nn.Conv2d(int(channels), weight.shape[1], size, stride=size, bias=False)
        layer.weight.data = torch.from_numpy(weight.T.reshape(layer.weight.shape).copy())
        return layer.weight

    assert verdict("window_partition", by_unfold).verdict == "pass"
    assert verdict("patch_embedding_as_conv", by_a_layer).verdict == "pass"


class BlockWithDropout(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.block = ch10._convnext_as()(channels)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return x + self.drop(self.block(x) - x)


class BlockThatDetaches(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.block = ch10._convnext_as()(channels)

    def forward(self, x):
        return x + (self.block(x.detach()) - x.detach())


@pytest.mark.parametrize("block", [BlockWithDropout, BlockThatDetaches])
def test_a_block_that_trains_in_another_way_loses_the_block(block):
    said = verdict("ConvNeXtBlock", block)
    assert "the block" not in [aspect.name for aspect in said.aspects if aspect.passed]


def test_a_scale_that_starts_at_zero_is_not_told_that_it_starts_at_one():
    said = verdict("ConvNeXtBlock", ch10._convnext_as(scale=0.0))
    assert said.misconception == "scale_starts_elsewhere"


WRONG = {
    "self_attention": {
        "sigmoid": ch10._attention_as(softmax=lambda s: 1 / (1 + np.exp(-s.clip(-50, 50)))),
        "hardest": ch10._attention_as(softmax=lambda s: (s == s.max(-1, keepdims=True)) * 1.0),
        "values as queries": ch10._attention_as(use=lambda q, k, v: (v, k, v)),
        "nothing": lambda *_: None,
    },
    "ConvNeXtBlock": {
        "SiLU": ch10._convnext_as(inside=functional.silu),
        "subtracts": ch10._convnext_as(add=lambda x, branch, scale: x - scale * branch),
        "three times": ch10._convnext_as(expand=3),
    },
}


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, answers in WRONG.items() for what in answers]
)
def test_mistakes_that_nobody_listed_fail_and_get_no_name(name, what):
    for seed in range(3):
        said = verdict(name, WRONG[name][what], seed)
        assert said.score < 1
        assert said.misconception is None


@pytest.mark.parametrize("answer", [None, 3, "block", np.ones(3), nn.ReLU], ids=str)
def test_a_block_may_be_anything_at_all(answer):
    assert verdict("ConvNeXtBlock", lambda *_, **__: answer).score == 0


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text.replace(",", ""))]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch10.QUIZ.asked(seed)

    size, _, patch, *_ = numbers(asked["tokens"].text)
    maps = functional.conv2d(
        torch.zeros(1, 1, size, size), torch.zeros(1, 1, patch, patch), stride=patch
    )
    assert asked["tokens"].answer == maps.numel() + 1

    patch, _, dim = numbers(asked["embedding"].text)
    layer = nn.Conv2d(3, dim, patch, stride=patch)
    assert asked["embedding"].answer == sum(p.numel() for p in layer.parameters())

    n, dim, heads = numbers(asked["attention"].text)
    per_head = n * n * (dim // heads) + n * (dim // heads) * n
    assert asked["attention"].answer == heads * per_head

    (times,) = numbers(asked["growth"].text)
    assert asked["growth"].answer == (10 * times) ** 4 // 10**4

    side, _, dim, window, _ = numbers(asked["windows"].text)
    parts = ch10._partition_as()(np.zeros((1, 1, side, side), bool), window)
    assert asked["windows"].answer == len(parts) * ch10._macs_counted(window**2, dim)

    height, width, shift, window, _ = numbers(asked["masked"].text)
    mask = windows.shifted_window_mask(height, width, window, shift)
    assert asked["masked"].answer == sum(not bool(m.any()) for m in mask)

    (channels,) = numbers(asked["block"].text)
    block = convnext.Block(channels)
    assert asked["block"].answer == sum(p.numel() for p in block.parameters())


def test_the_numbers_of_the_statements():
    patches = BY_NAME["patchify"].reference(ch10.PIXELS, 2)
    assert patches[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    kernels = BY_NAME["patch_embedding_as_conv"].reference(np.arange(8).reshape(4, 2), 2, 1)
    assert kernels[:, 0].tolist() == [[[0, 2], [4, 6]], [[1, 3], [5, 7]]]
    (case,) = BY_NAME["self_attention"].worked
    np.testing.assert_allclose(BY_NAME["self_attention"].reference(*case.args)[0], [[6], [4]])
    assert BY_NAME["attention_macs"].reference(4, 3) == 96
    assert BY_NAME["attention_macs"].reference(196, 768) == 59_006_976
    mask = BY_NAME["shifted_window_mask"].reference(4, 4, 2, 1)
    assert mask[0].tolist() == np.zeros((4, 4)).tolist()
    assert mask[1, 0].tolist() == [0, -100, 0, -100]
    assert mask[3, 0].tolist() == [0, -100, -100, -100]
    block = BY_NAME["ConvNeXtBlock"].reference(96)
    assert sum(p.numel() for p in block.parameters()) == 79_296


# ── the chapter ─────────────────────────────────────────────────────────────────────────────────
