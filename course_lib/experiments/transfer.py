"""A backbone that reads print, carried to handwritten digits: what is it worth, and used how?

The course's own backbone (see `pretrain`) gets a new head and 1, 5, 20 or 100 labelled digits of
each class. It is left frozen, fine-tuned in part or in full, or fine-tuned at far too large a rate;
beside it, the same network learns from scratch. The parts of the usual recipe are added one at a
time. The results are in `transfer.json` beside this file; this command makes them anew, or those
that are missing:

    python -m course_lib.experiments.transfer

It takes about ten minutes of one core, and goes on where it was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import CosineAnnealingLR

from course_lib._validate import Array, choice, integer
from course_lib.data import augment, digits
from course_lib.experiments import pretrain
from course_lib.experiments._runs import complete, pairs, place_in, read_rows
from course_lib.nets.resnet_cifar import CifarResNet
from course_lib.transfer import (
    freeze,
    layerwise_lr_groups,
    load_backbone,
    replace_head,
)

__all__ = [
    "LABELS",
    "SEEDS",
    "STRATEGIES",
    "Result",
    "Setting",
    "accuracies",
    "draw",
    "load",
    "main",
    "run",
    "settings",
    "train",
]

PATH = Path(__file__).with_suffix(".json")
STRATEGIES = ("scratch", "frozen", "partly", "full", "too fast")
LABELS = (1, 5, 20, 100)
SEEDS = tuple(range(5))
CLASSES, BATCH = 10, 32
HEAD_STEPS, HEAD_RATE = 150, 1e-2
STEPS = {1: 80, 5: 80, 20: 160, 100: 160}
RATES = {"scratch": 5e-3, "partly": 1e-3, "full": 1e-3, "too fast": 5e-2}
WEIGHT_DECAY = 0.01


@dataclass(frozen=True)
class Setting:
    """How the digits are learned, from so many labels of each class.

    "scratch" trains all from random weights. The others start with the pretrained body and train
    the new head alone: "frozen" stops there, "partly" goes on with the last stage and the head,
    "full" with everything, "too fast" with everything at fifty times the rate.

    `decay` is that of `layerwise_lr_groups` (1: one rate for all), `smoothing` and `mixup` are the
    amounts of label smoothing and mixup (0: none), `augmented` bends and moves the digits.
    `norm_moves` leaves the pretrained BatchNorm in training mode, where it normalises by the batch
    and its running values move; otherwise it keeps what it learned on letters.
    """

    strategy: str
    labels: int
    decay: float = 1.0
    smoothing: float = 0.0
    mixup: float = 0.0
    augmented: bool = False
    norm_moves: bool = False


@dataclass(frozen=True)
class Result:
    """The share of the digits held back that one run reads right."""

    setting: Setting
    seed: int
    accuracy: float


def settings() -> tuple[Setting, ...]:
    """All settings: every strategy at every number of labels, then one thing changed at a time.

    >>> len(settings())
    28
    """
    grid = [Setting(strategy, labels) for labels in LABELS for strategy in STRATEGIES]
    five = Setting("full", 5)
    changes: list[dict[str, Any]] = [
        {"decay": 0.6},
        {"smoothing": 0.1},
        {"mixup": 0.2},
        {"augmented": True},
        {"norm_moves": True},
        {"strategy": "frozen", "norm_moves": True},
        {"strategy": "frozen", "augmented": True},
        {"strategy": "scratch", "augmented": True},
    ]
    return (*grid, *(replace(five, **change) for change in changes))


def draw(labels: int, seed: int) -> tuple[Array, Array]:
    """So many training digits of each class, drawn by a seed: (10·labels, 8, 8) and their labels.

    >>> images, classes = draw(5, seed=0)
    >>> images.shape, [int(n) for n in np.bincount(classes)]
    ((50, 8, 8), [5, 5, 5, 5, 5, 5, 5, 5, 5, 5])
    """
    labels = integer(labels, "labels", at_least=1)
    images, classes = digits("train")
    rng = np.random.default_rng([seed, labels])
    chosen = [rng.choice(np.flatnonzero(classes == c), labels, False) for c in range(CLASSES)]
    order = np.concatenate(chosen)
    return images[order], classes[order]


def train(setting: Setting, seed: int) -> Result:
    """Learn the digits of a draw in one way, and read those held back.

    Raises ValueError for an unknown strategy.
    """
    choice(setting.strategy, "strategy", STRATEGIES)
    images, classes = draw(setting.labels, seed)
    rng = np.random.default_rng(seed)
    model = _network(setting.strategy, seed)
    if setting.strategy != "scratch":
        freeze(model)
        _learn(model, setting, images, classes, rng, HEAD_STEPS, HEAD_RATE)
    if setting.strategy != "frozen":
        model.requires_grad_(True)
        if setting.strategy == "partly":
            freeze(model)
            model.layer3.requires_grad_(True)
        steps = STEPS.get(setting.labels, max(STEPS.values()))
        _learn(model, setting, images, classes, rng, steps, RATES[setting.strategy])
    held_back, truth = digits("test")
    model.eval()
    with torch.no_grad():
        found = model(_scaled(held_back)).argmax(1).numpy()
    return Result(setting, seed, round(float(np.mean(found == truth)), 4))


def _network(strategy: str, seed: int) -> CifarResNet:
    """With a new head: random all over, or with the weights from the letters."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = pretrain.backbone() if strategy == "scratch" else load_backbone("letters").model
        replace_head(model, CLASSES)
    assert isinstance(model, CifarResNet)
    return model


