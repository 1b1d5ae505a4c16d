from __future__ import annotations

import asyncio

from voipgw.net.endpoint import Endpoint


def test_requests_leave_by_the_listener_whose_address_leads_to_the_peer() -> None:
    async def main() -> None:
        endpoint = Endpoint(accept=lambda request, arrival, now: None)
        other = await endpoint.listen("udp", "127.0.0.3", 0)
        assert endpoint.local_address("udp", "127.0.0.1") == ("127.0.0.3", other.port)
        everywhere = await endpoint.listen("udp", "0.0.0.0", 0)
        assert endpoint.local_address("udp", "127.0.0.1") == ("127.0.0.1", everywhere.port)
        near = await endpoint.listen("udp", "127.0.0.1", 0)
        assert endpoint.local_address("udp", "127.0.0.1") == ("127.0.0.1", near.port)
        await endpoint.close()

    asyncio.run(main())
