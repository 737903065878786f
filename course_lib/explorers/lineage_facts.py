"""Measures what the lineage explorer shows of each network and writes it to `lineage.json`.

    python -m course_lib.explorers.lineage_facts

The networks are those of `course_lib.nets`, built on torch's `meta` device and run once with hooks:
shapes, parameters and multiply-adds come from them, never from here. What is written by hand, which
constraint each of them answers and how, is in `lineage_story`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_lib import nets
from course_lib._validate import pair
from course_lib.explorers.lineage_story import STORY
from course_lib.nets import registry

__all__ = ["FILE", "as_text", "facts", "network", "write"]

FILE = Path(__file__).with_name("lineage.json")


BLOCKS = {
    # class in course_lib.nets: what the explorer calls it
    "Inception": "Inception module",
    "Bottleneck": "bottleneck block",
    "SEBottleneck": "bottleneck block with a gate",
    "DenseLayer": "dense layer",
    "DepthwiseSeparable": "depthwise separable convolution",
    "InvertedResidual": "inverted residual",
    "MBConv": "inverted residual with a gate",
    "EncoderBlock": "transformer block",
    "SwinBlock": "transformer block in windows",
    "Block": "ConvNeXt block",
}
WHOLE = ("SelfAttention", "WindowAttention", "PatchMerging")
"""Drawn as one step, whatever is inside them."""

NORMS = ("BatchNorm2d", "LayerNorm", "LayerNorm2d")
ACTIVATIONS = ("ReLU", "ReLU6", "GELU", "SiLU", "Sigmoid")
UNSEEN = ("Dropout", "StochasticDepth", "Permute", "Identity", "Flatten", "Softmax")


@dataclass
class Step:
    """A layer of a block, with the norm and activation around it."""

    op: str
    """conv, depthwise, grouped, pointwise, patch, dense, max, average, mean, attention, windows,
    shifted; or of the drawing: input, same, add, concat, multiply."""
    name: str
    shape: tuple[int, ...]
    """(channels, height, width), or (features,)."""
    path: str = ""
    kernel: int = 1
    stride: int = 1
    padding: int = 0
    params: int = 0
    macs: int = 0
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    lane: int = 1
    sources: list[int] = field(default_factory=list)


class Measured(NamedTuple):
    """What hooks saw of one layer."""

    path: str
    layer: nn.Module
    given: tuple[int, ...]
    shape: tuple[int, ...]
    params: int
    macs: int


# ── measuring ───────────────────────────────────────────────────────────────────────────────────


def _measure(net: nn.Module, shape: tuple[int, ...]) -> list[Measured]:
    """Every layer, in the order in which they work."""
    seen: list[tuple[str, nn.Module, tuple[int, ...], tuple[int, ...]]] = []
    hooks = []
    for path, layer in _layers(net):

        def note(layer: nn.Module, given: Any, out: Any, path: str = path) -> None:
            seen.append((path, layer, tuple(given[0].shape), tuple(out.shape)))

        hooks.append(layer.register_forward_hook(note))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        net(torch.zeros(1, *shape))
    for hook in hooks:
        hook.remove()
    counts = counter.get_flop_counts()
    root = type(net).__name__
    return [
        Measured(
            path,
            layer,
            given,
            out,
            sum(p.numel() for p in layer.parameters()),
            sum(counts.get(f"{root}.{path}", {}).values()) // 2,
        )
        for path, layer, given, out in seen
    ]


def _layers(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    for name, child in module.named_children():
        below = f"{path}.{name}" if path else name
        if type(child).__name__ in WHOLE or next(child.children(), None) is None:
            yield below, child
        else:
            yield from _layers(child, below)


def _image_shape(layer: nn.Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """(C, H, W) or (C,), however the layer lays its axes out."""
    if len(shape) == 3:  # (N, tokens, C): the grid of patches, and the class token is left out
        side = int((shape[1] - 1) ** 0.5)
        return (shape[2], side, side)
    if len(shape) == 4:
        last = isinstance(layer, nn.Linear | nn.LayerNorm) or type(layer).__name__ in WHOLE
        if last and type(layer).__name__ != "LayerNorm2d":  # (N, H, W, C)
            return (shape[3], shape[1], shape[2])
        return shape[1:]
    return shape[1:]


def _step(one: Measured) -> Step | None:
    """The step that a layer makes; None for one that belongs to its neighbour, or is not drawn."""
    layer, kind = one.layer, type(one.layer).__name__
    if kind in NORMS or kind in ACTIVATIONS or kind in UNSEEN:
        return None
    step = Step("", "", _image_shape(layer, one.shape), one.path, params=one.params, macs=one.macs)
    if isinstance(layer, nn.Conv2d):
        step.kernel, step.stride = layer.kernel_size[0], layer.stride[0]
        step.padding = pair(layer.padding, "padding")[0]
        size = f"{step.kernel}×{step.kernel}"
        if layer.groups == layer.in_channels > 1:
            step.op, step.name = "depthwise", f"{size} depthwise"
        elif layer.groups > 1:
            step.op, step.name = "grouped", f"{size} in {layer.groups} groups"
        elif step.kernel == step.stride > 1:
            step.op, step.name = "patch", f"{size} patches"
        elif step.kernel == 1:
            step.op, step.name = "pointwise", "1×1 convolution"
        else:
            step.op, step.name = "conv", f"{size} convolution"
        if step.stride > 1 and step.op != "patch":
            step.name += f", stride {step.stride}"
    elif isinstance(layer, nn.MaxPool2d | nn.AvgPool2d):
        step.kernel = pair(layer.kernel_size, "kernel_size")[0]
        step.stride = pair(layer.stride, "stride")[0]
        step.padding = pair(layer.padding, "padding")[0]
        step.op = "max" if isinstance(layer, nn.MaxPool2d) else "average"
        step.name = f"{step.kernel}×{step.kernel} {step.op} pool"
        step.name += f", stride {step.stride}" if step.stride > 1 else ""
    elif isinstance(layer, nn.AdaptiveAvgPool2d):
        if one.given == one.shape:
            return None
        step.op, step.name = "mean", "mean of each map"
    elif isinstance(layer, nn.Linear):
        step.op = "pointwise" if len(one.shape) > 2 else "dense"
        step.name = "linear, each place" if step.op == "pointwise" else "linear"
    elif kind == "PatchMerging":
        step.op, step.name = "patch", "2×2 patches merged"
        step.kernel = step.stride = 2
    elif kind == "SelfAttention":
        step.op, step.name = "attention", f"attention, {layer.heads} heads"
    elif kind == "WindowAttention":
        step.op = "shifted" if layer.shift else "windows"
        step.name = f"attention in {'shifted ' if layer.shift else ''}windows"
        step.kernel = int(layer.window)  # type: ignore[arg-type]
    else:
        raise TypeError(f"layer {one.path} (={kind}) is none that the explorer can draw")
    return step


def _chain(layers: list[Measured]) -> list[Step]:
    """Layers as steps: a norm or activation goes to the step before it, or else to the next."""
    steps: list[Step] = []
    waiting: list[str] = []
    extra = 0
    for one in layers:
        kind = type(one.layer).__name__
        step = _step(one)
        if step is not None:
            step.before, waiting = waiting, []
            step.params += extra
            extra = 0
            steps.append(step)
        elif kind in NORMS or kind in ACTIVATIONS:
            word = {"BatchNorm2d": "BatchNorm", "LayerNorm2d": "LayerNorm"}.get(kind, kind)
            # A LayerNorm opens what follows, but for the one behind patches or a depthwise kernel.
            follows = word != "LayerNorm" or (steps and steps[-1].op in ("patch", "depthwise"))
            if steps and not waiting and follows:
                steps[-1].after.append(word)
                steps[-1].params += one.params
            else:
                waiting.append(word)
                extra += one.params
    if steps:
        steps[-1].after += waiting
        steps[-1].params += extra
    return steps


# ── drawing a block as steps that feed one another ──────────────────────────────────────────────


class _Drawing:
    """Steps in the order in which they work, each knowing which ones feed it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.steps = [Step("input", "x", shape)]

    def put(self, step: Step, sources: list[int], lane: int) -> int:
        step.sources, step.lane = sources, lane
        self.steps.append(step)
        return len(self.steps) - 1

    def chain(self, steps: list[Step], source: int, lane: int) -> int:
        for step in steps:
            source = self.put(step, [source], lane)
        return source

    def join(self, op: str, name: str, sources: list[int], lane: int = -1) -> int:
        shapes = [self.steps[one].shape for one in sources]
        shape = shapes[0]
        if op == "concat":
            shape = (sum(one[0] for one in shapes), *shapes[0][1:])
        return self.put(Step(op, name, shape), sources, lane)

    def same(self, source: int, lane: int) -> int:
        """x as it is, beside the steps that work on it."""
        return self.put(Step("same", "x, as it is", self.steps[source].shape), [source], lane)


