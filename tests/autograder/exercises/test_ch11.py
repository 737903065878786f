"""The exercises of chapter 11: their proof, and answers that learners really write."""

import re
import runpy
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from autograder import trials_transfer
from autograder.exercises import ch11
from autograder.judge import evaluate
from autograder.proof import prove
from course_lib import data, training, transfer

ROOT = Path(__file__).resolve().parents[3]
BY_NAME = {exercise.name: exercise for exercise in ch11.EXERCISES}
NAMES = list(BY_NAME)
# Functions on 20 seeds; a network costs more than a sum, and 800 mixups more than one.
SEEDS = {"replace_head": 5, "freeze": 5, "layerwise_lr_groups": 5, "mixup": 2, "fine_tune": 1}


@pytest.mark.parametrize("name", NAMES)
def test_the_proof_holds(name):
    proof = prove(BY_NAME[name], seeds=range(SEEDS.get(name, 20)))
    assert proof.defects == []
    assert proof.caught == proof.judged > 0
    assert proof.holds


def test_the_chapter_has_the_exercises_of_the_curriculum():
    assert set(NAMES) == {
        "replace_head",
        "freeze",
        "layerwise_lr_groups",
        "preprocess",
        "label_smoothing_cross_entropy",
        "mixup",
        "fine_tune",
        "quiz_11",
    }
    assert all(exercise.chapter == "11" for exercise in ch11.EXERCISES)


def test_importing_the_exercises_loads_numpy_alone():
    code = "import autograder.exercises.ch11, sys; print({'torch', 'sklearn'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def verdict(name: str, answer: object, seed: int = 5):
    return evaluate(BY_NAME[name], answer, seed)


