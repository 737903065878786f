"""The Vision Transformer against torchvision's, and its parts against what the paper says."""

import re

import pytest
import torch
from torch import nn

from course_lib.nets.vit import EncoderBlock, SelfAttention, VisionTransformer, vit_b_16

SMALL = {"image_size": 12, "patch": 4, "dim": 16, "depth": 2, "heads": 4}


def test_names_and_shapes_are_torchvisions(same_shapes):
    same_shapes(vit_b_16, "vit_b_16")
    same_shapes(lambda: vit_b_16(image_size=384), "vit_b_16", image_size=384)


def test_outputs_are_torchvisions(same_outputs):
    same_outputs(vit_b_16, "vit_b_16", (1, 3, 224, 224))


@pytest.mark.parametrize("heads", [1, 4])
def test_small_ones_are_torchvisions(torchvision_models, randomise, heads):
    theirs = torchvision_models.VisionTransformer(
        image_size=12, patch_size=4, num_layers=2, num_heads=heads, hidden_dim=16, mlp_dim=24
    ).eval()
    randomise(theirs)
    ours = VisionTransformer(**(SMALL | {"heads": heads, "mlp_dim": 24})).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    x = torch.rand(3, 3, 12, 12)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


def test_attention_is_torchs(randomise):
    ours, theirs = SelfAttention(12, 3), nn.MultiheadAttention(12, 3, batch_first=True)
    randomise(theirs)
    ours.load_state_dict(theirs.state_dict(), strict=True)
    seen = []
    ours.softmax.register_forward_hook(lambda layer, inputs, weights: seen.append(weights))
    x = torch.randn(2, 5, 12)
    out, weights = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), out)
    torch.testing.assert_close(seen[0], weights)


def test_every_norm_has_the_papers_eps():
    net = VisionTransformer(**SMALL)
    assert [m.eps for m in net.modules() if isinstance(m, nn.LayerNorm)] == [1e-6] * 5


def test_a_block_adds_to_what_it_reads():
    block = EncoderBlock(8, 2, 16)
    for last in (block.self_attention.out_proj, block.mlp[3]):
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
    x = torch.rand(2, 5, 8)
    assert torch.equal(block(x), x)


def test_only_the_positions_tell_where_a_patch_was(randomise):
    net = VisionTransformer(**SMALL).eval()
    randomise(net)
    x = torch.rand(2, 3, 12, 12)
    moved = x.roll(4, dims=3)  # whole patches trade places
    assert not torch.allclose(net(x), net(moved), atol=1e-3)
    nn.init.zeros_(net.encoder.pos_embedding)
    torch.testing.assert_close(net(x), net(moved), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 8), (13, 12), (6, 24), (16, 16)])
def test_other_sizes_are_refused(shape):
    # 13 pixels would lose one, 6×24 has as many patches as 12×12 has, in other places
    words = re.escape(f"images of 12×12, and x has shape (1, 3, {shape[0]}, {shape[1]})")
    with pytest.raises(ValueError, match=f"{words}.* works is 12×12"):
        VisionTransformer(**SMALL)(torch.rand(1, 3, *shape))


def test_an_image_outside_a_batch_is_refused():
    with pytest.raises(ValueError, match="takes images of shape"):
        VisionTransformer(**SMALL)(torch.rand(3, 12, 12))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"image_size": 13}, r"image_size \(=13\) must be a multiple of patch \(=4\)"),
        ({"image_size": 0}, r"image_size \(=0\) must be a multiple of patch \(=4\)"),
        ({"heads": 5}, r"dim \(=16\) must be divisible by heads \(=5\)"),
    ],
)
def test_settings_that_do_not_fit(options, words):
    with pytest.raises(ValueError, match=words):
        VisionTransformer(**(SMALL | options))
