"""The exercises of chapter 07: their proof, their cases, and answers that learners really write."""

import re

import pytest
import torch
from torch import nn

from autograder.card import as_text
from autograder.exercise import ModuleExercise
from autograder.exercises import ch07
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove
from course_lib import nets
from course_lib.gradient_examples import KINDS, example_loss, example_model

BY_NAME = {exercise.name: exercise for exercise in ch07.EXERCISES}
NAMES = list(BY_NAME)
MODULES = [name for name, exercise in BY_NAME.items() if isinstance(exercise, ModuleExercise)]


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name])
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "vgg_block",
        "InceptionModule",
        "BasicBlock",
        "Bottleneck",
        "DenseLayer",
        "gradient_norms",
        "parameter_table",
        "quiz_07",
    }
    assert all(exercise.chapter == "07" for exercise in ch07.EXERCISES)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "quiz_07"])
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


# ── the references are the landmark networks' own blocks ────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "args", "count"),
    [
        # torchvision's counts of the same blocks
        ("BasicBlock", (64, 64), 73_984),
        ("BasicBlock", (64, 128, 2), 230_144),
        ("Bottleneck", (256, 64, 256), 70_400),
        ("Bottleneck", (256, 128, 512, 2), 379_392),
        ("DenseLayer", (64, 32), 45_440),
        ("InceptionModule", (192, 64, 96, 128, 16, 32, 32), 163_696),
        ("vgg_block", (2, 64, 128), 221_440),
    ],
)
def test_the_references_have_the_published_sizes(name, args, count):
    block = BY_NAME[name].reference(*args)
    assert sum(p.numel() for p in block.parameters()) == count


def test_the_blocks_are_those_of_whole_networks():
    resnet = nets.create("resnet152")
    kinds = {type(m).__name__ for m in resnet.layer1}
    assert kinds == {"Bottleneck"}
    assert [len(layer) for layer in (resnet.layer1, resnet.layer2, resnet.layer3)] == [3, 8, 36]
    dense = nets.create("densenet121")
    layer = next(m for m in dense.modules() if type(m).__name__ == "DenseLayer")
    ours = BY_NAME["DenseLayer"].reference(64, 32)
    assert sorted(p.shape for p in layer.parameters()) == sorted(p.shape for p in ours.parameters())


# ── answers as learners write them ──────────────────────────────────────────────────────────────


class PlainBlock(nn.Module):
    """As far as one gets before the shortcut."""

    def __init__(self, c_in, c_out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(c_out)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(c_out)

    def forward(self, x):
        return torch.relu(self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


class NoProjection(PlainBlock):
    def forward(self, x):
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + x)


def test_half_a_residual_block_earns_half():
    assert passed("BasicBlock", PlainBlock) == ["shape"]
    assert passed("BasicBlock", NoProjection) == ["identity shortcut", "in training"]


def test_a_forgotten_projection_is_named_with_the_layer_and_its_shape():
    said = verdict("BasicBlock", NoProjection)
    assert said.misconception == "projection_forgotten"
    text = as_text(said)
    assert "must match the size of tensor" in text
    assert re.search(r"after the layer `bn2`, a BatchNorm2d that returned the shape \(2, \d", text)


def test_a_shortcut_that_hands_no_gradient_back_or_works_in_place_costs_a_point():
    class Detached(PlainBlock):
        def forward(self, x):
            out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(out + x.detach())

    class InPlace(PlainBlock):
        def forward(self, x):
            x += self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(x)

    for block in (Detached, InPlace):
        assert passed("BasicBlock", block) == ["identity shortcut"]


def test_a_layer_that_gets_the_wrong_shape_is_named():
    class Wrong(PlainBlock):
        def __init__(self, c_in, c_out, stride=1):
            super().__init__(c_in, c_out, stride)
            self.conv2 = nn.Conv2d(c_out + 1, c_out, 3, 1, 1, bias=False)

    text = as_text(verdict("BasicBlock", Wrong))
    assert re.search(r"in the layer `conv2`, a Conv2d that got the shape \(2, \d", text)


def test_the_papers_stride_is_named_and_earns_the_rest():
    said = verdict("Bottleneck", ch07.partial(ch07._bottleneck, strides=0))
    assert said.misconception == "stride_in_the_first"
    assert said.score == 0.8


def test_one_wrong_branch_costs_one_branch():
    wrong = ch07.partial(ch07._inception, pool="average")
    assert passed("InceptionModule", wrong) == [
        "shape",
        "parameters",
        "1×1 branch",
        "3×3 branch",
        "5×5 branch",
    ]


def test_torchvisions_3x3_in_the_5x5_branch_is_told():
    said = verdict("InceptionModule", ch07.partial(ch07._inception, large=3))
    assert said.misconception == "three_for_five"
    assert "torchvision" in said.advice


@pytest.mark.parametrize("name", MODULES)
def test_an_instance_in_place_of_a_class_is_told(name):
    exercise = BY_NAME[name]
    module = exercise.reference(*exercise.worked[0].args)
    said = verdict(name, module)
    assert said.score == 0


@pytest.mark.parametrize("name", MODULES)
def test_no_module_at_all_is_told(name):
    said = verdict(name, lambda *args, **kwargs: None)
    assert said.score == 0
    assert "None" in said.message


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("BasicBlock", "course_lib.nets.resnet.BasicBlock"),
        ("Bottleneck", "course_lib.nets.resnet.Bottleneck"),
        ("DenseLayer", "course_lib.nets.densenet.DenseLayer"),
        ("vgg_block", "course_lib.nets.vgg.vgg_block"),
        ("gradient_norms", "course_lib.gradients_torch.gradient_norms"),
    ],
)
def test_the_courses_own_are_forbidden(name, path):
    import importlib

    package, _, attribute = path.rpartition(".")
    ours = getattr(importlib.import_module(package), attribute)
    assert path in BY_NAME[name].forbidden
    assert verdict(name, ours).verdict == "forbidden"


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_norms_by_hooks_are_honest(kind):
    """What comes back through hooks on the weights, in place of `grad`."""
    model = example_model(kind, 3)
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    found = dict.fromkeys(range(len(layers)), 0.0)
    handles = [
        layer.weight.register_hook(lambda g, place=place: found.update({place: float(g.norm())}))
        for place, layer in enumerate(layers)
        if layer.weight.requires_grad
    ]
    example_loss(kind, 3).backward()
    for handle in handles:
        handle.remove()
    model = example_model(kind, 3)
    ours = BY_NAME["gradient_norms"].reference(model, example_loss(kind, 3))
    assert ours == pytest.approx(list(found.values()), rel=1e-5)


