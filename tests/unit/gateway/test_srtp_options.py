"""The options about SRTP: what is refused before the first call, by name."""

from __future__ import annotations

import asyncio

import pytest

from voipgw.errors import ConfigurationError
from voipgw.gateway import Program
from voipgw.gateway.config import GatewayConfig, Listen, MediaSettings
from voipgw.gateway.gateway import Gateway
from voipgw.gateway.options import config_of
from voipgw.routing import Plan, anything, first


def plan(uri: str) -> Plan:
    made = Plan()
    made.route("onward", when=anything, to=first(made.trunk("far", uri)))
    return made


def config(*words: str) -> GatewayConfig:
    return config_of(Program("gateway", "", lambda options: plan("sip:x")).parser.parse_args(words))


def test_srtp_is_off_unless_asked_for() -> None:
    media = config().media
    assert (media.srtp_in, media.srtp_out, media.sdes_in_clear) == ("off", "off", False)
    media = config("--srtp-in", "sdes", "--srtp-out", "sdes", "--sdes-in-clear").media
    assert (media.srtp_in, media.srtp_out, media.sdes_in_clear) == ("sdes", "sdes", True)


@pytest.mark.parametrize("option", ["--srtp-in", "--srtp-out"])
def test_what_is_not_there_is_refused_by_name(option: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{option}: dtls is not in this version yet; it has off and sdes$"):
        config(option, "dtls")
    with pytest.raises(ConfigurationError, match=f"^{option}: 'maybe' is not one of off, sdes$"):
        config(option, "maybe")
    with pytest.raises(ConfigurationError, match=f"^{option}: with --media none"):
        config(option, "sdes", "--media", "none", "--sdes-in-clear")


def test_keys_from_callers_need_a_secure_listener() -> None:
    with pytest.raises(ConfigurationError, match=r"^--srtp-in: .*udp:127\.0\.0\.1:5060.*--sdes-in-clear$"):
        config("--srtp-in", "sdes")


@pytest.mark.parametrize("uri", ["sip:192.0.2.1", "sip:192.0.2.1;transport=tcp", "sip:192.0.2.1;transport=ws"])
def test_keys_for_a_trunk_need_tls(uri: str) -> None:
    async def run() -> None:
        media = MediaSettings(srtp_out="sdes", ports=(20000, 20100))
        async with Gateway(GatewayConfig((Listen("udp", "127.0.0.1", 0),), media=media), plan(uri)):
            raise AssertionError("it started")

    with pytest.raises(ConfigurationError, match=r"trunk 'far': --srtp-out sdes .*--sdes-in-clear$"):
        asyncio.run(run())


@pytest.mark.parametrize("uri", ["sips:192.0.2.1", "sip:192.0.2.1;transport=tls", "sip:192.0.2.1;transport=wss"])
def test_a_trunk_over_tls_may_have_keys(uri: str) -> None:
    async def run() -> None:
        media = MediaSettings(srtp_out="sdes", ports=(20000, 20100))
        async with Gateway(GatewayConfig((Listen("udp", "127.0.0.1", 0),), media=media), plan(uri)):
            pass

    asyncio.run(run())
