"""The figure of `course statistics`: aspects beside mistakes, an exercise a row."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from autograder.grading.record import write_file
from autograder.grading.statistics import (
    AspectCount,
    ChapterStatistics,
    ExerciseStatistics,
    Mistake,
    common,
    heading,
    remarks,
    what_to_see,
)
from autograder.paths import CourseError, UsageError
from course_lib.plots.base import INK, STYLES, Described, described

FORMATS = (".png", ".svg", ".pdf", ".html")
MISTAKES = 3  # of an exercise at most; the table has them all
LINE = 0.21  # inches that a line of text takes
COLUMNS = 74  # characters of a mistake's sentence in a line
PASSED, MADE = STYLES[0]["color"], STYLES[1]["color"]
LIGHT = "#dcdcdc"


def draw(statistics: ChapterStatistics) -> Described:
    """Bars for the aspects of each exercise, in its order, and for its commonest mistakes.

    Where there is no mistake in common, the aspects stand alone. Raises CourseError where nobody
    attempted anything.
    """
    shown = [one for one in statistics.exercises if one.attempted]
    if not shown:
        raise CourseError(f"nobody attempted an exercise of {statistics.chapter}: nothing to draw")
    heights = [LINE * max(_aspect_lines(one), _mistake_lines(one)) for one in shown]
    columns = 2 if any(_shown_mistakes(one) for one in shown) else 1
    width = 11.0 if columns == 2 else 7.0
    fig = Figure(figsize=(width, 1.2 + sum(heights) + 0.62 * len(shown)))
    fig.set_layout_engine("constrained", h_pad=0.09, w_pad=0.1)
    ratios = (1.0, 1.15)[:columns]
    grid = fig.add_gridspec(len(shown), columns, height_ratios=heights, width_ratios=ratios)
    most = max((m.count.high for one in shown for m in one.mistakes), default=1)
    for row, one in enumerate(shown):
        _draw_aspects(fig.add_subplot(grid[row, 0]), one, heights[row])
        if _shown_mistakes(one):
            _draw_mistakes(fig.add_subplot(grid[row, 1]), one, heights[row], most)
    title = "\n".join((heading(statistics), *what_to_see(statistics)))
    fig.suptitle(title, fontsize=12, color=INK)
    # Laid out once: every drawing would move things a little, and change the files.
    fig.draw_without_rendering()
    fig.set_layout_engine("none")
    return described(fig, alternative(statistics))


def save(drawn: Described, path: Path) -> None:
    """Write the figure in the format that its name ends in, with its text where that can hold it.

    The same figure gives the same bytes. Raises what `check` raises.
    """
    check(path)
    ending = path.suffix.lower()
    write_file(path, _page(drawn) if ending == ".html" else _image(drawn, ending[1:]))


def check(path: Path) -> None:
    """Raise UsageError for another ending than FORMATS, CourseError for a missing directory."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path} must end in one of {', '.join(FORMATS)}")
    if not path.parent.is_dir():
        raise CourseError(f"{path} cannot be written: there is no directory {path.parent}")


# ── drawing ─────────────────────────────────────────────────────────────────────────────────────


def _aspect_lines(one: ExerciseStatistics) -> float:
    return 1.5 * len(one.aspects)


def _draw_aspects(ax: Axes, one: ExerciseStatistics, height: float) -> None:
    """A bar for each aspect: dark as far as it passes, outlined as far as it could."""
    places = [1.5 * place + 0.75 for place in range(len(one.aspects))]
    for place, aspect in zip(places, one.aspects, strict=True):
        passed = aspect.passed
        ax.barh(place, one.attempted, height=1.05, color="white", edgecolor="#8a8a8a", zorder=1)
        ax.barh(place, passed.low, height=1.05, color=PASSED, zorder=2)
        if passed.high > passed.low:  # somewhere in between
            width = passed.high - passed.low
            ax.barh(place, width, 1.05, passed.low, color=LIGHT, hatch="////", zorder=2)
        ax.text(
            one.attempted * 1.02,
            place,
            _share(aspect, one.attempted),
            va="center",
            fontsize=9,
            color=INK,
        )
    _bare(ax, height, one.attempted * 1.3)
    ax.set_yticks(places, [aspect.name for aspect in one.aspects], fontsize=9.5)
    ax.tick_params(axis="y", length=0)
    attempted = f"attempted in {one.attempted} of {one.submissions}"
    ax.set_title(f"{one.exercise}: {attempted}", fontsize=10.5, color=INK, loc="left")


