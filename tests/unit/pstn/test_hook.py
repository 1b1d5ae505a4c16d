"""Loop supervision: pulses, flashes and hanging up told apart by time and state."""

from __future__ import annotations

import random

import pytest

from voipgw.pstn.hook import HookEvent, HookFlash, HookTiming, LoopSupervision, OffHook, OnHook, PulseBegan, PulseDigit


def lifted(timing: HookTiming | None = None, *, counting: bool = False) -> LoopSupervision:
    """A loop that went off-hook at second 0, debounced by second 1."""
    loop = LoopSupervision(timing or HookTiming())
    loop.receive(True, 0.0)
    assert loop.handle_deadline(1.0) == [OffHook()]
    loop.counting = counting
    return loop


def run(loop: LoopSupervision, edges: list[tuple[float, bool]], until: float) -> list[HookEvent]:
    events: list[HookEvent] = []
    for at, closed in edges:
        events += loop.receive(closed, at)
    return events + loop.handle_deadline(until)


def bounced(at: float, closed: bool, rng: random.Random, bounce_s: float = 0.004) -> list[tuple[float, bool]]:
    """An edge at ``at`` whose contact moves an even number of times more within ``bounce_s``."""
    moves = sorted(rng.uniform(0.0, bounce_s) for _ in range(2 * rng.randint(0, 3)))
    return [(at, closed)] + [(at + move, closed ^ (index % 2 == 0)) for index, move in enumerate(moves)]


def test_a_loop_closed_for_less_than_the_seizure_time_is_not_off_hook() -> None:
    loop = LoopSupervision(HookTiming())
    assert run(loop, [(0.0, True), (0.025, False)], 1.0) == []
    assert not loop.off_hook
    assert run(loop, [(2.0, True)], 2.029) == []
    assert loop.handle_deadline(2.030) == [OffHook()]


@pytest.mark.parametrize("rate", [8.0, 9.0, 10.0, 11.0, 12.0])
@pytest.mark.parametrize("break_share", [0.50, 0.61, 0.67, 0.75])
def test_every_pulse_digit_within_the_standard_is_counted_right_under_bounce(rate: float, break_share: float) -> None:
    rng = random.Random(f"{rate} {break_share}")
    loop = lifted(counting=True)
    at = 2.0
    for _ in range(60):
        symbol = rng.choice("1234567890")
        edges: list[tuple[float, bool]] = []
        for _ in range(10 if symbol == "0" else int(symbol)):
            edges += bounced(at, False, rng) + bounced(at + break_share / rate, True, rng)
            at += 1 / rate
        at += rng.uniform(0.3, 0.9)
        events = [event for event in run(loop, edges, at) if not isinstance(event, PulseBegan)]
        assert events == [PulseDigit(symbol)]


@pytest.mark.parametrize("digits", [2000, pytest.param(100_000, marks=pytest.mark.nightly)])
def test_no_pulse_digit_is_wrong_and_none_is_a_flash(digits: int) -> None:
    rng = random.Random(digits)
    loop = lifted(HookTiming(flash_min_s=0.121), counting=True)
    at, wrong = 2.0, 0
    for _ in range(digits):
        symbol, rate, share = rng.choice("1234567890"), rng.uniform(8, 12), rng.uniform(0.50, 0.75)
        edges: list[tuple[float, bool]] = []
        for _ in range(int(symbol) or 10):
            edges += bounced(at, False, rng) + bounced(at + share / rate, True, rng)
            at += 1 / rate
        at += rng.uniform(0.25, 0.9)
        events = [event for event in run(loop, edges, at) if not isinstance(event, PulseBegan)]
        wrong += events != [PulseDigit(symbol)]
    assert wrong == 0


def test_the_first_pulse_of_a_digit_is_reported_once() -> None:
    loop = lifted(counting=True)
    edges = [(2.0, False), (2.06, True), (2.1, False), (2.16, True)]
    assert run(loop, edges, 3.0) == [PulseBegan(), PulseDigit("2")]


