"""Requests by the ten thousand, and bytes that mean nothing."""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

import wire
from gateway import configuration, get, until
from wire import Peer, chat, chat1, connect, converse, frame, request_body, statuses

ROUTES = [{"name": "default", "match": {"path": "/*"}, "cluster": "by-model", "default_cluster": "engine",
           "anonymous": True}]


@pytest.fixture(scope="module")
def gateway(start_for_module, engine):
    return start_for_module(configuration(engine.url, routes=ROUTES, log={"level": "error", "access": "off"}), plugins=False)


def resident(program):
    with open(f"/proc/{program.process.pid}/statm") as figures:
        return int(figures.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.skipif(not shutil.which("h2load"), reason="needs h2load (Debian: nghttp2-client)")
@pytest.mark.parametrize("version", ["h2c", "--h1"])
def test_h2load(gateway, engine, tmp_path, version):
    body = tmp_path / "body.json"
    body.write_bytes(request_body("echo", "hello"))
    count = 20_000 if version == "h2c" else 10_000
    before = engine.stats["completed"]
    arguments = ["-n", count, "-c", "50", "-m", "20" if version == "h2c" else "1", "-d", body] + ["--h1"] * (version == "--h1")
    run = subprocess.run(
        ["h2load", *map(str, arguments), gateway.url + wire.CHAT], capture_output=True, text=True, timeout=140)
    totals = re.search(r"requests: .*", run.stdout).group()
    assert f"{count} succeeded, 0 failed, 0 errored, 0 timeout" in totals, run.stdout
    assert f"status codes: {count} 2xx" in run.stdout, run.stdout
    assert engine.stats["completed"] - before == count


def mutated(data, chance):
    """Some bytes changed, a piece lost, doubled, or another's put in."""
    data = bytearray(data)
    for _ in range(chance.randrange(1, 8)):
        place, length = chance.randrange(len(data) + 1), chance.randrange(1, 32)
        kind = chance.randrange(5)
        if kind == 0 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 1:
            data[place:place + length] = b""
        elif kind == 2:
            data[place:place] = data[place:place + length]
        elif kind == 3:
            data[place:place] = chance.randbytes(length)
        elif place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        if not data:
            return b"\n"
    return bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_mutations(gateway, engine):
    """Valid conversations with seeded faults, and pure noise, for twenty seconds from eight threads."""
    seeds = [
        chat1("echo") * 2, chat1("lorem-20-burst", stream=True),
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n%x;a=b\r\n%s\r\n0\r\nX: y\r\n\r\n" % (
            len(request_body("echo")), request_body("echo")),
        wire.PREFACE + frame(wire.SETTINGS, 0, 0, b"\0\x04\0\1\0\0") + chat(1, "echo") + chat(3, "lorem-20-burst", stream=True)
        + frame(wire.PING, 0, 0, bytes(8)) + frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\1\0") + frame(wire.RST_STREAM, 0, 3, bytes(4)),
        wire.PREFACE + frame(wire.SETTINGS, 0, 0) + wire.headers(1, wire.head() + b"\x40\x01a\x01b\xbe\xbe", False)
        + frame(wire.DATA, 8, 1, b"\x03{}\0\0\0") + frame(wire.CONTINUATION, 4, 1, b"\x82") + frame(wire.GOAWAY, 0, 0, bytes(8)),
    ]
    before, end = resident(gateway), time.monotonic() + 20
    counts, problems = [0] * 8, []

    def noise(number):
        chance = random.Random(number)
        while time.monotonic() < end:
            seed = chance.choice(seeds)
            kept = len(wire.PREFACE) + 9 if seed.startswith(wire.PREFACE) and chance.random() < 0.9 else 0
            data = seed[:kept] + mutated(seed[kept:], chance) if chance.random() < 0.95 else chance.randbytes(500)
            try:
                with connect(gateway.port, 5) as connection:
                    for piece in (data[:cut] if index == 0 else data[cut:] for cut in [chance.randrange(len(data))]
                                  for index in range(2)):
                        connection.sendall(piece)
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536):
                        pass
            except TimeoutError:
                problems.append(("hangs", data))
            except OSError:
                pass
            counts[number] += 1

    threads = [threading.Thread(target=noise, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{sum(counts)} conversations, {len(problems)} hang")
    assert gateway.is_running, gateway.text[-3000:]
    assert not problems, problems[:3]
    until(lambda: gateway.metric("tidegate_exchanges_open") == 0, "no exchange is left")
    until(lambda: engine.stats["active_streams"] == 0, "no upstream stream is left")
    assert resident(gateway) - before < 64 << 20
    assert statuses(converse(gateway.port, chat1("echo").replace(b"Host: a", b"Host: a\r\nConnection: close"))[0]) == [200]


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_slowloris(gateway, engine):
    """500 connections that send a byte now and then: ended after ten seconds; others are served meanwhile."""
    connections = [connect(gateway.port) for _ in range(500)]
    before, begun = resident(gateway), time.monotonic()
    for index, connection in enumerate(connections):
        connection.sendall([b"GET / HTTP/1.1\r\nX: ", wire.PREFACE[:10], b"P", b""][index % 4])
    slowest = 0.0
    while time.monotonic() - begun < 13:
        for connection in connections:
            try:
                connection.send(b"")
            except OSError:
                pass
        asked = time.monotonic()
        assert statuses(converse(gateway.port, chat1("echo").replace(b"Host: a", b"Host: a\r\nConnection: close"))[0]) == [200]
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.5)
    assert resident(gateway) - before < 32 << 20
    assert slowest < 1, slowest
    still = 0
    for connection in connections:
        connection.settimeout(0.001)
        try:
            while connection.recv(4096):
                pass
        except TimeoutError:
            still += 1
        except OSError:
            pass
        connection.close()
    assert still == 0, f"{still} are still open"
