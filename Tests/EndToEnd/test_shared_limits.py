"""Limits that gateways share in a Redis server: exact over two of them, held to while they run, and sane while the server is away."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import threading

import pytest

from gateway import Gateway, configuration, until
from redis_server import RedisServer

# What fills a team's day, by a policy of three lines.
PLACES = """
return { on_request = function(ctx)
  local taken, err = tide.limit.concurrent("all", 3)
  if not taken then return tide.deny(503, { message = err.message, code = err.code }) end
  if not taken.ok then return tide.deny(429, { message = "full" }) end
end }
"""


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def pair(tmp_path, engine, redis):
    """Starts gateways that share the server."""
    with contextlib.ExitStack() as running:

        def start(policies, count=2, url=None, sources=None, engine=engine, **more):
            started = []
            for index in range(count):
                settings = configuration(
                    engine.url, policies=policies, store=url or f"redis://127.0.0.1:{redis.port}/0", **more)
                started.append(Gateway(tmp_path, settings, name=f"gateway-{index}", policies=sources))
                running.callback(started[-1].stop)
            return started if count > 1 else started[0]

        yield start


class Answer:
    def __init__(self, status, body, headers):
        self.status, self.text, self.headers = status, body.decode(), headers

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def code(self):
        return self.json["error"]["code"]


def ask(gateway, text="hello", **more):
    """One chat, not streamed unless it says so."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    with contextlib.closing(connection):
        body = {"model": "echo", "messages": [{"role": "user", "content": text}], **more}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        return Answer(response.status, response.read(), response.headers)


@contextlib.contextmanager
def streaming(gateway, text):
    """A stream that has begun, and ends when the client leaves."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    with contextlib.closing(connection):
        body = {"model": "echo", "stream": True, "messages": [{"role": "user", "content": text}]}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        if response.status == 200:
            response.readline()
        yield response


def side_by_side(gateways, count, **more):
    """As many chats, over all gateways in turn, eight at once."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda index: ask(gateways[index % len(gateways)], **more), range(count)))


def spent(redis):
    """Tokens in all budgets."""
    with redis.client() as client:
        return sum(int(tokens) for key in client.call("KEYS", "tidegate:tokens:*") for tokens in client.call("HVALS", key))


def rate(**more):
    return {"use": "rate-limit", "config": {"rate": 20, "per": "1h"}, **more}


def budget(tokens, **more):
    return {"use": "token-budget", "config": {"tokens": tokens, "rolling": "1h", **more}}


# Exact over two


def test_two_gateways_share_a_rate_exactly(pair):
    gateways = pair([rate()])
    answers = side_by_side(gateways, 60)
    assert sorted({answer.status for answer in answers}) == [200, 429]
    assert sum(answer.status == 200 for answer in answers) == 20
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.code == "rate_limit_exceeded" and int(refused.headers["retry-after"]) > 0


def test_two_gateways_share_a_budget_and_settle_what_was_used(pair, redis):
    gateways = pair([budget(1500)])
    used = 0
    for round_ in range(40):
        answers = side_by_side(gateways, 4, text="so many words that it costs something " * 3)
        used += sum(answer.json["usage"]["total_tokens"] for answer in answers if answer.status == 200)
        # Settled once the exchanges have ended; the client has its answer a moment before.
        until(lambda: spent(redis) == used, f"{used} tokens are booked")
        if all(answer.status == 429 for answer in answers):
            break
    else:
        raise AssertionError("the budget never ended")
    assert {answer.code for answer in answers} == {"insufficient_quota"}
    # The engine's own count is what is booked; it may be more than the estimate by which answers were let through.
    assert used > 1000


def test_reservations_of_two_gateways_never_exceed_the_budget(pair, redis):
    gateways = pair([budget(600, count="output")])
    seen, stop = [], threading.Event()

    def watch():
        while not stop.is_set():
            seen.append(spent(redis))

    watcher = threading.Thread(target=watch)
    watcher.start()
    # Four bytes a token, and the engine's own words are longer: what is booked is less than what was set aside.
    answers = side_by_side(gateways, 24, text="word " * 30, stream=True)
    stop.set()
    watcher.join()
    assert {answer.status for answer in answers} <= {200, 429}
    assert 0 < max(seen) <= 600


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_ends_where_the_shared_budget_does(pair, stream):
    gateway = pair([budget(40, count="output")], count=1)
    answer = ask(gateway, text="abcdefgh" * 60, stream=stream)
    if stream:
        events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
        choices = [event["choices"][0] for event in events if event["choices"]]
        text = "".join(choice["delta"].get("content") or "" for choice in choices)
        finish = choices[-1]["finish_reason"]
    else:
        choice = answer.json["choices"][0]
        text, finish = choice["message"]["content"], choice["finish_reason"]
    assert text == ("abcdefgh" * 60)[:160]
    assert finish == "length"


