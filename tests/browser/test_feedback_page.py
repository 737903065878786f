"""nbgrader's pages, with what a learner may have written on them: it is shown, and does nothing."""

import re

import nbformat
import pytest
from nbconvert import HTMLExporter
from nbgrader.converters import GenerateFeedback
from nbgrader.coursedir import CourseDirectory

from autograder.card import as_html
from autograder.grading.engine import ExerciseGrade
from autograder.grading.rebuild import rebuild
from autograder.verdict import AspectResult, Failure, Mismatch, Verdict

RUN = "alert(1)"
ATTACKS = (
    f"<script>{RUN}</script>",
    f"<img src=x onerror={RUN}>",
    f"<svg onload={RUN}><script>{RUN}</script></svg>",
    f"</pre></div></textarea><script>{RUN}</script>",
    f'"><img src=x onerror={RUN}>',
    f"[a link](javascript:{RUN})",
    f"[a link](< javascript:{RUN}>)",
    f"[a link](&#106;avascript:{RUN})",
    f"![a picture](javascript:{RUN})",
    f"```mermaid\n<img src=x onerror={RUN}>\n```",
    f"$</span><script>{RUN}</script>$",
    f'<iframe srcdoc="<script>parent.{RUN}</script>"></iframe>',
    f"<a id=x href=javascript:{RUN}>a link</a>",
    f"<details open ontoggle={RUN}>",
)


def cell(kind, source, grade_id, **grading):
    flags = {"grade": False, "solution": False, "locked": False, "task": False, **grading}
    metadata = {"nbgrader": {"grade_id": grade_id, "schema_version": 3, **flags}}
    made = {"cell_type": kind, "id": grade_id, "metadata": metadata, "source": source}
    return made | ({"outputs": [], "execution_count": None} if kind == "code" else {})


SOURCE = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "language": "python", "display_name": "P"}},
    "cells": [
        cell("markdown", "1", "why", grade=True, solution=True, points=1),
        cell("code", "1", "double", solution=True),
        cell("code", "check(double)", "test_double", grade=True, locked=True, points=3),
    ],
}


def card(attack):
    """A card that quotes a learner wherever one does."""
    failure = Failure(
        attack, attack, attack, Mismatch("value", attack, attack, attack), attack, ((1, attack),)
    )
    verdict = Verdict(
        attack, "wrong", 0.0, 3.0, (AspectResult(attack, 3, False, 2, 1, "", attack),),
        attack, None, attack, failure,
    )  # fmt: skip
    return as_html(verdict)


def page(template, attacks):
    """A page of nbgrader's: feedback for the learner, or the form for whoever marks."""
    text = "\n\n".join(attacks)
    grade = ExerciseGrade(
        "double", "test_double", "wrong", 0.0, 3.0, 0.0, (), None, text,
        "".join(card(attack) for attack in attacks), text,
    )  # fmt: skip
    notebook = nbformat.from_dict(rebuild(SOURCE, {"why": text, "double": text}, [grade], attacks))
    for shown in notebook.cells:
        shown.metadata.get("nbgrader", {}).update(score=0.0, points=3.0, comment="")
    # What nbgrader itself sets: where its templates and styles are.
    config = GenerateFeedback(coursedir=CourseDirectory()).config
    exporter = HTMLExporter(config=config, template_name=template)
    summary = {"notebook": "ch99", "score": 0.0, "max_score": 4.0, "late_penalty": 0.0}
    resources = {"nbgrader": summary, "notebook_id": "ch99", "base_url": "", "index": 0, "total": 1}
    html, _ = exporter.from_notebook_node(notebook, resources=resources)
    # nbgrader's own page asks its server and the network for scripts; those are not ours to test.
    html = re.sub(r"<script[^>]*\bsrc=[^>]*>\s*</script>|<link[^>]*>", "", html, flags=re.DOTALL)
    return re.sub(r"<script[^>]*>(?:(?!</script>).)*(?:MathJax|mermaid|\$\(|toggle_name)"
                  r"(?:(?!</script>).)*</script>", "", html, flags=re.DOTALL)  # fmt: skip


@pytest.fixture
def shown(browser):
    """`shown(html)`: a page without a network, and what it alerted so far.

    Not `open_page`: a page that quotes attacks asks for pictures that are not there.
    """
    context = browser.new_context(offline=True)

    def show(html):
        opened, ran = context.new_page(), []
        opened.on("dialog", lambda dialog: (ran.append(dialog.message), dialog.dismiss()))
        opened.set_content(html)
        return opened, ran

    yield show
    context.close()


@pytest.mark.parametrize("template", ["feedback", "formgrade"])
def test_nothing_that_a_learner_wrote_runs(shown, template):
    opened, ran = shown(page(template, ATTACKS))
    # The browser itself says where a link would lead.
    links = opened.evaluate(
        "[...document.querySelectorAll('#notebook-container [href], #notebook-container [src]')]"
        ".map(e => [e.innerText, new URL(e.getAttribute('href') ?? e.src, 'file:///').protocol])"
    )
    assert ["a link", "file:"] in links
    assert {protocol for _, protocol in links} == {"file:"}
    opened.wait_for_timeout(200)
    assert ran == []
    for tag in ("script", "svg", "iframe", "details"):
        assert opened.locator(f"#notebook-container {tag}").count() == 0
    assert opened.locator(".cnncard").count() == len(ATTACKS)
    # All the same it is there to be read.
    assert opened.get_by_text(f"<script>{RUN}</script>").count() >= 3


def test_the_browser_would_run_it(shown):
    opened, ran = shown(f"{ATTACKS[0]}{ATTACKS[2]}<a href='javascript:{RUN}'>a link</a>")
    opened.get_by_text("a link").click()
    opened.wait_for_timeout(200)
    assert ran.count("1") >= 3


def test_a_card_looks_as_it_does_in_a_notebook(shown):
    opened, _ = shown(page("feedback", ["plain words"]))
    card = opened.locator(".cnncard")
    assert card.evaluate("e => getComputedStyle(e).borderLeft") == "5px solid rgb(179, 64, 42)"
    assert card.bounding_box()["width"] > 400
    assert "plain words" in card.inner_text()
