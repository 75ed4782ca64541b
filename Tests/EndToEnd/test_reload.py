"""Policies and configuration that change under running streams, and the end of the process."""

import asyncio
import contextlib
import hashlib
import json
import pathlib
import re

import httpx

from gateway import (
    KEY, PATIENCE, RELOAD, TERMINATE, Program, cluster, configuration, free_port, get, save, until)

STREAMS = 200

POLICY = """return {
  auto = true,
  segment = { unit = "word" },
  on_segment = function(s, word) if word == "tide" then return "%s" end end,
}
"""
GO = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": "go"}]}
BROKEN = """return {
  auto = true,
  on_segment = function(s, word) return = end,
}
"""


def ask(gateway, text="the tide is in", **more):
    body = {"model": "echo", "messages": [{"role": "user", "content": text}]} | more
    answer = httpx.post(gateway.url + "/v1/chat/completions", json=body, timeout=PATIENCE)
    answer.raise_for_status()
    return answer.json()["choices"][0]["message"]["content"]


class Trickle:
    """An upstream whose streams all run until they are told to end: a word every 200 ms, then the finish and the marker."""

    def __init__(self):
        self.may_end = asyncio.Event()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.url = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self.may_end.set()
        self.server.close()
        await self.server.wait_closed()

    async def serve(self, reader, writer):
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.answer(reader, writer):
                pass
        writer.close()

    async def answer(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.readexactly(int(re.search(rb"(?i)content-length: (\d+)", head).group(1)))
        request = json.loads(body)

        def event(delta, finish=None):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            text = "data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                                          "choices": [choice]}) + "\n\n"
            self.chunk(writer, text)

        if not request.get("stream"):
            content = request["messages"][-1]["content"]
            text = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}]})
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                         % (len(text), text.encode()))
            return True
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        number = 0
        while not self.may_end.is_set():
            number += 1
            event({"content": f"tide {number} "})
            await writer.drain()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.may_end.wait(), 0.2)
        event({"content": f"end {number}"})
        event({}, "stop")
        self.chunk(writer, "data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    @staticmethod
    def chunk(writer, text):
        writer.write(b"%x\r\n%s\r\n" % (len(text), text.encode()))


class Reader:
    """A client's stream: its text so far, and whether it ended as it should."""

    def __init__(self):
        self.text = ""
        self.is_whole = False
        self.events = 0

    async def run(self, client, url):
        async with client.stream("POST", url + "/v1/chat/completions", json=GO) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                self.read(line)

    async def run_curl(self, option, url):
        """The same with curl, which reads on after a GOAWAY that spares its stream; httpx gives its streams up."""
        process = await asyncio.create_subprocess_exec(
            "curl", "--silent", "--no-buffer", option, "-d", json.dumps(GO), url + "/v1/chat/completions",
            stdout=asyncio.subprocess.PIPE)
        async for line in process.stdout:
            self.read(line.decode().rstrip())
        code = await process.wait()
        assert code == 0, f"curl ended with {code}"

    def read(self, line):
        if line == "data: [DONE]":
            self.is_whole = True
        elif line.startswith("data: "):
            assert not self.is_whole, "something came after the marker"
            choice = json.loads(line[6:])["choices"][0]
            self.text += choice["delta"].get("content") or ""
            self.events += 1


async def eventually(condition, what):
    """`until`, without holding up the streams that this very thread serves."""
    await asyncio.get_running_loop().run_in_executor(None, until, condition, what)


async def aside(function, *arguments):
    return await asyncio.get_running_loop().run_in_executor(None, function, *arguments)


@contextlib.asynccontextmanager
async def clients():
    """Half of the streams over HTTP/1.1, a connection each, half over HTTP/2 with many on one."""
    limits = httpx.Limits(max_connections=STREAMS, max_keepalive_connections=STREAMS)
    async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as one:
        async with httpx.AsyncClient(timeout=PATIENCE, http1=False, http2=True) as two:
            async with httpx.AsyncClient(timeout=PATIENCE, http1=False, http2=True) as three:
                yield [one, one, two, three]


def test_a_dropped_in_policy_changes_the_next_answer(start, engine):
    gateway = start(configuration(engine.url))
    assert ask(gateway) == "the tide is in"
    gateway.policy("shout", POLICY % "TIDE")
    gateway.next_generation(1)
    assert ask(gateway) == "the TIDE is in"
    assert [policy["auto"] for policy in gateway.policies["policies"] if policy["name"] == "shout"] == [True]
    (gateway.plugins / "shout.lua").unlink()
    gateway.next_generation(2)
    assert ask(gateway) == "the tide is in"


def test_a_file_written_in_place_counts_too(start, engine):
    gateway = start(configuration(engine.url))
    with open(gateway.plugins / "slow.lua", "w") as file:
        text = POLICY % "ebb"
        file.write(text[:40])
        file.flush()
        file.write(text[40:])
    gateway.next_generation(1)
    until(lambda: ask(gateway) == "the ebb is in", "the policy acts")


def test_the_last_of_many_edits_wins(start, engine):
    gateway = start(configuration(engine.url))
    for number in range(40):
        gateway.policy("edited", POLICY % f"edit{number}")
        ask(gateway)
    until(lambda: ask(gateway) == "the edit39 is in", "the last edit acts")


CAP = """return {
  auto = true,
  on_request = function(ctx)
    if #ctx.%s.messages > 9 then return tide.deny(413) end
  end,
}
"""


def test_a_typo_that_the_source_shows_changes_nothing(start, engine):
    gateway = start(configuration(engine.url))
    gateway.policy("cap", CAP % "prompt")
    generation = gateway.next_generation(1)
    failures = gateway.metric("tidegate_reload_failures_total")
    gateway.policy("cap", CAP % "promt")
    error, = gateway.refusal()["errors"]
    assert (error["file"], error["line"]) == (str(gateway.plugins / "cap.lua"), 4)
    assert (error["message"], error["hint"]) == ("there is no ctx.promt [ctx-field]", "did you mean ctx.prompt?")
    assert gateway.metric("tidegate_reload_failures_total") > failures
    assert re.search(r"reload refused: \S*cap\.lua:4: error: there is no ctx\.promt", gateway.text)
    assert (ask(gateway), gateway.generation) == ("the tide is in", generation)

    # Who knows better says so; what is only doubtful is told, once a generation, and serves.
    allowed = (CAP % "promt").replace("tide.deny(413) end", "tide.deny(413) end -- tide: allow ctx-field, ctx-feild")
    gateway.policy("cap", allowed)
    gateway.next_generation(generation)
    warning, = gateway.policies["warnings"]
    assert warning["message"] == "there is no rule ctx-feild to allow [allow]"
    assert gateway.text.count("there is no rule ctx-feild") == 1


SHOUT_TEST = """tide.test("the tide is loud", function(t)
  t.eq(t.gateway { { use = "shout" } }:chat { upstream = "the tide" }.text, "the %s")
end)
"""


def test_required_tests_decide(start, engine):
    gateway = start(configuration(engine.url, plugins={"require_tests": True, "test_timeout": "20s"}))
    gateway.policy("shout_test", SHOUT_TEST % "TIDE")
    gateway.policy("shout", POLICY % "TIDE")
    until(lambda: ask(gateway) == "the TIDE is in", "the policy that passes its test acts")
    assert "tests of its policies passed: 1" in gateway.text
    assert re.search(r"notice\W.*testing the next generation: shout\b", gateway.text), gateway.text
    assert re.search(r"tested the next generation: 1 test in \d+\.\d s, all passed", gateway.text), gateway.text
    generation = gateway.generation

    # A policy that its test refutes: the old one goes on answering, and everybody can see why.
    failures = gateway.metric("tidegate_reload_failures_total")
    gateway.policy("shout", POLICY % "SEA")
    error, = gateway.refusal()["errors"]
    assert (error["file"], error["line"]) == (str(gateway.plugins / "shout_test.lua"), 2)
    assert error["message"].startswith("test 'the tide is loud' failed: ")
    assert gateway.metric("tidegate_reload_failures_total") > failures
    assert re.search(r"reload refused: \S*shout_test\.lua:2: error: test 'the tide is loud' failed", gateway.text)
    assert (ask(gateway), gateway.generation) == ("the TIDE is in", generation)

    # Mended by the test, this time.
    gateway.policy("shout_test", SHOUT_TEST % "SEA")
    gateway.next_generation(generation)
    assert ask(gateway) == "the SEA is in"
    assert gateway.policies["reload_failure"] is None

    # None at all says what to write.
    (gateway.plugins / "shout_test.lua").unlink()
    error, = gateway.refusal()["errors"]
    assert error["message"].startswith("the policy shout has no tests") and error["hint"].endswith("shout_test.lua")
    assert ask(gateway) == "the SEA is in"


def test_a_test_without_end_holds_up_nothing(start, engine):
    gateway = start(configuration(engine.url, plugins={"require_tests": True, "test_timeout": "1h"}))
    gateway.policy("shout_test", 'tide.test("it ends", function(t) while true do end end)')
    gateway.policy("shout", POLICY % "TIDE")
    # The tests' own thread, by the name that the system knows it by.
    tasks = pathlib.Path(f"/proc/{gateway.process.pid}/task")
    until(lambda: any(task.read_text() == "tide-tests\n" for task in tasks.glob("*/comm")), "the test runs")
    assert ask(gateway) == "the tide is in"
    # Nor need anybody wait who wants the gateway to end.
    gateway.signal(TERMINATE)
    assert gateway.wait() == 0


def test_start_and_check_ask_for_tests_too(start, engine, tmp_path):
    plugins = tmp_path / "Plugins"
    plugins.mkdir()
    (plugins / "shout.lua").write_text(POLICY % "TIDE")
    (plugins / "shout_test.lua").write_text(SHOUT_TEST % "SEA")
    config = tmp_path / "tidegate.yaml"
    settings = configuration(engine.url, plugins={"folder": str(plugins), "require_tests": True})
    config.write_text(json.dumps(settings))
    for command in ("run", "check"):
        program = Program([command, "--config", config], tmp_path, command)
        try:
            assert program.wait() == 1
            assert f"{plugins}/shout_test.lua:2: error: test 'the tide is loud' failed" in program.text, program.text
            assert ("tested the next generation: 1 test in" in program.text) == (command == "run"), program.text
        finally:
            program.stop()
    (plugins / "shout_test.lua").write_text(SHOUT_TEST % "TIDE")
    program = Program(["check", "--config", config], tmp_path, "check-again")
    try:
        assert program.wait() == 0 and "tests passed: 1" in program.text, program.text
    finally:
        program.stop()


def test_reload_under_running_streams(start):
    async def run():
        async with Trickle() as upstream:
            # Each worker has its share of the connections, and one of them may get all clients.
            settings = configuration(clusters=[cluster(
                "engine", {"url": upstream.url, "protocol": "http/1.1"}, max_connections=4 * STREAMS)])
            gateway = await aside(lambda: start(settings))
            await aside(gateway.policy, "edited", POLICY % "first")
            await aside(gateway.next_generation, 1)
            pinned = (await aside(lambda: gateway.generation))
            async with clients() as several:
                readers = [Reader() for _ in range(STREAMS)]
                tasks = [
                    asyncio.create_task(reader.run(several[number % 4], gateway.url))
                    for number, reader in enumerate(readers)]
                await eventually(
                    lambda: all(reader.events for reader in readers) or any(task.done() for task in tasks),
                    "every stream has begun")
                lost = [task.exception() for task in tasks if task.done()]
                assert not lost, lost

                # Edited: the next request follows.
                await aside(gateway.policy, "edited", POLICY % "second")
                second = await aside(gateway.next_generation, pinned)
                assert await aside(ask, gateway) == "the second is in"

                # Broken: nothing changes, and everybody can see where.
                await aside(gateway.policy, "edited", BROKEN)
                refusal = await aside(gateway.refusal)
                assert [(one["file"].rsplit("/", 1)[1], one["line"]) for one in refusal["errors"]] == [("edited.lua", 3)]
                assert await aside(ask, gateway) == "the second is in"
                assert await aside(lambda: gateway.generation) == second
                assert re.search(r"reload refused: \S*edited\.lua:3", gateway.text)

                # Mended.
                await aside(gateway.policy, "edited", POLICY % "third")
                await aside(gateway.next_generation, second)
                assert await aside(ask, gateway) == "the third is in"
                state = await aside(lambda: gateway.policies)
                assert state["reload_failure"] is None
                alive = {one["generation"]: one["exchanges"] for one in state["generations_alive"]}
                assert alive[pinned] == STREAMS, "running streams keep the generation they began with"

                seen = [reader.events for reader in readers]
                await eventually(
                    lambda: all(reader.events > before for reader, before in zip(readers, seen)), "all streams go on")
                assert not any(task.done() for task in tasks)
                upstream.may_end.set()
                await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE)
            for reader in readers:
                last = int(reader.text.rsplit(" ", 1)[1])
                expected = "".join(f"first {number} " for number in range(1, last + 1)) + f"end {last}"
                assert (reader.text, reader.is_whole) == (expected, True)
            await eventually(
                lambda: pinned not in {one["generation"] for one in gateway.policies["generations_alive"]},
                "the old generation ends with its last stream")

    asyncio.run(run())


