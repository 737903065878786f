"""Chapter 07: the landmark networks on a timeline, their stages, their blocks at work."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import traitlets

from course_lib.explorers.base import Explorer, WholeNumber

__all__ = ["Lineage"]

MOST = 99
"""No network has as many stages, blocks in a stage, or steps in a block."""


@functools.cache
def networks() -> dict[str, dict[str, Any]]:
    """What was measured of each network, by name: see `lineage_facts`."""
    text = Path(__file__).with_name("lineage.json").read_text(encoding="utf-8")
    return {one["name"]: one for one in json.loads(text)}


NAMES = tuple(networks())


class Lineage(Explorer):
    """Fourteen networks from 1998 to 2022: what each answers, its stages, its blocks at work.

    State (all of it can be given to the constructor, set, and read):

        measure  what the timeline's height shows: "params", "macs" or "depth"
        model    the name of the network looked at, as in `course_lib.nets`
        stage    which of its stages, from 0; the stem comes first and the head last
        block    which block of that stage, from 0
        step     how many of the block's steps have been taken by the small numbers
        zero     True sets all weights of the block to 0

    A stage or block that the network does not have raises `traitlets.TraitError`; another network
    keeps them where it has them.

    >>> explorer = Lineage(model="vgg16", stage=5)
    >>> explorer.network["params"], explorer.facts["params"]  # the head has most of them
    (138357544, 123642856)
    """

    _script = "lineage.js"
    _parts = ("lineage.json", "lineage_networks.js", "lineage_numbers.js", "lineage_plan.js")
    _state_names = ("measure", "model", "stage", "block", "step", "zero")
    _frame_height = 1300

    measure = traitlets.Enum(("params", "macs", "depth"), "params").tag(sync=True)
    model = traitlets.Enum(NAMES, "resnet50").tag(sync=True)
    stage = WholeNumber(2, 0, MOST).tag(sync=True)
    block = WholeNumber(1, 0, MOST).tag(sync=True)
    step = WholeNumber(0, 0, MOST).tag(sync=True)
    zero = traitlets.Bool(False).tag(sync=True)

    @property
    def network(self) -> dict[str, Any]:
        """What was measured of the network looked at."""
        return networks()[self.model]

    @property
    def facts(self) -> dict[str, Any]:
        """The same of its stage: name, shape, params, macs, field, sees, blocks.

        `sees` is how many pixels of a side the middle unit sees within the image; `field` is the
        receptive field, the border not minded, None where attention or a gate leaves no fixed one.
        """
        stages: list[dict[str, Any]] = self.network["stages"]
        return stages[self.stage]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The layers of the block looked at, in the order in which they work."""
        kind = self.network["kinds"][self.facts["blocks"][self.block]]
        steps: list[dict[str, Any]] = kind["steps"]
        return steps

    @traitlets.validate("stage")
    def _the_stage_is_there(self, proposal: Any) -> Any:
        return _below(proposal["value"], "stage", len(self.network["stages"]), self.model)

    @traitlets.validate("block")
    def _the_block_is_there(self, proposal: Any) -> Any:
        stage = f"stage {self.stage} of {self.model}"
        return _below(proposal["value"], "block", len(self.facts["blocks"]), stage)

    @traitlets.observe("model", "stage")
    def _keep_stage_and_block_inside(self, change: Any) -> None:
        self.stage = min(self.stage, len(self.network["stages"]) - 1)
        self.block = min(self.block, len(self.facts["blocks"]) - 1)


def _below(number: int, name: str, count: int, of: str) -> int:
    if number >= count:
        raise traitlets.TraitError(f"{name} (={number}) must be below {count}: {of} has no more")
    return number
