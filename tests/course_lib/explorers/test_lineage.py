"""Lineage: its numbers are the networks' own, its small numbers those of torch, its state holds."""

import doctest
import json
import math
import re
from itertools import pairwise

import numpy as np
import pytest
import torch
import traitlets
from torch.nn import functional as F  # noqa: N812

from course_lib import nets
from course_lib.explorers import Lineage, lineage, lineage_facts
from course_lib.explorers.lineage_story import STORY
from course_lib.receptive_field_torch import receptive_field_of

NETWORKS = lineage.networks()
PUBLISHED_DEPTH = {
    # as the papers count: layers with weights on the longest way
    "lenet5": 5,
    "alexnet": 8,
    "vgg16": 16,
    "googlenet": 22,
    "resnet50": 50,
    "densenet121": 121,
    "resnext50_32x4d": 50,
    "mobilenet_v1": 28,
    "se_resnet50": 50,
}


def every_block():
    """A state for each different block of each network."""
    for name, network in NETWORKS.items():
        shown = set()
        for stage, facts in enumerate(network["stages"]):
            for block, kind in enumerate(facts["blocks"]):
                if kind not in shown:
                    shown.add(kind)
                    yield {"model": name, "stage": stage, "block": block}


# ── the data file ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", STORY)
def test_the_file_says_what_the_network_is_today(name):
    fresh = json.loads(json.dumps(lineage_facts.network(name)))
    assert fresh == NETWORKS[name], "run python -m course_lib.explorers.lineage_facts"


def test_the_file_is_as_the_command_writes_it():
    text = lineage_facts.FILE.read_text(encoding="utf-8")
    assert text == lineage_facts.as_text(json.loads(text))
    order = [name for name in nets.list() if name in STORY]
    assert [one["name"] for one in json.loads(text)] == order
    assert len(order) == len(STORY) == 14


@pytest.mark.parametrize("name", NETWORKS)
def test_the_parts_add_up_to_the_published_whole(name):
    network, info = NETWORKS[name], nets.info(name)
    assert sum(stage["params"] for stage in network["stages"]) == network["params"] == info.params
    assert network["macs"] / 1e9 == pytest.approx(info.gmacs, rel=2e-3)
    assert network["depth"] == PUBLISHED_DEPTH.get(name, network["depth"])
    for stage in network["stages"]:
        blocks = [network["kinds"][kind] for kind in stage["blocks"]]
        assert sum(block["macs"] for block in blocks) == stage["macs"]
        assert stage["shape"] == blocks[-1]["steps"][-1]["shape"]
    for earlier in network["builds_on"]:
        assert NETWORKS[earlier]["year"] <= network["year"]


@pytest.mark.parametrize("name", NETWORKS)
def test_each_block_takes_what_the_one_before_gives(name):
    network = NETWORKS[name]
    kinds = [network["kinds"][k] for stage in network["stages"] for k in stage["blocks"]]
    assert kinds[0]["steps"][0]["shape"] == network["input"]
    for before, after in pairwise(kinds):
        assert before["steps"][-1]["shape"] == after["steps"][0]["shape"]


FEATURES = {
    # the part before the head, as modules that receptive_field_of can follow
    "alexnet": lambda net: net.features[:-1],
    "vgg16": lambda net: net.features[:-1],
    "resnet50": lambda net: [
        *(net.conv1, net.maxpool),
        *(net.layer1, net.layer2, net.layer3, net.layer4),
    ],
    "densenet121": lambda net: net.features,
    "mobilenet_v1": lambda net: net.features,
    "mobilenet_v2": lambda net: net.features,
}


@pytest.mark.parametrize("name", FEATURES)
def test_the_last_field_is_the_graphs(name):
    with torch.device("meta"):
        modules = FEATURES[name](nets.create(name))
    field, _ = receptive_field_of(torch.nn.Sequential(*modules))
    assert NETWORKS[name]["stages"][-2]["field"] == field.size


