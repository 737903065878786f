"""Calls an explorer's JavaScript functions from Python, through Node."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from typing import Any

import pytest

RUNNER = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const { module, calls } = JSON.parse(readFileSync(0, "utf8"));
const functions = await import(pathToFileURL(module));
const results = calls.map(([name, args]) =>
  typeof functions[name] === "function" ? functions[name](...args) : functions[name]);
console.log(JSON.stringify(results));
"""

Call = tuple[str, list[Any]]


@pytest.fixture(scope="session")
def javascript(tmp_path_factory) -> Callable[[type, Iterable[Call]], list[Any]]:
    """`javascript(Explorer, [(name, arguments), …])`: what the module's exports return, in order.

    One Node process answers the whole list, so a test makes a table and asks once.
    """
    node = shutil.which("node")
    if node is None:
        pytest.fail("Node is needed to test the explorers' JavaScript: apt-get install nodejs")
    folder = tmp_path_factory.mktemp("explorers")

    def call(explorer: type, calls: Iterable[Call]) -> list[Any]:
        module = folder / f"{explorer.__name__}.mjs"
        module.write_text(explorer.module_text(), encoding="utf-8")
        answer = subprocess.run(
            [node, "--input-type=module", "--eval", RUNNER],
            input=json.dumps({"module": str(module), "calls": list(calls)}),
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout)

    return call
