"""Makes the weights that `InsideCNN` comes with: LeNet-5, trained on real digits.

    python -m course_lib.explorers.inside_cnn_weights [--check]

writes `inside_cnn.json` beside this file and says how accurate it is; with `--check` it only says
how accurate the file is that is there. Half a minute on one core that has nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from course_lib.data import digits
from course_lib.explorers.inside_cnn_network import (
    SIZE,
    WEIGHTS,
    enlarge,
    forward,
    held_back,
    pack,
    shipped,
    stretch,
    unpack,
)

SEED = 2
EPOCHS = 120
BATCH = 64


def altered(grey: Any, generator: Any) -> Any:
    """A batch of enlarged grey digits (N, 1, 32, 32), each as another hand might have drawn it.

    Turned by up to 15°, slanted, wider or narrower, shifted by up to 4 pixels, drawn with a thicker
    or thinner pen: nothing that makes it another digit.
    """
    import torch
    from torch.nn import functional

    n = len(grey)

    def uniform(low: float, high: float) -> Any:
        return low + (high - low) * torch.rand(n, generator=generator)

    angle, slant = uniform(-0.26, 0.26), uniform(-0.25, 0.25)
    size = uniform(0.65, 1.25)
    width, height = size * uniform(0.9, 1.5), size * uniform(0.9, 1.1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    # From a pixel of the new image to one of the old: turn back, then slant, then resize.
    rows = torch.stack(
        [
            torch.stack([(cos + slant * sin) / width, (slant * cos - sin) / width], dim=1),
            torch.stack([sin / height, cos / height], dim=1),
        ],
        dim=1,
    )  # (N, 2, 2)
    shift = torch.stack([uniform(-4, 4), uniform(-4, 4)], dim=1) * 2 / SIZE  # (N, 2)
    theta = torch.cat([rows, -(rows @ shift[:, :, None])], dim=2)  # (N, 2, 3)
    grid = functional.affine_grid(theta, list(grey.shape), align_corners=False)
    moved = functional.grid_sample(grey, grid, mode="bilinear", align_corners=False)
    threshold, softness = uniform(0.15, 0.6), uniform(0.1, 0.3)
    light = (threshold - softness)[:, None, None, None]
    return ((moved - light) / (2 * softness)[:, None, None, None]).clamp(0, 1)


def train(seed: int = SEED, epochs: int = EPOCHS) -> Any:
    """LeNet-5, trained on the digits that are not held back."""
    import torch
    from torch.nn import functional

    from course_lib.nets import create

    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    images, labels = digits("train")
    x, y = torch.from_numpy(stretch(images)), torch.from_numpy(labels)
    model = create("lenet5")
    steps = -(-len(x) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * steps)
    for _ in range(epochs):
        order: Any = torch.randperm(len(x), generator=generator)
        for batch in order.split(BATCH):
            loss: Any = functional.cross_entropy(
                model(altered(x[batch], generator)), y[batch], label_smoothing=0.02
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model


def accuracy(weights: list[npt.NDArray[np.float32]]) -> tuple[int, int]:
    """How many of the held-back digits are recognised, and how many there are."""
    images, labels = held_back()
    found = forward(weights, enlarge(images))["output"].argmax(axis=1)
    return int((found == labels).sum()), len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="measure the file that is there")
    if not parser.parse_args().check:
        import torch

        torch.set_num_threads(1)
        start = time.perf_counter()
        model = train()
        packed = pack([tensor.numpy() for tensor in model.state_dict().values()])
        right, of = accuracy(unpack(packed))
        data = {
            "about": "LeNet-5 for InsideCNN; python -m course_lib.explorers.inside_cnn_weights",
            "seed": SEED,
            "right": right,
            "of": of,
            "layers": packed,
        }
        WEIGHTS.write_text(json.dumps(data) + "\n", encoding="utf-8")
        print(f"trained for {time.perf_counter() - start:.0f} s")
    right, of = accuracy(unpack(shipped()["layers"]))
    print(f"recognises {right} of {of} held-back digits: {right / of:.1%}")
    print(f"{WEIGHTS.stat().st_size / 1000:.0f} kB in {WEIGHTS.name}")


if __name__ == "__main__":
    main()
