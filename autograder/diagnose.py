"""Which known misconception explains these answers."""

from __future__ import annotations

from collections.abc import Sequence

from autograder.compare import compare, mentioned
from autograder.exercise import Case, Misconception
from autograder.known import Known
from autograder.probe import Observation

ENOUGH = 3  # cases of one aspect: fewer could agree by accident


def diagnose(
    known: Known,
    observations: Sequence[Observation],
    failing: str,
    wrong_type: bool = False,
) -> Misconception | None:
    """The misconception that explains wrong answers, or None.

    It is the one whose answers are the learner's on every case. Where nothing explains everything,
    a learner may have made two mistakes at once: then it is the one that explains every case of
    `failing`, the first aspect that fails, unless the answers are of the `wrong_type` there: then
    their values say little. Two that fit equally well name nothing: a wrong name is worse than
    none.
    """
    exercise, cases = known.exercise, known.cases
    own = [place for place, case in enumerate(cases) if case.aspect == failing]
    # Where an aspect fails, most misconceptions give themselves away: no need to run the others.
    places = own + [place for place in range(len(cases)) if place not in own]
    matches = [m for m in exercise.misconceptions if explains(known, m, observations, places)]
    if not matches:
        if len(own) < ENOUGH or exercise.kind != "function" or wrong_type:
            return None
        matches = [
            m
            for m in exercise.misconceptions
            if m.recognise is None and explains(known, m, observations, own)
        ]
    return matches[0] if len(matches) == 1 else None


def explains(
    known: Known,
    misconception: Misconception,
    observations: Sequence[Observation],
    places: Sequence[int],
) -> bool:
    """Whether a misconception gives these answers to the cases at `places`, tried in this order."""
    if misconception.recognise is not None:
        if any(observation.status != "ok" for observation in observations):
            return False
        try:
            return bool(misconception.recognise([o.value for o in observations]))
        except (TypeError, ValueError, IndexError, KeyError, AttributeError):
            return False  # the answers are not even of the kind that the sign is made for
    if known.exercise.kind == "trained":
        return False
    return all(
        _alike(
            known.cases[place],
            known.mistaken(misconception, place),
            observations[place],
            known.exercise.rtol,
        )
        for place in places
    )


def _alike(case: Case, ours: Observation, theirs: Observation, rtol: float) -> bool:
    if ours.status != theirs.status or bool(ours.changed) != bool(theirs.changed):
        return False
    if ours.trouble is not None and theirs.trouble is not None:
        said = [mentioned(case.mentions, one.trouble.text) for one in (ours, theirs) if one.trouble]
        return ours.trouble.type == theirs.trouble.type and said[0] == said[1]
    if case.max_steps is not None:
        over = [o.steps is not None and o.steps > case.max_steps for o in (ours, theirs)]
        if over[0] != over[1]:
            return False
    return ours.status != "ok" or compare(ours.value, theirs.value, rtol) is None
