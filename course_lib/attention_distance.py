"""How far a transformer looks: the mean distance of attention, for each head of each layer.

Source: Dosovitskiy et al., *An image is worth 16×16 words*, 2021, appendix D.7:
https://arxiv.org/abs/2010.11929. Importing this module loads torch.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from course_lib._validate import Array, integer, number, numbers

__all__ = ["attention_distance", "attention_maps", "distances", "even_distance"]


def distances(rows: int, columns: int, patch: float = 1) -> Array:
    """Between the centres of the patches of a grid, row by row: (T, T) in pixels, T of them.

    Raises ValueError where `rows` or `columns` is below 1.

    >>> print(distances(1, 3, patch=16))
    [[ 0. 16. 32.]
     [16.  0. 16.]
     [32. 16.  0.]]
    """
    rows, columns = integer(rows, "rows", at_least=1), integer(columns, "columns", at_least=1)
    row, column = np.divmod(np.arange(rows * columns), columns)
    apart = np.hypot(row[:, None] - row, column[:, None] - column)
    return np.asarray(number(patch, "patch") * apart)


def attention_distance(
    weights: npt.ArrayLike, rows: int, columns: int, patch: float = 1, extra: int = 0
) -> Array:
    """The mean distance from a patch to those it looks at, each counted by its weight.

    (…, T, T), where the row of a query adds up to 1, to (…): the mean over all queries, in pixels.
    The first `extra` tokens, such as the class token, have no place: they are left out, and what a
    patch gives to the other patches is scaled to add up to 1.

    Raises ValueError where T is not extra + rows · columns.

    >>> looks_right = [[0, 1, 0], [0, 0, 1], [0, 0, 1]]  # a row of three patches of 16 pixels
    >>> print(round(float(attention_distance(looks_right, 1, 3, patch=16)), 2))
    10.67
    """
    apart = distances(rows, columns, patch)
    given, extra = numbers(weights, "weights"), integer(extra, "extra", at_least=0)
    tokens = extra + len(apart)
    if given.ndim < 2 or given.shape[-2:] != (tokens, tokens):
        raise ValueError(
            f"weights has shape {given.shape}, must end in T={tokens} twice: "
            f"extra={extra} and {rows}·{columns} patches"
        )
    among = given[..., extra:, extra:]
    among = among / among.sum(axis=-1, keepdims=True)
    return np.asarray((among * apart).sum(axis=-1).mean(axis=-1))


def even_distance(rows: int, columns: int, patch: float = 1) -> float:
    """The distance of a head that looks at all patches alike, itself among them.

    >>> round(even_distance(1, 3, patch=16), 2)
    14.22
    """
    return float(distances(rows, columns, patch).mean())


def attention_maps(model: nn.Module, images: Tensor) -> list[Array]:
    """The weights of each attention layer for a batch: a list of (N, heads, T, T), first to last.

    They are what the submodules of type `nn.Softmax` return, as in `course_lib.nets`. The model is
    asked in eval mode and left in the mode it had.

    Raises ValueError for a model without such a layer.

    >>> from course_lib.nets.digits import vit_digits
    >>> [layer.shape for layer in attention_maps(vit_digits(depth=2), torch.zeros(1, 1, 8, 8))]
    [(1, 4, 17, 17), (1, 4, 17, 17)]
    """
    maps: list[Array] = []

    def keep(layer: nn.Module, inputs: object, output: Tensor) -> None:
        maps.append(output.detach().cpu().numpy())

    hooks = [m.register_forward_hook(keep) for m in model.modules() if isinstance(m, nn.Softmax)]
    if not hooks:
        raise ValueError("model has no layer nn.Softmax: its attention cannot be seen")
    was_training = model.training
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return maps
