"""SlidingKernel: its state, and its JavaScript against the library, torch and brute force."""

import doctest

import numpy as np
import pytest
import torch
import traitlets

from course_lib import geometry, ops
from course_lib.explorers import SlidingKernel, sliding_kernel

EXAMPLE = {
    "image": [[1, 2, 3, 4, 5], [2, 3, 4, 5, 6], [3, 4, 5, 6, 7], [4, 5, 6, 7, 8], [5, 6, 7, 8, 9]],
    "kernel": [[1, 0, 1], [0, 1, 0], [1, 0, 1]],
    "stride": 1,
    "padding": 0,
    "dilation": 1,
}


def states(count, seed=0):
    """Random settings in which a window fits: rectangles, negative and broken numbers."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        height, width = rng.integers(1, 9, 2)
        rows, columns = rng.integers(1, 5, 2)
        whole = rng.random() < 0.5
        image = rng.integers(-9, 10, (height, width)) if whole else rng.normal(size=(height, width))
        kernel = rng.integers(-3, 4, (rows, columns)) if whole else rng.normal(size=(rows, columns))
        stride, padding, dilation = (int(rng.integers(*span)) for span in ((1, 5), (0, 4), (1, 4)))
        if any(
            geometry.effective_kernel(int(k), dilation) > n + 2 * padding
            for n, k in ((height, rows), (width, columns))
        ):
            continue
        found.append(
            {
                "image": image.tolist(),
                "kernel": kernel.tolist(),
                "stride": stride,
                "padding": padding,
                "dilation": dilation,
            }
        )
    return found


def reference(state):
    settings = {name: state[name] for name in ("stride", "padding", "dilation")}
    return ops.conv2d_single(np.array(state["image"]), np.array(state["kernel"]), **settings)


def axes(state):
    shapes = zip(np.shape(state["image"]), np.shape(state["kernel"]), strict=True)
    return [[n, k, state["stride"], state["padding"], state["dilation"]] for n, k in shapes]


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    assert doctest.testmod(sliding_kernel) == (0, doctest.testmod(sliding_kernel).attempted)
    assert doctest.testmod(sliding_kernel).attempted > 3


def test_the_default_is_the_chapters_worked_example():
    explorer = SlidingKernel()
    assert explorer.state() == {**EXAMPLE, "position": [0, 0], "filled": False}
    assert explorer.output.tolist() == [[15, 20, 25], [20, 25, 30], [25, 30, 35]]


def test_arrays_and_numpy_integers_are_taken():
    explorer = SlidingKernel(
        image=np.eye(4, dtype=np.int64), stride=np.int64(1), position=np.array([1, 1])
    )
    assert explorer.image == np.eye(4, dtype=int).tolist()
    assert type(explorer.stride) is int
    assert explorer.position == [1, 1]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"stride": 0}, r"stride \(=0\) must be at least 1"),
        ({"stride": 5}, r"stride \(=5\) must be at most 4"),
        ({"stride": 2.0}, r"stride \(=2.0\) must be an integer"),
        ({"stride": True}, r"stride \(=True\) must be an integer"),
        ({"padding": -1}, r"padding \(=-1\) must be at least 0"),
        ({"dilation": "2"}, r"dilation \(='2'\) must be an integer"),
        ({"image": [1, 2]}, r"image has shape \(2,\), must have 2 dimensions"),
        ({"image": [[1, 2], [3]]}, r"image \(=.*\) must be an array of real numbers"),
        ({"image": []}, r"image has shape \(0,\), must not be empty"),
        ({"image": [[0] * 11] * 3}, r"image has shape \(3, 11\), must be at most 10 by 10"),
        ({"image": [[float("nan")] * 3] * 3}, r"image holds nan, must hold finite numbers only"),
        ({"kernel": [[1] * 6] * 6}, r"kernel has shape \(6, 6\), must be at most 5 by 5"),
        ({"kernel": "abc"}, r"kernel \(='abc'\) must be an array of real numbers"),
        (
            {"image": [[1, 2], [3, 4]]},
            r"image \(=.*\) must let a window fit: .* 3 .* padded image has 2",
        ),
        (
            {"dilation": 3},
            r"dilation \(=3\) must let a window fit: .* spans 7 .* padded image has 5",
        ),
        ({"position": (3, 0)}, r"position \(=\[3, 0\]\) must lie in the output of 3 × 3"),
        ({"position": (0, -1)}, r"position\[1\] \(=-1\) must be at least 0"),
        ({"position": 1}, r"position \(=1\) must be a pair \(row, column\)"),
        ({"position": (1, 2, 3)}, r"position \(=\(1, 2, 3\)\) must be .* pair \(row, column\)"),
        ({"filled": "yes"}, "filled"),
    ],
)
def test_impossible_states_are_refused(state, message):
    with pytest.raises(traitlets.TraitError, match=message):
        SlidingKernel(**state)
    explorer = SlidingKernel()
    before = explorer.state()
    name, value = next(iter(state.items()))
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == before


def test_a_misspelt_name_is_refused():
    with pytest.raises(TypeError, match="SlidingKernel has no 'strid'; its state is image, kernel"):
        SlidingKernel(strid=2)


def test_the_position_follows_a_smaller_output():
    explorer = SlidingKernel(position=(2, 2))
    explorer.stride = 2
    assert explorer.position == [1, 1]


def test_settings_that_only_fit_together():
    explorer = SlidingKernel()
    with explorer.hold_trait_notifications():
        explorer.image = [[1, 2], [3, 4]]
        explorer.kernel = [[1, 1]]
    assert explorer.output.tolist() == [[3], [7]]


def test_two_explorers_share_nothing():
    first, second = SlidingKernel(), SlidingKernel()
    first.image[0][0] = 99
    assert second.image[0][0] == SlidingKernel().image[0][0] == 1


def test_the_sliders_reach_what_the_state_allows(javascript):
    (ranges,) = javascript(SlidingKernel, [("RANGES", [])])
    assert ranges == {
        "image": [1, sliding_kernel.MAX_IMAGE],
        "kernel": [1, sliding_kernel.MAX_KERNEL],
        "stride": [1, sliding_kernel.MAX_STRIDE],
        "padding": [0, sliding_kernel.MAX_PADDING],
        "dilation": [1, sliding_kernel.MAX_DILATION],
    }


# ---------------------------------------------------------------- the arithmetic


def test_convolution(javascript):
    table = [EXAMPLE, *states(150)]
    answers = javascript(SlidingKernel, [("convolve", [state]) for state in table])
    for state, answer in zip(table, answers, strict=True):
        expected = reference(state)
        assert np.shape(answer) == expected.shape
        np.testing.assert_allclose(answer, expected, rtol=1e-12, atol=1e-12)


def test_the_line_of_pytorch_computes_the_same(javascript):
    table = [EXAMPLE, *states(40, seed=1)]
    lines = javascript(SlidingKernel, [("torchCall", [state]) for state in table])
    assert lines[0] == "F.conv2d(x, w)"
    assert {line.count("=") for line in lines} == {0, 1, 2, 3}
    for state, line in zip(table, lines, strict=True):
        x, w = (
            torch.tensor(state[name], dtype=torch.float64)[None, None]
            for name in ("image", "kernel")
        )
        answer = eval(line, {"F": torch.nn.functional, "x": x, "w": w})
        np.testing.assert_allclose(answer[0, 0].numpy(), reference(state), rtol=1e-9, atol=1e-9)


def test_the_arithmetic_in_words(javascript):
    blur = {**EXAMPLE, "kernel": [[1 / 9] * 3] * 3, "image": [[1] * 5] * 4 + [[0] * 5]}
    calls = [
        (EXAMPLE, [0, 0]),
        ({**EXAMPLE, "kernel": [[-1, 1]]}, [1, 0]),
        ({**EXAMPLE, "image": [[-2] * 5] * 5, "kernel": [[-1]], "padding": 1}, [0, 1]),
        ({**EXAMPLE, "image": [[-2] * 5] * 5, "kernel": [[-1]]}, [0, 1]),
        (blur, [2, 0]),
    ]
    assert javascript(SlidingKernel, [("arithmeticText", list(call)) for call in calls]) == [
        "1×1 + 2×0 + 3×1 + 2×0 + 3×1 + 4×0 + 3×1 + 4×0 + 5×1 = 15",
        "2×(−1) + 3×1 = 1",
        "0×(−1) = 0",
        "(−2)×(−1) = 2",
        "1×1/9 + 1×1/9 + 1×1/9 + 1×1/9 + 1×1/9 + 1×1/9 + 0×1/9 + 0×1/9 + 0×1/9 ≈ 0.67",
    ]


def test_the_arithmetic_in_words_is_true(javascript):
    table = [
        (state, list(cell))
        for state in states(60, seed=2)
        if isinstance(state["image"][0][0], int)
        for cell in np.ndindex(reference(state).shape)
    ]
    texts = javascript(SlidingKernel, [("arithmeticText", [*call]) for call in table])
    for (state, cell), text in zip(table, texts, strict=True):
        left, right = text.replace("×", "*").replace("−", "-").split(" = ")
        assert eval(left) == int(right) == reference(state)[tuple(cell)]


def test_the_outputs_that_a_pixel_feeds(javascript):
    """Compared with what moves in the library's output when the pixel moves."""
    table = [
        (state, list(pixel))
        for state in states(25, seed=3)
        for pixel in np.ndindex(np.shape(state["image"]))
    ]
    answers = javascript(SlidingKernel, [("outputsOf", [*call]) for call in table])
    for (state, pixel), links in zip(table, answers, strict=True):
        impulse = np.zeros(np.shape(state["image"]))
        impulse[tuple(pixel)] = 1
        # Weights of one: an output moves by one wherever the pixel is in its window.
        moved = reference({**state, "image": impulse, "kernel": np.ones_like(state["kernel"])})
        assert sorted(link["position"] for link in links) == np.argwhere(moved).tolist()
        response = reference({**state, "image": impulse})
        for link in links:
            weight = np.array(state["kernel"])[tuple(link["tap"])]
            assert response[tuple(link["position"])] == pytest.approx(weight)


