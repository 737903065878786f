"""The exercises of chapter 06: their proof, and answers that learners really write."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autograder.card import as_text
from autograder.exercises import ch06
from autograder.judge import evaluate
from autograder.plain import realise
from autograder.proof import prove
from course_lib import data, nets, training

ROOT = Path(__file__).resolve().parents[3]
BY_NAME = {exercise.name: exercise for exercise in ch06.EXERCISES}
NAMES = list(BY_NAME)
# Functions on 20 seeds; a network costs more than a sum.
SEEDS = {"LeNet": 5, "LeNetAnySize": 5, "train_one_epoch": 3, "augment": 5, "digit_classifier": 1}


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name], seeds=range(SEEDS.get(name, 20)))
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "softmax_cross_entropy",
        "batch_norm2d",
        "dropout",
        "LeNet",
        "LeNetAnySize",
        "augment",
        "train_one_epoch",
        "digit_classifier",
        "quiz_06",
    }
    assert all(exercise.chapter == "06" for exercise in ch06.EXERCISES)


def test_importing_the_exercises_loads_numpy_alone():
    code = "import autograder.exercises.ch06, sys; print({'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


def passed(name: str, answer: object) -> list[str]:
    return [aspect.name for aspect in verdict(name, answer).aspects if aspect.passed]


# ── the references, against something independent ───────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
def test_cross_entropy_is_pytorchs(seed):
    for case in ch06.SOFTMAX_CROSS_ENTROPY.draw(seed):
        logits, targets = case.args
        z = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
        expected = nn.functional.cross_entropy(z, torch.tensor(targets))
        expected.backward()
        loss, grad = ch06.SOFTMAX_CROSS_ENTROPY.reference(logits, targets)
        np.testing.assert_allclose(loss, expected.item(), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(grad, z.grad.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_batch_norm_is_pytorchs(seed):
    for case in ch06.BATCH_NORM2D.draw(seed):
        names = ("x", "gamma", "beta", "mean", "var", "training", "momentum", "eps")
        given = {"momentum": 0.1, "eps": 1e-5, **dict(zip(names, case.args, strict=False))}
        given |= dict(case.kwargs)
        x, gamma, beta, mean, var = (torch.tensor(given[n], dtype=torch.float64) for n in names[:5])
        out = nn.functional.batch_norm(
            x, mean, var, gamma, beta, given["training"], given["momentum"], given["eps"]
        )
        found = ch06.BATCH_NORM2D.reference(*realise(case.args), **case.kwargs)
        for ours, theirs in zip(found, (out, mean, var), strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-10, atol=1e-12)


def test_lenet_is_the_courses_with_its_61706_parameters():
    ours, theirs = ch06.LENET.reference(), nets.create("lenet5")
    assert sum(p.numel() for p in ours.parameters()) == 61_706
    assert [p.shape for p in ours.parameters()] == [p.shape for p in theirs.parameters()]
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        b.data.copy_(a.data)
    x = torch.randn(3, 1, 32, 32)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_courses_own_lenet_is_no_answer():
    from course_lib.nets import lenet

    built = (lambda: lenet.LeNet5(), lambda: lenet.lenet5(), lambda: nets.create("lenet5"))
    for answer in (lenet.LeNet5, *built):
        said = verdict("LeNet", answer)
        assert (said.verdict, said.score) == ("forbidden", 0)


# ── answers as learners write them ──────────────────────────────────────────────────────────────


class Tutorial(nn.Module):
    """The network of a well-known tutorial, for colour images."""

    def __init__(self, channels=1, inputs=16 * 5 * 5):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(inputs, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(nn.functional.relu(self.conv1(x)))
        x = self.pool(nn.functional.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = nn.functional.relu(self.fc1(x))
        x = nn.functional.relu(self.fc2(x))
        return self.fc3(x)


def test_a_tutorials_network_in_grey_is_right():
    assert verdict("LeNet", Tutorial).verdict == "pass"


def test_a_shape_that_does_not_fit_is_placed():
    said = as_text(verdict("LeNet", lambda: Tutorial(inputs=16 * 6 * 6)))
    assert "in the layer `fc1`, a Linear that got the shape (1, 400)" in said
    said = as_text(verdict("LeNet", lambda: Tutorial(channels=3)))
    assert "in the layer `conv1`, a Conv2d that got the shape (1, 1, 32, 32)" in said


def test_probabilities_are_told_from_logits():
    class Soft(Tutorial):
        def forward(self, x):
            return super().forward(x).softmax(1)

    said = verdict("LeNet", Soft)
    assert said.score == 0.5
    assert said.misconception == "softmax_at_the_end"


def test_an_instance_is_no_class():
    assert verdict("LeNet", Tutorial()).score == 0


def test_no_network_is_not_written_yet():
    class Empty(nn.Module):
        def __init__(self):
            super().__init__()
            raise NotImplementedError("your code here")

    assert verdict("LeNet", Empty).verdict == "not_attempted"
    assert verdict("LeNetAnySize", Empty).verdict == "not_attempted"


def test_the_usual_loop_is_right():
    def train_one_epoch(model, loader, optimizer):
        model.train()
        criterion = nn.CrossEntropyLoss()
        running, seen = 0.0, 0
        for x, y in loader:
            optimizer.zero_grad(set_to_none=True)
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            running += loss.item() * x.size(0)
            seen += x.size(0)
        return running / seen

    assert verdict("train_one_epoch", train_one_epoch).verdict == "pass"


def test_a_loop_of_ones_own_optimizer_is_caught():
    def train_one_epoch(model, loader, optimizer):
        model.train()
        own = torch.optim.SGD(model.parameters(), lr=1e-3)
        for x, y in loader:
            own.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            own.step()
        return 0.0

    assert verdict("train_one_epoch", train_one_epoch).score == 0


def test_an_error_that_is_not_the_early_steps_is_not_called_that():
    def without_gradients(model, loader, optimizer):
        for x, y in loader:
            with torch.no_grad():
                loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()

    assert verdict("train_one_epoch", without_gradients).misconception is None


def test_the_courses_fit_is_no_loop_of_ones_own():
    def train_one_epoch(model, loader, optimizer):
        history = training.fit(model, loader, epochs=1, optimizer=optimizer, progress=False)
        return history.train_loss[0]

    assert verdict("train_one_epoch", train_one_epoch).verdict == "forbidden"


def test_dropout_by_pytorch_and_by_chance_are_told_apart():
    def by_torch(x, p, rng, training):
        return torch.nn.functional.dropout(torch.tensor(x), p, training)

    def by_global_chance(x, p, rng, training):
        return x * (np.random.rand(*x.shape) >= p) / (1 - p) if training else x

    assert verdict("dropout", by_torch).verdict == "forbidden"
    assert verdict("dropout", by_global_chance).verdict == "forbidden"


def test_the_courses_augmentation_is_forbidden():
    assert verdict("augment", data.augment_digits).verdict == "forbidden"
    assert verdict("augment", lambda b, rng: data.augment.shift(b, rng, 2)).verdict == "forbidden"


def test_an_augmentation_by_another_chance_is_forbidden():
    def shifted(batch, rng):
        return np.stack([np.roll(image, np.random.randint(-2, 3), axis=2) for image in batch])

    assert verdict("augment", shifted).verdict == "forbidden"


def test_digits_moved_out_of_the_picture_are_not_called_turned():
    def thrown(batch, rng):
        return np.stack([np.roll(image, rng.integers(-12, 13, 2), axis=(1, 2)) for image in batch])

    said = verdict("augment", thrown)
    assert said.verdict == "partial"
    assert said.misconception is None


@pytest.mark.parametrize("seed", range(4))
def test_the_reader_reads_what_is_legible_and_balks_at_mirrors(seed):
    (case,) = (c for c in ch06.AUGMENT.cases(ch06.AUGMENT.rng(seed)) if c.aspect == "legible")
    batch = case.args[0]
    rng = np.random.default_rng(seed)
    assert ch06._legible(data.augment_digits(batch, rng), case) is None
    assert "still read" in ch06._legible(batch[..., ::-1], case)
    assert "still read" in ch06._legible(batch[:, :, ::-1, ::-1], case)


def test_enlarging_is_torchs():
    images = data.digits().images[:20]
    theirs = nn.functional.interpolate(
        torch.from_numpy(images)[:, None], size=(32, 32), mode="bilinear", align_corners=False
    )
    np.testing.assert_allclose(ch06._enlarged(images), theirs.numpy(), atol=1e-6)


def linear_model(images=None, labels=None):
    if images is None:
        images, labels = data.digits("train")
        images = images[:, None]
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    training.fit(model, (images, labels), epochs=8, lr=0.02, progress=False)
    return model


def test_a_linear_model_earns_a_part():
    said = verdict("digit_classifier", linear_model)
    assert [a.name for a in said.aspects if a.passed] == ["90 % right"]
    assert said.verdict == "partial"
    assert "at least 0.97 is asked" in said.message


def test_a_classifier_may_return_scores_or_classes_and_must_not_forget_to():
    def scores(images, labels):
        model = linear_model(images, labels)
        return lambda x: model(torch.from_numpy(x)).detach().numpy()

    def classes(images, labels):
        model = linear_model(images, labels)
        return lambda x: training.predict(model, x)

    for answer in (scores, classes):
        assert verdict("digit_classifier", answer).score == 0.4
    assert verdict("digit_classifier", lambda images, labels: None).score == 0
    history = training.History()
    assert "array" in verdict("digit_classifier", lambda images, labels: history).message


def nearest(rows, classes):
    return lambda x: classes[((x.reshape(-1, 1, 64) - rows) ** 2).sum(axis=2).argmin(axis=1)]


def test_a_classifier_that_looks_digits_up_elsewhere_gets_no_points():
    def in_all_of_them(images=None, labels=None):
        everything = data.digits("all")
        return nearest(everything.images.reshape(-1, 64), everything.labels)

    def at_the_source(images=None, labels=None):
        from sklearn.datasets import load_digits

        rows, classes = load_digits(return_X_y=True)
        return nearest(rows.astype(np.float32) / 16, classes)

    def in_those_of_the_course(images=None, labels=None):
        images, labels = data.digits("train")
        return nearest(images.reshape(-1, 64), labels)

    for answer in (in_all_of_them, at_the_source, in_those_of_the_course):
        said = verdict("digit_classifier", answer)
        assert (said.verdict, said.score) == ("forbidden", 0)


def test_labels_from_elsewhere_are_worth_nothing():
    """What an answer brings along, in its text or as trained weights, knows other numbers."""
    everything = data.digits("all")
    brought = nearest(everything.images.reshape(-1, 64), everything.labels)
    said = verdict("digit_classifier", lambda images, labels: brought)
    assert (said.verdict, said.score) == ("wrong", 0)


def test_the_classes_are_numbered_anew_in_the_training_and_in_what_is_held_back():
    everything = data.digits("all")
    true = nearest(everything.images.reshape(-1, 64), everything.labels)
    for case in ch06.DIGIT_CLASSIFIER.draw(3):
        (images, labels), (held_back,) = case.args, case.inputs
        number = dict(zip(true(images).tolist(), labels.tolist(), strict=True))
        assert sorted(number.values()) == list(range(10))
        assert [number[c] for c in true(held_back).tolist()] == case.targets.tolist()
        assert number != {c: c for c in range(10)}


def test_digits_held_back_are_none_of_the_training():
    for case in ch06.DIGIT_CLASSIFIER.draw(3):
        (images, labels), (held_back,) = case.args, case.inputs
        assert images.shape == (1347, 1, 8, 8)
        assert len(labels) == 1347
        assert held_back.shape == (450, 1, 8, 8)
        seen = {image.tobytes() for image in images}
        assert sum(image.tobytes() in seen for image in held_back) == 0
        assert len(case.targets) == 450


@pytest.mark.parametrize("seed", [0, 1])
def test_our_own_classifier_is_far_above_the_threshold(seed):
    """All ten seeds, with their seconds: ``python benchmarks/digit_classifier.py``."""
    benchmark = runpy.run_path(str(ROOT / "benchmarks/digit_classifier.py"))
    accuracy, _ = benchmark["measured"](benchmark["ours"](), seed)
    assert accuracy >= benchmark["LEAST"]


def test_the_benchmark_says_which_limits_are_missed():
    missed = runpy.run_path(str(ROOT / "benchmarks/digit_classifier.py"))["missed"]
    assert not missed([0.99, 0.985], [1, 2])
    assert missed([0.98, 0.98], [1, 1])
    assert missed([1, 1, 1, 0.97], [1, 1, 1, 1])
    assert missed([0.99], [8])


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────


def numbers(text: str) -> list[float]:

    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", " "))]


@pytest.mark.parametrize("seed", range(25))
def test_the_quiz_is_right(seed):
    asked = ch06.QUIZ.asked(seed)

    side, channels = (int(n) for n in numbers(asked["flat"].text)[4:7:2])
    layers = nn.Sequential(
        nn.Conv2d(1, 2, 5), nn.MaxPool2d(2), nn.Conv2d(2, channels, 5), nn.MaxPool2d(2)
    )
    with torch.no_grad():
        assert asked["flat"].answer == layers(torch.zeros(1, 1, side, side)).numel()

    classes = int(numbers(asked["uniform"].text)[0])
    uniform = nn.functional.cross_entropy(torch.zeros(1, classes), torch.tensor([0])).item()
    assert asked["uniform"].answer == pytest.approx(uniform, abs=6e-4)

    n, p = numbers(asked["gradient"].text)[:2]
    logits = torch.zeros(int(n), 2, dtype=torch.float64)
    logits[0, 0] = np.log(p / (1 - p))
    logits.requires_grad_()
    nn.functional.cross_entropy(logits, torch.zeros(int(n), dtype=torch.long)).backward()
    assert asked["gradient"].answer == pytest.approx(logits.grad[0, 0].item(), rel=1e-3)

    n, c, h, w = (int(v) for v in numbers(asked["values"].text)[:4])
    counted = torch.zeros(n, c, h, w)[:, 0].numel()
    assert asked["values"].answer == counted

    p, value = numbers(asked["survivor"].text)
    layer = nn.Dropout(p)
    kept = layer(torch.full((1000,), value)).max().item()
    assert asked["survivor"].answer == pytest.approx(kept, rel=1e-3)

    for question, start in (("curves", "it overfits"), ("label", "a turn by 8")):
        chosen = asked[question].choices["abcd".index(asked[question].answer)]
        assert chosen.startswith(start)
