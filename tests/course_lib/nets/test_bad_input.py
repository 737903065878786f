"""What cannot work is refused, in words that say what would."""

import os
import pickle
import re

import pytest
import safetensors.torch
import torch
from torch import nn

from course_lib import nets
from course_lib.nets.weights import load_weights

# ── names ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet-50", "resnet50"),
        ("ResNet50", "resnet50"),
        ("vgg-16", "vgg16"),
        ("VGG19", "vgg19"),
        ("lenet", "lenet5"),
        ("alexnet2", "alexnet"),
        ("mobilenetv2", "mobilenet_v2"),
        ("efficientnet-b0", "efficientnet_b0"),
        ("densenet", "densenet121"),
        ("resnext50", "resnext50_32x4d"),
        ("vit", "vit_b_16"),
        ("swin", "swin_t"),
        ("convnext", "convnext_tiny"),
        ("seresnet50", "se_resnet50"),
    ],
)
@pytest.mark.parametrize("ask", [nets.create, nets.info, nets.smallest_input])
def test_an_unknown_name_suggests_the_nearest(ask, name, near):
    with pytest.raises(ValueError, match="did you mean") as caught:
        ask(name)
    message = str(caught.value)
    assert f"name (={name!r})" in message
    assert repr(near) in message
    assert message.count("'") <= 2 * 4, "three names at most, besides the one that was asked for"


def test_a_name_near_to_nothing_lists_all():
    with pytest.raises(ValueError, match=r"'lenet5' or 'alexnet' or .*'convnext_tiny'"):
        nets.create("perceptron?!")


@pytest.mark.parametrize("name", [None, 50, nn.Linear, ["resnet50"]])
def test_a_name_is_a_string(name):
    with pytest.raises(TypeError, match=r"name .* must be a string"):
        nets.create(name)


@pytest.mark.parametrize("argument", ["num_classes", "in_channels"])
@pytest.mark.parametrize(
    ("value", "error", "rule"),
    [
        (0, ValueError, "must be at least 1"),
        (-3, ValueError, "must be at least 1"),
        (2.0, TypeError, "must be an integer"),
        ([10], TypeError, "must be an integer"),
        (True, TypeError, "must be an integer"),
    ],
)
def test_counts_are_positive_integers(argument, value, error, rule):
    with pytest.raises(error, match=rf"{argument} \(={re.escape(str(value))}\) {rule}"):
        nets.create("lenet5", **{argument: value})


def test_an_unknown_option_is_named():
    with pytest.raises(TypeError, match="growth"):
        nets.create("resnet18", growth=3)


# ── images ──────────────────────────────────────────────────────────────────────────────────────

SIZES = [
    # network, an image's (height, width), the layer, what reached it, the smallest that works
    ("lenet5", (28, 28), "c5 of LeNet5, a Linear", (1, 256), 32),
    ("lenet5", (31, 40), "c5 of LeNet5, a Linear", (1, 16 * 4 * 7), 32),
    ("lenet5", (4, 4), "c1 of LeNet5, a Conv2d", (1, 1, 4, 4), 32),
    ("alexnet", (62, 62), "features.12 of AlexNet, a MaxPool2d", (1, 256, 2, 2), 63),
    ("alexnet", (6, 224), "features.0 of AlexNet, a Conv2d", (1, 3, 6, 224), 63),
    ("vgg16", (31, 31), "features.30 of VGG, a MaxPool2d", (1, 512, 1, 1), 32),
    ("vgg19", (1, 1), "features.4 of VGG, a MaxPool2d", (1, 64, 1, 1), 32),
    ("googlenet", (14, 14), "maxpool3 of GoogLeNet, a MaxPool2d", (1, 480, 1, 1), 15),
    ("resnet50", (0, 0), "conv1 of ResNet, a Conv2d", (1, 3, 0, 0), 1),
]


@pytest.fixture(scope="module")
def small_only():
    """The networks of the table, once each, in eval mode; the large heads hold no numbers."""
    with torch.device("meta"):
        return {row[0]: nets.create(row[0]).eval() for row in SIZES}


@pytest.mark.parametrize(("name", "size", "layer", "got", "smallest"), SIZES)
def test_an_image_too_small(small_only, name, size, layer, got, smallest):
    x = torch.zeros(1, nets.info(name).input[0], *size, device="meta")
    with pytest.raises(ValueError, match="smallest input that works") as caught:
        small_only[name](x)
    message = str(caught.value)
    assert f"layer {layer}" in message
    assert f"the shape {got} that an image of {size[0]}×{size[1]} comes to" in message
    assert message.endswith(f"the smallest input that works is {smallest}×{smallest}")
    assert isinstance(caught.value.__cause__, RuntimeError), "torch's own words are kept"


