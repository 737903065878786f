"""InsideCNN: its state, its weights, and its JavaScript against torch, NumPy and brute force."""

import base64
import doctest
import itertools

import numpy as np
import pytest
import torch
import traitlets
from torch import nn
from torch.nn import functional

from course_lib import nets
from course_lib.explorers import InsideCNN, inside_cnn, inside_cnn_weights
from course_lib.explorers import inside_cnn_network as network
from course_lib.explorers.inside_cnn_weights import accuracy, altered, train

# A digit as a hand draws it: strokes of points (x, y) in a square of side 1.
STROKES = {
    0: [
        [
            (0.5, 0),
            (0.2, 0.12),
            (0.1, 0.5),
            (0.2, 0.88),
            (0.5, 1),
            (0.85, 0.8),
            (0.9, 0.4),
            (0.5, 0),
        ]
    ],
    1: [[(0.35, 0.2), (0.55, 0.02), (0.55, 1)]],
    2: [[(0.15, 0.25), (0.4, 0), (0.75, 0.08), (0.8, 0.38), (0.12, 0.97), (0.9, 0.95)]],
    3: [[(0.15, 0.1), (0.5, 0), (0.78, 0.2), (0.45, 0.47), (0.85, 0.72), (0.5, 1), (0.1, 0.86)]],
    4: [[(0.6, 0), (0.12, 0.62), (0.92, 0.62)], [(0.68, 0.3), (0.66, 1)]],
    5: [[(0.85, 0), (0.25, 0), (0.2, 0.45), (0.6, 0.4), (0.85, 0.7), (0.55, 1), (0.15, 0.92)]],
    6: [[(0.7, 0), (0.3, 0.3), (0.15, 0.7), (0.5, 1), (0.82, 0.8), (0.5, 0.52), (0.2, 0.66)]],
    7: [[(0.1, 0.03), (0.9, 0.03), (0.6, 0.45), (0.4, 1)], [(0.3, 0.5), (0.75, 0.5)]],
    8: [
        [(0.5, 0.47), (0.2, 0.25), (0.5, 0), (0.8, 0.22), (0.5, 0.47), (0.15, 0.75), (0.5, 1)],
        [(0.5, 1), (0.85, 0.75), (0.5, 0.47)],
    ],
    9: [[(0.8, 0.2), (0.45, 0), (0.18, 0.3), (0.45, 0.5), (0.8, 0.2), (0.75, 0.65), (0.6, 1)]],
}


def line(start, end, radius=1.5):
    """A pen's line, from points along it, eight a pixel: (32, 32); ends are (row, column)."""
    steps = int(8 * np.hypot(*np.subtract(end, start))) + 2
    points = np.linspace(start, end, steps)
    middles = np.indices((32, 32)).transpose(1, 2, 0) + 0.5  # (32, 32, 2)
    away = np.linalg.norm(middles[:, :, None] - points, axis=-1).min(axis=-1)
    return np.clip(radius + 0.5 - away, 0, 1)


def drawing(digit, height=24, width=17, row=16, column=16, radius=1.5):
    image = np.zeros((32, 32))
    for stroke in STROKES[digit]:
        points = [(row + (y - 0.5) * height, column + (x - 0.5) * width) for x, y in stroke]
        for start, end in itertools.pairwise(points):
            image = np.maximum(image, line(start, end, radius))
    return image


def torch_lenet(packed):
    """The course's LeNet-5 with packed weights in it."""
    model = nets.create("lenet5").eval()
    names = model.state_dict().keys()
    tensors = map(torch.from_numpy, network.unpack(packed))
    model.load_state_dict(dict(zip(names, tensors, strict=True)))
    return model


def random_model(seed=0):
    torch.manual_seed(seed)
    return nets.create("lenet5")


# ---------------------------------------------------------------- the state


