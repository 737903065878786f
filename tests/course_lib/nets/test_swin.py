"""The Swin Transformer against torchvision's, where windows tile the maps and where they do not."""

import pytest
import torch
from torch import nn

from course_lib.nets.swin import PatchMerging, SwinTransformer, WindowAttention, swin_t
from course_lib.nets.windows import relative_position_index

SMALL = {"dim": 8, "depths": (2, 2), "heads": (2, 4), "window": 4, "patch": 2}


def small(torchvision_models, randomise):
    """A small one and torchvision's, with the same weights."""
    theirs = torchvision_models.SwinTransformer(
        patch_size=[2, 2], embed_dim=8, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4]
    ).eval()
    randomise(theirs)
    ours = SwinTransformer(**SMALL).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    return ours, theirs


def test_names_and_shapes_are_torchvisions(same_shapes):
    same_shapes(swin_t, "swin_t")


@pytest.mark.parametrize("shape", [(1, 3, 224, 224), (2, 3, 61, 90)])
def test_outputs_are_torchvisions(same_outputs, shape):
    same_outputs(swin_t, "swin_t", shape)


@pytest.mark.parametrize(
    "size",
    [
        (32, 32),  # windows tile all maps
        (32, 8),  # one window spans the width: no shift along it
        (20, 28),  # padded to windows
        (18, 22),  # odd maps, padded to merge
        (15, 9),  # a remainder that no patch covers
        (8, 8),  # one window in all
        (2, 3),  # one patch
    ],
)
def test_every_size_is_padded_and_shifted_as_torchvision(torchvision_models, randomise, size):
    ours, theirs = small(torchvision_models, randomise)
    x = torch.rand(2, 3, *size)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [1, 2, 7])
def test_the_table_of_offsets_is_read_as_torchvision_reads_it(torchvision_models, window):
    theirs = torchvision_models.swin_transformer.ShiftedWindowAttention(
        8, [window, window], [0, 0], 2
    )
    assert torch.equal(relative_position_index(window), theirs.relative_position_index)
    ours = WindowAttention(8, 2, window, 0)
    assert torch.equal(ours.relative_position_index, theirs.relative_position_index)


def test_without_the_mask_the_ends_of_the_image_would_meet(randomise):
    attention = WindowAttention(8, 2, window=4, shift=2).eval()
    randomise(attention)
    x = torch.rand(1, 8, 8, 8)
    other = x.clone()
    other[:, 0] += 1  # the first row, which the shift brings next to the last
    changed = (attention(x) != attention(other)).any(3)[0].any(1)
    assert changed.tolist() == [True, True] + [False] * 6


def test_shifted_windows_reach_across_a_border(randomise):
    x = torch.rand(1, 8, 8, 8)
    other = x.clone()
    other[:, 3] += 1  # the last row of the upper windows
    for shift, reached in ((0, [0, 1, 2, 3]), (2, [2, 3, 4, 5])):
        attention = WindowAttention(8, 2, window=4, shift=shift).eval()
        randomise(attention)
        changed = (attention(x) != attention(other)).any(3)[0].any(1)
        assert changed.nonzero().flatten().tolist() == reached


def test_attention_weights_can_be_seen(randomise):
    attention = WindowAttention(8, 2, window=4, shift=2)
    seen = []
    attention.softmax.register_forward_hook(lambda layer, inputs, weights: seen.append(weights))
    attention(torch.rand(3, 8, 12, 8))
    assert seen[0].shape == (3 * 2 * 3, 2, 16, 16)
    torch.testing.assert_close(seen[0].sum(-1), torch.ones(18, 2, 16))


def test_every_second_block_is_shifted_by_half_a_window():
    with torch.device("meta"):
        net = swin_t()
    shifts = [m.shift for m in net.modules() if isinstance(m, WindowAttention)]
    assert shifts == [0, 3] * 6


def test_norms_and_dropped_branches_are_torchvisions(torchvision_models):
    with torch.device("meta"):
        ours, theirs = swin_t(), torchvision_models.swin_t()
    for kind, setting in (("LayerNorm", "eps"), ("StochasticDepth", "p")):
        of_ours, of_theirs = (
            [getattr(m, setting) for m in net.modules() if type(m).__name__ == kind]
            for net in (ours, theirs)
        )
        assert of_ours == pytest.approx(of_theirs)


def test_merging_gathers_four_neighbours():
    merge = PatchMerging(1)
    merge.norm = nn.Identity()
    with torch.no_grad():
        merge.reduction.weight.copy_(torch.tensor([[1.0, 10, 100, 1000], [0, 0, 0, 0]]))
    x = torch.tensor([[1.0, 2, 5], [3, 4, 6]]).view(1, 2, 3, 1)
    assert merge(x)[0, 0, :, 0].tolist() == [4231, 65]


def test_heads_that_do_not_fit():
    with pytest.raises(ValueError, match=r"dim \(=8\) must be divisible by heads \(=3\)"):
        WindowAttention(8, 3, 4, 0)
