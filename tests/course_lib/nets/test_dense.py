"""Networks that answer for every position: U-Net, FCN, the dilated head, the causal stack."""

import numpy as np
import pytest
import torch
from torch import nn

from course_lib import nets
from course_lib.nets.deeplab import AtrousPyramid, DeepLab
from course_lib.nets.fcn import FCN, feature_layers
from course_lib.nets.unet import UNet
from course_lib.nets.wavenet import CausalConv, CausalStack


def count(net):
    return sum(weight.numel() for weight in net.parameters())


# ── U-Net ───────────────────────────────────────────────────────────────────────────────────────


def expected_count(c_in, classes, width, depth, skip, upsample):
    """Weights and BatchNorms by hand, level by level."""

    def double(a, b):
        return 9 * a * b + 9 * b * b + 4 * b

    widths = [width * 2**level for level in range(depth + 1)]
    total = sum(double(a, b) for a, b in zip([c_in, *widths], widths, strict=False))
    taps = 4 if upsample == "transposed" else 9
    for w in widths[:-1]:
        total += taps * 2 * w * w + w + double(2 * w if skip else w, w)
    return total + width * classes + classes


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
@pytest.mark.parametrize(("c_in", "classes", "width", "depth"), [(1, 2, 16, 3), (3, 5, 6, 2)])
def test_the_unet_has_the_parameters_of_its_plan(c_in, classes, width, depth, skip, upsample):
    net = UNet(c_in, classes, width, depth, skip, upsample)
    assert count(net) == expected_count(c_in, classes, width, depth, skip, upsample)


@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("upsample", ["transposed", "nearest"])
@pytest.mark.parametrize("size", [(8, 8), (16, 40), (32, 24)])
def test_a_label_for_each_pixel_and_a_gradient_for_each_weight(size, skip, upsample):
    net = UNet(2, 3, 4, 3, skip, upsample)
    out = net(torch.rand(2, 2, *size))
    assert out.shape == (2, 3, *size)
    out.square().sum().backward()
    assert all(weight.grad is not None for weight in net.parameters())
    assert all(torch.isfinite(weight.grad).all() for weight in net.parameters())


def test_one_pixel_reaches_its_place_through_the_first_skip_alone():
    """With the way through the bottom cut, what is left comes across."""
    for skip in (True, False):
        net = UNet(1, 2, 4, 2, skip).eval()
        for up in net.up:
            nn.init.zeros_(up.weight)
            nn.init.zeros_(up.bias)
        x = torch.rand(1, 1, 16, 16)
        other = x.clone()
        other[0, 0, 5, 6] += 1
        with torch.no_grad():
            moved = (net(x) - net(other)).abs().amax(dim=(0, 1)) > 0
        assert bool(moved.any()) == skip
        if skip:
            rows, columns = np.nonzero(moved.numpy())
            assert {rows.min(), rows.max()} <= set(range(1, 10))
            assert {columns.min(), columns.max()} <= set(range(2, 11))


def test_sizes_that_do_not_divide_are_refused_in_words():
    net = nets.create("unet", width=2, depth=3)
    for size in ((12, 16), (16, 15)):
        with pytest.raises(ValueError, match=r"divisible by 8.*pad the image"):
            net(torch.zeros(1, 1, *size))
    with pytest.raises(ValueError, match="channels"):
        net(torch.zeros(1, 3, 16, 16))


def test_the_options_reach_the_unet_by_name():
    net = nets.create("unet", num_classes=4, in_channels=3, width=2, depth=1, upsample="nearest")
    assert net(torch.zeros(1, 3, 6, 10)).shape == (1, 4, 6, 10)
    with pytest.raises(ValueError, match="upsample"):
        nets.create("unet", upsample="bilinear")
    with pytest.raises(ValueError, match="depth"):
        nets.create("unet", depth=0)