MAIN, SIDE, GATE = 1, 2, 0  # lanes, from left to right


def _draw(kind: str, layers: list[Measured], given: tuple[int, ...], skips: bool) -> list[Step]:
    """The steps of a block of this class; `skips` says whether it has a shortcut."""
    drawing = _Drawing(given)

    def part(*prefixes: str) -> list[Measured]:
        return [one for one in layers if one.path.startswith(prefixes)]

    def rest(*prefixes: str) -> list[Measured]:
        return [one for one in layers if not one.path.startswith(prefixes)]

    if kind == "Inception":
        ends = [
            drawing.chain(_chain(part(f"branch{number}")), 0, number - 1) for number in (1, 2, 3, 4)
        ]
        drawing.join("concat", "stacked", ends)
    elif kind == "DenseLayer":
        new = drawing.chain(_chain(layers), 0, MAIN)
        drawing.join("concat", "x and the new maps, stacked", [drawing.same(0, SIDE), new])
    elif kind in ("EncoderBlock", "SwinBlock"):
        first = ("ln_1", "self_attention", "norm1", "attn", "dropout")
        looked = drawing.chain(_chain(part(*first)), 0, MAIN)
        middle = drawing.join("add", "attention + x", [looked, drawing.same(0, SIDE)])
        thought = drawing.chain(_chain(rest(*first)), middle, MAIN)
        drawing.join("add", "F + x", [thought, drawing.same(middle, SIDE)])
    elif kind in ("Bottleneck", "SEBottleneck", "InvertedResidual", "MBConv", "Block"):
        shortcut = part("downsample")
        inside = [one for one in layers if one not in shortcut]
        end = _with_gate(drawing, inside)
        if shortcut:
            beside = drawing.chain(_chain(shortcut), 0, SIDE)
        elif skips:
            beside = drawing.same(0, SIDE)
        else:
            return drawing.steps
        joined = drawing.join("add", "F(x) + x", [end, beside])
        if kind in ("Bottleneck", "SEBottleneck"):
            drawing.steps[joined].after = ["ReLU"]
    else:
        drawing.chain(_chain(layers), 0, MAIN)
    return drawing.steps


