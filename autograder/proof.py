"""The proof of an exercise: every known mistake is caught and named, no honest answer harmed.

`prove` runs the reference, the honest alternatives and every misconception on many seeds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autograder import probe
from autograder.diagnose import explains
from autograder.exercise import (
    Exercise,
    FunctionExercise,
    ModuleExercise,
    PropertyExercise,
    QuestionExercise,
)
from autograder.judge import evaluate, evaluate_on, judge
from autograder.known import Known
from autograder.verdict import Verdict

NAMED_AT_LEAST = 0.9
# What is judged of a misconception's answers compares them with those that it gives when it runs
# anew. On one seed in so many it does run anew, and must give the same; on the others it runs once.
ANEW = 5


@dataclass
class Proof:
    """How many wrong answers were judged, caught, named; and every defect in words."""

    exercise: str
    judged: int = 0
    caught: int = 0
    named: int = 0
    defects: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing slipped through, nothing was misnamed, and enough was named."""
        enough = self.named >= NAMED_AT_LEAST * self.judged
        return not self.defects and self.caught == self.judged and enough


def honest_answers(exercise: Exercise) -> dict[str, Any]:
    """The answers that must earn full marks, by name: the reference, the alternatives, ours."""
    answers: dict[str, Any] = {}
    if isinstance(exercise, FunctionExercise | ModuleExercise):
        answers["reference"] = exercise.reference
    if isinstance(exercise, PropertyExercise):
        answers["example"] = exercise.example
    answers.update(exercise.alternatives)
    return answers


def prove(exercise: Exercise, seeds: Sequence[int] | None = None) -> Proof:
    """Judge honest and wrong answers on each seed; the defects say what went wrong."""
    proof = Proof(exercise.name)
    for turn, seed in enumerate(seeds if seeds is not None else range(exercise.proof_seeds)):
        if isinstance(exercise, QuestionExercise):
            _prove_questions(exercise, seed, proof)
            continue
        known = Known(exercise, exercise.draw(seed))
        # The reference would be flagged by the names that it itself stands for.
        allowing_all = replace(known, exercise=replace(exercise, forbidden=()))
        for name, answer in honest_answers(exercise).items():
            verdict = evaluate_on(allowing_all if name == "reference" else known, answer)
            if verdict.verdict != "pass":
                proof.defects.append(f"seed {seed}: {name} is honest, but {_said(verdict)}")
        asked = probe.request(exercise, known.cases)
        mistaken = [(m, probe.observe(asked, m.implementation)) for m in exercise.misconceptions]
        for misconception, observations in mistaken:
            if turn % ANEW:
                known.remember(misconception, observations)
            elif exercise.kind != "trained" and not explains(
                known, misconception, observations, range(len(known.cases))
            ):
                proof.defects.append(f"seed {seed}: {misconception.id} does not explain itself")
        for misconception, observations in mistaken:
            verdict = judge(exercise, known.cases, observations, known)
            _count(proof, seed, misconception.id, verdict)
    return proof


def _said(verdict: Verdict) -> str:
    return f"the verdict is {verdict.verdict}: {verdict.message}"


def _count(proof: Proof, seed: int, mistake: str, verdict: Verdict) -> None:
    proof.judged += 1
    if verdict.score < 1:
        proof.caught += 1
    else:
        proof.defects.append(f"seed {seed}: {mistake} is not caught")
    if verdict.misconception == mistake:
        proof.named += 1
    elif verdict.misconception is not None:
        proof.defects.append(f"seed {seed}: {mistake} is called {verdict.misconception}")


def _prove_questions(exercise: QuestionExercise, seed: int, proof: Proof) -> None:
    right = exercise.answers(seed)
    verdict = evaluate(exercise, right, seed)
    if verdict.verdict != "pass":
        proof.defects.append(f"seed {seed}: the right answers fail: {_said(verdict)}")
    for question, asked in exercise.asked(seed).items():
        for mistake, (value, _) in asked.wrong.items():
            verdict = evaluate(exercise, {**right, question: value}, seed)
            _count(proof, seed, f"{question}:{mistake}", verdict)
