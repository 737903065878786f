"""The networks are torchvision's: the same names and shapes, and equal outputs for equal weights.

mobilenet_v1, se_resnet50, lenet5 and resnet_cifar have no counterpart there.
"""

import pytest
import torch

from course_lib import nets

GOOGLENET = {"aux_logits": False, "transform_input": False, "init_weights": False}

# The later networks' own tests compare them in the same way.
ROWS = [
    # name, sides of an image that goes through quickly, what torchvision wants besides
    ("alexnet", 63, {}),
    ("vgg16", 32, {}),
    ("vgg19", 32, {}),
    ("googlenet", 64, GOOGLENET),
    ("resnet18", 64, {}),
    ("resnet34", 48, {}),
    ("resnet50", 64, {}),
    ("resnet101", 48, {}),
    ("resnet152", 48, {}),
    ("densenet121", 64, {}),
    ("resnext50_32x4d", 64, {}),
]


@pytest.mark.parametrize(("name", "size", "theirs"), ROWS)
def test_names_and_shapes(same_shapes, name, size, theirs):
    same_shapes(lambda: nets.create(name), name, **theirs)
    same_shapes(lambda: nets.create(name, num_classes=7), name, num_classes=7, **theirs)


@pytest.mark.parametrize(("name", "size", "theirs"), ROWS)
def test_equal_outputs_for_equal_weights(torchvision_models, randomise, name, size, theirs):
    with torch.device("meta"):  # drawing 140 million numbers twice would take longest
        other = getattr(torchvision_models, name)(**theirs).eval()
        ours = nets.create(name).eval()
    randomise(other.to_empty(device="cpu"))
    ours.load_state_dict(other.state_dict(), strict=True, assign=True)  # the same memory
    # Two images, wider than high: an axis confused with another would show.
    x = torch.rand(2, 3, size, size + 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        wanted, got = other(x), ours(x)
    assert wanted.std() > 0.01  # else the weights were trivial, and equality would say nothing
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "enum"),
    [
        ("alexnet", "AlexNet_Weights"),
        ("vgg16", "VGG16_Weights"),
        ("vgg19", "VGG19_Weights"),
        ("googlenet", "GoogLeNet_Weights"),
        ("resnet18", "ResNet18_Weights"),
        ("resnet152", "ResNet152_Weights"),
        ("densenet121", "DenseNet121_Weights"),
        ("resnext50_32x4d", "ResNeXt50_32X4D_Weights"),
    ],
)
def test_the_facts_that_torchvision_publishes(torchvision_models, name, enum):
    known = getattr(torchvision_models, enum).IMAGENET1K_V1.meta
    assert nets.info(name).params == known["num_params"]
    assert nets.info(name).gmacs == known["_ops"]
    assert nets.smallest_input(name) == known["min_size"]
