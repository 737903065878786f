from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.ndimage  # here, so that no answer spends its second on importing it

from autograder.exercise import (
    Aspect,
    Case,
    Exercise,
    FunctionExercise,
    Misconception,
    PropertyExercise,
    QuestionExercise,
    TrainedExercise,
)
from autograder.judge import call_text, evaluate, judge, parameter_names, result_names
from autograder.plain import Bound
from autograder.probe import Observation
from autograder.proof import prove
from autograder.verdict import VERDICTS, Verdict

# The mutable list lets one answer do different things to different exercises of the table below.


def right(x: Any, width: int, stride: int = 1) -> Any:
    if width > len(x):
        raise ValueError
    return np.lib.stride_tricks.sliding_window_view(x, width).sum(-1)[::stride]


def without_stride(x: Any, width: int, stride: int = 1) -> Any:
    return right(x, width)


def never_refuses(x: Any, width: int, stride: int = 1) -> Any:
    return right(x, width, stride) if width <= len(x) else np.zeros(0)


def always_refuses(x: Any, width: int, stride: int = 1) -> Any:
    raise ValueError


def unfinished_stride(x: Any, width: int, stride: int = 1) -> Any:
    if stride != 1:
        raise NotImplementedError
    return right(x, width)


def forbidden(x: Any, width: int, stride: int = 1) -> Any:
    scipy.ndimage.uniform_filter1d(x, width)
    return right(x, width, stride)


def loops(x: Any, width: int, stride: int = 1) -> Any:
    while True:
        pass


def out_of_memory(x: Any, width: int, stride: int = 1) -> Any:
    raise MemoryError


def changes(x: Any, width: int, stride: int = 1) -> Any:
    result = right(x, width, stride)
    x[...] = 0
    return result


def not_written(x: Any, width: int, stride: int = 1) -> Any:
    raise NotImplementedError("your code here")


@pytest.mark.parametrize(
    ("answer", "verdict", "score", "words"),
    [
        (right, "pass", 1, "every aspect is right"),
        (lambda *a, **k: right(*a, **k).astype(np.float32), "pass", 1, ""),
        (without_stride, "partial", 0.75, "stride: moving_sum("),
        (never_refuses, "partial", 0.75, "ValueError is expected, you returned"),
        (always_refuses, "error", 0, "raised ValueError"),
        (unfinished_stride, "partial", 0.75, "not written yet"),
        (not_written, "not_attempted", 0, "not attempted yet"),
        (forbidden, "forbidden", 0, "the values are right, but your code calls scipy.ndimage"),
        (out_of_memory, "memory", 0, "memory"),
        (loops, "time", 0, "does a loop never end"),
        (changes, "partial", 0.0, "changes its input x: work on a copy, x.copy()"),
        (lambda x, width, stride=1: None, "wrong", 0, "returned None"),
        (lambda x, width, stride=1: list(x), "wrong", 0, "use np.array"),
        (lambda x, width, stride=1: x, "wrong", 0, "shape"),
        (lambda x, width, stride=1: object(), "wrong", 0, "an object of type object"),
        (lambda x: x, "error", 0, "TypeError"),
        (lambda x, width, stride=1: exit(), "error", 0, "calls exit()"),
        ("text", "error", 0, "TypeError"),
    ],
)
def test_verdicts_on_a_function(
    samples: SimpleNamespace, answer: Any, verdict: str, score: float, words: str
) -> None:
    exercise = replace(samples.function, time_limit=1.0)
    result = evaluate(exercise, answer, 1)
    if answer is changes:  # refusing leaves the input alone, but waits for "plain"
        verdict = "wrong"
    assert (result.verdict, result.score) == (verdict, score)
    assert words in result.message
    assert result.verdict in VERDICTS


def test_a_forbidden_operator_of_torch_is_told_in_words(samples: SimpleNamespace) -> None:
    import torch

    def summed(x: Any, width: int, stride: int = 1) -> Any:
        signal, ones = torch.as_tensor(x), torch.ones(1, 1, width)
        conv = torch.nn.functional.conv1d(signal.float()[None, None], ones, stride=stride)
        return conv[0, 0].numpy()

    forbidden = ("torch:aten.convolution",)
    exercise = replace(samples.function, forbidden=forbidden)
    assert "calls torch's own convolution, which" in evaluate(exercise, summed, 1).message
    exercise = replace(exercise, forbidden=("torch.nn.functional.conv1d", *forbidden))
    assert "calls torch.nn.functional.conv1d, which" in evaluate(exercise, summed, 1).message


