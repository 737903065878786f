"""What a learner's training function is tried on: a tiny network, two small batches, an optimizer.

A case whose `measure` names one of these functions runs through it: it gets the learner's function
and the case's arguments, sets the stage, and returns as plain data what happened on it. It holds
nothing to judge by, so it may run beside a learner's code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Step = Callable[[Any, Any, Any], Any]


def weights_after(train: Step, model: str, loader: str, optimizer: str) -> npt.NDArray[Any]:
    """All parameters of the network after `train` ran on it, in one row."""
    network, *_ = _run(train, model, loader, optimizer)
    return np.concatenate([p.detach().numpy().ravel() for p in network.parameters()])


def statistics_after(train: Step, model: str, loader: str, optimizer: str) -> npt.NDArray[Any]:
    """The running values of the network's norms after `train`: they move in training mode alone."""
    network, *_ = _run(train, model, loader, optimizer)
    return np.concatenate([b.numpy().ravel() for b in network.buffers()])


def left_in_training_mode(train: Step, model: str, loader: str, optimizer: str) -> bool:
    """Whether the network and all of its layers are in training mode after `train`."""
    network, *_ = _run(train, model, loader, optimizer)
    return all(layer.training for layer in network.modules())


def returned(train: Step, model: str, loader: str, optimizer: str) -> Any:
    """What `train` itself returns."""
    return _run(train, model, loader, optimizer)[1]


def _run(train: Step, model: str, loader: str, optimizer: str) -> tuple[Any, Any]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = _network(model)
        batches = _batches(loader)
        stepper = _optimizer(optimizer, network)
        torch.manual_seed(1)  # for dropout
        result = train(network, batches, stepper)
    return network, result


def _network(description: str) -> Any:
    """A network for (N, 1, 4, 4) with three classes; "in eval mode" hands it over in that mode."""
    from torch import nn

    layers: list[Any] = [nn.Conv2d(1, 4, 3)]
    if "BatchNorm" in description:
        layers.append(nn.BatchNorm2d(4))
    layers += [nn.ReLU(), nn.Flatten()]
    if "dropout" in description:
        layers.append(nn.Dropout(0.5))
    network = nn.Sequential(*layers, nn.Linear(16, 3))
    return network.eval() if "eval" in description else network


def _batches(description: str) -> Any:
    """A DataLoader; the description begins with its images and the size of its batches."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    n_images, batch_size = (int(word) for word in description.split() if word.isdecimal())
    rng = np.random.default_rng(n_images)
    targets = rng.integers(0, 3, n_images)
    images = rng.normal(targets[:, None, None, None], 1.0, (n_images, 1, 4, 4))
    # Its own generator: starting it must not move the one that dropout draws from.
    return DataLoader(
        TensorDataset(torch.from_numpy(images.astype(np.float32)), torch.from_numpy(targets)),
        batch_size=batch_size,
        generator=torch.Generator(),
    )


def _optimizer(description: str, network: Any) -> Any:
    import torch

    kind, lr, *momentum = description.split()
    settings = {"momentum": 0.9} if momentum else {}
    return getattr(torch.optim, kind)(network.parameters(), lr=float(lr), **settings)