# ---------------------------------------------------------------- the words


def test_the_size_formula(javascript):
    table = {
        (5, 3, 1, 0, 1): "⌊(5 + 2·0 − 1·(3 − 1) − 1) / 1⌋ + 1 = ⌊2 / 1⌋ + 1 = 3",
        (28, 3, 2, 1, 1): ("⌊(28 + 2·1 − 1·(3 − 1) − 1) / 2⌋ + 1 = ⌊27 / 2⌋ + 1 = ⌊13.5⌋ + 1 = 14"),
        (224, 3, 2, 0, 1): (
            "⌊(224 + 2·0 − 1·(3 − 1) − 1) / 2⌋ + 1 = ⌊221 / 2⌋ + 1 = ⌊110.5⌋ + 1 = 111"
        ),
        (9, 3, 3, 0, 2): "⌊(9 + 2·0 − 2·(3 − 1) − 1) / 3⌋ + 1 = ⌊4 / 3⌋ + 1 = ⌊1.33⌋ + 1 = 2",
    }
    answers = javascript(SlidingKernel, [("formulaText", [list(axis)]) for axis in table])
    assert answers == list(table.values())
    assert [int(text.split()[-1]) for text in answers] == [geometry.output_size(*a) for a in table]


def test_the_left_out_pixels_are_the_unused_ones(javascript):
    table = [axis for state in states(150, seed=4) for axis in axes(state)]
    answers = javascript(SlidingKernel, [("leftOut", [axis]) for axis in table])
    for axis, answer in zip(table, answers, strict=True):
        assert answer["tail"] == geometry.dropped_tail(*axis)
        assert sorted(answer["skipped"] + answer["dropped"]) == list(geometry.unused_pixels(*axis))
        behind = axis[0] + axis[3] - answer["tail"]
        assert all(i >= behind for i in answer["dropped"])
        assert all(i < behind for i in answer["skipped"])


