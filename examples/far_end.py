"""The far end of the demo: two SIP carriers and a person behind the second one.

The demo runs this file as a process of its own and talks to it in lines of JSON; in the lab the same ``FarEnd`` stands on a virtual
network, in the same process.
"""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voipgw import dsp
from voipgw.entropy import Entropy, SystemEntropy
from voipgw.lab.peer import Peer, PeerCall
from voipgw.media.player import pcm_from_wav
from voipgw.net.network import Network, SystemNetwork

Pcm = npt.NDArray[np.int16]


class FarEnd:
    """Carrier A, which has no capacity; carrier B, which takes calls and calls back."""

    def __init__(self, network: Network, host: str, entropy: Entropy, ports: tuple[int, int] = (0, 0)) -> None:
        self.a = Peer(network, host, entropy, port=ports[0])
        self.b = Peer(network, host, entropy, port=ports[1])

    async def __aenter__(self) -> FarEnd:
        self.a.refuse_all = 503
        await self.a.__aenter__()
        await self.b.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.a.__aexit__()
        await self.b.__aexit__()

    async def take_call(self, say: str, hear: str) -> dict[str, Any]:
        """Answer the next call after two seconds of ringback as early media, speak, listen until the caller hangs up."""
        call = await self.b.next_call(within=30)
        call.progress(183)
        ringing = dsp.ToneGenerator(dsp.country("us").tone("ringback")).make(16000)
        await call.voice.say(ringing)
        call.answer()
        return await self._talk(call, say, hear)

    async def place_call(self, uri: str, calling: str, say: str, hear: str) -> dict[str, Any]:
        """Call, wait for the answer, speak, listen until the other side hangs up."""
        call = self.b.call(uri, calling=calling, display_name="Carrier B")
        await call.until_answered(within=30)
        return await self._talk(call, say, hear)

    async def _talk(self, call: PeerCall, say: str, hear: str) -> dict[str, Any]:
        await call.voice.say(read_wav(Path(say)))
        await call.until_over(within=30)
        write_wav(Path(hear), call.voice.heard())
        ended = call.ended_by_peer
        return {
            "called": call.called,
            "calling": call.calling,
            "codec": call.agreement.codec.name if call.agreement else None,
            "how": ended.how.value if ended else None,
            "causes": [reason.cause for reason in ended.reasons] if ended else [],
            "packets_received": call.voice.packets_received,
        }


def read_wav(path: Path) -> Pcm:
    """The samples of an 8000 Hz mono WAV."""
    return pcm_from_wav(path.read_bytes(), str(path))


def write_wav(path: Path, pcm: Pcm) -> None:
    """Write int16[n] samples at 8000 Hz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.astype("<i2").tobytes())


async def serve() -> None:
    """Do what the lines on standard input say, one after the other; answer each with a line."""
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with FarEnd(SystemNetwork(loop), "127.0.0.1", SystemEntropy()) as far:
        print(json.dumps({"a": far.a.uri, "b": far.b.uri}), flush=True)
        while line := await lines.readline():
            command = json.loads(line)
            try:
                result = await getattr(far, command.pop("do"))(**command)
            except Exception as error:
                result = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
