"""What a class finds hard: how many pass each aspect, and which mistakes are common.

Counted from the records that grading a chapter leaves. Nothing that a student wrote or is called
comes out of here: exercises, aspects and mistakes have the course's own names.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import wrap
from typing import Any

from autograder import exercises
from autograder.exercise import Exercise, QuestionExercise
from autograder.grading import record as records
from autograder.grading.chapters import chapters_of, check_class, near
from autograder.grading.engine import ExerciseGrade
from autograder.grading.record import Record
from autograder.paths import CourseError, UsageError
from autograder.verdict import VERDICTS

UNTRIED = ("not_attempted", "grader_error")  # verdicts that say nothing about an answer
OTHERS = "others"
WIDTH = 100  # columns of a terminal
BAR = 20  # of them for a full bar


@dataclass(frozen=True)
class Tally:
    """A number of students; a range where the number itself would point at somebody.

    >>> str(Tally(3, 3)), str(Tally(1, 2))
    ('3', '1–2')
    """

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}–{self.high}"

    def to_json(self) -> int | list[int]:
        """The number, or the two ends of the range."""
        return self.low if self.low == self.high else [self.low, self.high]


def tally(number: int, least: int = 1) -> Tally:
    """A number as it is shown where nobody is to be found in a group of fewer than `least`.

    >>> tally(0, 3), tally(2, 3), tally(3, 3)
    (Tally(low=0, high=0), Tally(low=1, high=2), Tally(low=3, high=3))
    """
    return Tally(1, least - 1) if 0 < number < least else Tally(number, number)


@dataclass(frozen=True)
class AspectCount:
    """How many pass an aspect, of those who attempted its exercise."""

    name: str
    weight: float
    passed: Tally


@dataclass(frozen=True)
class Mistake:
    """How many made a mistake that the exercise knows, and the sentence that they are told."""

    id: str
    message: str
    count: Tally


@dataclass(frozen=True)
class ExerciseStatistics:
    """An exercise in numbers: aspects in its own order, mistakes with the commonest first.

    `attempted` are the submissions whose verdict says something about an answer; `mean` is in the
    class's points, over them, and None where there are none.
    """

    exercise: str
    points: float
    submissions: int
    attempted: int
    mean: float | None
    verdicts: Mapping[str, Tally]
    aspects: tuple[AspectCount, ...]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True)
class ChapterStatistics:
    """A chapter in numbers.

    `unreadable` submissions held no notebook that could be judged; the exercises leave them out.
    `undated` ones are left out altogether, since it is not known when they came; so are `withdrawn`
    ones, which were graded and then taken away.
    """

    chapter: str
    submissions: int
    unreadable: int
    exercises: tuple[ExerciseStatistics, ...]
    since: datetime | None = None
    undated: int = 0
    damaged: int = 0
    withdrawn: int = 0
    least: int = 1

    def to_json(self) -> dict[str, Any]:
        """As `course statistics --json` prints it; a range of numbers is a list of its ends."""
        return {
            "chapter": self.chapter,
            "since": None if self.since is None else f"{self.since.isoformat()}Z",
            "submissions": self.submissions,
            "unreadable": self.unreadable,
            "undated": self.undated,
            "damaged": self.damaged,
            "withdrawn": self.withdrawn,
            "exercises": [
                {
                    "exercise": one.exercise,
                    "points": one.points,
                    "submissions": one.submissions,
                    "attempted": one.attempted,
                    "mean": one.mean,
                    "verdicts": {name: count.to_json() for name, count in one.verdicts.items()},
                    "aspects": [
                        {"name": a.name, "weight": a.weight, "passed": a.passed.to_json()}
                        for a in one.aspects
                    ],
                    "misconceptions": [
                        {"id": m.id, "message": m.message, "count": m.count.to_json()}
                        for m in one.mistakes
                    ],
                }
                for one in self.exercises
            ],
        }


# ── counting ────────────────────────────────────────────────────────────────────────────────────


def read(
    directory: Path, chapter: str, since: datetime | None = None, least: int = 1
) -> ChapterStatistics:
    """The statistics of a chapter of the class in `directory`.

    Only of what was handed in at or after `since` (UTC, without a time zone), if it is given, and
    is still in ``submitted/``. Raises UsageError for a chapter that the class does not have, and
    CourseError where nothing is graded.
    """
    students = records.recorded(directory, chapter)
    if not students:
        raise _nothing(directory, chapter)
    here = [s for s in students if os.path.lexists(directory / "submitted" / s / chapter)]
    found = [records.load(directory, chapter, student) for student in here]
    whole = [record for record in found if record is not None]
    return count(
        chapter,
        whole,
        since,
        least,
        damaged=len(found) - len(whole),
        withdrawn=len(students) - len(here),
    )


def _nothing(directory: Path, chapter: str) -> CourseError:
    """Why there is nothing to count."""
    check_class(directory)
    known = chapters_of(directory)
    if chapter not in known:
        return UsageError(f"this class has no chapter {chapter!r}{near(chapter, known)}")
    return CourseError(
        f"{directory.resolve()} holds no graded submission of {chapter}: `course grade {chapter}`"
    )


def count(
    chapter: str,
    graded: Iterable[Record],
    since: datetime | None = None,
    least: int = 1,
    damaged: int = 0,
    withdrawn: int = 0,
) -> ChapterStatistics:
    """The statistics of records."""
    given = list(graded)
    undated = [r for r in given if r.timestamp is None] if since is not None else []
    if since is not None:
        given = [r for r in given if r.timestamp is not None and r.timestamp >= since]
    readable = [record.grade for record in given if record.grade.problem is None]
    # Records may come from editions of the course that differ: every exercise of any of them.
    order = dict.fromkeys(one.exercise for grade in readable for one in grade.exercises)
    by_name = {
        name: [one for grade in readable for one in grade.exercises if one.exercise == name]
        for name in order
    }
    return ChapterStatistics(
        chapter=chapter,
        submissions=len(given),
        unreadable=len(given) - len(readable),
        exercises=tuple(_exercise(name, grades, least) for name, grades in by_name.items()),
        since=since,
        undated=len(undated),
        damaged=damaged,
        withdrawn=withdrawn,
        least=least,
    )


def _exercise(name: str, grades: Sequence[ExerciseGrade], least: int) -> ExerciseStatistics:
    exercise = exercises.get(name) if exercises.known(name) else None
    tried = [grade for grade in grades if grade.verdict not in UNTRIED]
    verdicts = Counter(grade.verdict for grade in grades)
    mistakes = Counter(g.misconception for g in tried if g.misconception is not None)
    return ExerciseStatistics(
        exercise=name,
        points=grades[-1].points,
        submissions=len(grades),
        attempted=len(tried),
        mean=round(sum(g.earned for g in tried) / len(tried), 6) if tried else None,
        verdicts=_merged({v: verdicts[v] for v in VERDICTS if verdicts[v]}, least),
        aspects=tuple(_aspects(grades, tried, exercise, least)),
        mistakes=tuple(_mistakes(mistakes, exercise, least)),
    )


def _merged(counts: Mapping[str, int], least: int) -> dict[str, Tally]:
    """The counts, those below `least` in one."""
    shown = {name: tally(n) for name, n in counts.items() if n >= least}
    rare = sum(n for n in counts.values() if n < least)
    return {**shown, OTHERS: tally(rare, least)} if rare else shown


def _aspects(
    grades: Sequence[ExerciseGrade],
    tried: Sequence[ExerciseGrade],
    exercise: Exercise | None,
    least: int,
) -> Iterator[AspectCount]:
    weights = {name: weight for grade in grades for name, weight, _ in grade.aspects}
    passed = Counter(name for grade in tried for name, _, ok in grade.aspects if ok)
    order = [aspect.name for aspect in exercise.aspects] if exercise is not None else []
    for name in dict.fromkeys([*(n for n in order if n in weights), *weights]):
        yield AspectCount(name, weights[name], _of(passed[name], len(tried), least))


def _of(passed: int, attempted: int, least: int) -> Tally:
    """A part of those who attempted: neither it nor the rest may be a small group."""
    failed = tally(attempted - passed, least)
    if failed.low != failed.high:
        return Tally(max(0, attempted - failed.high), attempted - failed.low)
    return tally(passed, least)


def _mistakes(
    counts: Mapping[str, int], exercise: Exercise | None, least: int
) -> Iterator[Mistake]:
    messages = _messages(exercise)
    ranked = dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    rarer = sum(n < least for n in ranked.values())
    for name, number in _merged(ranked, least).items():
        text = _many(rarer, "rarer mistake") if name == OTHERS else messages.get(name, "")
        yield Mistake(name, text, number)


def _messages(exercise: Exercise | None) -> dict[str, str]:
    """What a learner is told of each mistake; in a quiz, with the numbers of one drawing."""
    if exercise is None:
        return {}
    if isinstance(exercise, QuestionExercise):
        return {
            f"{question}:{mistake}": sentence
            for question, asked in exercise.asked(0).items()
            for mistake, (_, sentence) in asked.wrong.items()
        }
    return {misconception.id: misconception.message for misconception in exercise.misconceptions}


def since_when(text: str, now: datetime | None = None) -> datetime:
    """The time that ``--since`` names: a date, a date with a time (UTC), or a number of days ago.

    Raises UsageError for anything else.

    >>> since_when("7", datetime(2026, 3, 9, 12))
    datetime.datetime(2026, 3, 2, 12, 0)
    >>> since_when("2026-03-01")
    datetime.datetime(2026, 3, 1, 0, 0)
    """
    try:
        if re.fullmatch(r"\d{1,4}", text):
            today = now or datetime.now(UTC).replace(tzinfo=None, microsecond=0)
            return today - timedelta(days=int(text))
        when = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise UsageError(
            f"since (={text!r}) must be a date like 2026-03-01, or a number of days"
        ) from None
    return when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)


# ── the table ───────────────────────────────────────────────────────────────────────────────────


def as_text(statistics: ChapterStatistics) -> str:
    """The statistics as a table for a terminal, of at most 100 columns."""
    lines = [heading(statistics)]
    lines += [f"  {line}" for line in what_to_see(statistics)]
    lines += [line for remark in remarks(statistics) for line in _wrapped(remark, "  ")]
    for one in statistics.exercises:
        lines += ["", *_exercise_lines(one)]
    return "\n".join(lines)


def heading(statistics: ChapterStatistics) -> str:
    """What was counted, in a line."""
    since = ""
    if statistics.since is not None:
        since = f" since {statistics.since.isoformat(' ', 'minutes').removesuffix(' 00:00')}"
    return f"{statistics.chapter}: {_many(statistics.submissions, 'submission')}{since}"


def what_to_see(statistics: ChapterStatistics) -> Iterator[str]:
    """The hardest aspect and the commonest mistake of the chapter, a line each.

    What one alone made is no common mistake.
    """
    tried = [one for one in statistics.exercises if one.attempted]
    aspects = [(a.passed.low / one.attempted, one, a) for one in tried for a in one.aspects]
    if aspects:
        share, one, aspect = min(aspects, key=lambda found: found[0])
        passed = f"passed by {aspect.passed} of {one.attempted}"
        if share == 1:
            yield "everybody passes every aspect of what they attempted"
        else:
            yield f"hardest: “{aspect.name}” of {one.exercise}, {passed}"
    mistakes = [(m.count.low, one, m) for one in tried for m in one.mistakes if common(m)]
    if mistakes:
        _, one, mistake = max(mistakes, key=lambda found: found[0])
        yield f"commonest mistake: {mistake.id} in {one.exercise}, made by {mistake.count}"


def common(mistake: Mistake) -> bool:
    """Whether several students made the same mistake."""
    return mistake.id != OTHERS and mistake.count.low > 1


def remarks(statistics: ChapterStatistics) -> Iterator[str]:
    """What the numbers leave out, and what to mind before they are shown around."""
    if statistics.unreadable:
        number = _many(statistics.unreadable, "submission")
        yield f"left out below: {number} without a notebook that can be judged"
    if statistics.undated:
        number = _many(statistics.undated, "submission")
        yield f"left out: {number} of which the time is not known"
    if statistics.damaged:
        number = _many(statistics.damaged, "record")
        yield f"left out: {number} that cannot be read: `course grade` makes them anew"
    if statistics.withdrawn:
        number = _many(statistics.withdrawn, "graded submission")
        yield f"left out: {number} no longer in submitted/"
    if statistics.least == 1 and 0 < statistics.submissions < 10:
        yield "so few submissions: a row may point at one student; --least 3 merges the rare ones"


def _exercise_lines(one: ExerciseStatistics) -> Iterator[str]:
    mean = "" if one.mean is None else f", {one.mean:.2f} of {one.points:g} points on average"
    yield f"{one.exercise}: attempted in {one.attempted} of {one.submissions}{mean}"
    width = max((len(aspect.name) for aspect in one.aspects), default=0)
    for aspect in one.aspects if one.attempted else ():
        share = f"{100 * aspect.passed.low / one.attempted:3.0f} %"
        if aspect.passed.low != aspect.passed.high:
            share = ""
        bar = "█" * round(BAR * aspect.passed.low / one.attempted)
        number = f"{aspect.passed!s:>{len(str(one.attempted))}} of {one.attempted}"
        yield f"  {aspect.name:{width}}  {bar:░<{BAR}}  {number}  {share}".rstrip()
    verdicts = (f"{name.replace('_', ' ')} {number}" for name, number in one.verdicts.items())
    yield from _wrapped("verdicts: " + ", ".join(verdicts), "  ")
    for mistake in one.mistakes:
        text = f"{mistake.count} × {mistake.id}"
        yield from _wrapped(f"{text}: {mistake.message}" if mistake.message else text, "  ")


def _wrapped(text: str, indent: str) -> list[str]:
    return wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "    ")


def _many(number: int, noun: str) -> str:
    """
    >>> _many(1, "record"), _many(0, "record")
    ('1 record', '0 records')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"
