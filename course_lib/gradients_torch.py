"""How large the gradient is, layer by layer and block by block, in a torch network.

Importing this module loads torch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["block_gains", "gradient_norms", "weight_layers"]


def weight_layers(model: nn.Module) -> list[nn.Module]:
    """The convolutions and linear layers of a network, in module order.

    >>> weight_layers(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()))
    [Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))]
    """
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


def gradient_norms(model: nn.Module, loss: Tensor) -> list[float]:
    """The L2 norm of the loss's gradient by the weight of each convolution and linear layer.

    In module order, biases left out; 0.0 for a weight that does not act on the loss or is frozen.
    No gradient is stored: `weight.grad` stays what it was. The loss cannot be used again.

    >>> line = nn.Linear(2, 1, bias=False)
    >>> gradient_norms(line, line(torch.tensor([[3.0, 4.0]])).sum())
    [5.0]
    """
    weights = [_weight(layer) for layer in weight_layers(model)]
    asked = [weight for weight in weights if weight.requires_grad]
    found = torch.autograd.grad(loss, asked, allow_unused=True) if asked else ()
    norms = {id(w): float(g.norm()) for w, g in zip(asked, found, strict=True) if g is not None}
    return [norms.get(id(weight), 0.0) for weight in weights]


def _weight(layer: nn.Module) -> Tensor:
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return weight


def block_gains(blocks: list[nn.Module], loss: Any) -> list[float]:
    """By how much each block changes the size of the gradient on its way back.

    The norm of the gradient by a block's input over that by its output: above 1 the gradient grows
    on its way to the first layer, below 1 it shrinks. `loss` is called without arguments and runs
    the network that holds the `blocks`.

    >>> half = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.constant_(half.weight, 0.5)
    >>> x = torch.ones(1, 1, requires_grad=True)
    >>> block_gains([half], lambda: half(x).sum())
    [0.5]
    """
    seen: dict[int, tuple[Tensor, Tensor]] = {}

    def keep(block: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        seen[id(block)] = (inputs[0], output)

    hooks = [block.register_forward_hook(keep) for block in blocks]
    try:
        value = loss()
    finally:
        for hook in hooks:
            hook.remove()
    ends = [seen[id(block)] for block in blocks]
    tensors = [tensor for pair in ends for tensor in pair]
    gradients = torch.autograd.grad(value, tensors)
    norms = [float(gradient.norm()) for gradient in gradients]
    return [norms[i] / norms[i + 1] if norms[i + 1] else 0.0 for i in range(0, len(norms), 2)]