@pytest.mark.parametrize(
    "name", ["lenet5", "alexnet", "vgg16", "googlenet", "densenet121", "vit_b_16", "convnext_tiny"]
)
def test_the_smallest_input_works_and_one_pixel_less_does_not(name):
    height, width = nets.smallest_input(name)
    channels = nets.info(name).input[0]
    with torch.device("meta"), torch.no_grad():
        net = nets.create(name).eval()
        assert net(torch.zeros(2, channels, height, width)).shape[0] == 2
        with pytest.raises(ValueError, match=f"{height}×{width}|{height}x{width}"):
            net(torch.zeros(2, channels, height - 1, width - 1))


def test_also_on_real_numbers_and_in_training():
    net = nets.create("lenet5").train()
    with pytest.raises(ValueError, match="smallest input that works is 32×32"):
        net(torch.rand(8, 1, 28, 28))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((1, 3, 32, 32), r"layer c1 of LeNet5, a Conv2d of in_channels=1, got 3 channels"),
        ((32, 32), r"x has shape \(32, 32\), LeNet5 takes images of shape \(N, C, H, W\)"),
        ((1, 32, 32), r"x has shape \(1, 32, 32\), LeNet5 takes"),
        ((1, 1, 1, 32, 32), r"x has shape \(1, 1, 1, 32, 32\), LeNet5 takes"),
    ],
)
def test_images_of_another_kind(shape, words):
    with pytest.raises(ValueError, match=words):
        nets.create("lenet5")(torch.zeros(shape))


# ── files of weights ────────────────────────────────────────────────────────────────────────────