def test_the_left_out_pixels_in_words(javascript):
    def state(height, width, kernel, **settings):
        zeros = np.zeros((height, width)).tolist()
        return {**EXAMPLE, "image": zeros, "kernel": np.ones(kernel).tolist(), **settings}

    table = [
        (EXAMPLE, ["Every pixel is in at least one window."]),
        (
            state(6, 6, (3, 3), stride=2),
            ["Row 5 and column 5: the floor drops them, because the stride leaves 1 over."],
        ),
        (
            state(5, 6, (3, 3), stride=2),
            ["Column 5: the floor drops it, because the stride leaves 1 over."],
        ),
        (
            state(6, 6, (3, 3), stride=2, padding=1),
            [
                "Only padding at the end: the floor drops it, because the stride leaves 1 over.",
                "Every pixel is in at least one window.",
            ],
        ),
        (
            state(7, 7, (2, 2), stride=3),
            [
                "Rows 5 and 6 and columns 5 and 6: the floor drops them, "
                "because the stride leaves 2 over.",
                "Row 2 and column 2: every window steps over them.",
            ],
        ),
    ]
    answers = javascript(SlidingKernel, [("leftOutReasons", [state]) for state, _ in table])
    assert [[reason["text"] for reason in reasons] for reasons in answers] == [w for _, w in table]