@pytest.mark.parametrize(
    ("name", "stage", "module"),
    [
        ("mobilenet_v1", 3, lambda net: net.features[:6]),
        ("swin_t", 1, lambda net: net.features[:2]),
        ("swin_t", 2, lambda net: net.features[:4]),
        ("convnext_tiny", 1, lambda net: net.features[:2]),
        ("se_resnet50", 1, lambda net: [net.conv1, net.maxpool, net.layer1]),
    ],
)
def test_what_a_unit_sees_is_where_its_gradient_is(name, stage, module):
    torch.manual_seed(0)
    net = nets.create(name).eval()
    for scale in (p for n, p in net.named_parameters() if "layer_scale" in n):
        torch.nn.init.ones_(scale)  # at 1e-6 a branch is lost in rounding
    image = torch.randn(1, 3, 224, 224, requires_grad=True)
    out = torch.nn.Sequential(*module(net))(image)
    facts = NETWORKS[name]["stages"][stage]
    channels, side = facts["shape"][:2]
    axes = (1, 2) if out.shape[1] != channels else (2, 3)  # channels last in Swin
    place = [slice(None)] * 4
    for axis in axes:
        assert out.shape[axis] == side
        place[axis] = side // 2
    (gradient,) = torch.autograd.grad(out[tuple(place)].sum(), image)
    rows = gradient[0].abs().amax(dim=(0, 2)).nonzero()
    assert rows.max() - rows.min() + 1 == facts["sees"]


# ── the page's functions ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def blocks(javascript):
    """Of every block: (state, steps, small numbers, the same with weights 0, words)."""
    states = list(every_block())
    whole = javascript(Lineage, [("blockOf", [state]) for state in states])
    asked = [(name, [block["steps"], *rest]) for block in whole for name, *rest in ASKED]
    answers = iter(javascript(Lineage, asked))
    return [
        (state, block, *(next(answers) for _ in ASKED))
        for state, block in zip(states, whole, strict=True)
    ]


ASKED = (("smallNumbers",), ("smallNumbers", True), ("zeroText",))
ACTIVATIONS = {
    "ReLU": F.relu,
    "ReLU6": F.relu6,
    "GELU": F.gelu,
    "SiLU": F.silu,
    "Sigmoid": torch.sigmoid,
    "BatchNorm": lambda x: x,
    "LayerNorm": lambda x: F.layer_norm(x.T, x.T.shape[1:], eps=1e-6).T,
}


def finished(x, words):
    for word in filter(None, words.split(", ")):
        x = ACTIVATIONS[word](x)
    return x


