"""Connections: its state, and its JavaScript against the library's matrix and counts."""

import doctest
import itertools
import re

import numpy as np
import pytest
import traitlets

from course_lib import cost, geometry, ops
from course_lib.explorers import Connections, connections

SIZES = [(n, k) for n in range(3, 9) for k in range(1, 6) if k <= n]
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def state(n=6, k=3, side="output", position=(1, 2), cin=1, cout=1):
    return {
        "image_size": n,
        "kernel_size": k,
        "in_channels": cin,
        "out_channels": cout,
        "side": side,
        "position": list(position),
    }


def labelled_matrix(n, k):
    """The convolution's matrix with each weight's letter in place of its value, "" for zero."""
    taps = np.arange(1, k * k + 1).reshape(k, k)
    return np.array(["", *LETTERS])[ops.conv_matrix(taps, n, n)]


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(connections)
    assert result.failed == 0
    assert result.attempted > 1


def test_the_default():
    assert Connections().state() == state()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image_size": 2}, r"image_size \(=2\) must be at least 3"),
        ({"image_size": 9}, r"image_size \(=9\) must be at most 8"),
        ({"image_size": 6.0}, r"image_size \(=6.0\) must be an integer"),
        ({"kernel_size": 0}, r"kernel_size \(=0\) must be at least 1"),
        ({"in_channels": 0}, r"in_channels \(=0\) must be at least 1"),
        ({"out_channels": 17}, r"out_channels \(=17\) must be at most 16"),
        ({"side": "left"}, "side"),
        ({"position": (4, 0)}, r"position \(=\[4, 0\]\) must lie in the output of 4 × 4"),
        ({"position": "ab"}, r"position \(='ab'\) must be"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Connections(**given)
    explorer = Connections()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == state()


def test_a_kernel_larger_than_the_image_is_refused():
    explorer = Connections(image_size=4)
    with pytest.raises(
        traitlets.TraitError,
        match=r"kernel_size \(=5\) must let the kernel fit: .* image_size is 4",
    ):
        explorer.kernel_size = 5


def test_the_position_follows_a_smaller_grid():
    explorer = Connections(position=(3, 3))
    explorer.kernel_size = 5
    assert explorer.position == [1, 1]
    explorer.side = "input"
    explorer.position = (5, 5)
    explorer.side = "output"
    assert explorer.position == [1, 1]


@pytest.mark.parametrize(("n", "k"), SIZES)
def test_counts(n, k):
    explorer = Connections(
        image_size=n, kernel_size=k, position=(0, 0), in_channels=2, out_channels=3
    )
    matrix = ops.conv_matrix(np.ones((k, k)), n, n)
    assert explorer.dense_weights == matrix.size * 2 * 3
    assert explorer.conv_weights == k * k * 2 * 3


def test_the_sliders_reach_what_the_state_allows(javascript):
    (ranges,) = javascript(Connections, [("RANGES", [])])
    for name, (low, high) in ranges.items():
        trait = Connections.class_traits()[name]
        assert (trait.low, trait.high) == (low, high)


# ---------------------------------------------------------------- connections and counts


@pytest.mark.parametrize("side", ["output", "input"])
def test_the_links_of_a_convolution_are_a_row_or_a_column_of_its_matrix(javascript, side):
    function = "inputsOf" if side == "output" else "outputsOf"
    table = []
    for n, k in SIZES:
        out = geometry.output_size(n, k)
        here, there = (out, n) if side == "output" else (n, out)
        labels = labelled_matrix(n, k) if side == "output" else labelled_matrix(n, k).T
        for expected, cell in zip(labels, np.ndindex(here, here), strict=True):
            table.append(([state(n, k), list(cell)], expected.reshape(there, there)))
    answers = javascript(Connections, [(function, ["convolution", *call]) for call, _ in table])
    for (call, expected), links in zip(table, answers, strict=True):
        shown = np.full(expected.shape, "")
        for link in links:
            shown[tuple(link["cell"])] = link["label"]
        assert (shown == expected).all(), call


@pytest.mark.parametrize(("n", "k"), [(3, 1), (6, 3), (8, 5)])
def test_a_dense_layer_shares_no_weight(javascript, n, k):
    out = geometry.output_size(n, k)
    outputs = list(itertools.product(range(out), range(out)))
    rows = javascript(Connections, [("inputsOf", ["dense", state(n, k), list(o)]) for o in outputs])
    labels = [link["label"] for row in rows for link in row]
    assert sorted(labels, key=int) == [str(i) for i in range(1, n * n * out * out + 1)]
    # The same connection has the same label seen from its other end.
    pixels = list(itertools.product(range(n), range(n)))
    columns = javascript(
        Connections, [("outputsOf", ["dense", state(n, k), list(p)]) for p in pixels]
    )
    from_outputs = {
        (tuple(link["cell"]), output): link["label"]
        for output, row in zip(outputs, rows, strict=True)
        for link in row
    }
    from_pixels = {
        (pixel, tuple(link["cell"])): link["label"]
        for pixel, column in zip(pixels, columns, strict=True)
        for link in column
    }
    assert from_outputs == from_pixels


def test_weight_counts(javascript):
    table = [
        (n, k, cin, cout)
        for n in (3, 6, 8, 28, 224)
        for k in (1, 3, 5)
        for cin in (1, 3, 16)
        for cout in (1, 16)
        if k <= n
    ]
    answers = javascript(Connections, [("weightCounts", list(call)) for call in table])
    for (n, k, cin, cout), answer in zip(table, answers, strict=True):
        out = geometry.output_size(n, k)
        assert answer == {
            "dense": cost.fc_params(n * n * cin, out * out * cout, bias=False),
            "convolution": cost.conv_params(cin, cout, k, bias=False),
        }


# ---------------------------------------------------------------- the words


def test_sentences(javascript):
    table = {
        ("dense", "output", (1, 2), 3): (
            "Output (1, 2) is made of all 36 pixels, through weights 217 to 252. "
            "No other output uses them."
        ),
        ("convolution", "output", (1, 2), 3): (
            "Output (1, 2) is made of 9 pixels, through weights a to i. "
            "Every output uses these same weights."
        ),
        ("convolution", "output", (1, 2), 1): (
            "Output (1, 2) is made of 1 pixel, through weight a. "
            "Every output uses this same weight."
        ),
        ("dense", "input", (0, 0), 3): (
            "Pixel (0, 0) feeds all 16 outputs, each through a weight of its own."
        ),
        ("convolution", "input", (0, 0), 3): (
            "Pixel (0, 0) feeds 1 of the 16 outputs, through weight a."
        ),
        ("convolution", "input", (1, 1), 3): (
            "Pixel (1, 1) feeds 4 of the 16 outputs, through weights a, b, d and e."
        ),
        ("convolution", "input", (2, 1), 3): (
            "Pixel (2, 1) feeds 6 of the 16 outputs, through 6 of the 9 weights."
        ),
        ("convolution", "input", (2, 3), 3): (
            "Pixel (2, 3) feeds 9 of the 16 outputs, through weights a to i."
        ),
    }
    calls = [
        ("sentenceOf", [layer, state(k=k, side=side, position=position)])
        for layer, side, position, k in table
    ]
    assert javascript(Connections, calls) == list(table.values())


def test_sentences_count_all_channels(javascript):
    table = {
        ("dense", "output", 3, 3): (
            "Output (1, 2) is made of all 108 inputs (36 pixels × 3 channels), through 108 "
            "weights: 217 to 252 in the channel shown. No other output uses them."
        ),
        ("convolution", "output", 3, 3): (
            "Output (1, 2) is made of 27 inputs (9 pixels × 3 channels), through 27 weights: "
            "a to i in the channel shown. Every output of the same channel uses these same weights."
        ),
        ("convolution", "output", 3, 1): (
            "Output (1, 2) is made of 3 inputs (1 pixel × 3 channels), through 3 weights: "
            "a in the channel shown. Every output of the same channel uses these same weights."
        ),
        ("dense", "input", 3, 3): (
            "Pixel (1, 2) of the channel shown feeds all 32 outputs (16 positions × 2 channels), "
            "each through a weight of its own."
        ),
        ("convolution", "input", 3, 3): (
            "Pixel (1, 2) of the channel shown feeds 12 of the 32 outputs (6 in each channel). "
            "In the channel shown, through 6 of the 9 weights."
        ),
        ("convolution", "input", 3, 1): (
            "Pixel (1, 2) of the channel shown feeds 2 of the 72 outputs (1 in each channel). "
            "In the channel shown, through weight a."
        ),
    }
    calls = [
        ("sentenceOf", [layer, state(k=k, side=side, cin=cin, cout=2)])
        for layer, side, cin, k in table
    ]
    assert javascript(Connections, calls) == list(table.values())


@pytest.mark.parametrize("channels", [(1, 2), (3, 1), (4, 3)])
def test_the_counts_in_the_sentences_are_those_of_the_whole_matrix(javascript, channels):
    """Every channel pair's matrix side by side: a row for each output, a column for each input."""
    cin, cout = channels
    at = (1, 2)
    for layer in ("dense", "convolution"):
        one = ops.conv_matrix(np.ones((3, 3), dtype=int), 6, 6)
        whole = np.tile(one if layer == "convolution" else np.ones_like(one), (cout, cin))
        for side, links in (
            ("output", whole[geometry.flattened_distance((0, 0), at, 4)].sum()),
            ("input", whole[:, geometry.flattened_distance((0, 0), at, 6)].sum()),
        ):
            call = ("sentenceOf", [layer, state(side=side, position=at, cin=cin, cout=cout)])
            (sentence,) = javascript(Connections, [call])
            first_count = re.search(r"(?:made of|feeds)(?: all)? ([\d,]+)", sentence)[1]
            assert int(first_count.replace(",", "")) == links, sentence


def test_the_counting_in_words(javascript):
    calls = [("countText", [layer, state(cin=3, cout=16)]) for layer in ("dense", "convolution")]
    assert javascript(Connections, calls) == [
        "6·6·3 inputs × 4·4·16 outputs = 108 × 256",
        "3·3 kernel · 3 in · 16 out",
    ]


def test_the_matrix_in_words(javascript):
    texts = javascript(
        Connections, [("matrixText", ["convolution", state(n, k)]) for n, k in SIZES]
    )
    for (n, k), text in zip(SIZES, texts, strict=True):
        matrix = ops.conv_matrix(np.ones((k, k), dtype=int), n, n)
        rows, columns = matrix.shape
        zero, held = f"{(matrix == 0).sum():,}", f"{(matrix == 1).sum():,}"
        assert text.startswith(f"{rows} × {columns} matrix")
        assert f"{zero} of {matrix.size:,} entries are zero; the other {held} hold " in text
    call = ("matrixText", ["dense", state(cin=3, cout=16)])
    assert javascript(Connections, [call]) == [
        "16 × 36 matrix: a row for each output, a column for each pixel. "
        "All 576 entries are free. One such matrix for each of 3 × 16 pairs of channels."
    ]


def test_neighbouring_weights_differ_in_tone(javascript):
    tones = javascript(Connections, [("toneOf", ["convolution", x, 5]) for x in LETTERS[:25]])
    assert tones == sorted(set(tones))
    assert (min(tones), max(tones)) == (pytest.approx(0.2), pytest.approx(1.0))
    numbers = javascript(Connections, [("toneOf", ["dense", str(i), 3]) for i in range(1, 577)])
    assert all(0.2 <= tone <= 1 for tone in numbers)
    assert len(set(numbers)) == 576
