"""FCN. Long, Shelhamer and Darrell, *Fully convolutional networks for semantic segmentation*, 2014:
https://arxiv.org/abs/1411.4038

A classifier without its pooling and its last layer still gives a map of features, and a 1×1
convolution gives each of its positions a label. Enlarged to the image's size this is FCN-32s, the
simplest network of the paper; its finer ones add the scores of earlier layers.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib._validate import integer
from course_lib.nets import registry
from course_lib.nets.net import Net

HEADS = ("avgpool", "classifier", "fc", "head", "heads")
"""Under these names the networks of this library hold what comes after their features."""


def feature_layers(backbone: str | Net) -> nn.Sequential:
    """What a network does before it pools and classifies: (N, C, H, W) → maps (N, C', H', W').

    `backbone` is a network or the name of one. The layers are its own, not copies.

    Raises ValueError for a network that is no plain sequence of layers up to its head.

    >>> list(dict(feature_layers("resnet18").named_children()))[-1]
    'layer4'
    """
    net = registry.create(backbone) if isinstance(backbone, str) else backbone
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, layer in net.named_children():
        if name in HEADS:
            break
        layers[name] = layer
    features = nn.Sequential(layers)
    if not layers or len(layers) == len(list(net.children())) or _channels(features) is None:
        raise ValueError(
            f"backbone must be a network whose layers end in one of {', '.join(HEADS)} after "
            f"convolutions, such as 'resnet18' or 'vgg16'; {type(net).__name__} is not"
        )
    return features


def _channels(features: nn.Sequential) -> int | None:
    """How many maps come out, or None where no maps do."""
    inputs = [layer.in_channels for layer in features.modules() if isinstance(layer, nn.Conv2d)]
    tensors = [*features.parameters(), *features.buffers()]
    device = tensors[0].device if tensors else torch.device("cpu")
    training = features.training
    try:
        with torch.no_grad():
            maps = features.eval()(
                torch.zeros(1, inputs[0] if inputs else 3, 64, 64, device=device)
            )
    except (RuntimeError, ValueError, AssertionError, TypeError):
        return None
    finally:
        features.train(training)
    return int(maps.shape[1]) if isinstance(maps, Tensor) and maps.ndim == 4 else None


def out_channels(features: nn.Sequential) -> int:
    """The number of maps that `feature_layers` gives."""
    channels = _channels(features)
    if channels is None:
        raise ValueError("features must give maps (N, C, H, W)")
    return channels


class FCN(nn.Module):
    """A classifier's features, a 1×1 convolution, and the scores enlarged to the image's size.

    (N, C, H, W) → logits (N, num_classes, H, W), for any H and W that the backbone takes.

    >>> FCN("resnet18", num_classes=2).eval()(torch.zeros(1, 3, 65, 50)).shape
    torch.Size([1, 2, 65, 50])
    """

    def __init__(self, backbone: str | Net, num_classes: int) -> None:
        super().__init__()
        self.features = feature_layers(backbone)
        num_classes = integer(num_classes, "num_classes", at_least=1)
        self.score = nn.Conv2d(out_channels(self.features), num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits for each pixel; shapes for a ResNet-18 and 224×224."""
        maps = self.features(x)  # (N, 512, 7, 7)
        scores = self.score(maps)  # (N, num_classes, 7, 7)
        return functional.interpolate(scores, x.shape[2:], mode="bilinear")
