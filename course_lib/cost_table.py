"""What a whole network costs, a row for each layer: shapes, parameters, MACs, activations.

`of_layers` computes the rows from the layers' arguments; `of_module` measures a torch module, whose
layers need not be known. Both give a `CostTable`, which prints as text and shows as a table in a
notebook. Counts follow `course_lib.cost`: FLOPs are twice the MACs, biases add none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import prod
from typing import Any

from course_lib._validate import integer
from course_lib.cost import conv_cost, fc_params
from course_lib.geometry import output_shape
from course_lib.operator_costs import FLOAT32_BYTES, OPERATORS, operator_cost

__all__ = ["CostTable", "LayerCost", "of_layers", "of_module"]

_COLUMNS = ("layer", "output", "parameters", "MACs", "FLOPs", "activations")
_SIDES = ("left", "left", "right", "right", "right", "right")


@dataclass(frozen=True)
class LayerCost:
    """One row: a layer, the shape it gives, its parameters and its multiply-adds.

    The shape begins with the batch, and `macs` and `activations` count all of it.
    """

    name: str
    output_shape: tuple[int, ...]
    params: int
    macs: int

    @property
    def flops(self) -> int:
        """Floating-point operations: two for each MAC."""
        return 2 * self.macs

    @property
    def activations(self) -> int:
        """How many numbers the layer hands on: what training keeps for the way back."""
        return prod(self.output_shape) if self.output_shape else 0

    @property
    def activation_bytes(self) -> int:
        """The memory they take in float32."""
        return FLOAT32_BYTES * self.activations


@dataclass(frozen=True)
class CostTable:
    """The rows of a network's layers, in the order in which they work, and their sums."""

    rows: tuple[LayerCost, ...]

    @property
    def params(self) -> int:
        """Parameters of all layers."""
        return sum(row.params for row in self.rows)

    @property
    def macs(self) -> int:
        """Multiply-adds of all layers."""
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        """Floating-point operations of all layers: twice the MACs."""
        return 2 * self.macs

    @property
    def activations(self) -> int:
        """The numbers in the outputs of all layers."""
        return sum(row.activations for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """The memory of all outputs in float32, in bytes."""
        return FLOAT32_BYTES * self.activations

    def _cells(self) -> list[tuple[str, ...]]:
        body = [
            (
                row.name,
                "×".join(map(str, row.output_shape)),
                *(f"{n:,}" for n in (row.params, row.macs, row.flops, row.activations)),
            )
            for row in self.rows
        ]
        sums = (self.params, self.macs, self.flops, self.activations)
        return [*body, ("in all", "", *(f"{n:,}" for n in sums))]

    def _memory(self) -> str:
        return (
            f"In float32 the parameters take {_in_words(FLOAT32_BYTES * self.params)}, "
            f"the activations {_in_words(self.activation_bytes)}."
        )

    def __str__(self) -> str:
        lines = [_COLUMNS, *self._cells()]
        widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS))]
        texts = [
            "  ".join(
                cell.ljust(width) if place < 2 else cell.rjust(width)
                for place, (cell, width) in enumerate(zip(line, widths, strict=True))
            ).rstrip()
            for line in lines
        ]
        return "\n".join([texts[0], "-" * max(map(len, texts)), *texts[1:], self._memory()])

    def _repr_html_(self) -> str:
        def row(cells: Sequence[str], tag: str) -> str:
            return "".join(
                f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>'
                for side, cell in zip(_SIDES, cells, strict=True)
            )

        *body, sums = self._cells()
        return (
            f"<table><thead><tr>{row(_COLUMNS, 'th')}</tr></thead><tbody>"
            + "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in body)
            + f"</tbody><tfoot><tr>{row(sums, 'th')}</tr></tfoot></table>"
            + f"<p>{self._memory()}</p>"
        )


def _in_words(n_bytes: int) -> str:
    """A number of bytes in the unit that suits it: 1 kB is 1000 bytes.

    >>> _in_words(999), _in_words(1_000), _in_words(553_430_176)
    ('999 bytes', '1.0 kB', '553.4 MB')
    """
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:,.1f} {unit}"
    return f"{n_bytes} bytes"


def of_layers(input_shape: Sequence[int], layers: Sequence[tuple[Any, ...]]) -> CostTable:
    """The cost of layers given by their arguments, on an input (N, C, H, W).

    Layers are tuples: ("conv", c_in, c_out, kernel, stride, padding), ("pool", kernel, stride),
    ("relu",), ("flatten",) and ("linear", n_in, n_out). Convolutions and linear layers have a bias.
    Any operator of `operator_cost` is a layer too, its name with a dict of its arguments.

    Raises ValueError, with the layer's place and name, where a layer does not fit what arrives or
    is none of these.

    >>> table = of_layers((1, 3, 32, 32), [("conv", 3, 16, 3, 1, 1), ("pool", 2, 2)])
    >>> table.params, table.macs, table.rows[-1].output_shape
    (448, 442368, (1, 16, 16, 16))
    >>> up = ("conv_transpose2d", {"c_out": 8, "kernel_size": 2, "stride": 2})
    >>> of_layers((1, 16, 7, 7), [("batch_norm2d", {}), up]).rows[1].output_shape
    (1, 8, 14, 14)
    """
    shape = tuple(integer(n, "input_shape", at_least=1) for n in input_shape)
    rows = []
    for place, (name, *arguments) in enumerate(layers):
        try:
            row = _row(f"{place} {name}", name, arguments, shape)
        except (TypeError, ValueError) as error:
            raise ValueError(f"layer {place}, {name}: {error}") from error
        rows.append(row)
        shape = row.output_shape
    return CostTable(tuple(rows))


