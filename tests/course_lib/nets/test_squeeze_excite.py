"""Squeeze and excite, against its formula in NumPy."""

import numpy as np
import pytest
import torch

from course_lib.nets.squeeze_excite import SEBottleneck, SqueezeExcite


@pytest.mark.parametrize(("channels", "reduction", "hidden"), [(32, 16, 2), (8, 4, 2), (4, 16, 1)])
def test_is_its_formula(channels, reduction, hidden):
    torch.manual_seed(0)
    layer = SqueezeExcite(channels, reduction)
    assert layer.fc1.out_channels == hidden
    x = torch.randn(2, channels, 5, 3)
    first, second = (fc.weight.detach().numpy()[:, :, 0, 0] for fc in (layer.fc1, layer.fc2))
    b1, b2 = (fc.bias.detach().numpy() for fc in (layer.fc1, layer.fc2))
    means = x.numpy().mean(axis=(2, 3))  # (N, C)
    logits = np.maximum(means @ first.T + b1, 0) @ second.T + b2  # (N, C)
    wanted = x.numpy() / (1 + np.exp(-logits))[:, :, None, None]
    np.testing.assert_allclose(layer(x).detach().numpy(), wanted, rtol=1e-5, atol=1e-6)


def test_weighs_the_residual_and_not_the_shortcut():
    torch.manual_seed(0)
    block = SEBottleneck(8, 2, 8).eval()
    torch.nn.init.constant_(block.se.fc2.bias, -100.0)  # factors of 0
    torch.nn.init.zeros_(block.se.fc2.weight)
    x = torch.rand(1, 8, 4, 4)
    torch.testing.assert_close(block(x), x)
