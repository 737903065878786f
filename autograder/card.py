"""The card that `check` shows: HTML with heatmaps in a notebook, plain text in a terminal."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from autograder.verdict import AspectResult, Failure, Verdict

ROWS, COLUMNS = 10, 12  # of a heatmap at most
HEADINGS = {
    "pass": "right",
    "partial": "partly right",
    "wrong": "not right yet",
    "not_attempted": "not attempted yet",
    "error": "raised an error",
    "forbidden": "uses a forbidden call",
    "time": "ran too long",
    "memory": "ran out of memory",
    "output": "returned too much",
    "crash": "crashed",
    "tampered": "was tampered with",
    "grader_error": "could not be judged: our fault, not yours",
}


class Card:
    """A verdict made visible. IPython shows the HTML, a terminal the text."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def __repr__(self) -> str:
        return as_text(self.verdict)

    def _repr_html_(self) -> str:
        return as_html(self.verdict)


def points_text(verdict: Verdict) -> str:
    """``2 of 3 points``, without idle decimals."""
    return f"{verdict.earned:g} of {verdict.points:g} points"


def marked(text: str) -> str:
    """Text as HTML: escaped, with what stands between backticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _was_judged(verdict: Verdict) -> bool:
    """Whether cases decided its aspects. A list of crosses would say nothing where none ran."""
    return any(aspect.cases for aspect in verdict.aspects)


# ── text ────────────────────────────────────────────────────────────────────────────────────────


def as_text(verdict: Verdict) -> str:
    """The card as plain text of at most 100 columns."""
    lines = [f"{verdict.exercise}: {HEADINGS[verdict.verdict]} · {points_text(verdict)}"]
    if _was_judged(verdict):
        lines += [f"  {_sign(a)} {a.name}{_remark(a)}" for a in verdict.aspects]
    if verdict.failure is None:
        if verdict.verdict != "pass" and not any(a.note for a in verdict.aspects):
            lines.append(f"  {verdict.message}")
    else:
        lines += _failure_lines(verdict.failure)
    if verdict.advice:
        lines.append(f"  → {verdict.advice}")
    return "\n".join(lines)


def _sign(aspect: AspectResult) -> str:
    return "✓" if aspect.passed else "✗"


def _remark(aspect: AspectResult) -> str:
    if aspect.note:
        return f": {aspect.note}"
    if aspect.waits_for:
        return f" (counts once “{aspect.waits_for}” is right)"
    if aspect.failed and aspect.cases > 1:
        return f" ({aspect.failed} of {aspect.cases} cases fail)"
    return ""


def _failure_lines(failure: Failure) -> list[str]:
    note = f" ({failure.note})" if failure.note else ""
    lines = [f"  {failure.call}{note}", f"    {failure.mismatch.text}"]
    window = _window(failure)
    if window is not None:
        part = f" ({window.part})" if window.part else ""
        lines += [f"    expected{part}:", *_grid_lines(window.expected, None)]
        lines += [f"    yours{part}, differing values in [ ]:"]
        lines += _grid_lines(window.got, window.mask)
    lines += [f"    line {number}: {source}" for number, source in failure.lines]
    if failure.printed:
        lines += ["    your code printed:", *_indented(failure.printed)]
    return lines


def _indented(text: str) -> list[str]:
    return [f"      {line}" for line in text.rstrip().splitlines()[:20]]


def _grid_lines(values: np.ndarray, mask: np.ndarray | None) -> list[str]:
    cells = [[_number(value) for value in row] for row in values]
    width = max((len(cell) for row in cells for cell in row), default=1)
    lines = []
    for y, row in enumerate(cells):
        marked = [
            f"[{cell:>{width}}]" if mask is not None and mask[y, x] else f" {cell:>{width}} "
            for x, cell in enumerate(row)
        ]
        lines.append("      " + "".join(marked))
    return lines


def _number(value: Any) -> str:
    if isinstance(value, np.bool_):
        return str(bool(value))
    if isinstance(value, np.integer):
        return str(int(value))
    return f"{float(value):.4g}"


@dataclass(frozen=True)
class _Window:
    """The two-dimensional part of an answer that is shown; `part` says which, where it is not all.

    `rows` and `columns` are the indices of what is shown.
    """

    expected: np.ndarray
    got: np.ndarray
    mask: np.ndarray
    rows: range
    columns: range
    part: str


def _window(failure: Failure) -> _Window | None:
    """What to show of the arrays that differ: a part that holds the first difference."""
    mismatch = failure.mismatch
    if mismatch.mask is None or mismatch.mask.ndim == 0:
        return None
    expected, got, mask = (np.asarray(a) for a in (mismatch.expected, mismatch.got, mismatch.mask))
    if mask.ndim == 1:
        expected, got, mask = expected[None], got[None], mask[None]
    first = tuple(int(i) for i in np.argwhere(mask)[0])
    plane = first[:-2]
    expected, got, mask = expected[plane], got[plane], mask[plane]
    rows, columns = (
        _shown(position, size, limit)
        for position, size, limit in zip(first[-2:], mask.shape, (ROWS, COLUMNS), strict=True)
    )
    words = [f"[{', '.join(map(str, plane))}]"] if plane else []
    for name, shown, size in (("rows", rows, mask.shape[0]), ("columns", columns, mask.shape[1])):
        if len(shown) < size:
            words.append(f"{name} {shown[0]} to {shown[-1]} of {size}")
    part = np.ix_(rows, columns)
    return _Window(expected[part], got[part], mask[part], rows, columns, ", ".join(words))


def _shown(position: int, size: int, limit: int) -> range:
    start = min(max(0, position - 1), max(0, size - limit))
    return range(start, min(size, start + limit))


# ── HTML ────────────────────────────────────────────────────────────────────────────────────────

_STYLE = """
.cnncard{font:14px/1.45 var(--jp-ui-font-family,system-ui,sans-serif);
 color:var(--jp-content-font-color1,#1b1b1b);border:1px solid var(--jp-border-color2,#c8c8c8);
 border-left:5px solid var(--cnncard-edge);border-radius:4px;padding:10px 14px;margin:4px 0;
 max-width:52em}
.cnncard-pass{--cnncard-edge:#2a7f62}.cnncard-partial{--cnncard-edge:#c08a00}
.cnncard-fail{--cnncard-edge:#b3402a}.cnncard-idle{--cnncard-edge:#8a8a8a}
.cnncard h4{margin:0 0 4px;font-size:15px;font-weight:600}
.cnncard h4 span{font-weight:400;opacity:.75}
.cnncard ul{list-style:none;margin:4px 0;padding:0}
.cnncard li{margin:1px 0}.cnncard li b{display:inline-block;width:1.4em}
.cnncard code,.cnncard pre{font:13px/1.4 var(--jp-code-font-family,ui-monospace,monospace);
 background:var(--jp-layout-color2,#f3f3f3);color:inherit;border-radius:3px;padding:0 3px;
 white-space:pre-wrap;overflow-wrap:anywhere}
.cnncard pre{padding:4px 8px;margin:4px 0}
.cnncard p{margin:6px 0}
.cnncard-advice{border-top:1px solid var(--jp-border-color2,#c8c8c8);padding-top:6px}
.cnncard-maps{display:flex;flex-wrap:wrap;gap:18px;margin:6px 0}
.cnncard-maps table{border-collapse:collapse;width:auto;margin:0}
.cnncard-maps caption{text-align:left;font-size:12px;opacity:.8;padding:0 0 2px}
.cnncard-maps td{min-width:2.6em;height:1.9em;padding:0 4px;text-align:center;font-size:12px;
 border:1px solid #d8d8d8;color:#111;background:#fff}
.cnncard-maps th{font-size:10px;font-weight:400;opacity:.6;padding:0 3px;text-align:center;
 background:none;border:none}
.cnncard-maps td.cnncard-off{border:2px solid #111;font-weight:700}
"""


def as_html(verdict: Verdict) -> str:
    """The card as a self-contained piece of HTML; every text in it is escaped."""
    tone = {"pass": "pass", "partial": "partial", "not_attempted": "idle"}.get(
        verdict.verdict, "fail"
    )
    parts = [
        f"<style>{_STYLE}</style>",
        f'<div class="cnncard cnncard-{tone}" role="status">',
        f"<h4>{escape(verdict.exercise)}: {escape(HEADINGS[verdict.verdict])} "
        f"<span>· {points_text(verdict)}</span></h4>",
    ]
    if _was_judged(verdict):
        items = "".join(
            f"<li><b>{_sign(a)}</b>{escape(a.name)}{escape(_remark(a))}</li>"
            for a in verdict.aspects
        )
        parts.append(f"<ul>{items}</ul>")
    if verdict.failure is not None:
        parts.append(_failure_html(verdict.failure))
    elif verdict.verdict != "pass" and not any(a.note for a in verdict.aspects):
        parts.append(f"<p>{marked(verdict.message)}</p>")
    if verdict.advice:
        parts.append(f'<p class="cnncard-advice"><b>→</b> {marked(verdict.advice)}</p>')
    parts.append("</div>")
    return "".join(parts)


def _failure_html(failure: Failure) -> str:
    note = f" <span>({escape(failure.note)})</span>" if failure.note else ""
    parts = [
        f"<p>The smallest case that fails: <code>{escape(failure.call)}</code>{note}<br>"
        f"{marked(failure.mismatch.text)}</p>"
    ]
    window = _window(failure)
    if window is not None:
        parts.append(
            '<div class="cnncard-maps">'
            + _table("expected", window, window.expected, np.zeros_like(window.mask))
            + _table("yours, differing values framed", window, window.got, window.mask)
            + "</div>"
        )
    if failure.lines:
        code = "\n".join(f"line {number}: {source}" for number, source in failure.lines)
        parts.append(f"<pre>{escape(code)}</pre>")
    if failure.printed:
        parts.append(f"<p>Your code printed:</p><pre>{escape(failure.printed)}</pre>")
    return "".join(parts)


def _scale(*arrays: Any) -> float:
    finite = [np.abs(a[np.isfinite(a)]) for a in (np.asarray(x, float) for x in arrays)]
    return max((float(a.max()) for a in finite if a.size), default=0.0) or 1.0


def _table(title: str, window: _Window, values: np.ndarray, mask: np.ndarray) -> str:
    scale = _scale(window.expected, window.got)
    part = f" ({window.part})" if window.part else ""
    head = "".join(f"<th>{column}</th>" for column in window.columns)
    rows = [f"<tr><th></th>{head}</tr>"]
    for y, row in enumerate(values):
        cells = [f"<th>{window.rows[y]}</th>"]
        for x, value in enumerate(row):
            off = ' class="cnncard-off"' if mask[y, x] else ""
            style = f' style="background:{_colour(float(value) / scale)}"'
            cells.append(f"<td{off}{style}>{escape(_number(value))}</td>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f"<table><caption>{escape(title + part)}</caption>{''.join(rows)}</table>"


def _colour(t: float) -> str:
    """Diverging, white at zero: orange below, blue above, light enough for black text."""
    if not np.isfinite(t):
        return "#dddddd"
    t = max(-1.0, min(1.0, t))
    end = (120, 170, 225) if t > 0 else (240, 170, 100)
    mix = [round(255 + (c - 255) * abs(t)) for c in end]
    return f"rgb({mix[0]},{mix[1]},{mix[2]})"
