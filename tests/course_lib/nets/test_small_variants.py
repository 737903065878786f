"""Small members of the later families learn: a batch of real digits, five steps, a falling loss."""

import pytest
import torch
from torch import nn

from course_lib.data import digits
from course_lib.nets.convnext import ConvNeXt
from course_lib.nets.efficientnet import EfficientNet
from course_lib.nets.mobilenet_v1 import MobileNetV1
from course_lib.nets.mobilenet_v2 import MobileNetV2
from course_lib.nets.swin import SwinTransformer
from course_lib.nets.vit import VisionTransformer

# For digits of 8×8 pixels in grey; the first three halve the image five times, and take it larger.
SMALL = {
    "mobilenet_v1": (MobileNetV1, 32, {"width": 0.25}),
    "mobilenet_v2": (MobileNetV2, 32, {"width": 0.25, "dropout": 0.0}),
    "efficientnet": (EfficientNet, 32, {"width": 0.25, "depth": 0.5, "dropout": 0.0, "drop": 0.0}),
    "vit": (VisionTransformer, 8, {"image_size": 8, "patch": 2, "dim": 32, "depth": 2, "heads": 4}),
    "swin": (
        SwinTransformer,
        8,
        {"dim": 16, "depths": (2, 2), "heads": (2, 4), "window": 2, "patch": 2, "drop": 0.0},
    ),
    "convnext": (ConvNeXt, 8, {"depths": (2, 2), "dims": (16, 32), "patch": 2, "drop": 0.0}),
}


@pytest.mark.parametrize("name", SMALL)
def test_five_steps_lower_the_loss(name):
    build, size, options = SMALL[name]
    torch.manual_seed(0)
    net = build(10, 1, **options).train()
    images, labels = (torch.from_numpy(a[:64]) for a in digits("train"))
    images = nn.functional.interpolate((images[:, None] - 0.3) / 0.4, size=size)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    losses = []
    for _ in range(6):
        loss = nn.functional.cross_entropy(net(images), labels)
        optimizer.zero_grad()
        loss.backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(2.3, abs=0.4)  # ln 10: no class is preferred at first
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.95 * losses[0]
