"""ResNet's blocks: F(x) + x, and a projection only where the shape changes."""

import pytest
import torch
from torch import nn

from course_lib import nets
from course_lib.nets.resnet import BasicBlock, Bottleneck
from course_lib.nets.resnext import resnext_block

BLOCKS = [
    # block, its arguments, channels in, channels out, stride
    (BasicBlock, (4, 4), 4, 4, 1),
    (BasicBlock, (4, 8), 4, 8, 1),
    (BasicBlock, (4, 4, 2), 4, 4, 2),
    (BasicBlock, (4, 8, 2), 4, 8, 2),
    (Bottleneck, (8, 2, 8), 8, 8, 1),
    (Bottleneck, (8, 2, 12), 8, 12, 1),
    (Bottleneck, (8, 2, 8, 2), 8, 8, 2),
    (Bottleneck, (8, 4, 16, 2, 2), 8, 16, 2),
]


@pytest.mark.parametrize(("kind", "args", "c_in", "c_out", "stride"), BLOCKS)
def test_block_adds_its_input_or_a_projection_of_it(kind, args, c_in, c_out, stride):
    torch.manual_seed(0)
    block = kind(*args).eval()
    x = torch.randn(2, c_in, 8, 6)
    out = block(x)
    assert out.shape == (2, c_out, 8 // stride, 6 // stride)
    torch.testing.assert_close(out, torch.relu(block.residual(x) + block.shortcut(x)))
    changes = stride != 1 or c_in != c_out
    assert (block.downsample is not None) == changes
    if not changes:
        assert block.shortcut(x) is x


@pytest.mark.parametrize(("kind", "args"), [(BasicBlock, (4, 4)), (Bottleneck, (4, 2, 4))])
def test_doing_nothing_is_one_step_away(kind, args):
    block = kind(*args).eval()
    last = block.bn2 if kind is BasicBlock else block.bn3
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    x = torch.rand(1, 4, 5, 5)
    torch.testing.assert_close(block(x), x)
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(block(x).sum(), x)
    torch.testing.assert_close(gradient, torch.ones_like(x))  # ∂F/∂x + 1, and F is 0


@pytest.mark.parametrize(("kind", "args", "c_in", "c_out", "stride"), BLOCKS)
def test_convolutions_have_no_bias_and_a_norm_each(kind, args, c_in, c_out, stride):
    parts = list(kind(*args).modules())
    convs = [part for part in parts if isinstance(part, nn.Conv2d)]
    assert all(conv.bias is None for conv in convs)
    assert len(convs) == sum(isinstance(part, nn.BatchNorm2d) for part in parts)


def test_stride_is_in_the_three_by_three():
    block = Bottleneck(8, 2, 8, stride=2)
    assert [conv.stride[0] for conv in (block.conv1, block.conv2, block.conv3)] == [1, 2, 1]


@pytest.mark.parametrize(
    ("name", "depth"),
    [("resnet18", 18), ("resnet34", 34), ("resnet50", 50), ("resnet101", 101), ("resnet152", 152)],
)
def test_the_number_in_the_name_counts_layers_with_weights(name, depth):
    with torch.device("meta"):
        net = nets.create(name)
    kinds = (nn.Conv2d, nn.Linear)
    layers = [key for key, part in net.named_modules() if isinstance(part, kinds)]
    assert sum("downsample" not in key for key in layers) == depth


def test_paths_of_resnext_side_by_side_are_one_grouped_convolution():
    torch.manual_seed(0)
    block = resnext_block(64, 64).eval()
    assert (block.conv2.groups, block.conv2.in_channels) == (32, 128)
    x = torch.randn(1, 128, 4, 4)
    paths = [
        torch.conv2d(part, weight, padding=1)
        for part, weight in zip(x.split(4, dim=1), block.conv2.weight.split(4), strict=True)
    ]
    torch.testing.assert_close(block.conv2(x), torch.cat(paths, dim=1))