def test_more_pulses_than_there_are_digits_make_no_digit() -> None:
    loop = lifted(counting=True)
    edges = [edge for n in range(11) for edge in ((2 + n / 10, False), (2.06 + n / 10, True))]
    assert run(loop, edges, 9.0) == [PulseBegan()]


def test_the_swedish_dial_begins_with_nought() -> None:
    loop = lifted(HookTiming(pulse_digits="0123456789"), counting=True)
    assert run(loop, [(2.0, False), (2.06, True)], 3.0) == [PulseBegan(), PulseDigit("0")]


@pytest.mark.parametrize(
    ("opened_ms", "expected"),
    [
        (20, []),
        (100, []),
        (299, []),
        (300, [HookFlash]),
        (650, [HookFlash]),
        (1000, [HookFlash]),
        (1001, [OnHook, OffHook]),
    ],
)
def test_in_a_call_the_flash_window_is_exact_to_a_millisecond(opened_ms: int, expected: list[type]) -> None:
    loop = lifted()
    events = run(loop, [(2.0, False), (2.0 + opened_ms / 1000 + 1e-9 * (opened_ms < 1000), True)], 4.0)
    assert [type(event) for event in events] == expected


def test_bounce_does_not_move_the_ends_of_a_flash() -> None:
    rng = random.Random(1)
    for opened_s in (0.2999, 0.3001, 0.9999):
        loop = lifted()
        events = run(loop, bounced(2.0, False, rng) + bounced(2.0 + opened_s, True, rng), 4.0)
        assert [type(event) for event in events] == ([] if opened_s < 0.3 else [HookFlash])


def test_where_the_windows_overlap_the_state_decides_between_pulse_and_flash() -> None:
    british = HookTiming(flash_min_s=0.050, flash_max_s=0.130)
    opening = [(2.0, False), (2.1, True)]
    assert run(lifted(british, counting=True), opening, 3.0) == [PulseBegan(), PulseDigit("1")]
    [flash] = run(lifted(british), opening, 3.0)
    assert isinstance(flash, HookFlash) and flash.duration_s == pytest.approx(0.1)


def test_hanging_up_is_certain_only_after_the_flash_window() -> None:
    loop = lifted()
    loop.receive(False, 2.0)
    assert loop.handle_deadline(2.999) == []
    assert loop.off_hook
    assert loop.handle_deadline(3.0) == [OnHook()]
    assert not loop.off_hook


def test_without_a_flash_window_hanging_up_is_certain_sooner() -> None:
    loop = lifted(HookTiming(flash_max_s=0.0))
    loop.receive(False, 2.0)
    assert loop.handle_deadline(2.3) == [OnHook()]


def test_an_event_delivered_late_still_counts_from_its_own_time() -> None:
    loop = lifted()
    loop.receive(False, 2.0)
    assert loop.handle_deadline(2.5) == []
    loop.receive(True, 2.4)
    [flash] = loop.handle_deadline(9.0)
    assert isinstance(flash, HookFlash) and flash.duration_s == pytest.approx(0.4)


def test_an_opening_made_by_the_port_itself_is_no_flash() -> None:
    loop = lifted(HookTiming(flash_min_s=0.05, flash_max_s=0.13))
    loop.suspend()
    assert run(loop, [(2.0, False)], 2.5) == []
    loop.resume(2.5)
    assert run(loop, [(2.6, True)], 5.0) == []
    [flash] = run(loop, [(6.0, False), (6.1, True)], 7.0)
    assert isinstance(flash, HookFlash)


def test_a_telephone_hung_up_while_the_feed_was_away_is_found_out() -> None:
    loop = lifted()
    loop.suspend()
    run(loop, [(2.0, False)], 2.5)
    loop.resume(2.5)
    assert loop.handle_deadline(4.0) == [OnHook()]


def test_an_endless_bounce_is_decided_by_its_last_edge() -> None:
    loop = lifted()
    edges = [(2.0 + n * 0.005, n % 2 == 1) for n in range(401)]
    events = run(loop, edges, 6.0)
    assert events == [OnHook()]
    assert not loop.off_hook