def _share(aspect: AspectCount, attempted: int) -> str:
    if aspect.passed.low != aspect.passed.high:
        return f"{aspect.passed} pass"
    return f"{aspect.passed} pass ({100 * aspect.passed.low / attempted:.0f} %)"


def _shown_mistakes(one: ExerciseStatistics) -> Sequence[Mistake]:
    return [mistake for mistake in one.mistakes if common(mistake)][:MISTAKES]


def _message(mistake: Mistake) -> list[str]:
    return wrap(mistake.message.replace("`", ""), COLUMNS)


def _mistake_height(mistake: Mistake) -> float:
    """Lines that a bar, the sentence below it and some air take."""
    return 1.45 + 0.78 * len(_message(mistake))


def _mistake_lines(one: ExerciseStatistics) -> float:
    return sum(_mistake_height(m) for m in _shown_mistakes(one))


def _draw_mistakes(ax: Axes, one: ExerciseStatistics, height: float, most: int) -> None:
    """A bar for each mistake, on one scale for the whole figure, its sentence below it."""
    top = 0.0
    for mistake in _shown_mistakes(one):
        ax.barh(top + 0.5, mistake.count.low, height=0.8, color=MADE, hatch="//", edgecolor="white")
        words = f"{mistake.count} × {mistake.id}"
        ax.text(
            mistake.count.low + 0.015 * most,
            top + 0.5,
            words,
            va="center",
            fontsize=9.5,
            parse_math=False,
        )
        text = "\n".join(_message(mistake))
        ax.text(
            0,
            top + 1.05,
            text,
            va="top",
            fontsize=8.5,
            color="#444444",
            linespacing=1.15,
            parse_math=False,
        )
        top += _mistake_height(mistake)
    title = "common mistakes"
    if len(one.mistakes) > len(_shown_mistakes(one)):
        title += " (rarer ones in the table)"
    _bare(ax, height, most * 1.9)
    ax.set_yticks([])
    ax.set_title(title, fontsize=10.5, color=INK, loc="left")


def _bare(ax: Axes, height: float, right: float) -> None:
    """A frame without lines, first row on top, in which a line of text is one unit high."""
    ax.set_ylim(height / LINE, 0)
    ax.set_xlim(0, right)
    ax.set_xticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


# ── words ───────────────────────────────────────────────────────────────────────────────────────


def alternative(statistics: ChapterStatistics) -> str:
    """What the figure says, for a reader who cannot see it."""
    said = (*what_to_see(statistics), *remarks(statistics))
    parts = [f"{heading(statistics)}.", *(f"{line[0].upper()}{line[1:]}." for line in said)]
    for one in statistics.exercises:
        if not one.attempted:
            continue
        passed = ", ".join(f"{a.name} {a.passed}" for a in one.aspects)
        parts.append(f"{one.exercise}: of {one.attempted} who attempted it, these pass: {passed}.")
        mistakes = ", ".join(f"{m.id} {m.count}" for m in _shown_mistakes(one))
        if mistakes:
            parts.append(f"Common mistakes: {mistakes}.")
    return " ".join(parts)


# ── files ───────────────────────────────────────────────────────────────────────────────────────


def _image(drawn: Described, kind: str) -> bytes:
    if kind == "png":
        about = {"Software": None, "Description": drawn.alt}
    elif kind == "svg":
        about = {"Date": None, "Creator": None, "Description": drawn.alt}
    else:
        about = {"CreationDate": None, "Creator": None, "Producer": None, "Subject": drawn.alt}
    stream = io.BytesIO()
    # Text stays text, and the names of an SVG's parts do not change from run to run.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "statistics"}):
        drawn.figure.savefig(
            stream, format=kind, dpi=110, bbox_inches="tight", pad_inches=0.12, metadata=about
        )
    data = stream.getvalue()
    if kind == "svg":
        # Metadata is read by no screen reader; a role with a label is.
        label = f'<svg role="img" aria-label="{escape(drawn.alt, quote=True)}" '
        data = data.replace(b"<svg ", label.encode(), 1)
    return data


def _page(drawn: Described) -> bytes:
    title = escape(drawn.figure.get_suptitle().split("\n")[0])
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f"<title>{title}</title></head>\n<body>\n{drawn._repr_html_()}\n"
        f"<p>{escape(drawn.alt)}</p>\n</body>\n</html>\n"
    ).encode()
