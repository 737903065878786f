"""MobileNet against its paper's table: shapes, width multiplier, and what a block costs."""

import pytest
import torch
from torch import nn

from course_lib.nets.mobilenet_v1 import DepthwiseSeparable, MobileNetV1, mobilenet_v1


def test_the_maps_are_those_of_the_papers_table():
    with torch.device("meta"):
        net = mobilenet_v1().eval()
        x = torch.empty(1, 3, 224, 224)
    shapes = []
    for layer in net.features:
        x = layer(x)
        shapes.append((x.shape[1], x.shape[2]))
    assert shapes == [
        (32, 112),
        (64, 112),
        *[(128, 56)] * 2,
        *[(256, 28)] * 2,
        *[(512, 14)] * 6,
        *[(1024, 7)] * 2,
    ]


def test_a_block_looks_in_each_channel_and_then_mixes():
    torch.manual_seed(0)
    depthwise, pointwise = DepthwiseSeparable(4, 6, stride=2).eval()
    x = torch.rand(1, 4, 8, 8)
    other = x.clone()
    other[:, 1] += 1
    changed = (depthwise(x) != depthwise(other)).flatten(2).any(2)[0]
    assert changed.tolist() == [False, True, False, False]
    assert pointwise[0].weight.shape == (6, 4, 1, 1)
    assert DepthwiseSeparable(4, 6, stride=2)(torch.rand(2, 4, 8, 8)).shape == (2, 6, 4, 4)


@pytest.mark.parametrize(
    ("width", "millions"),
    [(1, 4.2), (0.75, 2.6), (0.5, 1.3), (0.25, 0.5)],  # table 6 of the paper
)
def test_the_width_multiplier_gives_the_papers_sizes(width, millions):
    with torch.device("meta"):
        net = mobilenet_v1(width=width)
    assert sum(p.numel() for p in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)


def test_other_classes_and_channels():
    net = MobileNetV1(7, 1, width=0.25).eval()
    assert net(torch.rand(2, 1, 40, 25)).shape == (2, 7)
    assert isinstance(net.classifier, nn.Linear)
