"""VGG's block, and what chapter and paper say of its head."""

import pytest
import torch
from torch import nn

from course_lib import nets
from course_lib.nets.vgg import vgg_block


@pytest.mark.parametrize(("n_convs", "c_in", "c_out"), [(1, 3, 4), (2, 4, 4), (3, 5, 2)])
def test_block_is_convolutions_with_relu_then_a_pool(n_convs, c_in, c_out):
    torch.manual_seed(0)
    block = vgg_block(n_convs, c_in, c_out)
    x = torch.randn(2, c_in, 8, 6)
    wanted = x
    for conv in (layer for layer in block if isinstance(layer, nn.Conv2d)):
        wanted = torch.conv2d(wanted, conv.weight, conv.bias, padding=1).clamp(min=0)
    wanted = torch.max_pool2d(wanted, 2)
    torch.testing.assert_close(block(x), wanted)
    assert block(x).shape == (2, c_out, 4, 3)
    sizes = [9 * c_in * c_out + c_out] + [9 * c_out * c_out + c_out] * (n_convs - 1)
    assert sum(weight.numel() for weight in block.parameters()) == sum(sizes)


def test_network_is_its_blocks():
    with torch.device("meta"):
        net = nets.create("vgg16")
        blocks = [vgg_block(2, 3, 64), vgg_block(2, 64, 128), vgg_block(3, 128, 256)]
        blocks += [vgg_block(3, 256, 512), vgg_block(3, 512, 512)]
    flat = [repr(layer) for block in blocks for layer in block]
    assert [repr(layer) for layer in net.features] == flat


def test_most_of_vgg16_is_its_head():
    with torch.device("meta"):
        net = nets.create("vgg16")
    assert net.classifier[0].weight.numel() == 102_760_448
    assert sum(weight.numel() for weight in net.classifier.parameters()) == 123_642_856
