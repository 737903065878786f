"""ConvNeXt against torchvision's, and its block against what the paper says of it."""

import pytest
import torch
from torch import nn

from course_lib.nets.convnext import Block, ConvNeXt, LayerNorm2d, convnext_tiny


def test_names_and_shapes_are_torchvisions(same_shapes):
    same_shapes(convnext_tiny, "convnext_tiny")
    same_shapes(
        lambda: convnext_tiny(depths=(3, 3, 27, 3), dims=(128, 256, 512, 1024)), "convnext_base"
    )


@pytest.mark.parametrize("shape", [(2, 3, 64, 96), (1, 3, 75, 50)])
def test_outputs_are_torchvisions(same_outputs, shape):
    same_outputs(convnext_tiny, "convnext_tiny", shape)


def test_a_block_starts_as_nearly_nothing():
    torch.manual_seed(0)
    block = Block(8)
    x = torch.randn(2, 8, 9, 9)
    assert torch.equal(block.layer_scale, torch.full((8, 1, 1), 1e-6))
    difference = (block(x) - x).abs().max()
    assert 0 < difference < 1e-5


def test_a_block_looks_seven_pixels_wide_and_mixes_at_each():
    torch.manual_seed(0)
    block = Block(4, layer_scale=1.0)
    x = torch.randn(1, 4, 15, 15, requires_grad=True)
    block(x)[0, 0, 7, 7].backward()
    reached = (x.grad[0] != 0).any(0)
    assert reached[4:11, 4:11].all()
    assert reached.sum() == 49


def test_a_blocks_norm_is_that_of_each_position():
    torch.manual_seed(0)
    norm = LayerNorm2d(6, eps=1e-6)
    x = torch.randn(2, 6, 4, 5)
    mean, var = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    torch.testing.assert_close(norm(x), (x - mean) / (var + 1e-6).sqrt())


def test_every_norm_has_the_papers_eps():
    with torch.device("meta"):
        net = convnext_tiny()
    assert {m.eps for m in net.modules() if isinstance(m, nn.LayerNorm)} == {1e-6}


def test_dropped_branches_are_torchvisions(torchvision_models):
    with torch.device("meta"):
        ours, theirs = convnext_tiny(), torchvision_models.convnext_tiny()
    of_ours, of_theirs = (
        [m.p for m in net.modules() if type(m).__name__ == "StochasticDepth"]
        for net in (ours, theirs)
    )
    assert of_ours == pytest.approx(of_theirs)


def test_small_variants():
    net = ConvNeXt(10, 1, depths=(1, 2), dims=(8, 16), patch=2).eval()
    assert net(torch.rand(2, 1, 8, 9)).shape == (2, 10)
    assert torch.equal(net.features[1][0].layer_scale, torch.full((8, 1, 1), 1e-6))
    assert net.features[:-1](torch.rand(2, 1, 8, 9)).shape == (2, 16, 2, 2)
