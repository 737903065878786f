"""Run a learner's object on cases and write down what happened, as plain data.

This is the only part of the autograder that runs beside a learner's code. It knows the inputs of a
case and nothing else: no expected value, no reference, no mark. The same code observes the
reference and the misconceptions, so that everybody is asked in the same way.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import importlib
import io
import linecache
import os
import signal
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from autograder.exercise import Case, Exercise
from autograder.plain import Bound, Opaque, realise, same, simplify

PRINTED = 2_000  # characters of a learner's output that are kept
TEXT = 900  # characters of an exception's words
KEPT_NUMBERS = 2**16  # of one parameter: the values of a larger one are drawn anew
STATUSES = ("ok", "not_attempted", "raised", "time", "memory")
_OURS = tuple(
    str(Path(__file__).resolve().parents[1] / package) for package in ("autograder", "course_lib")
)


@dataclass(frozen=True)
class Request:
    """What a probe is told about an exercise: enough to run it, nothing to judge it by."""

    name: str
    kind: str
    variable: str
    calls: tuple[dict[str, Any], ...]
    forbidden: tuple[str, ...] = ()
    time_limit: float = 10.0

    def to_plain(self) -> dict[str, Any]:
        """The request as plain data, to be carried to another process."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Request:
        """The request that `to_plain` wrote."""
        return cls(**data)


@dataclass(frozen=True)
class Trouble:
    """An exception of a learner's code: its type and bases, its words, the learner's own lines."""

    type: str
    bases: tuple[str, ...]
    text: str
    lines: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Observation:
    """What one call did.

    `status` is "ok" (it returned `value`), "not_attempted", "raised" (`trouble` says what), "time"
    or "memory". `changed` names arguments that are no longer what they were. `forbidden` names
    what it called although the exercise rules it out. `steps` counts Python instructions where the
    case asked for it.
    """

    status: str
    value: Any = None
    trouble: Trouble | None = None
    changed: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    printed: str = ""
    steps: int | None = None

    def to_plain(self) -> dict[str, Any]:
        """The observation as plain data."""
        data = {f.name: getattr(self, f.name) for f in fields(self)}
        data["trouble"] = asdict(self.trouble) if self.trouble else None
        return data

    @classmethod
    def from_plain(cls, data: Any) -> Observation:
        """The observation in data from another process; ValueError where it is none."""
        try:
            trouble = data.get("trouble")
            observation = cls(
                **{**data, "trouble": Trouble(**trouble) if trouble is not None else None}
            )
            honest = (
                observation.status in STATUSES
                and isinstance(observation.printed, str)
                and all(isinstance(name, str) for name in observation.changed)
                and all(isinstance(name, str) for name in observation.forbidden)
                and (observation.steps is None or isinstance(observation.steps, int))
            )
        except (TypeError, AttributeError) as error:
            raise ValueError(f"data is no observation: {error}") from None
        if not honest:
            raise ValueError("data is no observation: a field has the wrong type")
        return observation


def request(exercise: Exercise, cases: Sequence[Case]) -> Request:
    """What to tell a probe about `exercise` and `cases`: the inputs, without targets or aspects."""
    calls = tuple(
        {
            "args": case.args,
            "kwargs": dict(case.kwargs),
            "inputs": case.inputs,
            "train": case.train,
            "measure": case.measure,
            "count_steps": case.max_steps is not None,
        }
        for case in cases
    )
    return Request(
        name=exercise.name,
        kind=exercise.kind,
        variable=exercise.variable,
        calls=calls,
        forbidden=exercise.forbidden,
        time_limit=exercise.time_limit,
    )


def observe(ask: Request, obj: Any) -> list[Observation]:
    """Call `obj` on every case of a request: one observation each, whatever happens.

    Nothing that `obj` does gets out, but for an interrupt by the user: exceptions, exits, output,
    warnings, figures and overlong loops become part of the observation. One call may take half of
    the time; after each that does not end in its time, the others get less.
    """
    observations: list[Observation] = []
    direct = _stands_for(ask.forbidden, obj)
    _import_first(obj)
    with watching_calls(ask.forbidden, obj) as used:
        deadline = time.monotonic() + ask.time_limit
        patience = ask.time_limit / 2
        for call in ask.calls:
            left = deadline - time.monotonic()
            if left <= 0:
                observations.append(Observation("time"))
                continue
            seconds = min(left, patience)
            observations.append(_observe_call(ask, call, obj, seconds, used, direct))
            if observations[-1].status == "time":
                # A loop that does not end on some cases must not cost the marks for the others.
                patience = max(patience / 4, ask.time_limit / 50)
            if observations[-1].status == "not_attempted" and len(observations) == 1:
                # Unwritten code raises at once on every case: no need to ask again.
                return observations * len(ask.calls)
    return observations


