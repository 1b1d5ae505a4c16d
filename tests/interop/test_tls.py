"""TLS and WebSocket with other programs: openssl's client, sipp behind socat, and Kamailio as a record-routing TLS and WSS proxy."""

from __future__ import annotations

import re
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rig import sounds
from rig.baresip import Baresip
from rig.certificates import certify
from rig.gateway import Gateway
from rig.ports import free_port
from rig.processes import Process, need
from rig.sipp import Sipp

pytestmark = pytest.mark.peer
ULAW = {"PT": "0", "CODEC": "PCMU"}
LOOPBACK = ("--trust", "127.0.0.1/32")
SOFTPHONE = sounds.read(sounds.SPEECH / "callback.wav")[0]
PEERS = Path(__file__).parent / "peers"


@pytest.fixture
def certificates(tmp_path: Path) -> tuple[str, ...]:
    return certify(tmp_path, "127.0.0.1", "localhost")


def s_client(gateway: Gateway, directory: Path, *options: str, say: str = "") -> subprocess.CompletedProcess[str]:
    command = [need("openssl"), "s_client", "-connect", gateway.address(), "-CAfile", str(directory / "ca.pem"),
               "-verify_return_error", "-verify_ip", "127.0.0.1", *options]  # fmt: skip
    return subprocess.run(command, input=say, capture_output=True, text=True, timeout=20, check=False)


def accepts(port: int, within: float = 10.0) -> None:
    """Wait until somebody takes connections there."""
    until = time.monotonic() + within
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        select.select([], [], [], 0.05)
    raise AssertionError(f"nobody listens on {port}")


@pytest.mark.parametrize(("option", "shown"), [("-tls1_3", "TLSv1.3"), ("-tls1_2", "TLSv1.2")])
def test_openssl_sees_modern_tls_and_our_certificate(
    option: str, shown: str, trunk_gateway: Callable[..., Gateway], certificates: tuple[str, ...], tmp_path: Path
) -> None:
    gateway = trunk_gateway("--to", "sip:127.0.0.1:9", *certificates, listen=("tls:127.0.0.1:0",))
    run = s_client(gateway, tmp_path, option, "-brief")
    assert f"Protocol version: {shown}" in run.stderr
    assert "Verification: OK" in run.stderr
    gateway.stop()


