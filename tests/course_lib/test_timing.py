"""Calls are timed in turn, and waiting is not work."""

import time

import pytest

from course_lib.timing import seconds_of


def test_calls_take_turns():
    order = []
    times = seconds_of({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order == ["a", "b"] * 4
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert all(second >= 0 for seconds in times.values() for second in seconds)


def test_waiting_does_not_count_where_the_system_can_tell():
    if time.get_clock_info("thread_time").resolution > 1e-5:
        pytest.skip("this system counts a thread's time too coarsely")
    times = seconds_of({"sleep": lambda: time.sleep(0.05)}, rounds=2)
    assert max(times["sleep"]) < 0.04


def test_a_coarse_clock_is_not_used(monkeypatch):
    coarse = type("Info", (), {"resolution": 0.0156})
    monkeypatch.setattr(time, "get_clock_info", lambda name: coarse)
    monkeypatch.setattr(time, "thread_time", lambda: pytest.fail("the coarse clock was read"))
    assert len(seconds_of({"nothing": lambda: None}, rounds=2)["nothing"]) == 2


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_round_is_no_time(rounds):
    with pytest.raises(ValueError, match=f"rounds .*{rounds}.* at least 1"):
        seconds_of({}, rounds)


def test_errors_get_out():
    with pytest.raises(ZeroDivisionError):
        seconds_of({"wrong": lambda: 1 / 0})
