"""fit, evaluate, predict: against the loop written out, and where they cannot go on."""

import json
import math
import random
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from course_lib import data, training
from course_lib.training import History, evaluate, fit, predict


def blobs(n=60, seed=0):
    """Three classes of 2×2 pictures, easy to tell apart."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    images = rng.normal(labels[:, None, None, None], 0.2, (n, 1, 2, 2)).astype(np.float32)
    return images, labels


def small(dropout=0.0, seed=0, norm=True):
    torch.manual_seed(seed)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(1, 4, 2),
            norm=nn.BatchNorm2d(4) if norm else nn.Identity(),
            relu=nn.ReLU(),
            drop=nn.Dropout(dropout),
            flatten=nn.Flatten(),
            head=nn.Linear(4, 3),
        )
    )


def quiet(model, train, *args, **kwargs):
    return fit(model, train, *args, **{"epochs": 3, "progress": False, "device": "cpu", **kwargs})


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(a, b):
    return all(torch.equal(a[name], b[name]) for name in a)


# ── it learns, and is the loop that everybody writes ────────────────────────────────────────────


def test_it_learns():
    model = small()
    history = quiet(model, blobs(), blobs(seed=1), epochs=30, lr=0.02)
    assert history.val_accuracy[-1] > 0.95
    assert history.epochs == 30 == len(history.val_loss) == len(history.seconds) == len(history.lr)
    assert history.train_loss[-1] < history.train_loss[0] / 2
    assert evaluate(model, blobs(seed=2)).accuracy > 0.95


def test_it_is_the_loop_written_out():
    """Full batches, so that the order plays no part."""
    images, labels = blobs()
    ours, theirs = small(norm=False), small(norm=False)
    optimizer = torch.optim.AdamW(theirs.parameters(), lr=0.01, weight_decay=0.1)
    x, y, losses = torch.from_numpy(images), torch.from_numpy(labels), []
    for _ in range(4):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(theirs(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    history = quiet(ours, (images, labels), epochs=4, batch_size=60, lr=0.01, weight_decay=0.1)
    np.testing.assert_allclose(history.train_loss, losses, rtol=1e-4)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_every_image_is_seen_once_an_epoch_in_an_order_that_changes():
    seen = []

    def watch(batch, rng):
        seen.append(batch[:, 0, 0, 0].copy())
        return batch

    images = np.arange(21, dtype=np.float32).reshape(21, 1, 1, 1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 2))
    quiet(model, (images, [0] * 21), epochs=2, batch_size=5, augment=watch)
    assert [len(part) for part in seen] == [5, 5, 5, 6, 5, 5, 5, 6]  # no batch of one
    first, second = np.concatenate(seen[:4]), np.concatenate(seen[4:])
    assert sorted(first) == sorted(second) == list(range(21))
    assert list(first) != list(second)


def test_a_seed_decides_everything_and_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    first = torch.rand(1)
    torch.manual_seed(5)
    runs = []
    for seed in (1, 1, 2):
        model = small(dropout=0.5)
        torch.manual_seed(5)
        quiet(model, blobs(), seed=seed)
        assert torch.equal(torch.rand(1), first)
        runs.append(weights(model))
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


def test_augmentation_and_loss_of_ones_own():
    images, labels = blobs()
    calls = []

    def brighter(batch, rng):
        calls.append((type(batch), rng.random()))
        return batch + 1

    def squared(outputs, targets):
        return ((outputs - nn.functional.one_hot(targets, 3)) ** 2).mean()

    model = small()
    history = quiet(model, (images, labels), augment=brighter, loss=squared, epochs=2)
    assert {kind for kind, _ in calls} == {np.ndarray}
    assert len({value for _, value in calls}) == len(calls) == 2
    assert history.train_loss[0] < 3
    assert images.max() < 4  # the data is left as it was


def test_targets_that_are_no_classes_have_no_accuracy():
    x = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    model = nn.Linear(3, 3)
    history = quiet(model, (x, x), loss=nn.functional.mse_loss, epochs=1)
    assert math.isnan(history.train_accuracy[0])
    assert math.isnan(evaluate(model, (x, x), loss=nn.functional.mse_loss).accuracy)


def test_maps_of_classes_have_one():
    x = np.zeros((2, 1, 2, 2), np.float32)
    model = nn.Conv2d(1, 3, 1)
    nn.init.constant_(model.weight, 0)
    with torch.no_grad():
        model.bias.copy_(torch.tensor([0.0, 1.0, 0.0]))
    targets = np.array([[[1, 1], [1, 0]]] * 2)
    assert evaluate(model, (x, targets)) == (pytest.approx(0.80, abs=0.01), 0.75, 2)


@pytest.mark.parametrize("given", ["arrays", "tensors", "loader"])
def test_data_comes_in_three_forms(given):
    images, labels = blobs()
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    forms = {
        "arrays": (images.astype(np.float64), labels.astype(np.int32)),
        "tensors": (x, y),
        "loader": DataLoader(TensorDataset(x, y), batch_size=60),
    }
    model, expected = small(norm=False), small(norm=False)
    quiet(model, forms[given], epochs=2, batch_size=60)
    quiet(expected, (images, labels), epochs=2, batch_size=60)
    torch.testing.assert_close(weights(model), weights(expected), rtol=1e-4, atol=1e-5)
    assert evaluate(model, forms[given]).n == 60


def test_evaluate_and_predict_leave_the_mode_of_each_part():
    model = small(dropout=0.5)
    model.train()
    model.norm.eval()
    images, labels = blobs()
    before = weights(model)
    assert evaluate(model, (images, labels), batch_size=7).n == 60
    first, second = predict(model, images), predict(model, images, batch_size=7)
    assert first.dtype == np.int64
    assert np.array_equal(first, second)  # dropout is off
    assert (model.training, model.norm.training, model.drop.training) == (True, False, True)
    assert same(before, weights(model))


def test_evaluate_is_the_mean_over_images_whatever_the_batches():
    images, labels = blobs()
    model = small().eval()
    logits = model(torch.from_numpy(images)).detach().double().numpy()
    powers = np.exp(logits)
    chosen = powers[np.arange(60), labels] / powers.sum(1)
    for batch_size in (7, 60):
        loss, accuracy, n = evaluate(model, (images, labels), batch_size=batch_size)
        assert loss == pytest.approx(-np.log(chosen).mean(), rel=1e-5)
        assert (accuracy, n) == (np.mean(logits.argmax(1) == labels), 60)


# ── stopping: early, by hand, and going on ──────────────────────────────────────────────────────


def test_early_stopping_brings_the_best_weights_back():
    images, labels = blobs()
    wrong = (images, (labels + 1) % 3)  # the better it fits, the worse it does here
    model = small()
    history = quiet(model, (images, labels), wrong, epochs=50, lr=0.05, patience=3)
    assert history.stopped_early
    assert history.epochs == history.best_epoch + 3 < 50
    assert min(history.val_loss) == history.val_loss[history.best_epoch - 1]
    assert evaluate(model, wrong).loss == pytest.approx(min(history.val_loss), rel=1e-5)


def test_without_patience_the_last_weights_stay():
    images, labels = blobs()
    wrong = (images, (labels + 1) % 3)
    model = small()
    history = quiet(model, (images, labels), wrong, epochs=6, lr=0.05)
    assert not history.stopped_early
    assert evaluate(model, wrong).loss == pytest.approx(history.val_loss[-1], rel=1e-5)


class InterruptedAt:
    """An augmentation that the user's Ctrl-C hits at one of its calls."""

    def __init__(self, call):
        self.left = call

    def __call__(self, batch, rng):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt
        return batch


