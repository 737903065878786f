"""The EfficientNets against torchvision's: names, shapes and outputs of all eight."""

import pytest
import torch
from torch import nn

from course_lib import nets
from course_lib.nets import efficientnet
from course_lib.nets.efficientnet import EfficientNet, MBConv, SqueezeExcite

NAMES = [f"efficientnet_b{i}" for i in range(8)]


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes_are_torchvisions(same_shapes, name):
    same_shapes(getattr(efficientnet, name), name)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_torchvisions(same_outputs, name):
    same_outputs(getattr(efficientnet, name), name, (1, 3, 40, 35))


@pytest.mark.parametrize("name", NAMES)
def test_settings_for_training_are_torchvisions(torchvision_models, name):
    with torch.device("meta"):
        ours = getattr(efficientnet, name)()
        theirs = getattr(torchvision_models, name)()
    for kind, settings in ((nn.BatchNorm2d, ("eps", "momentum")), (nn.Dropout, ("p",))):
        of_ours, of_theirs = (
            [[getattr(m, s) for s in settings] for m in net.modules() if isinstance(m, kind)]
            for net in (ours, theirs)
        )
        assert of_ours == of_theirs


def test_the_squeeze_is_a_quarter_of_what_comes_into_the_block():
    block = MBConv(16, 16, expand=6)
    (squeeze,) = (m for m in block.modules() if isinstance(m, SqueezeExcite))
    assert squeeze.fc1.weight.shape == (4, 96, 1, 1)


def test_squeeze_and_excitation_scales_each_channel(randomise):
    layer = SqueezeExcite(6, 3)
    randomise(layer)
    x = torch.rand(2, 6, 5, 4) + 0.5
    factor = (layer(x) / x).flatten(2)
    assert torch.allclose(factor, factor[:, :, :1].expand_as(factor))
    assert 0 < factor.min() < factor.max() < 1


def test_the_last_block_is_dropped_most():
    with torch.device("meta"):
        net = efficientnet.efficientnet_b0(drop=0.3)
    rates = [m.stochastic_depth.p for m in net.modules() if isinstance(m, MBConv)]
    assert len(rates) == 16
    assert rates == sorted(rates)
    assert (rates[0], rates[-1]) == (0, pytest.approx(0.3))


def test_other_classes_and_channels():
    net = EfficientNet(5, 2, width=0.25, depth=0.5, dropout=0.0).eval()
    assert net(torch.rand(2, 2, 32, 40)).shape == (2, 5)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_known_is_what_torchvision_publishes(torchvision_models, name):
    published = torchvision_models.get_model_weights(name).IMAGENET1K_V1.meta
    info = nets.info(name)
    assert info.params == published["num_params"]
    if name != "efficientnet_b2":  # torchvision shows it images of 288×288, the paper of 260×260
        assert info.gmacs == published["_ops"]
