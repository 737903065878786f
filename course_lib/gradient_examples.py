"""Small networks with a loss, to try `gradient_norms` and parameter counts on.

`example_model` builds one and remembers it; `example_loss` runs the one that was built last. So the
two can be made one after the other, by name, and belong together. Importing this loads torch.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_lib._validate import choice, integer
from course_lib.nets.resnet_cifar import resnet_cifar

__all__ = ["KINDS", "example_loss", "example_model"]

SIDE, CLASSES, BATCH = 6, 5, 4


def _stack() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 3, 3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16, CLASSES),
    )


def _normed() -> nn.Sequential:
    block = nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(block, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, CLASSES))


def _frozen() -> nn.Sequential:
    net = _stack()
    for parameter in net[0].parameters():
        parameter.requires_grad_(False)
    return net


def _stale() -> nn.Sequential:
    net = _stack()
    _loss(net, seed=1).backward()  # type: ignore[no-untyped-call]
    return net


class _HeadFirst(nn.Module):
    """Its layers are registered in another order than they work in."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, CLASSES)
        self.body = nn.ModuleList([nn.Conv2d(2, 3, 3), nn.Conv2d(1, 2, 3)])

    def forward(self, x: Tensor) -> Tensor:
        for conv in reversed(self.body):
            x = torch.relu(conv(x))
        logits: Tensor = self.head(x.mean(dim=(2, 3)))
        return logits


class _Unused(nn.Module):
    """One of its convolutions does nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 3, 3)
        self.spare = nn.Conv2d(3, 3, 3)
        self.last = nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.last(torch.relu(self.first(x)).mean(dim=(2, 3)))
        return logits


class _Scaled(nn.Module):
    """A block with a parameter of its own beside its layers, as ConvNeXt's."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3, 1, 1))
        self.conv = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.scale * self.conv(x)
        return out


def _scaled() -> nn.Sequential:
    blocks = nn.Sequential(_Scaled(), _Scaled())
    return nn.Sequential(
        nn.Conv2d(1, 3, 2), blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, CLASSES)
    )


KINDS: dict[str, Callable[[], nn.Module]] = {
    "stack": _stack,
    "normed": _normed,
    "residual": lambda: resnet_cifar(8, num_classes=CLASSES, in_channels=1, width=2),
    "head first": _HeadFirst,
    "scaled": _scaled,
    "frozen": _frozen,
    "unused": _Unused,
    "stale": _stale,
}
_built: dict[tuple[str, int], nn.Module] = {}


def example_model(kind: str, seed: int = 0) -> nn.Module:
    """A small network with random weights, for images (N, 1, 6, 6) and five classes.

    `kind` is one of `KINDS`: "frozen" has a first convolution that does not learn, "unused" one
    that does not act, and "stale" holds the gradients of another loss.

    >>> example_model("stack")[0]
    Conv2d(1, 3, kernel_size=(3, 3), stride=(1, 1))
    """
    choice(kind, "kind", tuple(KINDS))
    seed = integer(seed, "seed", at_least=0)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        _built[kind, seed] = KINDS[kind]()
    return _built[kind, seed]


def example_loss(kind: str, seed: int = 0) -> Tensor:
    """The loss of the network that `example_model` built last for these arguments.

    >>> model = example_model("stack")
    >>> loss = example_loss("stack")
    >>> loss.backward()
    >>> model[0].weight.grad.shape
    torch.Size([3, 1, 3, 3])
    """
    if (kind, seed) not in _built:
        example_model(kind, seed)
    return _loss(_built[kind, seed], seed=0)


def _loss(model: nn.Module, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(BATCH, 1, SIDE, SIDE, generator=generator)
    labels = torch.randint(0, CLASSES, (BATCH,), generator=generator)
    return nn.functional.cross_entropy(model(images), labels)
