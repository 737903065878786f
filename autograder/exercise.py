"""What an exercise is: its aspects, cases, reference, misconceptions and hints.

Everything the course knows about an exercise stands in one of these records. They hold no
behaviour of a notebook or of nbgrader; `probe` runs a learner's object on the cases and `judge`
compares what came back.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

Cases = Callable[[np.random.Generator], Iterator["Case"]]


@dataclass(frozen=True)
class Aspect:
    """One thing that an answer can get right by itself, worth `weight` points.

    `needs` names aspects without which this one earns nothing: "refuses impossible sizes" means
    little for a function that refuses everything.
    """

    name: str
    weight: float
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One call of the learner's object, and the aspect that it decides.

    `args` and `kwargs` are plain data (see `plain`); `Bound` and `Made` stand for functions and
    objects. `note` says in a few words what is special about the case. `max_steps` bounds the
    Python instructions of the call, where looping over pixels is what an aspect forbids. `mentions`
    are words that the message of an expected error must hold.

    For a function, `measure` may name what to run it in (``module:function`` of `trials`), which
    gets the learner's function before `args`.

    For a module, `args` and `kwargs` construct it, `inputs` are the arrays of its forward pass,
    `train` chooses the mode and `measure` what is compared: its "output", "channels 2:5" of it, its
    "shape", the "gradient" that reaches the input, "parameters", the "constants" that whole
    parameters start out with, or, by the name of a measure that `probe` knows, something else. For
    a trained model, `inputs` are the arrays to predict and `targets` the truth that only the judge
    holds.
    """

    aspect: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    max_steps: int | None = None
    inputs: tuple[Any, ...] = ()
    train: bool = False
    measure: str = "output"
    targets: Any = None
    mentions: tuple[str, ...] = ()