def test_an_interrupt_keeps_the_best_weights():
    images, labels = blobs()
    wrong = (images, (labels + 1) % 3)
    model = small()
    history = quiet(
        model,
        (images, labels),
        wrong,
        epochs=9,
        lr=0.05,
        batch_size=20,
        augment=InterruptedAt(3 * 5 + 2),
    )
    assert history.interrupted
    assert history.epochs == 5 == len(history.val_loss)
    assert history.best_epoch < 5
    assert evaluate(model, wrong).loss == pytest.approx(min(history.val_loss), rel=1e-5)


def test_an_interrupt_without_validation_keeps_what_is_there():
    model = small()
    before = weights(model)
    history = quiet(model, blobs(), batch_size=20, augment=InterruptedAt(3))
    assert history.interrupted
    assert history.epochs == 0
    assert not same(before, weights(model))


def plan(optimizer):
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 6)


@pytest.mark.parametrize("loader", [False, True])
def test_a_resumed_training_ends_where_an_uninterrupted_one_does(tmp_path, loader):
    def given():
        if not loader:
            return blobs()
        x, y = (torch.from_numpy(part) for part in blobs())
        generator = torch.Generator().manual_seed(4)
        return DataLoader(TensorDataset(x, y), 20, shuffle=True, generator=generator)

    settings = {
        "epochs": 6,
        "batch_size": 20,
        "lr": 0.03,
        "scheduler": plan,
        "validation": blobs(seed=1),
    }
    whole = small(dropout=0.5)
    expected = quiet(whole, given(), **settings)
    path = tmp_path / "runs" / "small.pt"
    broken = small(dropout=0.5)
    first = quiet(broken, given(), **settings, checkpoint=path, augment=InterruptedAt(3 * 3 + 2))
    assert (first.interrupted, first.epochs) == (True, 3)
    resumed = small(dropout=0.5, seed=99)
    history = quiet(resumed, given(), **settings, checkpoint=path)
    assert same(weights(whole), weights(resumed))
    assert history.val_loss == expected.val_loss
    assert history.train_loss == expected.train_loss
    assert history.lr == expected.lr
    assert (history.best_epoch, history.interrupted) == (expected.best_epoch, False)
    again = quiet(small(), given(), **settings, checkpoint=path)
    assert again.to_dict() == history.to_dict()
    assert [p.name for p in path.parent.iterdir()] == ["small.pt"]


