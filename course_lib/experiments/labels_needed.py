"""A convolutional network and a small ViT on few real digits: what is the prior worth?

A residual network (`resnet_cifar`, 75,002 parameters) and a transformer (`vit_digits`, 80,290) are
trained from scratch on 50, 200 and 800 of the 8×8 digits of `data.digits`, as many of each class,
with the same optimizer and number of steps. Both get the same budget for tuning: six settings, one
trial each, with 200 labels, judged on training digits that it was not trained on. The best
setting is then used at every number of labels, with other seeds and the test digits. Then the same
again with shifted, turned and scaled copies in training (`data.augment_digits`), and at last, with
all labels and the copies, for five times as many steps.

The results are in `labels_needed.json` beside this file; this command makes them anew, or those
that are missing:

    python -m course_lib.experiments.labels_needed

It takes about eight minutes of one core, and goes on where it was interrupted.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_lib._validate import Array, integer
from course_lib.attention_distance import attention_distance, attention_maps
from course_lib.data import augment_digits
from course_lib.experiments._runs import complete, four_digits, read_rows
from course_lib.experiments.degradation import training_images
from course_lib.nets.digits import vit_digits
from course_lib.nets.resnet_cifar import resnet_cifar

__all__ = [
    "LABELS",
    "NETWORKS",
    "SEEDS",
    "Result",
    "Setting",
    "best",
    "build",
    "load",
    "main",
    "run",
    "subset",
    "train",
    "trials",
]

PATH = Path(__file__).with_suffix(".json")
NETWORKS = ("cnn", "vit")
LABELS = (50, 200, 800)
LONGER = 1500  # steps of the last runs
SEEDS = tuple(range(5))
TUNED_WITH, TUNING_SEEDS = 200, (100,)
HELD_BACK = 400  # training digits that judge a setting while tuning
RATES = (0.001, 0.003, 0.01)
BATCH, WARM_UP = 32, 0.1
MEASURED = 200  # test digits on which attention is measured


@dataclass(frozen=True)
class Setting:
    """A network, its number of labels, and how it is trained.

    `rate` is the highest learning rate of AdamW: it grows over the first tenth of the steps and
    falls along a cosine. `decay` is the weight decay. `positions` is the spread of the ViT's
    positions at the start. With `augment` every batch is shifted, turned and scaled at random. A
    setting for `tuning` is judged on training digits that were held back, not on the test digits.
    """

    network: str
    labels: int
    rate: float
    decay: float = 0.05
    positions: float = 0.3
    augment: bool = False
    tuning: bool = False
    steps: int = 300


@dataclass(frozen=True)
class Result:
    """What one training gave: the mean loss of the last twenty steps, and the accuracy.

    Of a ViT also the distance of attention, (layers, heads) in pixels, before and after training.
    """

    setting: Setting
    seed: int
    loss: float
    accuracy: float
    reach_before: tuple[tuple[float, ...], ...] = ()
    reach_after: tuple[tuple[float, ...], ...] = ()


def trials() -> tuple[Setting, ...]:
    """The settings that are tried while tuning: six for each network.

    Three learning rates, with two values of what matters next: the weight decay of the CNN, the
    ViT's positions.

    >>> [sum(trial.network == name for trial in trials()) for name in NETWORKS]
    [6, 6]
    """
    cnn = [Setting("cnn", TUNED_WITH, r, decay=d, tuning=True) for r in RATES for d in (0.05, 0.5)]
    vit = [
        Setting("vit", TUNED_WITH, r, positions=p, tuning=True) for r in RATES for p in (0.02, 0.3)
    ]
    return (*cnn, *vit)


def best(results: Sequence[Result], network: str) -> Setting:
    """The setting of a network with the highest mean accuracy while tuning (the first of equals).

    >>> best(load(), "vit").positions
    0.3
    """
    found: dict[Setting, list[float]] = {}
    for result in results:
        if result.setting.tuning and result.setting.network == network:
            found.setdefault(result.setting, []).append(result.accuracy)
    if not found:
        raise ValueError(f"results hold no trial of network={network!r}")
    return max(found, key=lambda setting: float(np.mean(found[setting])))


def finals(results: Sequence[Result]) -> tuple[Setting, ...]:
    """The best settings at each number of labels, then with augmentation, then for longer."""
    chosen = [replace(best(results, network), tuning=False) for network in NETWORKS]
    rest = [
        replace(setting, labels=labels, augment=augment)
        for augment in (False, True)
        for labels in LABELS
        for setting in chosen
    ]
    longer = [replace(s, labels=LABELS[-1], augment=True, steps=LONGER) for s in chosen]
    return (*rest, *longer)


def subset(labels: Array, count: int, seed: int) -> tuple[Array, Array]:
    """Places of `count` training digits, as many of each class, and of 400 others.

    With the same seed fewer digits are a part of more.

    Raises ValueError where `count` is no multiple of 10 or a class has not enough.
    """
    if count < 10 or count % 10:
        raise ValueError(f"count (={count}) must be a multiple of 10, at least 10")
    order = np.random.default_rng(seed).permutation(len(labels))
    classes = [order[labels[order] == digit] for digit in range(10)]
    if min(map(len, classes)) < count // 10:
        raise ValueError(f"count (={count}) must leave enough digits of each class")
    chosen = np.concatenate([places[: count // 10] for places in classes])
    others = order[~np.isin(order, chosen)]
    return chosen, others[:HELD_BACK]


def build(setting: Setting, seed: int) -> nn.Module:
    """The network of a setting, with the random weights of a seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if setting.network == "cnn":
            return resnet_cifar(8, in_channels=1)
        if setting.network == "vit":
            return vit_digits(position_std=setting.positions)
    raise ValueError(f"network (={setting.network!r}) must be 'cnn' or 'vit'")


