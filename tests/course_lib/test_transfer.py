"""Transfer: images as weights expect them, the three handles, and backbones by name."""

import importlib
import sys
import types
import urllib.error
import warnings

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn

from course_lib import transfer
from course_lib.experiments import pretrain
from course_lib.nets.weights import read_weights
from course_lib.transfer import (
    Preprocessing,
    find_head,
    freeze,
    layerwise_lr_groups,
    load_backbone,
    preprocess,
    replace_head,
    resize,
)

IMAGENET = Preprocessing(224, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5,) * 3, (0.25,) * 3)


def picture(*shape):
    return np.random.default_rng(0).random(shape)


# ── images ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 37), (16, 16), (9, 12)])
def test_preprocess_is_pillow_and_arithmetic(height, width):
    """Pillow resizes 8-bit images with the same filter, rounding to bytes."""
    image = (picture(height, width, 3) * 255).astype(np.uint8)
    ours = preprocess(image, 16, *HALF)
    scale = 16 / min(height, width)
    new = (round(width * scale), round(height * scale))
    theirs = np.asarray(Image.fromarray(image).resize(new, Image.Resampling.BILINEAR)) / 255
    top, left = (new[1] - 16) // 2, (new[0] - 16) // 2
    theirs = (theirs[top : top + 16, left : left + 16].transpose(2, 0, 1) - 0.5) / 0.25
    assert ours.shape == (3, 16, 16)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, atol=4 / 255 / 0.25)


def test_modes_of_an_image_agree():
    grey = picture(8, 8)
    coloured = np.repeat(grey[:, :, None], 3, axis=2)
    opaque = np.concatenate([coloured, np.ones((8, 8, 1))], axis=2)
    expected = preprocess(coloured, 8, *HALF)
    for image in (grey, grey[:, :, None], opaque):
        np.testing.assert_allclose(preprocess(image, 8, *HALF), expected, rtol=1e-6)
    one = preprocess(coloured, 8, (0.5,), (0.25,))
    np.testing.assert_allclose(one, expected[:1], rtol=1e-5)


def test_ranges_agree():
    bytes_ = np.random.default_rng(1).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    expected = preprocess(bytes_ / 255, 8, *HALF)
    for image in (bytes_, bytes_.astype(np.uint16) * 257, torch.from_numpy(bytes_ / 255)):
        np.testing.assert_allclose(preprocess(image, 8, *HALF), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("image", "error", "words"),
    [
        (picture(8, 8) * 255, ValueError, "must lie in"),
        (np.full((8, 8), np.nan), ValueError, "must lie in"),
        (np.zeros((8, 8), np.int64), TypeError, "int64"),
        (picture(3, 8, 8), ValueError, "channels come last"),
        (picture(8, 8, 2), ValueError, "1, 3 or 4"),
        (np.zeros((0, 8)), ValueError, "empty"),
        ("a cat", TypeError, "image"),
    ],
)
def test_images_that_are_none_are_refused(image, error, words):
    with pytest.raises(error, match=words):
        preprocess(image, 8, *HALF)


def test_preprocessing_checks_its_numbers_and_makes_batches():
    assert IMAGENET([picture(30, 50), picture(20, 20, 4)]).shape == (2, 3, 224, 224)
    assert Preprocessing(8, (0.5,), (0.5,))([]).shape == (0, 1, 8, 8)
    for mean, std in (((0.5,), (0.5, 0.5)), ((0.5,), (0.0,)), ((np.nan,), (1.0,)), ((), ())):
        with pytest.raises(ValueError, match="std"):
            Preprocessing(8, mean, std)
    with pytest.raises(ValueError, match="size"):
        Preprocessing(0, (0.5,), (0.5,))
    with pytest.raises(ValueError, match="channels"):
        preprocess(picture(4, 4, 3), 4, (0.5, 0.5), (1, 1))
    with pytest.raises(ValueError, match="channels"):
        resize(picture(4, 4), 2)


# ── the handles ─────────────────────────────────────────────────────────────────────────────────


def small():
    torch.manual_seed(0)
    body = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))


def test_a_new_head_leaves_the_body_alone():
    model = small().eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    assert replace_head(model, 7) is model
    assert model(torch.zeros(2, 1, 6, 6)).shape == (2, 7)
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before if not key.startswith("3."))


def test_a_head_may_be_deep_without_bias_or_a_convolution():
    model = nn.ModuleDict({"classifier": nn.Sequential(nn.Dropout(), nn.Linear(4, 9, bias=False))})
    assert find_head(model) == "classifier.1"
    assert replace_head(model, 2)["classifier"][1].bias is None
    squeeze = nn.Sequential(nn.Linear(2, 2), nn.Conv2d(8, 9, 1), nn.ReLU())
    with pytest.raises(ValueError, match=r"candidates: '0' \(Linear\), '1' \(Conv2d\)"):
        replace_head(squeeze, 3)
    assert replace_head(squeeze, 3, head="1")[1].out_channels == 3


