"""Policies that do their worst: each row of robustness.md section 7 that a script can try, and ten more, beside streams that must not notice."""

import asyncio
import json
import pathlib

import httpx
import pytest

from gateway import PATIENCE, configuration, until

BYSTANDERS = 40

# What `on_request` tries, and the statuses that its client may get: 503 where the policy is stopped or raises, 200 where what it tried is
# harmless here.
REQUESTS = {
    "l-01": ("while true do end", {503}),
    "l-02": ("while true do pcall(function() while true do end end) end", {503}),
    "l-03": ("xpcall(function() while true do end end, function() while true do end end)", {503}),
    "l-04": ("setmetatable({}, { __gc = function() while true do end end })", {503}),
    "l-05": ("return ('a'):rep(20000):find('.-b') and nil", {200, 503}),
    "l-05-trim": ("(' '):rep(60000):match('^%s*(.-)%s*x$')", {200, 503}),
    "l-06": ("table.move({}, 1, 1 << 40, 2)", {503}),
    "l-07": ("local s = 'x' while true do s = s .. s end", {503}),
    "l-07-rep": ("('x'):rep(1 << 40)", {503}),
    "l-08": ("local function f() return 1 + f() end f()", {503}),
    "l-09": ("load('\\27Lua')()", {503}),
    "l-10": ("getmetatable('').__index = function() return 'poison' end", {503}),
    "l-11": ("os.execute('true')", {503}),
    "l-12": ("leaked = ctx", {503}),
    "l-13": ("error(setmetatable({}, { __tostring = function() while true do end end }))", {503}),
    "l-15": ("KEPT[1] = ctx if KEPT[2] then return KEPT[2].id end KEPT[2] = ctx", {200, 503}),
    "sleeps": ("while true do tide.sleep(0) end", {503}),
    "waits-in-sort": ("table.sort({ 3, 1, 2 }, function(a, b) tide.sleep(1) return a < b end)", {503}),
    "all-nested": ("local function f() tide.all { f, f, f, f, f, f, f, f } end f()", {200, 503}),
    "all-forever": ("while true do tide.all { function() end } end", {503}),
    "once-forever": ("local i = 0 while true do i = i + 1 tide.once('k' .. i, 1, function() return i end) end", {503}),
    "own-listener": ("local r, e = tide.http { url = 'http://127.0.0.1:1/' } error(e.message)", {503}),
    "remembers": ("for i = 1, 1e9 do tide.shared.set('k' .. i, ('x'):rep(1000)) end", {503}),
    "fills-a-table": ("local t = {} for i = 1, 1e9 do t[i] = {} end", {503}),
    "json-bomb": ("tide.json.decode(('['):rep(100000)) local t = {} t.t = t tide.json.encode(t)", {503}),
    "false-verdict": ("return false", {503}),
}
# The same for `on_token`, where the head has gone out: the answer is cut, well formed.
TOKENS = {
    "token-loops": "while true do end",
    "token-grows": "return text:rep(1 << 22)",
    "token-errors": "error({})",
    "token-waits": "tide.sleep(1)",
}


def policy(hook, body):
    return f"local KEPT = {{}}\nreturn {{ {hook}\n  {body}\nend }}\n"


@pytest.fixture(scope="module")
def gateway(start_for_module, engine, tmp_path_factory):
    # The engine's tokens come every 2 ms: bystanders stream through all of it.
    names = [*REQUESTS, *TOKENS]
    folder = tmp_path_factory.mktemp("hostile")
    for name, (body, _) in REQUESTS.items():
        (folder / f"{name}.lua").write_text(policy("on_request = function(ctx)", body))
    for name, body in TOKENS.items():
        (folder / f"{name}.lua").write_text(policy("on_token = function(s, text, lane)", body))
    bindings = [{"use": name, "when": {"header": {"x-hostile": name}}} for name in names]
    return start_for_module(
        configuration(engine.url, policies=bindings, plugins={"folder": str(folder), "lint": "off"}), plugins=False)


def body(text, stream):
    return {"model": "echo", "stream": stream, "messages": [{"role": "user", "content": text}]}


async def bystander(client, url, stop):
    """Streams one answer after another until it is told to stop; how many came whole."""
    text = " ".join(f"word{number}" for number in range(50))
    count = 0
    while not stop.is_set():
        got, whole = "", False
        async with client.stream("POST", url, json=body(text, True)) as answer:
            assert answer.status_code == 200
            async for line in answer.aiter_lines():
                if line == "data: [DONE]":
                    whole = True
                elif line.startswith("data: "):
                    got += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
        assert whole and got == text
        count += 1
    return count


def resident_bytes(process):
    fields = pathlib.Path(f"/proc/{process.pid}/statm").read_text().split()
    return int(fields[1]) * 4096


def test_nobody_notices_hostile_policies(gateway):
    url = gateway.url + "/v1/chat/completions"

    async def run():
        limits = httpx.Limits(max_connections=BYSTANDERS)
        async with httpx.AsyncClient(timeout=PATIENCE, limits=limits) as calm, httpx.AsyncClient(timeout=PATIENCE) as bad:
            stop = asyncio.Event()
            others = [asyncio.create_task(bystander(calm, url, stop)) for _ in range(BYSTANDERS)]
            for _ in range(2):
                for name, (_, allowed) in REQUESTS.items():
                    answer = await bad.post(url, json=body("hi", False), headers={"x-hostile": name})
                    assert answer.status_code in allowed, f"{name}: {answer.status_code} {answer.text}"
                for name in TOKENS:
                    answer = await bad.post(url, json=body("one two three", True), headers={"x-hostile": name})
                    assert answer.status_code == 200, name
                    assert answer.text.endswith("data: [DONE]\n\n"), f"{name}: {answer.text[-300:]}"
                    assert "content_filter" in answer.text, name
            stop.set()
            counts = await asyncio.wait_for(asyncio.gather(*others), PATIENCE)
            assert all(counts), counts

    before = resident_bytes(gateway.process)
    asyncio.run(run())
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "every exchange has ended")
    assert resident_bytes(gateway.process) - before < 64 << 20
    assert gateway.is_running and "Fatal" not in gateway.text
