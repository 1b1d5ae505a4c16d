from __future__ import annotations

import inspect

import pytest

from voipgw import errors
from voipgw.causes import Cause

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.VoipGwError)]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_error_answers_any_leg(kind: type[errors.VoipGwError]) -> None:
    assert 400 <= kind.sip_status <= 699
    assert kind.q850_cause in Cause


def test_a_parse_error_says_where_and_which_status() -> None:
    error = errors.ParseError("no colon", at=17, status=505)
    assert str(error) == "no colon (at octet 17)"
    assert (error.at, error.status) == (17, 505)
    assert errors.ParseError("no colon").status == 400