def test_a_changed_configuration_is_followed(start, engine):
    settings = configuration(engine.url)
    gateway = start(settings)
    gateway.write(settings | {"policies": [
        {"use": "word-filter", "config": {"words": {"tide": "sea"}}}]})
    gateway.next_generation(1)
    assert ask(gateway) == "the sea is in"

    for broken, line in (("listeners: [", None), ("polices: []\n", 1), ("models:\n  - { id: x, cluster: nowhere }\n", 2)):
        before = gateway.metric("tidegate_reload_failures_total")
        gateway.write(broken)
        until(lambda: gateway.metric("tidegate_reload_failures_total") > before, "the reload is refused")
        error = gateway.refusal()["errors"][0]
        assert error["file"].endswith("tidegate.yaml")
        assert line in (None, error["line"])
        assert ask(gateway) == "the sea is in"
        assert gateway.generation == 2

    gateway.write(settings)
    gateway.next_generation(2)
    assert ask(gateway) == "the tide is in"
    assert gateway.policies["reload_failure"] is None


def test_what_cannot_change_says_so(start, engine):
    settings = configuration(engine.url)
    gateway = start(settings)
    changed = {"listeners": [{"address": f"127.0.0.1:{free_port()}"}], "workers": 1, "worker_cores": "own"}
    gateway.write(settings | changed)
    messages = " ".join(error["message"] for error in gateway.refusal()["errors"])
    assert all(f"`{key}`" in messages for key in changed)
    assert ask(gateway) == "the tide is in"