@pytest.mark.parametrize("module", [inside_cnn, network])
def test_the_examples_in_the_docstrings(module):
    result = doctest.testmod(module)
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"image": np.zeros((8, 8))}, r"image has shape \(8, 8\), must be 32 by 32"),
        ({"image": np.full((32, 32), 16)}, r"image must hold numbers from 0 \(paper\) to 1 \(ink"),
        ({"image": np.full((32, 32), np.nan)}, r"image holds nan, must hold finite numbers only"),
        ({"digit": 450}, r"digit \(=450\) must be one of the 450 held-back digits"),
        ({"digit": -1}, r"digit \(=-1\) must be one of"),
        ({"layer": "C2"}, r"C2"),
        ({"channel": 16}, r"channel \(=16\) must be below C3's 16"),
        ({"position": (10, 0)}, r"must lie in the maps of C3, of 10 × 10, counted from 0"),
        ({"source": 16}, r"source \(=16\) must be at most 15"),
        ({"digit_size": 28}, r"digit_size"),
        ({"weights": []}, r"weights"),
        ({"score": [450, 450]}, r"score"),
    ],
)
def test_impossible_states_are_refused(given, message):
    with pytest.raises((traitlets.TraitError, TypeError), match=message):
        InsideCNN(**given)
    explorer = InsideCNN()
    before = explorer.state()
    ((name, value),) = given.items()
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)
    assert explorer.state() == before


def test_the_image_and_the_digit_keep_step():
    explorer = InsideCNN()
    assert (explorer.digit, explorer.label, explorer.prediction) == (9, 3, 3)
    explorer.digit = 0
    expected = network.enlarge(network.held_back().images[:1])[0, 0]
    np.testing.assert_allclose(explorer.image, expected, atol=0.00501)
    explorer.image = np.round(expected, 2) + np.where(
        expected < 0.5, 0.01, -0.01
    )  # as a page rounds
    assert explorer.digit == 0
    explorer.image = drawing(7)
    assert (explorer.digit, explorer.label) == (None, None)
    assert explorer.prediction == 7
    with pytest.raises(TypeError, match="give image or digit, not both"):
        InsideCNN(image=drawing(7), digit=3)
    assert InsideCNN(image=drawing(7)).digit is None


def test_the_unit_stays_in_its_layer():
    explorer = InsideCNN(layer="C1", channel=5, position=(27, 20))
    explorer.layer = "S4"
    assert (explorer.channel, explorer.position) == (5, [4, 4])
    explorer.layer = "F6"
    explorer.channel = 83
    explorer.layer = "output"
    assert (explorer.channel, explorer.position) == (9, [0, 0])
    assert explorer.value == explorer.maps()[9] == explorer.values["output"][9]
    with pytest.raises(ValueError, match=r"layer \(='C2'\) must be one of C1, S2, C3"):
        explorer.maps("C2")


def test_two_explorers_share_nothing_and_repr_is_short():
    first, second = InsideCNN(), InsideCNN()
    first.image[0][0] = 1.0
    first.weights.clear()
    assert second.image == InsideCNN().image
    assert second.weights == InsideCNN().weights
    assert repr(second) == (
        "InsideCNN(digit=9, layer='C3', channel=9, position=[4, 6], source=3, rectified=True, "
        "digit_size=24)"
    )


# ---------------------------------------------------------------- the weights


def test_the_shipped_weights_are_small_and_as_accurate_as_they_say():
    shipped = network.shipped()
    right, of = accuracy(network.unpack(shipped["layers"]))
    assert (right, of) == (shipped["right"], shipped["of"])
    assert of == 450
    assert right / of >= 0.985
    assert network.WEIGHTS.stat().st_size < 150_000
    assert sum(tensor.size for tensor in network.unpack(shipped["layers"])) == 61_706
    explorer = InsideCNN()
    assert explorer.score == [right, of]
    assert len(explorer.mistakes) == of - right
    for index in explorer.mistakes:
        explorer.digit = index
        assert explorer.prediction != explorer.label


@pytest.mark.parametrize("digit", range(10))
def test_drawn_digits_are_recognised(digit):
    """Nine in ten, of several sizes, places and pens; it was trained on none of these hands."""
    rng = np.random.default_rng(digit)
    images = [
        drawing(
            digit,
            height=rng.uniform(18, 26),
            width=rng.uniform(12, 20),
            row=rng.uniform(14.5, 17.5),
            column=rng.uniform(14.5, 17.5),
            radius=rng.uniform(1.2, 2),
        )
        for _ in range(20)
    ]
    weights = network.unpack(network.shipped()["layers"])
    found = network.forward(weights, np.array(images)[:, None])["output"].argmax(axis=1)
    assert (found == digit).sum() >= 18


