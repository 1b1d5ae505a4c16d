from __future__ import annotations

import pytest

from voipgw.errors import ConfigurationError
from voipgw.gateway.config import (
    Credentials,
    Listen,
    User,
    parse_codecs,
    parse_host_port,
    parse_network,
    parse_ports,
    parse_users,
)


@pytest.mark.parametrize(
    ("text", "listen"),
    [
        ("udp:127.0.0.1:5060", Listen("udp", "127.0.0.1", 5060)),
        ("tcp:[::1]:0", Listen("tcp", "::1", 0)),
        ("tls:127.0.0.1:5061", Listen("tls", "127.0.0.1", 5061)),
        ("wss:[::]:443", Listen("wss", "::", 443)),
        ("udp:gw.example:5080", Listen("udp", "gw.example", 5080)),
    ],
)
def test_a_listener_is_read_and_written(text: str, listen: Listen) -> None:
    assert Listen.parse(text) == listen
    assert str(listen) == text


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("127.0.0.1:5060", "not TRANSPORT:HOST:PORT"),
        ("udp:127.0.0.1", "not TRANSPORT:HOST:PORT"),
        ("udp:::1:5060", "not TRANSPORT:HOST:PORT"),
        ("sctp:127.0.0.1:5060", "unknown transport 'sctp'"),
        ("udp:127.0.0.1:70000", "over 65535"),
        (
            "sctp:127.0.0.1:5061",
            "unknown transport 'sctp' in 'sctp:127.0.0.1:5061'; it is one of udp, tcp, tls, ws, wss",
        ),
        ("udp:[1.2.3.4]:5060", "not an IPv6 address"),
    ],
)
def test_a_bad_listener_is_named_with_what_would_be_right(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError, match="^--listen: ") as caught:
        Listen.parse(text)
    assert says in str(caught.value)


def test_codecs_are_spelled_as_the_registry_does() -> None:
    assert parse_codecs("pcma, PCMU") == ("PCMA", "PCMU")
    assert parse_codecs("g722,G726-32,l16/16000") == ("G722", "G726-32", "L16/16000")
    with pytest.raises(ConfigurationError, match=r"codec 'Opus' is not in this version yet; it has PCMU,PCMA,G722"):
        parse_codecs("PCMU,Opus")
    with pytest.raises(ConfigurationError, match="unknown codec 'MP3'"):
        parse_codecs("MP3")
    with pytest.raises(ConfigurationError, match="stands twice"):
        parse_codecs("PCMU,PCMU")
    with pytest.raises(ConfigurationError, match="unknown codec ''"):
        parse_codecs("")


def test_ports_and_networks_are_checked() -> None:
    assert parse_ports("20000-20001") == (20000, 20001)
    for bad in ("20000", "20001-20002", "30000-20000", "80-90", "1-2-3", "60000-70000"):
        with pytest.raises(ConfigurationError, match="^--media-ports: "):
            parse_ports(bad)
    assert str(parse_network("192.0.2.1")) == "192.0.2.1/32"
    with pytest.raises(ConfigurationError, match="^--trust: "):
        parse_network("192.0.2.1/24")
    assert parse_host_port("[::1]:9108", "--metrics") == ("::1", 9108)
    with pytest.raises(ConfigurationError, match="^--metrics: "):
        parse_host_port("9108", "--metrics")


def test_a_users_file_is_read_and_its_secrets_never_shown() -> None:
    ha1 = "939e7578ed9e3c518a452acee763bce9"
    users = parse_users(f"# phones\nalice:alicepw\n\nbob:example.org:{ha1}\n", "users.txt")
    assert users == {"alice": User("alice", "alicepw"), "bob": User("bob", "", "example.org", ha1)}
    assert "alicepw" not in repr(users)
    assert ha1 not in repr(users)
    assert "secret" not in repr(Credentials("u", "secret"))


@pytest.mark.parametrize("line", ["alice", "alice:", ":pw", "bob:example.org:abc", "a:b:c:d"])
def test_a_bad_line_of_a_users_file_is_named(line: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^users.txt:2: not user:password or user:realm:HA1$"):
        parse_users(f"alice:pw\n{line}\n", "users.txt")


def test_a_user_given_twice_is_named() -> None:
    with pytest.raises(ConfigurationError, match="^users.txt:2: user 'alice' was already given above$"):
        parse_users("alice:one\nalice:two\n", "users.txt")