def test_a_table_of_lists_counts():
    as_lists = lambda model: [list(row) for row in ch07._table(model)]  # noqa: E731
    assert verdict("parameter_table", as_lists).verdict == "pass"


def test_the_table_adds_up():
    model = nets.create("lenet5")
    rows = BY_NAME["parameter_table"].reference(model)
    assert [count for _, count in rows] == [156, 2_416, 48_120, 10_164, 850]
    assert sum(count for _, count in rows) == 61_706


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────

SEEDS = range(40)


def numbers(text: str) -> list[int]:
    return [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", text)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_quiz_is_right(seed):
    asked = ch07.QUIZ.asked(seed)

    stages = numbers(asked["depth"].text)
    layers = 1 + sum(3 for n in stages for _ in range(n)) + 1
    assert asked["depth"].answer == layers

    c_in, c_out, stride = numbers(asked["projection"].text)
    block = ch07.BASIC_BLOCK.reference(c_in, c_out, stride)
    assert asked["projection"].answer == sum(p.numel() for p in block.downsample.parameters())

    args = numbers(asked["inception"].text)
    module = ch07.INCEPTION_MODULE.reference(*args)
    assert module(torch.zeros(1, args[0], 5, 5)).shape[1] == asked["inception"].answer

    c_in, layers, growth = numbers(asked["dense"].text)
    x = torch.zeros(1, c_in, 3, 3)
    for _ in range(layers):
        x = ch07.DENSE_LAYER.reference(x.shape[1], growth)(x)
    assert asked["dense"].answer == x.shape[1]

    args = numbers(asked["bottleneck"].text)[:3]
    block = ch07.BOTTLENECK.reference(*args)
    convs = [m for m in block.modules() if isinstance(m, nn.Conv2d)]
    assert asked["bottleneck"].answer == sum(m.weight.numel() for m in convs)

    text = asked["derivative"].text.replace("−", "-")
    slope = float(re.search(r"= (-\d\.\d)\.", text)[1])
    x = start = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    for _ in range(numbers(text)[0]):
        x = slope * x + x
    x.backward()
    assert float(start.grad) == pytest.approx(asked["derivative"].answer)

    chosen = asked["degradation"].choices["abcd".index(asked["degradation"].answer)]
    assert "optimised" in chosen

    chosen = asked["lineage"].choices["abcd".index(asked["lineage"].answer)]
    assert ch07._IDEAS[chosen] in asked["lineage"].text