def test_a_long_answer_is_whole_where_the_budget_is_large(pair, redis):
    gateway = pair([budget(100_000)], count=1)
    text = "several words in a row " * 400
    for stream in (False, True):
        answer = ask(gateway, text=text, stream=stream)
        assert answer.status == 200 and '"length"' not in answer.text
    assert ask(gateway, text=text).json["choices"][0]["message"]["content"] == text


def test_two_gateways_share_places_and_a_dead_one_gives_its_back(pair, redis, start_engine):
    slow = start_engine("--interval", "200", name="slow")
    first, second = pair([{"use": "places"}], sources={"places": PLACES}, engine=slow)
    words = "word " * 400
    with streaming(first, words) as one, streaming(first, words) as two:
        with streaming(second, words) as three:
            assert [one.status, two.status, three.status] == [200, 200, 200]
            assert ask(first).status == 429
            assert ask(second).status == 429
        # A client that leaves gives its place back, to whoever asks.
        until(lambda: ask(first, text="x").status == 200, "a place is free")
        until(lambda: second.metric("tidegate_store_places") == 0, "no place is held there")
        assert first.metric("tidegate_store_places") >= 2
        first.stop()
    # Nobody renews the places of a gateway that was killed: three clients fit again.
    with contextlib.ExitStack() as held:

        def all_three():
            with contextlib.ExitStack() as tried:
                if [tried.enter_context(streaming(second, words)).status for _ in range(3)] != [200, 200, 200]:
                    return False
                held.push(tried.pop_all())
                return True

        until(all_three, "the dead gateway's places are free", patience=60)
        assert ask(second).status == 429


def test_places_outlive_their_lease_while_they_are_held(pair, redis, start_engine):
    slow = start_engine("--interval", "200", name="slow")
    gateway = pair([{"use": "places"}], count=1, sources={"places": PLACES}, engine=slow)
    with streaming(gateway, "word " * 400) as stream:
        assert stream.status == 200
        [key] = redis.call("KEYS", "tidegate:places:*")
        before = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
        # Lost with the server's memory, and held again a little later.
        redis.call("FLUSHALL")
        after = until(lambda: redis.call("ZRANGE", key, 0, -1, "WITHSCORES"), "the place is renewed")
        assert after[0] == before[0] and float(after[1]) > float(before[1])
    until(lambda: redis.call("EXISTS", key) == 0, "the place is given back")


# A client that leaves


def test_a_client_that_leaves_while_a_limit_waits_holds_nothing(pair, redis):
    gateway = pair([{"use": "places"}, budget(1000)], count=1, sources={"places": PLACES})
    assert ask(gateway).status == 200
    until(lambda: gateway.metric("tidegate_store_places") == 0, "the first place is given back")
    before = spent(redis)
    redis.stall()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    body = {"model": "echo", "messages": [{"role": "user", "content": "hello"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body))
    until(lambda: gateway.metric("tidegate_exchanges_open") == 1, "the request is there")
    connection.close()
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "its exchange has ended")
    redis.go_on()
    # Whatever the server granted meanwhile comes back.
    until(lambda: redis.call("KEYS", "tidegate:places:*") == [], "no place is held")
    until(lambda: spent(redis) == before, "no token is set aside")
    until(lambda: ask(gateway).status == 200, "the gateway serves")


# A server that is away


def test_a_server_that_stops_and_starts_again(pair, redis):
    gateway = pair([rate(), rate(**{"as": "open", "failure": {"on_request": "skip"}, "when": {"header": {"x-open": "1"}}})],
                   count=1)
    assert ask(gateway).status == 200
    assert gateway.metric("tidegate_store_connected") == 1
    redis.stop()
    gateway.printed(r"the store redis://127\.0\.0\.1:\d+/0 is lost")
    assert gateway.metric("tidegate_store_connected") == 0
    for _ in range(30):
        assert ask(gateway).status == 503, "limits that cannot be kept refuse"
    assert gateway.metric("tidegate_store_failures_total") >= 30
    redis.start()
    until(lambda: gateway.metric("tidegate_store_connected") == 1, "the store is back")
    # At once: failures for want of a store open no breaker.
    assert ask(gateway).status == 200
    assert len(re.findall("is connected", gateway.text)) == 2
    assert gateway.metric("tidegate_store_commands_total") >= 2


def test_a_policy_may_let_requests_pass_while_the_server_is_away(pair, redis):
    gateway = pair([rate(failure={"on_request": "skip"})], count=1)
    redis.stop()
    gateway.printed("is lost")
    assert ask(gateway).status == 200


