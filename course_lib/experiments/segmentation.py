"""U-Net with and without its skip connections: how much of a mask it finds, how sharp its edges.

After Ronneberger, Fischer and Brox, *U-Net*, 2015, at the scale of a laptop. `scenes`: trained on
characters on six photographs, judged on other characters in other fonts on three other
photographs. `coins`: trained on cuts out of the left half of one photograph, judged on the right
half. The results are in `segmentation.json` beside this file; this command makes them anew, or
those that are missing:

    python -m course_lib.experiments.segmentation

It takes about five minutes of one core, and goes on where it was interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from course_lib._validate import choice
from course_lib.data.segmentation import coins, scenes
from course_lib.experiments._runs import complete, four_digits, pairs, place_in, read_rows
from course_lib.masks import boundary_error, iou, mean_iou
from course_lib.nets.unet import UNet

__all__ = [
    "SEEDS",
    "Result",
    "Setting",
    "build",
    "cuts",
    "fit",
    "held_back",
    "load",
    "main",
    "masks_of",
    "prepared",
    "run",
    "settings",
    "train",
]

PATH = Path(__file__).with_suffix(".json")
SIZE, DEPTH, BATCH, RATE = 32, 3, 16, 0.015
TRAINED, EPOCHS, JUDGED = 800, 10, 300  # scenes
CUTS = 160  # out of the left half of the coins, in each epoch
SEEDS = tuple(range(5))


@dataclass(frozen=True)
class Setting:
    """Pictures, "scenes" or "coins"; whether there are skips; the channels of the first level."""

    pictures: str
    skip: bool
    width: int = 8


@dataclass(frozen=True)
class Result:
    """What one training run gave on the pictures held back.

    `mean_iou` is over background and foreground, `iou` of the foreground alone; `boundary_error` is
    the share of wrong pixels among those beside an edge of the true mask. `parameters` counts
    the network's weights.
    """

    setting: Setting
    seed: int
    mean_iou: float
    iou: float
    boundary_error: float
    parameters: int


def settings() -> tuple[Setting, ...]:
    """With skips and without, on the scenes and on the coins.

    >>> len(settings())
    4
    """
    return tuple(
        Setting(pictures, skip) for pictures in ("scenes", "coins") for skip in (True, False)
    )


def build(setting: Setting, seed: int) -> UNet:
    """The network of a setting, with the random weights of a seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(1, 2, setting.width, DEPTH, setting.skip)


def held_back(pictures: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """The images (N, 1, H, W) and masks (N, H, W) that a kind of pictures is judged on."""
    choice(pictures, "pictures", ("scenes", "coins"))
    if pictures == "scenes":
        return tuple(scenes("test", JUDGED, size=SIZE))  # type: ignore[return-value]
    image, mask = coins("right")
    return image[None, None], mask[None]


def train(setting: Setting, seed: int) -> Result:
    """Train the network of a setting and judge it on what was held back."""
    net = build(setting, seed)
    if setting.pictures == "scenes":
        images, masks = scenes("train", TRAINED, seed=seed, size=SIZE)
    else:
        images, masks = cuts(CUTS, seed)
    fit(net, prepared(setting.pictures, images), masks, EPOCHS, seed)
    images, truth = held_back(setting.pictures)
    found = masks_of(net, prepared(setting.pictures, images))
    return Result(
        setting,
        seed,
        four_digits(mean_iou(found, truth)),
        four_digits(iou(found, truth)),
        four_digits(boundary_error(found, truth)),
        sum(weight.numel() for weight in net.parameters()),
    )


def fit(
    net: UNet,
    images: npt.NDArray[np.float32],
    masks: npt.NDArray[np.int64],
    epochs: int,
    seed: int = 0,
    rate: float = RATE,
) -> list[float]:
    """Train in place by AdamW on batches of 16, the rate rising and then falling to nothing.

    Returns the training loss of each step.
    """
    xs, ys = torch.from_numpy(images), torch.from_numpy(masks)
    rng = np.random.default_rng(seed)
    batches = max(1, len(xs) // BATCH)
    adam = torch.optim.AdamW(net.parameters(), lr=rate)
    plan = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=epochs * batches)
    losses: list[float] = []
    net.train()
    for _ in range(epochs):
        order = torch.from_numpy(rng.permutation(len(xs)))
        for step in range(batches):
            batch = order[step * BATCH : (step + 1) * BATCH]
            loss = functional.cross_entropy(net(xs[batch]), ys[batch])
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            plan.step()
            losses.append(float(loss.detach()))
    net.eval()
    return losses


@torch.no_grad()
def masks_of(net: UNet, images: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """The label with the largest logit at each pixel: (N, 1, H, W) → (N, H, W).

    Images whose sides 2**depth does not divide are padded by their rim, and cut again.
    """
    height, width = images.shape[2:]
    step = 2**net.depth
    rim = [(0, 0), (0, 0), (0, -height % step), (0, -width % step)]
    wide = torch.from_numpy(np.pad(images, rim, mode="edge"))
    net.eval()
    found = [net(part).argmax(dim=1) for part in torch.split(wide, 64)]
    return torch.cat(found)[:, :height, :width].numpy()


def prepared(pictures: str, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Images as the networks get them, (N, 1, H, W) → the same shape.

    Each scene gets mean 0 and deviation about 1, whatever light falls on it. The light on the coins
    is everywhere the same, and brightness tells them from the table: only 0.5 is taken off.
    """
    choice(pictures, "pictures", ("scenes", "coins"))
    if pictures == "coins":
        return images - np.float32(0.5)
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    spread = images.std(axis=(1, 2, 3), keepdims=True)
    return np.asarray((images - mean) / (spread + np.float32(0.05)))


def cuts(count: int, seed: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """So many random squares out of the left half of the coins, mirrored at random, and masks."""
    image, mask = coins("left")
    rng = np.random.default_rng(seed)
    pair = np.stack([image, mask.astype(np.float32)])
    cuts = np.empty((count, 2, SIZE, SIZE), np.float32)
    for cut in cuts:
        top, left = (int(rng.integers(side - SIZE + 1)) for side in image.shape)
        part = pair[:, top : top + SIZE, left : left + SIZE]
        part = part[:, :: int(rng.choice([1, -1])), :: int(rng.choice([1, -1]))]
        cut[:] = part
    return cuts[:, :1], cuts[:, 1].astype(np.int64)


# ── the file ────────────────────────────────────────────────────────────────────────────────────


def load(path: str | os.PathLike[str] = PATH) -> tuple[Result, ...]:
    """The results in a file, in the order of `settings` and seeds.

    >>> results = load()
    >>> len(results), results[0].setting.skip
    (20, True)
    """
    return tuple(Result(**{**row, "setting": Setting(**row["setting"])}) for row in read_rows(path))


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
        progress=progress,
    )


def main() -> None:
    """Make `segmentation.json`, or what is missing of it."""
    torch.set_num_threads(1)
    results = run()
    print(f"{len(results)} runs are in {PATH}")


if __name__ == "__main__":
    main()
