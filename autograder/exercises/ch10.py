"""The exercises of chapter 10: patches, attention, shifted windows, and ConvNeXt's block.

All but the block are functions on NumPy arrays. References and mistakes are made of the same parts,
so that a mistake is the right answer with one part exchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograder.exercise import (
    Asked,
    Aspect,
    Case,
    FunctionExercise,
    Misconception,
    ModuleExercise,
    Question,
    QuestionExercise,
    choices,
)
from autograder.exercises.parts import Array, batch_of, distinct, reals

Tensor = Any

# The example of the text: a grey image of 4×4 pixels. Decimal numbers, as some of torch's functions
# and its gradients know no others.
PIXELS = np.arange(16.0).reshape(1, 1, 4, 4)


# ── patchify ────────────────────────────────────────────────────────────────────────────────────

Order = tuple[int, int, int, int, int, int]


def _blocks(x: Array, size: int) -> Array:
    """(N, C, rows, size, columns, size): each axis of the image as blocks and places in them."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // size, size, w // size, size)


def _patchify_as(
    order: Order = (0, 2, 4, 1, 3, 5),
    shape: Callable[[int, int, int], tuple[int, ...]] = lambda n, t, d: (n, t, d),
) -> Callable[..., Array]:
    """Patches that are right but for the order of the axes, or the shape at the end."""

    def patchify(x: Array, patch: int) -> Array:
        n, c, h, w = x.shape
        tokens, length = (h // patch) * (w // patch), c * patch * patch
        blocks = _blocks(np.asarray(x), patch).transpose(order)
        return blocks.reshape(shape(n, tokens, length))

    return patchify


def _patchify_by_loops(x: Array, patch: int) -> Array:
    n, c, h, w = x.shape
    out = np.empty((n, (h // patch) * (w // patch), c * patch * patch), x.dtype)
    for image in range(n):
        token = 0
        for top in range(0, h, patch):
            for left in range(0, w, patch):
                out[image, token] = x[image, :, top : top + patch, left : left + patch].ravel()
                token += 1
    return out


def _patchify_by_splitting(x: Array, patch: int) -> Array:
    rows = np.split(x, x.shape[2] // patch, axis=2)
    patches = [p for row in rows for p in np.split(row, x.shape[3] // patch, axis=3)]
    return np.stack([p.reshape(len(x), -1) for p in patches], axis=1)


def _patchify_by_a_view(x: Array, patch: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (patch, patch), axis=(2, 3))
    windows = windows[:, :, ::patch, ::patch]  # (N, C, rows, columns, patch, patch)
    n, c, rows, columns = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, rows * columns, c * patch * patch)


def _patches_for_torch(x: Array, patch: int) -> Any:
    import torch

    tiles = torch.from_numpy(np.ascontiguousarray(x))
    tiles = tiles.unfold(2, patch, patch).unfold(3, patch, patch)
    return tiles.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)


def _patchify_of_squares(x: Array, patch: int) -> Array:
    n, c, h, _ = x.shape
    side = h // patch
    blocks = x.reshape(n, c, side, patch, side, patch).transpose(0, 2, 4, 1, 3, 5)
    return blocks.reshape(n, side * side, -1)


def _patchify_overlapping(x: Array, patch: int) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, (patch, patch), axis=(2, 3))
    n, _, rows, columns = windows.shape[:4]
    return windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, rows * columns, -1)


def _patchify_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, shape: tuple[int, ...], patch: Any, note: str = "") -> Case:
        return Case(aspect, (reals(rng, *shape), patch), note=note)

    grey, rows, colour, batch = "one channel", "height and width differ", "channels", "batch"
    # A case early on that tells most mistakes apart: a diagnosis need not look further.
    yield case(batch, (2, 3, 4, 6), 2)
    yield case(grey, (1, 1, 2, 2), 2, "one patch")
    yield case(grey, (1, 1, 2, 2), 1, "patches of one pixel")
    yield case(grey, (1, 1, 6, 6), 3)
    yield case(grey, (1, 1, 6, 6), np.int64(2))
    yield case(rows, (1, 1, 2, 6), 2)
    yield case(rows, (1, 1, 6, 3), 3)
    yield case(rows, (1, 1, 4, 8), 2)
    yield case(colour, (1, 3, 4, 4), 2)
    yield case(colour, (1, 2, 6, 3), 3)
    yield case(colour, (1, 4, 3, 2), 1, "patches of one pixel")
    yield case(batch, (3, 1, 4, 4), 2)
    yield case(batch, (2, 2, 3, 6), 3)


PATCHIFY = FunctionExercise(
    name="patchify",
    chapter="10",
    signature="patchify(x, patch) -> array",
    aspects=(
        Aspect("one channel", 1),
        Aspect("height and width differ", 1),
        Aspect("channels", 1),
        Aspect("batch", 1),
    ),
    worked=(
        Case("one channel", (PIXELS, 2), note="4×4 pixels, patches of 2×2"),
        Case("channels", (np.arange(8.0).reshape(1, 2, 2, 2), 2), note="one patch, two channels"),
    ),
    cases=_patchify_cases,
    reference=_patchify_as(),
    alternatives={
        "loops": _patchify_by_loops,
        "split and stack": _patchify_by_splitting,
        "sliding windows": _patchify_by_a_view,
        "torch's unfold of a tensor": _patches_for_torch,
    },
    misconceptions=(
        Misconception(
            "only_reshaped",
            "You reshape without moving an axis: that cuts the rows of pixels into pieces, not "
            "the image into squares.",
            lambda x, patch: x.reshape(
                len(x), x.shape[2] // patch * (x.shape[3] // patch), x.shape[1] * patch**2
            ),
        ),
        Misconception(
            "channel_fastest",
            "Inside your patches the channel varies fastest: here it varies slowest, all pixels "
            "of channel 0 come first.",
            _patchify_as((0, 2, 4, 3, 5, 1)),
        ),
        Misconception(
            "patches_by_columns",
            "Your patches run down the columns of the image: they run row by row.",
            _patchify_as((0, 4, 2, 1, 3, 5)),
        ),
        Misconception(
            "pixels_by_columns",
            "Inside your patches the pixels run down the columns: they run row by row.",
            _patchify_as((0, 2, 4, 1, 5, 3)),
        ),
        Misconception(
            "all_by_columns",
            "Your patches, and the pixels in them, run down the columns: they run row by row.",
            _patchify_as((0, 4, 2, 1, 5, 3)),
        ),
        Misconception(
            "channels_as_tokens",
            "Each of your tokens holds one channel: a patch holds all channels of its pixels.",
            _patchify_as((0, 1, 2, 4, 3, 5)),
        ),
        Misconception(
            "every_nth_pixel",
            "Your tokens hold pixels from all over the image: a patch is a square of neighbours.",
            _patchify_as((0, 3, 5, 1, 2, 4)),
        ),
        Misconception(
            "not_flattened",
            "Your patches are still little images: each becomes one row of numbers.",
            lambda x, patch: np.ascontiguousarray(
                _blocks(x, patch).transpose(0, 2, 4, 1, 3, 5)
            ).reshape(len(x), -1, x.shape[1], patch, patch),
        ),
        Misconception(
            "grid_kept",
            "Your patches still stand in a grid: number them row by row, on one axis.",
            lambda x, patch: (
                _blocks(x, patch)
                .transpose(0, 2, 4, 1, 3, 5)
                .reshape(len(x), x.shape[2] // patch, x.shape[3] // patch, -1)
            ),
        ),
        Misconception(
            "batch_merged",
            "Your patches of all images stand on one axis: the batch keeps its own.",
            _patchify_as(shape=lambda n, t, d: (n * t, d)),
        ),
        Misconception(
            "first_image_only",
            "You return the first image's patches.",
            lambda x, patch: _patchify_as()(x[:1], patch),
        ),
        Misconception(
            "patches_in_columns",
            "Your patches stand in columns, as im2col has them: a patch is a row here.",
            lambda x, patch: _patchify_as()(x, patch).swapaxes(1, 2),
        ),
        Misconception(
            "squares_only",
            "You take the image for a square: it has H/patch rows and W/patch columns of patches.",
            _patchify_of_squares,
        ),
        Misconception(
            "overlapping",
            "Your patches overlap: the next one begins where the last ends.",
            _patchify_overlapping,
        ),
        Misconception(
            "one_channel_only",
            "You take the first channel alone: a patch has all of them.",
            lambda x, patch: _patchify_as()(x[:, :1], patch),
        ),
    ),
    forbidden=(
        "torch.nn.functional.unfold",
        "torch.nn.functional.pixel_unshuffle",
        "torch.nn.Unfold",
        "torch.nn.PixelUnshuffle",
        "course_lib.ops.im2col",
    ),
    hints=(
        "Height H is H/patch blocks of patch rows each. Can you give the blocks and the rows in "
        "them an axis each?",
        "x.reshape(N, C, H//patch, patch, W//patch, patch) has six axes. Which two number the "
        "patches? Move them to the front, behind N.",
        "After .transpose(0, 2, 4, 1, 3, 5) the axes are (N, row, column, C, y, x): reshape to "
        "(N, row·column, C·patch·patch).",
    ),
)


# ── patch_embedding_as_conv ─────────────────────────────────────────────────────────────────────


def _kernels(weight: Array, patch: int, channels: int) -> Array:
    return np.asarray(weight).T.reshape(-1, channels, patch, patch)


def _kernels_by_loops(weight: Array, patch: int, channels: int) -> Array:
    out = np.empty((weight.shape[1], channels, patch, patch), np.asarray(weight).dtype)
    for o, c, y, x in np.ndindex(*out.shape):
        out[o, c, y, x] = weight[(c * patch + y) * patch + x, o]
    return out


def _kernels_one_by_one(weight: Array, patch: int, channels: int) -> Array:
    return np.stack([column.reshape(channels, patch, patch) for column in weight.T])


def _kernels_moved(weight: Array, patch: int, channels: int) -> Array:
    return np.moveaxis(weight.reshape(channels, patch, patch, -1), 3, 0)


def _embedding_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, patch: Any, channels: Any, dim: int, note: str = "") -> Case:
        return Case(aspect, (reals(rng, patch**2 * channels, dim), patch, channels), note=note)

    grey, colour = "one channel", "channels"
    yield case(colour, 2, 3, 4)
    yield case(grey, 2, 1, 1, "one number for each patch")
    yield case(grey, 2, 1, 4)
    yield case(grey, 3, 1, 2)
    yield case(grey, 1, 1, 3, "patches of one pixel")
    yield case(colour, 1, 3, 2, "patches of one pixel")
    yield case(colour, 2, 2, 3)
    yield case(colour, 3, 2, 5)
    yield case(colour, np.int64(4), np.int64(3), 6)


PATCH_EMBEDDING_AS_CONV = FunctionExercise(
    name="patch_embedding_as_conv",
    chapter="10",
    signature="patch_embedding_as_conv(weight, patch, channels) -> array",
    aspects=(Aspect("one channel", 1), Aspect("channels", 2)),
    worked=(
        Case(
            "one channel", (np.arange(8.0).reshape(4, 2), 2, 1), note="patches of 2×2, two numbers"
        ),
        Case("channels", (np.arange(16.0).reshape(8, 2), 2, 2), note="the same in two channels"),
    ),
    cases=_embedding_cases,
    reference=_kernels,
    alternatives={
        "loops": _kernels_by_loops,
        "column by column": _kernels_one_by_one,
        "moveaxis": _kernels_moved,
    },
    misconceptions=(
        Misconception(
            "not_transposed",
            "You cut the matrix into kernels row by row: a kernel is one of its columns.",
            lambda weight, patch, channels: weight.reshape(-1, channels, patch, patch),
        ),
        Misconception(
            "channel_fastest",
            "You read a column as pixels of all channels: patchify puts channel 0 first, whole.",
            lambda weight, patch, channels: weight.T.reshape(-1, patch, patch, channels).transpose(
                0, 3, 1, 2
            ),
        ),
        Misconception(
            "pixels_by_columns",
            "Your kernels are transposed: patchify runs through a patch row by row.",
            lambda weight, patch, channels: _kernels(weight, patch, channels).swapaxes(2, 3),
        ),
        Misconception(
            "flipped",
            "You flip the kernels: a convolution layer lays them on the patch as they are.",
            lambda weight, patch, channels: _kernels(weight, patch, channels)[:, :, ::-1, ::-1],
        ),
        Misconception(
            "in_and_out_exchanged",
            "A convolution's weight has the maps that come out on its first axis, then the "
            "channels that come in.",
            lambda weight, patch, channels: _kernels(weight, patch, channels).swapaxes(0, 1),
        ),
        Misconception(
            "maps_last",
            "The maps that come out stand on your last axis: they belong first.",
            lambda weight, patch, channels: weight.reshape(channels, patch, patch, -1),
        ),
        Misconception(
            "all_axes_reversed",
            "Transposing all four axes turns the channels and the pixels around as well: only the "
            "last one moves to the front.",
            lambda weight, patch, channels: weight.reshape(channels, patch, patch, -1).T,
        ),
        Misconception(
            "still_a_matrix",
            "That is a matrix: a convolution's weight has four axes.",
            lambda weight, patch, channels: weight.T,
        ),
        Misconception(
            "averaged",
            "You divide by the number of pixels: the convolution adds up as the product does.",
            lambda weight, patch, channels: _kernels(weight, patch, channels) / (patch * patch),
        ),
        Misconception(
            "channels_summed",
            "You add up what belongs to different channels: each has its own slice of the kernel.",
            lambda weight, patch, channels: _kernels(weight, patch, channels).sum(1, keepdims=True),
        ),
    ),
    hints=(
        "One column of the matrix makes one number of the token. Which pixels does it multiply, "
        "and in which order do they stand?",
        "A column has channels·patch·patch numbers in the order of patchify: channel, row, column. "
        "So it is a kernel already, written in a line.",
        "The kernels are the rows of weight.T: reshape it to (D, channels, patch, patch).",
    ),
)


# ── self_attention ──────────────────────────────────────────────────────────────────────────────


def _softmax(scores: Array, axis: int = -1) -> Array:
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return np.asarray(powers / powers.sum(axis, keepdims=True))


def _softmax_unguarded(scores: Array) -> Array:
    with np.errstate(all="ignore"):
        powers = np.exp(scores)
        return np.asarray(powers / powers.sum(-1, keepdims=True))


def _split(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    """q, k and v, each (N, heads, T, D/heads)."""
    n, t, _ = qkv.shape
    q, k, v = qkv.reshape(n, t, 3, n_heads, -1).transpose(2, 0, 3, 1, 4)
    return q, k, v


def _heads_interleaved(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    n, t, _ = qkv.shape
    q, k, v = qkv.reshape(n, t, 3, -1, n_heads).transpose(2, 0, 4, 1, 3)
    return q, k, v


def _heads_first(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    n, t, _ = qkv.shape
    q, k, v = qkv.reshape(n, t, n_heads, 3, -1).transpose(3, 0, 2, 1, 4)
    return q, k, v


def _three_fastest(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    n, t, _ = qkv.shape
    q, k, v = qkv.reshape(n, t, n_heads, -1, 3).transpose(4, 0, 2, 1, 3)
    return q, k, v


def _tokens_for_heads(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    """Reshaped to (N, heads, T, D/heads) without moving an axis."""
    n, t, width = qkv.shape
    parts = (qkv[..., i * width // 3 : (i + 1) * width // 3] for i in range(3))
    q, k, v = (np.ascontiguousarray(p).reshape(n, n_heads, t, -1) for p in parts)
    return q, k, v


def _joined(out: Array) -> Array:
    """(N, heads, T, D/heads) to (N, T, D)."""
    n, heads, t, width = out.shape
    return out.transpose(0, 2, 1, 3).reshape(n, t, heads * width)


def _attention_as(
    split: Callable[[Array, int], tuple[Array, Array, Array]] = _split,
    scale: Callable[[int, int], float] = lambda dim, heads: (dim / heads) ** -0.5,
    softmax: Callable[[Array], Array] = _softmax,
    join: Callable[[Array], Array] = _joined,
    project: Callable[[Array, Array, Array], Array] = lambda out, w_out, x: out @ w_out,
    use: Callable[[Array, Array, Array], tuple[Array, Array, Array]] = lambda q, k, v: (q, k, v),
    heads: Callable[[int], int] = lambda n_heads: n_heads,
) -> Callable[..., Array]:
    """Self-attention that is right but for the parts that are given."""

    def self_attention(x: Array, w_qkv: Array, w_out: Array, n_heads: int) -> Array:
        n_heads = heads(n_heads)
        q, k, v = use(*split(x @ w_qkv, n_heads))
        scores = q @ k.swapaxes(-1, -2) * scale(x.shape[-1], n_heads)
        return project(join(softmax(scores) @ v), w_out, x)

    return self_attention


def _attention_by_loops(x: Array, w_qkv: Array, w_out: Array, n_heads: int) -> Array:
    n, t, dim = x.shape
    width = dim // n_heads
    out = np.zeros((n, t, dim))
    for image in range(n):
        for h in range(n_heads):
            own = slice(h * width, (h + 1) * width)
            q = x[image] @ w_qkv[:, :dim][:, own]
            k = x[image] @ w_qkv[:, dim : 2 * dim][:, own]
            v = x[image] @ w_qkv[:, 2 * dim :][:, own]
            for i in range(t):
                scores = np.array([q[i] @ k[j] for j in range(t)]) / np.sqrt(width)
                powers = np.exp(scores - scores.max())
                out[image, i, own] = sum(p * row for p, row in zip(powers, v, strict=True))
                out[image, i, own] /= powers.sum()
    return out @ w_out


def _attention_by_einsum(x: Array, w_qkv: Array, w_out: Array, n_heads: int) -> Array:
    dim = x.shape[-1]
    q, k, v = (
        np.stack(np.split(part, n_heads, axis=-1), axis=1)  # (N, heads, T, D/heads)
        for part in np.split(x @ w_qkv, 3, axis=-1)
    )
    scores = np.einsum("nhid,nhjd->nhij", q, k) / (dim // n_heads) ** 0.5
    scores -= np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    mixed = np.einsum("nhij,nhjd->nihd", np.exp(scores), v)
    return np.asarray(np.einsum("nihd,hde->nie", mixed, w_out.reshape(n_heads, -1, dim)))


def _attention_in_torch(x: Array, w_qkv: Array, w_out: Array, n_heads: int) -> Any:
    import torch

    tokens, weights = torch.as_tensor(x).double(), torch.as_tensor(w_qkv).double()
    n, t, dim = tokens.shape
    q, k, v = (tokens @ weights).chunk(3, dim=-1)
    q, k, v = (part.view(n, t, n_heads, -1).transpose(1, 2) for part in (q, k, v))
    shares = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)
    return (shares @ v).transpose(1, 2).reshape(n, t, dim) @ torch.as_tensor(w_out).double()


def _one_sequence(out: Callable[..., Array]) -> Callable[..., Array]:
    """All tokens of the batch in one long sequence: images look at each other."""

    def self_attention(x: Array, w_qkv: Array, w_out: Array, n_heads: int) -> Array:
        return out(x.reshape(1, -1, x.shape[-1]), w_qkv, w_out, n_heads).reshape(x.shape)

    return self_attention


def _attention_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(
        aspect: str,
        shape: tuple[int, int, int],
        heads: Any,
        note: str = "",
        identity: bool = False,
        spread: float = 1.0,
    ) -> Case:
        dim = shape[-1]
        w_out = np.eye(dim) if identity else reals(rng, dim, dim, spread=1)
        w_qkv = reals(rng, dim, 3 * dim, spread=dim**-0.5)
        return Case(aspect, (reals(rng, *shape, spread=spread), w_qkv, w_out, heads), note=note)

    one, project, heads, batch = "one head", "projection", "several heads", "batch"
    # A case early on that tells most mistakes apart: a diagnosis need not look further.
    yield case(batch, (2, 3, 6), 2)
    yield case(one, (1, 2, 1), 1, "two tokens of one number", identity=True)
    yield case(one, (1, 3, 2), 1, identity=True)
    yield case(one, (1, 4, 3), 1, identity=True)
    yield case(one, (1, 1, 2), 1, "one token", identity=True)
    yield case(project, (1, 2, 2), 1)
    yield case(project, (1, 4, 3), 1)
    yield case(heads, (1, 2, 4), 2)
    yield case(heads, (1, 5, 6), 3)
    yield case(heads, (1, 3, 8), np.int64(4))
    yield case(heads, (1, 3, 4), 4, "as many heads as numbers")
    yield case(batch, (3, 2, 2), 1)
    yield case(batch, (2, 4, 8), 2)
    yield case("large scores", (1, 3, 4), 2, "scores in the thousands", spread=80.0)
    yield case("large scores", (2, 4, 6), 2, "scores in the thousands", spread=80.0)


SELF_ATTENTION = FunctionExercise(
    name="self_attention",
    chapter="10",
    signature="self_attention(x, w_qkv, w_out, n_heads) -> array",
    aspects=(
        Aspect("one head", 2),
        Aspect("projection", 1),
        Aspect("several heads", 2),
        Aspect("batch", 1),
        Aspect("large scores", 1, needs=("several heads",)),
    ),
    worked=(
        Case(
            "one head",
            (
                np.array([[[1.0], [0.0]]]),
                np.array([[np.log(3.0), 1.0, 8.0]]),
                np.array([[1.0]]),
                1,
            ),
            note="two tokens of one number",
        ),
    ),
    cases=_attention_cases,
    reference=_attention_as(),
    alternatives={
        "loops": _attention_by_loops,
        "split and einsum": _attention_by_einsum,
        "torch's operators": _attention_in_torch,
    },
    misconceptions=(
        Misconception(
            "not_scaled",
            "You do not scale the scores: divide them by the root of a head's width.",
            _attention_as(scale=lambda dim, heads: 1.0),
        ),
        Misconception(
            "scaled_by_the_whole_width",
            "You scale by the root of D: a head's queries and keys have D / n_heads numbers.",
            _attention_as(scale=lambda dim, heads: dim**-0.5),
        ),
        Misconception(
            "scaled_without_the_root",
            "You divide by a head's width: divide by its root.",
            _attention_as(scale=lambda dim, heads: heads / dim),
        ),
        Misconception(
            "scaled_up",
            "You multiply by the root of a head's width: divide by it.",
            _attention_as(scale=lambda dim, heads: (dim / heads) ** 0.5),
        ),
        Misconception(
            "softmax_over_queries",
            "Your softmax runs over the queries: what one token takes from all others adds up to "
            "one.",
            _attention_as(softmax=lambda scores: _softmax(scores, -2)),
        ),
        Misconception(
            "softmax_over_heads",
            "Your softmax runs over the heads: each head has its own.",
            _attention_as(softmax=lambda scores: _softmax(scores, 1)),
        ),
        Misconception(
            "softmax_over_everything",
            "Your softmax makes all weights of a head add up to one: each row adds up to one.",
            _attention_as(softmax=lambda s: _softmax(s.reshape(*s.shape[:2], -1)).reshape(s.shape)),
        ),
        Misconception(
            "no_softmax",
            "You mix the values by the scores themselves: the softmax is missing.",
            _attention_as(softmax=lambda scores: scores),
        ),
        Misconception(
            "softmax_overflows",
            "Your softmax overflows for large scores: subtract each row's largest score first.",
            _attention_as(softmax=_softmax_unguarded),
        ),
        Misconception(
            "queries_and_keys_exchanged",
            "Your keys look for queries: the first block of w_qkv makes the queries.",
            _attention_as(use=lambda q, k, v: (k, q, v)),
        ),
        Misconception(
            "values_first",
            "The blocks of w_qkv are queries, keys, values, in this order.",
            _attention_as(use=lambda v, q, k: (q, k, v)),
        ),
        Misconception(
            "keys_and_values_exchanged",
            "You compare with the values and mix the keys: it is the other way round.",
            _attention_as(use=lambda q, k, v: (q, v, k)),
        ),
        Misconception(
            "queries_as_keys",
            "You compare the queries with themselves: keys are a block of their own.",
            _attention_as(use=lambda q, k, v: (q, q, v)),
        ),
        Misconception(
            "heads_interleaved",
            "You deal the numbers of a token out to the heads in turn: a head has neighbours.",
            _attention_as(split=_heads_interleaved, join=lambda out: _joined_in_turn(out)),
        ),
        Misconception(
            "heads_before_blocks",
            "You cut w_qkv into heads first and each head into q, k, v: the three blocks come "
            "first, and each holds its heads.",
            _attention_as(split=_heads_first),
        ),
        Misconception(
            "blocks_in_turn",
            "You take every third number for the queries: q, k and v are blocks of neighbours.",
            _attention_as(split=_three_fastest),
        ),
        Misconception(
            "heads_from_tokens",
            "Reshaping to (N, n_heads, T, …) mixes tokens into heads: reshape to (N, T, n_heads, "
            "…), then swap the two axes.",
            _attention_as(
                split=_tokens_for_heads,
                join=lambda out: out.reshape(len(out), out.shape[2], -1),
            ),
        ),
        Misconception(
            "heads_from_tokens_moved_back",
            "Reshaping to (N, n_heads, T, …) mixes tokens into heads: reshape to (N, T, n_heads, "
            "…), then swap the two axes, as you do at the end.",
            _attention_as(split=_tokens_for_heads),
        ),
        Misconception(
            "joined_without_moving",
            "Your heads are right, but joining them mixes up tokens: swap the axes of heads and "
            "tokens before you reshape.",
            _attention_as(join=lambda out: out.reshape(len(out), out.shape[2], -1)),
        ),
        Misconception(
            "heads_averaged",
            "You average the heads: they stand side by side.",
            _attention_as(
                join=lambda out: np.tile(out.mean(1), (1, 1, out.shape[1])),
            ),
        ),
        Misconception(
            "one_head_only",
            "Your answer does not change with n_heads.",
            _attention_as(heads=lambda n_heads: 1),
        ),
        Misconception(
            "not_projected",
            "You return the heads side by side: multiply them by w_out.",
            _attention_as(project=lambda out, w_out, x: out),
        ),
        Misconception(
            "projected_from_the_left",
            "You multiply by the transpose of w_out: both matrices multiply from the right.",
            _attention_as(project=lambda out, w_out, x: out @ w_out.T),
        ),
        Misconception(
            "input_added",
            "You add the input: that is the block's skip, attention alone is asked.",
            _attention_as(project=lambda out, w_out, x: out @ w_out + x),
        ),
        Misconception(
            "batch_as_one_sequence",
            "Your images look at each other: tokens meet those of their own image.",
            _one_sequence(_attention_as()),
        ),
        Misconception(
            "causal",
            "Your tokens look back only: there is no before and after in an image.",
            _attention_as(
                softmax=lambda s: _softmax(np.where(np.tri(s.shape[-1]) > 0, s, -np.inf))
            ),
        ),
    ),
    forbidden=(
        "torch.nn.functional.scaled_dot_product_attention",
        "torch.nn.functional.multi_head_attention_forward",
        # Torch's own layer calls its own functions, which is no call of the learner's.
        "torch.nn.MultiheadAttention",
        "torch:aten._native_multi_head_attention",
        "torch:aten._scaled_dot_product_flash_attention_for_cpu",
        "course_lib.ops.scaled_dot_product_attention",
    ),
    hints=(
        "Begin with one head: q, k, v = np.split(x @ w_qkv, 3, axis=-1). Scores are q @ k "
        "transposed, over the root of the width. What must add up to one?",
        "For several heads give them an axis: q.reshape(N, T, n_heads, D // n_heads), then swap "
        "axes 1 and 2. All products then run for each head by itself.",
        "weights = softmax(q @ k.swapaxes(-1, -2) / sqrt(D // n_heads)) along the last axis, less "
        "each row's largest first; (weights @ v).swapaxes(1, 2).reshape(N, T, D) @ w_out.",
    ),
)


def _joined_in_turn(out: Array) -> Array:
    n, heads, t, width = out.shape
    return out.transpose(0, 2, 3, 1).reshape(n, t, width * heads)


# ── attention_macs ──────────────────────────────────────────────────────────────────────────────


def _macs(n_tokens: int, dim: int) -> int:
    return 2 * int(n_tokens) ** 2 * int(dim)


def _macs_counted(n_tokens: int, dim: int) -> int:
    scores = n_tokens * n_tokens * dim  # each pair of tokens, a product of vectors
    mixing = n_tokens * dim * n_tokens  # each number that comes out, a sum over tokens
    return scores + mixing


def _macs_cases(rng: np.random.Generator) -> Iterator[Case]:
    yield Case("small", (1, 5), note="one token")
    yield Case("small", (5, 1), note="one number a token")
    yield Case("small", (3, 2))
    for _ in range(4):
        n, dim = rng.choice([7, 16, 49, 65, 196, 256, 784, 3136], 1), rng.choice([8, 96, 384], 1)
        yield Case("as published", (int(n[0]), int(dim[0])))
    yield Case("as published", (np.int64(50), np.int64(192)))


ATTENTION_MACS = FunctionExercise(
    name="attention_macs",
    chapter="10",
    signature="attention_macs(n_tokens, dim) -> int",
    aspects=(Aspect("small", 1), Aspect("as published", 1)),
    worked=(
        Case("small", (4, 3), note="four tokens of three numbers"),
        Case("as published", (196, 768), note="the patches of a ViT-B/16"),
    ),
    cases=_macs_cases,
    reference=_macs,
    alternatives={"both products": _macs_counted, "a power": lambda n, d: n**2 * 2 * d},
    misconceptions=(
        Misconception(
            "one_product",
            "That is one product: the scores q·kᵀ, and then the shares times the values.",
            lambda n, dim: n * n * dim,
        ),
        Misconception(
            "flops",
            "Those are FLOPs: a multiply-add is one MAC.",
            lambda n, dim: 4 * n * n * dim,
        ),
        Misconception(
            "width_forgotten",
            "You count pairs of tokens: each of them costs as many MACs as a token has numbers.",
            lambda n, dim: 2 * n * n,
        ),
        Misconception(
            "linear",
            "Your count grows with n_tokens alone: every token meets every token.",
            lambda n, dim: 2 * n * dim,
        ),
        Misconception(
            "exchanged",
            "You square the width: tokens meet in pairs, numbers do not.",
            lambda n, dim: 2 * n * dim * dim,
        ),
        Misconception(
            "projections_counted",
            "You count the projections as well: only the two products with the n×n map are asked.",
            lambda n, dim: 2 * n * n * dim + 4 * n * dim * dim,
        ),
        Misconception(
            "projections_only",
            "Those are the four projections: the products with the n×n map are asked.",
            lambda n, dim: 4 * n * dim * dim,
        ),
        Misconception(
            "qkv_counted",
            "You count a product for each of q, k and v: two products have the n×n map in them.",
            lambda n, dim: 3 * n * n * dim,
        ),
        Misconception(
            "without_itself",
            "A token looks at itself too.",
            lambda n, dim: 2 * n * (n - 1) * dim,
        ),
        Misconception(
            "each_pair_once",
            "You count each pair once: what i makes of j is not what j makes of i.",
            lambda n, dim: n * (n + 1) * dim,
        ),
    ),
    hints=(
        "How many scores are there, and how many MACs does each of them take?",
        "The scores: n·n products of vectors of dim numbers. Then each of the n·dim numbers that "
        "come out is a sum over n tokens.",
        "n·n·dim, twice.",
    ),
)


# ── window_partition and window_reverse ─────────────────────────────────────────────────────────


def _partition_as(
    order: Order = (0, 2, 4, 1, 3, 5),
    shape: Callable[[int, int, int, int], tuple[int, ...]] = lambda n, m, c, w: (n * m, c, w, w),
) -> Callable[..., Array]:
    """Windows that are right but for the order of the axes, or the shape at the end."""

    def window_partition(x: Array, window: int) -> Array:
        n, c, h, w = x.shape
        windows = (h // window) * (w // window)
        blocks = _blocks(np.asarray(x), window).transpose(order)
        return blocks.reshape(shape(n, windows, c, window))

    return window_partition


def _partition_by_loops(x: Array, window: int) -> Array:
    _, _, h, w = x.shape
    return np.stack(
        [
            image[:, top : top + window, left : left + window]
            for image in x
            for top in range(0, h, window)
            for left in range(0, w, window)
        ]
    )


def _partition_by_splitting(x: Array, window: int) -> Array:
    parts = [
        tile
        for image in x
        for row in np.split(image, image.shape[1] // window, axis=1)
        for tile in np.split(row, image.shape[2] // window, axis=2)
    ]
    return np.array(parts)


def _partition_in_torch(x: Array, window: int) -> Any:
    import torch

    tiles = torch.from_numpy(np.ascontiguousarray(x)).unfold(2, window, window)
    tiles = tiles.unfold(3, window, window).permute(0, 2, 3, 1, 4, 5)
    return tiles.reshape(-1, x.shape[1], window, window)


def _partition_channels_last(x: Array, window: int) -> Array:
    n, h, w, c = x.shape
    blocks = x.reshape(n, h // window, window, w // window, window, c)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, window, window, c)


def _partition_of_squares(x: Array, window: int) -> Array:
    n, c, h, _ = x.shape
    side = h // window
    blocks = x.reshape(n, c, side, window, side, window).transpose(0, 2, 4, 1, 3, 5)
    return blocks.reshape(-1, c, window, window)


MAPS = ((1, 1, 2, 2, 2), (1, 1, 4, 4, 1), (1, 1, 6, 6, 3), (1, 1, 6, 6, 2))


def _partition_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, shape: tuple[int, ...], window: Any, note: str = "") -> Case:
        return Case(aspect, (reals(rng, *shape), window), note=note)

    yield case("channels and batch", (2, 3, 4, 6), 2)
    for n, c, h, w, window in MAPS:
        yield case("one map", (n, c, h, w), window)
    yield case("height and width differ", (1, 1, 2, 6), 2)
    yield case("height and width differ", (1, 1, 6, 3), 3)
    yield case("height and width differ", (1, 1, 4, 8), np.int64(2))
    yield case("channels and batch", (1, 2, 4, 4), 2)
    yield case("channels and batch", (3, 1, 4, 4), 2)
    yield case("channels and batch", (2, 2, 6, 3), 3)


_WINDOWS_FORBIDDEN = (
    "course_lib.nets.windows.window_partition",
    "course_lib.nets.windows.window_reverse",
    "course_lib.nets.windows.shifted_window_mask",
)

WINDOW_PARTITION = FunctionExercise(
    name="window_partition",
    chapter="10",
    signature="window_partition(x, window) -> array",
    aspects=(
        Aspect("one map", 1),
        Aspect("height and width differ", 1),
        Aspect("channels and batch", 1),
    ),
    worked=(Case("one map", (PIXELS, 2), note="4×4 positions, windows of 2×2"),),
    cases=_partition_cases,
    reference=_partition_as(),
    alternatives={
        "loops": _partition_by_loops,
        "split": _partition_by_splitting,
        "torch's unfold of a tensor": _partition_in_torch,
    },
    misconceptions=(
        Misconception(
            "only_reshaped",
            "You reshape without moving an axis: that cuts the rows into pieces, not the map into "
            "windows.",
            lambda x, window: x.reshape(-1, x.shape[1], window, window),
        ),
        Misconception(
            "windows_by_columns",
            "Your windows run down the columns: they run row by row.",
            _partition_as((0, 4, 2, 1, 3, 5)),
        ),
        Misconception(
            "transposed_inside",
            "Your windows are transposed: rows stay rows.",
            _partition_as((0, 2, 4, 1, 5, 3)),
        ),
        Misconception(
            "images_in_turn",
            "You list the first window of every image, then the second: an image's windows stand "
            "together.",
            _partition_as((2, 4, 0, 1, 3, 5)),
        ),
        Misconception(
            "channels_apart",
            "Your windows of different channels stand apart: a window has all channels.",
            _partition_as((0, 1, 2, 4, 3, 5)),
        ),
        Misconception(
            "every_nth_position",
            "Your windows hold positions from all over the map: a window is a square of "
            "neighbours.",
            lambda x, window: np.concatenate(
                [
                    image[None, :, i :: x.shape[2] // window, j :: x.shape[3] // window]
                    for image in x
                    for i in range(x.shape[2] // window)
                    for j in range(x.shape[3] // window)
                ]
            ),
        ),
        Misconception(
            "batch_kept_apart",
            "Your windows have an axis of their own: they go on the batch's axis.",
            _partition_as(shape=lambda n, m, c, w: (n, m, c, w, w)),
        ),
        Misconception(
            "flattened",
            "Your windows are flattened: they stay (window, window).",
            _partition_as(shape=lambda n, m, c, w: (n * m, c, w * w)),
        ),
        Misconception(
            "channels_expected_last",
            "You take the channels for the last axis, as Swin's own code has them: here they are "
            "the second.",
            _partition_channels_last,
        ),
        Misconception(
            "channels_put_last",
            "Your windows have their channels last: here they are the second axis.",
            lambda x, window: _partition_as()(x, window).transpose(0, 2, 3, 1),
        ),
        Misconception(
            "squares_only",
            "You take the map for a square: it has H/window rows and W/window columns of windows.",
            _partition_of_squares,
        ),
        Misconception(
            "first_image_only",
            "You return the first image's windows.",
            lambda x, window: _partition_as()(x[:1], window),
        ),
    ),
    forbidden=_WINDOWS_FORBIDDEN,
    hints=(
        "It is patchify with another ending: the same six axes, the same order.",
        "x.reshape(N, C, H//window, window, W//window, window), then the two axes that number the "
        "windows behind N.",
        "After .transpose(0, 2, 4, 1, 3, 5): reshape to (-1, C, window, window).",
    ),
)


def _reverse_as(
    order: Order = (0, 3, 1, 4, 2, 5),
    shape: Callable[[int, int, int, int], tuple[int, ...]] = lambda n, c, h, w: (n, c, h, w),
) -> Callable[..., Array]:
    """Maps put together, right but for the order of the axes, or the shape at the end."""

    def window_reverse(windows: Array, window: int, height: int, width: int) -> Array:
        rows, columns = height // window, width // window
        n, c = len(windows) // (rows * columns), windows.shape[1]
        blocks = np.asarray(windows).reshape(n, rows, columns, c, window, window)
        return blocks.transpose(order).reshape(shape(n, c, height, width))

    return window_reverse


def _reverse_by_loops(windows: Array, window: int, height: int, width: int) -> Array:
    rows, columns = height // window, width // window
    n = len(windows) // (rows * columns)
    out = np.empty((n, windows.shape[1], height, width), windows.dtype)
    for place, tile in enumerate(windows):
        image, rest = divmod(place, rows * columns)
        row, column = divmod(rest, columns)
        top, left = row * window, column * window
        out[image, :, top : top + window, left : left + window] = tile
    return out


def _reverse_by_joining(windows: Array, window: int, height: int, width: int) -> Array:
    columns = width // window
    strips = [
        np.concatenate(list(windows[first : first + columns]), axis=2)
        for first in range(0, len(windows), columns)
    ]
    rows = height // window
    return np.stack(
        [
            np.concatenate(strips[first : first + rows], axis=1)
            for first in range(0, len(strips), rows)
        ]
    )


def _reverse_by_columns(windows: Array, window: int, height: int, width: int) -> Array:
    rows, columns = height // window, width // window
    blocks = windows.reshape(-1, columns, rows, windows.shape[1], window, window)
    return blocks.transpose(0, 3, 2, 4, 1, 5).reshape(-1, windows.shape[1], height, width)


def _reverse_images_in_turn(windows: Array, window: int, height: int, width: int) -> Array:
    rows, columns = height // window, width // window
    blocks = windows.reshape(rows, columns, -1, windows.shape[1], window, window)
    return blocks.transpose(2, 3, 0, 4, 1, 5).reshape(-1, windows.shape[1], height, width)


def _reverse_of_squares(windows: Array, window: int, height: int, width: int) -> Array:
    side = height // window
    blocks = windows.reshape(-1, side, side, windows.shape[1], window, window)
    return blocks.transpose(0, 3, 1, 4, 2, 5).reshape(-1, windows.shape[1], height, width)


def _reverse_channels_last(windows: Array, window: int, height: int, width: int) -> Array:
    c = windows.shape[1]
    blocks = windows.reshape(-1, height // window, width // window, window, window, c)
    return blocks.transpose(0, 1, 3, 2, 4, 5).reshape(-1, height, width, c)


def _reverse_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, shape: tuple[int, ...], window: Any, note: str = "") -> Case:
        n, c, h, w = shape
        windows = reals(rng, n * (h // window) * (w // window), c, window, window)
        return Case(aspect, (windows, window, h, w), note=note)

    yield case("channels and batch", (2, 3, 4, 6), 2)
    for n, c, h, w, window in MAPS:
        yield case("one map", (n, c, h, w), window)
    yield case("height and width differ", (1, 1, 2, 6), 2)
    yield case("height and width differ", (1, 1, 6, 3), 3)
    yield case("height and width differ", (1, 1, 4, 8), np.int64(2))
    yield case("channels and batch", (1, 2, 4, 4), 2)
    yield case("channels and batch", (3, 1, 4, 4), 2)
    yield case("channels and batch", (2, 2, 6, 3), 3)


WINDOW_REVERSE = FunctionExercise(
    name="window_reverse",
    chapter="10",
    signature="window_reverse(windows, window, height, width) -> array",
    aspects=(
        Aspect("one map", 1),
        Aspect("height and width differ", 1),
        Aspect("channels and batch", 1),
    ),
    worked=(Case("one map", (_partition_as()(PIXELS, 2), 2, 4, 4), note="windows of the example"),),
    cases=_reverse_cases,
    reference=_reverse_as(),
    alternatives={"loops": _reverse_by_loops, "concatenate": _reverse_by_joining},
    misconceptions=(
        Misconception(
            "only_reshaped",
            "You reshape without moving an axis: that lays each window out in a line.",
            lambda windows, window, height, width: windows.reshape(
                -1, windows.shape[1], height, width
            ),
        ),
        Misconception(
            "windows_by_columns",
            "You lay the windows down the columns: they run row by row.",
            _reverse_by_columns,
        ),
        Misconception(
            "transposed_inside",
            "Your windows come out transposed: rows stay rows.",
            _reverse_as((0, 3, 1, 5, 2, 4)),
        ),
        Misconception(
            "images_in_turn",
            "You deal the windows out to the images in turn: an image's windows stand together.",
            _reverse_images_in_turn,
        ),
        Misconception(
            "every_nth_position",
            "You spread each window over the whole map: its positions are neighbours.",
            _reverse_as((0, 3, 4, 1, 5, 2)),
        ),
        Misconception(
            "partition_again",
            "You move the axes as window_partition does: here they go back.",
            _reverse_as((0, 2, 4, 1, 3, 5)),
        ),
        Misconception(
            "squares_only",
            "You take the map for a square: it has height/window rows and width/window columns.",
            _reverse_of_squares,
        ),
        Misconception(
            "height_and_width_exchanged",
            "You exchange height and width.",
            lambda windows, window, height, width: _reverse_as()(windows, window, width, height),
        ),
        Misconception(
            "channels_taken_for_last",
            "You take the windows' channels for their last axis, as Swin's own code has them.",
            _reverse_channels_last,
        ),
        Misconception(
            "one_image_only",
            "You return the first image.",
            lambda windows, window, height, width: _reverse_as()(windows, window, height, width)[
                :1
            ],
        ),
        Misconception(
            "batch_dropped",
            "You drop the batch's axis: one image is a batch too.",
            lambda windows, window, height, width: _reverse_as()(windows, window, height, width)[0],
        ),
    ),
    forbidden=_WINDOWS_FORBIDDEN,
    hints=(
        "How many windows has one image? What is left of the first axis is the batch.",
        "windows.reshape(-1, height//window, width//window, C, window, window): now each row of "
        "pixels is two axes that stand apart. Bring them together.",
        "After .transpose(0, 3, 1, 4, 2, 5) the axes are (N, C, row, y, column, x): reshape to "
        "(N, C, height, width).",
    ),
)


# ── shifted_window_mask ─────────────────────────────────────────────────────────────────────────


def _around(size: int, shift: int) -> Array:
    """1 where a row, or column, has come around to the other end, 0 elsewhere."""
    return (np.arange(size) >= size - shift).astype(int)


def _in_windows(region: Array, window: int) -> Array:
    """(H, W) to (n_windows, window²), row by row."""
    return _partition_as()(region[None, None], window).reshape(-1, window * window)


def _mask_as(
    came: Callable[[int, int, int], Array] = lambda size, shift, window: _around(size, shift),
    region: Callable[[Array, Array], Array] = lambda rows, columns: 2 * rows[:, None] + columns,
    cut: Callable[[Array, int], Array] = _in_windows,
    may: Callable[[Array, Array], Array] = lambda one, other: one == other,
    numbers: tuple[Any, Any] = (0.0, -100.0),
    shape: Callable[[Array], Array] = lambda mask: mask,
) -> Callable[..., Array]:
    """The mask, right but for the parts that are given."""

    def shifted_window_mask(height: int, width: int, window: int, shift: int) -> Array:
        rows, columns = came(height, shift, window), came(width, shift, window)
        regions = cut(region(rows, columns), window)
        allowed = may(regions[:, :, None], regions[:, None, :])
        return shape(np.where(allowed, *numbers))

    return shifted_window_mask


def _mask_of_nine_regions(height: int, width: int, window: int, shift: int) -> Array:
    """As Swin's own code: nine regions numbered with slices."""
    region = np.zeros((height, width), int)
    ends = [slice(0, -window), slice(-window, -shift or None)]
    if shift:
        ends.append(slice(-shift, None))
    for number, (rows, columns) in enumerate((r, c) for r in ends for c in ends):
        region[rows, columns] = number
    cut = region.reshape(height // window, window, width // window, window)
    parts = cut.transpose(0, 2, 1, 3).reshape(-1, window * window)
    return np.asarray((parts[:, None, :] != parts[:, :, None]) * -100.0)


def _mask_by_neighbours(height: int, width: int, window: int, shift: int) -> Array:
    """From where the tokens were: two may meet if they are as far apart as in the image."""
    rows, columns = np.meshgrid(range(height), range(width), indexing="ij")
    was_row, was_column = (rows + shift) % height, (columns + shift) % width
    parts = [
        [tile.ravel() for tile in _tiles(values, window)]
        for values in (rows - was_row, columns - was_column)
    ]
    mask = np.zeros((len(parts[0]), window**2, window**2))
    for place, (y, x) in enumerate(zip(*parts, strict=True)):
        for i in range(window**2):
            for j in range(window**2):
                mask[place, i, j] = 0 if y[i] == y[j] and x[i] == x[j] else -100
    return mask


def _tiles(values: Array, window: int) -> list[Array]:
    height, width = values.shape
    return [
        values[top : top + window, left : left + window]
        for top in range(0, height, window)
        for left in range(0, width, window)
    ]


def _mask_of_unshifted_windows(height: int, width: int, window: int, shift: int) -> Array:
    """Tokens of different windows of the block before are kept apart."""
    rows = (np.arange(height) + shift) % height // window
    columns = (np.arange(width) + shift) % width // window
    regions = _in_windows(rows[:, None] * (width // window) + columns, window)
    return np.where(regions[:, :, None] == regions[:, None, :], 0.0, -100.0)


def _windows_by_columns(region: Array, window: int) -> Array:
    return _partition_as((0, 4, 2, 1, 3, 5))(region[None, None], window).reshape(-1, window**2)


def _mask_cases(rng: np.random.Generator) -> Iterator[Case]:
    def case(aspect: str, *sizes: Any, note: str = "") -> Case:
        return Case(aspect, sizes, note=note)

    square, other, part, none = "shift by half", "height and width differ", "any shift", "no shift"
    yield case(part, 6, 9, 3, int(rng.integers(1, 3)))
    yield case(square, 4, 4, 2, 1)
    yield case(square, 6, 6, 2, 1)
    yield case(square, 8, 8, 4, 2)
    yield case(other, 4, 6, 2, 1)
    yield case(other, 8, 4, 2, np.int64(1))
    yield case(other, 4, 8, 2, 1)
    yield case(part, 6, 6, 3, 1)
    yield case(part, 9, 6, 3, 2)
    yield case(part, 8, 12, 4, int(rng.choice([1, 3])))
    yield case(none, 4, 6, 2, 0)
    yield case(none, 6, 6, 3, 0)


SHIFTED_WINDOW_MASK = FunctionExercise(
    name="shifted_window_mask",
    chapter="10",
    signature="shifted_window_mask(height, width, window, shift) -> array",
    aspects=(
        Aspect("shift by half", 2),
        Aspect("height and width differ", 1),
        Aspect("any shift", 1),
        Aspect("no shift", 1, needs=("shift by half",)),
    ),
    worked=(Case("shift by half", (4, 4, 2, 1), note="four windows of four tokens"),),
    cases=_mask_cases,
    reference=_mask_as(),
    alternatives={
        "nine regions": _mask_of_nine_regions,
        "where they came from": _mask_by_neighbours,
    },
    misconceptions=(
        Misconception(
            "nothing_masked",
            "You mask nothing: in the last windows there are tokens from opposite ends.",
            _mask_as(may=lambda one, other: np.full(np.broadcast(one, other).shape, True)),
        ),
        Misconception(
            "inverted",
            "Your mask is inside out: 0 is for those that may meet.",
            _mask_as(numbers=(-100.0, 0.0)),
        ),
        Misconception(
            "plus_hundred",
            "You add +100: that makes a weight as large as can be.",
            _mask_as(numbers=(0.0, 100.0)),
        ),
        Misconception(
            "ones_and_zeros",
            "Your mask is of ones and zeros: it is added to the scores, so 0 where two may meet, "
            "−100 where not.",
            _mask_as(numbers=(1.0, 0.0)),
        ),
        Misconception(
            "minus_infinity",
            "You put −∞ where −100 is asked.",
            _mask_as(numbers=(0.0, -np.inf)),
        ),
        Misconception(
            "rolled_the_other_way",
            "You take the first rows and columns for those that came around: the roll is upwards "
            "and to the left, so the last ones did.",
            _mask_as(came=lambda size, shift, window: (np.arange(size) < shift).astype(int)),
        ),
        Misconception(
            "rows_only",
            "You keep apart what came around from the top: the columns came around too.",
            _mask_as(region=lambda rows, columns: rows[:, None] + 0 * columns),
        ),
        Misconception(
            "columns_only",
            "You keep apart what came around from the left: the rows came around too.",
            _mask_as(region=lambda rows, columns: 0 * rows[:, None] + columns),
        ),
        Misconception(
            "right_over_bottom",
            "In the last window the corner came around both borders: you write the right one over "
            "the bottom one.",
            _mask_as(region=lambda rows, columns: np.where(columns, 2, rows[:, None])),
        ),
        Misconception(
            "bottom_over_right",
            "In the last window the corner came around both borders: you write the bottom one over "
            "the right one.",
            _mask_as(region=lambda rows, columns: np.where(rows[:, None], 1, 2 * columns)),
        ),
        Misconception(
            "regions_rolled",
            "You roll the numbered regions once more: number the map as it stands after the roll.",
            _mask_as(
                region=lambda rows, columns: np.roll(
                    2 * rows[:, None] + columns, (-rows.sum(), -columns.sum()), axis=(0, 1)
                )
            ),
        ),
        Misconception(
            "regions_added",
            "In the last window you let the top right meet the bottom left: four regions need four "
            "different numbers.",
            _mask_as(region=lambda rows, columns: rows[:, None] + columns),
        ),
        Misconception(
            "came_around_or_not",
            "You only ask whether a token came around: what came from above may not meet what came "
            "from the left.",
            _mask_as(region=lambda rows, columns: rows[:, None] | columns),
        ),
        Misconception(
            "strangers_to_all",
            "What came around may meet what came around with it, itself above all.",
            _mask_as(
                region=lambda rows, columns: rows[:, None] | columns,
                may=lambda one, other: (one == 0) & (other == 0),
            ),
        ),
        Misconception(
            "keys_only",
            "You hide what came around from everybody: among themselves those tokens may meet.",
            _mask_as(
                region=lambda rows, columns: rows[:, None] | columns,
                may=lambda one, other: (other == 0) & (one == one),
            ),
        ),
        Misconception(
            "rest_of_the_window",
            "You take window − shift rows for those that came around: it was shift of them.",
            _mask_as(
                came=lambda size, shift, window: _around(size, (window - shift) if shift else 0)
            ),
        ),
        Misconception(
            "half_a_window",
            "You shift by half a window whatever the shift.",
            _mask_as(came=lambda size, shift, window: _around(size, window // 2)),
        ),
        Misconception(
            "zero_means_all",
            "At shift 0 nothing comes around: `[-0:]` is the whole array.",
            lambda height, width, window, shift: (
                _mask_as()(height, width, window, shift)
                if shift
                else _mask_as(may=lambda one, other: one != one + 0 * other)(
                    height, width, window, shift
                )
            ),
        ),
        Misconception(
            "windows_by_columns",
            "Your windows run down the columns: they run row by row.",
            _mask_as(cut=_windows_by_columns),
        ),
        Misconception(
            "height_and_width_exchanged",
            "You exchange height and width.",
            lambda height, width, window, shift: _mask_as()(width, height, window, shift),
        ),
        Misconception(
            "only_cut_by_reshaping",
            "You reshape without moving an axis: that is not how window_partition cuts.",
            _mask_as(cut=lambda region, window: region.reshape(-1, window * window)),
        ),
        Misconception(
            "windows_of_the_block_before",
            "You keep apart what was in different windows before the shift: they were neighbours, "
            "and are to meet now.",
            _mask_of_unshifted_windows,
        ),
        Misconception(
            "last_window_only",
            "You return one mask, of the last window: each window has its own.",
            _mask_as(shape=lambda mask: mask[-1]),
        ),
    ),
    forbidden=_WINDOWS_FORBIDDEN,
    hints=(
        "After rolling by shift, the last shift rows and the last shift columns of the map are "
        "strangers. That makes four regions: number them.",
        "Make a (height, width) array with a different number in each region, cut it with "
        "window_partition, and flatten the windows: (n_windows, window²).",
        "With r of that shape: np.where(r[:, :, None] == r[:, None, :], 0.0, -100.0). The last "
        "shift rows are np.arange(height) >= height - shift.",
    ),
)


# ── ConvNeXtBlock ───────────────────────────────────────────────────────────────────────────────


def _norm_of_channels(x: Tensor, norm: Any) -> Tensor:
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def _gelu(x: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.gelu(x)


def _relu(x: Tensor) -> Tensor:
    return x.relu()


def _gelu_by_tanh(x: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.gelu(x, approximate="tanh")


def _same(x: Tensor) -> Tensor:
    return x


def _convnext_as(
    *,
    kernel: int = 7,
    depthwise: bool = True,
    norm: str = "layer",
    norm_first: bool = False,
    expand: int = 4,
    inside: Callable[[Tensor], Tensor] = _gelu,
    at_the_end: Callable[[Tensor], Tensor] = _same,
    after_depthwise: Callable[[Tensor], Tensor] = _same,
    scale: float | None = 1e-6,
    scale_shape: Callable[[int], tuple[int, ...]] = lambda channels: (channels, 1, 1),
    eps: float = 1e-6,
    add: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda x, branch, scale: x + scale * branch,
    bias: bool = True,
    padding: int | None = None,
) -> Callable[..., Any]:
    """ConvNeXt's block that is right but for the parts that are given."""

    def build(channels: int) -> Any:
        import torch
        from torch import nn

        channels = int(channels)
        norms: dict[str, Callable[[], Any]] = {
            "layer": lambda: nn.LayerNorm(channels, eps=eps),
            "batch": lambda: nn.BatchNorm2d(channels),
            "everything": lambda: nn.GroupNorm(1, channels, eps=1e-6),
            "instance": lambda: nn.GroupNorm(channels, channels, eps=1e-6),
            "none": nn.Identity,
        }

        class Block(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                around = kernel // 2 if padding is None else padding
                groups = channels if depthwise else 1
                self.around = nn.Conv2d(
                    channels, channels, kernel, padding=around, groups=groups, bias=bias
                )
                self.norm = norms[norm]()
                self.up = nn.Conv2d(channels, expand * channels, 1, bias=bias)
                self.down = nn.Conv2d(expand * channels, channels, 1, bias=bias)
                if scale is not None:
                    self.scale = nn.Parameter(torch.full(scale_shape(channels), scale))

            def normed(self, x: Tensor) -> Tensor:
                return _norm_of_channels(x, self.norm) if norm == "layer" else self.norm(x)

            def forward(self, x: Tensor) -> Tensor:
                if norm_first:
                    branch = after_depthwise(self.around(self.normed(x)))
                else:
                    branch = self.normed(after_depthwise(self.around(x)))
                branch = at_the_end(self.down(inside(self.up(branch))))
                return add(x, branch, self.scale if scale is not None else torch.ones(()))

        return Block()

    return build


def _convnext_channels_last(channels: int) -> Any:
    """As the authors' code has it: linear layers on the last axis, a vector as scale."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dwconv = nn.Conv2d(channels, channels, kernel_size=7, padding=3, groups=channels)
            self.norm = nn.LayerNorm(channels, eps=1e-6)
            self.pwconv1 = nn.Linear(channels, 4 * channels)
            self.act = nn.GELU()
            self.pwconv2 = nn.Linear(4 * channels, channels)
            self.gamma = nn.Parameter(1e-6 * torch.ones(channels))

        def forward(self, x: Tensor) -> Tensor:
            y = self.dwconv(x).permute(0, 2, 3, 1)
            y = self.gamma * self.pwconv2(self.act(self.pwconv1(self.norm(y))))
            return x + y.permute(0, 3, 1, 2)

    return Block()


def _convnext_by_hand(channels: int) -> Any:
    """The norm written out."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gain = nn.Parameter(torch.ones(channels))
            self.shift = nn.Parameter(torch.zeros(channels))
            self.gamma = nn.Parameter(torch.full((channels,), 1e-6))
            self.mlp = nn.Sequential(
                nn.Conv2d(channels, 4 * channels, 1),
                nn.GELU(),
                nn.Conv2d(4 * channels, channels, 1),
            )
            self.dw = nn.Conv2d(channels, channels, 7, 1, 3, 1, channels)

        def forward(self, x: Tensor) -> Tensor:
            y = self.dw(x)
            y = y - y.mean(1, keepdim=True)
            y = y / (y.square().mean(1, keepdim=True) + 1e-6).sqrt()
            y = y * self.gain[:, None, None] + self.shift[:, None, None]
            return x + self.gamma.view(1, -1, 1, 1) * self.mlp(y)

    return Block()


_BACK = "the gradient on its way back"


def _convnext_cases(rng: np.random.Generator) -> Iterator[Case]:
    def out(aspect: str, channels: int, *shape: int, note: str = "", scale: float = 1.0) -> Case:
        n, h, w = shape
        x = batch_of(rng, n, channels, h, w, scale=scale)
        return Case(aspect, (channels,), inputs=(x,), note=note)

    def count(channels: int) -> Case:
        return Case("parameters", (channels,), measure="parameters")

    wide = int(rng.choice([5, 6, 7, 9, 10]))
    yield out("any batch and size", wide, 2, 8, 9)
    yield count(3)
    yield count(wide)
    yield out("the block", 4, 1, 7, 7)
    yield out("the block", wide, 1, 9, 9)
    yield out("the block", 8, 1, 9, 9, note="large numbers", scale=5.0)
    yield out("any batch and size", 4, 3, 3, 5, note="maps smaller than the kernel")
    yield out("any batch and size", 3, 1, 12, 8)
    # Two numbers are often near each other: there the eps of the norm is seen.
    yield out("any batch and size", 2, 4, 12, 12, note="two channels")
    x = batch_of(rng, 2, 4, 5, 6)
    yield Case("the block", (4,), inputs=(x,), train=True, note="in training mode")
    yield Case("the block", (4,), inputs=(x,), note=_BACK, measure="gradient")
    for channels in (4, wide):
        note = "the values, other than 0, that your parameters start out with all alike"
        yield Case("start", (channels,), measure="constants", note=note)


CONVNEXT_BLOCK = ModuleExercise(
    name="ConvNeXtBlock",
    chapter="10",
    signature="ConvNeXtBlock(channels)",
    aspects=(
        Aspect("parameters", 1),
        Aspect("the block", 3),
        Aspect("any batch and size", 1),
        Aspect("start", 1),
    ),
    worked=(Case("parameters", (96,), measure="parameters", note="the first stage of ConvNeXt-T"),),
    cases=_convnext_cases,
    reference=_convnext_as(),
    alternatives={
        "linear layers, channels last": _convnext_channels_last,
        "the norm by hand": _convnext_by_hand,
    },
    misconceptions=(
        Misconception(
            "three_by_three",
            "Your depthwise kernel is 3×3: ConvNeXt's is 7×7.",
            _convnext_as(kernel=3),
        ),
        Misconception(
            "five_by_five",
            "Your depthwise kernel is 5×5: ConvNeXt's is 7×7.",
            _convnext_as(kernel=5),
        ),
        Misconception(
            "dense",
            "Your 7×7 convolution mixes channels: it is depthwise, as many groups as channels.",
            _convnext_as(depthwise=False),
        ),
        Misconception(
            "batch_norm",
            "You normalise with BatchNorm: it is a LayerNorm here.",
            _convnext_as(norm="batch"),
        ),
        Misconception(
            "norm_over_everything",
            "Your norm runs over the pixels too: it runs over the channels, at each pixel by "
            "itself.",
            _convnext_as(norm="everything"),
        ),
        Misconception(
            "norm_of_each_map",
            "Your norm runs over the pixels of each map: it runs over the channels, at each pixel.",
            _convnext_as(norm="instance"),
        ),
        Misconception(
            "no_norm",
            "The norm is missing.",
            _convnext_as(norm="none"),
        ),
        Misconception(
            "norm_before_the_depthwise",
            "Your norm comes first: it follows the depthwise convolution.",
            _convnext_as(norm_first=True),
        ),
        Misconception(
            "expanded_twice_only",
            "Your hidden layer is 2·channels wide: it is 4·channels.",
            _convnext_as(expand=2),
        ),
        Misconception(
            "not_expanded",
            "Your hidden layer is as narrow as the block: it is 4·channels wide.",
            _convnext_as(expand=1),
        ),
        Misconception(
            "relu",
            "Your activation is a ReLU: it is a GELU here.",
            _convnext_as(inside=_relu),
        ),
        Misconception(
            "approximate_gelu",
            "Your GELU is the approximation by tanh: the exact one is asked, PyTorch's default.",
            _convnext_as(inside=_gelu_by_tanh),
        ),
        Misconception(
            "default_eps",
            "Your LayerNorm has PyTorch's default eps, 1e-5: it is 1e-6 here.",
            _convnext_as(eps=1e-5),
        ),
        Misconception(
            "scale_with_four_axes",
            "Your layer scale has a shape of its own: make it (channels,) or (channels, 1, 1).",
            _convnext_as(scale_shape=lambda channels: (1, channels, 1, 1)),
        ),
        Misconception(
            "no_activation",
            "Without an activation between them the two 1×1 layers are one.",
            _convnext_as(inside=_same),
        ),
        Misconception(
            "activation_after_every_layer",
            "You activate after each convolution: there is one GELU, in the middle.",
            _convnext_as(after_depthwise=_gelu, at_the_end=_gelu),
        ),
        Misconception(
            "activation_after_the_depthwise",
            "You activate after the depthwise convolution: the only GELU follows the first 1×1.",
            _convnext_as(after_depthwise=_gelu),
        ),
        Misconception(
            "activation_at_the_end",
            "You activate the branch at its end: it ends linear.",
            _convnext_as(at_the_end=_gelu),
        ),
        Misconception(
            "activation_after_the_sum",
            "You activate the sum: nothing follows the skip here.",
            _convnext_as(add=lambda x, branch, scale: _gelu(x + scale * branch)),
        ),
        Misconception(
            "no_scale",
            "The layer scale is missing: a factor for each channel of the branch.",
            _convnext_as(scale=None),
        ),
        Misconception(
            "one_scale_for_all",
            "Your layer scale is one number: each channel has its own.",
            _convnext_as(scale_shape=lambda channels: (1,)),
        ),
        Misconception(
            "scale_starts_elsewhere",
            "Your layer scale starts at another value: it starts at 1e-6, so that the block begins "
            "as the skip, or very nearly.",
            _convnext_as(scale=1.0),
        ),
        Misconception(
            "skip_scaled_too",
            "You scale the sum: only the branch is scaled.",
            _convnext_as(add=lambda x, branch, scale: scale * (x + branch)),
        ),
        Misconception(
            "no_skip",
            "Your block forgets its input: add it to the branch.",
            _convnext_as(add=lambda x, branch, scale: scale * branch),
        ),
        Misconception(
            "no_bias",
            "Your convolutions have no bias: here all three have one.",
            _convnext_as(bias=False),
        ),
        Misconception(
            "not_padded",
            "Your 7×7 convolution is not padded: the map must keep its size.",
            _convnext_as(padding=0),
        ),
    ),
    forbidden=(
        "torchvision.models.convnext.CNBlock",
        "course_lib.nets.convnext.Block",
    ),
    hints=(
        "Four layers and a vector: a depthwise 7×7, a LayerNorm, up to 4·channels, back again, and "
        "the layer scale.",
        "nn.LayerNorm works on the last axis: x.permute(0, 2, 3, 1) puts the channels there. The "
        "two 1×1 layers can then be nn.Linear; permute(0, 3, 1, 2) goes back.",
        "self.scale = nn.Parameter(torch.full((channels,), 1e-6)), and return x + "
        "(self.scale * branch).permute(0, 3, 1, 2) with the branch's channels last.",
    ),
)


# ── quiz_10 ─────────────────────────────────────────────────────────────────────────────────────


def _ask_tokens(rng: np.random.Generator) -> Asked:
    patch, across = int(rng.choice([8, 14, 16, 32])), int(rng.choice([7, 10, 12, 15]))
    size = patch * across
    right = across**2 + 1
    return Asked(
        f"A ViT cuts images of {size}×{size} pixels into patches of {patch}×{patch} and adds a "
        "class token. How many tokens does its first block see?",
        right,
        f"{size}/{patch} = {across}, {across}² = {across**2} patches, and one more: {right}",
        wrong=distinct(
            right,
            {
                "no_class_token": (across**2, "The class token is a token too."),
                "one_row": (across + 1, "So many are in a row; there are as many rows."),
                "pixels": (size**2 // patch + 1, "A patch has patch·patch pixels."),
                "overlapping": (
                    (size - patch + 1) ** 2 + 1,
                    "Patches do not overlap: they stride by their size.",
                ),
            },
        ),
    )


def _ask_embedding(rng: np.random.Generator) -> Asked:
    patch, dim = int(rng.choice([8, 14, 16])), int(rng.choice([192, 384, 768]))
    right = 3 * patch * patch * dim + dim
    return Asked(
        f"Patches of {patch}×{patch} pixels in colour become tokens of {dim} numbers, by one "
        "linear layer with bias. How many parameters has it?",
        right,
        f"3·{patch}·{patch}·{dim} + {dim} = {right:,}",
        wrong=distinct(
            right,
            {
                "no_bias": (right - dim, "The bias has a number for each number of the token."),
                "grey": (patch * patch * dim + dim, "A pixel in colour is three numbers."),
                "patch_not_squared": (3 * patch * dim + dim, "A patch has patch·patch pixels."),
                "no_width": (3 * patch * patch, "So many numbers go in; how many come out?"),
            },
        ),
    )


def _ask_attention(rng: np.random.Generator) -> Asked:
    n, dim = int(rng.choice([64, 100, 196, 256])), int(rng.choice([96, 192, 384]))
    right = 2 * n * n * dim
    return Asked(
        f"{n} tokens of {dim} numbers look at each other in 4 heads. How many MACs take the two "
        "products with the n×n maps, projections not counted?",
        right,
        f"2·{n}²·{dim} = {right:,}: more heads are as much narrower",
        wrong=distinct(
            right,
            {
                "one_product": (n * n * dim, "There are two products: scores, and mixing."),
                "times_heads": (8 * n * n * dim, "Each of the 4 heads has a quarter of the width."),
                "over_heads": (n * n * dim // 2, "That is one of the 4 heads."),
                "projections": (
                    2 * n * n * dim + 4 * n * dim * dim,
                    "The projections are not counted.",
                ),
                "linear": (2 * n * dim, "Every token meets every token."),
            },
        ),
    )


def _ask_growth(rng: np.random.Generator) -> Asked:
    times = int(rng.choice([2, 3, 4, 5]))
    return Asked(
        f"The images of a ViT get sides {times} times as long, its patches stay as they are. By "
        "what factor do the MACs of the two products with the n×n maps grow? (No class token.)",
        times**4,
        f"{times}² times as many tokens, so {times}⁴ = {times**4} times as many pairs",
        wrong=distinct(
            times**4,
            {
                "tokens": (times**2, "So many times more tokens: how many more pairs?"),
                "side": (times, "A longer side means more rows and more columns."),
                "cubed": (times**3, "Tokens grow with the square, pairs with the square of that."),
                "doubled": (2 * times**2, "Pairs are the square of the tokens, not twice."),
            },
        ),
    )


def _ask_windows(rng: np.random.Generator) -> Asked:
    window, across, dim = (int(rng.choice(options)) for options in ([4, 7], [4, 6, 8], [32, 96]))
    side = window * across
    n = side * side
    right = 2 * n * window**2 * dim
    return Asked(
        f"A map of {side}×{side} tokens of {dim} numbers is cut into windows of {window}×{window}. "
        "Attention runs within each window. How many MACs take the products with the maps of "
        "weights, in all windows together?",
        right,
        f"{across}² windows, 2·({window}²)²·{dim} each: {right:,}",
        wrong=distinct(
            right,
            {
                "everywhere": (2 * n * n * dim, "So it would be without windows."),
                "one_window": (2 * window**4 * dim, f"That is one of {across**2} windows."),
                "one_product": (n * window**2 * dim, "There are two products."),
                "side": (2 * n * window * dim, "A window has window·window tokens."),
            },
        ),
    )


def _ask_masked(rng: np.random.Generator) -> Asked:
    window = int(rng.choice([4, 7]))
    rows, columns = (int(n) for n in rng.choice([3, 4, 5, 6, 7], 2, replace=False))
    right = (rows - 1) * (columns - 1)
    return Asked(
        f"A map of {rows * window}×{columns * window} tokens is rolled by {window // 2} up and to "
        f"the left and cut into windows of {window}×{window}. In how many windows may every token "
        "meet every other?",
        right,
        f"In all but the last row and the last column of {rows}×{columns} windows: "
        f"({rows}−1)·({columns}−1) = {right}",
        wrong=distinct(
            right,
            {
                "all": (rows * columns, "Some windows hold tokens from opposite ends."),
                "masked": (rows + columns - 1, "In so many windows something is masked."),
                "corner_only": (
                    rows * columns - 1,
                    "Not only the corner: the whole last row and the last column.",
                ),
                "corner_twice": (
                    rows * columns - rows - columns,
                    "The corner window lies in the last row and in the last column: once is "
                    "enough.",
                ),
            },
        ),
    )


def _ask_block(rng: np.random.Generator) -> Asked:
    c = int(rng.choice([40, 48, 64, 80, 128, 192]))
    right = 8 * c * c + 58 * c
    return Asked(
        f"How many parameters has a ConvNeXt block on {c} channels?",
        right,
        f"7×7: 50·{c}; norm: 2·{c}; up: 4·{c}² + 4·{c}; down: 4·{c}² + {c}; scale: {c}. Together "
        f"{right:,}",
        wrong=distinct(
            right,
            {
                "no_scale": (right - c, "The layer scale has a number for each channel."),
                "no_norm": (right - 2 * c, "The norm has a gain and a shift for each channel."),
                "no_bias": (right - 6 * c, "All three convolutions have a bias."),
                "dense": (
                    right - 49 * c + 49 * c * c,
                    "The 7×7 convolution is depthwise.",
                ),
                "weights_only": (8 * c * c + 49 * c, "Biases, norm and scale count too."),
            },
        ),
    )


def _ask_positions(rng: np.random.Generator) -> Asked:
    options, letter, wrong = choices(
        rng,
        "the same answer, up to rounding",
        {
            "worse": (
                "another answer, because a patch has other neighbours",
                "Attention has no neighbours: it looks at what tokens hold.",
            ),
            "rolled": (
                "the answer of an image rolled to the side",
                "That is a convolution's kind of question: order means nothing to attention.",
            ),
            "error": (
                "an error, because the positions do not fit",
                "It has no positions.",
            ),
            "chance": (
                "a guess, each class with the same probability",
                "Every token still holds its patch.",
            ),
        },
    )
    return Asked(
        "A trained ViT has a class token and no positions. You shuffle the patches of an image. "
        "What do you get from it?",
        letter,
        "A weighted sum does not depend on the order of its terms, so the class token takes the "
        "same from the shuffled patches",
        options,
        wrong,
    )


QUIZ = QuestionExercise(
    name="quiz_10",
    chapter="10",
    questions=(
        Question("tokens", _ask_tokens),
        Question("embedding", _ask_embedding),
        Question("shuffled", _ask_positions),
        Question("attention", _ask_attention),
        Question("growth", _ask_growth),
        Question("windows", _ask_windows),
        Question("masked", _ask_masked),
        Question("block", _ask_block),
    ),
    hints=(
        "Count tokens first: rows times columns. Then pairs of tokens.",
        "The functions of this chapter are allowed: compute with them.",
    ),
)

EXERCISES = (
    PATCHIFY,
    PATCH_EMBEDDING_AS_CONV,
    SELF_ATTENTION,
    ATTENTION_MACS,
    WINDOW_PARTITION,
    WINDOW_REVERSE,
    SHIFTED_WINDOW_MASK,
    CONVNEXT_BLOCK,
    QUIZ,
)
