"""Residual and plain networks for small images: equal in all but the shortcut."""

import pytest
import torch
from torch import nn

from course_lib import nets
from course_lib.nets.resnet_cifar import CifarBlock, resnet_cifar


@pytest.mark.parametrize(
    # Section 4.2 of the paper, table 6, in millions.
    ("depth", "millions"),
    [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)],
)
def test_parameters_are_the_papers(depth, millions):
    with torch.device("meta"):
        count = sum(weight.numel() for weight in resnet_cifar(depth).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.05 if millions > 1 else 0.005)


@pytest.mark.parametrize("depth", [8, 14, 20, 56])
@pytest.mark.parametrize("norm", [True, False])
def test_depth_counts_layers_and_plain_and_residual_have_equal_weights(depth, norm):
    with torch.device("meta"):
        residual, plain = (resnet_cifar(depth, skip, norm) for skip in (True, False))
    layers = [part for part in plain.modules() if isinstance(part, (nn.Conv2d, nn.Linear))]
    assert len(layers) == depth
    shapes = [[(k, v.shape) for k, v in net.state_dict().items()] for net in (residual, plain)]
    assert shapes[0] == shapes[1]
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in plain.modules())
    assert norms == (depth - 1 if norm else 0)
    biases = [layer.bias is not None for layer in layers[:-1]]
    assert all(biases) if not norm else not any(biases)


@pytest.mark.parametrize("size", [8, 9, 28, 32])
@pytest.mark.parametrize("skip", [True, False])
def test_takes_images_of_any_size(size, skip):
    net = resnet_cifar(8, skip, num_classes=3, in_channels=1, width=4)
    assert net(torch.randn(2, 1, size, size)).shape == (2, 3)


@pytest.mark.parametrize("stride", [1, 2])
def test_shortcut_has_no_weights_and_pads_with_zeros(stride):
    block = CifarBlock(3, 5, stride)
    x = torch.randn(2, 3, 7, 6)
    short = block.shortcut(x)
    assert torch.equal(short[:, :3], x[:, :, ::stride, ::stride])
    assert not short[:, 3:].any()
    assert short.shape == block.residual(x).shape
    names = {name.split(".")[0] for name, _ in block.named_parameters()}
    assert names == {"conv1", "bn1", "conv2", "bn2"}


@pytest.mark.parametrize("stride", [1, 2])
def test_skip_is_the_only_difference_of_a_block(stride):
    torch.manual_seed(0)
    residual, plain = CifarBlock(4, 8, stride), CifarBlock(4, 8, stride, skip=False)
    plain.load_state_dict(residual.state_dict())
    residual.eval(), plain.eval()
    x = torch.randn(1, 4, 8, 8)
    torch.testing.assert_close(plain(x), torch.relu(plain.residual(x)))
    torch.testing.assert_close(residual(x), torch.relu(plain.residual(x) + residual.shortcut(x)))


def test_gradient_passes_a_deep_residual_network_that_is_still_random():
    for skip, reaches in [(True, True), (False, False)]:
        torch.manual_seed(0)
        net = resnet_cifar(56, skip, norm=False, in_channels=1, width=4)
        for weight in net.parameters():
            weight.data.mul_(0.5)  # each layer halves what passes it
        net(torch.randn(4, 1, 8, 8)).logsumexp(dim=1).sum().backward()
        assert (net.conv1.weight.grad.norm() > 1e-6) == reaches


@pytest.mark.parametrize("depth", [9, 10, 18, 21, 100])
def test_refuses_a_depth_between(depth):
    with pytest.raises(ValueError, match=rf"depth \(={depth}\) must be 6n \+ 2"):
        nets.create("resnet_cifar", depth=depth)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"depth": 2}, ValueError, r"depth \(=2\) must be at least 8"),
        ({"depth": 20.0}, TypeError, r"depth \(=20.0\) must be an integer"),
        ({"width": 0}, ValueError, r"width \(=0\) must be at least 1"),
        ({"skip": 1}, TypeError, r"skip \(=1\) must be True or False"),
        ({"norm": "batch"}, TypeError, r"norm \(='batch'\) must be True or False"),
        ({"layers": 3}, TypeError, "layers"),
    ],
)
def test_refuses_what_makes_no_network(options, error, words):
    with pytest.raises(error, match=words):
        nets.create("resnet_cifar", **options)