def test_an_aspect_waits_for_what_it_needs(samples: SimpleNamespace) -> None:
    result = evaluate(samples.function, always_refuses, 1)
    refuses = result.aspects[2]
    assert (refuses.passed, refuses.failed, refuses.waits_for) == (False, 0, "plain")


def test_the_smallest_failing_case_of_the_first_failing_aspect_is_shown(
    samples: SimpleNamespace,
) -> None:
    failure = evaluate(samples.function, without_stride, 3).failure
    assert failure is not None
    assert failure.aspect == "stride"
    assert failure.call.count(",") <= 4  # three numbers and two arguments
    assert "stride=2" in failure.call


def test_what_was_printed_and_the_learners_lines_are_kept(samples: SimpleNamespace) -> None:
    def noisy(x: Any, width: int, stride: int = 1) -> Any:
        print("width", width)
        return 1 / 0

    failure = evaluate(samples.function, noisy, 1).failure
    assert failure is not None
    assert failure.printed == "width 2\n"
    assert [source for _, source in failure.lines] == ["return 1 / 0"]


def test_every_kind_has_its_proof(sample: Exercise) -> None:
    proof = prove(sample, range(5))
    assert proof.holds, proof
    assert proof.named == proof.judged > 0


def test_a_proof_tells_what_slips_through(samples: SimpleNamespace) -> None:
    blind = replace(
        samples.function, cases=None, aspects=(Aspect("plain", 1),), alternatives={"wrong": changes}
    )
    proof = prove(blind, [0])
    assert not proof.holds
    assert any("no_stride is not caught" in defect for defect in proof.defects)
    assert any("wrong is honest, but" in defect for defect in proof.defects)


def test_a_mistake_that_answers_otherwise_each_time_is_told(samples: SimpleNamespace) -> None:
    rng = np.random.default_rng(0)

    def guessed(x: np.ndarray, width: int, stride: int = 1) -> np.ndarray:
        return samples.function.reference(x, width, stride) + rng.random()

    fickle = Misconception("fickle", "Do not guess.", guessed)
    more = replace(samples.function, misconceptions=(*samples.function.misconceptions, fickle))
    assert prove(more, range(2)).defects == ["seed 0: fickle does not explain itself"]


def test_two_mistakes_that_coincide_name_nobody(samples: SimpleNamespace) -> None:
    twice = replace(
        samples.function,
        misconceptions=(
            *samples.function.misconceptions,
            replace(samples.function.misconceptions[1], id="twin"),
        ),
    )
    assert evaluate(twice, without_stride, 1).misconception is None
    assert evaluate(samples.function, without_stride, 1).misconception == "no_stride"
    assert evaluate(samples.function, without_stride, 1).advice == "The window jumps."


def test_the_same_seed_gives_the_same_verdict(sample: Exercise) -> None:
    if isinstance(sample, QuestionExercise):
        answer: Any = sample.answers(3)
    else:
        answer = sample.misconceptions[0].implementation
    first, again = (evaluate(sample, answer, 7).to_json() for _ in range(2))
    assert first == again


def test_judging_is_of_plain_data_alone(samples: SimpleNamespace) -> None:
    cases = samples.function.draw(0)
    nothing = [Observation("ok")] * len(cases)
    assert judge(samples.function, cases, nothing).verdict == "wrong"
    with pytest.raises(ValueError, match="as many as cases"):
        judge(samples.function, cases, nothing[1:])


def test_an_error_must_mention_what_is_asked(samples: SimpleNamespace) -> None:
    def named(x: Any, width: int, stride: int = 1) -> Any:
        if width > len(x):
            raise ValueError(f"width {width} is too much for {len(x)}")
        return right(x, width, stride)

    strict = replace(
        samples.function, worked=(Case("refuses", (np.ones(3), 5), mentions=("width", "5")),)
    )
    assert evaluate(strict, named, 1).verdict == "pass"
    result = evaluate(strict, right, 1)
    assert result.score == 0.75
    assert "the message of your ValueError must name width and 5" in result.message


# ── modules ─────────────────────────────────────────────────────────────────────────────────────


