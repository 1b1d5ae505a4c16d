"""The torture messages of RFC 4475 by the wire: what an endpoint sends back when nobody takes what it could take.

None: nothing may be sent, since the message is a response. 404 and 200 stand for "processed": a gateway's own code would have got it.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from voipgw.entropy import SeededEntropy
from voipgw.lab.clock import run_virtual
from voipgw.lab.host import Host
from voipgw.lab.network import Network
from voipgw.net.endpoint import Endpoint
from voipgw.net.settings import EndpointSettings

VECTORS = Path(os.environ.get("VOIPGW_VECTORS", Path(__file__).parents[2] / ".." / "shared" / "vectors"))
MESSAGES = VECTORS / "sip" / "rfc4475"

pytestmark = pytest.mark.skipif(not MESSAGES.is_dir(), reason=f"the messages of RFC 4475 are not in {MESSAGES}")

OUTCOMES: dict[str, int | None] = {
    # section 3.1.1, valid
    "wsinv": 481,  # its To has a tag, of a dialog that is not here
    "intmeth": 501, "esc01": 404, "escnull": 404, "esc02": 501, "lwsdisp": 200, "longreq": 404, "dblreq": 404,
    "semiuri": 200, "transports": 200, "mpart01": 404, "unreason": None, "noreason": None,
    # section 3.1.2, invalid
    "badinv01": 400, "clerr": 400, "ncl": 400, "scalar02": 400, "scalarlg": None, "quotbal": 400, "ltgtruri": 400,
    "lwsruri": 400, "lwsstart": 400, "trws": 400, "escruri": 400, "baddate": 400, "regbadct": 400, "badaspec": 400,
    "baddn": 400, "badvers": 505, "mismatch01": 400, "mismatch02": 501, "bigcode": None,
    # sections 3.2 to 3.4
    "badbranch": 200,  # matched as RFC 2543 did
    "insuf": 400, "unkscm": 416, "novelsc": 416, "unksm2": 404, "bext01": 420, "invut": 415, "regaut01": 404,
    "multi01": 400, "mcl01": 400, "bcast": None, "zeromf": 200,  # OPTIONS that ends here (section 11)
    "cparam01": 404, "cparam02": 404, "regescrt": 404, "sdp01": 406, "inv2543": 404,
}  # fmt: skip


def test_every_message_of_the_rfc_is_here() -> None:
    assert {path.stem for path in MESSAGES.glob("*.dat")} == set(OUTCOMES)


@pytest.mark.parametrize(("name", "status"), sorted(OUTCOMES.items()))
def test_the_endpoint_answers_as_the_rfc_says_and_goes_on(name: str, status: int | None) -> None:
    async def main() -> list[bytes]:
        network = Network(asyncio.get_running_loop(), SeededEntropy(1))
        endpoint = Endpoint(
            accept=lambda request, arrival, now: None,
            network=Host(network, "192.0.2.1"),
            entropy=SeededEntropy(2),
            settings=EndpointSettings(accept=("application/sdp", "multipart/mixed")),
        )
        await endpoint.listen("udp", "192.0.2.1", 5060)
        answers: list[bytes] = []

        class Watch:
            def observe(self, message: object) -> None:
                if message.direction == "out":  # type: ignore[attr-defined]
                    answers.append(message.data)  # type: ignore[attr-defined]

        endpoint.observers.append(Watch())
        peer = network.bind(("192.0.2.9", 5060), lambda data, source: None)
        peer.send((MESSAGES / f"{name}.dat").read_bytes(), ("192.0.2.1", 5060))
        await asyncio.sleep(0.1)
        assert endpoint.counters.dropped["internal error"] == 0
        await endpoint.close()
        return answers

    answers, _, _ = run_virtual(main)
    assert [int(data.split(b" ")[1]) for data in answers] == ([] if status is None else [status])