def test_a_training_that_stopped_early_stays_stopped(tmp_path):
    images, labels = blobs()
    settings = {
        "validation": (images, (labels + 1) % 3),
        "epochs": 50,
        "lr": 0.05,
        "patience": 2,
        "checkpoint": tmp_path / "c.pt",
    }
    first = quiet(small(), (images, labels), **settings)
    again = quiet(small(seed=1), (images, labels), **settings)
    assert again.to_dict() == first.to_dict()
    assert first.stopped_early


def test_checkpoints_of_something_else_are_refused(tmp_path):
    path = tmp_path / "c.pt"
    quiet(small(), blobs(), epochs=1, checkpoint=path)
    with pytest.raises(ValueError, match="was made with seed 0, not 1: delete it"):
        quiet(small(), blobs(), epochs=2, checkpoint=path, seed=1)
    with pytest.raises(ValueError, match="is of another model"):
        quiet(nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), blobs(), epochs=2, checkpoint=path)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(ValueError, match="cannot be read"):
        quiet(small(), blobs(), checkpoint=path)


def test_a_plateau_scheduler_sees_the_validation_loss():
    images, labels = blobs()

    def by_plateau(optimizer):
        return torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.1)

    history = quiet(
        small(),
        (images, labels),
        (images, (labels + 1) % 3),
        epochs=8,
        lr=0.1,
        scheduler=by_plateau,
    )
    assert history.lr[-1] < history.lr[0] == 0.1


# ── bad input ───────────────────────────────────────────────────────────────────────────────────


