"""Honest submissions: nothing in them may cost a point."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from table.row import HONEST, Notebook, Row, first, last


def _cells(change: Callable[[dict[str, Any]], None]) -> Callable[[Notebook], None]:
    """Do something to every cell of a notebook."""

    def change_all(notebook: Notebook) -> None:
        for cell in notebook["cells"]:
            change(cell)

    return change_all


def _with_extra_cells(notebook: Notebook) -> None:
    def extra(kind: str, source: str) -> dict[str, Any]:
        cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": source}
        return cell | ({"outputs": [], "execution_count": 7} if kind == "code" else {})

    cells = notebook["cells"]
    notebook["cells"] = [
        extra("code", "1 / 0"),
        *(part for cell in cells for part in (cell, extra("code", "while False: pass"))),
        extra("raw", "raw"),
        extra("markdown", "# My notes\n<b>bold</b>"),
    ]


def _edited_prose(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = "I crossed this out and wrote $x^2$ and <script>alert(1)</script>."


def _with_outputs(notebook: Notebook) -> None:
    for count, cell in enumerate(notebook["cells"], start=1):
        if cell["cell_type"] == "code":
            cell["execution_count"] = count
            cell["outputs"] = [
                {"output_type": "stream", "name": "stderr", "text": ["a warning\n"]},
                {
                    "output_type": "display_data",
                    "data": {"image/png": "iVBORw0KGgo=", "text/plain": ["<Figure>"]},
                    "metadata": {},
                },
            ]


def _version(minor: int) -> Callable[[Notebook], None]:
    def change(notebook: Notebook) -> None:
        notebook["nbformat_minor"] = minor
        if minor < 5:
            for cell in notebook["cells"]:
                del cell["id"]

    return change


def _lines(cell: dict[str, Any]) -> None:
    cell["source"] = cell["source"].splitlines(keepends=True)


def _vs_code(notebook: Notebook) -> None:
    notebook["metadata"] = {
        "language_info": {"name": "python", "version": "3.12.1"},
        "vscode": {"interpreter": {"hash": "0" * 64}},
    }
    for cell in notebook["cells"]:
        cell["metadata"]["vscode"] = {"languageId": "python"}
        _lines(cell)


def _colab(notebook: Notebook) -> None:
    notebook["nbformat_minor"] = 0
    notebook["metadata"] = {
        "colab": {"provenance": [], "toc_visible": True},
        "kernelspec": {"name": "python3", "display_name": "Python 3"},
    }
    for place, cell in enumerate(notebook["cells"]):
        del cell["id"]
        cell["metadata"]["id"] = f"x{place}"
        cell["metadata"]["colab"] = {"base_uri": "https://localhost:8080/"}
        _lines(cell)


def _jupyterlab(notebook: Notebook) -> None:
    for cell in notebook["cells"]:
        cell["metadata"] |= {
            "collapsed": False,
            "editable": True,
            "tags": ["mine"],
            "slideshow": {"slide_type": ""},
            "execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"},
        }
    notebook["metadata"]["widgets"] = {
        "application/vnd.jupyter.widget-state+json": {"state": {}, "version_major": 2}
    }


def _another_language(notebook: Notebook) -> None:
    notebook["metadata"]["kernelspec"] = {"name": "cnn-env", "display_name": "My env"}


def _byte_order_mark(notebook: Notebook) -> bytes:
    return json.dumps(notebook).encode("utf-8-sig")


def _unescaped(notebook: Notebook) -> bytes:
    return json.dumps(notebook, ensure_ascii=False).replace("\n", "\r\n").encode()


ROWS = [
    Row("honest", harmless=True),
    # ── what code may do on its way ──
    Row("warns", first("import warnings\nwarnings.warn('careful')"), harmless=True),
    Row("warnings are errors", first("import warnings\nwarnings.simplefilter('error')"),
        harmless=True),
    Row("warns when called",
        {"zero_pad": HONEST["zero_pad"].replace("    height,", "    import warnings\n"
                                                "    warnings.warn('slow')\n    height,")},
        harmless=True),
    Row("writes to stderr", first("import sys\nprint('note', file=sys.stderr)"), harmless=True),
    Row("prints much", first("print('x' * 10**7)"), harmless=True),
    Row("prints when called",
        {"zero_pad": HONEST["zero_pad"].replace("    height,", "    print(image)\n    height,")},
        harmless=True),
    Row("logs", first("import logging\nlogging.basicConfig(level=0)\nlogging.error('hm')"),
        harmless=True),
    Row("plots",
        last("import matplotlib.pyplot as plt\nplt.plot([output_size(n, 3) for n in (3, 4)])\n"
             "plt.show()\nfigure = plt.figure()"),
        harmless=True),
    Row("shows things",
        last("from IPython.display import HTML, display\ndisplay(HTML('<b>hello</b>'))\n"
             "output_size(5, 3)"),
        harmless=True),
    Row("exits at the end", last("exit()"), harmless=True),
    Row("system-exits at the end", last("raise SystemExit(1)"), harmless=True),
    Row("fails at the end", last("assert output_size(5, 3) == 99"), harmless=True),
    Row("checks itself", last("check(output_size)\nassert check is not None"), harmless=True),
    Row("magics", first("%matplotlib inline\n%time 1 + 1\n%load_ext autoreload\n%autoreload 2"),
        harmless=True),
    Row("shell commands", first("!echo hello\nfiles = !ls"), harmless=True),
    Row("cell magic", last("get_ipython().run_cell_magic('time', '', 'output_size(5, 3)')"),
        harmless=True),
    Row("top-level await", first("import asyncio\nawait asyncio.sleep(0)"), harmless=True),
    Row("annotations",
        first("from __future__ import annotations\nfrom dataclasses import dataclass\n\n"
              "@dataclass\nclass Window:\n    at: int | None = None\n"),
        harmless=True),
    Row("a subprocess",
        first("import subprocess, sys\n"
              "subprocess.run([sys.executable, '-c', 'print(1)'], check=True, timeout=20)"),
        harmless=True),
    Row("threads",
        first("from concurrent.futures import ThreadPoolExecutor\n"
              "with ThreadPoolExecutor(4) as pool:\n    print(sum(pool.map(abs, range(99))))"),
        harmless=True),
    Row("processes",
        first("import multiprocessing\n"
              "with multiprocessing.get_context('fork').Pool(2) as pool:\n"
              "    assert pool.map(abs, [-1, 2]) == [1, 2]"),
        harmless=True),
    Row("much memory", first("import numpy as np\nbig = np.ones(50_000_000)\nbig.sum()"),
        harmless=True),
    Row("a file of its own",
        first("import pathlib, tempfile\nnotes = pathlib.Path('notes.txt')\n"
              "notes.write_text('hello')\nassert notes.read_text() == 'hello'\n"
              "with tempfile.TemporaryFile() as file:\n    file.write(b'x')\n"
              "np.save('a.npy', np.ones(3))\nassert np.load('a.npy').sum() == 3"),
        harmless=True),
    Row("its home", first("import pathlib\npathlib.Path('~/.mine').expanduser()"), harmless=True),
    Row("pickles its own", first("import pickle\npickle.loads(pickle.dumps({1: 2}))"),
        harmless=True),
    Row("seeds chance", first("import random\nrandom.seed(1)\nnp.random.seed(1)"), harmless=True),
    Row("sets numpy up", first("np.set_printoptions(precision=1)\nnp.seterr(all='raise')"),
        harmless=True),
    Row("recursion",
        {"output_size": HONEST["output_size"]
         + "\ndef deep(n): return n and 1 + deep(n - 1)\ndeep(500)\n"},
        harmless=True),
    Row("imports torch", first("import torch\ntorch.ones(2).sum()"), harmless=True),
    Row("shadows a builtin", last("sum = list = 3\nmax = min"), harmless=True),
    Row("unicode",
        first("größe = 'Fenster π ✓ 日本 🙂'\nprint(größe)  # ﷽"), harmless=True),
    Row("windows lines", {name: HONEST[name].replace("\n", "\r\n") for name in ("output_size",)},
        harmless=True),
    Row("tabs", {"output_size": HONEST["output_size"].replace("    ", "\t")}, harmless=True),
    Row("a lambda",
        {"output_size": HONEST["output_size"].replace("def output_size(", "def named(")
         + "output_size = lambda *a, **k: named(*a, **k)\n"},
        harmless=True),
    Row("a class that is called",
        {"output_size": HONEST["output_size"].replace("def output_size(", "def counted(")
         + "\nclass Size:\n    def __call__(self, *a, **k):\n        return counted(*a, **k)\n"
         "output_size = Size()\n"},
        harmless=True),
    Row("helpers in another cell",
        {"output_size": "def two(v):\n    return (v, v) if np.isscalar(v) else v\n"
         + HONEST["output_size"],
         "zero_pad": HONEST["zero_pad"].replace(
             "(padding, padding) if np.isscalar(padding) else padding", "two(padding)"),
         "quiz_02": "assert zero_pad(np.ones((2, 2)), 1).shape == (4, 4)\n" + HONEST["quiz_02"]},
        harmless=True),
    # ── what an editor does to a notebook ──
    Row("extra cells", change=_with_extra_cells, harmless=True),
    Row("prose edited", change=_edited_prose, harmless=True),
    Row("saved with outputs", change=_with_outputs, harmless=True),
    Row("saved by VS Code", change=_vs_code, harmless=True),
    Row("saved by Colab", change=_colab, harmless=True),
    Row("saved by JupyterLab", change=_jupyterlab, harmless=True),
    Row("another kernel's name", change=_another_language, harmless=True),
    Row("source as lines", change=_cells(_lines), harmless=True),
    Row("byte order mark", change=_byte_order_mark, harmless=True),
    Row("unescaped", first("name = 'größe 🙂'"), change=_unescaped, harmless=True),
    *(Row(f"nbformat 4.{minor}", change=_version(minor), harmless=True) for minor in range(5)),
]  # fmt: skip
