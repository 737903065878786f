import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autograder import plain
from autograder.plain import Bound, Made, Opaque, pack, realise, same, simplify, size, unpack

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=5)
    | hnp.arrays(
        st.sampled_from([np.float64, np.float32, np.int64, np.uint8, np.bool_]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
    )
)
plain_values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_doctests() -> None:
    assert doctest.testmod(plain).failed == 0


@settings(max_examples=100, deadline=None)
@given(plain_values)
def test_plain_values_survive_the_wire_and_simplify(value: object) -> None:
    assert same(unpack(pack(value)), value)
    assert same(simplify(value), value)


def test_inputs_survive_the_wire() -> None:
    value = (
        np.int64(3),
        Bound("math:pow", (2,), {"y": np.arange(2)}),
        Made("numpy.random:default_rng", (1,)),
        Opaque("module", "text"),
    )
    back = unpack(pack(value))
    assert type(back[0]) is np.int64
    assert back[0] == 3
    assert back[1].path == "math:pow"
    assert same(dict(back[1].kwargs), {"y": np.arange(2)})
    assert back[2:] == value[2:]


class LyingInt(int):
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


class LyingArray(np.ndarray):
    def __eq__(self, other: object) -> bool:  # type: ignore[override]
        return True

    def __hash__(self) -> int:
        return 0


class Hostile:
    @property
    def __class__(self) -> type:  # type: ignore[override]
        raise RuntimeError

    def __getattr__(self, name: str) -> object:
        raise RuntimeError

    def __repr__(self) -> str:
        raise RuntimeError


def endless() -> list[object]:
    value: list[object] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (LyingInt(3), int),
        (np.arange(3).view(LyingArray), np.ndarray),
        (np.ma.masked_array([1, 2], [True, False]), np.ndarray),
        (np.float32(1), float),
        (np.bool_(True), bool),
        (endless(), Opaque),
        ([0] * 200_000, Opaque),
        (10**10_000, Opaque),
        (1j, Opaque),
        (np.array([1j]), Opaque),
        (np.array([None]), Opaque),
        (np.array(["a"]), Opaque),
        (np.broadcast_to(1.0, (10**5, 10**5)), Opaque),
        ((x for x in ()), Opaque),
        (print, Opaque),
        ({1: 2}, dict),
    ],
    ids=lambda value: type(value).__name__,
)
def test_anything_becomes_plain(value: object, kind: type) -> None:
    assert type(simplify(value)) is kind
    pack(simplify(value))  # and can be carried


def test_objects_that_fight_back_become_opaque() -> None:
    assert simplify(Hostile()).type == "Hostile"
    assert simplify([Hostile()])[0].type == "Hostile"


def test_tensors_become_arrays() -> None:
    import torch

    x = torch.arange(4.0, requires_grad=True)
    assert same(simplify((x, x.bfloat16())), (np.arange(4, dtype=np.float32),) * 2)
    assert isinstance(simplify(torch.nn.Linear(1, 1)), Opaque)


def test_simplify_copies() -> None:
    x = np.zeros(3)
    y = simplify(x)
    x += 1
    assert y.sum() == 0


@pytest.mark.parametrize("data", [b"", b"12345678", b"\xff" * 8, pack([1])[:-2], pack([1]) + b"x"])
def test_unpack_refuses_other_bytes(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"data|Expecting|magic|codec|EOF|decode|read"):
        unpack(data)


def test_unpack_loads_no_pickles() -> None:
    import io

    out = io.BytesIO()
    np.lib.format.write_array(out, np.array([{}]), allow_pickle=True)
    with pytest.raises(ValueError, match="pickle"):
        unpack(pack(None) + out.getvalue())


def test_pack_refuses_objects() -> None:
    with pytest.raises(TypeError, match="of type object"):
        pack([object()])


def test_realise_gives_fresh_inputs() -> None:
    x = np.zeros(2)
    array, power, rng = realise(
        (x, Bound("math:pow", (2,)), Made("numpy.random:default_rng", (1,)))
    )
    array += 1
    assert x.sum() == 0
    assert power(3) == 8
    assert rng.integers(100) == np.random.default_rng(1).integers(100)


def test_size_counts_numbers() -> None:
    assert size((np.zeros((2, 3)), [1, 2], {"a": 1})) == 9