def _import_first(obj: Any) -> None:
    """Import torch where a learner's function will: seconds that are not the function's own."""
    code = getattr(obj, "__code__", None)
    if isinstance(code, types.CodeType) and "torch" in code.co_names:
        with contextlib.suppress(ImportError):
            importlib.import_module("torch")


def _observe_call(
    ask: Request,
    call: dict[str, Any],
    obj: Any,
    seconds: float,
    used: set[str],
    direct: frozenset[str],
) -> Observation:
    runner = _RUNNERS[ask.kind]
    args, kwargs = realise(tuple(call["args"])), realise(call["kwargs"])
    used.clear()
    with captured() as output:
        outcome = guarded(lambda: runner(obj, args, kwargs, call), seconds)
    printed = output.text()
    forbidden = tuple(sorted(used | direct))
    if outcome.trouble is not None or outcome.status != "ok":
        return Observation(
            outcome.status, trouble=outcome.trouble, printed=printed, forbidden=forbidden
        )
    value, steps = outcome.value
    return Observation(
        "ok",
        value=value,
        changed=_changed(call, args, kwargs),
        forbidden=forbidden,
        printed=printed,
        steps=steps,
    )


def _changed(
    call: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[str, ...]:
    def differs(before: Any, after: Any) -> bool:
        return _is_data(before) and not same(before, after)

    changed = [
        f"argument {place}"
        for place, (before, after) in enumerate(zip(call["args"], args, strict=True), start=1)
        if differs(before, after)
    ]
    changed += [name for name, before in call["kwargs"].items() if differs(before, kwargs[name])]
    return tuple(changed)


def _is_data(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_data(item) for item in value)
    return isinstance(value, np.ndarray | bool | int | float | str)


# ── the kinds of exercise ───────────────────────────────────────────────────────────────────────


def _run_function(
    obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: dict[str, Any]
) -> tuple[Any, int | None]:
    if ":" in call["measure"]:
        obj = realise(Bound(call["measure"], (obj,)))
    if call["count_steps"]:
        with counted_steps() as counter:
            result = obj(*args, **kwargs)
        return simplify(result), counter.steps
    return simplify(obj(*args, **kwargs)), None


def _run_module(
    obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: dict[str, Any]
) -> tuple[Any, int | None]:
    import torch

    module = obj(*args, **kwargs)
    if not isinstance(module, torch.nn.Module):
        found = simplify(module)
        return (
            Opaque(type(module).__name__) if isinstance(found, list | tuple | dict) else found
        ), None
    measure = call["measure"]
    if measure == "constants":
        return _constants(module), None
    if measure == "parameters":
        return sum(p.numel() for p in module.parameters()), None
    fill_parameters(module)
    module.train(call["train"])
    if measure == "gradient":
        return _gradient(module, call["inputs"]), None
    with torch.no_grad(), naming_the_layer(module):
        output = module(*(torch.from_numpy(np.array(x)) for x in call["inputs"]))
    if measure == "output":
        return simplify(output), None
    if measure.startswith("channels "):
        first, last = map(int, measure.removeprefix("channels ").split(":"))
        return simplify(output[:, first:last]), None
    if measure == "shape":
        return tuple(int(n) for n in output.shape), None
    if measure == "buffers":
        state = module.state_dict()
        trained = {name for name, _ in module.named_parameters()}
        sums = (float(v.double().sum()) for name, v in state.items() if name not in trained)
        return np.sort(np.array(list(sums))), None
    known = "output, channels i:j, shape, gradient, parameters, constants or buffers"
    raise ValueError(f"measure (={measure!r}) must be {known}")


def _gradient(module: Any, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """What a weighted sum of the output sends back to the first input: values do not show it."""
    import torch

    given = [torch.from_numpy(np.array(x)).requires_grad_() for x in inputs]
    with torch.enable_grad(), naming_the_layer(module):
        # Times 1: a layer may work in place on what it gets, though not on a leaf.
        output = module(*(x * 1 for x in given))
    if not isinstance(output, torch.Tensor) or not output.requires_grad:
        raise RuntimeError(
            "no gradient comes back from your output, so nothing could be learned: is there a "
            "no_grad, detach, .data or NumPy in the forward pass?"
        )
    weights = np.random.default_rng(0).standard_normal(tuple(output.shape))
    total = (output * torch.from_numpy(weights).to(output.dtype)).sum()
    (found,) = torch.autograd.grad(total, given[:1], allow_unused=True)
    return np.zeros(given[0].shape) if found is None else found.numpy()


def _constants(module: Any) -> np.ndarray:
    """The values, other than 0, that whole parameters start out with, each once, in order."""
    starts = (p.detach().double().numpy().ravel() for p in module.parameters())
    return np.unique([v[0] for v in starts if len(v) and v[0] != 0 and (v == v[0]).all()])


@contextlib.contextmanager
def naming_the_layer(module: Any) -> Iterator[None]:
    """Add to an error in the body in which layer of a torch module it came, or after which.

    Torch says that shapes do not fit, but not where: the note names the layer and the shape that
    it got, or the last layer and the shape that it returned.
    """
    inside: list[str] = []
    last = ""

    def enter(layer: Any, inputs: Any, name: str) -> None:
        inside.append(f"in the layer `{name}`, {_layer_text(layer)}{_got(inputs)}")

    def leave(layer: Any, inputs: Any, output: Any, name: str) -> None:
        nonlocal last
        inside.pop()
        last = f"after the layer `{name}`, {_layer_text(layer)}{_got((output,), 'returned')}"

    hooks = []
    for name, layer in module.named_modules():
        if name and not any(True for _ in layer.children()):
            hooks.append(layer.register_forward_pre_hook(functools.partial(enter, name=name)))
            hooks.append(layer.register_forward_hook(functools.partial(leave, name=name)))
    try:
        yield
    except Exception as error:
        note = inside[-1] if inside else last
        if note:
            error.add_note(note)
        raise
    finally:
        for hook in hooks:
            hook.remove()


def _layer_text(layer: Any) -> str:
    kind = type(layer).__name__
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def _got(values: Any, verb: str = "got") -> str:
    shape = getattr(values[0], "shape", None) if values else None
    return f" that {verb} the shape {tuple(shape)}" if shape is not None else ""


def fill_parameters(module: Any) -> None:
    """Fill each parameter of a torch module by a rule that depends on nothing but its shape.

    The values are those of a generator seeded with the shape, scaled so that a signal keeps its
    size through many layers; vectors (biases, the scales of a norm, a scale (C, 1, 1) of maps) lie
    around 1. Axes of length 1 at the end do not count: a linear layer and a 1×1 convolution get the
    same values.
    """
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            shape = tuple(parameter.shape)
            make = _filling if parameter.numel() <= KEPT_NUMBERS else _filling.__wrapped__
            parameter.copy_(torch.from_numpy(make(shape)))


@functools.lru_cache(maxsize=128)
def _filling(shape: tuple[int, ...]) -> np.ndarray:
    """The values of a parameter of this shape: the layers of one network share few shapes."""
    seed = shape
    while seed and seed[-1] == 1:
        seed = seed[:-1]
    rng = np.random.default_rng([len(seed), *seed])
    if len(shape) < 2 or shape[1:] == (1, 1):
        return np.asarray(1 + 0.2 * rng.standard_normal(shape))
    scale = (2 / max(1, int(np.prod(shape[1:])))) ** 0.5
    return np.asarray(scale * rng.standard_normal(shape))


def _run_trained(
    obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: dict[str, Any]
) -> tuple[Any, int | None]:
    predictor = obj(*args, **kwargs)
    torch = sys.modules.get("torch")
    inputs = [np.array(x) for x in call["inputs"]]
    if torch is not None and isinstance(predictor, torch.nn.Module):
        predictor.eval()
        with torch.no_grad():
            return simplify(predictor(*(torch.from_numpy(x) for x in inputs))), None
    if not callable(predictor):
        return simplify(predictor), None
    return simplify(predictor(*inputs)), None


def _run_question(
    obj: Any, args: tuple[Any, ...], kwargs: dict[str, Any], call: dict[str, Any]
) -> tuple[Any, int | None]:
    return simplify(obj), None


_RUNNERS: dict[str, Callable[..., tuple[Any, int | None]]] = {
    "function": _run_function,
    "property": _run_function,
    "module": _run_module,
    "trained": _run_trained,
    "question": _run_question,
}


# ── running code that may do anything ───────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outcome:
    """How guarded code ended: `value` where `status` is "ok", else `trouble` or neither."""

    status: str
    value: Any = None
    trouble: Trouble | None = None


class TimeUp(BaseException):
    """The time of a case is over. ``except Exception`` lets it through."""


def guarded(run: Callable[[], Any], seconds: float) -> Outcome:
    """Run code that may raise, exit or never end; only an interrupt by the user gets out."""
    try:
        with time_limit(seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Outcome("ok", run())
    except TimeUp:
        return Outcome("time")
    except MemoryError as error:
        return Outcome("memory", trouble=describe(error))
    except NotImplementedError as error:
        # Torch raises it as well, where an operator does not know a type of number.
        missing = "raised" if " not implemented for " in str(error) else "not_attempted"
        return Outcome(missing, trouble=describe(error))
    except KeyboardInterrupt as error:
        if not _raised_on_purpose(error):
            raise
        return Outcome("raised", trouble=describe(error))
    except BaseException as error:
        return Outcome("raised", trouble=describe(error))


def _raised_on_purpose(error: BaseException) -> bool:
    """Whether an exception comes from a ``raise`` statement, and not from a signal."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    if frame is None:
        return False
    code = frame.tb_frame.f_code.co_code
    return dis.opname[code[frame.tb_lasti]] == "RAISE_VARARGS"


def describe(error: BaseException) -> Trouble:
    """An exception in plain data, with the lines of the learner's own code and of nobody else's."""
    try:
        notes = "; ".join(getattr(error, "__notes__", ()))
        text = str(error)[:500] + (f" ({notes[:300]})" if notes else "")
    except BaseException:
        text = "(its message could not be read)"
    lines = []
    for entry in traceback.extract_tb(error.__traceback__):
        if is_learners(entry.filename) and entry.lineno is not None:
            source = linecache.getline(entry.filename, entry.lineno).strip()
            lines.append((entry.lineno, source[:200]))
    bases = tuple(kind.__name__[:100] for kind in type(error).__mro__[:20])
    if isinstance(error, SyntaxError) and error.lineno is not None:
        lines = [(error.lineno, (error.text or "").strip()[:200])]
    return Trouble(type(error).__name__[:100], bases, text, tuple(lines[-6:]))


def is_learners(filename: str) -> bool:
    """Whether code of this file name is the learner's: not ours, not Python's, not a library's."""
    if filename.startswith(_OURS) or "site-packages" in filename or filename.startswith("<frozen"):
        return False
    return not filename.startswith((sys.base_prefix + "/lib", sys.base_prefix + "\\Lib"))


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeUp` in the body when the time is over, again and again until it ends."""
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        with _time_limit_by_signal(seconds):
            yield
    else:
        with _time_limit_by_thread(seconds):
            yield


@contextlib.contextmanager
def _time_limit_by_signal(seconds: float) -> Iterator[None]:
    armed = True
    rung = 0

    def ring(signum: int, frame: types.FrameType | None) -> None:
        nonlocal rung
        if not armed:
            return
        rung += 1
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        if rung > 1 and frame is not None:
            _raise_once_more(frame)
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    tracing = sys.gettrace()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if rung > 1:
            sys.settrace(tracing)


_TAKES = "PUSH_EXC_INFO"


def _raise_once_more(frame: types.FrameType) -> None:
    """Raise again at the next instruction of a frame that is about to swallow an exception.

    ``while True: try: … except: pass`` catches what is raised in its ``try``. What is raised
    inside the handler leaves it.
    """

    def trace(traced: types.FrameType, event: str, arg: Any) -> Any:
        # Not before the handler has taken the first exception, or Python would lose track of it.
        if event == "opcode" and dis.opname[traced.f_code.co_code[traced.f_lasti]] != _TAKES:
            raise TimeUp
        return trace

    sys.settrace(trace)
    frame.f_trace = trace
    frame.f_trace_opcodes = True


@contextlib.contextmanager
def _time_limit_by_thread(seconds: float) -> Iterator[None]:
    import ctypes

    raise_in = ctypes.pythonapi.PyThreadState_SetAsyncExc
    ident = ctypes.c_ulong(threading.get_ident())
    done = threading.Event()

    def ring() -> None:
        wait = seconds
        while not done.wait(wait):
            raise_in(ident, ctypes.py_object(TimeUp))
            wait = 0.1

    watch = threading.Thread(target=ring, daemon=True)
    watch.start()
    try:
        yield
    finally:
        while True:
            try:
                done.set()
                watch.join()
                for _ in range(1_000):  # an exception already on its way arrives here
                    pass
                break
            except TimeUp:
                continue


class Tail(io.TextIOBase):
    """A text stream that keeps the first characters and counts the others."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []
        self.room = PRINTED
        self.lost = 0

    def write(self, text: str) -> int:
        """Keep what there is room for; always says that all of it was written."""
        if self.room > 0:
            self.kept.append(text[: self.room])
        self.lost += max(0, len(text) - self.room)
        self.room = max(0, self.room - len(text))
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True

    def text(self) -> str:
        """What was kept, and how much more there was."""
        rest = f"\n… and {self.lost:,} characters more" if self.lost else ""
        return "".join(self.kept) + rest


@contextlib.contextmanager
def captured() -> Iterator[Tail]:
    """Keep prints, stderr, displayed objects and new figures from reaching the notebook."""
    tail = Tail()
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(tail))
        stack.enter_context(contextlib.redirect_stderr(tail))
        shell = _shell()
        if shell is not None:
            from IPython.utils.capture import capture_output

            stack.enter_context(capture_output(stdout=False, stderr=False, display=True))
        stack.callback(_close_new_figures, _figures())
        yield tail


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def _figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot is not None else set()


def _close_new_figures(before: set[int]) -> None:
    for number in _figures() - before:
        sys.modules["matplotlib.pyplot"].close(number)


@dataclass
class StepCounter:
    """How many Python instructions ran."""

    steps: int = 0


def _counts(filename: str) -> bool:
    """Whether code of this file is somebody's answer: a learner's, or one of our exercises'."""
    return is_learners(filename) or f"{os.sep}exercises{os.sep}" in filename


@contextlib.contextmanager
def counted_steps() -> Iterator[StepCounter]:
    """Count the Python instructions of the learner's functions that run in the body.

    One array operation is one instruction however large the array; a loop over pixels costs
    several for each pixel, also inside a comprehension, `map`, or `numpy.vectorize`. What Python's
    and other libraries do inside costs nothing, nor does a print.
    """
    counter = StepCounter()

    def trace(frame: types.FrameType, event: str, arg: Any) -> Any:
        if event == "call" and not _counts(frame.f_code.co_filename):
            return None
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            counter.steps += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counter
    finally:
        sys.settrace(before)


# ── forbidden calls ─────────────────────────────────────────────────────────────────────────────


@dataclass
class _Swap:
    namespace: dict[str, Any]
    name: str
    original: Any
    stand_in: Any = field(repr=False)


@contextlib.contextmanager
def watching_calls(forbidden: Sequence[str], obj: Any) -> Iterator[set[str]]:
    """Write down which forbidden functions are called in the body; they still do their work.

    Names are replaced in the packages that define them and in the learner's own namespace, also
    for packages that are imported only when the learner's function runs. Names that begin with
    ``torch:`` are operators at torch's dispatch level.
    """
    used: set[str] = set()
    if not forbidden:
        yield used
        return
    swaps: list[_Swap] = []
    names = [name for name in forbidden if not name.startswith("torch:")]
    spaces = (getattr(layer, "__globals__", None) for layer in layers(obj))
    namespaces = [space for space in spaces if isinstance(space, dict)]
    importing = builtin_import = __import__
    patched: set[str] = set()

    def patch() -> None:
        stand_ins = _stand_ins([name for name in names if name not in patched], used)
        patched.update(name for found in stand_ins.values() for name in found)
        _patch(stand_ins, namespaces, swaps)

    def watched_import(*args: Any, **kwargs: Any) -> Any:
        module = importing(*args, **kwargs)
        if len(patched) < len(names):
            patch()
        return module

    import builtins

    patch()
    builtins.__import__ = watched_import
    try:
        with _watching_torch([n for n in forbidden if n.startswith("torch:")], used):
            yield used
    finally:
        builtins.__import__ = builtin_import
        for swap in reversed(swaps):
            if swap.namespace.get(swap.name) is swap.stand_in:
                swap.namespace[swap.name] = swap.original


def layers(obj: Any) -> list[Any]:
    """An object and what it stands for: functions wrapped, bound, partly applied, or called."""
    found = [obj]
    for layer in found:
        for name in ("__wrapped__", "__func__", "func", "pyfunc"):
            try:
                inner = getattr(layer, name, None)
            except Exception:  # a learner's own __getattr__
                inner = None
            if callable(inner) and not any(inner is known for known in found) and len(found) < 10:
                found.append(inner)
    call = type(obj).__dict__.get("__call__")
    return [*found, call] if isinstance(call, types.FunctionType) else found


def _stands_for(forbidden: Sequence[str], obj: Any) -> frozenset[str]:
    """The forbidden functions that an object simply is, perhaps with arguments bound.

    A class is what it inherits, too.
    """
    own = [*layers(obj), *(obj.__mro__ if isinstance(obj, type) else ())]
    found = set()
    for name in forbidden:
        path, _, attribute = name.rpartition(".")
        original = getattr(sys.modules.get(path), attribute, None)
        if original is not None and any(original is layer for layer in own):
            found.add(name)
    return frozenset(found)


def _stand_ins(
    names: Sequence[str], used: set[str]
) -> dict[str, dict[str, tuple[Any, Callable[..., Any]]]]:
    """By package and name: the forbidden functions that are loaded, each with its stand-in."""
    found: dict[str, dict[str, tuple[Any, Callable[..., Any]]]] = {}
    for name in names:
        path, _, attribute = name.rpartition(".")
        original = getattr(sys.modules.get(path), attribute, None)
        if original is not None:
            package = name.partition(".")[0]
            stand_in = _stand_in(name, package, original, used)
            found.setdefault(package, {})[name] = (original, stand_in)
    return found


def _stand_in(name: str, package: str, original: Any, used: set[str]) -> Callable[..., Any]:
    def stand_in(*args: Any, **kwargs: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if str(caller).partition(".")[0] != package:  # a library may use its own functions
            used.add(name)
        return original(*args, **kwargs)

    return stand_in


def _patch(
    stand_ins: dict[str, dict[str, tuple[Any, Callable[..., Any]]]],
    namespaces: list[dict[str, Any]],
    swaps: list[_Swap],
) -> None:
    if not stand_ins:
        return
    where: dict[str, list[dict[str, Any]]] = {package: [] for package in stand_ins}
    for key, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and (package := key.partition(".")[0]) in where:
            where[package].append(vars(module))
    for package, functions in stand_ins.items():
        # One look at each name of a package, however many of its functions are forbidden.
        wanted = {id(original): (original, other) for original, other in functions.values()}
        for namespace in where[package] + namespaces:
            # Torch has 50,000 names: most namespaces are passed over without a look at each.
            if wanted.keys().isdisjoint(map(id, list(namespace.values()))):
                continue
            for key, value in list(namespace.items()):
                original, other = wanted.get(id(value), (None, None))
                if other is not None and value is original:
                    swaps.append(_Swap(namespace, key, original, other))
                    namespace[key] = other


@contextlib.contextmanager
def _watching_torch(operators: Sequence[str], used: set[str]) -> Iterator[None]:
    torch = sys.modules.get("torch")
    if not operators or torch is None:
        yield
        return
    from torch.utils._python_dispatch import TorchDispatchMode

    wanted = {operator.removeprefix("torch:"): operator for operator in operators}

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        pass

    def dispatch(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        packet = str(func.overloadpacket)
        if packet in wanted:
            used.add(wanted[packet])
        return func(*args, **(kwargs or {}))

    # Defined in the class, torch would wrap it and load its compiler, a second's work, to call it.
    Watch.__torch_dispatch__ = dispatch  # type: ignore[method-assign]
    with Watch():  # type: ignore[no-untyped-call]
        torch.empty(1).add(1)  # torch loads a part of itself at the first call it watches
        used.clear()
        yield
