from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from autograder.judge import evaluate, evaluate_on
from autograder.known import Known
from autograder.probe import observe, request


def test_the_reference_and_each_mistake_run_once_for_many_answers(
    samples: SimpleNamespace,
) -> None:
    calls: list[str] = []

    def counting(name: str, answer: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(name)
            return answer(*args, **kwargs)

        return call

    exercise = replace(
        samples.function,
        reference=counting("reference", samples.function.reference),
        misconceptions=tuple(
            replace(m, implementation=counting(m.id, m.implementation))
            for m in samples.function.misconceptions
        ),
    )
    known = Known(exercise, exercise.draw(5))
    answers = [m.implementation for m in samples.function.misconceptions]
    shared = [evaluate_on(known, answer) for answer in answers * 2]
    for name in set(calls):
        assert calls.count(name) <= len(known.cases), name
    assert calls.count("reference") == len(known.cases)
    alone = [evaluate(samples.function, answer, 5) for answer in answers]
    assert [v.to_json() for v in shared] == [v.to_json() for v in alone * 2]
    assert all(v.misconception is not None for v in shared)


def test_what_was_seen_of_a_mistake_need_not_run_again(samples: SimpleNamespace) -> None:
    exercise = samples.function
    mistake = exercise.misconceptions[0]
    known = Known(exercise, exercise.draw(5))
    seen = observe(request(exercise, known.cases), mistake.implementation)
    assert known.mistaken(mistake, 0) is not seen[0]
    known.remember(mistake, seen)
    assert all(known.mistaken(mistake, place) is one for place, one in enumerate(seen))