def test_a_loss_that_is_not_finite_stops_and_says_where():
    images, labels = blobs()
    model = small()
    before = {}
    steps = []

    def breaking(outputs, targets):
        steps.append(1)
        if len(steps) == 5:  # epoch 2, step 2 of 3
            before.update({n: p.detach().clone() for n, p in model.named_parameters()})
            return outputs.sum() * torch.nan
        return nn.functional.cross_entropy(outputs, targets)

    with pytest.raises(FloatingPointError, match=r"loss is nan in epoch 2, step 2"):
        quiet(model, (images, labels), batch_size=20, loss=breaking)
    assert all(torch.equal(p, before[n]) for n, p in model.named_parameters())


def test_a_gradient_that_is_not_finite_spoils_no_weight():
    model = nn.Linear(2, 2)
    before = weights(model)

    def root(outputs, targets):
        return (outputs * 0).sum().sqrt()  # 0, with an infinite slope

    with pytest.raises(FloatingPointError, match=r"gradient is nan in epoch 1, step 1"):
        quiet(model, (np.ones((4, 2), np.float32), [0, 1, 0, 1]), loss=root)
    assert same(before, weights(model))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"train": ([], [])}, ValueError, "train images have shape"),
        ({"train": (np.zeros((0, 1, 2, 2), np.float32), [])}, ValueError, "train images are none"),
        ({"train": DataLoader([], batch_size=4)}, ValueError, "train has no batch"),
        ({"train": iter(())}, ValueError, "train has no batch"),
        ({"train": [(1, 2, 3)]}, ValueError, "train must give pairs"),
        ({"train": blobs()[0]}, TypeError, "train must be a pair"),
        ({"train": (blobs()[0], [0, 1])}, ValueError, "train has 60 images and 2 labels"),
        (
            {"train": (np.zeros((4, 1, 2, 2), np.uint8), [0] * 4)},
            TypeError,
            "must be floats: divide bytes by 255",
        ),
        ({"train": (blobs()[0], np.zeros(60))}, TypeError, "must be class numbers"),
        (
            {"train": (np.full((4, 1, 2, 2), np.nan), [0] * 4)},
            ValueError,
            "train images must be finite",
        ),
        ({"train": (blobs()[0], np.full(60, 3))}, ValueError, "below 3, the number"),
        ({"train": (blobs()[0], np.full(60, -1))}, ValueError, "labels from -1 to -1"),
        ({"validation": (blobs()[0], [0])}, ValueError, "validation has 60 images and 1 labels"),
        ({"epochs": 0}, ValueError, r"epochs \(=0\)"),
        ({"epochs": 1.5}, TypeError, "epochs"),
        ({"batch_size": 0}, ValueError, r"batch_size \(=0\)"),
        ({"lr": 0}, ValueError, "lr"),
        ({"lr": float("nan")}, ValueError, "lr"),
        ({"weight_decay": -1}, ValueError, "weight_decay"),
        ({"patience": 2}, ValueError, r"patience \(=2\) needs validation"),
        ({"patience": 0, "validation": blobs()}, ValueError, r"patience \(=0\)"),
        ({"device": "tpu"}, ValueError, r"device \(='tpu'\)"),
        ({"augment": lambda batch, rng: batch[:1]}, ValueError, "augment must return 60 images"),
        ({"model": "LeNet"}, TypeError, "model"),
        ({"model": nn.Flatten()}, ValueError, "model must have a parameter that is trained"),
    ],
)
def test_bad_input_is_named(change, error, words):
    settings = {"model": small(), "train": blobs(), **change}
    with pytest.raises(error, match=words):
        quiet(settings.pop("model"), settings.pop("train"), **settings)


def test_an_optimizer_of_another_model_is_refused():
    optimizer = torch.optim.SGD(small().parameters(), lr=0.1)
    with pytest.raises(ValueError, match="optimizer must hold parameters of this model"):
        quiet(small(), blobs(), optimizer=optimizer)


