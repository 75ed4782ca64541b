"""Robustness section 1.2 and rows D-01 to D-10, against a running gateway with honest streams beside the attack."""

import concurrent.futures
import itertools
import os
import socket
import time

import pytest

import wire
from bystanders import Bystanders
from gateway import Engine, cluster, configuration, get, until
from wire import (
    DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, CONTINUATION, FLOW_CONTROL_ERROR, GOAWAY, HEADERS, INTERNAL_ERROR, PING,
    PREFACE, PRIORITY, PROTOCOL_ERROR, RST_STREAM, SETTINGS, WINDOW_UPDATE, Peer, block, chat, chat1, connect, frame, head,
    headers, request_body)

CANCEL = frame(RST_STREAM, 0, 1, b"\0\0\0\x08")[9:]


@pytest.fixture(scope="module")
def gateway(start_for_module, engine, calm):
    return start_for_module(configuration(
        engine.url, clusters=[cluster("engine", engine.url), cluster("calm", calm.url)],
        models=[{"id": "calm", "targets": [{"cluster": "calm", "model": "lorem-40-interval-50ms"}]},
                {"id": "*", "cluster": "engine"}],
        routes=[{"name": "default", "match": {"path": "/*"}, "cluster": "by-model", "default_cluster": "engine",
                 "anonymous": True}]), plugins=False)


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    program = Engine(tmp_path_factory.mktemp("calm"))
    yield program
    program.stop()


@pytest.fixture(scope="module")
def bystanders(gateway):
    running = Bystanders(gateway.port, "calm")
    yield running
    running.stop()
    print(f"bystanders: {running.finished} streams, longest gap {running.longest_gap * 1000:.0f} ms")


@pytest.fixture(autouse=True)
def unharmed(gateway, bystanders, engine):
    before = resident(gateway)
    yield
    assert gateway.is_running, gateway.text[-3000:]
    assert get(gateway.admin + "/healthz")[0] == 200
    bystanders.check()
    # What an attacker left behind is gone, upstream too.
    until(lambda: engine.stats["active_streams"] == 0, "the attacker's upstream streams have ended")
    assert resident(gateway) - before < 64 << 20