def test_names_and_order_of_parameters_are_free(samples: SimpleNamespace) -> None:
    import torch

    class Mine(torch.nn.Module):
        def __init__(self, hidden: int) -> None:
            super().__init__()
            self.last = torch.nn.Linear(hidden, 2)
            self.first = torch.nn.Linear(3, hidden)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(torch.relu(self.first(x)))

    assert evaluate(samples.module, Mine, 1).verdict == "pass"
    assert evaluate(samples.module, lambda hidden: Mine(hidden + 1), 1).score == 0
    assert evaluate(samples.module, lambda hidden: 3, 1).verdict == "wrong"

    class Broken(Mine):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(x)

    result = evaluate(samples.module, Broken, 1)
    assert result.score == 0.5
    assert "RuntimeError" in result.message
    assert "on an input of shape (4, 3)" in result.message
    assert "(in the layer `last`, a Linear that got the shape (4, 3))" in result.message

    class Sum(Mine):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + self.last(self.first(x))

    result = evaluate(samples.module, Sum, 1)
    assert "(after the layer `last`, a Linear that returned the shape (4, 2))" in result.message


def test_a_part_of_the_channels_can_be_asked_for(samples: SimpleNamespace) -> None:
    import torch

    x = np.ones((1, 3), dtype=np.float32)
    case = Case("output", (2,), inputs=(x,), measure="channels 0:1")
    exercise = replace(samples.module, worked=(case,), cases=None, aspects=(Aspect("output", 1),))

    def right_first(hidden: int) -> torch.nn.Module:
        return torch.nn.Sequential(exercise.reference(hidden), Halved())

    class Halved(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * torch.tensor([1.0, 0.5])

    assert evaluate(exercise, right_first, 1).verdict == "pass"
    both = replace(exercise, worked=(replace(case, measure="channels 0:2"),))
    assert evaluate(both, right_first, 1).verdict == "wrong"


def test_a_shape_and_a_count_are_spoken_of_as_what_they_are(samples: SimpleNamespace) -> None:
    import torch

    x = np.zeros((4, 3), np.float32)
    exercise = replace(
        samples.module,
        aspects=(Aspect("shape", 1), Aspect("parameters", 1)),
        cases=None,
        worked=(
            Case("shape", (2,), inputs=(x,), measure="shape"),
            Case("parameters", (2,), measure="parameters"),
        ),
    )
    flat = evaluate(exercise, lambda hidden: torch.nn.Flatten(0), 0)
    assert "an output of shape (4, 2) is expected, yours has (12,)" in flat.message
    small = evaluate(exercise, lambda hidden: torch.nn.Linear(3, 2), 0)
    assert "14 parameters are expected, yours has 8. Layers in a plain list" in small.message
    several = evaluate(exercise, lambda hidden: [torch.nn.Linear(3, 2)], 0)
    assert "an nn.Module is expected, you returned an object of type list" in several.message
    assert "you returned the int 3" in evaluate(exercise, lambda hidden: 3, 0).message


# ── trained models ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outputs", "score", "words"),
    [
        (lambda q: np.zeros(len(q)), 0, "accuracy is 0."),
        (lambda q: np.zeros(3), 0, "predictions for 100 inputs"),
        (lambda q: "many", 0, "predictions are expected as an array"),
        (lambda q: np.full(len(q), np.nan), 0, "NaN"),
        (lambda q: 1 / 0, 0, "ZeroDivisionError"),
        (lambda q: None, 0, "returned None"),
        (lambda q: q[:, 0] > 3.5, 1 / 3, "at least 0.95 is asked"),
        (lambda q: q.sum(1) > 4, 1, "every aspect"),
    ],
)
def test_trained_models(
    samples: SimpleNamespace, outputs: Callable[..., Any], score: float, words: str
) -> None:
    result = evaluate(samples.trained, lambda x, y: outputs, 2)
    assert result.score == pytest.approx(score)
    assert words in result.message


def test_the_truth_never_reaches_the_learner(samples: SimpleNamespace) -> None:
    seen: list[Any] = []

    def spy(x: Any, y: Any) -> Callable[..., Any]:
        def predict(q: Any) -> Any:
            seen.append((x, y, q))
            return np.zeros(len(q))

        return predict

    evaluate(samples.trained, spy, 1)
    cases = samples.trained.draw(1)
    assert len(seen) == len(cases)
    for (x, y, q), case in zip(seen, cases, strict=True):
        assert len(x) == len(y) == 40
        assert np.array_equal(q, case.inputs[0])


def test_thresholds_name_every_aspect(samples: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match="thresholds must name every aspect"):
        replace(samples.trained, thresholds={"good": 1})
    assert isinstance(samples.trained, TrainedExercise)


