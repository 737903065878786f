"""Answers against the reference: observations in, a verdict out.

The judge is pure. It never sees the learner's code, only the plain data that a probe wrote down,
and knows no notebook and no nbgrader.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder import plain, probe
from autograder.compare import array_text, compare, mentioned, name_type, show
from autograder.diagnose import diagnose
from autograder.exercise import (
    Asked,
    Case,
    Exercise,
    PropertyExercise,
    QuestionExercise,
    TrainedExercise,
)
from autograder.known import Known
from autograder.plain import Bound, Made, Opaque
from autograder.probe import Observation
from autograder.verdict import AspectResult, Failure, Mismatch, Verdict

UNWRITTEN = "not attempted yet: replace the line that raises NotImplementedError with your code"


@dataclass(frozen=True)
class Finding:
    """What one case says about one aspect; no mismatch means that it passed."""

    aspect: str
    case: Case
    observation: Observation
    mismatch: Mismatch | None


def evaluate(exercise: Exercise, obj: Any, seed: int) -> Verdict:
    """Probe and judge an object in this process: what `check` does in a learner's kernel."""
    return evaluate_on(Known(exercise, exercise.draw(seed)), obj)


def evaluate_on(known: Known, obj: Any) -> Verdict:
    """As `evaluate`, on cases drawn before: many objects can share what is known of them."""
    observations = probe.observe(probe.request(known.exercise, known.cases), obj)
    return judge(known.exercise, known.cases, observations, known)


def judge(
    exercise: Exercise,
    cases: Sequence[Case],
    observations: Sequence[Observation],
    known: Known | None = None,
) -> Verdict:
    """The verdict on what was observed when a learner's object ran on `cases`.

    `known` spares the reference and the misconceptions a second run on the same cases.
    """
    known = known or Known(exercise, cases)
    if len(cases) != len(observations):
        raise ValueError(
            f"observations (of length {len(observations)}) must be as many as cases ({len(cases)})"
        )
    if isinstance(exercise, QuestionExercise):
        return _judge_questions(exercise, observations[0])
    if all(observation.status == "not_attempted" for observation in observations):
        return _without_marks(exercise, "not_attempted", UNWRITTEN)
    forbidden = sorted({name for o in observations for name in o.forbidden})
    findings = _find(known, observations)
    if forbidden:
        return _forbidden(exercise, forbidden, findings)
    aspects = _weigh(exercise, findings)
    verdict = _conclude(exercise, aspects, findings)
    if verdict.verdict == "pass":
        return verdict
    assert verdict.failure is not None
    failure = verdict.failure
    wrong_type = failure.mismatch.kind == "type"
    mistake = diagnose(known, observations, failure.aspect, wrong_type)
    if mistake is None:
        return verdict
    return replace(verdict, misconception=mistake.id, advice=mistake.message)


def _without_marks(exercise: Exercise, verdict: str, message: str) -> Verdict:
    aspects = tuple(AspectResult(a.name, a.weight, False) for a in exercise.aspects)
    return Verdict(exercise.name, verdict, 0.0, exercise.points, aspects, message)


def _forbidden(exercise: Exercise, names: Sequence[str], findings: Sequence[Finding]) -> Verdict:
    # What a learner wrote, where it is known; a torch operator under it says nothing more.
    called = [name for name in names if not name.startswith("torch:")] or [
        "torch's own " + name.removeprefix("torch:aten.").strip("_").replace("_", " ")
        for name in names
    ]
    used = " and ".join(called)
    right = all(finding.mismatch is None for finding in findings)
    start = "the values are right, but your code calls" if right else "your code calls"
    return _without_marks(
        exercise, "forbidden", f"{start} {used}, which this exercise asks you to do without"
    )


# ── one kind of exercise after the other ────────────────────────────────────────────────────────


def _find(known: Known, observations: Sequence[Observation]) -> list[Finding]:
    exercise, cases = known.exercise, known.cases
    if isinstance(exercise, PropertyExercise):
        return _find_by_conditions(exercise, cases, observations)
    if isinstance(exercise, TrainedExercise):
        return _find_by_score(exercise, cases, observations)
    return _find_by_reference(known, observations)


def _find_by_reference(known: Known, observations: Sequence[Observation]) -> list[Finding]:
    findings = []
    for case, right, got in zip(known.cases, known.expected(), observations, strict=True):
        mismatch = _compare_observations(known.exercise, case, right, got)
        findings.append(Finding(case.aspect, case, got, mismatch))
    return findings