# ── FCN and DeepLab ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "channels", "stride"),
    [
        ("resnet18", 512, 32),
        ("vgg16", 512, 32),
        ("mobilenet_v2", 1280, 32),
        ("densenet121", 1024, 32),
        ("resnet_cifar", 64, 4),
    ],
)
def test_features_are_what_the_classifier_pools(name, channels, stride):
    with torch.device("meta"), torch.no_grad():
        maps = feature_layers(name).eval()(torch.zeros(1, 3, 96, 64))
    assert maps.shape == (1, channels, 96 // stride, 64 // stride)


def test_the_features_of_a_resnet_are_its_own():
    net = nets.create("resnet18", num_classes=5).eval()
    x = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        maps = feature_layers(net)(x)
        torch.testing.assert_close(net.fc(maps.mean(dim=(2, 3))), net(x))


def test_networks_without_maps_are_refused():
    with torch.device("meta"):
        for name in ("vit_b_16", "lenet5"):
            with pytest.raises(ValueError, match="backbone must be a network"):
                feature_layers(name)


def test_the_heads_have_the_image_size_and_their_parameters():
    backbone = nets.create("resnet_cifar", depth=8, width=4)  # 16 channels at the end
    features = count(feature_layers(backbone))
    x = torch.rand(2, 3, 30, 21)
    fcn = FCN(backbone, 3).eval()
    assert fcn(x).shape == (2, 3, 30, 21)
    assert count(fcn) == features + 16 * 3 + 3
    lab = DeepLab(backbone, 3, dilations=(1, 2), width=8)
    assert lab(x).shape == (2, 3, 30, 21)
    pyramid = 3 * 16 + 16 * 8 + 2 * (9 * 16 * 8 + 16) + 16 * 8 + 8 + 4 * 8 * 8
    assert count(lab) == features + pyramid - 3 * 16 + 16 + 16 + 8 * 3 + 3
    lab(x).sum().backward()
    assert all(weight.grad is not None for weight in lab.parameters())


def test_a_single_image_trains_in_the_pyramid():
    AtrousPyramid(4, 2, (1, 3)).train()(torch.rand(1, 4, 6, 6)).sum().backward()
    with pytest.raises(ValueError, match="dilations"):
        AtrousPyramid(4, 2, ())
    with pytest.raises(ValueError, match=r"dilations\[1\]"):
        AtrousPyramid(4, 2, (1, 0))


# ── WaveNet's stack ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("dilations", "kernel"), [((1, 2, 4), 2), ((3,), 3), ((1, 1), 1)])
def test_an_output_depends_on_its_past_and_nothing_else(dilations, kernel):
    torch.manual_seed(0)
    stack = CausalStack(3, dilations, kernel).double()
    x = torch.rand(1, 3, 30, dtype=torch.double, requires_grad=True)
    stack(x)[0, :, 20].sum().backward()
    felt = np.flatnonzero(x.grad.abs().sum(dim=(0, 1)).numpy())
    assert felt.max() == 20
    assert felt.min() == 20 - stack.receptive_field + 1


def test_the_stack_has_the_parameters_of_its_plan():
    block = 2 * (2 * 25 + 5) + 2 * (25 + 5)  # two causal layers of two taps, two 1×1
    stack = CausalStack(5, (1, 2, 4, 8))
    assert count(stack) == 4 * block
    stack(torch.rand(2, 5, 9)).sum().backward()
    last = stack.blocks[-1].residual  # nothing comes after it
    for weight in stack.parameters():
        own = any(weight is unused for unused in last.parameters())
        assert (weight.grad is None) == own


def test_a_causal_layer_is_torchs_with_zeros_before():
    layer = CausalConv(2, 3, kernel_size=3, dilation=2)
    x = torch.rand(1, 2, 10)
    wide = torch.cat([torch.zeros(1, 2, 4), x], dim=2)
    torch.testing.assert_close(layer(x), layer.conv(wide))
    with pytest.raises(ValueError, match="dilations"):
        CausalStack(2, ())