@pytest.mark.parametrize(
    ("model", "head", "words"),
    [
        (nn.Sequential(nn.ReLU()), None, "no parameters"),
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)), None, r"'1' \(BatchNorm2d\)"),
        (nn.Sequential(nn.Linear(1, 2)), "fc", "must name a layer"),
        (nn.Sequential(nn.BatchNorm2d(2)), "0", "must be a Linear or Conv2d"),
    ],
)
def test_a_head_that_is_not_recognised_is_asked_for(model, head, words):
    with pytest.raises(ValueError, match=words):
        replace_head(model, 3, head)


def test_what_is_frozen_does_not_learn():
    model = freeze(small())
    before = {key: value.clone() for key, value in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    model(torch.rand(4, 1, 6, 6)).square().sum().backward()
    optimizer.step()
    changed = {
        key for key, value in model.named_parameters() if not torch.equal(value, before[key])
    }
    assert changed == {"3.weight", "3.bias"}
    assert not any(p.requires_grad for p in freeze(model, except_head=False).parameters())
    assert [n for n, p in freeze(model).named_parameters() if p.requires_grad] == [
        "3.weight",
        "3.bias",
    ]


def test_groups_hold_every_parameter_once_at_its_rate():
    model = small()
    groups = layerwise_lr_groups(model, 1e-3, 0.1)
    assert [group["lr"] for group in groups] == pytest.approx([1e-4, 1e-3])
    held = [
        id(p) for group in torch.optim.SGD(groups, lr=1.0).param_groups for p in group["params"]
    ]
    assert sorted(held) == sorted(id(p) for p in model.parameters())


def test_parameters_of_the_model_itself_are_in_the_first_group():
    model = small()
    model.register_parameter("token", nn.Parameter(torch.zeros(3)))
    assert layerwise_lr_groups(model, 1, 0.5)[0]["params"][0] is model.token


@pytest.mark.parametrize(("rate", "decay"), [(0, 0.5), (1, 0), (np.nan, 1)])
def test_impossible_rates_are_refused(rate, decay):
    with pytest.raises(ValueError, match="must be"):
        layerwise_lr_groups(small(), rate, decay)
    with pytest.raises(ValueError, match="children"):
        layerwise_lr_groups(nn.Linear(1, 1), 1, 1)


# ── backbones ───────────────────────────────────────────────────────────────────────────────────


def test_the_courses_backbone_is_the_default(tmp_path):
    model, preprocessing = load_backbone()
    assert not model.training
    assert preprocessing == Preprocessing(8, (pretrain.MEAN,), (pretrain.DEVIATION,))
    for key, value in read_weights(pretrain.PATH).items():
        assert torch.equal(model.state_dict()[key], value)
    assert load_backbone("letters", num_classes=3).model.fc.out_features == 3
    other = pretrain.backbone()
    path = tmp_path / "other.safetensors"
    safetensors.torch.save_file(other.state_dict(), path)
    assert torch.equal(load_backbone(weights=path).model.fc.weight, other.fc.weight)


@pytest.mark.parametrize("name", ["lettters", "torchvision:", "keras:resnet50", ""])
def test_unknown_names_are_refused(name):
    with pytest.raises(ValueError, match="'letters'"):
        load_backbone(name)
    with pytest.raises(TypeError, match="string"):
        load_backbone(3)


@pytest.fixture(scope="module")
def models():
    """`torchvision.models`; its wheel for CUDA loads beside a torch for the CPU once two of its own
    operators, which nothing here calls, are named.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the missing readers of images
        try:
            return importlib.import_module("torchvision.models")
        except RuntimeError:
            library = torch.library.Library("torchvision", "FRAGMENT")
            for name in ("nms", "qnms"):
                library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
            found = importlib.import_module("torchvision.models")
            found.course_keeps_library = library  # the operators go when it goes
            return found


@pytest.fixture
def hub(tmp_path):
    """An empty folder in the place where torch keeps what it downloads."""
    before = torch.hub.get_dir()
    torch.hub.set_dir(str(tmp_path))
    yield tmp_path / "checkpoints"
    torch.hub.set_dir(before)


def test_torchvision_by_name_from_what_was_downloaded(models, hub):
    hub.mkdir()
    torch.manual_seed(1)
    made = models.squeezenet1_1()
    url = models.SqueezeNet1_1_Weights.DEFAULT.url
    torch.save(made.state_dict(), hub / url.rpartition("/")[2])
    model, preprocessing = load_backbone(
        "torchvision:squeezenet1_1", num_classes=4, head="classifier.1"
    )
    assert preprocessing == IMAGENET
    assert torch.equal(model.features[0].weight, made.features[0].weight)
    assert model(preprocessing([picture(40, 50, 3)])).shape == (1, 4)


def test_torchvision_offline_names_the_file_and_where_it_goes(models, hub, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(ConnectionError) as caught:
        load_backbone("torchvision:squeezenet1_1")
    said = str(caught.value)
    assert models.SqueezeNet1_1_Weights.DEFAULT.url in said
    assert str(hub) in said


def test_torchvision_with_weights_of_ones_own(models, tmp_path):
    made = models.squeezenet1_1(num_classes=1000)
    path = tmp_path / "own.safetensors"
    safetensors.torch.save_file(made.state_dict(), path)
    name = "torchvision:squeezenet1_1"
    with pytest.raises(ValueError, match="preprocessing must be given"):
        load_backbone(name, weights=path)
    found = load_backbone(name, weights=path, preprocessing=IMAGENET)
    assert torch.equal(found.model.features[0].weight, made.features[0].weight)
    with pytest.raises(ValueError, match="must be those of torchvision:resnet18"):
        load_backbone("torchvision:resnet18", weights=path, preprocessing=IMAGENET)
    with pytest.raises(ValueError, match="did you mean"):
        load_backbone("torchvision:resnet181")


def test_a_package_that_does_not_load_says_so(monkeypatch):
    def broken(name):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(transfer.importlib, "import_module", broken)
    with pytest.raises(ImportError, match="built for this torch"):
        load_backbone("torchvision:resnet18")


def test_a_package_that_is_missing_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ModuleNotFoundError, match="python -m pip install timm"):
        load_backbone("timm:resnet18")


def test_timm_itself_with_weights_of_ones_own(models, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about what timm will rename
        timm = importlib.import_module("timm")
    made = timm.create_model("resnet10t", pretrained=False)
    path = tmp_path / "own.safetensors"
    safetensors.torch.save_file(made.state_dict(), path)
    with pytest.raises(ValueError, match="preprocessing must be given"):
        load_backbone("timm:resnet10t", weights=path)
    model, preprocessing = load_backbone(
        "timm:resnet10t", num_classes=4, weights=path, preprocessing=IMAGENET
    )
    weights = dict(made.named_parameters())
    for name, parameter in model.named_parameters():
        if not name.startswith("fc."):
            assert torch.equal(parameter, weights[name]), name
    assert model.eval()(preprocessing([picture(40, 50, 3)])).shape == (1, 4)


class Tiny(nn.Sequential):
    """What the stand-in below calls a model, with timm's attribute beside it."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 10))


@pytest.fixture
def timm(monkeypatch):
    """A stand-in for timm: the two functions that are called, as timm 1.0 has them."""
    package = types.ModuleType("timm")
    package.said = {"input_size": (3, 8, 8), "mean": HALF[0], "std": HALF[1]}
    package.offline = None

    def create_model(name, pretrained=False):
        if pretrained and package.offline is not None:
            raise package.offline
        model = Tiny()
        model.pretrained_cfg = package.said
        return model

    package.list_models = lambda: ["tiny", "small"]
    package.create_model = create_model
    monkeypatch.setitem(sys.modules, "timm", package)
    return package


def test_timm_by_name(timm):
    model, preprocessing = load_backbone("timm:tiny.in1k", num_classes=4)
    assert preprocessing == Preprocessing(8, *HALF)
    assert model(preprocessing([picture(9, 9)])).shape == (1, 4)
    with pytest.raises(ValueError, match="did you mean 'tiny'"):
        load_backbone("timm:tyny")


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("no weights for tiny")])
def test_timm_offline_says_what_is_missing(timm, error):
    timm.offline = error
    with pytest.raises(ConnectionError, match=r"timm:tiny.*weights=…") as caught:
        load_backbone("timm:tiny")
    assert str(error) in str(caught.value)


def test_timm_without_known_preprocessing_is_refused(timm, tmp_path):
    timm.said = {"input_size": (3, 8, 8)}
    with pytest.raises(ValueError, match=r"preprocessing must be given .* mean and std"):
        load_backbone("timm:tiny")
    given = Preprocessing(8, *HALF)
    assert load_backbone("timm:tiny", preprocessing=given).preprocessing == given
    path = tmp_path / "own.pth"
    made = Tiny()
    torch.save(made.state_dict(), path)
    with pytest.raises(ValueError, match="preprocessing must be given"):
        load_backbone("timm:tiny", weights=path)
    found = load_backbone("timm:tiny", weights=path, preprocessing=given)
    assert torch.equal(found.model[2].weight, made[2].weight)
