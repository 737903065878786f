"""AlexNet. Krizhevsky, Sutskever and Hinton, *ImageNet classification with deep convolutional
neural networks*, 2012: https://doi.org/10.1145/3065386

Five convolutions and three fully connected layers, with ReLU, overlapping pooling and dropout. This
is the variant that runs on one GPU, of Krizhevsky 2014: https://arxiv.org/abs/1404.5997
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="alexnet",
        year=2012,
        title="ImageNet classification with deep convolutional neural networks",
        authors="Krizhevsky et al.",
        paper="https://doi.org/10.1145/3065386",
        params=61_100_840,
        gmacs=0.714,
        input=(3, 224, 224),
        top1=57.1,
        top1_source="Caffe's replication of the paper, one crop: "
        "https://github.com/BVLC/caffe/tree/master/models/bvlc_alexnet",
        idea="ReLU, dropout, augmentation and two GPUs let a large network learn from a million "
        "photographs.",
        differs="One tower in place of two halves on two GPUs, with other numbers of channels, and "
        "no local response normalisation.",
    ),
)

CONVOLUTIONS = (
    # channels, kernel, stride, padding, pooled after
    (64, 11, 4, 2, True),
    (192, 5, 1, 2, True),
    (384, 3, 1, 1, False),
    (256, 3, 1, 1, False),
    (256, 3, 1, 1, True),
)


class AlexNet(Net):
    """AlexNet: (N, in_channels, H, W) → (N, num_classes)."""

    def __init__(self, num_classes: int = 1000, in_channels: int = 3) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        c_in = in_channels
        for channels, kernel, stride, padding, pooled in CONVOLUTIONS:
            layers += [nn.Conv2d(c_in, channels, kernel, stride, padding), nn.ReLU()]
            if pooled:
                layers.append(nn.MaxPool2d(3, stride=2))  # windows overlap by a pixel
            c_in = channels
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images; shapes for 224×224."""
        x = self.features(x)  # (N, 256, 6, 6)
        x = self.avgpool(x).flatten(1)  # (N, 9216)
        x = self.classifier(x)  # (N, num_classes)
        return x


def alexnet(num_classes: int = 1000, in_channels: int = 3) -> AlexNet:
    """AlexNet in one tower."""
    return AlexNet(num_classes, in_channels)