# ── the references, against something independent ───────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(3))
def test_smoothed_cross_entropy_is_pytorchs(seed):
    for case in ch11.LABEL_SMOOTHING.draw(seed):
        logits, targets, smoothing = case.args
        theirs = nn.functional.cross_entropy(
            torch.tensor(logits), torch.tensor(targets), label_smoothing=smoothing
        )
        ours = ch11.LABEL_SMOOTHING.reference(logits, targets, smoothing)
        assert ours == pytest.approx(theirs.item(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("alpha", [0.4, 1.5, 4.0])
def test_the_variance_of_a_weight_is_that_of_many_draws(alpha):
    drawn = np.random.default_rng(0).beta(alpha, alpha, 200_000)
    assert ch11._spread_of(alpha) == pytest.approx(drawn.var(), rel=0.02)


def test_the_networks_end_in_what_they_say():
    x = torch.zeros(2, 1, 4, 4)
    for name in ("PLAIN", "NESTED", "GATED", "BEHIND", "FROZEN"):
        model = trials_transfer.network(getattr(trials_transfer, name))
        assert model(x).shape == (2, 5)
        again = trials_transfer.network(getattr(trials_transfer, name))
        for a, b in zip(model.parameters(), again.parameters(), strict=True):
            assert torch.equal(a, b)


# ── answers as learners write them ──────────────────────────────────────────────────────────────


def test_preprocess_written_with_pytorch():
    def preprocess(image, size, mean, std):
        x = torch.as_tensor(image.astype(np.float64))
        if image.dtype == np.uint8:
            x = x / 255.0
        elif image.dtype == np.uint16:
            x = x / 65535.0
        x = x.unsqueeze(-1) if x.dim() == 2 else x[..., :3]
        x = x.permute(2, 0, 1).expand(len(mean), -1, -1)
        h, w = x.shape[-2:]
        new = (size, round(w * size / h)) if h < w else (round(h * size / w), size)
        x = torch.from_numpy(transfer.resize(x.numpy(), new))
        i, j = (new[0] - size) // 2, (new[1] - size) // 2
        x = x[:, i : i + size, j : j + size]
        return (x - torch.tensor(mean).view(-1, 1, 1)) / torch.tensor(std).view(-1, 1, 1)

    assert verdict("preprocess", preprocess).verdict == "pass"


def test_the_courses_own_functions_are_no_answers():
    assert verdict("preprocess", transfer.preprocess).verdict == "forbidden"
    assert verdict("replace_head", transfer.replace_head).verdict == "forbidden"
    assert verdict("freeze", transfer.freeze).verdict == "forbidden"
    assert verdict("layerwise_lr_groups", transfer.layerwise_lr_groups).verdict == "forbidden"

    def by_torch(logits, targets, smoothing):
        return nn.functional.cross_entropy(
            torch.tensor(logits), torch.tensor(targets), label_smoothing=smoothing
        )

    assert verdict("label_smoothing_cross_entropy", by_torch).verdict == "forbidden"


def test_a_new_model_around_the_old_layers_is_a_head_replaced():
    def replace_head(model, n_classes):
        found = [(n, m) for n, m in model.named_modules() if isinstance(m, nn.Linear)][-1]
        parts = found[0].split(".")
        parent = model
        for part in parts[:-1]:
            parent = getattr(parent, part)
        new = nn.Linear(found[1].in_features, n_classes)
        if parts[-1].isdecimal():
            parent[int(parts[-1])] = new
        else:
            parent._modules[parts[-1]] = new
        return model

    assert verdict("replace_head", replace_head).verdict == "pass"


def test_a_head_that_is_no_module_of_the_model_is_caught():
    def replace_head(model, n_classes):
        return nn.Sequential(OrderedDict(list(model.named_children())[:-1]))

    assert verdict("replace_head", replace_head).score < 1
    assert verdict("replace_head", lambda model, n_classes: model.train()).score < 1
    assert verdict("replace_head", lambda model, n_classes: 3).score == 0


def test_freezing_in_a_loop_is_freezing():
    def freeze(model, except_head=True):
        for p in model.parameters():
            p.requires_grad = False
        if except_head:
            for m in model.modules():
                if isinstance(m, torch.nn.Linear):
                    last = m
            for p in last.parameters():
                p.requires_grad = True
        return model

    assert verdict("freeze", freeze).verdict == "pass"
    assert verdict("freeze", lambda model, except_head=True: None).score == 0


def test_groups_with_further_keys_and_generators_are_groups():
    def layerwise_lr_groups(model, base_lr, decay):
        groups = []
        for child in list(model.children())[::-1]:
            if sum(p.numel() for p in child.parameters()) == 0:
                continue
            lr = base_lr * decay ** len(groups)
            groups.append({"params": child.parameters(), "lr": lr, "weight_decay": 0.0})
        return groups  # the last child first: the order is free

    assert verdict("layerwise_lr_groups", layerwise_lr_groups).verdict == "pass"
    assert verdict("layerwise_lr_groups", lambda model, base_lr, decay: []).score == 0
    generator = verdict("layerwise_lr_groups", lambda m, lr, d: ({"lr": lr} for _ in range(2)))
    assert generator.score == 0


def test_mixup_with_torch_and_other_readings():
    def by_torch(x, y_onehot, alpha, rng):
        weight = float(rng.beta(alpha, alpha))
        order = torch.from_numpy(rng.permutation(len(x)))
        x, y = torch.from_numpy(x), torch.from_numpy(y_onehot)
        return torch.lerp(x[order], x, weight), torch.lerp(y[order], y, weight)

    def with_the_weight(x, y_onehot, alpha, rng):
        return (*ch11._mixup(x, y_onehot, alpha, rng), 0.5)

    def in_place(x, y_onehot, alpha, rng):
        weight = rng.beta(alpha, alpha)
        for i, j in enumerate(rng.permutation(len(x))):
            x[i] = weight * x[i] + (1 - weight) * x[j]
        return x, y_onehot

    assert verdict("mixup", by_torch).verdict == "pass"
    assert verdict("mixup", with_the_weight).score == 0
    assert verdict("mixup", in_place).score == 0
    assert verdict("mixup", lambda x, y, alpha, rng: (x, y)).score == 0


def test_a_network_from_scratch_does_not_reach_full_marks():
    def fine_tune(backbone, x, y, n_classes):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(256, n_classes),
        )
        training.fit(model, (x, y), epochs=30, batch_size=10, lr=5e-3, progress=False)
        return model

    said = verdict("fine_tune", fine_tune)
    assert said.score < 1
    assert verdict("fine_tune", lambda *args: None).score == 0


def test_digits_held_back_are_none_of_the_training():
    cases = list(ch11.FINE_TUNE.draw(3))
    assert len(cases) == ch11.DRAWS
    for case in cases:
        (_, x, y, n_classes), (held_back,) = case.args, case.inputs
        assert (x.shape, x.dtype) == ((50, 1, 8, 8), np.float32)
        assert np.bincount(y).tolist() == [5] * 10
        assert (held_back.shape, len(case.targets), n_classes) == ((450, 1, 8, 8), 450, 10)
        seen = {image.tobytes() for image in x}
        assert not any(image.tobytes() in seen for image in held_back)
    assert not np.array_equal(cases[0].args[1], cases[1].args[1])


def test_the_judge_scales_as_the_backbone_expects():
    images = data.digits("test").images[:20]
    theirs = transfer.load_backbone().preprocessing(images).numpy()
    np.testing.assert_allclose(ch11._scaled(images), theirs, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 7])
def test_our_own_fine_tuning_is_far_above_the_threshold(seed):
    """All ten seeds, with their seconds: ``python benchmarks/fine_tune.py``."""
    benchmark = runpy.run_path(str(ROOT / "benchmarks/fine_tune.py"))
    accuracy, _ = benchmark["measured"](benchmark["ours"](), seed)
    assert accuracy >= 0.90


def test_the_benchmark_says_which_limits_are_missed():
    missed = runpy.run_path(str(ROOT / "benchmarks/fine_tune.py"))["missed"]
    assert missed([0.9, 0.85], [1, 7.9]) == []
    assert len(missed([0.8, 0.85], [1, 8.0])) == 2


