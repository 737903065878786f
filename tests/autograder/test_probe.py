import builtins
import collections
import functools
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from autograder import probe
from autograder.exercise import Aspect, Case, FunctionExercise
from autograder.plain import Opaque, pack, unpack
from autograder.probe import Observation, Request, observe


def ask(*calls: tuple[Any, ...], **changes: Any) -> Request:
    filled = tuple(
        {
            "args": args,
            "kwargs": {},
            "inputs": (),
            "train": False,
            "measure": "output",
            "count_steps": False,
        }
        for args in calls
    )
    return replace(Request("f", "function", "f", filled, time_limit=1.0), **changes)


def one(f: Callable[..., Any], *args: Any, **changes: Any) -> Observation:
    (observation,) = observe(ask(args, **changes), f)
    return observation


def swallow_everything(x: int) -> None:
    while True:
        try:
            while True:
                pass
        except BaseException:
            continue


def raise_unreadable(x: int) -> None:
    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    raise UnreadableError


def leave(x: int) -> None:
    sys.exit(0)


def press_stop(x: int) -> None:
    raise KeyboardInterrupt


def recurse(x: int) -> int:
    return recurse(x + 1)


def run_out(x: int) -> None:
    raise MemoryError


def unfold_integers(x: int) -> Any:
    import torch

    ones = torch.ones(1, 1, 2, 2, dtype=torch.long)  # "im2col" not implemented for 'Long'
    return torch.nn.functional.unfold(ones, 2)


def unfinished(x: int) -> None:
    raise NotImplementedError("your code here")


def wait(x: int) -> None:
    time.sleep(60)


@pytest.mark.parametrize(
    ("f", "status", "trouble"),
    [
        (lambda x: x, "ok", None),
        (lambda x: 1 / 0, "raised", "ZeroDivisionError"),
        (lambda: 0, "raised", "TypeError"),
        (3, "raised", "TypeError"),
        (None, "raised", "TypeError"),
        (raise_unreadable, "raised", "UnreadableError"),
        (leave, "raised", "SystemExit"),
        (press_stop, "raised", "KeyboardInterrupt"),
        (recurse, "raised", "RecursionError"),
        (run_out, "memory", "MemoryError"),
        (unfinished, "not_attempted", "NotImplementedError"),
        (unfold_integers, "raised", "NotImplementedError"),
        (swallow_everything, "time", None),
        (wait, "time", None),
    ],
)
def test_whatever_happens_is_written_down(f: Any, status: str, trouble: str | None) -> None:
    observation = one(f, 1)
    assert observation.status == status
    assert (observation.trouble.type if observation.trouble else None) == trouble


def test_no_exception_lingers_after_a_loop_that_swallows() -> None:
    def swallow_bare(x: int) -> None:
        while True:
            try:  # noqa: SIM105 - the loop that a learner writes
                pass
            except:  # noqa: E722
                pass

    for f in (swallow_everything, swallow_bare):
        assert one(f, 1).status == "time"
        assert sys.exc_info() == (None, None, None)


def test_an_interrupt_by_the_user_gets_out() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background

    def interrupted(x: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)

    try:
        with pytest.raises(KeyboardInterrupt):
            one(interrupted, 1)
    finally:
        signal.signal(signal.SIGINT, before)


def test_time_is_up_on_other_threads_too() -> None:
    seen: list[Observation] = []

    def loop(x: int) -> None:
        while True:
            pass

    thread = threading.Thread(target=lambda: seen.append(one(loop, 1)))
    thread.start()
    thread.join(10)
    assert [observation.status for observation in seen] == ["time"]


def test_time_is_for_all_cases_together() -> None:
    start = time.monotonic()
    statuses = [o.status for o in observe(ask((1,), (2,), (3,)), wait)]
    assert statuses == ["time"] * 3
    assert time.monotonic() - start < 2.5


