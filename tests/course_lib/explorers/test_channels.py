"""Channels: its state, and its JavaScript against the library and brute force."""

import doctest

import numpy as np
import pytest
import traitlets

from course_lib import cost, ops
from course_lib.explorers import Channels, channels


def state(**changes):
    return {**Channels().state(), **changes}


def states(count=40, seed=0):
    """Random images and kernels, whole numbers and broken ones."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        height, width = (int(n) for n in rng.integers(3, 9, 2))
        n = int(rng.integers(1, 5))
        image = rng.integers(0, 10, (3, height, width)) * (1 if index % 2 else 0.5)
        kernels = rng.integers(-3, 4, (n, 3, 3, 3)) * (1 if index % 2 else 0.1)
        found.append(
            {
                "image": image.tolist(),
                "kernels": kernels.tolist(),
                "bias": rng.integers(-5, 6, n).tolist(),
                "map": int(rng.integers(n)),
                "position": [int(rng.integers(height - 2)), int(rng.integers(width - 2))],
            }
        )
    return found


# ---------------------------------------------------------------- the state


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(channels)
    assert result.failed == 0
    assert result.attempted > 3


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": [[1, 2], [3, 4]]}, r"image has shape \(2, 2\), must have 3 × \(3 to 8\) × \(3"),
        ({"image": np.zeros((3, 9, 9))}, r"image has shape \(3, 9, 9\), must have"),
        ({"image": np.full((3, 4, 4), 10)}, r"image must hold numbers from 0 to 9"),
        ({"image": np.full((3, 4, 4), np.nan)}, r"image must hold finite numbers only"),
        ({"image": "red"}, r"image \(='red'\) must be an array of real numbers"),
        ({"kernels": np.zeros((5, 3, 3, 3))}, r"kernels has shape .* must have \(1 to 4\) × 3 ×"),
        ({"bias": [0]}, r"bias \(=\[0\]\) must have one number for each of the 2 kernels"),
        ({"map": 2}, r"map \(=2\) must be below the number of kernels \(=2\)"),
        ({"position": (4, 0)}, r"position \(=\[4, 0\]\) must lie in the output of 4 × 4"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises(traitlets.TraitError, match=message):
        Channels(**given)
    explorer = Channels()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == state()


def test_bias_map_and_position_follow():
    explorer = Channels(bias=[1, 2], map=1, position=(3, 3))
    explorer.kernels = np.ones((3, 3, 3, 3), dtype=int)
    assert explorer.bias == [1, 2, 0]
    explorer.kernels = explorer.kernels[:1]
    assert (explorer.bias, explorer.map) == ([1], 0)
    explorer.image = np.zeros((3, 3, 4))
    assert explorer.position == [0, 1]


def test_two_explorers_share_nothing():
    first, second = Channels(), Channels()
    first.image[0][0][0] = 8
    assert second.image[0][0][0] == Channels().image[0][0][0] == 1


def test_the_page_offers_what_the_state_allows(javascript):
    ranges, images, kernels = javascript(
        Channels, [("RANGES", []), ("IMAGES", []), ("KERNELS", [])]
    )
    assert ranges == {"maps": [1, channels.MAX_MAPS]}
    assert images[0][2] == Channels().image
    assert [kernel for *_, kernel in kernels[:2]] == Channels().kernels
    for *_, image in images:
        Channels(image=image)
    Channels(kernels=[kernel for *_, kernel in kernels])


# ---------------------------------------------------------------- the arithmetic


def test_maps_and_partial_sums(javascript):
    table = states()
    calls = [
        call
        for one in table
        for call in (
            ("mapsOf", [one]),
            ("partialSums", [one, one["map"], one["position"]]),
            ("outputAt", [one, one["map"], one["position"]]),
        )
    ]
    answers = iter(javascript(Channels, calls))
    for given in table:
        maps, partials, output = (next(answers) for _ in range(3))
        explorer = Channels(**given)
        # One channel and one kernel at a time, with the operation of chapter 02.
        slices = np.array(
            [
                [
                    ops.conv2d_single(np.array(plane), np.array(part))
                    for plane, part in zip(given["image"], kernel, strict=True)
                ]
                for kernel in given["kernels"]
            ]
        )
        expected = slices.sum(axis=1) + np.array(given["bias"])[:, None, None]
        here = (given["map"], slice(None), *given["position"])
        np.testing.assert_allclose(maps, expected, atol=1e-12)
        np.testing.assert_allclose(explorer.output, expected, atol=1e-12)
        np.testing.assert_allclose(partials, slices[here], atol=1e-12)
        np.testing.assert_allclose(explorer.partial_sums, partials, atol=1e-12)
        assert output == pytest.approx(expected[(given["map"], *given["position"])])


def test_the_opponent_kernel_sees_what_brightness_hides(javascript):
    """Red beside green, equally bright: the sum over the channels is the same on both sides."""
    (images,) = javascript(Channels, [("IMAGES", [])])
    image = next(image for name, _, image in images if name == "redgreen")
    edge, opponent = Channels(image=image).output
    assert not edge.any()
    assert opponent.max() > 0
    grey = next(image for name, _, image in images if name == "grey")
    edge, opponent = Channels(image=grey).output
    assert edge.max() > 0
    assert not opponent.any()


def test_another_number_of_maps(javascript):
    one, four = javascript(
        Channels, [("withMaps", [state(bias=[1, 2]), 1]), ("withMaps", [state(bias=[1, 2]), 4])]
    )
    assert one == {"kernels": [channels.EDGE], "bias": [1]}
    assert four["bias"] == [1, 2, 0, 0]
    assert four["kernels"][:2] == [channels.EDGE, channels.OPPONENT]
    assert len({str(kernel) for kernel in four["kernels"]}) == 4


def test_words(javascript):
    table = [
        ("sumText", [state(), 0, [1, 0]], "red 24 + green 9 + blue (−21) + bias 0 = 12"),
        (
            "productText",
            [state(), 0, [1, 0], [2, 0, 0]],
            "blue of pixel (1, 0) times its weight: 7×(−1) = −7",
        ),
        (
            "macsText",
            [state()],
            "27 for each output × 4·4 outputs × 2 maps = 864 multiply-adds.",
        ),
    ]
    answers = javascript(Channels, [(name, arguments) for name, arguments, _ in table])
    assert answers == [text for *_, text in table]
    for n in range(1, 5):
        kernels = [channels.EDGE] * n
        (text,) = javascript(Channels, [("parametersText", [state(kernels=kernels)])])
        assert text.endswith(f"= {cost.conv_params(3, n, 3)}.")
