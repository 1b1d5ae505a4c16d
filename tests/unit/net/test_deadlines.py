from __future__ import annotations

import math
import random

from voipgw.net.deadlines import Deadlines


class Item:
    def __init__(self, when: float = math.inf) -> None:
        self.when = when
        self.scheduled = math.inf

    def next_deadline(self) -> float:
        return self.when


def due(deadlines: Deadlines, now: float) -> list[Item]:
    found = []
    while (item := deadlines.pop_due(now)) is not None:
        assert isinstance(item, Item)
        item.when = math.inf
        found.append(item)
    return found


def test_items_come_in_order_of_time_and_then_of_arrival() -> None:
    deadlines = Deadlines(lambda when: None)
    items = [Item(when) for when in (3.0, 1.0, 2.0, 1.0)]
    for item in items:
        deadlines.set(item, item.when)
    assert due(deadlines, 0.5) == []
    assert due(deadlines, 2.0) == [items[1], items[3], items[2]]
    assert due(deadlines, 9.0) == [items[0]]


def test_the_loop_is_woken_only_for_a_new_earliest() -> None:
    woken: list[float] = []
    deadlines = Deadlines(woken.append)
    for when in (5.0, 7.0, 3.0, 4.0):
        deadlines.set(Item(when), when)
    assert woken == [5.0, 3.0]


def test_a_deadline_that_moved_later_or_went_away_costs_one_entry() -> None:
    deadlines = Deadlines(lambda when: None)
    later, gone = Item(1.0), Item(1.0)
    for item in (later, gone):
        deadlines.set(item, 1.0)
    later.when, gone.when = 5.0, math.inf
    deadlines.set(later, 5.0)
    assert len(deadlines) == 2
    assert due(deadlines, 1.0) == []
    assert len(deadlines) == 1 and deadlines.earliest() == 5.0
    assert due(deadlines, 5.0) == [later]
    assert deadlines.earliest() == math.inf


def test_a_deadline_that_moved_earlier_comes_once() -> None:
    deadlines = Deadlines(lambda when: None)
    item = Item(5.0)
    deadlines.set(item, 5.0)
    item.when = 2.0
    deadlines.set(item, 2.0)
    assert due(deadlines, 2.0) == [item]
    assert due(deadlines, 9.0) == []


def test_against_a_plain_list() -> None:
    draw = random.Random(3)
    deadlines = Deadlines(lambda when: None)
    items = [Item() for _ in range(50)]
    now = 0.0
    for _ in range(2000):
        item = draw.choice(items)
        item.when = now + draw.choice([0.2, 0.5, 4.0, 32.0, math.inf])
        deadlines.set(item, item.when)
        now += draw.random() * 0.3
        expected = {id(i) for i in items if i.when <= now}
        assert {id(i) for i in due(deadlines, now)} == expected
