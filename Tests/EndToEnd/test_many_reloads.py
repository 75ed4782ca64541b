"""Reload after reload under running streams: no stream lost, generations freed, memory back where it was.

`RELOADS=1000` is the full run.
"""

import asyncio
import os
import pathlib

import pytest

from gateway import PATIENCE, cluster, configuration, until
from test_reload import POLICY, Reader, Trickle, aside, ask, clients, eventually

RELOADS = int(os.environ.get("RELOADS", "25"))
STREAMS = 40
pytestmark = pytest.mark.timeout(60 + RELOADS)


def resident_bytes(process):
    fields = pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def test_reloads_lose_no_stream_and_no_memory(start):
    async def run():
        async with Trickle() as upstream:
            settings = configuration(clusters=[cluster(
                "engine", {"url": upstream.url, "protocol": "http/1.1"}, max_connections=8 * STREAMS)])
            gateway = await aside(lambda: start(settings))
            await aside(gateway.policy, "edited", POLICY % "first")
            generation = await aside(gateway.next_generation, 1)
            async with clients() as several:
                readers = [Reader() for _ in range(STREAMS)]
                tasks = [
                    asyncio.create_task(reader.run(several[number % 4], gateway.url))
                    for number, reader in enumerate(readers)]
                await eventually(
                    lambda: all(reader.events for reader in readers) or any(task.done() for task in tasks),
                    "every stream has begun")
                levels = []
                for number in range(RELOADS):
                    await aside(gateway.policy, "edited", POLICY % f"edit{number}")
                    generation = await aside(gateway.next_generation, generation)
                    if number in (RELOADS // 2, RELOADS - 1):
                        levels.append(resident_bytes(gateway.process))
                assert await aside(ask, gateway) == f"the edit{RELOADS - 1} is in"
                # The streams' own generation and the newest; those between are gone with their last request.
                state = await aside(lambda: gateway.policies)
                assert len(state["generations_alive"]) == 2, state["generations_alive"]
                assert not any(task.done() for task in tasks)
                assert levels[1] - levels[0] < 32 << 20
                upstream.may_end.set()
                await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
            for reader in readers:
                assert reader.is_whole and reader.text.startswith("first 1 ")
            await eventually(
                lambda: len(gateway.policies["generations_alive"]) == 1, "the first generation ends with its streams")

    asyncio.run(run())


def test_a_mounted_folder_whose_link_is_swapped(start, engine, tmp_path):
    """What volumes of ConfigMaps do: files are links into a folder that is exchanged as a whole."""
    mounted = tmp_path / "mounted"
    for number in (1, 2):
        version = mounted / f"..v{number}"
        version.mkdir(parents=True)
        (version / "edited.lua").write_text(POLICY % f"volume{number}")
    (mounted / "..data").symlink_to("..v1")
    (mounted / "edited.lua").symlink_to("..data/edited.lua")
    gateway = start(configuration(engine.url, plugins={"folder": str(mounted)}), plugins=False)
    assert ask(gateway) == "the volume1 is in"
    (mounted / "..next").symlink_to("..v2")
    (mounted / "..next").rename(mounted / "..data")
    gateway.next_generation(1)
    assert ask(gateway) == "the volume2 is in"


def test_a_deleted_file_that_a_binding_needs(start, engine):
    gateway = start(configuration(engine.url, policies=[{"use": "word-filter", "config": {"words": {"tide": "sea"}}}]))
    assert ask(gateway) == "the sea is in"
    text = (gateway.plugins / "word-filter.lua").read_text()
    (gateway.plugins / "word-filter.lua").unlink()
    errors = gateway.refusal()["errors"]
    assert any("word-filter" in error["message"] for error in errors)
    assert ask(gateway) == "the sea is in"
    gateway.policy("word-filter", text)
    until(lambda: gateway.policies["reload_failure"] is None, "the refusal is taken back")
    assert ask(gateway) == "the sea is in"
