"""LeNet-5. LeCun, Bottou, Bengio and Haffner, *Gradient-based learning applied to document
recognition*, Proceedings of the IEEE 86(11), 1998, section II: https://doi.org/10.1109/5.726791

Two convolutions, each followed by a pooling that halves the grid, and three fully connected
layers; the names are the layers' names in the paper's figure 2 (C1, S2, C3, S4, C5, F6).
"""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.nets.net import Net, NetInfo

INFO = (
    NetInfo(
        name="lenet5",
        year=1998,
        title="Gradient-based learning applied to document recognition",
        authors="LeCun et al.",
        paper="https://doi.org/10.1109/5.726791",
        params=61_706,
        gmacs=0.000417,
        input=(1, 32, 32),
        top1=99.05,
        top1_source="MNIST test set, 0.95 % errors without added distortions (section III.B)",
        idea="Convolution and pooling learn the features, and the whole is trained end to end.",
        differs="ReLU and max pooling in place of scaled tanh and trainable subsampling, each map "
        "of C3 sees all maps of S2, and logits in place of radial basis functions.",
    ),
)


class LeNet5(Net):
    """LeNet-5 in its modern form: (N, 1, 32, 32) → (N, 10)."""

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(in_channels, 6, kernel_size=5)
        self.s2 = nn.MaxPool2d(2)
        self.c3 = nn.Conv2d(6, 16, kernel_size=5)
        self.s4 = nn.MaxPool2d(2)
        self.c5 = nn.Linear(16 * 5 * 5, 120)  # in the paper a 5×5 convolution of a 5×5 map
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, num_classes)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of a batch of images: (N, 1, 32, 32) → (N, num_classes)."""
        x = self.s2(self.relu(self.c1(x)))  # (N, 6, 14, 14)
        x = self.s4(self.relu(self.c3(x)))  # (N, 16, 5, 5)
        x = x.flatten(1)  # (N, 400)
        x = self.relu(self.c5(x))  # (N, 120)
        x = self.relu(self.f6(x))  # (N, 84)
        x = self.output(x)  # (N, num_classes)
        return x


def lenet5(num_classes: int = 10, in_channels: int = 1) -> LeNet5:
    """LeNet-5 for 32×32 images in grey."""
    return LeNet5(num_classes, in_channels)
