from __future__ import annotations

import pytest

from voipgw.causes import Cause, cause_of, reason_phrase, sip_status_of


@pytest.mark.parametrize(
    ("cause", "status"),
    [
        (1, 404),
        (17, 486),
        (18, 408),
        (19, 480),
        (21, 603),
        (22, 410),
        (28, 484),
        (34, 503),
        (65, 488),
        (102, 504),
        (127, 500),
    ],
)
def test_a_cause_maps_to_the_status_of_rfc_3398(cause: int, status: int) -> None:
    assert sip_status_of(cause) == status


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (403, 21),
        (404, 1),
        (408, 102),
        (480, 18),
        (484, 28),
        (486, 17),
        (503, 41),
        (504, 102),
        (600, 17),
        (603, 21),
        (604, 1),
    ],
)
def test_a_status_maps_to_the_cause_of_rfc_3398(status: int, cause: int) -> None:
    assert cause_of(status) == cause


def test_every_cause_has_a_final_status_and_every_final_status_a_cause() -> None:
    for cause in Cause:
        assert 400 <= sip_status_of(cause) <= 699
    for status in range(200, 700):
        assert isinstance(cause_of(status), Cause)


def test_an_unknown_status_has_the_phrase_of_its_class() -> None:
    assert reason_phrase(503) == "Service Unavailable"
    assert reason_phrase(499) == reason_phrase(400)