def twin(step, below, made):
    """What torch makes of a step of the small block; the weights are read off the page's terms."""
    x = finished(below[0], step["before"])
    terms = made["terms"]
    match step["op"]:
        case "add":
            out = below[0] + below[1]
        case "multiply":
            out = below[0] * below[1]
        case "concat":
            out = torch.cat(below)
        case "same":
            out = below[0]
        case "mean":
            out = x.mean(1, keepdim=True)
        case "max":
            k = step["kernel"]
            out = F.max_pool1d(x[None], k, min(step["stride"], x.shape[1]), k // 2 if k % 2 else 0)
            out = out[0][:, : len(terms[0])]
        case "average":
            out = F.avg_pool1d(x[None], step["kernel"], step["stride"])[0]
        case "attention" | "windows" | "shifted":
            out = attention(x, step["op"])
        case "dense":
            weight = torch.tensor([[w for _, w in row[0]] for row in terms])
            out = (weight @ x.flatten())[:, None]
        case op:
            out = convolution(op, step, x, terms)
    return finished(out, step["after"])


def attention(x, op):
    groups = {"attention": [0, 0, 0, 0], "windows": [0, 0, 1, 1], "shifted": [0, 1, 1, 2]}[op]
    tokens = x.T[None]
    own = torch.tensor(groups[: x.shape[1]])
    mask = own[:, None] == own[None]
    return F.scaled_dot_product_attention(tokens, tokens, tokens, attn_mask=mask)[0].T


def convolution(op, step, x, terms):
    groups = {"depthwise": len(x), "grouped": 2}.get(op, 1)
    each = len(x) // groups
    middle = terms[0][len(terms[0]) // 2]
    taps = len(middle) // each
    weight = torch.tensor([[w for _, w in row[0]] for row in terms]).view(len(terms), each, taps)
    stride = min(step["stride"], x.shape[1])
    padding = 0 if op == "patch" else taps // 2
    return F.conv1d(x[None], weight, None, stride, padding, groups=groups)[0]


def test_the_small_numbers_are_torchs(blocks):
    seen = set()
    for state, block, numbers, _, _ in blocks:
        for step, made in list(zip(block["steps"], numbers, strict=True))[1:]:
            below = [torch.tensor(numbers[i]["values"], dtype=torch.float) for i in step["sources"]]
            expected = twin(step, below, json.loads(json.dumps(made), parse_int=float))
            np.testing.assert_allclose(made["values"], expected, atol=1e-5, err_msg=str(state))
            seen.add(step["op"])
    assert seen == {
        *("add", "multiply", "concat", "same", "mean", "max", "average", "attention", "windows"),
        *("shifted", "dense", "conv", "depthwise", "grouped", "pointwise", "patch"),
    }


def test_no_step_comes_to_zeros_alone(blocks):
    for state, block, numbers, _, _ in blocks:
        for made in numbers:
            values = np.array(made["values"])
            assert np.abs(values).max() > 0.05, state
            assert np.abs(values).max() < 20  # easy to read
        for step, made in zip(block["steps"], numbers, strict=True):
            if step["after"] == "Sigmoid":  # a gate that is neither open nor shut
                assert 0.02 < np.min(made["values"]) < np.max(made["values"]) < 0.98


def test_weights_of_zero_leave_x_to_the_blocks_with_a_free_way(blocks):
    passed = set()
    for state, block, _, zeroed, words in blocks:
        kept = np.array_equal(zeroed[0]["values"], zeroed[-1]["values"])
        free = block["steps"][-1]["op"] == "add" and block["steps"][-2]["op"] in ("same", "add")
        free = free or (block["steps"][-1]["op"] == "add" and ways(block["steps"]) == "same")
        assert kept == free, state
        assert kept == words.endswith("doing nothing is easy.")
        if kept:
            passed.add(state["model"])
        if block["title"] == "dense layer":
            x, out = np.array(zeroed[0]["values"]), np.array(zeroed[-1]["values"])
            assert np.array_equal(out[: len(x)], x)
            assert not out[len(x) :].any()
            assert words.endswith("zeros beside it.")
    assert passed == {
        *("resnet50", "resnext50_32x4d", "se_resnet50", "mobilenet_v2", "efficientnet_b0"),
        *("vit_b_16", "swin_t", "convnext_tiny"),
    }


def ways(steps):
    """What stands on the way beside F."""
    return steps[steps[-1]["sources"][1]]["op"]


def test_words(javascript):
    state = {"model": "vgg16", "stage": 5, "block": 0}
    network = NETWORKS["vgg16"]
    (block,) = javascript(Lineage, [("blockOf", [state])])
    (numbers,) = javascript(Lineage, [("smallNumbers", [block["steps"]])])
    asked = [
        ("shortCount", [138357544]),
        ("shortCount", [4089184256]),
        ("shortCount", [9536]),
        ("shortCount", [928]),
        ("stageText", [network, network["stages"][5]]),
        ("outlineText", [network]),
        ("outlineText", [NETWORKS["vit_b_16"]]),
        ("seesText", [{"field": 427, "sees": 224}, 224]),
        ("seesText", [{"field": None, "sees": 168}, 224]),
        ("arithmeticText", [block["steps"], numbers, 1, 0, 1]),
        ("stepText", [block["steps"][2]]),
    ]
    assert javascript(Lineage, asked) == [
        "138 M",
        "4.09 G",
        "9.54 k",
        "928",
        "head: 1 block, out comes 1000; 124 M parameters (89 % of all), 124 M multiply-adds (1 %); "
        "a unit in the middle sees all 224 pixels of a side.",
        "The shape they share: the grid shrinks from 224 × 224 to 14 × 14, the channels widen from "
        "64 to 512, then a head.",
        "Not the shape of the others: one grid of 14 × 14 and 768 channels from first to last.",
        "427: all",
        "168",
        "channel 0, place 1: the largest of its window, 3.",
        "Every number is mixed with every other. Out comes 4096; 103 M parameters, 103 M "
        "multiply-adds.",
    ]


def test_arithmetic_comes_to_the_number_shown(javascript, blocks):
    asked, expected = [], []
    for _, block, numbers, _, _ in blocks:
        for index, made in enumerate(numbers):
            for r, row in enumerate(made["values"]):
                asked.append(("arithmeticText", [block["steps"], numbers, index, r, 0]))
                expected.append(row[0])
    for text, value in zip(javascript(Lineage, asked), expected, strict=True):
        last = text.rstrip(".").split(", as it came")[0].split(", one of")[0].split()[-1]
        assert float(last.replace("−", "-")) == pytest.approx(value, abs=0.0501), text
        products = re.findall(r"(?<![\d.])\(?(−?[\d.]+)\)?×\(?(−?[\d.]+)\)?", text)
        if not products:
            continue
        plain = [[float(part.replace("−", "-")) for part in pair] for pair in products]
        total = float(re.search(r" = (−?[\d.]+)[,.]", text)[1].rstrip(".").replace("−", "-"))
        # Each of the numbers is rounded to a tenth.
        slack = 0.051 + sum(0.051 * (abs(a) + abs(b) + 0.051) for a, b in plain)
        assert sum(a * b for a, b in plain) == pytest.approx(total, abs=slack), text


@pytest.mark.parametrize("width", [472, 692, 992])
@pytest.mark.parametrize("measure", ["params", "macs", "depth"])
def test_labels_of_the_timeline_keep_apart(javascript, measure, width):
    (placed,) = javascript(Lineage, [("placesOf", [measure, width, 290])])
    points = placed["points"]
    assert [point["name"] for point in points] == list(NETWORKS)
    order = sorted(points, key=lambda point: point["y"], reverse=True)
    sizes = [NETWORKS[point["name"]][measure] for point in order]
    assert sizes == sorted(sizes)
    boxes = [point["box"] for point in points]
    covered = 0.0
    for i, a in enumerate(boxes):
        assert a[0] >= 0
        assert a[2] <= width
        for b in boxes[:i]:
            across = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
            covered += across * max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    whole = sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes)
    assert covered / whole < (0.02 if width > 600 else 0.08)


# ── the widget ──────────────────────────────────────────────────────────────────────────────────


def test_the_examples_are_true():
    result = doctest.testmod(lineage)
    assert result.attempted > 0
    assert result.failed == 0


def test_state():
    widget = Lineage()
    assert widget.state() == {
        "measure": "params",
        "model": "resnet50",
        "stage": 2,
        "block": 1,
        "step": 0,
        "zero": False,
    }
    assert widget.facts["shape"] == [512, 28, 28]
    assert [step["op"] for step in widget.steps][-2:] == ["same", "add"]
    widget.model = "vit_b_16"
    assert (widget.stage, widget.block) == (2, 0)
    assert widget.facts["name"] == "head"
    widget.stage, widget.block = 1, 11
    widget.stage = 0
    assert widget.block == 0


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"model": "lenet5", "stage": 3}, "stage (=3) must be below 3: lenet5 has no more"),
        ({"block": 4}, "block (=4) must be below 4: stage 2 of resnet50 has no more"),
        ({"stage": -1}, "stage (=-1) must be at least 0"),
        ({"step": 1.5}, "step"),
        ({"model": "resnet51"}, "resnet51"),
        ({"measure": "loss"}, "loss"),
    ],
)
def test_what_is_not_there_is_refused(state, words):
    with pytest.raises(traitlets.TraitError) as raised:
        Lineage(**state)
    assert words in str(raised.value)


def test_the_page_brings_what_lies_outside_inside(javascript):
    given = {"model": "lenet5", "stage": 9, "block": 9, "step": 99}
    (moved,) = javascript(Lineage, [("settled", [given])])
    assert (moved["stage"], moved["block"], moved["step"]) == (2, 0, 4)
    assert math.isfinite(moved["step"])