def test_packing():
    rng = np.random.default_rng(0)
    shapes = [s for layer in network.LAYERS if layer.shape for s in (layer.shape, layer.shape[:1])]
    tensors = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    tensors[0][2] = 0  # a kernel of nothing
    for found, tensor in zip(
        network.unpack(network.pack(tensors, exact=True)), tensors, strict=True
    ):
        np.testing.assert_array_equal(found, tensor)
    for found, tensor in zip(network.unpack(network.pack(tensors)), tensors, strict=True):
        step = np.abs(tensor.reshape(len(tensor), -1)).max(axis=1) / 127
        assert (np.abs(found - tensor).reshape(len(tensor), -1) <= 0.51 * step[:, None]).all()


def test_altered_digits_are_pictures_of_the_same_size():
    grey = torch.rand(64, 1, 32, 32)
    found = altered(grey, torch.Generator().manual_seed(0))
    assert found.shape == grey.shape
    assert found.min() >= 0
    assert found.max() <= 1
    again = altered(grey, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, again)


def test_training_learns():
    """Two of the 120 epochs: far from 99 %, and far above chance."""
    tensors = [tensor.numpy() for tensor in train(epochs=2).state_dict().values()]
    right, of = accuracy(tensors)
    assert right / of > 0.3


def test_the_script_says_how_accurate_the_file_is(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["inside_cnn_weights", "--check"])
    before = network.WEIGHTS.read_bytes()
    inside_cnn_weights.main()
    assert network.WEIGHTS.read_bytes() == before
    right = network.shipped()["right"]
    assert f"recognises {right} of 450 held-back digits: 99.1%" in capsys.readouterr().out


# ---------------------------------------------------------------- a learner's model


class Convolutional(nn.Module):
    """LeNet-5 as a learner may write it, C5 a convolution, some things changed by the arguments."""

    def __init__(self, activation=nn.ReLU, last=10, more=False):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(1, 6, 5), activation(), nn.MaxPool2d(2)),
            *(nn.Conv2d(6, 16, 5), activation(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 120, 5), activation(), nn.Flatten()),
            *(nn.Linear(120, 84), activation(), nn.Linear(84, last)),
        )
        if more:
            self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        return self.layers(x)


@pytest.mark.parametrize("make", [random_model, Convolutional])
def test_a_model_of_ones_own(make, javascript):
    torch.manual_seed(1)
    model = make()
    explorer = InsideCNN(model=model, digit=4)
    assert model.training  # as it was
    x = torch.tensor(explorer.image)[None, None]
    with torch.no_grad():
        expected = model.eval()(x)[0].numpy()
    np.testing.assert_allclose(explorer.values["output"], expected, atol=1e-4)
    ((values, _),) = javascript(
        InsideCNN, [("valuesAndSums", [explorer.weights, explorer.image, []])]
    )
    np.testing.assert_allclose(values["output"], expected, atol=1e-4)
    assert explorer.weights != InsideCNN().weights
    # The score is torch's own, on digits that fill the picture.
    images, labels = network.held_back()
    assert explorer.digit_size == 32
    with torch.no_grad():
        found = model(torch.from_numpy(network.enlarge(images, 32))).argmax(dim=1).numpy()
    assert explorer.score == [int((found == labels).sum()), 450]
    explorer.digit_size = 24
    with torch.no_grad():
        found = model(torch.from_numpy(network.enlarge(images, 24))).argmax(dim=1).numpy()
    assert explorer.score == [int((found == labels).sum()), 450]
    np.testing.assert_allclose(explorer.image, network.enlarge(images[4:5], 24)[0, 0], atol=0.0051)


def not_finite():
    model = random_model()
    with torch.no_grad():
        next(model.parameters())[0] = torch.nan
    return model


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: "lenet5", TypeError, "model must be a trained torch module, not str"),
        (lambda: Convolutional, TypeError, r"give Convolutional\(\), not the class"),
        (lambda: nn.Conv2d(1, 6, 5), ValueError, r"model has 2 tensors, LeNet-5 has 10"),
        (
            lambda: nets.create("lenet5", in_channels=3),
            ValueError,
            r"c1.weight has shape \(6, 3, 5, 5\), must be \(6, 1, 5, 5\)",
        ),
        (lambda: Convolutional(last=26), ValueError, r"has shape \(26, 84\), must be \(10, 84\)"),
        (lambda: Convolutional(more=True), ValueError, "norm.weight is one too many"),
        (lambda: Convolutional(nn.Tanh), ValueError, "computes other outputs: it must use ReLU"),
        (not_finite, ValueError, "model has a weight that is not finite, in c1.weight"),
    ],
)
def test_what_is_no_lenet_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        InsideCNN(model=make())