def test_openssl_is_refused_with_older_tls_and_without_the_certificate_asked_for(
    trunk_gateway: Callable[..., Gateway], certificates: tuple[str, ...], tmp_path: Path
) -> None:
    asks = f"--client-ca={tmp_path / 'ca.pem'}"
    gateway = trunk_gateway("--to", "sip:127.0.0.1:9", *certificates, asks, listen=("tls:127.0.0.1:0",))
    old = s_client(gateway, tmp_path, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
    assert old.returncode != 0 and "alert protocol version" in old.stderr
    bare = s_client(gateway, tmp_path, "-tls1_2")
    assert bare.returncode != 0 and "handshake failure" in bare.stderr
    own = ("-cert", str(tmp_path / "cert.pem"), "-key", str(tmp_path / "key.pem"))
    assert "Verification: OK" in s_client(gateway, tmp_path, *own, "-brief").stderr
    gateway.stop()


def test_sipp_calls_by_tls(
    trunk_gateway: Callable[..., Gateway],
    sipp: Callable[..., Sipp],
    keep: Callable[[Process], Process],
    certificates: tuple[str, ...],
    tmp_path: Path,
) -> None:
    callee = sipp("callee_talks", calls=10, RING_MS="20", **ULAW)
    gateway = trunk_gateway(*LOOPBACK, "--to", callee.uri, *certificates, listen=("tls:127.0.0.1:0", "udp:127.0.0.1:0"))
    port = free_port()
    keep(Process([need("socat"), f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr",
                  f"OPENSSL:{gateway.address()},cafile={tmp_path / 'ca.pem'}"], tmp_path))  # fmt: skip
    accepts(port)
    caller = sipp("caller_quiet", "-t", "t1", f"127.0.0.1:{port}", calls=10, TALK_MS="50", **ULAW)
    caller.succeeded(10)
    callee.succeeded(10)
    gateway.stop()
    assert len(gateway.records()) == 10


@pytest.fixture
def kamailio(keep: Callable[[Process], Process], tmp_path: Path) -> Callable[..., dict[str, int]]:
    """Starts Kamailio in front of the gateway at ``peer``; its ports by name."""

    def start(peer: str) -> dict[str, int]:
        program = need("kamailio")
        ports = {name: free_port() for name in ("UDP", "TLS", "WSS")}
        words = {**{name: str(port) for name, port in ports.items()}, "PEER": peer, "DIRECTORY": str(tmp_path)}
        for source, made in (("kamailio.cfg", "kamailio.cfg"), ("kamailio-tls.cfg", "tls.cfg")):
            text = re.sub(r"@([A-Z]+)@", lambda match: words[match[1]], (PEERS / source).read_text())
            (tmp_path / made).write_text(text)
        keep(Process([program, "-f", "kamailio.cfg", "-DD", "-E", "-w", str(tmp_path), "-Y", str(tmp_path),
                      "-m", "32", "-M", "4"], tmp_path))  # fmt: skip
        accepts(ports["WSS"])
        return ports

    return start


@pytest.mark.parametrize(("server", "uri"), [("TLS", "sips:127.0.0.1:{}"), ("WSS", "sips:127.0.0.1:{};transport=ws")])
def test_calls_go_through_kamailio_by_tls_and_come_back_by_tls(
    server: str,
    uri: str,
    trunk_gateway: Callable[..., Gateway],
    sipp: Callable[..., Sipp],
    kamailio: Callable[..., dict[str, int]],
    certificates: tuple[str, ...],
    tmp_path: Path,
) -> None:
    callee = sipp("callee_talks", calls=10, RING_MS="20", **ULAW)
    inner = trunk_gateway(
        *LOOPBACK, "--to", callee.uri, *certificates, listen=("tls:127.0.0.1:0", "udp:127.0.0.1:0"), cdr="inner.jsonl"
    )
    port = kamailio(inner.address())[server]
    outer = trunk_gateway(
        *LOOPBACK,
        "--to",
        uri.format(port),
        *certificates,
        listen=("udp:127.0.0.1:0", "tls:127.0.0.1:0", "wss:127.0.0.1:0"),
    )
    caller = sipp("caller_quiet", outer.address(), calls=10, TALK_MS="50", **ULAW)
    caller.succeeded(10)
    callee.succeeded(10)
    outer.stop()
    inner.stop()
    assert [record["sip_status"] for record in outer.records()] == [200] * 10


def test_a_certificate_of_another_name_sends_the_call_to_the_next_trunk(
    trunk_gateway: Callable[..., Gateway], sipp: Callable[..., Sipp], certificates: tuple[str, ...], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    forged = certify(elsewhere, "127.0.0.1")
    callee = sipp("callee_talks", RING_MS="20", **ULAW)
    false = trunk_gateway(
        *LOOPBACK, "--to", callee.uri, *forged, listen=("tls:127.0.0.1:0", "udp:127.0.0.1:0"), cdr="false.jsonl"
    )
    gateway = trunk_gateway(
        *LOOPBACK, "--to", f"sips:{false.address()}", "--to", callee.uri, *certificates,
        listen=("udp:127.0.0.1:0", "tls:127.0.0.1:0"),
    )  # fmt: skip
    sipp("caller_quiet", gateway.address(), TALK_MS="50", **ULAW).succeeded()
    callee.succeeded()
    gateway.stop()
    false.stop()
    [record] = gateway.records()
    assert [attempt["sip_status"] for attempt in record["attempts"]] == [503, 200]
    assert false.records() == []


def test_a_web_page_of_another_host_is_turned_away(
    trunk_gateway: Callable[..., Gateway], certificates: tuple[str, ...], tmp_path: Path
) -> None:
    gateway = trunk_gateway(
        "--to", "sip:127.0.0.1:9", *certificates, "--ws-origin", "https://phone.example", listen=("wss:127.0.0.1:0",)
    )
    context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    host, _, port = gateway.address().partition(":")
    for origin, status in (("https://phone.example", 101), ("https://evil.example", 403)):
        with (
            socket.create_connection((host, int(port)), 10) as plain,
            context.wrap_socket(plain, server_hostname=host) as wire,
        ):
            lines = [
                "GET / HTTP/1.1", f"Host: {host}:{port}", "Upgrade: websocket", "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13",
                "Sec-WebSocket-Protocol: sip", f"Origin: {origin}", "", "",
            ]  # fmt: skip
            wire.sendall("\r\n".join(lines).encode())
            assert wire.recv(4096).startswith(b"HTTP/1.1 %d" % status)
    gateway.stop()


def test_baresip_calls_by_tls_and_is_heard(
    trunk_gateway: Callable[..., Gateway],
    sipp: Callable[..., Sipp],
    baresip: Callable[..., Baresip],
    certificates: tuple[str, ...],
    tmp_path: Path,
) -> None:
    callee = sipp("callee_talks", "-rtp_echo", RING_MS="20", **ULAW)
    gateway = trunk_gateway(
        *LOOPBACK, "--to", callee.uri, *certificates, listen=("tls:127.0.0.1:0", "udp:127.0.0.1:0"),
    )  # fmt: skip
    softphone = baresip(SOFTPHONE, tls=tmp_path)
    softphone.tell("dial", f"sip:12125550147@{gateway.address()};transport=tls")
    softphone.event("CALL_ESTABLISHED")
    softphone.listen(len(SOFTPHONE) / sounds.RATE + 0.5)
    softphone.tell("hangup")
    callee.succeeded()
    softphone.quit()
    gateway.stop()
    assert sounds.likeness(SOFTPHONE, softphone.heard()) > 0.97
    assert [record["cause"] for record in gateway.records()] == [16]


def test_baresip_is_called_by_tls_and_its_certificate_counts(
    trunk_gateway: Callable[..., Gateway],
    sipp: Callable[..., Sipp],
    baresip: Callable[..., Baresip],
    certificates: tuple[str, ...],
    tmp_path: Path,
) -> None:
    softphone = baresip(SOFTPHONE, tls=tmp_path, user="12125550147")
    gateway = trunk_gateway(
        *LOOPBACK, "--to", f"sip:127.0.0.1:{softphone.port + 1};transport=tls", *certificates,
        listen=("udp:127.0.0.1:0", "tls:127.0.0.1:0"),
    )  # fmt: skip
    sipp("caller_quiet", "-s", "12125550147", gateway.address(), TALK_MS="300", **ULAW).succeeded()
    softphone.event("CALL_CLOSED")
    softphone.quit()
    gateway.stop()
    assert [record["sip_status"] for record in gateway.records()] == [200]
