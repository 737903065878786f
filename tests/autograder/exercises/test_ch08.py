"""The exercises of chapter 08: their proof, their cases, and answers that learners really write."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from autograder.exercises import ch08
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove

BY_NAME = {exercise.name: exercise for exercise in ch08.EXERCISES}
NAMES = list(BY_NAME)
MODULES = ["ResNeXtBlock", "InvertedResidual", "SqueezeExcite"]


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name])
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "grouped_conv2d",
        "depthwise_separable",
        "separable_saving",
        "SqueezeExcite",
        "InvertedResidual",
        "ResNeXtBlock",
        "compound_scale",
        "quiz_08",
    }
    assert all(exercise.chapter == "08" for exercise in ch08.EXERCISES)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "quiz_08"])
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


# ── the references are those of torch and of the course ─────────────────────────────────────────


def as_tensor(values):
    return None if values is None else torch.tensor(np.asarray(values, dtype=float))


def pairs_for_torch(**sizes):
    return {name: tuple(map(int, np.broadcast_to(size, 2))) for name, size in sizes.items()}


@pytest.mark.parametrize("seed", range(3))
def test_the_grouped_layer_expected_is_torchs(seed):
    for case in BY_NAME["grouped_conv2d"].draw(seed):
        x, weight, groups, bias = (*case.args, None)[:4]
        expected = functional.conv2d(
            *map(as_tensor, (x, weight, bias)), **pairs_for_torch(**case.kwargs), groups=groups
        )
        got = BY_NAME["grouped_conv2d"].reference(*case.args, **case.kwargs)
        np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_separable_layer_expected_is_torchs(seed):
    for case in BY_NAME["depthwise_separable"].draw(seed):
        x, depthwise, pointwise = map(as_tensor, case.args)
        sizes = pairs_for_torch(**case.kwargs)
        maps = functional.conv2d(x, depthwise, **sizes, groups=x.shape[1])
        expected = functional.conv2d(maps, pointwise)
        got = BY_NAME["depthwise_separable"].reference(*case.args, **case.kwargs)
        np.testing.assert_allclose(got, expected, atol=1e-12)


def free(name):
    return replace(BY_NAME[name], forbidden=())


def test_the_courses_own_blocks_pass_where_they_are_not_forbidden():
    from course_lib.nets import mobilenet_v2, resnet, squeeze_excite

    def grouped_bottleneck(c_in, c_mid, c_out, groups, stride=1):
        return resnet.Bottleneck(c_in, c_mid, c_out, stride, groups=groups)

    blocks = {
        "SqueezeExcite": lambda *a, **k: squeeze_excite.SqueezeExcite(*a, **k),
        "InvertedResidual": lambda *a: mobilenet_v2.InvertedResidual(*a),
        "ResNeXtBlock": grouped_bottleneck,
    }
    for name, block in blocks.items():
        assert evaluate(free(name), block, 3).verdict == "pass"
        assert verdict(name, block).verdict == "forbidden"
    assert verdict("SqueezeExcite", squeeze_excite.SqueezeExcite).verdict == "forbidden"


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def test_the_libraries_layers_are_forbidden():
    from course_lib import cost, ops

    def in_torch(x, weight, groups, bias=None, stride=1, padding=0):
        sizes = pairs_for_torch(stride=stride, padding=padding)
        return torch.conv2d(*map(as_tensor, (x, weight, bias)), **sizes, groups=groups)

    def in_ops(x, weight, groups, bias=None, stride=1, padding=0):
        return ops.conv2d(x, weight, bias, stride, padding, groups=groups)

    def in_two_ops(x, depthwise_weight, pointwise_weight, stride=1, padding=0):
        maps = ops.depthwise_conv2d(x, depthwise_weight, None, stride, padding)
        return ops.pointwise_conv2d(maps, pointwise_weight)

    def by_the_count(c_in, c_out, kernel):
        standard = cost.conv_params(c_in, c_out, kernel, bias=False)
        return standard, standard, 1.0

    assert verdict("grouped_conv2d", in_torch).verdict == "forbidden"
    assert verdict("grouped_conv2d", in_ops).verdict == "forbidden"
    assert verdict("depthwise_separable", in_two_ops).verdict == "forbidden"
    assert verdict("separable_saving", by_the_count).verdict == "forbidden"


def test_a_convolution_without_stride_and_padding_earns_the_rest():
    def answer(x, weight, groups, bias=None, stride=1, padding=0):
        return ch08._grouped(x, weight, groups, bias)

    assert passed("grouped_conv2d", answer) == [
        "groups",
        "more or fewer maps",
        "depthwise",
        "batch and bias",
    ]


def test_a_layer_for_as_many_maps_as_channels_earns_that():
    earned = passed("grouped_conv2d", ch08._group_of_its_channel)
    assert earned == ["groups"]


def test_a_depthwise_layer_written_with_the_learners_own_groups_passes():
    def answer(x, depthwise_weight, pointwise_weight, stride=1, padding=0):
        maps = ch08._grouped_by_loops(x, depthwise_weight, x.shape[1], None, stride, padding)
        return ch08._grouped_by_loops(maps, pointwise_weight, 1)

    assert verdict("depthwise_separable", answer).verdict == "pass"


def test_steps_that_add_earn_the_first_two():
    assert passed("compound_scale", lambda phi: (1 + 0.2 * phi, 1 + 0.1 * phi, 1 + 0.15 * phi)) == [
        "phi = 0 and 1"
    ]


class FromTheWeb(nn.Module):
    """The squeeze-and-excitation of most repositories: linear layers and views."""

    def __init__(self, channel, reduction=16):
        super().__init__()
        hidden = max(channel // reduction, 1)
        self.avg_pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(
            nn.Linear(channel, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, channel),
            nn.Sigmoid(),
        )

    def forward(self, x):
        b, c, _, _ = x.size()
        y = self.fc(self.avg_pool(x).view(b, c)).view(b, c, 1, 1)
        return x * y.expand_as(x)


def test_linear_layers_and_convolutions_of_one_pixel_count_alike():
    # The parameter is called `channel` here: only one case passes an argument by name.
    def build(channels, reduction=16):
        return FromTheWeb(channels, reduction)

    class Mixed(nn.Module):
        def __init__(self, channels, reduction=16):
            super().__init__()
            self.down = nn.Conv2d(channels, channels // reduction or 1, 1)
            self.up = nn.Linear(channels // reduction or 1, channels)

        def forward(self, x):
            s = functional.relu(self.down(functional.adaptive_avg_pool2d(x, 1))).flatten(1)
            return torch.sigmoid(self.up(s))[..., None, None] * x

    for seed in range(5):
        assert verdict("SqueezeExcite", build, seed).verdict == "pass"
        assert verdict("SqueezeExcite", Mixed, seed).verdict == "pass"


def test_a_block_that_returns_its_gates_earns_the_parameters():
    answer = ch08._squeeze_excite_as(use=lambda x, gates: gates)
    assert passed("SqueezeExcite", answer) == ["parameters"]


@pytest.mark.parametrize("seed", range(5))
def test_relu_for_relu6_costs_one_aspect(seed):
    answer = ch08._inverted_as(after_expansion=ch08._relu, after_depthwise=ch08._relu)
    said = verdict("InvertedResidual", answer, seed)
    assert [aspect.name for aspect in said.aspects if not aspect.passed] == ["ReLU6"]
    assert said.misconception == "relu"


@pytest.mark.parametrize(
    ("parts", "lost"),
    [
        ({"skips": lambda *_: False}, ["skip", "expand = 1"]),
        ({"expands": lambda expand: True}, ["expand = 1"]),
        ({"skips": lambda i, o, s: i == o}, ["stride 2"]),
    ],
    ids=["no skip", "expansion by one", "skip at stride 2"],
)
def test_half_an_inverted_residual_earns_half(parts, lost):
    said = verdict("InvertedResidual", ch08._inverted_as(**parts))
    assert [aspect.name for aspect in said.aspects if not aspect.passed] == lost


def test_a_bottleneck_that_never_projects_earns_the_rest():
    answer = ch08._resnext_as(projects=lambda i, o, s: False)
    said = verdict("ResNeXtBlock", answer)
    assert [a.name for a in said.aspects if a.passed] == ["parameters", "groups"]
    assert said.misconception == "never_projects"


def norms_exchanged(build, norm):
    def make(*arguments):
        module = build(*arguments)
        for part in list(module.modules()):
            for name, child in list(part.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(part, name, norm(child.num_features))
        return module

    return make


@pytest.mark.parametrize(
    "norm",
    [
        lambda c: nn.GroupNorm(1, c),
        lambda c: nn.BatchNorm2d(c, track_running_stats=False),
        lambda c: nn.BatchNorm2d(c, affine=False),
        lambda c: nn.InstanceNorm2d(c, affine=True),
    ],
    ids=["layer", "batch always", "nothing learned", "instance"],
)
@pytest.mark.parametrize("name", ["InvertedResidual", "ResNeXtBlock"])
def test_another_norm_is_seen(name, norm):
    said = verdict(name, norms_exchanged(BY_NAME[name].reference, norm))
    assert said.score < 0.5
    assert said.misconception is None


WRONG = {
    "SqueezeExcite": {
        "hard sigmoid": ch08._squeeze_excite_as(gate=functional.hardsigmoid),
        "SiLU": ch08._squeeze_excite_as(inside=functional.silu),
        "tanh": ch08._squeeze_excite_as(gate=torch.tanh),
        "spread": ch08._squeeze_excite_as(squeeze=lambda x: x.std((2, 3), keepdim=True)),
        "rows only": ch08._squeeze_excite_as(squeeze=lambda x: x.mean(3, keepdim=True)),
        "closed for open": ch08._squeeze_excite_as(use=lambda x, gates: x * (1 - gates)),
    },
    "InvertedResidual": {
        "SiLU": ch08._inverted_as(after_expansion=functional.silu, after_depthwise=functional.silu),
        "first ReLU6 only": ch08._inverted_as(after_depthwise=ch08._relu),
        "second ReLU6 only": ch08._inverted_as(after_expansion=ch08._relu),
        "one norm": ch08._inverted_as(norms=("projection",)),
        "loud": ch08._inverted_as(after_sum=lambda x: 1.01 * x),
        "linear at expand = 1": lambda c_in, c_out, stride, expand: ch08._inverted_as(
            after_depthwise=ch08._relu6 if expand > 1 else ch08._same
        )(c_in, c_out, stride, expand),
    },
    "ResNeXtBlock": {
        "subtracts": ch08._resnext_as(third=lambda x: -x),
        "GELU": ch08._resnext_as(first=functional.gelu, second=functional.gelu),
        "half the groups": ch08._resnext_as(grouped=lambda c_mid, groups: max(1, groups // 2)),
        "flipped": ch08._resnext_as(last=lambda x: x.relu().flip(1)),
        "nothing": ch08._resnext_as(last=lambda x: None),
    },
}


@pytest.mark.parametrize(
    ("name", "what"), [(name, what) for name, answers in WRONG.items() for what in answers]
)
def test_mistakes_that_nobody_listed_fail_and_get_no_name(name, what):
    for seed in range(3):
        said = verdict(name, WRONG[name][what], seed)
        assert said.verdict in ("wrong", "partial")
        assert said.misconception is None


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("ResNeXtBlock", ch08._resnext_as(last=lambda x: x.relu().detach())),
        ("InvertedResidual", ch08._inverted_as(after_sum=lambda x: x.detach())),
        ("SqueezeExcite", ch08._squeeze_excite_as(use=lambda x, gates: (x * gates).detach())),
    ],
)
def test_right_values_through_which_nothing_can_be_learned_cost_points(name, block):
    said = verdict(name, block, 1)
    assert said.verdict == "partial"
    assert "no gradient comes back" in said.message


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("answer", [None, 3, "block", np.ones(3), nn.ReLU], ids=str)
def test_a_block_may_be_anything_at_all(name, answer):
    assert verdict(name, lambda *_, **__: answer).score == 0


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text.replace(",", ""))]


def weights(*layers):
    return sum(p.numel() for layer in layers for p in layer.parameters())


def macs(net, *shape):
    counter = FlopCounterMode(display=False)
    with torch.device("meta"), counter:
        net.to("meta")(torch.zeros(1, *shape))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch08.QUIZ.asked(seed)

    _, _, c_in, c_out, groups = numbers(asked["grouped"].text)
    layer = nn.Conv2d(c_in, c_out, 3, groups=groups, bias=False)
    assert asked["grouped"].answer == weights(layer)

    c_in, size, _, _, _, stride, padding, _, _, c_out = numbers(asked["macs"].text)
    net = nn.Sequential(
        nn.Conv2d(c_in, c_in, 3, stride, padding, groups=c_in, bias=False),
        nn.Conv2d(c_in, c_out, 1, bias=False),
    )
    assert asked["macs"].answer == macs(net, c_in, size, size)

    kernel, _, c_out, *_ = numbers(asked["ratio"].text)
    dense = nn.Conv2d(40, c_out, kernel, bias=False)
    apart = (
        nn.Conv2d(40, 40, kernel, groups=40, bias=False),
        nn.Conv2d(40, c_out, 1, bias=False),
    )
    assert asked["ratio"].answer == pytest.approx(weights(*apart) / weights(dense))

    channels, _, expand, *_ = numbers(asked["inverted"].text)
    block = BY_NAME["InvertedResidual"].reference(channels, channels, 1, expand)
    convolutions = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert asked["inverted"].answer == weights(*convolutions)

    channels, reduction = numbers(asked["squeeze"].text)
    block = BY_NAME["SqueezeExcite"].reference(channels, reduction)
    assert asked["squeeze"].answer == weights(block)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_channels_are_those_that_torch_reads(seed):
    asked = ch08.QUIZ.asked(seed)["feeds"]
    groups, c_in, c_out, _, o = numbers(asked.text)
    layer = nn.Conv2d(c_in, c_out, 1, groups=groups, bias=False)
    nn.init.ones_(layer.weight)
    seen = [c for c in range(c_in) if layer(torch.eye(c_in)[c].reshape(1, -1, 1, 1))[0, o] != 0]
    first, last = numbers(asked.choices["abcde".index(asked.answer)])
    assert seen == list(range(first, last + 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quizzes_scaled_cost_is_that_of_scaled_layers(seed):
    asked = ch08.QUIZ.asked(seed)["scaled"]
    depth, width, resolution = map(float, re.findall(r"\d+\.?\d*", asked.text)[:3])

    def cost_of(n_layers, channels, side):
        layer = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        return n_layers * macs(layer, channels, side, side)

    before = cost_of(10, 50, 100)
    after = cost_of(round(10 * depth), round(50 * width), round(100 * resolution))
    assert asked.answer == pytest.approx(after / before)


def test_the_numbers_of_the_statements():
    assert weights(BY_NAME["ResNeXtBlock"].reference(256, 128, 256, 32)) == 71_168
    assert weights(BY_NAME["InvertedResidual"].reference(24, 24, 1, 6)) == 8_832
    assert weights(BY_NAME["SqueezeExcite"].reference(64)) == 580
    one_pixel = np.arange(1, 5).reshape(1, 4, 1, 1)
    answer = BY_NAME["grouped_conv2d"].reference(one_pixel, ch08.GROUP_KERNELS, 2)
    assert answer.ravel().tolist() == [1, 3, 4, -1]
    (case,) = (c for c in BY_NAME["depthwise_separable"].worked)
    answer = BY_NAME["depthwise_separable"].reference(*case.args)
    assert answer[0].squeeze(-1).tolist() == [[13, 17], [1, 1]]