# ── the quiz: answers found in another way ──────────────────────────────────────────────────────


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text.replace(",", ""))]


@pytest.mark.parametrize("seed", range(25))
def test_the_quiz_is_right(seed):
    asked = ch11.QUIZ.asked(seed)

    inputs, _, classes = (int(n) for n in numbers(asked["head"].text)[:3])
    head = nn.Linear(inputs, classes)
    assert asked["head"].answer == sum(p.numel() for p in head.parameters())

    n, base, decay, place = numbers(asked["rate"].text)[:4]
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(int(n))))
    groups = transfer.layerwise_lr_groups(model, base, decay)
    assert asked["rate"].answer == pytest.approx(groups[int(place) - 1]["lr"], rel=1e-3)

    smoothing, classes = numbers(asked["smoothed"].text)[:2]
    logits = torch.zeros(1, int(classes), dtype=torch.float64, requires_grad=True)
    nn.functional.cross_entropy(logits, torch.tensor([0]), label_smoothing=smoothing).backward()
    share = 1 / classes - logits.grad[0, 0].item()  # the gradient is softmax minus goal
    assert asked["smoothed"].answer == pytest.approx(share, rel=1e-6)

    _, weight, _, dark, _, light = numbers(asked["mixed"].text)[:6]
    assert asked["mixed"].answer == pytest.approx(np.interp(weight, [0, 1], [light, dark]))

    *_, mean, std, byte = numbers(asked["normalised"].text)[:5]
    image = np.array([[byte]], dtype=np.uint8)
    pixel = transfer.preprocess(image, 1, [mean], [std]).item()
    assert asked["normalised"].answer == pytest.approx(pixel, rel=1e-4)

    for question, start in (
        ("moved", "the running means"),
        ("first", "its random weights"),
        ("silent", "its images are scaled"),
    ):
        chosen = asked[question].choices["abcd".index(asked[question].answer)]
        assert chosen.startswith(start)


def test_a_reader_learns_from_the_digits_it_is_given_alone():
    def of_all_digits(backbone, x, y, n_classes):
        from sklearn.datasets import load_digits

        rows, classes = load_digits(return_X_y=True)
        return _nearest(rows / 16, classes)

    def of_the_course(backbone, x, y, n_classes):
        images, classes = data.digits("train")
        return _nearest(images.reshape(len(images), 64), classes)

    assert verdict("fine_tune", of_all_digits).verdict == "forbidden"
    assert verdict("fine_tune", of_the_course).verdict == "forbidden"


def test_labels_from_elsewhere_are_worth_nothing():
    images, classes = data.digits("all")
    brought = _nearest(images.reshape(len(images), 64), classes)
    said = verdict("fine_tune", lambda backbone, x, y, n_classes: brought)
    assert (said.verdict, said.score) == ("wrong", 0)


def _nearest(rows, classes):
    known = (rows - 0.31) / 0.36

    def read(images):
        asked = images.reshape(len(images), 64)
        return classes[((known**2).sum(1) - 2 * asked @ known.T).argmin(axis=1)]

    return read


@pytest.mark.parametrize("seed", range(3))
def test_a_longer_side_without_its_fraction_is_told(seed):
    def preprocess(image, size, mean, std):
        x = image / {"uint8": 255, "uint16": 65535}.get(image.dtype.name, 1)
        x = np.stack([x] * len(mean)) if x.ndim == 2 else np.moveaxis(x[..., :3], -1, 0)
        scale = size / min(x.shape[1:])
        x = transfer.resize(x, (int(x.shape[1] * scale), int(x.shape[2] * scale)))
        top, left = (x.shape[1] - size) // 2, (x.shape[2] - size) // 2
        x = x[:, top : top + size, left : left + size]
        return (x - np.reshape(mean, (-1, 1, 1))) / np.reshape(std, (-1, 1, 1))

    assert verdict("preprocess", preprocess, seed).misconception == "rounded_down"


def test_two_weights_are_not_two_permutations():
    def mixup(x, y, alpha, rng):
        order, one, other = rng.permutation(len(x)), rng.beta(alpha, alpha), rng.beta(alpha, alpha)
        return one * x + (1 - one) * x[order], other * y + (1 - other) * y[order]

    assert verdict("mixup", mixup).misconception == "labels_of_another_weight"


def test_groups_may_be_a_tuple_and_parameters_may_have_names():
    def groups(model, base_lr, decay):
        parts = [list(c.named_parameters()) for c in model.children() if list(c.parameters())]
        rates = [base_lr * decay**k for k in reversed(range(len(parts)))]
        return tuple({"params": p, "lr": r} for p, r in zip(parts, rates, strict=True))

    assert verdict("layerwise_lr_groups", groups).verdict == "pass"


def test_a_head_without_bias_is_told_however_little_it_lacks():
    for seed in range(5):
        assert "no_bias" in ch11._ask_head(np.random.default_rng(seed)).wrong