def test_a_signal_asks_for_a_reload(start, engine):
    gateway = start(configuration(engine.url))
    gateway.signal(RELOAD)
    gateway.next_generation(1)
    assert ask(gateway) == "the tide is in"


def test_a_key_file_is_watched(start, engine):
    gateway = start(configuration(engine.url, policies=[{"use": "api-keys", "config": {"keys": "keys.yaml"}}]))
    keys = gateway.config_path.parent / "keys.yaml"
    digest = hashlib.sha256(b"second-key").hexdigest()
    url = gateway.url + "/v1/models"
    assert httpx.get(url, headers={"authorization": "Bearer second-key"}).status_code == 401
    save(keys, f"- {{ hash: {digest}, key_id: second }}\n")
    gateway.next_generation(1)
    assert httpx.get(url, headers={"authorization": "Bearer second-key"}).status_code == 200
    assert httpx.get(url, headers={"authorization": "Bearer tg-demo-key"}).status_code == 401


HEAVY = """local ballast = ("x"):rep(700000)
return {
  auto = true,
  segment = { unit = "word" },
  on_segment = function(s, word) if word == "tide" and ballast then return "%s" end end,
}
"""


class Pinned:
    """A gateway with streams that keep the generations alive on which they began."""

    def __init__(self, start, upstream, **more):
        self.upstream = upstream
        self.gateway = start(configuration({"url": upstream.url, "protocol": "http/1.1"}, **more))
        self.client = httpx.AsyncClient(timeout=PATIENCE)
        self.readers, self.tasks = [], []

    async def stream(self, word):
        """Begins a stream, whose text must have `word`."""
        reader = Reader()
        self.readers.append(reader)
        self.tasks.append(asyncio.create_task(reader.run(self.client, self.gateway.url)))
        await eventually(lambda: word in reader.text, f"a stream says {word}")

    async def reload(self, policy):
        before = await aside(lambda: self.gateway.generation)
        await aside(self.gateway.policy, "edited", policy)
        await aside(self.gateway.next_generation, before)

    async def end(self):
        self.upstream.may_end.set()
        await asyncio.wait_for(asyncio.gather(*self.tasks), PATIENCE)
        await self.client.aclose()
        assert all(reader.is_whole for reader in self.readers)