# ---------------------------------------------------------------- the arithmetic of the page

IMAGES = {
    "a held-back digit": lambda: np.array(InsideCNN(digit=5).image),
    "a drawing": lambda: np.round(drawing(4), 2),
    "nothing": lambda: np.zeros((32, 32)),
    "noise": lambda: np.round(np.random.default_rng(0).random((32, 32)), 2),
}
UNITS = [
    {"layer": "C1", "channel": 3, "position": [27, 0]},
    {"layer": "S2", "channel": 5, "position": [6, 13]},
    {"layer": "C3", "channel": 9, "position": [4, 6]},
    {"layer": "C3", "channel": 15, "position": [9, 9]},
    {"layer": "S4", "channel": 2, "position": [0, 4]},
    {"layer": "C5", "channel": 119, "position": [0, 0]},
    {"layer": "F6", "channel": 40, "position": [0, 0]},
    {"layer": "output", "channel": 7, "position": [0, 0]},
]


@pytest.fixture(scope="module")
def page_values(javascript):
    """For each image: what the page computes, the sums behind UNITS, and every layer in torch."""
    packed = network.shipped()["layers"]
    model = torch_lenet(packed)
    images = {name: make() for name, make in IMAGES.items()}
    calls = [("valuesAndSums", [packed, image.tolist(), UNITS]) for image in images.values()]
    found = {}
    for (name, image), (values, sums) in zip(
        images.items(), javascript(InsideCNN, calls), strict=True
    ):
        layers = {}
        with torch.no_grad():
            x = torch.from_numpy(image.astype(np.float32))[None, None]
            layers["C1 sum"] = model.c1(x)
            layers["C1"] = functional.relu(layers["C1 sum"])
            layers["S2"] = functional.max_pool2d(layers["C1"], 2)
            layers["C3 sum"] = model.c3(layers["S2"])
            layers["C3"] = functional.relu(layers["C3 sum"])
            layers["S4"] = functional.max_pool2d(layers["C3"], 2)
            layers["C5 sum"] = model.c5(layers["S4"].flatten(1))
            layers["C5"] = functional.relu(layers["C5 sum"])
            layers["F6 sum"] = model.f6(layers["C5"])
            layers["F6"] = functional.relu(layers["F6 sum"])
            layers["output"] = model(x)
            layers["probabilities"] = functional.softmax(layers["output"], dim=1)
        arrays = {key: value[0].numpy() for key, value in layers.items()}
        found[name] = (image, values, sums, arrays)
    return found


@pytest.mark.parametrize("name", IMAGES)
def test_every_layer_in_the_page_and_in_python(page_values, name):
    image, values, _, expected = page_values[name]
    explorer = InsideCNN(image=image)
    for layer, array in expected.items():
        np.testing.assert_allclose(values[layer], array.ravel(), atol=1e-4, err_msg=layer)
        np.testing.assert_allclose(explorer.values[layer], array, atol=1e-4, err_msg=layer)


@pytest.mark.parametrize("name", IMAGES)
def test_the_sum_behind_a_unit(page_values, name):
    image, _, sums, layers = page_values[name]
    for unit, found in zip(UNITS, sums, strict=True):
        layer, channel, (row, column) = unit.values()
        expected = layers[layer][channel]
        expected = expected[row, column] if expected.ndim else expected
        assert found["value"] == pytest.approx(float(expected), abs=1e-4)
        assert InsideCNN(image=image, **unit).value == pytest.approx(float(expected), abs=1e-4)
        if layer in ("S2", "S4"):
            assert found["value"] == max(found["parts"][0]["values"])
            assert found["parts"][0]["values"].index(found["value"]) == found["won"]
            continue
        made = [np.dot(part["values"], part["weights"]) for part in found["parts"]]
        np.testing.assert_allclose(made, [part["sum"] for part in found["parts"]], atol=1e-6)
        assert sum(made) + found["bias"] == pytest.approx(found["total"], abs=1e-4)
        assert len(made) == {"C1": 1, "C3": 6, "C5": 16}.get(layer, 1)
        if layer != "output":
            assert found["value"] == max(found["total"], 0)