# ── properties ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("answer", "score", "misconception"),
    [
        (lambda n: np.arange(n) / np.arange(n).sum(), 0.5, None),
        (lambda n: np.ones(n), 0.5, "counts"),
        (lambda n: np.full(n, 2 / n) - 1 / n, 1, None),
        (lambda n: None, 0, None),
        (lambda n: [1], 0, None),
        (lambda n: 1 / 0, 0, None),
    ],
)
def test_properties(
    samples: SimpleNamespace, answer: Any, score: float, misconception: str | None
) -> None:
    result = evaluate(samples.property, answer, 1)
    assert (result.score, result.misconception) == (score, misconception)
    assert isinstance(samples.property, PropertyExercise)


# ── questions ───────────────────────────────────────────────────────────────────────────────────


def test_questions(samples: SimpleNamespace) -> None:
    quiz = samples.question
    good = quiz.answers(5)
    asked = quiz.asked(5)
    wrong_letter = asked["four"].wrong["odd"][0]

    def said(**changes: Any) -> Verdict:
        return evaluate(quiz, {**good, **changes}, 99)

    assert said().verdict == "pass"
    assert said(product=float(good["product"])).verdict == "pass"
    assert said(four=good["four"].upper() + " ").verdict == "pass"
    last = "abcdefgh"[len(asked["four"].choices) - 1]
    for no_letter in ("z", "", asked["four"].choices[0]):
        said_of_it = said(four=no_letter).aspects[1].note
        assert said_of_it.startswith(f"a letter from a to {last} is expected, you gave the text")
    assert said(four=f"({good['four']})").verdict == "pass"
    assert (said(four=wrong_letter).score, said(four=wrong_letter).misconception) == (
        pytest.approx(2 / 3),
        "four:odd",
    )
    assert said(product=None).message == "product: not answered yet"
    # Each answer is explained, not only the first that is wrong.
    both = said(product=good["product"] + 1, four=wrong_letter)
    assert [aspect.note for aspect in both.aspects] == [
        f"{good['product'] + 1} is not right",
        f"'{wrong_letter}' is not right. Halve it.",
    ]
    assert both.misconception == "four:odd"
    assert said(product="12").message.startswith("product: a number is expected")
    assert said(product=None, four=None).verdict == "not_attempted"
    assert "must be an int from 0" in said(seed="x").message
    assert evaluate(quiz, [1], 0).verdict == "wrong"
    # No message gives the answer away.
    assert str(good["product"]) not in said(product=-1).message


def test_seeds_draw_other_numbers(samples: SimpleNamespace) -> None:
    answers = {str(samples.question.answers(seed)) for seed in range(30)}
    assert len(answers) > 20


# ── words ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("case", "text"),
    [
        (Case("plain", (5,)), "f(5)"),
        (Case("plain", (5, 3), {"c": (1, 2)}), "f(a=5, b=3, c=(1, 2))"),
        (Case("plain", (np.int64(5),)), "f(np.int64(5))"),
        (Case("plain", (np.eye(2),)), "f([[1., 0.], [0., 1.]])"),
        (Case("plain", (np.zeros((9, 9)),)), "f(<array 9×9>)"),
        (Case("plain", (Bound("math:pow", kwargs={"y": 2}),)), "f(<pow(y=2)>)"),
        (Case("plain", (Bound("numpy:add", (np.ones(2),)),)), "f(<add([1., 1.])>)"),
    ],
)
def test_calls_read_as_a_learner_would_type_them(case: Case, text: str) -> None:
    exercise = FunctionExercise(
        name="f",
        chapter="99",
        signature="f(a, b, c=1) -> int",
        aspects=(Aspect("plain", 1),),
        reference=len,
    )
    assert call_text(exercise, case) == text
    assert parameter_names(exercise) == ["a", "b", "c"]
    assert result_names(exercise) == []
    assert result_names(replace(exercise, signature="f(a) -> (x, y)")) == ["x", "y"]
    assert result_names(replace(exercise, signature="f(a) -> (H·W, 2)")) == []


def test_cases_must_decide_every_aspect(samples: SimpleNamespace) -> None:
    with pytest.raises(ValueError, match=r"decide \['plain'\]"):
        replace(samples.function, cases=None).draw(0)
    with pytest.raises(ValueError, match="needs unknown"):
        replace(samples.function, aspects=(Aspect("plain", 1, needs=("more",)),))


def test_two_mistakes_at_once_name_the_first(samples: SimpleNamespace) -> None:
    def mean_without_stride(x: Any, width: int, stride: int = 1) -> Any:
        return right(x, width) / width

    assert evaluate(samples.function, mean_without_stride, 1).misconception == "mean"
    assert evaluate(samples.function, lambda x, w, stride=1: right(x, w) + 1, 1).advice == ""
