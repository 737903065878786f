"""Plain and residual networks of growing depth on real digits: does depth hurt, and what helps?

After He, Zhang, Ren and Sun, *Deep residual learning for image recognition*, 2015, section 4.2, at
the scale of a laptop: `resnet_cifar` of width 8 on the 8×8 digits of `data.digits`. The results
are in `degradation.json` beside this file; this command makes them anew, or those that are missing:

    python -m course_lib.experiments.degradation

It takes about a quarter of an hour of one core, and goes on where it was interrupted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib.data import digits
from course_lib.experiments._runs import complete, four_digits, pairs, place_in, read_rows
from course_lib.gradients_torch import gradient_norms
from course_lib.nets.resnet_cifar import CifarBlock, CifarResNet, resnet_cifar

__all__ = [
    "DEPTHS",
    "SEEDS",
    "Result",
    "Setting",
    "build",
    "load",
    "main",
    "run",
    "settings",
    "train",
    "training_images",
]

PATH = Path(__file__).with_suffix(".json")
WIDTH, BATCH, MOMENTUM = 8, 64, 0.9
EVERY = 10  # steps that one number of a loss curve stands for
LAST = 20  # steps at the end that the final loss is the mean of
MEASURED = 256  # images on which gradients are measured
DEPTHS = (8, 20, 32, 56)
SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Setting:
    """One network and how it is trained.

    `skip` and `norm` as in `resnet_cifar`. With `zero_last` the last convolution of each block
    starts at zero, so that F(x) = 0 at first. `rate` is the learning rate.
    """

    depth: int
    skip: bool
    norm: bool
    zero_last: bool = False
    rate: float = 0.02
    steps: int = 300


@dataclass(frozen=True)
class Result:
    """What one training run gave.

    `losses` has the mean training loss of each ten steps, `loss` that of the last twenty;
    `accuracy` is on the digits held back. `norms_before` and `norms_after` are `gradient_norms`
    on 256 training images, before the first step and after the last. A run whose loss was no longer
    finite ends there, `diverged`: its `loss` is infinite, its accuracy 0.1 (a guess), and
    `norms_after` is empty.
    """

    setting: Setting
    seed: int
    losses: tuple[float, ...]
    loss: float
    accuracy: float
    norms_before: tuple[float, ...]
    norms_after: tuple[float, ...]
    diverged: bool = False


def settings() -> tuple[Setting, ...]:
    """All settings of the experiment, the quick ones first.

    With and without BatchNorm, plain and residual, each at four depths; residual without BatchNorm
    and F = 0 at the start; and, to rule out easy excuses for the deepest plain network with
    BatchNorm, two other learning rates and three times as many steps.

    >>> len(settings())
    23
    """
    grid = [
        Setting(depth, skip, norm)
        for depth in DEPTHS
        for norm in (True, False)
        for skip in (False, True)
    ]
    grid += [Setting(depth, skip=True, norm=False, zero_last=True) for depth in DEPTHS]
    deepest = DEPTHS[-1]
    grid += [Setting(deepest, skip=False, norm=True, rate=rate) for rate in (0.005, 0.1)]
    return (*grid, Setting(deepest, skip=False, norm=True, steps=900))


def training_images(split: str = "train") -> tuple[Tensor, Tensor]:
    """Digits (N, 1, 8, 8), with mean 0 and deviation 1 over the training part, and labels (N,)."""
    images, labels = digits(split)
    reference = digits("train").images
    scaled = (images - reference.mean()) / reference.std()
    return torch.from_numpy(scaled)[:, None], torch.from_numpy(labels)


def build(setting: Setting, seed: int, width: int = WIDTH) -> CifarResNet:
    """The network of a setting, with the random weights of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = resnet_cifar(setting.depth, setting.skip, setting.norm, in_channels=1, width=width)
    if setting.zero_last:
        for block in net.modules():
            if isinstance(block, CifarBlock):
                nn.init.zeros_(block.conv2.weight)
    return net


def train(setting: Setting, seed: int, net: CifarResNet | None = None) -> Result:
    """Train one network by SGD with momentum on batches of 64; gradients before and after.

    `net` is trained in place; unless given it is `build(setting, seed)`.
    """
    net = build(setting, seed) if net is None else net
    images, labels = training_images()
    rng = np.random.default_rng(seed)
    sgd = torch.optim.SGD(net.parameters(), lr=setting.rate, momentum=MOMENTUM)
    before = _norms(net, images, labels)
    losses: list[float] = []
    for _ in range(setting.steps):
        batch = torch.from_numpy(rng.integers(0, len(images), BATCH))
        loss = functional.cross_entropy(net(images[batch]), labels[batch])
        if not torch.isfinite(loss):
            return Result(setting, seed, _smooth(losses), math.inf, 0.1, before, (), True)
        sgd.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        sgd.step()
        losses.append(float(loss.detach()))
    return Result(
        setting,
        seed,
        _smooth(losses),
        four_digits(float(np.mean(losses[-LAST:]))),
        four_digits(_accuracy(net)),
        before,
        _norms(net, images, labels),
    )


def _norms(net: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, ...]:
    """Gradient norms in training mode; the running statistics stay as they were."""
    buffers = {name: value.clone() for name, value in net.named_buffers()}
    net.train()
    loss = functional.cross_entropy(net(images[:MEASURED]), labels[:MEASURED])
    norms = gradient_norms(net, loss)
    with torch.no_grad():
        for name, value in net.named_buffers():
            value.copy_(buffers[name])
    return tuple(four_digits(norm) for norm in norms)


def _accuracy(net: nn.Module) -> float:
    images, labels = training_images("test")
    net.eval()
    with torch.no_grad():
        right = net(images).argmax(dim=1) == labels
    net.train()
    return float(right.float().mean())


def _smooth(losses: Sequence[float]) -> tuple[float, ...]:
    whole = len(losses) // EVERY * EVERY
    means = np.reshape(losses[:whole], (-1, EVERY)).mean(axis=1)
    return tuple(four_digits(float(mean)) for mean in means)


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str] = PATH) -> tuple[Result, ...]:
    """The results in a file, in the order of `settings` and seeds.

    >>> results = load()
    >>> len(results), results[0].setting.depth
    (115, 8)
    """
    return tuple(_from_row(row) for row in read_rows(path))


def _to_row(result: Result) -> dict[str, Any]:
    row = asdict(result)
    row["loss"] = None if result.diverged else result.loss  # JSON has no infinity
    return row


def _from_row(row: dict[str, Any]) -> Result:
    lists = {name: tuple(row[name]) for name in ("losses", "norms_before", "norms_after")}
    loss = math.inf if row["loss"] is None else row["loss"]
    return Result(**{**row, **lists, "loss": loss, "setting": Setting(**row["setting"])})


def run(
    path: str | os.PathLike[str] = PATH,
    which: Sequence[Setting] | None = None,
    seeds: Sequence[int] = SEEDS,
    progress: bool = True,
) -> tuple[Result, ...]:
    """Train what a file does not hold yet, seed after seed; every run is saved when it ends.

    `which` are the settings, all of them unless said. Returns all of the file's results.

    Raises ValueError where `seeds` holds a negative number.
    """
    path = Path(path)
    return complete(
        path,
        pairs(which or settings(), seeds),
        train,
        load(path) if path.exists() else (),
        order=place_in(settings()),
        row=_to_row,
        progress=progress,
    )


def main() -> None:
    """Make `degradation.json`, or what is missing of it."""
    torch.set_num_threads(1)
    results = run()
    print(f"{len(results)} runs are in {PATH}")


if __name__ == "__main__":
    main()