def test_the_patch_is_what_stands_in_the_map_below(page_values):
    image, _, sums, layers = page_values["a drawing"]
    by_layer = {unit["layer"]: (unit, found) for unit, found in zip(UNITS, sums, strict=True)}
    (_, found) = by_layer["C1"]
    np.testing.assert_allclose(found["parts"][0]["values"], image[27:32, 0:5].ravel(), atol=1e-6)
    (_, found) = by_layer["C3"]  # the last of the two: row 9, column 9
    for part, below in zip(found["parts"], layers["S2"], strict=True):
        np.testing.assert_allclose(part["values"], below[9:14, 9:14].ravel(), atol=1e-4)
    (_, found) = by_layer["C5"]
    for part, below in zip(found["parts"], layers["S4"], strict=True):
        np.testing.assert_allclose(part["values"], below.ravel(), atol=1e-4)


def test_receptive_fields(javascript):
    """Which pixels a unit depends on: where the gradient of a net of ones is not 0."""
    x = torch.ones(1, 1, 32, 32, requires_grad=True)
    ones = torch.ones(1, 1, 5, 5)
    stages = {"input": x}
    for name, below in (("C1", "input"), ("S2", "C1"), ("C3", "S2"), ("S4", "C3")):
        stages[name] = (
            functional.conv2d(stages[below], ones)
            if name[0] == "C"
            else functional.avg_pool2d(stages[below], 2)
        )
    cases, expected = [], []
    for index, name in enumerate(stages):
        size = stages[name].shape[-1]
        for position in ([0, 0], [size // 2, 1], [size - 1, size - 2]):
            for earlier in list(stages)[:index]:
                unit = stages[name][0, 0, position[0], position[1]]
                (grad,) = torch.autograd.grad(unit, stages[earlier], retain_graph=True)
                rows, columns = np.nonzero(grad[0, 0].numpy())
                box = [rows.min(), columns.min(), np.ptp(rows) + 1, np.ptp(columns) + 1]
                cases.append(("fieldIn", [earlier, name, position]))
                expected.append([int(n) for n in box])
                if earlier == "input":
                    explorer = InsideCNN(layer=name, position=position, channel=0)
                    assert explorer.field == expected[-1]
    assert javascript(InsideCNN, cases) == expected
    for name in ("C5", "F6", "output"):
        assert InsideCNN(layer=name, channel=0, position=(0, 0)).field == [0, 0, 32, 32]


def numbers(answer):
    """A typed array, as JSON writes it, as an image."""
    return np.array(list(answer.values())).reshape(32, 32)


def test_held_back_digits_enlarged(javascript):
    texts = InsideCNN().digits
    chosen = [0, 9, 100, 281, 449]
    cases = [(index, size) for index in chosen for size in (24, 32)]
    answers = javascript(InsideCNN, [("enlarge", [texts[i], size]) for i, size in cases])
    images, labels = network.held_back()
    assert [int(text[0]) for text in texts] == labels.tolist()
    for (index, size), answer in zip(cases, answers, strict=True):
        expected = network.enlarge(images[index : index + 1], size)[0, 0]
        np.testing.assert_allclose(numbers(answer), expected, atol=0.0051)
        rows = np.nonzero(expected.max(axis=1))[0]
        assert rows.min() >= (32 - size) // 2
        assert np.ptp(rows) > 0.85 * size  # these digits fill their 8 rows


def test_the_pen(javascript):
    rng = np.random.default_rng(0)
    for erase in (False, True):
        before = np.round(rng.random((32, 32)), 2)
        ends = rng.uniform(-3, 35, (12, 2, 2)).tolist()
        ends[0][1] = ends[0][0]  # a dot
        calls = [("inked", [before.ravel().tolist(), a, b, 1.5, erase]) for a, b in ends]
        for (a, b), answer in zip(ends, javascript(InsideCNN, calls), strict=True):
            ink = line(a, b)
            expected = np.minimum(before, 1 - ink) if erase else np.maximum(before, ink)
            np.testing.assert_allclose(numbers(answer), expected, atol=0.02)


@pytest.mark.parametrize(
    "image",
    [
        drawing(2, height=12, width=9, row=9, column=22),
        drawing(5, height=28, width=24),
        line((20, 4), (20, 28)),
    ],
    ids=["small and off", "large", "lying"],
)
def test_centring(javascript, image):
    (answer,) = javascript(InsideCNN, [("centred", [image.ravel().tolist()])])
    rows, columns = np.nonzero(numbers(answer) >= 0.5)
    sides = [np.ptp(rows) + 1, np.ptp(columns) + 1]
    assert max(sides) == pytest.approx(23.5, abs=1.5)
    assert (rows.min() + rows.max() + 1) / 2 == pytest.approx(16, abs=0.51)
    assert (columns.min() + columns.max() + 1) / 2 == pytest.approx(16, abs=0.51)


def test_centring_and_measuring_nothing(javascript):
    nothing = [0] * 1024
    answer, box = javascript(InsideCNN, [("centred", [nothing]), ("inkBox", [nothing])])
    assert not numbers(answer).any()
    assert box is None


# ---------------------------------------------------------------- words and places


def test_the_verdict_in_words(javascript):
    def shares(**given):
        return [given.get(f"p{i}", 0) for i in range(10)]

    table = [
        ([shares(p7=1), True], "The network says 7, with over 99 %."),
        (
            [shares(p7=0.9, p1=0.08, p2=0.02), True],
            "The network says 7, with 90 %. Next comes 1, with 8 %.",
        ),
        ([shares(p4=0.5, p9=0.5), True], "The network wavers: 4 with 50 %, 9 with 50 %."),
        (
            [shares(p9=1), True, 4],
            "The network says 9, with over 99 %. Whoever wrote it meant 4.",
        ),
        ([shares(p9=1), True, 9], "The network says 9, with over 99 %."),
        ([shares(p8=1), False], "Nothing to see yet: draw a digit."),
    ]
    answers = javascript(InsideCNN, [("verdictText", arguments) for arguments, _ in table])
    assert answers == [text for _, text in table]


def test_the_steps_in_words(javascript):
    part = {"values": [1, 2], "weights": [0.5, -1], "sum": -1.5, "rows": 1, "cols": 2}
    other = {**part, "sum": 3}
    sums = {"parts": [part, other], "bias": -0.25, "total": 1.25, "value": 1.25}
    table = [
        (
            ("steps", [sums, "C3", 0]),
            [
                ["sum of these 2 products", "−1.5"],
                ["the other maps", "+3"],
                ["bias", "−0.25"],
                ["together", "1.25"],
                ["ReLU lets it pass", "1.25"],
            ],
        ),
        (
            ("steps", [{"parts": [part], "bias": 0, "total": -1.5, "value": 0}, "C1", 3]),
            [
                ["sum of these 2 products", "−1.5"],
                ["bias", "+0"],
                ["together", "−1.5"],
                ["ReLU makes it 0", "0"],
            ],
        ),
        (
            ("steps", [{"parts": [part], "won": 2, "value": 0.5}, "S2", 0]),
            [["largest of the four", "0.5"], ["it stands at the bottom left", ""]],
        ),
        (("productText", [part, [0, 1]]), "Row 0, column 1: 2 × (−1) = −2"),
        (
            ("fieldText", [{"layer": "C3", "position": [4, 6]}]),
            "It sees 14 × 14 pixels of the input: rows 8 to 21, columns 12 to 25.",
        ),
        (("fieldText", [{"layer": "F6", "position": [0, 0]}]), "It sees the whole input."),
    ]
    answers = javascript(InsideCNN, [call for call, _ in table])
    assert answers == [text for _, text in table]


@pytest.mark.parametrize("width", [472, 640, 692, 830, 999, 1000, 1092])
def test_everything_stands_beside_everything_else(javascript, width):
    ((columns, hits),) = javascript(InsideCNN, [("layoutForTests", [width])])
    edges = [(column["x"], column["x"] + column["width"]) for column in columns]
    for (_, right), (left, _) in itertools.pairwise(edges):
        assert left - right >= 3
    assert edges[0][0] == 0
    assert edges[-1][1] <= width + 0.01
    # The middle of each thing is that thing: 6 + 6 + 16 + 16 maps, 214 units, 6 + 96 kernels.
    assert len(hits) == 44 + 214 + 102
    for wanted, found in hits:
        assert {key: found[key] for key in wanted} == wanted


def test_the_page_is_small_enough():
    assert len(base64.b64decode(InsideCNN().weights[4]["int8"])) == 48_000
    assert len(InsideCNN().to_html()) < 300_000