def _with_gate(drawing: _Drawing, layers: list[Measured]) -> int:
    """A chain from the input, with a squeeze-and-excitation gate where there is one."""
    start = next((i for i, one in enumerate(layers) if _opens_gate(one)), None)
    if start is None:
        return drawing.chain(_steps_of_residual(layers), 0, MAIN)
    gate = layers[start : start + 5]  # mean, 1×1, activation, 1×1, sigmoid
    end = drawing.chain(_steps_of_residual(layers[:start]), 0, MAIN)
    weights = drawing.chain(_chain(gate), end, GATE)
    end = drawing.join("multiply", "each map times its gate", [end, weights], MAIN)
    return drawing.chain(_steps_of_residual(layers[start + 5 :]), end, MAIN)


def _steps_of_residual(layers: list[Measured]) -> list[Step]:
    """A chain; the ReLU that comes last in a ResNet's block belongs to the sum."""
    steps = _chain(layers)
    if steps and len(steps[-1].after) == 2 and steps[-1].after[-1] == "ReLU":
        inside = [one for one in layers if type(one.layer).__name__ == "ReLU"]
        if inside and inside[-1] is layers[-1] and inside[-1].path == "relu":
            steps[-1].after = steps[-1].after[:-1]
    return steps


def _opens_gate(one: Measured) -> bool:
    return isinstance(one.layer, nn.AdaptiveAvgPool2d)


# ── what a unit sees ────────────────────────────────────────────────────────────────────────────


class Reach(NamedTuple):
    """What the units along one axis see."""

    first: list[int]
    last: list[int]
    """The first and the last pixel that each unit sees, within the image."""
    size: int | None
    """The receptive field, the image's border not minded; None where attention or a mean of whole
    maps leaves no fixed size."""
    jump: int


def _reach(steps: list[Step], given: Reach) -> Reach:
    """What the units of a block's last step see."""
    seen: list[Reach] = []
    for step in steps:
        if step.op == "input":
            seen.append(given)
            continue
        below = [seen[source] for source in step.sources]
        if len(below) == 1:
            seen.append(_through(step, below[0]))
            continue
        count = max(len(one.first) for one in below)  # a gate has one unit, for all places
        full = [one if len(one.first) == count else _everywhere(one, count) for one in below]
        sizes = [one.size for one in full]
        seen.append(
            Reach(
                [min(units) for units in zip(*(one.first for one in full), strict=True)],
                [max(units) for units in zip(*(one.last for one in full), strict=True)],
                None if None in sizes else max(size for size in sizes if size is not None),
                full[0].jump,
            )
        )
    return seen[-1]