@dataclass(frozen=True)
class Misconception:
    """A wrong answer that real learners give, and one sentence that helps.

    `implementation` is that answer, ready to be judged: it proves that the cases catch it, and a
    learner whose answers equal its answers is told `message`. Where equality is not the sign to
    look for (a property, a trained model), `recognise` takes the list of the learner's values,
    in the order of the cases, and says whether this is the mistake.
    """

    id: str
    message: str
    implementation: Any
    recognise: Callable[[Sequence[Any]], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """What all kinds of exercise have in common.

    `signature` is what the chapter states; `worked` are the examples of the text; `cases(rng)`
    draws the others, small ones first. `alternatives` are honest answers other than the reference.
    `forbidden` names what would make it no exercise: ``"scipy.signal.convolve2d"``, or
    ``"torch:aten.convolution"`` for an operator at torch's dispatch level. `time_limit` is in
    seconds, for all cases together. `variable` is the name a learner gives the answer.
    """

    kind: ClassVar[str] = ""

    name: str
    chapter: str
    signature: str
    aspects: tuple[Aspect, ...]
    worked: tuple[Case, ...] = ()
    cases: Cases | None = None
    misconceptions: tuple[Misconception, ...] = ()
    alternatives: Mapping[str, Any] = field(default_factory=dict)
    forbidden: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    rtol: float = 1e-6
    time_limit: float = 10.0
    proof_seeds: int = 20

    def __post_init__(self) -> None:
        names = [aspect.name for aspect in self.aspects]
        if len(set(names)) != len(names) or not names:
            raise ValueError(f"{self.name}: aspects {names} must be different and at least one")
        for aspect in self.aspects:
            for need in aspect.needs:
                if need not in names:
                    raise ValueError(f"{self.name}: aspect {aspect.name!r} needs unknown {need!r}")

    @property
    def points(self) -> float:
        """The points of the whole exercise."""
        return sum(aspect.weight for aspect in self.aspects)

    @property
    def variable(self) -> str:
        """The name under which a learner's answer is found in a file or notebook."""
        return self.name

    def rng(self, seed: int) -> np.random.Generator:
        """The generator of the random cases for a seed: another one for each exercise."""
        return np.random.default_rng([seed, zlib.crc32(self.name.encode())])

    def draw(self, seed: int) -> list[Case]:
        """The worked examples, then the random cases of a seed."""
        cases = list(self.worked)
        if self.cases is not None:
            cases.extend(self.cases(self.rng(seed)))
        known = {aspect.name for aspect in self.aspects}
        covered = {case.aspect for case in cases}
        if covered != known:
            raise ValueError(
                f"{self.name}: the cases of seed {seed} decide {sorted(covered)}, "
                f"the aspects are {sorted(known)}"
            )
        return cases

    def misconception_ids(self) -> tuple[str, ...]:
        """The identifiers of the mistakes that this exercise can name."""
        return tuple(misconception.id for misconception in self.misconceptions)


@dataclass(frozen=True, kw_only=True)
class FunctionExercise(Exercise):
    """Arrays or numbers in, arrays or numbers out: compared with `reference` case by case.

    The kind of answer asked for is the kind that the reference gives: an int, a float, a truth
    value, text, an array, a tuple, a dict. Where the reference raises, the learner's function must
    raise the same error.
    """

    kind: ClassVar[str] = "function"
    reference: Callable[..., Any]


@dataclass(frozen=True, kw_only=True)
class ModuleExercise(Exercise):
    """An ``nn.Module`` class or a factory: compared with `reference`, parameter names left free.

    Before the forward pass every parameter of both is filled by a rule that depends on nothing
    but its shape, so that names, order and initialisation do not matter.
    """

    kind: ClassVar[str] = "module"
    reference: Callable[..., Any]
    rtol: float = 1e-4
    proof_seeds: int = 5


@dataclass(frozen=True, kw_only=True)
class TrainedExercise(Exercise):
    """A function that returns a trained model or predictor, judged on data held back.

    `score` compares predictions with a case's `targets`; the mean over all cases must reach the
    threshold of an aspect for its points. Every case counts for every aspect.
    """

    kind: ClassVar[str] = "trained"
    score: Callable[[Any, Any], float]
    thresholds: Mapping[str, float]
    score_name: str = "accuracy"
    time_limit: float = 60.0
    proof_seeds: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if set(self.thresholds) != {aspect.name for aspect in self.aspects}:
            raise ValueError(f"{self.name}: thresholds must name every aspect, and only those")

    def draw(self, seed: int) -> list[Case]:
        """The cases of a seed; their `aspect` is of no account."""
        return [*self.worked, *(self.cases(self.rng(seed)) if self.cases else ())]


@dataclass(frozen=True, kw_only=True)
class PropertyExercise(Exercise):
    """Any answer that meets the stated conditions.

    ``conditions[aspect](answer, case)`` returns None where the condition holds, else what is wrong
    in words. It gets whatever the learner returned, as plain data, and may rely on nothing.
    `example` is one right answer (a callable like the learner's).
    """

    kind: ClassVar[str] = "property"
    conditions: Mapping[str, Callable[[Any, Case], str | None]]
    example: Callable[..., Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        if set(self.conditions) != {aspect.name for aspect in self.aspects}:
            raise ValueError(f"{self.name}: conditions must name every aspect, and only those")


@dataclass(frozen=True)
class Asked:
    """A question with its numbers drawn.

    `answer` is a number, or the letter of one of `choices`; `wrong` maps the identifier of a
    mistake to the answer it leads to and a sentence that helps; `worked` is the solution in steps.
    """

    text: str
    answer: int | float | str
    worked: str
    choices: tuple[str, ...] = ()
    wrong: Mapping[str, tuple[int | float | str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """One question of a quiz; `ask(rng)` draws its numbers."""

    id: str
    ask: Callable[[np.random.Generator], Asked]
    weight: float = 1


def choices(
    rng: np.random.Generator,
    right: str,
    wrong: Mapping[str, tuple[str, str]],
) -> tuple[tuple[str, ...], str, dict[str, tuple[str, str]]]:
    """Shuffle a right and several wrong options: the options, the right letter, the wrong letters.

    `wrong` maps the identifier of a mistake to the option's text and the sentence that helps.
    """
    texts = [right, *(text for text, _ in wrong.values())]
    order = [int(i) for i in rng.permutation(len(texts))]
    letter = {index: "abcdefgh"[place] for place, index in enumerate(order)}
    letters = {
        name: (letter[index], message)
        for index, (name, (_, message)) in enumerate(wrong.items(), start=1)
    }
    return tuple(texts[index] for index in order), letter[0], letters


@dataclass(frozen=True, kw_only=True)
class QuestionExercise(Exercise):
    """A quiz: numbers and choices in one ``answers = {…}`` cell, drawn from the seed in it."""

    kind: ClassVar[str] = "question"
    questions: tuple[Question, ...]
    aspects: tuple[Aspect, ...] = ()
    signature: str = "answers"

    def __post_init__(self) -> None:
        aspects = tuple(Aspect(question.id, question.weight) for question in self.questions)
        object.__setattr__(self, "aspects", aspects)
        super().__post_init__()

    @property
    def variable(self) -> str:
        """A quiz is answered in a dict called ``answers``."""
        return "answers"

    @property
    def quiz(self) -> str:
        """The value of ``answers["quiz"]``: the exercise's name without ``quiz_``."""
        return self.name.removeprefix("quiz_")

    def draw(self, seed: int) -> list[Case]:
        """One case: the dict is read as it is."""
        return [Case(self.aspects[0].name)]

    def asked(self, seed: int) -> dict[str, Asked]:
        """The questions of a seed, by their identifiers."""
        return {
            question.id: question.ask(
                np.random.default_rng([seed, zlib.crc32(f"{self.name}:{question.id}".encode())])
            )
            for question in self.questions
        }

    def misconception_ids(self) -> tuple[str, ...]:
        """``question:mistake`` for every wrong answer that the quiz can name."""
        return tuple(
            f"{question}:{mistake}"
            for question, asked in self.asked(0).items()
            for mistake in asked.wrong
        )

    def answers(self, seed: int) -> dict[str, Any]:
        """The right answers of a seed, as a learner would write them."""
        right = {name: asked.answer for name, asked in self.asked(seed).items()}
        return {"quiz": self.quiz, "seed": seed, **right}
