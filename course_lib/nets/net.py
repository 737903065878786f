"""What the networks have in common: the facts about one, and words for an image that does not fit.

A network is a `torch.nn.Module` that derives from `Net`. Where an image cannot go through it, `Net`
says which layer stopped it, what reached that layer, and the smallest image that works; on images
that fit it does nothing at all, so that tracing, exporting and counting see the plain network.
"""

from __future__ import annotations

import copy
from bisect import bisect_left
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn

# The largest default input is 600 pixels (EfficientNet-B7): a network that takes no image up to
# this size is not too small a one's fault.
LARGEST_TRIED = 640


@dataclass(frozen=True)
class NetInfo:
    """What is known of a published network; `params` and `gmacs` are those of this library's."""

    name: str
    """The name that `create` takes, and of the function that builds it."""
    year: int
    """Of the paper's first appearance."""
    title: str
    authors: str
    """As in "LeCun et al."."""
    paper: str
    """Where it is found: a doi or arXiv address."""
    params: int
    """Weights and biases, of the default network."""
    gmacs: float | None
    """Multiply-adds of one image of the default size, in thousand millions (GFLOPs / 2)."""
    input: tuple[int, int, int]
    """The default input, (channels, height, width)."""
    top1: float | None
    """Published top-1 accuracy in per cent; on ImageNet's validation set unless the source says
    otherwise."""
    top1_source: str
    """Where the accuracy is published and how it was measured; "" where there is none."""
    idea: str
    """One sentence."""
    differs: str = ""
    """How this network differs from the paper's, one sentence; "" where it does not."""


class Net(nn.Module):
    """A network from images (N, C, H, W) to logits (N, classes)."""

    def __call__(self, x: Tensor) -> Tensor:
        """The logits of a batch of images.

        Raises ValueError where the images do not fit: it names the layer, what reached it, and the
        smallest image that works.
        """
        try:
            logits: Tensor = super().__call__(x)
        except (RuntimeError, AssertionError) as error:
            misfit = _misfit(self, tuple(x.shape))
            if misfit is None:  # something else went wrong
                raise
            raise ValueError(misfit) from error
        return logits

    @staticmethod
    def published_key(key: str) -> str | None:
        """The name here of a weight in the published file; None for one that is not used here."""
        return key


def smallest_square(net: Net, channels: int, limit: int = LARGEST_TRIED) -> int | None:
    """The smallest n for which images of `channels` x n x n go through; None if none up to `limit`.

    Tried on the meta device, where nothing is computed, in eval mode: with BatchNorm, training
    needs two values or more for each channel besides.
    """
    twin = _on_meta(net)

    def works(n: int) -> bool:
        return _stop(twin, (1, channels, n, n)) is None

    enough = 1
    while enough <= limit and not works(enough):
        enough *= 2
    if enough > limit:  # maybe one that takes a single size, and that no power of two
        return next((n for n in range(1, limit + 1) if works(n)), None)
    return bisect_left(range(enough), True, lo=enough // 2 + 1, key=works)


def _misfit(net: Net, shape: tuple[int, ...]) -> str | None:
    """What is wrong with images of this shape, in a sentence; None if they go through."""
    kind = type(net).__name__
    if len(shape) != 4:
        return f"x has shape {shape}, {kind} takes images of shape (N, C, H, W)"
    stop = _stop(_on_meta(net), shape)
    if stop is None:
        return None
    name, layer, got = stop
    where = f"layer {name} of {kind}, a {type(layer).__name__}"
    wanted = getattr(layer, "in_channels", None)
    if wanted is not None and got[1] != wanted:
        return f"{where} of in_channels={wanted}, got {got[1]} channels: its input has shape {got}"
    smallest = smallest_square(net, shape[1])
    return (
        f"{where}, cannot take the shape {got} that an image of {shape[2]}×{shape[3]} comes to"
        + (f": the smallest input that works is {smallest}×{smallest}" if smallest else "")
    )


def _on_meta(net: Net) -> Net:
    """A copy of the network, in eval mode, whose weights are shapes without numbers."""
    tensors = chain(net.parameters(), net.buffers())
    shapes = {id(t): torch.empty_like(t, device="meta") for t in tensors}
    twin = copy.deepcopy(net, shapes)  # a tensor that deepcopy finds there it does not copy
    for part in twin.modules():  # nobody's hooks should see the trial
        part._forward_hooks.clear()
        part._forward_pre_hooks.clear()
    return twin.eval()


Stop = tuple[str, nn.Module, tuple[int, ...]]
"""The name of a layer, the layer, and the shape that it could not take."""


def _stop(twin: Net, shape: tuple[int, ...]) -> Stop | None:
    """Where images of this shape get stuck, or None if they go through."""
    entered: list[Stop] = []
    hooks = [
        layer.register_forward_pre_hook(
            lambda layer, inputs, name=name: entered.append((name, layer, tuple(inputs[0].shape)))
        )
        for name, layer in twin.named_modules()
        if next(layer.children(), None) is None
    ]
    dtype = next(twin.parameters()).dtype
    try:
        with torch.no_grad():
            twin.forward(torch.empty(shape, dtype=dtype, device="meta"))
    except (RuntimeError, AssertionError, ValueError):
        return entered[-1] if entered else ("", twin, shape)
    finally:
        for hook in hooks:
            hook.remove()
    return None
