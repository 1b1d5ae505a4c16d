"""A file of call records that was moved away is let go at a reload."""

from __future__ import annotations

import asyncio
from pathlib import Path

from voipgw.gateway import Gateway, GatewayConfig, Listen
from voipgw.routing import Plan, anything, reject


def test_a_moved_file_of_records_is_left_and_a_fresh_one_begun(tmp_path: Path) -> None:
    async def main() -> None:
        plan = Plan()
        plan.route("no", when=anything, to=reject())
        config = GatewayConfig(listen=(Listen("udp", "127.0.0.1", 0),), cdr=tmp_path / "calls.jsonl")
        async with Gateway(config, plan) as gateway:
            assert (tmp_path / "calls.jsonl").exists()
            (tmp_path / "calls.jsonl").rename(tmp_path / "calls.jsonl.1")
            gateway.reload(config, plan)
            assert (tmp_path / "calls.jsonl").exists()

    asyncio.run(main())