def _everywhere(reach: Reach, count: int) -> Reach:
    return Reach([min(reach.first)] * count, [max(reach.last)] * count, None, reach.jump)


def _through(step: Step, below: Reach) -> Reach:
    n = len(below.first)
    if step.op == "same":
        return below
    if step.op in ("mean", "dense"):
        return _everywhere(below, 1)
    if step.op == "attention":
        return _everywhere(below, n)
    if step.op in ("windows", "shifted"):
        shift = step.kernel // 2 if step.op == "shifted" and n > step.kernel else 0
        # A window that wraps around the border is cut in two by the mask.
        groups = [((i - shift) % n // step.kernel, i < shift) for i in range(n)]
        members = {group: [i for i in range(n) if groups[i] == group] for group in set(groups)}
        first = [min(below.first[i] for i in members[group]) for group in groups]
        last = [max(below.last[i] for i in members[group]) for group in groups]
        return Reach(first, last, None, below.jump)
    out = step.shape[1]
    first, last = [], []
    for start in range(-step.padding, -step.padding + out * step.stride, step.stride):
        inside = [i for i in range(start, start + step.kernel) if 0 <= i < n]
        first.append(min(below.first[i] for i in inside))
        last.append(max(below.last[i] for i in inside))
    size = None if below.size is None else below.size + (step.kernel - 1) * below.jump
    return Reach(first, last, size, below.jump * step.stride)


# ── a whole network ─────────────────────────────────────────────────────────────────────────────


class Block(NamedTuple):
    """A block of a network, or a run of layers that belong to none."""

    kind: str
    """The class's name, or "" for a run of layers."""
    steps: list[Step]
    params: int


def _blocks(net: nn.Module, shape: tuple[int, ...]) -> list[Block]:
    """The network as blocks, in the order in which they work."""
    owners = {path: part for path, part in net.named_modules() if type(part).__name__ in BLOCKS}
    runs: list[tuple[str, list[Measured]]] = []
    for one in _measure(net, shape):
        owner = next((path for path in owners if one.path.startswith(path + ".")), "")
        if not runs or runs[-1][0] != owner:
            runs.append((owner, []))
        inside = one.path.removeprefix(owner + ".") if owner else one.path
        runs[-1][1].append(one._replace(path=inside))
    blocks = []
    given = shape
    for owner, layers in runs:
        kind = type(owners[owner]).__name__ if owner else ""
        skips = getattr(owners[owner], "has_skip", True) if owner else False
        steps = _draw(kind, layers, given, skips)
        params = sum(p.numel() for p in owners[owner].parameters()) if owner else 0
        blocks.append(Block(kind, steps, params or sum(step.params for step in steps)))
        given = steps[-1].shape
    return blocks


def _split(block: Block) -> list[Block]:
    """A run of layers cut where the grid changes: a new stage begins with what shrinks it."""
    parts: list[list[Step]] = []
    dense = next(i for i, step in enumerate(block.steps) if step.op == "dense")
    for place, step in enumerate(block.steps[1:], 1):
        if parts and (
            place > dense - 1
            or step.shape[1] == parts[-1][-1].shape[1]
            or parts[-1][-1].op == "max"
        ):
            parts[-1].append(step)
        else:
            parts.append([step])
    given = block.steps[0].shape
    blocks = []
    for part in parts:
        steps = [Step("input", "x", given)]
        for step in part:
            step.sources = [len(steps) - 1]
            steps.append(step)
        blocks.append(Block("", steps, sum(step.params for step in steps)))
        given = steps[-1].shape
    return blocks


def _stages(blocks: list[Block]) -> list[tuple[str, list[Block]]]:
    """The blocks as stem, stages (one for each size of the grid) and head."""
    drawn = [place for place, block in enumerate(blocks) if block.kind]
    if drawn:
        stem, middle, head = (
            blocks[: drawn[0]],
            blocks[drawn[0] : drawn[-1] + 1],
            blocks[drawn[-1] + 1 :],
        )
    else:
        stem, (*middle, last) = [], _split(blocks[0])
        head = [last]
    stages: list[list[Block]] = []
    for block in middle:
        grid = block.steps[-1].shape[1]
        if stages and stages[-1][-1].steps[-1].shape[1] == grid:
            stages[-1].append(block)
        else:
            stages.append([block])
    named = [(f"stage {number}", stage) for number, stage in enumerate(stages, 1)]
    return [*([("stem", stem)] if stem else []), *named, ("head", head)]


WEIGHTS = dict.fromkeys(("conv", "depthwise", "grouped", "pointwise", "patch", "dense"), 1)
WEIGHTS |= dict.fromkeys(("attention", "windows", "shifted"), 2)  # into q, k and v, and out
"""How many layers with weights, one behind the other, a step has."""


def _depth(blocks: list[Block]) -> int:
    """Layers with weights on the longest way through, gates not counted."""
    total = 0
    for block in blocks:
        depths = [0]
        for step in block.steps[1:]:
            gates = step.lane == GATE and block.kind != "Inception"
            own = 0 if gates else WEIGHTS.get(step.op, 0)
            depths.append(own + max(depths[source] for source in step.sources))
        total += depths[-1]
    return total


def _as_data(place: int, step: Step) -> dict[str, Any]:
    """What is not said is 1 for kernel and stride, 0 for counts, the step before as source."""
    data: dict[str, Any] = {"op": step.op, "name": step.name, "shape": list(step.shape)}
    for name in ("kernel", "stride"):
        if getattr(step, name) != 1:
            data[name] = getattr(step, name)
    for name in ("params", "macs"):
        if getattr(step, name):
            data[name] = getattr(step, name)
    for name in ("before", "after"):
        if getattr(step, name):
            data[name] = ", ".join(getattr(step, name))
    if step.sources and step.sources != [place - 1]:
        data["sources"] = step.sources
    if step.lane != MAIN:
        data["lane"] = step.lane
    return data


def _title(block: Block) -> str:
    """What the explorer calls a block."""
    grouped = next((step for step in block.steps if step.op == "grouped"), None)
    if grouped:
        return f"bottleneck block, {grouped.name}"
    if block.kind:
        return BLOCKS[block.kind]
    return "layers"


def network(name: str) -> dict[str, Any]:
    """All that the explorer shows of a network."""
    info, story = nets.info(name), STORY[name]
    with torch.device("meta"):
        net = nets.create(name).eval()
        blocks = _blocks(net, info.input)
    stages = _stages(blocks)
    side = info.input[1]
    reach = Reach(list(range(side)), list(range(side)), 1, 1)
    params = sum(p.numel() for p in net.parameters())
    loose = params - sum(block.params for _, stage in stages for block in stage)
    kinds: list[dict[str, Any]] = []
    rows = []
    for place, (title, stage) in enumerate(stages):
        members = []
        for block in stage:
            reach = _reach(block.steps, reach)
            data = {
                "title": title if title in ("stem", "head") else _title(block),
                "params": block.params,
                "macs": sum(step.macs for step in block.steps),
                "steps": [_as_data(i, step) for i, step in enumerate(block.steps)],
            }
            if data not in kinds:
                kinds.append(data)
            members.append(kinds.index(data))
        middle = len(reach.first) // 2
        rows.append(
            {
                "name": title,
                "shape": list(stage[-1].steps[-1].shape),
                # Parameters that belong to no layer, a class token or positions, go to the stem.
                "params": sum(block.params for block in stage) + (loose if place == 0 else 0),
                "macs": sum(step.macs for block in stage for step in block.steps),
                "field": reach.size,
                "sees": reach.last[middle] - reach.first[middle] + 1,
                "blocks": members,
            }
        )
    return {
        "name": name,
        "file": next(
            file.__name__.split(".")[-1]
            for file in registry.FILES
            if name in {row.name for row in file.INFO}
        ),
        "label": story.label,
        "year": info.year,
        "authors": info.authors,
        "title": info.title,
        "idea": info.idea,
        "differs": info.differs,
        "answers": list(story.answers),
        "problem": story.problem,
        "answer": story.answer,
        "builds_on": story.builds_on,
        "input": list(info.input),
        "params": params,
        "macs": sum(row["macs"] for row in rows),
        "depth": _depth([block for _, stage in stages for block in stage]),
        "stages": rows,
        "kinds": kinds,
    }


def facts() -> list[dict[str, Any]]:
    """The networks of the timeline, in its order."""
    return [network(name) for name in nets.list() if name in STORY]


def as_text(networks: list[dict[str, Any]]) -> str:
    """As JSON, a line for each network."""
    lines = [json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in networks]
    return "[\n" + ",\n".join(lines) + "\n]\n"


def write() -> None:
    """Measure everything and write the file."""
    FILE.write_text(as_text(facts()), encoding="utf-8")


if __name__ == "__main__":
    write()
