"""What JupyterLab is told when the course starts it."""

import json

import nbformat
from nbconvert import HTMLExporter
from traitlets.config import Config

from autograder.lab import SETTINGS


def test_exported_pages_show_live_figures_and_not_their_widgets() -> None:
    settings = json.loads((SETTINGS / "jupyter_server_config.json").read_text(encoding="utf-8"))
    output = nbformat.v4.new_output(
        "display_data",
        {
            "text/plain": "SlidingKernel()",
            "text/html": "<iframe></iframe>",
            "application/vnd.jupyter.widget-view+json": {"model_id": "1"},
        },
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[output])])
    # A notebook that stores its widgets' state: without it, HTML is preferred anyway.
    state = {"state": {"1": {"model_name": "M", "model_module": "m", "state": {}}}}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    page, _ = HTMLExporter(config=Config(settings)).from_notebook_node(notebook)
    assert "<iframe" in page
    page, _ = HTMLExporter().from_notebook_node(notebook)
    assert "<iframe" not in page  # what the setting is for