def test_a_pixel_in_words(javascript):
    table = [(EXAMPLE, [0, 0]), (EXAMPLE, [2, 2])]
    assert javascript(SlidingKernel, [("pixelText", list(call)) for call in table]) == [
        "Pixel (0, 0) = 1 is in 1 of the 9 windows.",
        "Pixel (2, 2) = 5 is in 9 of the 9 windows.",
    ]


# ---------------------------------------------------------------- sliders and presets


def test_the_sliders_cannot_reach_an_impossible_setting(javascript):
    """For each slider, the range it allows is exactly the settings in which a window fits."""
    (ranges,) = javascript(SlidingKernel, [("RANGES", [])])
    table = states(120, seed=5)
    answers = javascript(SlidingKernel, [("limits", [state]) for state in table])

    def allowed(state, name, value):
        height, width = np.shape(state["image"])
        rows, columns = np.shape(state["kernel"])
        now = {name: state[name] for name in ("stride", "padding", "dilation")}
        if name == "image":
            height = width = value
        elif name == "kernel":
            rows = columns = value
        else:
            now[name] = value
        try:
            geometry.output_shape(height, width, (rows, columns), **now)
        except ValueError:
            return False
        return True

    for state, answer in zip(table, answers, strict=True):
        for name, (low, high) in ranges.items():
            fitting = [v for v in range(low, high + 1) if allowed(state, name, v)]
            assert answer[name] == [fitting[0], fitting[-1]], (name, state)


def test_presets(javascript):
    (kernels, images) = javascript(SlidingKernel, [("KERNELS", []), ("IMAGES", [])])
    calls = [(name, k) for name, _, size, *_ in kernels for k in ([size] if size else range(1, 6))]
    made = javascript(SlidingKernel, [("makeKernel", list(call)) for call in calls])
    table = dict(zip(calls, made, strict=True))
    assert all(np.shape(kernel) == (k, k) for (_, k), kernel in table.items())
    assert table["checkerboard", 3] == EXAMPLE["kernel"]
    assert table["sobel_x", 3] == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    assert table["sobel_y", 3] == np.transpose(table["sobel_x", 3]).tolist()
    assert table["vertical", 3] == [[-1, 0, 1]] * 3
    assert table["gaussian", 3] == (np.outer([1, 2, 1], [1, 2, 1]) / 16).tolist()
    for name, total in {
        "blur": 1,
        "gaussian": 1,
        "identity": 1,
        "sharpen": 1,
        "outline": 0,
    }.items():
        for kernel in (kernel for (one, _), kernel in table.items() if one == name):
            assert np.sum(kernel) == pytest.approx(total)
    # Each is recognised, so that the list shows its name and a slider keeps its pattern.
    back = javascript(
        SlidingKernel, [("presetOf", [table[call], "kernel", call[0]]) for call in calls]
    )
    assert back == [name for name, _ in calls]
    squares = [(name, n) for name, *_ in images for n in range(1, 11)]
    pixels = javascript(SlidingKernel, [("makeImage", list(call)) for call in squares])
    assert pixels[4] == EXAMPLE["image"]
    back = javascript(
        SlidingKernel,
        [("presetOf", [p, "image", c[0]]) for c, p in zip(squares, pixels, strict=True)],
    )
    assert back == [name for name, _ in squares]


def test_resizing(javascript):
    own = [[1, 2, 3], [4, 5, 6], [7, 8, 10]]
    answers = javascript(
        SlidingKernel,
        [
            ("resizedKernel", [EXAMPLE["kernel"], 5]),
            ("resizedKernel", [own, 1]),
            ("resizedKernel", [own, 5]),
            ("resizedImage", [EXAMPLE["image"], 6]),
            ("resizedImage", [own, 2]),
            ("resizedImage", [own, 4]),
        ],
    )
    assert answers[0] == [[1 - (r + c) % 2 for c in range(5)] for r in range(5)]
    assert answers[1] == [[5]]
    assert answers[2] == np.pad(own, 1).tolist()
    assert answers[3] == sliding_kernel.ramp(6)
    assert answers[4] == [[1, 2], [4, 5]]
    assert answers[5] == np.pad(own, (0, 1)).tolist()
