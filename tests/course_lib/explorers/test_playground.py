"""Playground: its state, and its JavaScript against the library and torch."""

import doctest

import numpy as np
import pytest
import torch
import traitlets

from course_lib.explorers import playground as module
from course_lib.explorers.playground import Playground, gradient, shrunk, sobel_x


def states(count, seed=0):
    rng = np.random.default_rng(seed)
    low, high = [2, 1, 0, 1, 1, 1, 1], [7, 4, 6, 4, 10, 1024, 1024]
    names = (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "layers",
        "in_channels",
        "out_channels",
    )
    return [
        dict(zip(names, map(int, rng.integers(low, np.add(high, 1))), strict=True))
        for _ in range(count)
    ]


def test_the_examples_in_the_docstrings():
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 4


def test_the_sobel_kernels_are_separable_edge_detectors():
    assert sobel_x(3).tolist() == [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    for size in range(2, 8):
        kernel = sobel_x(size)
        assert kernel.shape == (size, size)
        assert kernel.sum() == 0
        assert np.linalg.matrix_rank(kernel) == 1
        assert (kernel == -kernel[:, ::-1]).all()


def test_the_page_computes_what_the_library_does(javascript):
    image = np.random.default_rng(1).normal(size=(30, 28))
    settings = states(40)
    calls = [("sobelX", [size]) for size in range(2, 8)]
    assert javascript(Playground, calls) == [sobel_x(size).tolist() for size in range(2, 8)]
    calls = []
    for s in settings:
        kernel = sobel_x(s["kernel_size"]).tolist()
        calls.append(
            ("respond", [image.tolist(), kernel, s["stride"], s["padding"], s["dilation"]])
        )
    for s, response in zip(settings, javascript(Playground, calls), strict=True):
        expected = torch.nn.functional.conv2d(
            torch.tensor(image)[None, None],
            torch.tensor(sobel_x(s["kernel_size"]), dtype=torch.float64)[None, None],
            stride=s["stride"],
            padding=s["padding"],
            dilation=s["dilation"],
        )[0, 0]
        np.testing.assert_allclose(response, expected.numpy(), atol=1e-9)


def test_fields_weights_and_the_line_agree(javascript):
    settings = states(40, seed=2)
    pages = [Playground(**s) for s in settings]
    for name, value in (
        ("receptiveFields", lambda p: p.receptive_fields),
        ("separableWeights", lambda p: list(p.separable_weights)),
        ("torchLine", lambda p: p.torch_line),
    ):
        answers = javascript(Playground, [(name, [s]) for s in settings])
        assert answers == [value(page) for page in pages]
    sizes = javascript(Playground, [("sizeText", [64, s]) for s in settings])
    for page, text in zip(pages, sizes, strict=True):
        assert text.endswith(f" = {page.output_shape[0]}")


def test_the_numbers_are_those_of_torch():
    for s in states(10, seed=3):
        page = Playground(picture="gradient", **s)
        layer = eval(page.torch_line, {"nn": torch.nn})
        layer = torch.nn.Conv2d(
            1, 1, layer.kernel_size, layer.stride, layer.padding, layer.dilation
        )
        assert tuple(layer(torch.zeros(1, 1, 64, 64)).shape[2:]) == page.output_shape
        assert page.response.shape == page.output_shape
        standard, separable = page.separable_weights
        c_in, c_out, k = s["in_channels"], s["out_channels"], s["kernel_size"]
        if c_in * c_out < 10_000:
            conv = torch.nn.Conv2d(c_in, c_out, k, bias=False)
            depthwise = torch.nn.Conv2d(c_in, c_in, k, groups=c_in, bias=False)
            pointwise = torch.nn.Conv2d(c_in, c_out, 1, bias=False)
            assert conv.weight.numel() == standard
            assert depthwise.weight.numel() + pointwise.weight.numel() == separable


def test_a_field_is_what_a_pixel_can_reach():
    page = Playground(kernel_size=3, stride=2, dilation=2, layers=3)
    stack = torch.nn.Sequential(
        *(torch.nn.Conv1d(1, 1, 3, stride=2, dilation=2, bias=False) for _ in range(3))
    )
    x = torch.zeros(1, 1, 101, requires_grad=True)
    out = stack(x)
    out[0, 0, out.shape[2] // 2].backward()
    reached = torch.nonzero(x.grad[0, 0]).flatten()
    assert int(reached[-1] - reached[0]) + 1 == page.receptive_fields[-1]


@pytest.mark.parametrize("shape", [(28, 28), (64, 64), (65, 200), (500, 301, 3), (130, 130, 4)])
def test_any_image_of_ones_own_is_made_to_fit(shape):
    image = np.random.default_rng(0).random(shape)
    small = shrunk(image)
    assert small.shape[0] == small.shape[1]
    assert module.LEAST <= small.shape[0] <= module.SIZE
    assert (small.min(), small.max()) == (0, 1)
    page = Playground.of(image)
    assert page.picture == "your own"
    assert page.image.shape == small.shape
    assert page.response.shape == page.output_shape


def test_shrinking_keeps_what_there_is_to_see():
    assert np.allclose(shrunk(np.kron(gradient(64), np.ones((4, 4)))), gradient(64))
    assert (shrunk(np.full((40, 40), 7)) == 0).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Playground(kernel_size=1), r"kernel_size \(=1\) must be at least 2"),
        (lambda: Playground(stride=5), r"stride \(=5\) must be at most 4"),
        (lambda: Playground(picture="cat"), "cat"),
        (lambda: Playground(own=np.zeros((5, 5))), r"own has shape \(5, 5\), must be at least 28"),
    ],
)
def test_impossible_settings_are_refused(make, words):
    with pytest.raises(traitlets.TraitError, match=words):
        make()


def test_images_too_small_or_of_no_rank_are_refused():
    for image in (np.zeros((5, 5)), np.zeros(100), np.zeros((2, 3, 40, 40))):
        with pytest.raises(ValueError, match="image has shape"):
            Playground.of(image)