def test_many_generations_alive_are_a_warning(start):
    async def run():
        async with Trickle() as upstream:
            pinned = await aside(lambda: Pinned(start, upstream))
            for number in range(4):
                await pinned.reload(POLICY % f"word{number}")
                await pinned.stream(f"word{number}")
            assert "generations are alive" not in pinned.gateway.text
            await pinned.reload(POLICY % "last")
            await eventually(lambda: "5 generations are alive" in pinned.gateway.text, "the log warns")
            warning, = re.findall(r"5 generations are alive.*", pinned.gateway.text)
            assert warning.endswith("exchanges run on 2: 1, 3: 1, 4: 1, 5: 1"), warning
            alive = (await aside(lambda: pinned.gateway.policies))["generations_alive"]
            assert len(alive) == 5 and all(one["bytes"] > 0 for one in alive)
            held = await aside(pinned.gateway.metric, "tidegate_policy_memory_bytes")
            assert held > 0
            await pinned.end()

    asyncio.run(run())


def test_a_reload_without_memory_waits_for_streams_to_end(start):
    async def run():
        async with Trickle() as upstream:
            pinned = await aside(lambda: Pinned(start, upstream, workers=1, limits={"policy_memory": "2MiB"}))
            gateway = pinned.gateway
            for word in ("first", "second"):
                await pinned.reload(HEAVY % word)
                await pinned.stream(word)
            # Each generation holds 700 KB and more: there is no room for a third.
            await aside(gateway.policy, "edited", HEAVY % "third")
            error, = (await aside(gateway.refusal))["errors"]
            assert error["file"].endswith("tidegate.yaml")
            assert "more than `policy_memory` of `limits` allows, 2.0 MiB" in error["message"], error
            assert error["message"].endswith("(exchanges run on 2: 1, 3: 1)"), error
            assert re.search(r"reload refused: .*policy_memory", gateway.text)
            assert await aside(ask, gateway) == "the second is in"
            assert await aside(gateway.metric, "tidegate_reload_failures_total") == 1
            # As the streams end there is, and nobody has to save the file again.
            await pinned.end()
            await eventually(lambda: ask(gateway) == "the third is in", "the reload is made up for")
            assert (await aside(lambda: gateway.policies))["reload_failure"] is None

    asyncio.run(run())


