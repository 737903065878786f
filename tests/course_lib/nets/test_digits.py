"""The small ViT, Swin and ConvNeXt: sizes, options, and that they learn."""

import pytest
import torch
from torch import nn

from course_lib.data import digits
from course_lib.nets.digits import convnext_digits, swin_digits, vit_digits

BUILDERS = (vit_digits, swin_digits, convnext_digits)


@pytest.mark.parametrize("build", BUILDERS)
def test_small_images_give_logits(build):
    net = build(num_classes=7, in_channels=2).eval()
    assert net(torch.rand(3, 2, 8, 8)).shape == (3, 7)


@pytest.mark.parametrize("build", BUILDERS)
def test_they_are_of_one_size(build):
    assert 50_000 < sum(weight.numel() for weight in build().parameters()) < 90_000


@pytest.mark.parametrize(
    ("build", "options"),
    [(vit_digits, {"image_size": 32}), (swin_digits, {"window": 4}), (convnext_digits, {})],
)
def test_larger_images_and_options(build, options):
    assert build(**options).eval()(torch.rand(1, 1, 32, 32)).shape == (1, 10)


def test_positions_start_with_the_spread_that_is_asked_for():
    torch.manual_seed(0)
    for spread in (0.02, 0.3):
        positions = vit_digits(position_std=spread).encoder.pos_embedding
        assert float(positions.detach().std()) == pytest.approx(spread, rel=0.15)
    default = vit_digits().encoder.pos_embedding.detach()
    assert float(default.std()) == pytest.approx(0.3, rel=0.15)


@pytest.mark.parametrize("build", BUILDERS)
def test_thirty_steps_teach_them_something(build):
    torch.manual_seed(0)
    net = build().train()
    images, labels = (torch.from_numpy(a[:64]) for a in digits("train"))
    images = (images[:, None] - 0.3) / 0.4
    adam = torch.optim.AdamW(net.parameters(), lr=3e-3)
    for _ in range(30):
        loss = nn.functional.cross_entropy(net(images), labels)
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < 1.2  # ln 10 = 2.3 is a guess
