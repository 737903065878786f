"""What the units of a torch network see: the field from its graph, the effective one by autograd.

The field of a network says which pixels *can* reach a unit; `receptive_field_of` reads it off the
network's graph. The effective field says how much each of them *does*, for weights as they are.

Source of the effective field: Luo, Li, Urtasun and Zemel, "Understanding the effective receptive
field in deep convolutional neural networks", 2016.

Importing this module does not load torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from course_lib._validate import integer, pair, plane, shown
from course_lib.geometry import ReceptiveField, effective_kernel

if TYPE_CHECKING:
    import torch
    from torch import fx

__all__ = ["effective_receptive_field", "field_width", "random_stack", "receptive_field_of"]


# ── the field, from the graph ───────────────────────────────────────────────────────────────────


class _Span(NamedTuple):
    """What a tensor's units see along an axis: unit i from first + i·jump to last + i·jump."""

    first: int
    last: int
    jump: int


_Spans = tuple[_Span, _Span]  # along the height, along the width

_WINDOWS = ("Conv2d", "MaxPool2d", "AvgPool2d", "LPPool2d")
# Each output of these depends on the input at its own position alone (BatchNorm: in eval mode).
_ACTIVATIONS = ("ELU", "GELU", "Hardswish", "LeakyReLU", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU")
_POINTWISE = (*_ACTIVATIONS, "Sigmoid", "Tanh", "BatchNorm2d", "Dropout", "Dropout2d", "Identity")
_POINTWISE_CALLS = ("relu", "relu_", "gelu", "silu", "sigmoid", "tanh", "dropout", "contiguous")
_MERGING_CALLS = ("add", "iadd", "add_", "mul", "imul", "sub", "cat", "concat")


def receptive_field_of(module: torch.nn.Module) -> tuple[ReceptiveField, ReceptiveField]:
    """The receptive field of a torch module's output units, along (height, width).

    The module's graph is traced with `torch.fx` and the spans are carried along it: a layer with a
    window widens them, and where branches meet (added, multiplied or concatenated) the unit sees
    all that any branch saw, so the longest path decides.

    The module is the part of a network that has a window everywhere: leave out global pooling,
    flattening and the classifier, whose units see the whole image.

    Raises ValueError for a layer whose window is not known here, and where branches of different
    jumps meet.

    >>> import torch
    >>> receptive_field_of(torch.nn.Conv2d(3, 8, kernel_size=(3, 5), stride=2, padding=(1, 0)))
    (ReceptiveField(size=3, jump=2, start=-1), ReceptiveField(size=5, jump=2, start=0))
    """
    import torch

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module (={shown(module)}) must be a torch.nn.Module")
    # A bare layer would be traced into the function it calls: wrapped, it stays a layer.
    traced = torch.fx.symbolic_trace(torch.nn.Sequential(module))
    parts = dict(traced.named_modules())
    seen: dict[Any, _Spans | None] = {}
    for node in traced.graph.nodes:
        inputs = [seen[n] for n in node.all_input_nodes]
        spans = [s for s in inputs if s is not None]
        seen[node] = _follow(node, parts, spans)
    height, width = seen[node] or (_PIXEL, _PIXEL)
    return _as_field(height), _as_field(width)


_PIXEL = _Span(0, 0, 1)


def _as_field(span: _Span) -> ReceptiveField:
    return ReceptiveField(span.last - span.first + 1, span.jump, span.first)


def _follow(node: fx.Node, parts: dict[str, Any], spans: list[_Spans]) -> _Spans | None:
    """What the units of a node's result see, from what its inputs see; None for a constant."""
    if node.op == "placeholder":
        return _PIXEL, _PIXEL
    if not spans:
        return None
    if node.op == "output":
        return spans[0]
    if node.op == "call_module":
        part = parts[str(node.target)]
        kind = type(part).__name__
        if kind in _WINDOWS:
            return _through_window(spans[0], part)
        if kind in _POINTWISE:
            return spans[0]
        raise ValueError(_unknown(f"layer {node.target!s}", kind))
    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
    if name in _POINTWISE_CALLS:
        return spans[0]
    if name in _MERGING_CALLS:
        return _merged(spans, 0, node), _merged(spans, 1, node)
    raise ValueError(_unknown("call", str(name)))


def _unknown(what: str, kind: str) -> str:
    return (
        f"{what} (={kind}) must be one whose window is known: a convolution, a pooling with a "
        "kernel, or something that works on each position by itself"
    )


def _through_window(spans: _Spans, layer: Any) -> _Spans:
    stride = layer.kernel_size if layer.stride is None else layer.stride
    dilation = pair(getattr(layer, "dilation", 1), "dilation")
    kernel, steps = pair(layer.kernel_size, "kernel_size"), pair(stride, "stride")
    spread = tuple(effective_kernel(k, d) for k, d in zip(kernel, dilation, strict=True))
    before = _padding_before(getattr(layer, "padding", 0), spread)
    height, width = (
        _Span(
            span.first - pad * span.jump,
            span.last + (size - 1 - pad) * span.jump,
            span.jump * step,
        )
        for span, size, pad, step in zip(spans, spread, before, steps, strict=True)
    )
    return height, width


def _padding_before(padding: Any, spread: Sequence[int]) -> tuple[int, int]:
    if padding == "same":
        return (spread[0] - 1) // 2, (spread[1] - 1) // 2
    return pair(0 if padding == "valid" else padding, "padding")


def _merged(spans: list[_Spans], axis: int, node: fx.Node) -> _Span:
    own = [both[axis] for both in spans]
    jumps = {span.jump for span in own}
    if len(jumps) != 1:
        raise ValueError(f"branches that meet in {node.name} must have one jump, not {jumps}")
    return _Span(min(s.first for s in own), max(s.last for s in own), own[0].jump)


# ── the effective field, by autograd ────────────────────────────────────────────────────────────


def effective_receptive_field(
    model: Callable[[torch.Tensor], torch.Tensor],
    input_shape: Sequence[int],
    n_inputs: int = 16,
    seed: int = 0,
) -> npt.NDArray[np.float64]:
    """How strongly each pixel moves the centre unit of a network's output: a map (H, W).

    The output's channels are added up at its centre, (H' // 2, W' // 2); the map is the absolute
    gradient of that sum at the input, added up over the input's channels, averaged over `n_inputs`
    random inputs (standard normal), and scaled so that its largest value is 1.

    `input_shape` is (C, H, W). A model of torch is used in the mode, train or eval, that it is in.

    Raises ValueError for another shape, where the output has not four axes, and where no pixel
    moves the unit.

    >>> import torch
    >>> blur = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False)
    >>> _ = torch.nn.init.ones_(blur.weight)
    >>> print(effective_receptive_field(blur, (1, 3, 5)))
    [[0. 1. 1. 1. 0.]
     [0. 1. 1. 1. 0.]
     [0. 1. 1. 1. 0.]]
    """
    import torch

    if len(input_shape) != 3:
        raise ValueError(f"input_shape (={shown(input_shape)}) must be (channels, height, width)")
    shape = tuple(integer(n, f"input_shape[{i}]", at_least=1) for i, n in enumerate(input_shape))
    generator = torch.Generator().manual_seed(integer(seed, "seed", at_least=0))
    count = integer(n_inputs, "n_inputs", at_least=1)
    inputs = torch.randn(count, *shape, generator=generator).requires_grad_()
    output = model(inputs)
    if output.ndim != 4:
        raise ValueError(f"model's output has shape {tuple(output.shape)}, must be (N, C, H, W)")
    centre = output[:, :, output.shape[2] // 2, output.shape[3] // 2]  # (N, C)
    (gradient,) = torch.autograd.grad(centre.sum(), inputs)  # inputs of a batch do not meet
    field = gradient.abs().sum(dim=1).mean(dim=0).double().numpy()  # (H, W)
    largest = float(field.max())
    if largest == 0:
        raise ValueError("model must let some pixel move its centre unit: every gradient is 0")
    return np.asarray(field / largest, np.float64)


def field_width(field: npt.ArrayLike) -> float:
    """The width of an effective field: four standard deviations, in pixels.

    The map (H, W), no value negative, is read as weights of its pixels; the variance around its
    centre of mass is taken along each axis and averaged over the two. Of a Gaussian, the middle
    four standard deviations hold 95 % along an axis.

    Raises ValueError for a negative value or a map of zeros.

    >>> round(field_width(np.ones((13, 13))), 1)  # flat: wider than it is, for it has no tails
    15.0
    """
    weights = plane(field, "field").astype(np.float64)
    total = float(weights.sum())
    if weights.min() < 0 or not total > 0:
        raise ValueError("field must have values of 0 or above, and not only zeros")
    variances = []
    for axis in (0, 1):
        profile = weights.sum(axis=1 - axis) / total
        place = np.arange(len(profile))
        centre = (profile * place).sum()
        variances.append(float((profile * (place - centre) ** 2).sum()))
    return 4 * math.sqrt(sum(variances) / 2)


def random_stack(
    n_layers: int, channels: int = 8, kernel: int = 3, relu: bool = True, seed: int = 0
) -> torch.nn.Sequential:
    """A stack of equal convolutions with random weights, without padding, stride or bias.

    It takes one channel and returns `channels`; a ReLU follows each convolution but the last.
    Weights are normal with the standard deviation that keeps a signal's size (He et al. 2015).

    Raises ValueError where a number is below 1.

    >>> [type(layer).__name__ for layer in random_stack(2)]
    ['Conv2d', 'ReLU', 'Conv2d']
    """
    import torch

    n_layers = integer(n_layers, "n_layers", at_least=1)
    channels = integer(channels, "channels", at_least=1)
    kernel = integer(kernel, "kernel", at_least=1)
    generator = torch.Generator().manual_seed(integer(seed, "seed", at_least=0))
    layers: list[torch.nn.Module] = []
    for place in range(n_layers):
        c_in = channels if place else 1
        conv = torch.nn.Conv2d(c_in, channels, kernel, bias=False)
        spread = math.sqrt((2 if relu else 1) / (c_in * kernel * kernel))
        with torch.no_grad():
            conv.weight.normal_(0, spread, generator=generator)
        layers += [conv, torch.nn.ReLU()] if relu and place < n_layers - 1 else [conv]
    return torch.nn.Sequential(*layers)
