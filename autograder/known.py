"""What the course's own answers give on some cases, computed when asked for and then kept.

To judge one answer, the reference runs once, and each misconception until it gives itself away. To
judge many answers to the same cases, they need not run again for each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from autograder import probe
from autograder.exercise import Case, Exercise, FunctionExercise, Misconception, ModuleExercise
from autograder.probe import Observation


@dataclass
class Known:
    """The answers of an exercise's reference and misconceptions to `cases`.

    Nothing is forbidden to them, and the reference has ten times a learner's time.
    """

    exercise: Exercise
    cases: Sequence[Case]
    _expected: list[Observation] | None = None
    _mistaken: dict[tuple[str, int], Observation] = field(default_factory=dict)

    def expected(self) -> list[Observation]:
        """What the reference gives, case by case; for a function or a module."""
        if self._expected is None:
            assert isinstance(self.exercise, FunctionExercise | ModuleExercise)
            ask = probe.request(self.exercise, self.cases)
            ask = replace(ask, forbidden=(), time_limit=10 * self.exercise.time_limit)
            self._expected = probe.observe(ask, self.exercise.reference)
        return self._expected

    def mistaken(self, misconception: Misconception, place: int) -> Observation:
        """What a misconception gives on the case at `place`."""
        key = (misconception.id, place)
        if key not in self._mistaken:
            ask = replace(probe.request(self.exercise, [self.cases[place]]), forbidden=())
            (self._mistaken[key],) = probe.observe(ask, misconception.implementation)
        return self._mistaken[key]

    def remember(self, misconception: Misconception, observations: Sequence[Observation]) -> None:
        """Take what a misconception was seen to give, case by case, instead of running it again."""
        for place, observation in enumerate(observations):
            self._mistaken[misconception.id, place] = observation
