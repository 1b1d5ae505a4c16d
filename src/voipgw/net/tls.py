"""TLS under SIP connections: contexts from files, sessions without sockets, whose certificate it is (RFC 3261 26.3, RFC 5922).

A session is a machine over octets, like everything else here: what came from the wire goes in, what it wants sent is taken out.
So the same connection runs over a socket and over the lab's wires, and its handshake is bounded by the endpoint's deadlines.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

import attrs

from voipgw.errors import ConfigurationError, TransportError

_CHUNK = 65536


@attrs.frozen
class TlsFiles:
    """Where keys and certificates are; all PEM."""

    certificate: Path | None = None  #: ours, followed by those between it and its authority
    key: Path | None = None  #: its private key, not encrypted
    authorities: Path | None = None  #: who may have signed a server's certificate; None: those that the system trusts
    client_authorities: Path | None = None  #: who must have signed a client's certificate; None: clients show none


class TlsContexts:
    """What new connections are made with; ``take`` changes it for those that come after."""

    def __init__(self, files: TlsFiles | None = None) -> None:
        """Read the files.

        Raises:
            ConfigurationError: naming the option and the file that is missing, unreadable or wrong.
        """
        self.files = files or TlsFiles()
        self._server: ssl.SSLContext | None = None
        self._client: ssl.SSLContext | None = None
        if self.files != TlsFiles():
            self._server, self._client = _contexts(self.files)

    @property
    def serves(self) -> bool:
        """Whether there is a certificate to listen with."""
        return self._server is not None

    def take(self, others: TlsContexts) -> None:
        """Be like ``others`` from now on; connections that stand keep what they began with."""
        self.files, self._server, self._client = others.files, others._server, others._client

    def server(self) -> TlsSession:
        """A session for a connection that was accepted.

        Raises:
            TransportError: there is no certificate.
        """
        if self._server is None:
            raise TransportError("TLS is listened for with a certificate and its key only")
        return TlsSession(self._server, None)

    def client(self, name: str) -> TlsSession:
        """A session for a connection that we open to ``name``: the host of the URI, before any look-up (RFC 5922 section 7.3)."""
        if self._client is None:
            _, self._client = _contexts(self.files)
        return TlsSession(self._client, name)


class TlsSession:
    """One TLS connection, without its socket."""

    def __init__(self, context: ssl.SSLContext, name: str | None) -> None:
        """``name``: whom we want to reach; None where the peer opened the connection."""
        self.established = False  #: the handshake is over, and the peer is who it has to be
        self.ended = False  #: the peer said goodbye
        self.identities: tuple[str, ...] = ()  #: SIP domains that the peer's certificate proves, in lower case
        self._name = name
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._in, self._out, server_side=name is None, server_hostname=name or None)

    def start(self) -> None:
        """Begin the handshake.

        Raises:
            TransportError: it failed.
        """
        self._shake()

    def receive(self, octets: bytes) -> bytes:
        """Take what came from the wire; what it said in clear.

        Raises:
            TransportError: the handshake failed, a certificate was refused, or a record is not authentic.
        """
        self._in.write(octets)
        if not self.established:
            self._shake()
            if not self.established:
                return b""
        clear = bytearray()
        try:
            while True:
                piece = self._object.read(_CHUNK)
                if not piece:
                    self.ended = True
                    break
                clear += piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise TransportError(_reason(error)) from None
        return bytes(clear)

    def send(self, clear: bytes) -> None:
        """Encrypt; ``take`` gives it.

        Raises:
            TransportError: the session is broken.
        """
        try:
            self._object.write(clear)
        except ssl.SSLError as error:
            raise TransportError(_reason(error)) from None

    def take(self) -> bytes:
        """What is to be sent now."""
        return self._out.read()

    def end(self) -> None:
        """Say goodbye."""
        try:
            self._object.unwrap()
        except (ssl.SSLError, ValueError):
            pass  # it waits for the other goodbye, which nobody here does; or there never was a session

    def _shake(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TransportError(_reason(error)) from None
        certificate = self._object.getpeercert() or {}
        self.identities = sip_identities(certificate)
        if self._name is not None and not proves(certificate, self._name):
            shown = ", ".join(self.identities) or "no name"
            raise TransportError(f"the certificate is of {shown}, not of {self._name}")
        self.established = True


def sip_identities(certificate: object) -> tuple[str, ...]:
    """The SIP domains of a certificate as ``ssl`` describes it, in lower case (RFC 5922 section 7.1).

    Of the subjectAltName: ``sip:`` URIs without a user, and DNS names. The common name counts only where there is no
    subjectAltName at all.
    """
    if not isinstance(certificate, dict):
        return ()
    alternatives: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    found: dict[str, None] = {}
    for kind, value in alternatives:
        if kind == "DNS":
            found[value.lower().rstrip(".")] = None
        elif kind == "URI" and value[:4].lower() == "sip:":
            host = value[4:].partition(";")[0].partition("?")[0]
            if "@" not in host:
                found[host.lower().rstrip(".")] = None
    if not alternatives:
        for field in certificate.get("subject", ()):
            found.update({value.lower(): None for kind, value in field if kind == "commonName"})
    return tuple(found)


def proves(certificate: object, name: str) -> bool:
    """Whether a certificate is that of ``name``: equal without regard to case, and no wildcard counts (RFC 5922 section 7.2).

    An address in place of a domain has to stand in the certificate as an address.
    """
    wanted = name.lower().rstrip(".")
    if not wanted or not isinstance(certificate, dict):
        return False
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return wanted in sip_identities(certificate)
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "IP Address" and ipaddress.ip_address(value) == address:
            return True
    return False


def _contexts(files: TlsFiles) -> tuple[ssl.SSLContext | None, ssl.SSLContext]:
    client = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    client.check_hostname = (
        False  # RFC 5922 is stricter than RFC 6125 (no wildcards), and knows sip: URIs; see ``proves``
    )
    client.verify_mode = ssl.CERT_REQUIRED
    if files.authorities is None:
        client.load_default_certs()
    else:
        _trust(client, files.authorities, "--ca")
    if (files.certificate is None) != (files.key is None):
        raise ConfigurationError("--cert and --key go together: one of them is missing")
    if files.certificate is None or files.key is None:
        if files.client_authorities is not None:
            raise ConfigurationError(
                "--client-ca: clients are asked for certificates over TLS only, which needs --cert and --key"
            )
        return None, client
    server = _hardened(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    for context in (server, client):
        _own(context, files.certificate, files.key)
    if files.client_authorities is not None:
        _trust(server, files.client_authorities, "--client-ca")
        server.verify_mode = ssl.CERT_REQUIRED
    return server, client


def _hardened(context: ssl.SSLContext) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context


def _own(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for option, path in (("--cert", certificate), ("--key", key)):
        _readable(option, path)
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except _Encrypted as error:
        raise ConfigurationError(
            f"--key: {key} is encrypted; a gateway that starts by itself needs a plain one"
        ) from error
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigurationError(f"--key: {key} is not the key of {certificate}") from error
        raise ConfigurationError(
            f"--cert, --key: {certificate} and {key} are not a PEM certificate and its key"
        ) from error


def _trust(context: ssl.SSLContext, authorities: Path, option: str) -> None:
    _readable(option, authorities)
    try:
        context.load_verify_locations(authorities)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{option}: {authorities} holds no PEM certificate") from error


def _readable(option: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{option}: cannot read {path}: {error.strerror}") from error


class _Encrypted(Exception):
    """A key asks for a password."""


def _refuse_password() -> str:
    raise _Encrypted


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is refused: {error.verify_message}"
    return f"TLS: {(error.reason or str(error)).lower().replace('_', ' ')}"
