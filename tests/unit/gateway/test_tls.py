"""Certificates of a gateway: options, READY, and reading them again."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme

from voipgw.errors import ConfigurationError
from voipgw.gateway import Program
from voipgw.gateway.config import GatewayConfig, Listen, MediaSettings
from voipgw.gateway.gateway import Gateway
from voipgw.gateway.options import config_of
from voipgw.net.tls import TlsFiles
from voipgw.routing import Plan, anything, reject


def plan() -> Plan:
    made = Plan()
    made.route("nothing", when=anything, to=reject())
    return made


@pytest.fixture
def files(tmp_path: Path) -> TlsFiles:
    authority = trustme.CA()
    leaf = authority.issue_cert("127.0.0.1", "gw.example.com")
    leaf.private_key_pem.write_to_path(tmp_path / "key.pem")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "ca.pem")


def config(*words: str) -> GatewayConfig:
    program = Program("gateway", "", lambda options: plan())
    return config_of(program.parser.parse_args(words))


def test_the_options_name_the_files(files: TlsFiles) -> None:
    words = [
        f"--{name}={path}"
        for name, path in (("cert", files.certificate), ("key", files.key), ("ca", files.authorities))
    ]
    got = config(*words, f"--client-ca={files.authorities}", "--listen=wss:[::1]:0", "--ws-origin=https://a.example")
    assert got.tls == TlsFiles(files.certificate, files.key, files.authorities, files.authorities)
    assert got.listen == (Listen("wss", "::1", 0),)
    assert got.origins == ("https://a.example",)


def test_a_secure_listener_without_a_certificate_is_refused() -> None:
    with pytest.raises(
        ConfigurationError, match=r"^--listen: tls:127\.0\.0\.1:5061 needs a certificate: --cert FILE --key FILE$"
    ):
        config("--listen", "tls:127.0.0.1:5061")


def test_a_bad_file_is_refused_when_the_options_are_read(files: TlsFiles, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^--key: cannot read .*nothing\.pem: "):
        config("--cert", str(files.certificate), "--key", str(tmp_path / "nothing.pem"))


def settings(files: TlsFiles) -> GatewayConfig:
    return GatewayConfig(listen=(Listen("tls", "127.0.0.1", 0),), tls=files, media=MediaSettings(mode="none"))


async def shown(gateway: Gateway) -> object:
    """The serial number of the certificate that a client sees."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    port = int(gateway.listening[0].rpartition(":")[2])
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    return certificate


def test_a_reload_takes_other_certificates_and_a_bad_one_changes_nothing(files: TlsFiles) -> None:
    async def main() -> None:
        async with Gateway(settings(files), plan()) as gateway:
            first = await shown(gateway)
            assert files.certificate is not None and files.key is not None
            other = trustme.CA().issue_cert("127.0.0.1")
            other.cert_chain_pems[0].write_to_path(files.certificate)
            with pytest.raises(ConfigurationError, match=r"^--key: .* is not the key of "):
                gateway.reload(settings(files), plan())
            assert await shown(gateway) == first
            other.private_key_pem.write_to_path(files.key)
            gateway.reload(settings(files), plan())
            assert await shown(gateway) != first

    asyncio.run(main())