def resident(program):
    with open(f"/proc/{program.process.pid}/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def attack(gateway, pieces, *codes, reads=True, settings=b""):
    """Sends `pieces` until the gateway has had enough; checks that it says so with one of `codes` and closes."""
    with Peer(gateway.port, settings) as peer:
        batch = iter(pieces)
        while chunk := b"".join(itertools.islice(batch, 100)):
            if not peer.write(chunk, read=reads):
                break
        peer.wait(lambda: peer.goaway is not None)
        assert peer.goaway in codes or (None in codes and peer.closed), (peer.goaway, peer.closed, peer.sent)
        assert peer.wait_closed(8), "GOAWAY, and the connection stays open"
        return peer


def odd(count):
    return range(1, 2 * count, 2)


def test_h2_01_rapid_reset(gateway, engine):
    before = engine.stats["requests"]
    pieces = (headers(n, head("GET", "/v1/x")) + frame(RST_STREAM, 0, n, CANCEL) for n in odd(20_000))
    attack(gateway, pieces, ENHANCE_YOUR_CALM, INTERNAL_ERROR)
    assert engine.stats["requests"] - before <= 210


def test_h2_01_rapid_reset_after_dispatch(gateway, engine):
    """Request and reset come in turns of the loop of their own, so that each request is on its way before it is reset."""
    before = engine.stats["requests"]
    with Peer(gateway.port) as peer:
        for n in odd(1_000):
            if not peer.write(headers(n, head("GET", "/v1/x"))):
                break
            time.sleep(0.001)
            if not peer.write(frame(RST_STREAM, 0, n, CANCEL)):
                break
        assert peer.wait(lambda: peer.goaway is not None) and peer.goaway in (ENHANCE_YOUR_CALM, INTERNAL_ERROR)
        assert peer.wait_closed(8)
    # The bucket refills by 33 a second meanwhile.
    assert engine.stats["requests"] - before <= 500


def made_you_reset(n, variant):
    """A stream that the server must reset itself."""
    request = head("POST", wire.CHAT)
    if variant == "window increment of overflow":
        return chat(n, "slow-first-5000") + frame(WINDOW_UPDATE, 0, n, b"\x7f\xff\xff\xff")
    if variant == "longer than announced":
        return headers(n, request + block(("content-length", "2")), False) + frame(DATA, 0, n, b"{} ")
    if variant == "shorter than announced":
        return headers(n, request + block(("content-length", "5")), False) + frame(DATA, END_STREAM, n, b"{}")
    if variant == "trailers without an end":
        return headers(n, request, False) + headers(n, block(("x", "1")), False)
    if variant == "pseudo-header in trailers":
        return headers(n, request, False) + headers(n, block((":path", "/")))
    if variant == "upper-case name":
        return headers(n, request + block(("X-Upper", "1")))
    raise ValueError(variant)


@pytest.mark.parametrize("variant", [
    "window increment of overflow", "longer than announced", "shorter than announced", "trailers without an end",
    "pseudo-header in trailers", "upper-case name"])
def test_h2_02_made_you_reset(gateway, engine, variant):
    before = engine.stats["requests"]
    attack(gateway, (made_you_reset(n, variant) for n in odd(20_000)), ENHANCE_YOUR_CALM)
    assert engine.stats["requests"] - before <= 130


@pytest.mark.parametrize("variant, payload", [
    ("increment 0", frame(WINDOW_UPDATE, 0, 1, bytes(4))), ("headers after the end", headers(1, head())),
    ("data after the end", frame(DATA, 0, 1, b"x")), ("short priority", frame(PRIORITY, 0, 1, bytes(4))),
    ("short reset", frame(RST_STREAM, 0, 1, bytes(3))),
    ("connection window", frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff")), ("push", frame(5, 4, 1, bytes(4) + head())),
    ("even stream", headers(2, head())), ("large frame", frame(DATA, 0, 1, bytes(16_385))),
], ids=lambda value: value if isinstance(value, str) else "")
def test_h2_02_h2_15_h2_16_connection_errors(gateway, variant, payload):
    attack(gateway, [chat(1, "slow-first-3000") + payload] + [payload] * 200, *range(1, 14))


def test_h2_03_stream_flood(gateway, engine):
    before = engine.stats["requests"]
    with Peer(gateway.port, acknowledges=False) as peer:
        for start in range(0, 20_000, 100):
            if not peer.write(b"".join(chat(n, "stall-after-1", stream=True) for n in range(2 * start + 1, 2 * start + 200, 2)),
                              read=False, patience=4):
                break
        assert peer.wait_closed(8)
    assert engine.stats["requests"] - before <= 100


@pytest.mark.parametrize("bytewise", [False, True])
def test_h2_04_continuation_flood(gateway, engine, bytewise):
    before = engine.stats["requests"]
    piece = block(("x", "y" * 100)) * 40
    pieces = [frame(HEADERS, 0, 1, head())] + [frame(CONTINUATION, 0, 1, b"" if bytewise else piece)] * 1_000
    attack(gateway, pieces, None, *range(1, 14))
    assert engine.stats["requests"] == before


def test_h2_04_legal_continuations_pass(gateway):
    """A head in eight frames, a byte at a time."""
    with Peer(gateway.port) as peer:
        data = head() + block(("x", "y" * 40))
        cuts = [data[index * len(data) // 8:(index + 1) * len(data) // 8] for index in range(8)]
        frames = frame(HEADERS, 0, 1, cuts[0]) + b"".join(
            frame(CONTINUATION, END_HEADERS if index == 7 else 0, 1, cuts[index]) for index in range(1, 8))
        for byte in frames + frame(DATA, END_STREAM, 1, request_body("echo")):
            peer.write(bytes([byte]))
        assert peer.wait(lambda: peer.is_over(1)) and peer.status[1] == 200


@pytest.mark.parametrize("reads", [True, False])
def test_h2_05_ping_flood(gateway, reads):
    attack(gateway, [frame(PING, 0, 0, bytes(8))] * 20_000, ENHANCE_YOUR_CALM, reads=reads)


@pytest.mark.parametrize("flap", [False, True])
def test_h2_06_settings_flood(gateway, flap):
    pieces = [b"".join(chat(n, "slow-first-3000") for n in odd(50))] if flap else []
    payloads = [b"\0\x04\0\0\0\0", b"\0\x04\0\0\0\x01"] if flap else [b"", b""]
    pieces += [frame(SETTINGS, 0, 0, payloads[n % 2]) for n in range(100_000)]
    peer = attack(gateway, pieces, ENHANCE_YOUR_CALM)
    acknowledged = sum(kind == SETTINGS for kind, _ in peer.frames) - 1
    assert acknowledged <= 40


def bomb(name, count, value=b""):
    """One literal that enters the table, then references to it."""
    return head() + b"\x40" + wire.text(name) + wire.text(value) + b"\xbe" * count


@pytest.mark.parametrize("name, value, count", [
    ("a", b"", 147_000), ("a", b"v" * 3_900, 8_000), ("cookie", b"a=1", 20_000)])
def test_h2_07_hpack_bomb(gateway, engine, name, value, count):
    before, grown = engine.stats["requests"], resident(gateway)
    data = bomb(name, count, value)
    cuts = [data[offset:offset + 16_384] for offset in range(0, len(data), 16_384)]
    attempts = 20
    for _ in range(attempts):
        pieces = [frame(HEADERS, END_STREAM | (END_HEADERS if len(cuts) == 1 else 0), 1, cuts[0])]
        pieces += [frame(CONTINUATION, END_HEADERS if cut is cuts[-1] else 0, 1, cut) for cut in cuts[1:]]
        attack(gateway, pieces, None, *range(1, 14))
    assert engine.stats["requests"] == before
    assert resident(gateway) - grown < 8 << 20


def test_h2_07_host_bomb(gateway, engine):
    """A second `host` ends the stream before it is counted; the rest of the block is decoded and offered to nobody."""
    before, grown = engine.stats["requests"], resident(gateway)
    data = bomb("host", 20_000, b"a")
    attack(gateway, (frame(HEADERS, END_STREAM, n, data[:16_384]) + frame(CONTINUATION, END_HEADERS, n, data[16_384:])
                     for n in odd(400)), ENHANCE_YOUR_CALM)
    assert engine.stats["requests"] == before
    assert resident(gateway) - grown < 8 << 20


@pytest.mark.parametrize("fields", [
    b"".join(block((f"x{n}", "1")) for n in range(101)), block(("x", "y" * 12_000)) * 3, block(("cookie", "a=1")) * 120])
def test_h2_07_too_large_a_head(gateway, engine, fields):
    before = engine.stats["requests"]
    with Peer(gateway.port) as peer:
        data = head() + fields
        cuts = [data[offset:offset + 16_000] for offset in range(0, len(data), 16_000)]
        peer.write(frame(HEADERS, END_STREAM | (END_HEADERS if len(cuts) == 1 else 0), 1, cuts[0]))
        for cut in cuts[1:]:
            peer.write(frame(CONTINUATION, END_HEADERS if cut is cuts[-1] else 0, 1, cut))
        assert peer.wait(lambda: peer.is_over(1)) and peer.status[1] == 431
        # The connection goes on.
        peer.write(chat(3, "echo"))
        assert peer.wait(lambda: peer.is_over(3)) and peer.status[3] == 200
    assert engine.stats["requests"] == before + 1


def test_h2_08_empty_names(gateway, engine):
    before = engine.stats["requests"]
    attack(gateway, (headers(n, head() + b"\0\0\0" * 50) for n in odd(20_000)), ENHANCE_YOUR_CALM)
    assert engine.stats["requests"] == before


def test_h2_10_empty_frames(gateway):
    attack(gateway, [headers(1, head(), False)] + [frame(DATA, 0, 1)] * 100_000, ENHANCE_YOUR_CALM)


def test_h2_11_priority_churn(gateway):
    attack(gateway, [frame(PRIORITY, 0, 2 * n + 1, b"\0\0\0\0\x10") for n in range(100_000)], ENHANCE_YOUR_CALM)


def test_h2_11_a_stream_that_depends_on_itself(gateway):
    """Our SETTINGS turn RFC 7540's priorities off (RFC 9218, section 2.1): what such a frame says is not looked at, only counted."""
    itself = frame(PRIORITY, 0, 1, b"\0\0\0\x01\x10")
    with Peer(gateway.port) as peer:
        peer.write(itself + chat(1, "echo"))
        peer.wait(lambda: peer.is_over(1) or peer.goaway is not None)
        assert peer.goaway is None
    attack(gateway, [chat(1, "slow-first-3000")] + [itself] * 100_000, ENHANCE_YOUR_CALM)


def test_h2_12_window_updates(gateway):
    attack(gateway, [frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")] * 100_000, ENHANCE_YOUR_CALM)


@pytest.mark.parametrize("kind", [0x77, 0x10])
def test_h2_13_unknown_frames(gateway, kind):
    peer = attack(gateway, [frame(kind, 0, 0, b"\0\0\0\0u=1")] * 100_000, ENHANCE_YOUR_CALM, PROTOCOL_ERROR)
    assert peer.sent <= 2_000_000


@pytest.mark.parametrize("opened", [False, True])
def test_h2_14_resets_of_no_stream(gateway, opened):
    first = [headers(1, head("GET", "/v1/x"))] if opened else []
    attack(gateway, first + [frame(RST_STREAM, 0, 1, CANCEL)] * 20_000, *range(1, 14))


def test_h2_17_a_lower_stream_is_ignored(gateway, engine):
    before = engine.stats["requests"]
    with Peer(gateway.port) as peer:
        peer.write(chat(5, "echo") + headers(3, head("GET", "/v1/x")))
        peer.wait(lambda: peer.is_over(5) or peer.goaway is not None)
        time.sleep(0.1)
    assert engine.stats["requests"] <= before + 1


RESET, ANY = "reset", "refused"


@pytest.mark.parametrize("row, expected, fields", [
    *(("D-01", RESET, head() + block((name, value))) for name, value in [
        ("transfer-encoding", "chunked"), ("connection", "close"), ("keep-alive", "1"), ("upgrade", "h2c"),
        ("proxy-connection", "close"), ("te", "gzip")]),
    ("D-02", RESET, head() + block(("x-a", "1\r\nX-B: 2"))),
    ("D-02", RESET, head() + block(("x-a", "1\nX-B: 2"))),
    ("D-02", RESET, head() + block(("x-a", "1\0"))),
    ("D-02", RESET, head() + block(("x-a\r\nx-b", "1"))),
    ("D-02", RESET, head() + block(("x a", "1"))),
    ("D-02", RESET, head(path="/ HTTP/1.1\r\nX: y")),
    ("D-02", RESET, head(path="/v1/x HTTP/1.1")),
    ("D-02", RESET, head(method="GET / HTTP/1.1\r\nX: y")),
    ("D-02", RESET, head(authority="a\r\nX: y")),
    ("D-03", 400, head() + block(("host", "b"))),
    ("D-03", ANY, head() + block(("host", "a"), ("host", "b"))),
    ("D-04", 400, head(authority="u@a")),
    ("D-04", 400, head(authority="a,b")),
    ("D-04", ANY, head(authority="a/b")),
    ("D-05", 400, head(scheme="ftp")),
    ("D-05", 400, head(scheme="x", path="@evil/")),
    ("D-05", ANY, head(path="@evil/")),
    ("D-05", 400, head(scheme="https")),
    *(("D-06", ANY, head(path=path)) for path in [
        "/v1/x#f", "/v1/x\\y", b"/v1/\x80", '/v1/"', "/v1/<", "/v1/{", "/v1/^", "/v1/%00", "/v1/%2f", "/v1/%5c", "/../../x"]),
    ("D-07", RESET, head() + block(("content-length", "5"))),
    ("D-09", RESET, block((":method", "GET"), ("x", "1"), (":scheme", "http"), (":path", "/"), (":authority", "a"))),
    ("D-09", RESET, head() + block((":path", "/b"))),
    ("D-09", RESET, head() + block((":unknown", "b"))),
    ("D-09", RESET, head() + block((":status", "200"))),
    ("D-09", RESET, block((":method", "GET"), (":scheme", "http"), (":authority", "a"))),
    ("D-10", 405, block((":method", "CONNECT"), (":authority", "a:443"))),
    ("D-10", ANY, head(method="CONNECT") + block((":protocol", "websocket"))),
    ("D-10", 405, head(method="TRACE", path="/")),
], ids=lambda value: "" if isinstance(value, bytes) else None)
def test_downgrade(gateway, engine, row, expected, fields):
    before = engine.stats["requests"]
    with Peer(gateway.port) as peer:
        peer.write(headers(1, fields))
        assert peer.wait(lambda: peer.is_over(1) or peer.goaway is not None), row
        status, reset = peer.status.get(1), peer.resets.get(1)
        if expected == RESET:
            assert reset == PROTOCOL_ERROR, (row, status, reset, peer.goaway)
        elif expected == ANY:
            assert reset or 400 <= status < 500, (row, status, reset)
        else:
            assert status == expected, (row, status, reset)
        if peer.goaway is None:
            peer.write(chat(3, "echo"))
            assert peer.wait(lambda: peer.is_over(3)) and peer.status[3] == 200
            before += 1
    assert engine.stats["requests"] == before, f"{row}: reached the engine"


def test_d07_lengths_that_lie(gateway, engine):
    """Body and announcement differ, with the end on the body and on trailers."""
    for length, body, end in [
            (5, b"{}", True), (1, b"{}", True), (5, b"{}", False), (1, b"{}", False), (5, b"", True)]:
        before = engine.stats["requests"]
        with Peer(gateway.port) as peer:
            frames = headers(1, head(path="/v1/files") + block(("content-length", str(length))), False)
            frames += frame(DATA, END_STREAM if end else 0, 1, body)
            if not end:
                frames += headers(1, block(("x", "1")))
            peer.write(frames)
            assert peer.wait(lambda: peer.is_over(1)) and peer.resets.get(1) == PROTOCOL_ERROR
        until(lambda: engine.stats["active_streams"] == 0, "the upstream was told")
        assert engine.stats["completed"] <= engine.stats["requests"]
        assert engine.stats["requests"] <= before + 1


def test_d08_cookie_crumbs(gateway, engine):
    """They are one field again upstream, or none where cookies are not forwarded."""
    with Peer(gateway.port) as peer:
        peer.write(headers(1, head() + block(("cookie", "a=1")) * 3, False) + frame(DATA, END_STREAM, 1, request_body("echo")))
        assert peer.wait(lambda: peer.is_over(1)) and peer.status[1] == 200
    sent = engine.last["headers"]
    pairs = list(sent.items()) if isinstance(sent, dict) else [tuple(pair) for pair in sent]
    assert [value for name, value in pairs if name == "cookie"] in ([], ["a=1; a=1; a=1"])


# What takes its time: deadlines of ten seconds and the stall rule of thirty, all at once.


def slow_read(gateway, engine):
    """H2-09: no window, then a byte of it each second."""
    with Peer(gateway.port, settings=b"\0\x04\0\0\0\0") as peer:
        peer.write(b"".join(chat(n, "lorem-200-burst", stream=True) for n in odd(100)))
        begun = time.monotonic()
        while len(peer.resets) < 100 and time.monotonic() - begun < 45 and not peer.closed:
            peer.wait(lambda: len(peer.resets) == 100, 1.0)
            peer.write(frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\x01"))
            for n in odd(100):
                if not peer.is_over(n):
                    peer.write(frame(WINDOW_UPDATE, 0, n, b"\0\0\0\x01"))
        took = time.monotonic() - begun
        assert peer.closed or peer.goaway is not None or set(peer.resets.values()) == {ENHANCE_YOUR_CALM}, peer.resets
        assert peer.goaway is not None or len(peer.resets) == 100
        assert took < 42, took
    return took


def zero_window(gateway, engine):
    """H2-09 without any WINDOW_UPDATE."""
    with Peer(gateway.port, settings=b"\0\x04\0\0\0\0") as peer:
        peer.write(b"".join(chat(n, "lorem-200-burst", stream=True) for n in odd(100)))
        begun = time.monotonic()
        assert peer.wait(lambda: len(peer.resets) == 100, 45), len(peer.resets)
        took = time.monotonic() - begun
        assert set(peer.resets.values()) == {ENHANCE_YOUR_CALM} and 29 < took < 42, took
    return took


def drip(gateway, data):
    """H2-19: a byte each half second; the deadline is absolute."""
    with connect(gateway.port, 1) as connection:
        begun = time.monotonic()
        connection.settimeout(0.5)
        for index in itertools.count():
            try:
                if index < len(data):
                    connection.send(data[index:index + 1])
                while connection.recv(4096):
                    pass
                break
            except TimeoutError:
                assert time.monotonic() - begun < 20, "still open"
            except OSError:
                break
        took = time.monotonic() - begun
    assert 9 < took < 14, took
    return took


def open_block(gateway):
    """H2-19: HEADERS without END_HEADERS, and nothing more."""
    with Peer(gateway.port) as peer:
        peer.write(frame(HEADERS, 0, 1, head()))
        begun = time.monotonic()
        assert peer.wait_closed(20)
        took = time.monotonic() - begun
        assert 9 < took < 14, took
    return took


def unacknowledged(gateway):
    """H2-03: our SETTINGS are never acknowledged."""
    with Peer(gateway.port, acknowledges=False) as peer:
        begun = time.monotonic()
        assert peer.wait_closed(20)
        assert peer.goaway == wire.SETTINGS_TIMEOUT
        took = time.monotonic() - begun
        assert 9 < took < 14, took
    return took


def stopped_reader(gateway, model, http2):
    """Reads nothing of a fast stream: the stall rule ends it, and the engine is not asked for more meanwhile."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", gateway.port))
        if http2:
            connection.sendall(PREFACE + frame(SETTINGS, 0, 0, b"\0\x04\x7f\xff\xff\xff") + frame(SETTINGS, 1, 0) + frame(
                WINDOW_UPDATE, 0, 0, b"\x7f\0\0\0") + chat(1, model, stream=True))
        else:
            connection.sendall(chat1(model, stream=True))
        time.sleep(42)
        connection.settimeout(5)
        data = b""
        try:
            while piece := connection.recv(1 << 20):
                data += piece
        except OSError:
            pass
    assert b"[DONE]" not in data
    return len(data)


@pytest.mark.slow
@pytest.mark.timeout(90)
def test_h2_09_h2_19_what_takes_its_time(gateway, engine, bystanders):
    before = resident(gateway)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        running = {
            "slow read": pool.submit(slow_read, gateway, engine),
            "zero window": pool.submit(zero_window, gateway, engine),
            "nothing": pool.submit(drip, gateway, b""),
            "half a preface": pool.submit(drip, gateway, PREFACE[:12]),
            "preface without SETTINGS": pool.submit(drip, gateway, PREFACE[:-1]),
            "an HTTP/1.1 head": pool.submit(drip, gateway, b"GET / HTTP/1.1\r\nHost: " + b"a" * 100),
            "open block": pool.submit(open_block, gateway),
            "no acknowledgement": pool.submit(unacknowledged, gateway),
            "HTTP/2 reader that stops": pool.submit(stopped_reader, gateway, "lorem-200000-burst", True),
            "HTTP/1.1 reader that stops": pool.submit(stopped_reader, gateway, "lorem-200000-burst", False),
        }
        time.sleep(8)
        tokens = engine.stats["tokens"]
        grown = resident(gateway) - before
        time.sleep(3)
        assert engine.stats["tokens"] - tokens < 2_000, "the engine goes on although nobody reads"
        assert grown < 32 << 20, grown
        outcomes = {}
        for name, future in running.items():
            try:
                outcomes[name] = future.result()
            except AssertionError as error:
                outcomes[name] = error
    wrong = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, AssertionError)}
    print(outcomes)
    assert not wrong, wrong