def test_a_loop_on_some_cases_costs_the_others_nothing() -> None:
    def stuck_on_even(x: int) -> int:
        while x % 2 == 0:
            pass
        return x

    observations = observe(ask((2,), (1,), (4,), (3,), (6,), (5,), (7,)), stuck_on_even)
    assert [o.status for o in observations] == ["time", "ok"] * 3 + ["ok"]


def test_torch_costs_a_function_none_of_its_time_and_its_compiler_nobody_any() -> None:
    script = (
        "import sys\n"
        "from autograder.probe import Request, observe\n"
        "def f(x):\n    import torch\n    return x\n"
        "call = dict(args=(1,), kwargs={}, inputs=(), train=False, measure='output', "
        "count_steps=False)\n"
        "print(observe(Request('f', 'function', 'f', (call,), time_limit=0.2), f)[0].status)\n"
        "def g(x):\n    import torch\n    return torch.ones(x) + 1\n"
        "watched = Request('g', 'function', 'g', (call,), forbidden=('torch:aten.add',))\n"
        "print(observe(watched, g)[0].forbidden, 'torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == ["ok", "('torch:aten.add',) False"], done.stderr


def test_output_is_kept_from_the_notebook_and_cut(capfd: pytest.CaptureFixture[str]) -> None:
    def loud(x: int) -> int:
        print("hello")
        print("problem", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        print("x" * 10_000)
        return x

    observation = one(loud, 1)
    assert observation.value == 1
    assert observation.printed.startswith("hello\nproblem\n")
    assert "characters more" in observation.printed
    assert len(observation.printed) < 2_100
    assert capfd.readouterr() == ("", "")


def test_new_figures_are_closed() -> None:
    import matplotlib.pyplot as plt

    kept = plt.figure()
    assert one(lambda x: plt.figure().number, 1).status == "ok"
    assert plt.get_fignums() == [kept.number]
    plt.close(kept)


def test_changed_inputs_are_named() -> None:
    def change(x: np.ndarray, y: np.ndarray, z: list[int]) -> np.ndarray:
        y[0] = 9
        z.append(1)
        return x

    observation = one(change, np.zeros(2), np.zeros(2), [0])
    assert observation.changed == ("argument 2", "argument 3")
    assert one(lambda x: x[:1], np.zeros(2)).changed == ()
    assert one(lambda x: x[:1], np.array([np.nan])).changed == ()


def test_every_case_gets_fresh_inputs() -> None:
    x = np.zeros(2)

    def add(x: np.ndarray) -> float:
        x += 1
        return float(x.sum())

    assert [o.value for o in observe(ask((x,), (x,)), add)] == [2, 2]


def test_steps_tell_loops_from_array_operations() -> None:
    calls = ({**ask((np.ones(500),)).calls[0], "count_steps": True},)

    def steps(f: Callable[[np.ndarray], Any]) -> int:
        (observation,) = observe(replace(ask(), calls=calls), f)
        assert observation.steps is not None
        return observation.steps

    loops: list[Callable[[np.ndarray], Any]] = [
        lambda x: [v * 2 for v in x],
        lambda x: list(map(lambda v: v * 2, x)),
        lambda x: np.vectorize(lambda v: v * 2)(x),
        lambda x: sum(v * 2 for v in x),
    ]
    assert all(steps(f) > 1_000 for f in loops)
    assert steps(lambda x: x * 2) < 20
    assert steps(lambda x: print(x, np.eye(9))) < 20  # formatting is NumPy's work
    assert steps(lambda x: np.einsum("i,i->", x, x)) < 500


def test_tracing_is_put_back() -> None:
    before = sys.gettrace()
    test_steps_tell_loops_from_array_operations()
    assert sys.gettrace() is before


# ── forbidden calls ─────────────────────────────────────────────────────────────────────────────

FORBIDDEN = ("scipy.signal.convolve2d", "torch.nn.functional.conv2d", "torch:aten.convolution")


def test_forbidden_calls_are_seen_however_they_are_reached() -> None:
    import scipy.signal
    from scipy.signal import convolve2d

    image = np.ones((3, 3))
    globals()["from_outside"] = convolve2d

    def by_module(x: np.ndarray) -> Any:
        return scipy.signal.convolve2d(x, x)

    def by_import(x: np.ndarray) -> Any:
        from scipy.signal import convolve2d as other

        return other(x, x)

    def by_global(x: np.ndarray) -> Any:
        return from_outside(x, x)  # type: ignore[name-defined]  # noqa: F821

    for f in (by_module, by_import, by_global):
        observation = one(f, image, forbidden=FORBIDDEN)
        assert observation.forbidden == ("scipy.signal.convolve2d",)
        assert observation.value.sum() == 81  # it still does its work
    assert scipy.signal.convolve2d is convolve2d
    assert globals().pop("from_outside") is convolve2d


class _Calling:
    """Calls a function that it finds among the globals of its own method."""

    def __call__(self, x: np.ndarray) -> Any:
        return from_outside(x, x)  # type: ignore[name-defined]  # noqa: F821


def test_what_stands_for_a_forbidden_function_is_seen() -> None:
    from scipy.signal import convolve2d

    image = np.ones((3, 3))
    globals()["from_outside"] = convolve2d
    applied = functools.partial(convolve2d, image)
    cached = functools.lru_cache(lambda x: from_outside(image, image))  # type: ignore[name-defined]  # noqa: F821
    assert one(convolve2d, image, image, forbidden=FORBIDDEN).forbidden
    assert one(applied, image, forbidden=FORBIDDEN).forbidden
    assert one(cached, 1, forbidden=FORBIDDEN).forbidden
    assert one(_Calling(), image, forbidden=FORBIDDEN).forbidden
    assert not one(functools.partial(np.add, image), image, forbidden=FORBIDDEN).forbidden
    assert globals().pop("from_outside") is convolve2d


def test_a_class_that_inherits_a_forbidden_one_is_seen() -> None:
    class Own(collections.Counter):  # type: ignore[type-arg]
        pass

    class Other(dict):  # type: ignore[type-arg]
        pass

    forbidden = ("collections.Counter",)
    assert one(Own, "aab", forbidden=forbidden).forbidden == forbidden
    assert one(Other, {1: 2}, forbidden=forbidden).forbidden == ()


def test_torch_operators_are_seen_at_dispatch() -> None:
    import torch

    def layer(x: np.ndarray) -> Any:
        return torch.nn.Conv2d(1, 1, 1)(torch.tensor(x, dtype=torch.float32)[None, None])

    def product(x: np.ndarray) -> Any:
        return torch.tensor(x) @ torch.tensor(x)

    assert (
        "torch:aten.convolution"
        in one(layer, np.ones((2, 2)), forbidden=FORBIDDEN, time_limit=30.0).forbidden
    )
    assert one(product, np.ones((2, 2)), forbidden=FORBIDDEN, time_limit=30.0).forbidden == ()


def test_a_library_may_use_its_own_functions() -> None:
    import scipy.signal

    def correlate(x: np.ndarray) -> Any:
        return scipy.signal.medfilt2d(x)

    assert one(correlate, np.ones((3, 3)), forbidden=FORBIDDEN).forbidden == ()


def test_imports_work_as_before_afterwards() -> None:
    before = builtins.__import__
    one(lambda x: x, 1, forbidden=FORBIDDEN)
    assert builtins.__import__ is before


# ── plain data ──────────────────────────────────────────────────────────────────────────────────


def test_requests_and_observations_survive_the_wire() -> None:
    request = ask((np.arange(3), 2.0), ("x",))
    back = Request.from_plain(unpack(pack(request.to_plain())))
    assert back.name == request.name
    assert np.array_equal(back.calls[0]["args"][0], np.arange(3))
    for f in (lambda *a: object(), lambda *a: 1 / 0, lambda *a: (np.arange(2), None)):
        for observation in observe(request, f):
            again = Observation.from_plain(unpack(pack(observation.to_plain())))
            assert again.to_plain().keys() == observation.to_plain().keys()
            assert again.status == observation.status
            assert again.trouble == observation.trouble or again.trouble is not None


@pytest.mark.parametrize(
    "data",
    [
        None,
        3,
        {},
        {"status": "pass"},
        {"status": "ok", "score": 1},
        {"status": "ok", "steps": "few"},
        {"status": "ok", "printed": Opaque("str")},
        {"status": "ok", "trouble": {"type": "X"}},
    ],
)
def test_rubbish_is_no_observation(data: Any) -> None:
    with pytest.raises(ValueError, match="no observation"):
        Observation.from_plain(data)


def test_the_request_holds_nothing_to_judge_by() -> None:
    exercise = FunctionExercise(
        name="f",
        chapter="99",
        signature="f(x)",
        aspects=(Aspect("plain", 1),),
        reference=len,
    )
    data = probe.request(exercise, [Case("plain", ([1],), targets=[7], max_steps=5)]).to_plain()
    assert set(data) == {"name", "kind", "variable", "calls", "forbidden", "time_limit"}
    assert set(data["calls"][0]) == {"args", "kwargs", "inputs", "train", "measure", "count_steps"}
    assert 7 not in pack(data)[8:]


def test_a_linear_layer_and_a_convolution_of_one_pixel_are_filled_alike() -> None:
    from torch import nn

    for linear, conv in (
        (nn.Linear(5, 3), nn.Conv2d(5, 3, 1)),
        (nn.Linear(5, 1), nn.Conv2d(5, 1, 1)),
        (nn.Linear(1, 3), nn.Conv2d(1, 3, 1)),
    ):
        for layer in (linear, conv):
            probe.fill_parameters(layer)
        assert linear.weight.flatten().tolist() == conv.weight.flatten().tolist()
        assert linear.bias.tolist() == conv.bias.tolist()


def test_a_scale_of_maps_is_filled_as_a_vector() -> None:
    import torch
    from torch import nn

    scales = []
    for shape in ((6,), (6, 1, 1)):
        module = nn.Module()
        module.scale = nn.Parameter(torch.zeros(shape))
        probe.fill_parameters(module)
        scales.append(module.scale.flatten().tolist())
    assert scales[0] == scales[1]
    assert 0.2 < min(scales[0]) <= max(scales[0]) < 2


def test_the_constants_are_the_values_that_whole_parameters_start_with() -> None:
    import torch
    from torch import nn

    def block() -> nn.Module:
        layers = nn.Sequential(nn.LayerNorm(5), nn.Conv2d(3, 5, 3), nn.LayerNorm(5))
        layers.scale = nn.Parameter(torch.full((5, 1, 1), 0.25))
        nn.init.zeros_(layers[1].bias)
        return layers

    call = {"inputs": (), "train": False, "measure": "constants"}
    value, _ = probe._run_module(block, (), {}, call)
    assert np.asarray(value).tolist() == [0.25, 1.0]


def test_the_gradient_shows_what_values_hide() -> None:
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, kind: str) -> None:
            super().__init__()
            self.conv, self.kind = nn.Conv2d(2, 2, 3, padding=1), kind

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.kind == "in place":
                return x.add_(self.conv(x))
            if self.kind == "no grad":
                with torch.no_grad():
                    return self.conv(x) + x
            return self.conv(x) + (x.detach() if self.kind == "detached" else x)

    call = {"inputs": (np.ones((1, 2, 3, 3), np.float32),), "train": False, "measure": "gradient"}
    right, detached = (probe._run_module(Block, (kind,), {}, call)[0] for kind in ("", "detached"))
    assert np.asarray(right).shape == (1, 2, 3, 3)
    weights = np.random.default_rng(0).standard_normal((1, 2, 3, 3))
    np.testing.assert_allclose(right - detached, weights, atol=1e-5)
    with pytest.raises(RuntimeError, match="no gradient comes back"):
        probe._run_module(Block, ("no grad",), {}, call)
    with pytest.raises(RuntimeError, match="inplace"):
        probe._run_module(Block, ("in place",), {}, call)