def _row(label: str, name: str, arguments: Sequence[Any], shape: tuple[int, ...]) -> LayerCost:
    if len(arguments) == 1 and isinstance(arguments[0], dict):
        return LayerCost(label, *operator_cost(name, shape, **arguments[0]))
    axes = {"conv": 4, "pool": 4, "flatten": 4, "linear": 2, "relu": len(shape)}.get(name)
    if axes is None:
        if name in OPERATORS:
            raise ValueError(f"must come with a dict of its arguments: ({name!r}, {{…}})")
        raise ValueError("must be one of conv, pool, relu, flatten, linear, or an operator")
    if len(shape) != axes:
        raise ValueError(f"takes {axes} axes, {len(shape)} arrive")
    n = shape[0]
    if name == "conv":
        c_in, c_out, kernel, stride, padding = arguments
        _same(shape[1], c_in, "channels")
        found = conv_cost(c_in, c_out, kernel, shape[2], shape[3], stride, padding)
        return LayerCost(label, (n, *found["output_shape"]), found["params"], n * found["macs"])
    if name == "pool":
        kernel, stride = arguments
        return LayerCost(
            label, (*shape[:2], *output_shape(shape[2], shape[3], kernel, stride)), 0, 0
        )
    if name == "flatten":
        return LayerCost(label, (n, prod(shape[1:])), 0, 0)
    if name == "linear":
        n_in, n_out = arguments
        _same(shape[1], n_in, "features")
        return LayerCost(label, (n, n_out), fc_params(n_in, n_out), n * n_in * n_out)
    return LayerCost(label, shape, 0, 0)


def _same(arriving: int, taken: int, what: str) -> None:
    if arriving != taken:
        raise ValueError(f"takes {taken} {what}, {arriving} arrive")


def of_module(module: Any, input_shape: Sequence[int]) -> CostTable:
    """The cost of a torch module, measured on an input of this shape.

    A row for each module without children, in the order in which they are first called. A module
    that computes something itself, between its children or in place of them, or has parameters
    of its own, gets a row as well, after theirs: its work there is that which is in none of
    theirs. For the whole module this row comes last, as "between the layers". Functions that a
    module calls are its own work; their results are not among the activations.

    The module runs as a copy without values (torch's `meta` device), so that size costs nothing, in
    evaluation mode. MACs are half of what `torch.utils.flop_counter` counts: matrix products,
    convolutions and attention. Of several results, the first one is shown and counted.

    Raises TypeError for anything but a torch module, and what the module raises for the shape.

    >>> import torch
    >>> of_module(torch.nn.Conv2d(3, 16, 3, padding=1), (1, 3, 32, 32)).macs
    442368
    """
    import copy

    import torch
    from torch.utils.flop_counter import FlopCounterMode

    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch module, not {type(module).__name__}")
    shape = tuple(integer(n, "input_shape", at_least=0) for n in input_shape)
    ghost = copy.deepcopy(module).to("meta").eval()
    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Any:
        def hook(part: Any, given: Any, out: Any) -> None:
            first = out[0] if isinstance(out, (tuple, list)) and out else out
            shapes.setdefault(name, tuple(first.shape) if isinstance(first, torch.Tensor) else ())

        return hook

    handles = [part.register_forward_hook(note(name)) for name, part in ghost.named_modules()]
    dtype = next((p.dtype for p in ghost.parameters() if p.is_floating_point()), torch.float32)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        ghost(torch.zeros(shape, device="meta", dtype=dtype))
    for handle in handles:
        handle.remove()

    root, counts = type(ghost).__name__, counter.get_flop_counts()
    macs = {
        name: sum(counts.get(f"{root}.{name}" if name else root, {}).values()) // 2
        for name in shapes
    }
    # Of the module itself: in its copy, layers no longer share what they shared.
    originals = dict(module.named_modules())
    seen: set[int] = set()
    rows = []
    for name, found in shapes.items():  # children are done, and noted, before their parents
        part = originals[name]
        # Parameters of children that were never called belong to who used them in their place.
        own = [p for p in part.parameters() if id(p) not in seen]
        seen.update(map(id, own))
        inside = [child for child in shapes if child != name and _is_in(child, name)]
        direct = [c for c in inside if not any(_is_in(c, other) for other in inside if other != c)]
        work = macs[name] - sum(macs[child] for child in direct)
        params = sum(p.numel() for p in own)
        if not inside:
            rows.append(LayerCost(f"{name} {type(part).__name__}".strip(), found, params, work))
        elif work or params:
            label = f"{name} {type(part).__name__}, between its layers"
            rows.append(LayerCost(label if name else "between the layers", (), params, work))
    return CostTable(tuple(rows))


def _is_in(child: str, parent: str) -> bool:
    return not parent or child.startswith(parent + ".")
