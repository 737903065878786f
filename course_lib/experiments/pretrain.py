"""The course's own backbone: a small residual network that learned to read printed letters.

The network is `resnet_cifar` of depth 8 and width 24, the task the letters of `data.letters`, drawn
anew in each epoch. Its weights are in `pretrain.safetensors` beside this file, what is to be known
of them in `pretrain.json`; this command makes both anew:

    course pretrain

It takes a few minutes of one core, and goes on where it was interrupted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from course_lib._validate import integer
from course_lib.data.letters import CLASSES, FONTS, letters
from course_lib.nets.resnet_cifar import CifarResNet, resnet_cifar
from course_lib.training import evaluate, fit

__all__ = ["EPOCHS", "Drawn", "backbone", "card", "load_card", "main", "run"]

PATH = Path(__file__).with_suffix(".safetensors")
MEAN, DEVIATION, SIZE = 0.31, 0.36, 8  # the letters' own, to two digits
EPOCHS, BATCHES, BATCH, RATE, DECAY, SEED = 40, 32, 128, 4e-3, 0.05, 0
HELD_BACK = 4000
COMMAND = "course pretrain"


def backbone(num_classes: int = len(CLASSES)) -> CifarResNet:
    """The network without its weights: (N, 1, 8, 8) → (N, num_classes), for other sizes as well.

    >>> sum(weight.numel() for weight in backbone().parameters())
    171092
    """
    return resnet_cifar(8, num_classes=num_classes, in_channels=1, width=24)


class Drawn:
    """Batches of letters, new ones in every epoch, as `fit` takes them.

    Each epoch's letters follow from torch's generator, which `fit` seeds by the epoch's number.
    """

    def __init__(self, batches: int = BATCHES, size: int = BATCH) -> None:
        self.batches, self.size = batches, size

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return self.batches

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Pairs of images (size, 1, 8, 8), scaled as the network expects, and labels (size,)."""
        for seed in torch.randint(2**31, (self.batches,)).tolist():
            yield _scaled(*letters("train", self.size, seed))


def _scaled(images: Any, labels: Any) -> tuple[Tensor, Tensor]:
    return (torch.from_numpy(images)[:, None] - MEAN) / DEVIATION, torch.from_numpy(labels)


def run(
    path: str | os.PathLike[str] = PATH,
    epochs: int = EPOCHS,
    batches: int = BATCHES,
    progress: bool = True,
) -> dict[str, Any]:
    """Train the backbone, write its weights and its card, and return the card.

    A file `….part` beside the weights keeps every epoch: where it exists, training goes on from
    there. It is taken away at the end.

    Raises ValueError for fewer than one epoch, or a path that does not end in .safetensors.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"path (={str(path)!r}) must end in .safetensors")
    epochs = integer(epochs, "epochs", at_least=1)
    part = path.with_suffix(".part")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        net = backbone()
    optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
    history = fit(
        net,
        Drawn(batches),
        epochs=epochs,
        optimizer=optimizer,
        scheduler=CosineAnnealingLR(optimizer, epochs),
        seed=SEED,
        device="cpu",
        progress=progress,
        checkpoint=part,
    )
    if history.interrupted:
        raise KeyboardInterrupt
    accuracy = evaluate(net, _scaled(*letters("test", HELD_BACK, SEED)), device="cpu").accuracy
    found = card(accuracy, epochs, batches)
    safetensors.torch.save_file(net.state_dict(), path)
    path.with_suffix(".json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    part.unlink()
    return found


def card(accuracy: float, epochs: int = EPOCHS, batches: int = BATCHES) -> dict[str, Any]:
    """What is to be known of the weights before one uses them: plain data, fit for JSON."""
    return {
        "name": "letters",
        "network": "course_lib.nets.create('resnet_cifar', depth=8, width=24, in_channels=1)",
        "parameters": sum(weight.numel() for weight in backbone().parameters()),
        "task": f"printed letters, {len(CLASSES)} classes; no digit is among them",
        "classes": "".join(CLASSES),
        "data": "course_lib.data.letters: rendered from the fonts that ship with matplotlib, "
        "bent, random affine, at random bolder, averaged from 32×32 to 8×8; drawn anew in each "
        "epoch",
        "fonts": list(FONTS["train"]),
        "recipe": f"{epochs} epochs of {batches * BATCH} letters in batches of {BATCH}, AdamW at "
        f"{RATE} falling to 0 along a cosine, weight decay {DECAY}, cross-entropy",
        "seed": SEED,
        "preprocessing": {"size": SIZE, "channels": 1, "mean": [MEAN], "std": [DEVIATION]},
        "accuracy": round(accuracy, 4),
        "accuracy_on": f"{HELD_BACK} letters in fonts that it was not trained on: "
        + ", ".join(FONTS["test"]),
        "command": COMMAND,
        "limits": "White on black, one letter or digit that fills the image. It has seen print "
        "only, and cannot tell l, I and similar letters of some fonts apart.",
    }


def load_card(path: str | os.PathLike[str] = PATH) -> dict[str, Any]:
    """The card beside a file of weights.

    >>> load_card()["preprocessing"]["size"]
    8
    """
    found: dict[str, Any] = json.loads(Path(path).with_suffix(".json").read_text(encoding="utf-8"))
    return found


def main(path: str | os.PathLike[str] | None = None) -> None:
    """Make the weights and their card, at `path` or as the course's own, or go on with them."""
    torch.set_num_threads(1)
    path = PATH if path is None else path
    found = run(path)
    print(f"{found['accuracy']:.1%} of letters in other fonts are right: weights in {path}")


if __name__ == "__main__":
    main()
