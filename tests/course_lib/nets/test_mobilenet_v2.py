"""MobileNetV2 against torchvision's: names, shapes and outputs."""

import pytest
import torch

from course_lib.nets.mobilenet_v2 import InvertedResidual, mobilenet_v2


@pytest.mark.parametrize("width", [1.0, 1.4, 0.35])
def test_names_and_shapes_are_torchvisions(same_shapes, width):
    same_shapes(lambda: mobilenet_v2(width=width), "mobilenet_v2", width_mult=width)


@pytest.mark.parametrize("shape", [(2, 3, 96, 64), (1, 3, 33, 47)])
def test_outputs_are_torchvisions(same_outputs, shape):
    same_outputs(mobilenet_v2, "mobilenet_v2", shape)


@pytest.mark.parametrize(
    ("c_in", "c_out", "stride", "expand", "skip"),
    [(8, 8, 1, 6, True), (8, 12, 1, 6, False), (8, 8, 2, 6, False), (8, 8, 1, 1, True)],
)
def test_the_skip_is_there_where_shapes_agree(randomise, c_in, c_out, stride, expand, skip):
    block = InvertedResidual(c_in, c_out, stride, expand).eval()
    randomise(block)
    x = torch.rand(2, c_in, 9, 7)
    branch = block.conv(x)
    assert branch.shape == (2, c_out, -(-9 // stride), -(-7 // stride))
    assert torch.equal(block(x), branch + x if skip else branch)
    assert len(block.conv) == (3 if expand == 1 else 4)


def test_the_bottleneck_is_linear(randomise):
    block = InvertedResidual(4, 4, 1, 6).eval()
    randomise(block)
    assert block.conv(torch.rand(2, 4, 6, 6)).min() < 0


def test_other_classes_and_channels():
    net = mobilenet_v2(5, 2, width=0.35).eval()
    assert net(torch.rand(2, 2, 32, 40)).shape == (2, 5)
