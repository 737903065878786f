"""The landmark backbones as tables of windows: all that a receptive field depends on.

Each table lists, from the image on, every layer with a window larger than one pixel or a stride,
the last pooling included, the classifier left out. Channels do not matter here. Sizes are those of
torchvision's models; where a paper's network differs, the table says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from course_lib._validate import choice
from course_lib.geometry import Layer

__all__ = ["BACKBONES", "Backbone", "layer_table"]


class Backbone(NamedTuple):
    """A network's layers, in order, and where its table comes from."""

    layers: tuple[Layer, ...]
    source: str


_CONV3 = Layer(kernel=3, padding=1)
_POOL2 = Layer(kernel=2, stride=2)
_POOL3 = Layer(kernel=3, stride=2)


def _alexnet() -> tuple[Layer, ...]:
    return (
        Layer(kernel=11, stride=4, padding=2),
        _POOL3,
        Layer(kernel=5, padding=2),
        _POOL3,
        *(_CONV3,) * 3,
        _POOL3,
    )


def _vgg(*convolutions: int) -> tuple[Layer, ...]:
    """Blocks of 3×3 convolutions, so many in each, a 2×2 pooling after every block."""
    return tuple(layer for n in convolutions for layer in (*(_CONV3,) * n, _POOL2))


def _resnet50(stride_in_3x3: bool) -> tuple[Layer, ...]:
    """A stem, then four stages of bottlenecks 1×1, 3×3, 1×1.

    The first block of each stage but the first halves the image. The skip past a block sees less
    than the block does, so the field is that of the path through all convolutions.
    """
    layers = [Layer(kernel=7, stride=2, padding=3), Layer(kernel=3, stride=2, padding=1)]
    for stage, blocks in enumerate((3, 4, 6, 3)):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            first, second = (1, stride) if stride_in_3x3 else (stride, 1)
            layers += [
                Layer(kernel=1, stride=first),
                Layer(kernel=3, stride=second, padding=1),
                Layer(kernel=1),
            ]
    return tuple(layers)


BACKBONES: Mapping[str, Backbone] = {
    "AlexNet": Backbone(
        _alexnet(),
        "Krizhevsky, One weird trick for parallelizing CNNs, 2014 (torchvision's alexnet); "
        "the 2012 network has the same windows",
    ),
    "VGG-16": Backbone(
        _vgg(2, 2, 3, 3, 3), "Simonyan and Zisserman, 2014, configuration D (vgg16)"
    ),
    "VGG-19": Backbone(
        _vgg(2, 2, 4, 4, 4), "Simonyan and Zisserman, 2014, configuration E (vgg19)"
    ),
    "ResNet-50 (stride in the 1×1)": Backbone(
        _resnet50(stride_in_3x3=False),
        "He, Zhang, Ren and Sun, 2015: the stride stands in a block's first 1×1 convolution",
    ),
    "ResNet-50 (stride in the 3×3)": Backbone(
        _resnet50(stride_in_3x3=True),
        "torchvision's resnet50, known as v1.5: the stride stands in the 3×3 convolution",
    ),
}
"""The layer tables by name, oldest network first."""


def layer_table(name: str) -> tuple[Layer, ...]:
    """The layers of a backbone by its name in `BACKBONES`.

    Raises ValueError, with the names nearest to it, for one that is not there.

    >>> from course_lib.geometry import receptive_field
    >>> receptive_field(layer_table("VGG-16")).size
    212
    """
    return BACKBONES[choice(name, "name", tuple(BACKBONES))].layers