class Harmful:
    """Makes a file where a careless reader unpickles it."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def state():
    return nets.create("lenet5").state_dict()


def refusal(path, name="lenet5", **options):
    """The one line with which a file is refused."""
    with pytest.raises(ValueError, match=r"^weights \(=") as caught:
        nets.create(name, weights=path, **options)
    message = str(caught.value)
    assert f"weights (={path.name!r})" in message
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return message


@pytest.mark.parametrize(
    "save",
    [
        lambda thing, path: torch.save({"c1.weight": thing}, path),
        lambda thing, path: torch.save(
            {"c1.weight": thing}, path, _use_new_zipfile_serialization=False
        ),
        lambda thing, path: path.write_bytes(pickle.dumps(thing, protocol=2)),
        lambda thing, path: path.write_bytes(pickle.dumps(thing)),
    ],
)
def test_a_pickled_object_is_refused_and_never_runs(save, tmp_path):
    path, made = tmp_path / "w.pth", tmp_path / "made"
    save(Harmful(made), path)
    message = refusal(path)
    assert "other Python objects" in message or "of another kind" in message
    assert not made.exists()
    pickle.loads(pickle.dumps(Harmful(made)))
    assert made.exists(), "the file would have done harm"


def test_a_whole_module_is_not_a_state_dict(tmp_path):
    path = tmp_path / "net.pth"
    torch.save(nets.create("lenet5"), path)
    assert "could run code" in refusal(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([torch.zeros(2)], "holds a list"),
        (torch.zeros(2), "holds a Tensor"),
        (3, "holds a int"),
        (
            {"state_dict": {"c1.weight": torch.zeros(2)}, "epoch": 9},
            "a dict with state_dict, epoch",
        ),
        ({1: torch.zeros(2)}, "a dict with 1"),
    ],
)
def test_tensors_in_another_wrapping(content, words, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(content, path)
    assert words in refusal(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("kind", ["w.pth", "old.pth", "w.safetensors"])
def test_a_file_cut_short(kind, share, state, tmp_path):
    path = tmp_path / kind
    if kind == "w.safetensors":
        safetensors.torch.save_file(state, path)
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "w.pth")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    message = refusal(path)
    # Cut in the middle of a name, the old format asks for a function that there is not.
    assert "damaged, cut short" in message or "other Python objects" in message


@pytest.mark.parametrize("name", ["w.pth", "w.pt", "w.safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 500,
        b"hello\n",
        b"<!DOCTYPE html><html><title>404</title></html>",
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        b"PK\x03\x04" + bytes(range(256)),
        b"\x80\x02}q\x00.",
        bytes(range(256)) * 9,
    ],
)
def test_a_file_of_another_kind(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    message = refusal(path)
    assert "damaged" in message or "lenet5: 10 missing" in message or "must hold" in message


@pytest.mark.parametrize("name", ["w.npz", "w.onnx", "w", "w.safetensors.zip", "w.pkl"])
def test_the_ending_says_what_a_file_is(name, tmp_path):
    (tmp_path / name).write_bytes(b"1")
    assert refusal(tmp_path / name).endswith("must end in .safetensors, .pth or .pt")


@pytest.mark.parametrize("name", ["none.pth", "none.safetensors", "folder.pth"])
def test_no_such_file(name, tmp_path):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(FileNotFoundError, match=rf"weights \(='.*{name}'\) must be a file"):
        nets.create("lenet5", weights=tmp_path / name)


def test_another_architectures_weights(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(nets.create("resnet_cifar", depth=8).state_dict(), path)
    message = refusal(path)
    assert "must be those of lenet5: 10 missing (c1.weight, c1.bias, c3.weight, …)" in message
    assert "44 unexpected (conv1.weight, bn1.weight, bn1.bias, …)" in message


@pytest.mark.parametrize(("ours", "theirs"), [("vgg16", "vgg19"), ("resnet18", "resnet34")])
def test_a_near_relatives_weights(ours, theirs, tmp_path):
    path = tmp_path / "w.safetensors"
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in nets.create(theirs).state_dict().items()}
    # One number stands for each tensor: names are compared before shapes are.
    safetensors.torch.save_file({key: torch.zeros(1) for key in shapes}, path)
    with torch.device("meta"):
        net = nets.create(ours)
    own = net.state_dict()
    message = refusal_of(net, path, ours)
    assert f"{len(shapes.keys() - own.keys())} unexpected" in message
    assert len(message) < 500


def refusal_of(net, path, name):
    net.to_empty(device="cpu")
    with pytest.raises(ValueError, match=rf"must be those of {name}") as caught:
        load_weights(net, path, name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("c3.bias"), "1 missing (c3.bias)"),
        (lambda s: s.update(c9=torch.zeros(1)), "1 unexpected (c9)"),
        (
            lambda s: s.update({"module." + key: s.pop(key) for key in list(s)}),
            "10 missing (c1.weight, c1.bias, c3.weight, …); 10 unexpected (module.c1.weight,",
        ),
        (
            lambda s: s.update({"f6.weight": torch.zeros(84, 121)}),
            "1 of another shape (f6.weight (84, 121) for (84, 120))",
        ),
        (
            lambda s: s.update({"c1.weight": torch.zeros(8, 1, 5, 5), "c1.bias": torch.zeros(8)}),
            "2 of another shape (c1.weight (8, 1, 5, 5) for (6, 1, 5, 5), c1.bias (8,) for (6,))",
        ),
        (
            lambda s: (s.pop("c1.bias"), s.update({"f6.bias": torch.zeros(3)})),
            "1 missing (c1.bias); 1 of another shape (f6.bias (3,) for (84,))",
        ),
    ],
)
def test_weights_that_almost_fit(change, words, state, tmp_path):
    path = tmp_path / "w.pth"
    change(state)
    torch.save(state, path)
    assert words in refusal(path)


def test_weights_for_another_number_of_classes_or_channels(tmp_path):
    path = tmp_path / "w.pth"
    torch.save(nets.create("lenet5", num_classes=26).state_dict(), path)
    assert refusal(path).endswith("are for num_classes=26, and this network has num_classes=10")
    assert "num_classes=26, and this network has num_classes=3" in refusal(path, num_classes=3)
    torch.save(nets.create("lenet5", in_channels=3).state_dict(), path)
    assert refusal(path).endswith("are for in_channels=3, and this network has in_channels=1")


@pytest.mark.parametrize("name", ["googlenet", "densenet121", "resnet18", "mobilenet_v2"])
def test_weights_for_a_thousand_classes_in_a_network_of_ten(name, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(nets.create(name).state_dict(), path)
    message = refusal(path, name, num_classes=10)
    assert message.endswith("are for num_classes=1000, and this network has num_classes=10")


def test_a_network_that_was_refused_weights_is_as_it_was(state, tmp_path):
    path = tmp_path / "w.pth"
    torch.save({**state, "f6.bias": torch.zeros(3)}, path)
    net = nets.create("lenet5")
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(ValueError, match="another shape"):
        load_weights(net, path, "lenet5")
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())


def test_weights_need_a_device_that_holds_numbers(state, tmp_path):
    path = tmp_path / "w.pth"
    torch.save(state, path)
    with torch.device("meta"), pytest.raises(ValueError, match="outside the meta device"):
        nets.create("lenet5", weights=path)
