"""An executed notebook, exported as HTML, shows explorers that still work."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

CELL = """
from course_lib.explorers import Connections, SlidingKernel
explorer = SlidingKernel(stride=2, filled=True)
explorer
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(CELL), nbformat.v4.new_code_cell("Connections()")]
    )
    # Without the widgets' own state, the export takes the frame in place of a widget that it would
    # have to fetch a viewer for.
    NotebookClient(
        notebook,
        store_widget_state=False,
        resources={"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}},
    ).execute()
    return {
        theme: re.sub(
            # The exporter's own page asks the network for MathJax and RequireJS; not ours to test.
            r"<script[^>]*\bsrc=\"https?://[^>]*>\s*</script>",
            "",
            HTMLExporter(theme=theme).from_notebook_node(notebook)[0],
            flags=re.DOTALL,
        )
        for theme in ("light", "dark")
    }


def test_the_explorers_work_in_the_exported_page(exported, open_page):
    page = open_page(exported["light"])
    sliding = page.frame_locator("iframe >> nth=0")
    connections = page.frame_locator("iframe >> nth=1")
    assert sliding.locator(".cx-output .cx-number").all_inner_texts() == ["15", "25", "25", "35"]
    sliding.locator('.cx-output [data-r="1"][data-c="0"]').hover()
    assert sliding.locator(".cx-readout dt").first.inner_text() == "Output (1, 0)"
    sliding.get_by_role("slider", name="stride").press("Home")
    assert sliding.locator(".cx-output .cx-cell").count() == 9
    connections.locator('[aria-label="Convolution"] .cx-input [data-r="0"][data-c="0"]').hover()
    assert "feeds 1 of the 16 outputs" in connections.locator(".cx-sentence").last.inner_text()
    # Each frame is as tall as what it shows.
    for name in ("SlidingKernel", "Connections"):
        frame = page.locator(f'iframe[title="{name}"]')
        inner = frame.element_handle().content_frame()
        height = inner.evaluate("document.documentElement.scrollHeight")
        assert frame.bounding_box()["height"] == pytest.approx(height, abs=1)


def test_the_frames_follow_the_pages_theme(exported, open_page):
    for theme, light in (("light", "true"), ("dark", "false")):
        page = open_page(exported[theme])
        body = page.frame_locator("iframe >> nth=0").locator("body")
        assert body.get_attribute("data-jp-theme-light") == light
        outside = page.evaluate(
            "getComputedStyle(document.body).getPropertyValue('--jp-layout-color0')"
        )
        inside = body.evaluate(
            "(body) => getComputedStyle(body).getPropertyValue('--jp-layout-color0')"
        )
        assert inside.strip() == outside.strip() != ""
