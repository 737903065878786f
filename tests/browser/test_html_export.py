"""An executed notebook, exported as HTML, shows explorers that still work."""

import re

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter

from course_lib import explorers

IMPORT = "from course_lib import explorers"


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    made = ["SlidingKernel(stride=2, filled=True)", *(f"{name}()" for name in explorers.__all__)]
    cells = [IMPORT, *(f"explorers.{call}" for call in made)]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
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


def test_every_explorer_works_in_the_exported_page(exported, open_page, actions):
    page = open_page(exported["light"])
    assert set(actions) == set(explorers.__all__)
    for name, action in actions.items():
        frame = page.locator(f'iframe[title="{name}"]').last
        root = frame.content_frame.locator(".cx-root")
        assert action.shown not in root.inner_text()
        action.act(root)
        assert action.shown in root.inner_text()
        # Each frame is as tall as what it shows.
        inner = frame.element_handle().content_frame()
        height = inner.evaluate("document.documentElement.scrollHeight")
        assert frame.bounding_box()["height"] == pytest.approx(height, abs=1)


def test_the_exported_page_shows_the_state_that_was_set(exported, open_page):
    sliding = open_page(exported["light"]).frame_locator("iframe >> nth=0")
    assert sliding.locator(".cx-output .cx-number").all_inner_texts() == ["15", "25", "25", "35"]
    sliding.get_by_role("slider", name="stride").press("Home")
    assert sliding.locator(".cx-output .cx-cell").count() == 9


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