def test_a_device_that_is_not_here_is_refused():
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="is not on this machine"):
            training.choose_device("cuda")
    assert training.choose_device("cpu").type == "cpu"
    assert training.choose_device().type in ("cpu", "cuda", "mps")


# ── shapes that do not fit ──────────────────────────────────────────────────────────────────────


def test_the_layer_whose_input_does_not_fit_is_named():
    model = small()
    model.head = nn.Linear(16, 3)
    with pytest.raises(ValueError, match=r"layer 'head' \(Linear.*shape \(60, 4\).*multiplied"):
        quiet(model, blobs())
    with pytest.raises(ValueError, match=r"layer 'conv' .*shape \(2, 1, 2, 1\)"):
        evaluate(small(), (np.zeros((2, 1, 2, 1), np.float32), [0, 1]))


def test_a_failure_between_layers_is_placed():
    class Between(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            return self.head(x.flatten(1)) @ torch.zeros(7, 7)

    with pytest.raises(ValueError, match=r"fails after layer 'head' .* \(60, 1, 2, 2\)"):
        quiet(Between(), blobs())


def test_a_flattened_batch_axis_is_spoken_of():
    model = nn.Sequential(nn.Flatten(0), nn.Linear(240, 3))
    with pytest.raises(ValueError, match=r"returned shape \(3,\) for 60 images.*but the first"):
        quiet(model, blobs())


def test_unwritten_models_stay_unwritten():
    class Unwritten(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 3)

        def forward(self, x):
            raise NotImplementedError("your code here")

    with pytest.raises(NotImplementedError):
        quiet(Unwritten(), blobs())


# ── what is shown, and plain data ───────────────────────────────────────────────────────────────


def test_the_bar_goes_to_the_standard_output(capsys):
    quiet(small(), blobs(), blobs(seed=1), progress=True)
    shown = capsys.readouterr()
    assert shown.err == ""
    assert "3/3" in shown.out
    assert "held back" in shown.out


def test_live_curves_are_updated_in_place(monkeypatch):
    import IPython
    import IPython.display

    shown = []

    class Handle:
        def update(self, figure):
            shown.append(figure)

    def display(figure, display_id):
        shown.append(figure)
        return Handle()

    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(IPython.display, "display", display)
    quiet(small(), blobs(), blobs(seed=1), live=True)
    assert 2 <= len(shown) <= 4  # at once, and at the end
    assert "over 1 epoch." in shown[0].alt
    assert "over 3 epochs." in shown[-1].alt


def test_live_outside_a_notebook_draws_nothing(capsys):
    quiet(small(), blobs(), live=True)
    assert capsys.readouterr().out == ""


def test_a_history_is_plain_data():
    history = quiet(small(), blobs(), blobs(seed=1))
    assert History.from_dict(json.loads(json.dumps(history.to_dict()))) == history
    with pytest.raises(ValueError, match="not colour"):
        History.from_dict({"colour": 1})


def test_seed_everything():
    def drawn():
        return random.random(), float(np.random.rand()), float(torch.rand(1))

    training.seed_everything(7)
    first = drawn()
    training.seed_everything(7)
    assert drawn() == first
    training.seed_everything(8)
    assert drawn() != first
    with pytest.raises(ValueError, match="seed"):
        training.seed_everything(-1)


def test_real_digits_are_learned():
    images, labels = data.digits("train")
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10)
    )
    torch.manual_seed(0)
    quiet(model, (images[:, None], labels), epochs=4, lr=5e-3)
    held_back, truth = data.digits("test")
    accuracy = np.mean(predict(model, held_back[:, None]) == truth)
    assert accuracy > 0.85
    assert accuracy == evaluate(model, (held_back[:, None], truth)).accuracy


def test_a_backbone_comes_from_here_too():
    model, preprocessing = training.load_backbone("letters", num_classes=10)
    assert model(preprocessing(np.zeros((2, 32, 32)))).shape == (2, 10)
