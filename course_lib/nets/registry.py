"""The networks by name: what there is, what is known of each, and how to build one.

Each file of this folder holds one family of networks, with a tuple `INFO` of what is known of its
members and, for each of them, a function of the same name that builds it. A new file is added to
`FILES` below, and that is all.
"""

from __future__ import annotations

import difflib
import functools
import os
import re
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import torch

from course_lib._validate import integer, shown
from course_lib.nets import (
    alexnet,
    convnext,
    densenet,
    efficientnet,
    googlenet,
    lenet,
    mobilenet_v1,
    mobilenet_v2,
    resnet,
    resnet_cifar,
    resnext,
    squeeze_excite,
    swin,
    unet,
    vgg,
    vit,
)
from course_lib.nets.net import Net, NetInfo, smallest_square
from course_lib.nets.weights import load_weights

FILES: tuple[ModuleType, ...] = (
    lenet,
    alexnet,
    vgg,
    googlenet,
    resnet,
    resnet_cifar,
    resnext,
    unet,
    densenet,
    mobilenet_v1,
    squeeze_excite,
    mobilenet_v2,
    efficientnet,
    vit,
    swin,
    convnext,
)

INFO: dict[str, NetInfo] = {
    row.name: row
    for row in sorted(
        (row for file in FILES for row in file.INFO), key=lambda row: (row.year, row.name)
    )
}
BUILDERS: dict[str, Callable[..., Net]] = {
    row.name: getattr(file, row.name) for file in FILES for row in file.INFO
}


def list() -> tuple[str, ...]:
    """The names of all networks, in the order of their years, then of the alphabet.

    >>> list()[0]
    'lenet5'
    """
    return tuple(INFO)


def info(name: str) -> NetInfo:
    """What is known of a network: its paper, size, cost and published accuracy.

    Raises ValueError for an unknown name, and suggests the nearest ones.

    >>> info("lenet5").params
    61706
    """
    return INFO[_known(name)]


def create(
    name: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    weights: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Net:
    """Build a network by name, with random weights, or with those of a file.

    - `num_classes`, `in_channels`: None means the network's own, 1,000 and 3 for most.
    - `weights`: a file with a `state_dict`, `.safetensors` or `.pth`, that has every weight of the
      network in its shape and no other. torchvision's published files fit where it has the network.
    - `options`: what else the network's own function takes.

    Under `with torch.device("meta"):` the network has shapes without numbers, and takes no memory.

    Raises ValueError for an unknown name (the nearest ones are suggested) and for a file that
    does not fit or cannot be read, FileNotFoundError where there is none.

    >>> net = create("lenet5", num_classes=26)
    >>> net(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 26])
    """
    build = BUILDERS[_known(name)]
    if num_classes is not None:
        options["num_classes"] = integer(num_classes, "num_classes", at_least=1)
    if in_channels is not None:
        options["in_channels"] = integer(in_channels, "in_channels", at_least=1)
    net = build(**options)
    if weights is not None:
        load_weights(net, weights, name)
    return net


@functools.cache
def smallest_input(name: str) -> tuple[int, int]:
    """The smallest square image, (height, width), that goes through a network in eval mode.

    Raises ValueError for an unknown name.

    >>> smallest_input("lenet5")
    (32, 32)
    """
    row = info(name)
    with torch.device("meta"):
        size = smallest_square(create(name), row.input[0])
    if size is None:
        raise ValueError(f"name (={name!r}) must be of a network that takes square images")
    return size, size


def _known(name: str) -> str:
    """The name itself, if there is a network of that name."""
    if not isinstance(name, str):
        raise TypeError(f"name (={shown(name)}) must be a string, not {type(name).__name__}")
    if name not in INFO:
        raise ValueError(
            f"name (={shown(name)}) must be the name of a network: "
            f"did you mean {' or '.join(map(repr, _nearest(name)))}?"
        )
    return name


def _nearest(name: str) -> Sequence[str]:
    """The three names most like this one, those that begin with it first; all, if none is like it.

    Case and punctuation count for nothing: `ResNet-50` is `resnet50`.
    """
    names = {_bare(known): known for known in INFO}
    asked = _bare(name)
    longer = [known for known in names if asked and known.startswith(asked)]
    alike = dict.fromkeys(longer + difflib.get_close_matches(asked, names))
    return [names[known] for known in alike][:3] or tuple(INFO)


def _bare(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