def test_a_mounted_configuration_changes_with_its_policies(start, engine):
    """A volume is exchanged as a whole: a generation has all of one version, or the gateway keeps what it had."""
    gateway = start(configuration(engine.url))
    mounted = gateway.config_path.parent

    def swap(number, words, plugin):
        version = mounted / f"..v{number}"
        version.mkdir()
        (version / "tidegate.yaml").write_text(json.dumps(configuration(
            engine.url, plugins={"folder": "."}, policies=[{"use": "listed", "config": {"words": words}}])))
        (version / "listed.lua").write_text((gateway.plugins / "word-filter.lua").read_text())
        (version / "edited.lua").write_text(plugin)
        (mounted / "..next").symlink_to(version.name)
        (mounted / "..next").rename(mounted / "..data")

    def link(name):
        (mounted / "..link").symlink_to(f"..data/{name}")
        (mounted / "..link").rename(mounted / name)

    swap(1, {"in": "out"}, POLICY % "first")
    for name in ("listed.lua", "edited.lua", "tidegate.yaml"):
        link(name)
    until(lambda: ask(gateway) == "the first is out", "the mounted version acts")

    seen = gateway.generation
    swap(2, {"in": "up"}, POLICY % "second")
    # One reload, which brings both.
    assert gateway.next_generation(seen) == seen + 1
    assert ask(gateway) == "the second is up"
    swap(3, {"in": "down"}, BROKEN)
    assert [error["line"] for error in gateway.refusal()["errors"]] == [3]
    assert ask(gateway) == "the second is up"
    swap(4, {"in": "down"}, POLICY % "fourth")
    until(lambda: ask(gateway) == "the fourth is down", "the mended version acts")
    assert gateway.policies["reload_failure"] is None


