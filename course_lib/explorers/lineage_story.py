"""What no measurement tells of the lineage's networks: the constraint each answers, and how."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["STORY", "Story"]


class Story(NamedTuple):
    """What no measurement tells of a network."""

    label: str
    answers: tuple[str, ...]
    """The constraints that it attacks: "compute", "depth", "reach"."""
    problem: str
    answer: str
    builds_on: dict[str, str]
    """Earlier networks of the timeline, each with what was taken from it."""


STORY: dict[str, Story] = {
    "lenet5": Story(
        "LeNet-5",
        ("compute",),
        "A dense layer has a weight for every pixel and every feature, and learns each place anew.",
        "Small kernels that all places share, pooling between them, and training end to end.",
        {},
    ),
    "alexnet": Story(
        "AlexNet",
        ("compute", "depth"),
        "A million photographs ask for a large network; large ones were slow and learned by heart.",
        "Two GPUs, ReLU whose slope does not fade, dropout, augmentation.",
        {"lenet5": "convolutions and pools that shrink the grid, then dense layers"},
    ),
    "vgg16": Story(
        "VGG-16",
        ("depth", "reach"),
        "A large kernel sees far, but costs much and is one non-linear step.",
        "3×3 only: three of them see 7×7, with 27 weights in place of 49 and three ReLUs.",
        {"alexnet": "ReLU, dropout, and the three dense layers of its head"},
    ),
    "googlenet": Story(
        "GoogLeNet",
        ("compute", "reach"),
        "Deeper and wider soon costs too much, and no one kernel size suits every object.",
        "Several kernels side by side, 1×1 convolutions that narrow before the costly ones, and "
        "global pooling in place of a dense head.",
        {"alexnet": "ReLU, and a stem that shrinks the image early"},
    ),
    "resnet50": Story(
        "ResNet-50",
        ("depth",),
        "Deeper plain networks reach a higher training error: more layers are harder to train.",
        "A block adds F(x) to x: to do nothing, F = 0 is enough, and depth need not hurt.",
        {
            "vgg16": "3×3 convolutions; half the grid, twice the channels",
            "googlenet": "1×1 convolutions that narrow, global pooling",
        },
    ),
    "densenet121": Story(
        "DenseNet-121",
        ("depth", "compute"),
        "Layers learn again what earlier layers know already.",
        "Each layer reads all maps before it in its stage and adds only 32 of its own.",
        {"resnet50": "short ways past the layers, here stacked instead of added"},
    ),
    "resnext50_32x4d": Story(
        "ResNeXt-50",
        ("compute",),
        "More width or more depth brings less and less for its cost.",
        "The same cost spent on 32 narrow paths side by side, one grouped convolution.",
        {
            "resnet50": "its bottleneck and its stages",
            "googlenet": "split, transform, merge",
        },
    ),
    "mobilenet_v1": Story(
        "MobileNet",
        ("compute",),
        "A telephone has little memory and little power.",
        "A 3×3 convolution taken apart: one kernel a channel looks around, a 1×1 mixes.",
        {"vgg16": "a plain stack of 3×3 layers"},
    ),
    "se_resnet50": Story(
        "SE-ResNet-50",
        ("reach",),
        "A kernel sees its neighbourhood: no channel is told what the whole image shows.",
        "A gate in each block: the mean of every map decides how much of each passes.",
        {"resnet50": "all but the gate"},
    ),
    "mobilenet_v2": Story(
        "MobileNetV2",
        ("compute", "depth"),
        "ReLU loses much where channels are few, and wide maps are dear to keep.",
        "Narrow between the blocks, wide inside; the shortcut joins the narrow ends.",
        {
            "mobilenet_v1": "depthwise and pointwise convolutions",
            "resnet50": "the shortcut, and the bottleneck turned inside out",
        },
    ),
    "efficientnet_b0": Story(
        "EfficientNet-B0",
        ("compute",),
        "Depth, width or resolution alone soon stops paying.",
        "A small base found by search, to be grown in all three at a fixed proportion.",
        {"mobilenet_v2": "inverted residuals", "se_resnet50": "the gate"},
    ),
    "vit_b_16": Story(
        "ViT-B/16",
        ("reach",),
        "A convolution's reach grows only layer by layer.",
        "Patches as tokens: every one looks at every other from the first block on.",
        {"resnet50": "blocks that add to their input"},
    ),
    "swin_t": Story(
        "Swin-T",
        ("compute", "reach"),
        "Attention among all tokens costs the square of their number.",
        "Attention within windows, shifted at every second block, in four stages.",
        {
            "vit_b_16": "the transformer block",
            "resnet50": "stages that halve the grid",
        },
    ),
    "convnext_tiny": Story(
        "ConvNeXt-T",
        ("reach", "compute"),
        "Was it attention that made transformers better, or all that came with it?",
        "A ResNet with their recipe and proportions: 7×7 depthwise, fewer norms, no attention.",
        {
            "resnet50": "where its authors start from",
            "swin_t": "proportions, patches as stem, few norms",
            "mobilenet_v2": "depthwise convolutions, wide inside",
        },
    ),
}