def _scaled(images: Array) -> Tensor:
    """(N, 8, 8) as the backbone expects it, (N, 1, 8, 8): as its preprocessing, but all at once."""
    tensor = torch.from_numpy(np.asarray(images, dtype=np.float32))[:, None]
    return (tensor - pretrain.MEAN) / pretrain.DEVIATION


def _learn(
    model: CifarResNet,
    setting: Setting,
    images: Array,
    classes: Array,
    rng: np.random.Generator,
    steps: int,
    rate: float,
) -> None:
    """Some steps of AdamW, the rate falling to zero along a cosine."""
    model.train(setting.strategy == "scratch" or setting.norm_moves)
    learned = [p for p in model.parameters() if p.requires_grad]
    groups: Any = learned
    if setting.decay != 1 and len(learned) > 2:  # more than the head's weight and bias
        groups = layerwise_lr_groups(model, rate, setting.decay)
    optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=WEIGHT_DECAY)
    plan = CosineAnnealingLR(optimizer, steps)
    targets = np.eye(CLASSES, dtype=np.float32)[classes]
    forward = _forward(model, setting, images, head_alone=len(learned) == 2)
    for _ in range(steps):
        batch = rng.permutation(len(images))[:BATCH]
        wanted = torch.from_numpy(targets[batch])
        loss = _loss(forward, batch, wanted, setting, rng)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        plan.step()


Forward = Callable[[Array, np.random.Generator, float, Array], Tensor]


def _forward(model: CifarResNet, setting: Setting, images: Array, head_alone: bool) -> Forward:
    """Logits of a batch, its images blended with their partners as mixup asks.

    Where the head alone learns from images that do not change, the body runs once for all.
    """
    if head_alone and not (setting.augmented or setting.norm_moves or setting.mixup):
        with torch.no_grad():
            features = _features(model, _scaled(images))

        def from_features(batch: Array, *_: Any) -> Tensor:
            logits: Tensor = model.fc(features[torch.from_numpy(batch)])
            return logits

        return from_features

    def from_images(batch: Array, rng: np.random.Generator, share: float, partner: Array) -> Tensor:
        pictures = images[batch][:, None]
        if setting.augmented:
            pictures = augment.augment_digits(augment.elastic(pictures, rng, 0.04), rng)
        pictures = share * pictures + (1 - share) * pictures[partner]
        logits: Tensor = model(_scaled(pictures[:, 0]))
        return logits

    return from_images


def _features(model: CifarResNet, images: Tensor) -> Tensor:
    head, model.fc = model.fc, nn.Identity()  # type: ignore[assignment]
    features: Tensor = model(images)
    model.fc = head
    return features


def _loss(
    forward: Forward, batch: Array, targets: Tensor, setting: Setting, rng: np.random.Generator
) -> Tensor:
    share, partner = 1.0, np.arange(len(batch))
    if setting.mixup:
        share, partner = float(rng.beta(setting.mixup, setting.mixup)), rng.permutation(len(batch))
    wanted = share * targets + (1 - share) * targets[torch.from_numpy(partner)]
    logits = forward(batch, rng, share, partner)
    return functional.cross_entropy(logits, wanted, label_smoothing=setting.smoothing)


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str] = PATH) -> tuple[Result, ...]:
    """The results in a file, in the order of `settings` and seeds.

    >>> results = load()
    >>> len(results), results[0].setting.strategy
    (140, 'scratch')
    """
    return tuple(Result(**{**row, "setting": Setting(**row["setting"])}) for row in read_rows(path))


def accuracies(results: Sequence[Result], setting: Setting) -> Array:
    """The accuracies of one setting, a number for each seed.

    >>> accuracies(load(), Setting("frozen", 5)).shape
    (5,)
    """
    return np.array([r.accuracy for r in results if r.setting == setting])


def run(
    path: str | os.PathLike[str] = PATH,
    which: Sequence[Setting] | None = None,
    seeds: Sequence[int] = SEEDS,
    progress: bool = True,
) -> tuple[Result, ...]:
    """Do what a file does not hold yet, seed after seed; every run is saved when it ends.

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
        name="runs",
        progress=progress,
    )


def main() -> None:
    """Make `transfer.json`, or what is missing of it."""
    torch.set_num_threads(1)
    results = run()
    print(f"{len(results)} runs are in {PATH}")


if __name__ == "__main__":
    main()