def test_a_deleted_file_of_keys_locks_nobody_out_and_lets_nobody_in(start, engine):
    gateway = start(configuration(engine.url, policies=[{"use": "api-keys", "config": {"keys": "keys.yaml"}}]))
    keys = gateway.config_path.parent / "keys.yaml"
    text = keys.read_text()

    def status(key):
        return httpx.get(gateway.url + "/v1/models", headers={"authorization": f"Bearer {key}"}).status_code

    assert (status(KEY), status("another")) == (200, 401)
    keys.unlink()
    assert any("keys.yaml" in error["file"] + error["message"] for error in gateway.refusal()["errors"])
    assert (status(KEY), status("another")) == (200, 401)
    keys.write_text(text)
    until(lambda: gateway.policies["reload_failure"] is None, "the refusal is taken back")
    assert (status(KEY), status("another")) == (200, 401)


# The end


async def drained(start, prepare, then):
    """Starts streams, lets `prepare` act while they run, and gives `then` the gateway and the readers afterwards."""
    async with Trickle() as upstream:
        gateway = await aside(lambda: start(configuration({"url": upstream.url, "protocol": "http/1.1"})))
        readers = [Reader() for _ in range(8)]
        options = ("--http1.1", "--http2-prior-knowledge")
        tasks = [
            asyncio.create_task(reader.run_curl(options[number % 2], gateway.url)) for number, reader in enumerate(readers)]
        await eventually(lambda: all(reader.events for reader in readers), "every stream has begun")
        await prepare(gateway, upstream, readers)
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), PATIENCE)
        code = await aside(gateway.wait)
        then(gateway, readers, results, code)


def test_sigterm_lets_streams_end(start):
    async def prepare(gateway, upstream, readers):
        gateway.signal(TERMINATE)
        await eventually(lambda: gateway.ready() == 503, "the gateway says that it drains")

        def refuses():
            try:
                httpx.get(gateway.url + "/v1/models", timeout=1)
            except httpx.TransportError:
                return True

        await eventually(refuses, "new connections are refused")
        seen = [reader.events for reader in readers]
        await eventually(lambda: all(one.events > before for one, before in zip(readers, seen)), "streams go on")
        upstream.may_end.set()

    def then(gateway, readers, results, code):
        assert results == [None] * len(readers)
        assert all(reader.is_whole for reader in readers)
        assert code == 0

    asyncio.run(drained(start, prepare, then))


def test_a_second_sigterm_ends_at_once(start):
    async def prepare(gateway, upstream, readers):
        gateway.signal(TERMINATE)
        await eventually(lambda: gateway.ready() == 503, "the gateway says that it drains")
        gateway.signal(TERMINATE)
        await aside(gateway.wait)

    def then(gateway, readers, results, code):
        assert not any(reader.is_whole for reader in readers)
        assert "ending now" in gateway.text
        assert code == 0

    asyncio.run(drained(start, prepare, then))


def test_the_drain_limit_ends_streams_with_an_error(start):
    async def run():
        async with Trickle() as upstream:
            gateway = await aside(lambda: start(
                configuration({"url": upstream.url, "protocol": "http/1.1"}, drain={"timeout": "100ms"})))
            async with httpx.AsyncClient(timeout=PATIENCE) as client:
                async with client.stream("POST", gateway.url + "/v1/chat/completions", json=GO) as answer:
                    lines = []
                    async for line in answer.aiter_lines():
                        if not lines:
                            gateway.signal(TERMINATE)
                        lines.append(line)
            events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
            assert events[-1]["error"]["code"] == "gateway_draining"
            assert await aside(gateway.wait) == 0

    asyncio.run(run())


def test_an_idle_gateway_ends_at_once(start, engine):
    gateway = start(configuration(engine.url))
    ask(gateway)
    gateway.signal(TERMINATE)
    assert gateway.wait() == 0


def test_a_used_port_is_refused(start, engine, tmp_path):
    gateway = start(configuration(engine.url))
    second = tmp_path / "second.yaml"
    for key, url in (("listeners", gateway.url), ("admin", gateway.admin)):
        address = {"address": url.removeprefix("http://")}
        second.write_text(json.dumps(configuration(engine.url) | {key: [address] if key == "listeners" else address}))
        program = Program(["run", "--config", second], tmp_path, "second-" + key)
        try:
            assert program.wait() == 1
            assert address["address"] in program.text and "in use" in program.text, program.text
        finally:
            program.stop()
    assert get(gateway.admin + "/healthz")[0] == 200
    assert ask(gateway) == "the tide is in"