def _compare_observations(
    exercise: Exercise, case: Case, right: Observation, got: Observation
) -> Mismatch | None:
    if right.status == "raised" and right.trouble is not None:
        return _compare_errors(right.trouble.type, got, case.mentions)
    if right.status != "ok" or isinstance(right.value, Opaque):
        raise RuntimeError(
            f"the reference of {exercise.name} gives no plain answer for "
            f"{call_text(exercise, case)}: {right}"
        )
    if got.status != "ok":
        return trouble(exercise, got)
    if exercise.kind == "module" and isinstance(got.value, Opaque):
        text = f"an nn.Module is expected, you returned {name_type(got.value)}"
        return Mismatch("type", text, right.value, got.value)
    mismatch = compare(right.value, got.value, exercise.rtol, result_names(exercise))
    if mismatch is not None:
        return replace(mismatch, text=_measured(case, right.value, got.value) or mismatch.text)
    return _side_effects(exercise, case, got)


def _measured(case: Case, right: Any, got: Any) -> str:
    """What is wrong with a shape or a count that was taken of a module, not returned by it."""
    if case.measure == "shape" and isinstance(got, tuple):
        return f"an output of shape {right} is expected, yours has {got}"
    if case.measure == "parameters" and isinstance(got, int):
        few = ". Layers in a plain list, or made in `forward`, do not count" if got < right else ""
        return f"{right:,} parameters are expected, yours has {got:,}{few}"
    return ""


def _compare_errors(expected: str, got: Observation, mentions: Sequence[str]) -> Mismatch | None:
    if got.status == "ok":
        text = f"{expected} is expected, you returned {show(got.value)}"
        return Mismatch("no_error", text, Opaque(expected), got.value)
    if got.trouble is not None and expected in got.trouble.bases:
        found = mentioned(mentions, got.trouble.text)
        if all(found):
            return None
        lacking = " and ".join(w for w, there in zip(mentions, found, strict=True) if not there)
        text = f"the message of your {expected} must name {lacking}, it is “{got.trouble.text}”"
        return Mismatch("raised", text)
    if got.status == "raised" and got.trouble is not None:
        text = f"{expected} is expected, your code raises {got.trouble.type}: {got.trouble.text}"
        return Mismatch("raised", text)
    return Mismatch(got.status, f"{expected} is expected, your code did not get that far")


def _side_effects(exercise: Exercise, case: Case, got: Observation) -> Mismatch | None:
    if got.changed:
        names = parameter_names(exercise)
        changed = ", ".join(
            names[int(name.split()[1]) - 1]
            if name.startswith("argument ") and int(name.split()[1]) <= len(names)
            else name
            for name in got.changed
        )
        return Mismatch(
            "changed", f"your code changes its input {changed}: work on a copy, {changed}.copy()"
        )
    if case.max_steps is not None and (got.steps is None or got.steps > case.max_steps):
        text = (
            f"right values, but {got.steps or 0:,} Python instructions ran where "
            f"{case.max_steps:,} are enough: let NumPy do the loop"
        )
        return Mismatch("steps", text)
    return None


def trouble(exercise: Exercise, got: Observation) -> Mismatch:
    """In words: why there is no answer to compare."""
    if got.status == "not_attempted":
        return Mismatch("not_attempted", "NotImplementedError: this part is not written yet")
    if got.status == "time":
        text = "ran too long and was stopped: does a loop never end?"
        return Mismatch("time", text)
    if got.status == "memory":
        return Mismatch("memory", "ran out of memory")
    if got.trouble is None:
        return Mismatch("raised", "your code raised an exception")
    kind, text = got.trouble.type, got.trouble.text
    if kind == "SystemExit":
        return Mismatch("raised", "your code calls exit(): return a value instead")
    return Mismatch("raised", f"your code raised {kind}: {text}" if text else f"raised {kind}")


def _find_by_conditions(
    exercise: PropertyExercise, cases: Sequence[Case], observations: Sequence[Observation]
) -> list[Finding]:
    findings = []
    for case, got in zip(cases, observations, strict=True):
        mismatch: Mismatch | None
        if got.status != "ok":
            mismatch = trouble(exercise, got)
        elif got.value is None:
            mismatch = compare(0, None)
        else:
            said = exercise.conditions[case.aspect](got.value, case)
            mismatch = (
                Mismatch("condition", said, got=got.value)
                if said is not None
                else _side_effects(exercise, case, got)
            )
        findings.append(Finding(case.aspect, case, got, mismatch))
    return findings


