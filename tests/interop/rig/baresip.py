"""baresip as a softphone: it speaks a file, records what it hears, and is told what to do over its control port."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from rig import sounds
from rig.ports import free_port
from rig.processes import Process, need

MODULES = Path("/usr/lib/baresip/modules")
CONFIG = """\
poll_method epoll
sip_listen 127.0.0.1:{sip}
sip_trans_def udp
call_local_timeout 60
call_max_calls 4
audio_path /usr/share/baresip
audio_source aufile,{say}
audio_player aufile,{folder}/player.wav
audio_alert aufile,/dev/null
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
ausrc_format s16
auplay_format s16
auenc_format s16
audec_format s16
audio_buffer 20-160
audio_telev_pt 101
rtp_ports {rtp}-{rtp_end}
jitter_buffer_type fixed
jitter_buffer_delay 2-10
net_interface 127.0.0.1
module_path {modules}
module_tmp uuid.so
module_tmp account.so
module g711.so
module g722.so
module g726.so
module gsm.so
module l16.so
module aufile.so
module sndfile.so
{modules_more}module_app ctrl_tcp.so
module_app menu.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}/heard
"""


class Baresip(Process):
    """One softphone, which answers at once. ``say`` is what it speaks from the start of each call, at 8000 Hz.

    ``mediaenc`` is its way to protect media: ``srtp-mand`` for SRTP with keys in the description and nothing else.
    ``tls``: a directory with ``cert.pem``, ``key.pem`` and ``ca.pem``; it then takes TLS on the port after its own.
    With ``registrar``, HOST:PORT, it registers there, as ``user`` with ``password``.
    """

    def __init__(
        self,
        cwd: Path,
        say: sounds.Pcm,
        *,
        user: str = "softphone",
        codecs: str = "pcmu",
        mediaenc: str = "",
        tls: Path | None = None,
        registrar: str = "",
        password: str = "",
        transport: str = "udp",
    ) -> None:
        program = need("baresip")
        if not (MODULES / "sndfile.so").exists():
            need("baresip with sndfile.so")
        self.port, self.control, rtp = free_port(2), free_port(2), free_port(40)
        self.folder = cwd / f"baresip-{self.port}"
        (self.folder / "heard").mkdir(parents=True)
        silence = np.zeros(60 * sounds.RATE, np.int16)  # it hangs up when it has nothing more to say
        spoken = sounds.write(self.folder / "say.wav", np.concatenate([say, silence]))
        values = {
            "sip": self.port,
            "control": self.control,
            "rtp": rtp,
            "rtp_end": rtp + 38,
            "say": spoken,
            "folder": self.folder,
            "modules_more": "module srtp.so\n" if mediaenc else "",
        }
        config = CONFIG.format(modules=MODULES, **values)
        if tls is not None:  # a directory with cert.pem, key.pem and ca.pem; its TLS port is the next one
            bundle = (tls / "cert.pem").read_text() + (tls / "key.pem").read_text()
            (self.folder / "bundle.pem").write_text(bundle)
            config += f"sip_certificate {self.folder}/bundle.pem\nsip_cafile {tls}/ca.pem\n"
        (self.folder / "config").write_text(config)
        account = f"<sip:{user}@127.0.0.1:{self.port}>;regint=0"
        if registrar:
            account = f"<sip:{user}@{registrar};transport={transport}>;auth_user={user};auth_pass={password};regint=60"
        account += f";answermode=auto;audio_codecs={codecs}"
        account += f";mediaenc={mediaenc}" if mediaenc else ""
        (self.folder / "accounts").write_text(account + "\n")
        (self.folder / "contacts").write_text("")
        super().__init__([program, "-f", str(self.folder)], cwd)
        self.line("baresip is ready")
        self._events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._socket = socket.create_connection(("127.0.0.1", self.control), 5)
        self._socket.settimeout(None)
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def uri(self) -> str:
        """How it is called."""
        return f"sip:127.0.0.1:{self.port}"

    def tell(self, name: str, params: str = "") -> None:
        """Tell it what to do: dial, accept, hangup, sndcode ..."""
        octets = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._socket.sendall(b"%d:%s," % (len(octets), octets))

    def event(self, kind: str, within: float = 15.0, **fields: str) -> dict[str, Any]:
        """The first event of that type, from its start on."""
        until = time.monotonic() + within
        with self._news:
            while True:
                for event in self._events:
                    if event.get("type") == kind and all(event.get(key) == value for key, value in fields.items()):
                        return event
                if not self._news.wait(until - time.monotonic()):
                    raise AssertionError(f"baresip: no {kind} within {within} s, but {self._events}\n{self.output}")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Every event of that type so far."""
        with self._news:
            return [event for event in self._events if event.get("type") == kind]

    def answers(self, token: str, count: int, within: float = 10.0) -> None:
        """Wait until ``count`` commands of that name have been carried out."""
        until = time.monotonic() + within
        with self._news:
            while sum(event.get("token") == token for event in self._events) < count:
                assert self._news.wait(until - time.monotonic()), f"baresip did not carry out {token}: {self._events}"

    def listen(self, seconds: float) -> None:
        """Wait until it has heard so much more of the call."""
        [path] = (self.folder / "heard").glob("*-dec.wav")
        wanted, until = path.stat().st_size + int(seconds * 2 * sounds.RATE), time.monotonic() + seconds + 10
        while path.stat().st_size < wanted:
            assert time.monotonic() < until, f"{path} does not grow"
            select.select([], [], [], 0.05)

    def quit(self) -> None:
        """End it in the way that finishes its recordings."""
        self.tell("quit")
        self.wait(15)

    def heard(self) -> sounds.Pcm:
        """What it heard, at 8000 Hz; after ``quit``."""
        [path] = (self.folder / "heard").glob("*-dec.wav")
        return sounds.read(path)[0]

    def heard_at(self) -> tuple[sounds.Pcm, int]:
        """What it heard, at the rate of its codec, and that rate; after ``quit``."""
        [path] = (self.folder / "heard").glob("*-dec.wav")
        return sounds.read_at(path)

    def _listen(self) -> None:
        octets = b""
        try:
            while chunk := self._socket.recv(65536):
                octets += chunk
                while found := re.match(rb"(\d+):", octets):
                    end = found.end() + int(found[1])
                    if len(octets) <= end:
                        break
                    with self._news:
                        self._events.append(json.loads(octets[found.end() : end]))
                        self._news.notify_all()
                    octets = octets[end + 1 :]
        except OSError:
            return

    def kill(self) -> None:
        """See ``Process.kill``."""
        if hasattr(self, "_socket"):
            self._socket.close()
        super().kill()
