"""Streams that end in every other way than well: clients that leave in each phase, engines that die at each byte."""

import concurrent.futures
import contextlib
import json
import random
import socket
import struct
import threading
import time

import pytest

import wire
from gateway import configuration, get, sse_answer, until
from wire import DATA, END_STREAM, RST_STREAM, Peer, chat, chat1, connect, frame, head, headers, request_body

ROUTES = [{"name": "default", "match": {"path": "/*"}, "cluster": "by-model", "default_cluster": "engine",
           "anonymous": True}]
BODY = request_body("slow", stream=True)


@pytest.fixture(scope="module", params=["h2c", "http/1.1"])
def gateway(request, start_for_module, engine):
    upstream = {"url": engine.url, "protocol": request.param}
    return start_for_module(configuration(upstream, routes=ROUTES), plugins=False)


def quiet(gateway, engine):
    """Both sides hold nothing any more."""
    begun = time.monotonic()
    until(lambda: engine.stats["active_streams"] == 0, "no upstream stream outlives its client", 5)
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "no exchange outlives its client", 5)
    return time.monotonic() - begun


# The phases in which a client leaves: what it sends, and whether it reads first.
PHASES = {
    "during upload": (lambda n: headers(n, head(), False) + frame(DATA, 0, n, BODY[:20]),
                      b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n" + BODY[:20], None),
    "before the first token": (lambda n: chat(n, "slow-first-20000", stream=True),
                               chat1("slow-first-20000", stream=True), "dispatched"),
    "streaming": (lambda n: chat(n, "lorem-5000-interval-20ms", stream=True),
                  chat1("lorem-5000-interval-20ms", stream=True), "read"),
    "not streamed": (lambda n: chat(n, "slow-first-20000"), chat1("slow-first-20000"), "dispatched"),
}


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_http2(gateway, engine, phase):
    """250 cancels a phase: half by RST_STREAM over connections that live on, half by connections that vanish."""
    request, _, first = PHASES[phase]
    before = engine.stats["active_streams"]
    assert before == 0
    peers = [Peer(gateway.port) for _ in range(10)]
    for peer in peers:
        peer.write(b"".join(request(n) for n in range(1, 51, 2)))
    if first == "read":
        for peer in peers:
            assert peer.wait(lambda: len(peer.body) == 25)
    elif first:
        until(lambda: engine.stats["active_streams"] == 250, "the engine has them all")
    for index, peer in enumerate(peers):
        if index % 2:
            peer.write(b"".join(frame(RST_STREAM, 0, n, b"\0\0\0\x08") for n in range(1, 51, 2)))
        else:
            peer.abort() if index % 4 else peer.close()
    took = quiet(gateway, engine)
    for peer in peers[1::2]:
        assert peer.goaway is None
        peer.write(chat(101, "echo"))
        assert peer.wait(lambda: peer.is_over(101)) and peer.status[101] == 200
        peer.close()
    assert took < 2, took


@pytest.mark.parametrize("phase", PHASES)
def test_cancel_http1(gateway, engine, phase):
    """250 cancels a phase by FIN and RST."""
    _, request, first = PHASES[phase]
    clients = [connect(gateway.port) for _ in range(250)]
    for client in clients:
        client.sendall(request)
    if first == "read":
        for client in clients:
            assert client.recv(65536)
    elif first:
        until(lambda: engine.stats["active_streams"] == 250, "the engine has them all")
    for index, client in enumerate(clients):
        if index % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    assert quiet(gateway, engine) < 2


class DyingUpstream:
    """Sends as much of a script as the request's `user` says, then ends in the way that it says."""

    def __init__(self):
        self.script = b"".join(sse_answer("Hello", " world", " and", " more")[1:-1:1])
        self.events = [piece.partition(b"\r\n")[2][:-2] for piece in sse_answer("Hello", " world")[1:-1]]
        self.script = b"".join(self.events)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            top, _, body = data.partition(b"\r\n\r\n")
            length = next(int(line[15:]) for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            while len(body) < length:
                body += connection.recv(65536)
            offset, end = json.loads(body)["user"].split()
            sent = self.script[:int(offset)]
            answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            if sent:
                answer += b"%x\r\n%s\r\n" % (len(sent), sent)
            connection.sendall(answer + (b"0\r\n\r\n" if end == "chunk" else b""))
            if end == "RST":
                # After what was sent has been read: the reset would overtake it.
                time.sleep(0.02)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_upstream_death_at_every_byte(start):
    """Never a `[DONE]` that the upstream did not send; always an error that a client sees; never half an event."""
    upstream = DyingUpstream()
    # One endpoint that dies on purpose: its health must not end the experiment.
    gateway = start(configuration({"url": upstream.url, "protocol": "http/1.1"}, routes=ROUTES), plugins=False)
    whole = upstream.script
    complete = whole.index(b"data: [DONE]") + len(b"data: [DONE]")
    outcomes = {}

    def try_one(offset, end, http2):
        user = f"{offset} {end}"
        if http2:
            with Peer(gateway.port) as peer:
                peer.write(chat(1, "echo", stream=True, user=user))
                assert peer.wait(lambda: peer.is_over(1)), (offset, end)
                status, body, reset = peer.status.get(1), peer.body.get(1, b""), 1 in peer.resets
        else:
            answer, _ = wire.converse(gateway.port, chat1("echo", stream=True, user=user).replace(
                b"Host: a", b"Host: a\r\nConnection: close", 1))
            top, _, rest = answer.partition(b"\r\n\r\n")
            status, body, reset = int(top[9:12] or 0), b"", not rest.endswith(b"0\r\n\r\n")
            while b"\r\n" in rest:
                size, _, rest = rest.partition(b"\r\n")
                body, rest = body + rest[:int(size, 16)], rest[int(size, 16) + 2:]
        where = (offset, end, http2, status, body[-300:])
        events = body.split(b"\n\n")
        assert events.pop() == b"", where
        for event in events:
            assert event.startswith(b"data: "), where
            if event != b"data: [DONE]":
                json.loads(event[6:])
        is_done = b"[DONE]" in body
        is_error = status in (502, 504) or b'"error"' in body or reset
        if is_done:
            assert offset >= complete, where
        assert is_done != is_error, where
        if status == 502:
            # Dies before its first whole event only if the head was held back for it.
            assert offset < whole.index(b"\n\n") + 2, where

    cases = [(offset, end, random.Random(offset * 3 + index).random() < 0.5)
             for offset in range(len(whole) + 1) for index, end in enumerate(("FIN", "RST", "chunk"))]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        wrong = [str(error) for future in [pool.submit(try_one, *case) for case in cases]
                 if (error := future.exception())]
    assert not wrong, (len(wrong), len(cases), wrong[:3])
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "no exchange is left")