def _find_by_score(
    exercise: TrainedExercise, cases: Sequence[Case], observations: Sequence[Observation]
) -> list[Finding]:
    for case, got in zip(cases, observations, strict=True):
        failed = trouble(exercise, got) if got.status != "ok" else _unusable(got.value, case)
        if failed is not None:
            return [Finding(a.name, case, got, failed) for a in exercise.aspects]
    scores = [
        float(exercise.score(got.value, case.targets))
        for case, got in zip(cases, observations, strict=True)
    ]
    mean = float(np.mean(scores))
    findings = []
    for aspect in exercise.aspects:
        least = exercise.thresholds[aspect.name]
        text = f"{exercise.score_name} is {mean:.3f} on data held back, at least {least:g} is asked"
        # `not >=` rather than `<`: a NaN reaches no threshold.
        mismatch = Mismatch("score", text, least, mean) if not mean >= least else None
        findings.append(Finding(aspect.name, cases[0], observations[0], mismatch))
    return findings


def _unusable(value: Any, case: Case) -> Mismatch | None:
    """Predictions must be one row or one number for each target."""
    if value is None:
        return compare(0, None)
    if not isinstance(value, np.ndarray):
        text = f"predictions are expected as an array, you returned {name_type(value)}"
        return Mismatch("type", text, got=value)
    n = len(case.targets)
    if value.ndim == 0 or len(value) != n:
        text = f"predictions for {n} inputs are expected, yours have shape {value.shape}"
        return Mismatch("shape", text, got=value)
    if np.isnan(value).any():
        return Mismatch("nan", "predictions are NaN (not a number)", got=value)
    return None


# ── from findings to a verdict ──────────────────────────────────────────────────────────────────


def _weigh(exercise: Exercise, findings: Sequence[Finding]) -> tuple[AspectResult, ...]:
    results: dict[str, AspectResult] = {}
    for aspect in exercise.aspects:
        own = [finding for finding in findings if finding.aspect == aspect.name]
        failed = sum(finding.mismatch is not None for finding in own)
        waits = [need for need in aspect.needs if not results[need].passed]
        results[aspect.name] = AspectResult(
            aspect.name,
            aspect.weight,
            passed=bool(own) and not failed and not waits,
            cases=len(own),
            failed=failed,
            waits_for=waits[0] if waits and not failed else "",
        )
    return tuple(results.values())


def _conclude(
    exercise: Exercise, aspects: tuple[AspectResult, ...], findings: Sequence[Finding]
) -> Verdict:
    earned = sum(aspect.weight for aspect in aspects if aspect.passed)
    score = earned / exercise.points
    if all(aspect.passed for aspect in aspects):
        right = Verdict(
            exercise.name, "pass", 1.0, exercise.points, aspects, "every aspect is right"
        )
        return right
    first = next(aspect for aspect in aspects if not aspect.passed and not aspect.waits_for)
    failing = [f for f in findings if f.aspect == first.name and f.mismatch is not None]
    smallest = min(failing, key=lambda f: plain.size((f.case.args, dict(f.case.kwargs))))
    assert smallest.mismatch is not None
    kinds = {f.mismatch.kind for f in findings if f.mismatch is not None}
    verdict = "partial" if score > 0 else _zero_verdict(smallest.mismatch.kind, kinds)
    call = call_text(exercise, smallest.case)
    got = smallest.observation
    return Verdict(
        exercise.name,
        verdict,
        score,
        exercise.points,
        aspects,
        message=f"{first.name}: {call}: {smallest.mismatch.text}",
        failure=Failure(
            first.name,
            call,
            smallest.case.note,
            smallest.mismatch,
            printed=got.printed,
            lines=got.trouble.lines if got.trouble else (),
        ),
    )


def _zero_verdict(kind: str, kinds: set[str]) -> str:
    for serious in ("time", "memory"):
        if serious in kinds:
            return serious
    return {"raised": "error", "not_attempted": "error"}.get(kind, "wrong")


def parameter_names(exercise: Exercise) -> list[str]:
    """The parameters in an exercise's stated signature, in order."""
    text = exercise.signature.partition("->")[0].strip()
    tree = ast.parse(f"def {text}: ..." if text.endswith(")") else "def f(): ...").body[0]
    assert isinstance(tree, ast.FunctionDef)
    return [argument.arg for argument in (*tree.args.args, *tree.args.kwonlyargs)]


def result_names(exercise: Exercise) -> list[str]:
    """What the stated signature calls the parts of the result: ``-> (grad_x, grad_weight)``."""
    result = exercise.signature.partition("->")[2].strip()
    if not (result.startswith("(") and result.endswith(")")):
        return []
    names = [part.strip() for part in result[1:-1].split(",")]
    return names if all(name.isidentifier() for name in names) else []