def test_what_a_policy_is_told(pair, redis):
    source = """
    return { on_request = function(ctx)
      local codes = {}
      for _, ask in ipairs {
        function() return tide.limit.take("k", 1, { rate = 1000, per = "1s" }) end,
        function() return tide.limit.tokens("k", { tokens = 100000, per = "day" }) end,
        function() return tide.limit.concurrent("k", 1) end,
      } do
        local value, err = ask()
        codes[#codes + 1] = value and (value.ok and "ok" or "no") or err.code
      end
      return tide.respond { text = table.concat(codes, " ") }
    end }
    """
    gateway = pair([{"use": "asks"}], count=1, sources={"asks": source})
    said = lambda: ask(gateway).json["choices"][0]["message"]["content"]
    assert said() == "ok ok ok"
    redis.call("SCRIPT", "FLUSH")
    assert said() == "ok ok ok", "a server that has forgotten the scripts gets them again"
    redis.call("CONFIG", "SET", "maxmemory", "1")
    assert said().startswith("store_refused store_refused ")
    gateway.printed("the store refused the command: OOM")
    redis.call("CONFIG", "SET", "maxmemory", "0")
    redis.stop()
    gateway.printed("is lost")
    assert said() == "store_unavailable store_unavailable store_unavailable"


def test_a_server_that_says_nothing_costs_its_timeout_once(pair, redis):
    gateway = pair([rate()], count=1)
    assert ask(gateway).status == 200
    redis.stall()
    assert ask(gateway).status == 503
    gateway.printed("no reply within 1000 ms")
    # From here on nobody waits: the commands fail without having been sent.
    sent = gateway.metric("tidegate_store_commands_total")
    for _ in range(20):
        assert ask(gateway).status == 503
    assert gateway.metric("tidegate_store_commands_total") == sent
    redis.go_on()
    until(lambda: ask(gateway).status == 200, "the store is back")


def test_a_running_answer_outlives_the_server_s_absence_and_is_booked(pair, redis, start_engine):
    slow = start_engine("--interval", "20", name="slow")
    gateway = pair([budget(100_000, count="output")], count=1, engine=slow)
    with streaming(gateway, "a few words more " * 60) as stream:
        redis.stall()
        gateway.printed("is lost")
        rest = stream.read().decode()
        assert "[DONE]" in rest and '"length"' not in rest, "what an answer may cost without the store is enough for this one"
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "the exchange has ended")
    redis.go_on()
    tokens = int(until(lambda: re.search(r"tokens_out=(\d+)", gateway.text), "the access log").group(1))
    assert tokens > 200
    until(lambda: spent(redis) >= tokens, "the answer is booked")


def test_a_gateway_starts_without_its_server(pair, redis):
    redis.stop()
    gateway = pair([rate()], count=1)
    gateway.printed(r"the store redis://127\.0\.0\.1:\d+/0 cannot be reached: Connection refused")
    assert ask(gateway).status == 503
    redis.start()
    until(lambda: ask(gateway).status == 200, "the store is there")


# Configuration


def test_a_password_and_a_database(tmp_path, pair):
    guarded = RedisServer(tmp_path, "--requirepass", "hunter/2@x")
    try:
        url = f"redis://:hunter%2F2%40x@127.0.0.1:{guarded.port}/3"
        gateway = pair([rate()], count=1, url=url)
        assert ask(gateway).status == 200
        with guarded.client() as client:
            client.call("AUTH", "hunter/2@x")
            client.call("SELECT", 3)
            assert client.call("KEYS", "*") == ["tidegate:take:binding:rate-limit:ip:127.0.0.1"]
        from gateway import get

        shown = get(gateway.admin + "/config")[1]
        assert f"redis://:<hidden>@127.0.0.1:{guarded.port}/3" in shown
        assert "hunter" not in shown + gateway.text
    finally:
        guarded.stop()


def test_a_wrong_password_is_said_and_never_shown(tmp_path, pair):
    guarded = RedisServer(tmp_path, "--requirepass", "secret")
    try:
        gateway = pair([rate()], count=1, url=f"redis://:wrong-hunter2@127.0.0.1:{guarded.port}")
        gateway.printed("cannot be reached: it answered: WRONGPASS")
        assert ask(gateway).status == 503
        assert "hunter2" not in gateway.text
    finally:
        guarded.stop()


def test_the_store_cannot_change_while_the_gateway_runs(pair, redis, engine):
    gateway = pair([rate()], count=1)
    gateway.write(configuration(engine.url, policies=[rate()], store="memory"))
    refused = gateway.refusal()
    assert [error["message"] for error in refused["errors"]] == ["`store` cannot change while the gateway runs"]
    assert ask(gateway).status == 200


def test_a_reload_keeps_what_is_shared(pair, redis):
    gateway = pair([{"use": "rate-limit", "config": {"rate": 2, "per": "1h"}}], count=1)
    assert ask(gateway).status == 200
    before = gateway.generation
    gateway.policy("another", "return { on_request = function() end }")
    gateway.policy("rate-limit", (gateway.plugins / "rate-limit.lua").read_text() + "\n-- saved again\n")
    gateway.next_generation(before)
    assert ask(gateway).status == 200
    assert ask(gateway).status == 429
