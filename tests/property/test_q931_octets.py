"""Whatever octets come, parsing gives a message that goes out as it came in, or ParseError and nothing else."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from voipgw.errors import ParseError
from voipgw.pstn.isdn.frames import parse as parse_frame
from voipgw.pstn.isdn.q931 import KINDS, CallReference, Element, Message, faults, parse

GOOD = [
    "0802000105a104038090a31803a983856c0c21803231323535353031303070 08a135353531323334", "0802800102 1803a98385", "080280010d",
    "0802000145 08028090", "080200007d 0803 82e418 14010a", "0802000062 1c0591a1000000", "0802000146 1803a98385 790180", "08020001059e010181960102820401",
]  # fmt: skip
ELEMENTS = st.builds(
    Element,
    st.one_of(st.sampled_from(sorted(k for k in KINDS if k < 128)), st.integers(0, 127)),
    st.binary(max_size=40),
    st.integers(0, 7),
)


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_garbage(data: bytes) -> None:
    try:
        message = parse(data)
    except ParseError:
        return
    assert bytes(message) == data
    message.infos()
    faults(message)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(GOOD), st.data())
def test_mutations(wire: str, data: st.DataObject) -> None:
    octets = bytearray(bytes.fromhex(wire.replace(" ", "")))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(octets) - 1))
        octets[at] = data.draw(st.integers(0, 255))
    test_garbage.hypothesis.inner_test(bytes(octets[: data.draw(st.integers(0, len(octets)))]))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 127), st.integers(0, 32767), st.booleans(), st.lists(ELEMENTS, max_size=12))
def test_any_list_of_elements_survives_the_wire(kind: int, value: int, flag: bool, elements: list[Element]) -> None:
    message = Message.create(kind, CallReference(value, flag), elements)
    again = parse(bytes(message))
    assert again == message
    for element, known in zip(again.elements, again.infos(), strict=True):
        if not isinstance(known, Element) and element.codeset == 0:
            assert type(known).decode(known.encode()) == known


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=300))
def test_a_frame_goes_out_as_it_came_in(data: bytes) -> None:
    try:
        frame = parse_frame(data)
    except ParseError:
        return
    assert parse_frame(bytes(frame)) == frame
