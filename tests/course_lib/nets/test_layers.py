"""The layers that architectures share, against torchvision's and against what they promise."""

import pytest
import torch
from torch import nn

from course_lib.nets.layers import (
    Permute,
    StochasticDepth,
    conv_bn,
    drop_rates,
    initialise_convolutions,
    make_divisible,
)


@pytest.mark.parametrize("divisor", [4, 8])
def test_make_divisible_as_torchvision(torchvision_models, divisor):
    for tenths in range(1, 4000, 7):
        expected = torchvision_models._utils._make_divisible(tenths / 10, divisor)
        assert make_divisible(tenths / 10, divisor) == expected


@pytest.mark.parametrize("kernel_size", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_only_the_stride_changes_the_size(kernel_size, stride):
    block = conv_bn(3, 6, kernel_size, stride, groups=3, activation=nn.ReLU6)
    assert block(torch.rand(2, 3, 9, 12)).shape == (2, 6, -(-9 // stride), -(-12 // stride))
    assert [type(layer) for layer in block] == [nn.Conv2d, nn.BatchNorm2d, nn.ReLU6]
    assert block[0].bias is None
    assert block[0].groups == 3


def test_stochastic_depth_drops_whole_images_and_keeps_the_mean():
    torch.manual_seed(0)
    layer = StochasticDepth(0.25)
    out = layer(torch.ones(4000, 2, 3))
    each = out.flatten(1)
    assert torch.equal(each.amin(1), each.amax(1))  # an image is dropped whole or kept whole
    assert each[:, 0].unique().tolist() == [0, pytest.approx(4 / 3)]
    assert out.mean().item() == pytest.approx(1, abs=0.05)


def test_stochastic_depth_rests_in_eval_mode():
    x = torch.rand(8, 3)
    assert torch.equal(StochasticDepth(0.9).eval()(x), x)
    assert torch.equal(StochasticDepth(0.0).train()(x), x)


@pytest.mark.parametrize("p", [-0.1, 1.0])
def test_stochastic_depth_refuses_what_is_no_probability_to_drop(p):
    with pytest.raises(ValueError, match=rf"\(={p}\) must be in \[0, 1\)"):
        StochasticDepth(p)


def test_drop_rates_rise_in_equal_steps():
    assert drop_rates(0.3, 4) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert drop_rates(0.3, 1) == [0]


def test_permute():
    assert Permute(0, 2, 3, 1)(torch.zeros(2, 3, 4, 5)).shape == (2, 4, 5, 3)


def test_initialised_convolutions_have_the_spread_of_hes_rule():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(4, 64, 5), nn.Conv2d(64, 32, 3, bias=False), nn.Linear(64, 50))
    initialise_convolutions(net)
    assert net[0].weight.std().item() == pytest.approx((2 / (64 * 25)) ** 0.5, rel=0.05)
    assert net[1].weight.std().item() == pytest.approx((2 / (32 * 9)) ** 0.5, rel=0.05)
    assert net[2].weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not net[0].bias.any()
    assert not net[2].bias.any()