def train(setting: Setting, seed: int) -> Result:
    """Train one network from scratch, and judge it."""
    net = build(setting, seed)
    images, labels = training_images()
    chosen, held_back = subset(labels.numpy(), setting.labels, seed)
    judged = (images[held_back], labels[held_back]) if setting.tuning else training_images("test")
    before = _reach(net, judged[0])
    rng = np.random.default_rng([seed, 1])
    adam = torch.optim.AdamW(net.parameters(), lr=setting.rate, weight_decay=setting.decay)
    plan = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: _share(step, setting.steps))
    losses: list[float] = []
    net.train()
    for _ in range(setting.steps):
        places = rng.choice(chosen, BATCH, replace=False)
        batch = images[places]
        if setting.augment:
            batch = _augmented(batch, rng)
        loss = functional.cross_entropy(net(batch), labels[places])
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        plan.step()
        losses.append(float(loss.detach()))
    net.eval()
    with torch.no_grad():
        right = (net(judged[0]).argmax(dim=1) == judged[1]).float().mean()
    after = _reach(net, judged[0])
    loss_at_the_end = four_digits(float(np.mean(losses[-20:])))
    return Result(setting, seed, loss_at_the_end, four_digits(float(right)), before, after)


def _share(step: int, steps: int) -> float:
    """The learning rate at a step, as a share of the highest."""
    return min((step + 1) / (WARM_UP * steps), 0.5 * (1 + math.cos(math.pi * step / steps)))


def _augmented(batch: Tensor, rng: np.random.Generator) -> Tensor:
    """Augmentation wants digits in [0, 1]: the scale of `training_images` is undone and redone."""
    low, high = batch.min(), batch.max()
    moved = augment_digits(((batch - low) / (high - low)).numpy(), rng)
    return torch.from_numpy(np.asarray(moved, np.float32)) * (high - low) + low


def _reach(net: nn.Module, images: Tensor) -> tuple[tuple[float, ...], ...]:
    if not any(isinstance(layer, nn.Softmax) for layer in net.modules()):
        return ()
    return tuple(
        tuple(
            four_digits(float(d))
            for d in attention_distance(weights, 4, 4, patch=2, extra=1).mean(axis=0)
        )
        for weights in attention_maps(net, images[:MEASURED])
    )


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str] = PATH) -> tuple[Result, ...]:
    """The results in a file: the trials, then the rest, each with its seeds.

    >>> results = load()
    >>> len(results), {result.setting.network for result in results} == set(NETWORKS)
    (82, True)
    """
    return tuple(_from_row(row) for row in read_rows(path))


def _from_row(row: dict[str, Any]) -> Result:
    reach = {key: tuple(map(tuple, row[key])) for key in ("reach_before", "reach_after")}
    return Result(**{**row, **reach, "setting": Setting(**row["setting"])})


def run(
    path: str | os.PathLike[str] = PATH,
    which: Sequence[Setting] | None = None,
    seeds: Sequence[int] | None = None,
    progress: bool = True,
) -> tuple[Result, ...]:
    """Train what a file does not hold yet; every run is saved when it ends.

    Unless `which` says otherwise the trials come first, then what follows from them. `seeds` are
    for all settings alike, unless they are left to the experiment. Returns all of the file's
    results.

    Raises ValueError where `seeds` holds a negative number.
    """
    path = Path(path)
    if which is not None:
        return _run(path, which, SEEDS if seeds is None else seeds, progress)
    tuned = _run(path, trials(), TUNING_SEEDS if seeds is None else seeds, progress)
    return _run(path, finals(tuned), SEEDS if seeds is None else seeds, progress)


def _run(
    path: Path, which: Sequence[Setting], seeds: Sequence[int], progress: bool
) -> tuple[Result, ...]:
    wanted = [(s, integer(seed, "seeds", 0)) for s in which for seed in seeds]
    done = load(path) if path.exists() else ()
    return complete(path, wanted, train, done, progress=progress)


def main() -> None:
    """Make `labels_needed.json`, or what is missing of it."""
    torch.set_num_threads(1)
    results = run()
    print(f"{len(results)} runs are in {PATH}")


if __name__ == "__main__":
    main()
