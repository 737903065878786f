"""What a learner's transfer functions are tried on: networks by description, and many mixups.

A case whose `measure` names one of these functions runs through it, as with `trials`. It holds
nothing to judge by, so it may run beside a learner's code.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

PLAIN = "convolutions, then a linear layer"
NESTED = "a classifier of two linear layers"
GATED = "linear layers inside, too"
BEHIND = "something behind the head"
FROZEN = "everything frozen"


def network(description: str) -> Any:
    """A small network for (N, 1, 4, 4) with five classes, the same weights each time."""
    import torch
    from torch import nn

    class Gated(nn.Module):
        """Its gate is a linear layer of the body; its head is called `output`."""

        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(16, 4)
            self.conv = nn.Conv2d(1, 4, 3, padding=1)
            self.norm = nn.BatchNorm2d(4)
            self.output = nn.Linear(4, 5)

        def forward(self, x: Any) -> Any:
            gate = torch.sigmoid(self.gate(x.flatten(1)))
            maps = torch.relu(self.norm(self.conv(x)))
            return self.output(maps.mean((2, 3)) * gate)

    def body() -> list[tuple[str, Any]]:
        return [
            ("conv1", nn.Conv2d(1, 3, 3, padding=1, bias=False)),
            ("bn1", nn.BatchNorm2d(3)),
            ("relu", nn.ReLU()),
            ("conv2", nn.Conv2d(3, 4, 3, padding=1)),
            ("pool", nn.AdaptiveAvgPool2d(1)),
            ("flat", nn.Flatten()),
        ]

    def named(*layers: tuple[str, Any]) -> Any:
        from collections import OrderedDict

        return nn.Sequential(OrderedDict(layers))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        if description == GATED:
            return Gated().eval()
        if description == NESTED:
            head = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5))
            return named(*body(), ("classifier", head)).eval()
        if description == BEHIND:
            layers = (("fc", nn.Linear(4, 5)), ("drop", nn.Dropout(0.5)))
            return named(*body(), *layers).eval()
        model = named(*body(), ("fc", nn.Linear(4, 5)))
        return model.eval().requires_grad_(description != FROZEN)


def letters_backbone() -> Any:
    """The course's pretrained network, with its head for letters."""
    from course_lib.transfer import load_backbone

    return load_backbone("letters").model


# ── replace_head ────────────────────────────────────────────────────────────────────────────────


def head_of(replace: Callable[..., Any], description: str, n_classes: int) -> Any:
    """What comes out; how many inputs, outputs and biases the last linear layer has; and whether
    its weights differ from each other.
    """
    import torch
    from torch import nn

    model = _seeded(replace, description, n_classes)
    if not isinstance(model, nn.Module):
        return model
    with torch.no_grad():
        answers = model.eval()(torch.zeros(2, 1, 4, 4))
    head = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    biases = 0 if head.bias is None else len(head.bias)
    sizes = (head.weight.shape[1], head.weight.shape[0], biases)
    return tuple(answers.shape), sizes, bool(head.weight.min() < head.weight.max())


def body_of(replace: Callable[..., Any], description: str, n_classes: int) -> Any:
    """All that the network holds but its last linear layer: one row of numbers, in order."""
    import torch
    from torch import nn

    model = _seeded(replace, description, n_classes)
    if not isinstance(model, nn.Module):
        return model
    head = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    own = {id(parameter) for parameter in head.parameters()}
    held = [*model.parameters(), *model.buffers()]
    rows = [v.detach().double().ravel() for v in held if id(v) not in own]
    return torch.cat(rows).numpy()


def _seeded(replace: Callable[..., Any], description: str, n_classes: int) -> Any:
    """The same random weights for everybody, so that equal mistakes give equal answers."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        return replace(network(description), n_classes)


# ── freeze ──────────────────────────────────────────────────────────────────────────────────────


def learning(freeze: Callable[..., Any], description: str, **kwargs: Any) -> Any:
    """Which parameters of the network get a gradient, by name."""
    from torch import nn

    model = freeze(network(description), **kwargs)
    if not isinstance(model, nn.Module):
        return model
    return {name: bool(p.requires_grad) for name, p in model.named_parameters()}


def weights_of(freeze: Callable[..., Any], description: str, **kwargs: Any) -> Any:
    """All parameters of the network, in one row."""
    import torch
    from torch import nn

    model = freeze(network(description), **kwargs)
    if not isinstance(model, nn.Module):
        return model
    return torch.cat([p.detach().ravel() for p in model.parameters()]).numpy()


# ── layerwise_lr_groups ─────────────────────────────────────────────────────────────────────────


def groups_of(groups: Callable[..., Any], description: str, *args: Any) -> Any:
    """The groups as an optimizer takes them: the rate of each, and its parameters in one row."""
    found = groups(network(description), *args)
    if not isinstance(found, list | tuple) or not all(isinstance(group, dict) for group in found):
        return found
    read = []
    for group in found:
        parameters = group.get("params", ())
        if hasattr(parameters, "requires_grad"):  # one parameter, which torch takes as well
            parameters = [parameters]
        parameters = [p[1] if isinstance(p, tuple) else p for p in parameters]  # named, as well
        if parameters:
            read.append((group.get("lr"), _sorted(parameters)))
    # The order of the groups is free too: an optimizer does not look at it.
    return sorted(read, key=lambda group: tuple(group[1].tolist()))


def _sorted(parameters: Sequence[Any]) -> Array:
    """The values in order of size: the order of the parameters within a group is free."""
    return np.sort(np.concatenate([p.detach().numpy().ravel() for p in parameters]))


# ── mixup ───────────────────────────────────────────────────────────────────────────────────────


TIMES = 200


def mixed(mixup: Callable[..., Any], x: Array, y: Array, alpha: float, rng: Any) -> Any:
    """What `mixup` returns for the same images 200 times over, one generator for all; then once
    more, with the generator as it was at first.
    """
    fresh = copy.deepcopy(rng)
    found = [mixup(x.copy(), y.copy(), alpha, rng) for _ in range(TIMES)]
    return [*found, mixup(x.copy(), y.copy(), alpha, fresh)]