def call_text(exercise: Exercise, case: Case) -> str:
    """A case as the call that a learner could type, large arrays as their shape.

    The arguments of a trained model or predictor are left out: they are data sets.
    """
    if exercise.kind == "trained":
        return f"{exercise.name}(…)"
    names = parameter_names(exercise)
    parts = [_argument(value) for value in case.args]
    if 1 < len(parts) <= len(names):
        parts = [f"{name}={part}" for name, part in zip(names, parts, strict=False)]
    parts += [f"{name}={_argument(value)}" for name, value in case.kwargs.items()]
    text = f"{exercise.name}({', '.join(parts)})"
    for array in case.inputs:
        text += f" on an input of shape {np.shape(array)}"
    return text


def _argument(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.size <= 30 and value.ndim <= 2:
            return array_text(value)
        return f"<array {'×'.join(map(str, value.shape))}>"
    if isinstance(value, Bound | Made):
        name = value.path.partition(":")[2]
        own = [_argument(item) for item in value.args]
        own += [f"{key}={_argument(item)}" for key, item in value.kwargs.items()]
        inner = ", ".join(own)
        return f"<{name}({inner})>" if inner else f"<{name}>"
    return show(value) if not isinstance(value, np.generic) else repr(value)


# ── quizzes ─────────────────────────────────────────────────────────────────────────────────────


def _judge_questions(exercise: QuestionExercise, observation: Observation) -> Verdict:
    answers = observation.value
    if observation.status != "ok":
        return _without_marks(exercise, "error", trouble(exercise, observation).text)
    if not isinstance(answers, dict):
        said = f"answers must be a dict, yours is {name_type(answers)}"
        return _without_marks(exercise, "wrong", said)
    seed = answers.get("seed")
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        said = f'answers["seed"] (={show(seed)}) must be an int from 0 to 2**32 - 1'
        return _without_marks(exercise, "wrong", said)
    asked = exercise.asked(seed)
    if all(answers.get(name) is None for name in asked):
        text = "not attempted yet: write your answers in place of None"
        return _without_marks(exercise, "not_attempted", text)
    results, named = [], None
    for question in exercise.questions:
        given = answers.get(question.id)
        mismatch = _compare_answer(asked[question.id], given)
        note = ""
        if mismatch is not None:
            mistake = _named(asked[question.id], given)
            note = f"{mismatch.text}. {mistake[1]}" if mistake else mismatch.text
            if mistake and named is None:
                named = f"{question.id}:{mistake[0]}"
        passed = mismatch is None
        results.append(
            AspectResult(question.id, question.weight, passed, 1, int(not passed), note=note)
        )
    wrong = [result for result in results if not result.passed]
    score = 1 - sum(result.weight for result in wrong) / exercise.points
    return Verdict(
        exercise.name,
        "pass" if not wrong else "partial" if score > 0 else "wrong",
        score,
        exercise.points,
        tuple(results),
        "; ".join(f"{r.name}: {r.note}" for r in wrong) or "every answer is right",
        misconception=named,
    )


def _compare_answer(asked: Asked, given: Any) -> Mismatch | None:
    # What is expected stays unsaid: the worked solution comes when the learner asks for it.
    if given is None:
        return Mismatch("none", "not answered yet")
    if isinstance(asked.answer, str):
        if not isinstance(given, str):
            return Mismatch("type", f"a letter is expected, you gave {name_type(given)}", got=given)
        letter = given.strip(" ().").lower()
        letters = "abcdefgh"[: len(asked.choices)]
        if asked.choices and (len(letter) != 1 or letter not in letters):
            text = f"a letter from a to {letters[-1]} is expected, you gave {name_type(given)}"
            return Mismatch("type", text, got=given)
        right = letter == asked.answer.lower()
        return None if right else Mismatch("value", f"{given!r} is not right", got=given)
    number = given.item() if isinstance(given, np.ndarray) and given.shape == () else given
    if isinstance(number, bool) or not isinstance(number, int | float):
        return Mismatch("type", f"a number is expected, you gave {name_type(given)}", got=given)
    if compare(float(asked.answer), number, 1e-3 if isinstance(asked.answer, float) else 0) is None:
        return None
    return Mismatch("value", f"{show(number)} is not right", got=number)


def _named(asked: Asked, given: Any) -> tuple[str, str] | None:
    for name, (value, message) in asked.wrong.items():
        if _compare_answer(replace(asked, answer=value), given) is None:
            return name, message
    return None
