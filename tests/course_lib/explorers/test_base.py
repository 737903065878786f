"""What every explorer does: pages without a kernel, and what importing them loads."""

import doctest
import html
import json
import re
import subprocess
import sys

import pytest

from course_lib.explorers import (
    Channels,
    Connections,
    InsideCNN,
    Lineage,
    Playground,
    Pooling,
    ReceptiveField,
    SlidingKernel,
    Upsampling,
    base,
)

EXPLORERS = [
    Channels,
    Connections,
    InsideCNN,
    Lineage,
    Playground,
    Pooling,
    ReceptiveField,
    SlidingKernel,
    Upsampling,
]


def state_in(page):
    text = re.search(r'<script type="application/json" id="cx-state">(.*?)</script>', page)[1]
    return json.loads(text)


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_the_page_holds_the_state_and_everything_it_needs(explorer):
    widget = explorer()
    page = widget.to_html()
    assert state_in(page) == widget.state()
    # Nothing is fetched: no address but the name of the SVG language.
    assert set(re.findall(r"https?://[^\s\"'`)]+", page)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<link|src=|@import|url\(|\bfetch\(|\bimport\s*\(", page)


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_the_same_state_gives_the_same_page(explorer):
    assert explorer().to_html() == explorer().to_html()


def test_the_page_shows_the_present_state():
    widget = SlidingKernel()
    widget.stride = 2
    widget.position = (1, 0)
    assert state_in(widget.to_html())["stride"] == 2
    assert state_in(widget.to_html())["position"] == [1, 0]


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_the_output_holds_the_widget_and_a_page_for_when_no_kernel_answers(explorer):
    widget = explorer()
    data, _ = widget._repr_mimebundle_()
    assert data["application/vnd.jupyter.widget-view+json"]["model_id"] == widget.model_id
    frame = re.fullmatch(r'<iframe srcdoc="([^"]*)"[^>]*></iframe>', data["text/html"])
    assert html.unescape(frame[1]) == widget.to_html()
    assert widget.model_id not in data["text/html"]  # the identifier is random


@pytest.mark.parametrize("explorer", EXPLORERS)
def test_style_names_are_prefixed(explorer):
    """The style applies to the whole notebook page: every rule is about our own elements."""
    style = re.sub(r"/\*.*?\*/", "", explorer()._css, flags=re.DOTALL)
    selectors = [
        selector.strip()
        for rule in re.findall(r"([^{}]+)\{", style)
        for selector in rule.split(",")
        if not rule.strip().startswith(("@", "transparent"))
    ]
    assert len(selectors) > 50
    assert [selector for selector in selectors if ".cx-" not in selector] == []


def test_the_examples_are_true():
    result = doctest.testmod(base)
    assert result.attempted > 0
    assert result.failed == 0


def test_repr_shows_the_state():
    assert repr(Connections()).startswith("Connections(image_size=6, kernel_size=3,")


def test_importing_loads_neither_torch_nor_matplotlib():
    code = (
        "import course_lib.explorers, sys\n"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.split() == ["False", "False"]
