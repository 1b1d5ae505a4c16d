"""TLS connections of an endpoint: handshake, whose certificate it is, and what a bad file or peer comes to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme

from voipgw.errors import ConfigurationError, TransportError
from voipgw.net.dns import Target
from voipgw.net.settings import EndpointSettings
from voipgw.net.stream import StreamLimits
from voipgw.net.tls import TlsContexts, TlsFiles, TlsSession, proves, sip_identities
from voipgw.sip.effects import Destination, SendRequest

WAIT_S = 10.0


@attrs.frozen
class Pki:
    """Files of one authority and what it signed."""

    directory: Path
    authority: trustme.CA

    @property
    def ca(self) -> Path:
        path = self.directory / "ca.pem"
        self.authority.cert_pem.write_to_path(path)
        return path

    def files(self, *names: str, **others: Any) -> TlsFiles:
        leaf = self.authority.issue_cert(*names)
        stem = names[0].replace(":", "_")
        certificate, key = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        leaf.private_key_pem.write_to_path(key)
        certificate.unlink(missing_ok=True)
        for blob in leaf.cert_chain_pems:
            blob.write_to_path(certificate, append=True)
        return TlsFiles(certificate, key, self.ca, **others)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path, trustme.CA())


@pytest.fixture
def other_pki(tmp_path: Path) -> Pki:
    directory = tmp_path / "other"
    directory.mkdir()
    return Pki(directory, trustme.CA())


class Names:
    """A resolver that knows where everybody is."""

    def __init__(self, port: int, *hosts: str) -> None:
        self.port = port
        self.hosts = hosts or ("127.0.0.1",)

    def resolve(self, destination: Destination, port: int, found: Callable[[Any], None]) -> None:
        found([Target(destination.transport, host, self.port, destination.host) for host in self.hosts])

    def close(self) -> None:
        pass


async def ask(stage: Any, party: Any, endpoint: Any, uri: str, destination: Destination | None = None) -> Any:
    user = party(uri)
    endpoint.perform(user, [SendRequest(user.request("OPTIONS"), user, destination)])
    await user.wait()
    return user


# The names of certificates.


@pytest.mark.parametrize(
    ("alternatives", "identities"),
    [
        ([("DNS", "Example.COM")], ("example.com",)),
        ([("URI", "sip:example.com"), ("DNS", "proxy.example.com")], ("example.com", "proxy.example.com")),
        ([("URI", "sip:alice@example.com")], ()),
        ([("URI", "sips:example.com"), ("URI", "https://example.com")], ()),
        ([("IP Address", "192.0.2.1")], ()),
    ],
)
def test_sip_identities_are_dns_names_and_sip_uris_without_a_user(
    alternatives: list[tuple[str, str]], identities: tuple[str, ...]
) -> None:
    subject = ((("commonName", "ignored.example.com"),),)
    assert sip_identities({"subject": subject, "subjectAltName": tuple(alternatives)}) == identities


def test_the_common_name_counts_only_without_alternative_names() -> None:
    assert sip_identities({"subject": ((("commonName", "Example.com"),),)}) == ("example.com",)
    assert sip_identities(None) == ()


@pytest.mark.parametrize(
    ("shown", "wanted", "held"),
    [
        (("DNS", "example.com"), "EXAMPLE.com.", True),
        (("DNS", "*.example.com"), "sip.example.com", False),
        (("DNS", "example.com"), "sip.example.com", False),
        (("URI", "sip:example.com"), "example.com", True),
        (("IP Address", "192.0.2.1"), "192.0.2.1", True),
        (("IP Address", "2001:DB8:0:0:0:0:0:1"), "2001:db8::1", True),
        (("DNS", "192.0.2.1"), "192.0.2.1", False),
        (("DNS", ""), "", False),
    ],
)
def test_a_certificate_proves_a_name_without_wildcards_and_an_address_as_an_address(
    shown: tuple[str, str], wanted: str, held: bool
) -> None:
    assert proves({"subjectAltName": (shown,)}, wanted) is held


# Files.


def test_bad_files_are_refused_in_one_line_that_names_option_and_file(pki: Pki, tmp_path: Path) -> None:
    good, other = pki.files("a.example.com"), pki.files("b.example.com")
    nothing, garbage, locked = tmp_path / "nothing.pem", tmp_path / "garbage.pem", tmp_path / "locked.pem"
    garbage.write_text("no certificate\n")
    key = ssl_encrypted(good.key)
    locked.write_bytes(key)
    for files, words in [
        (TlsFiles(nothing, good.key), f"--cert: cannot read {nothing}: No such file or directory"),
        (TlsFiles(good.certificate, nothing), f"--key: cannot read {nothing}"),
        (TlsFiles(garbage, good.key), f"--cert, --key: {garbage} and"),
        (TlsFiles(good.certificate, other.key), f"--key: {other.key} is not the key of {good.certificate}"),
        (TlsFiles(good.certificate, locked), f"--key: {locked} is encrypted"),
        (TlsFiles(good.certificate), "--cert and --key go together"),
        (TlsFiles(authorities=garbage), f"--ca: {garbage} holds no PEM certificate"),
        (TlsFiles(client_authorities=pki.ca), "--client-ca: "),
    ]:
        with pytest.raises(ConfigurationError) as refused:
            TlsContexts(files)
        assert str(refused.value).startswith(words)
        assert "\n" not in str(refused.value)


def ssl_encrypted(key: Path | None) -> bytes:
    from cryptography.hazmat.primitives import serialization as pem

    assert key is not None
    private = pem.load_pem_private_key(key.read_bytes(), None)
    return private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.BestAvailableEncryption(b"secret"))


# Sessions.


def talk(client: TlsSession, server: TlsSession) -> None:
    client.start()
    while octets := client.take():
        server.receive(octets)
        if octets := server.take():
            client.receive(octets)


def test_a_session_needs_no_socket_and_octets_may_come_one_by_one(pki: Pki) -> None:
    contexts = TlsContexts(pki.files("example.com"))
    client, server = contexts.client("example.com"), contexts.server()
    talk(client, server)
    assert client.established and server.established
    assert client.identities == ("example.com",)
    client.send(b"hello")
    heard = b"".join(server.receive(bytes([octet])) for octet in client.take())
    assert heard == b"hello"
    server.end()
    assert client.receive(server.take()) == b""
    assert client.ended


def test_a_record_that_was_changed_on_the_way_is_an_error(pki: Pki) -> None:
    contexts = TlsContexts(pki.files("example.com"))
    client, server = contexts.client("example.com"), contexts.server()
    talk(client, server)
    client.send(b"hello")
    octets = bytearray(client.take())
    octets[-1] ^= 1
    with pytest.raises(TransportError, match="^TLS: "):
        server.receive(bytes(octets))


def test_nothing_older_than_tls_1_2_is_spoken(pki: Pki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.warns(DeprecationWarning):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    client, server = TlsSession(context, "example.com"), TlsContexts(pki.files("example.com")).server()
    with pytest.raises(TransportError):
        talk(client, server)


# Endpoints.


def test_a_request_goes_to_a_name_over_tls_and_its_response_comes_back(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com")))
        client = await stage.endpoint(
            "udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(server.listeners[0].port)
        )
        user = await ask(stage, party, client, "sips:example.com")
        assert user.seen == ["200 OPTIONS"]
        assert user.responses[0].via.transport.upper() == "TLS"
        assert client.connections == server.connections == 1
        assert (await ask(stage, party, client, "sip:example.com;transport=tls")).seen == ["200 OPTIONS"]
        assert client.connections == 1

    play(main)


def test_a_call_goes_over_tls_in_both_directions_of_one_connection(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(
            "tls", tls=TlsContexts(pki.files("127.0.0.1")), accept=lambda request, arrival, now: callee
        )
        client = await stage.endpoint("tls", tls=TlsContexts(pki.files("127.0.0.1", "client.example.com")))
        uri = f"sips:127.0.0.1:{server.listeners[0].port}"
        caller = party(uri)
        client.perform(caller, [SendRequest(caller.request("INVITE"), caller)])
        await caller.wait()
        assert callee.seen == ["INVITE", "ACK", "BYE"]
        arrival = callee.arrivals[0]
        assert arrival.secure and arrival.transport == "tls"
        back = party(uri)
        server.perform(back, [SendRequest(back.request("OPTIONS", call_id="back"), back, arrival.back)])
        await back.wait()
        assert back.seen == ["200 OPTIONS"]
        assert client.connections == server.connections == 1

    play(main)


@pytest.mark.parametrize(
    ("certified", "reason"),
    [
        ("other.example.com", "the certificate is of other.example.com, not of example.com"),
        ("*.com", "not of example.com"),
    ],
)
def test_a_certificate_of_somebody_else_is_no_connection(
    play: Any, party: Any, pki: Pki, certified: str, reason: str
) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files(certified)))
        client = await stage.endpoint(
            "udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(server.listeners[0].port)
        )
        user = await ask(stage, party, client, "sips:example.com")
        assert reason in str(user.errors[0])
        assert isinstance(user.errors[0], TransportError)
        assert client.connections == 0
        assert server.counters.requests_received == 0

    play(main)


def test_an_authority_that_nobody_trusts_is_no_connection(play: Any, party: Any, pki: Pki, other_pki: Pki) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(other_pki.files("example.com")))
        client = await stage.endpoint(
            "udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(server.listeners[0].port)
        )
        user = await ask(stage, party, client, "sips:example.com")
        assert "the certificate is refused: unable to get local issuer certificate" in str(user.errors[0])

    play(main)


def test_a_server_that_fails_the_check_leaves_its_turn_to_the_next(
    play: Any, party: Any, pki: Pki, other_pki: Pki
) -> None:
    async def main(stage: Any) -> None:
        forged = await stage.endpoint("tls", tls=TlsContexts(other_pki.files("example.com")), host="127.0.0.1")
        port = forged.listeners[0].port
        honest = await stage.endpoint("udp", tls=TlsContexts(pki.files("example.com")), host="127.0.0.2")
        await honest.listen("tls", "127.0.0.2", port)
        names = Names(port, "127.0.0.1", "127.0.0.2")
        client = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=names)
        user = await ask(stage, party, client, "sips:example.com")
        assert user.seen == ["200 OPTIONS"]
        assert forged.counters.requests_received == 0

    play(main)


def test_one_connection_is_not_used_for_another_name_at_the_same_address(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com")))
        client = await stage.endpoint(
            "udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(server.listeners[0].port)
        )
        assert (await ask(stage, party, client, "sips:example.com")).seen == ["200 OPTIONS"]
        user = await ask(stage, party, client, "sips:example.org")
        assert "not of example.org" in str(user.errors[0])

    play(main)


def test_a_client_without_the_certificate_that_is_asked_for_gets_nowhere(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com", client_authorities=pki.ca)))
        names = Names(server.listeners[0].port)
        bare = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=names)
        user = await ask(stage, party, bare, "sips:example.com")
        assert isinstance(user.errors[0], TransportError)
        assert server.counters.requests_received == 0
        known = await stage.endpoint("udp", tls=TlsContexts(pki.files("client.example.com")), resolver=names)
        assert (await ask(stage, party, known, "sips:example.com")).seen == ["200 OPTIONS"]

    play(main)


def test_the_domains_of_a_client_certificate_stand_in_the_arrival(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        callee = party()
        server = await stage.endpoint(
            "tls",
            tls=TlsContexts(pki.files("example.com", client_authorities=pki.ca)),
            accept=lambda request, arrival, now: callee,
        )
        client = await stage.endpoint(
            "udp", tls=TlsContexts(pki.files("client.example.com")), resolver=Names(server.listeners[0].port)
        )
        await ask(stage, party, client, "sips:example.com")
        assert callee.arrivals[0].identities == ("client.example.com",)

    play(main)


def test_other_files_hold_for_connections_that_come_after(play: Any, party: Any, pki: Pki, other_pki: Pki) -> None:
    async def main(stage: Any) -> None:
        contexts = TlsContexts(other_pki.files("example.com"))
        server = await stage.endpoint("tls", tls=contexts)
        names = Names(server.listeners[0].port)
        client = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=names)
        assert (await ask(stage, party, client, "sips:example.com")).errors
        contexts.take(TlsContexts(pki.files("example.com")))
        assert (await ask(stage, party, client, "sips:example.com")).seen == ["200 OPTIONS"]

    play(main)


def test_half_open_connections_are_bounded_by_time(play: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(handshake_s=0.05))
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com")), settings=settings)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.listeners[0].port)
        async with asyncio.timeout(WAIT_S):
            try:
                assert await reader.read(1) == b""
            except ConnectionError:
                pass
        writer.close()
        await gone(server)
        assert server.counters.dropped["connection cut"] == 1

    play(main)


async def gone(endpoint: Any) -> None:
    async with asyncio.timeout(WAIT_S):
        while endpoint.connections:
            await asyncio.sleep(0)


def test_half_open_connections_are_bounded_by_count_in_all_and_of_one_address(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        settings = EndpointSettings(stream=StreamLimits(handshakes_of_one=2))
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com")), settings=settings)
        port = server.listeners[0].port
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        async with asyncio.timeout(WAIT_S):
            assert await idle[2][0].read(1) == b""  # one too many
        assert server.connections == 2
        for _, writer in idle:
            writer.close()
        await gone(server)
        client = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(port))
        assert (await ask(stage, party, client, "sips:example.com")).seen == ["200 OPTIONS"]

    play(main)


def test_octets_that_are_no_tls_end_the_connection_and_nothing_else(play: Any, party: Any, pki: Pki) -> None:
    async def main(stage: Any) -> None:
        server = await stage.endpoint("tls", tls=TlsContexts(pki.files("example.com")))
        port = server.listeners[0].port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"OPTIONS sip:b@127.0.0.1 SIP/2.0\r\n\r\n")
        async with asyncio.timeout(WAIT_S):
            await reader.read()
        writer.close()
        client = await stage.endpoint("udp", tls=TlsContexts(TlsFiles(authorities=pki.ca)), resolver=Names(port))
        assert (await ask(stage, party, client, "sips:example.com")).seen == ["200 OPTIONS"]

    play(main)


def test_tls_is_not_listened_for_without_a_certificate(play: Any) -> None:
    async def main(stage: Any) -> None:
        endpoint = await stage.endpoint("udp")
        with pytest.raises(TransportError, match=r"^tls:127\.0\.0\.1:0: TLS needs a certificate and its key$"):
            await endpoint.listen("tls", "127.0.0.1", 0)

    play(main)
