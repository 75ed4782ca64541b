"""Robustness section 2, rows S-01 to S-19, against a running gateway: every example's bytes whole and byte by byte.

Behind every bad request lies a good one, word for word as an attacker would smuggle it. The engine must never see it.
"""

import contextlib
import socket
import threading

import pytest

from gateway import configuration, get
from wire import chat1, converse, request_body, statuses

SMUGGLED = chat1("smuggled")
BODY = request_body("echo")
CLOSING = chat1("echo").replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n")
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
CHUNKED = LINE + b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def latin(text):
    return text.encode("latin-1")


def post(field, body=b"hello"):
    """A request with one more field."""
    return LINE + b"Host: a\r\n" + latin(field) + b"\r\n\r\n" + body


def get_of(target, host="Host: a\r\n", version="HTTP/1.1", method="GET"):
    return latin(f"{method} {target} {version}\r\n{host}\r\n")


REFUSED = [
    ("S-01", 400, post("Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n")),
    ("S-01", 400, post("Transfer-Encoding: chunked\r\nContent-Length: 5", b"0\r\n\r\n")),
    ("S-02", 400, post("Content-Length: 1\r\nContent-Length: 0")),
    *(("S-02", 400, post("Content-Length: " + value)) for value in ["5, 5", "5,6"]),
    ("S-02", 400, post("Content-Length: 5\r\nContent-Length: 5")),
    *(("S-03", 400, post("Content-Length: " + value))
      for value in ["+5", "-0", "0x10", "1_0", "5 5", "", str(1 << 64), "010", "1Z", str((1 << 53) + 1), "00"]),
    *(("S-04", 400, post("Transfer-Encoding: " + value, b"0\r\n\r\n"))
      for value in [",chunked", "chunked,", "xchunked", "chunked, identity", "identity", "chunked;a=b", "\x0bchunked",
                    '"chunked"', "chunked\r\nTransfer-Encoding: chunked"]),
    ("S-04", 501, post("Transfer-Encoding: gzip, chunked", b"0\r\n\r\n")),
    ("S-04", 400, CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"0\r\n\r\n"),
    *(("S-05", 400, post(field))
      for field in ["Transfer-Encoding : chunked", "\tContent-Length: 1", "Transfer_Encoding: chunked", ": v",
                    "Content-Length\x85: 9", "nocolon", "Transfer-\r\nEncoding: chunked", "X: a\r\n b",
                    "X: a\r\n\tb"]),
    ("S-06", 400, CLOSING.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\n", 1)),
    ("S-06", 400, CLOSING.replace(b"Host: a\r\n", b"Host: a\n", 1)),
    ("S-06", 400, CLOSING.replace(b"\r\n\r\n", b"\r\n\n", 1)),
    ("S-06", 400, CLOSING.replace(b"\r\n", b"\n")),
    ("S-06", 400, CLOSING.replace(b"\r\n\r\n", b"\r\n\rX", 1)),
    ("S-06", 400, post("X: a\rb\r\nContent-Length: 5")),
    ("S-06", 400, post("X: a\0b\r\nContent-Length: 5")),
    *(("S-07", 400, CHUNKED + latin(size) + b"\r\nhello\r\n0\r\n\r\n")
      for size in ["0x5", "+5", "-0", "5_0", " 5", "5 ", "", "0" * 16 + "5", "1these"]),
    *(("S-08", 400, CHUNKED + rest + b"\r\n0\r\n\r\n")
      for rest in [b"5;\nhello", b"5\r\r;A\r\nhello", b"5;a=b\r\rX", b"5;" + b"a" * 300 + b"\r\nhello",
                   b"5;" + b"a" * 65536 + b"\r\nhello", (b"1;" + b"b" * 200 + b"\r\nx\r\n") * 30]),
    ("S-09", 400, CHUNKED + b"5\r\nhelloXX0\r\n\r\n"),
    ("S-09", 400, CHUNKED + b"5\r\nhello\n0\r\n\r\n"),
    ("S-12", 417, post("Content-Length: 5\r\nExpect: 200-ok")),
    ("S-14", 400, b"GET /\r\n"),
    *(("S-15", 400, get_of("/v1/models", version=version)) for version in ["HTTP/1.32", "HTTP/1.1 ", "http/1.1"]),
    ("S-15", 505, get_of("/v1/models", version="HTTP/3.0")),
    ("S-15", 400, get_of("/v1/models", method="G\0T")),
    *(("S-16", 400, get_of(target)) for target in ["http://b/", "/a b", "/v1/models#f", "*"]),
    *(("S-16", 405, get_of(target, method=method)) for target, method in [("a:443", "CONNECT"), ("/", "TRACE")]),
    ("S-17", 400, get_of("/v1/models", host="")),
    ("S-17", 400, get_of("/v1/models", host="Host: a\r\nHost: a\r\n")),
    *(("S-17", 400, get_of("/v1/models", host=f"Host: {host}\r\n")) for host in ["a,b", "u@a", "a/b", "a\0.b", ""]),
]


@pytest.fixture(scope="module")
def gateway(start_for_module, engine):
    return start_for_module(configuration(engine.url, routes=[
        {"name": "default", "match": {"path": "/*"}, "cluster": "by-model", "default_cluster": "engine",
         "anonymous": True}]), plugins=False)


@pytest.fixture(autouse=True)
def alive(gateway):
    yield
    assert gateway.is_running and get(gateway.admin + "/healthz")[0] == 200, gateway.text[-2000:]


def ways(data):
    """Whole, then byte by byte as far as the first 2 KiB."""
    return [False, True] if len(data) <= 2048 else [False]


@pytest.mark.parametrize("row, status, data", REFUSED, ids=lambda value: value[:40] if isinstance(value, bytes) else None)
def test_refused(gateway, engine, row, status, data):
    before = engine.stats["requests"]
    for byte_by_byte in ways(data):
        answer, closed = converse(gateway.port, data + SMUGGLED, byte_by_byte)
        assert statuses(answer) == [status], (row, answer)
        assert closed, f"{row}: the connection stayed open"
        assert b"connection: close" in answer.lower(), row
    assert engine.stats["requests"] == before, f"{row}: reached the engine"


@pytest.mark.parametrize("field", ["Content-Length: 9", "Host: b", "Authorization: x", "Transfer-Encoding: chunked"])
def test_s10_trailers_are_dropped(gateway, engine, field):
    before = engine.stats["requests"]
    data = CHUNKED + b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(BODY), BODY, latin(field)) + CLOSING
    for byte_by_byte in ways(data):
        answer, closed = converse(gateway.port, data, byte_by_byte)
        assert statuses(answer) == [200, 200] and closed
    assert engine.stats["requests"] == before + 4
    seen = {name.lower() for name, _ in fields_of(engine.last)}
    assert "authorization" not in seen and "transfer-encoding" not in seen


def fields_of(last):
    headers = last["headers"]
    return headers.items() if isinstance(headers, dict) else headers


def test_s11_early_answer_with_an_unread_body(gateway, engine):
    """An answer before the body's end: what follows is drained as body or the connection closes; never read as a request."""
    before = engine.stats["requests"]
    for path in (b"/v1/chat/completions", b"/v1/files"):
        announced = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
        answer, closed = converse(gateway.port, announced % (path, 11 << 20) + SMUGGLED * 3)
        assert statuses(answer) == [413] and closed
    refused = b"POST /v1/../../x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(SMUGGLED)
    answer, _ = converse(gateway.port, refused + SMUGGLED + CLOSING)
    assert statuses(answer) in ([404, 200], [400, 200], [400])
    assert engine.stats["requests"] <= before + 1


def test_s12_expect(gateway, engine):
    head, _, body = CLOSING.partition(b"\r\n\r\n")
    before = engine.stats["requests"]
    data = head + b"\r\nExpect: 100-continue\r\n\r\n" + body
    for byte_by_byte in ways(data):
        answer, closed = converse(gateway.port, data, byte_by_byte)
        assert statuses(answer) == [200] and closed
    with socket.create_connection(("127.0.0.1", gateway.port), 5) as connection:
        connection.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert b"HTTP/1.1 200" in connection.recv(65536)
    assert engine.stats["requests"] == before + 3
    assert "expect" not in {name.lower() for name, _ in fields_of(engine.last)}
    answer, _ = converse(gateway.port, get_of("/v1/models", host="Host: a\r\nExpect: 100-continue\r\n") + CLOSING)
    assert statuses(answer)[-1] == 200


def test_s13_upgrade_is_stripped(gateway, engine):
    before = engine.stats["requests"]
    upgrade = chat1("echo").replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: foo", 1)
    for byte_by_byte in (False, True):
        answer, closed = converse(gateway.port, upgrade + CLOSING, byte_by_byte)
        assert statuses(answer) == [200, 200] and closed
    assert engine.stats["requests"] == before + 4
    assert not {"upgrade", "http2-settings"} & {name.lower() for name, _ in fields_of(engine.last)}
    h2c = upgrade.replace(b"Upgrade: foo", b"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", 1)
    assert statuses(converse(gateway.port, h2c + CLOSING)[0]) == [200, 200]


def test_s14_version_10_without_a_length_has_no_body(gateway, engine):
    before = engine.stats["requests"]
    for byte_by_byte in (False, True):
        answer, closed = converse(gateway.port, b"POST /v1/chat/completions HTTP/1.0\r\n\r\n" + SMUGGLED, byte_by_byte)
        assert statuses(answer) == [400] and closed
    assert engine.stats["requests"] == before


def test_s16_targets_that_are_one_path(gateway, engine):
    """`//b` is a path, and stays one: it names no other host."""
    before = engine.stats["requests"]
    answer, _ = converse(gateway.port, get_of("//b", host="Host: a\r\nConnection: close\r\n"))
    assert len(statuses(answer)) == 1
    last = engine.last if engine.stats["requests"] > before else None
    assert last is None or last["path"] == "//b"
    absolute = CLOSING.replace(b"POST /v1", b"POST http://a/v1")
    assert statuses(converse(gateway.port, absolute)[0]) == [200]


def test_s19_pipelining(gateway, engine):
    before = engine.stats["requests"]
    data = chat1("echo") + post("Content-Length: 5, 5") + SMUGGLED
    for byte_by_byte in (False, True):
        answer, closed = converse(gateway.port, data, byte_by_byte)
        assert statuses(answer) == [200, 400] and closed
    many = b"".join(chat1("echo", content=f"number-{index}") for index in range(50)) + CLOSING
    answer, _ = converse(gateway.port, many)
    assert statuses(answer) == [200] * 51
    places = [answer.index(b"number-%d\"" % index) for index in range(50)]
    assert places == sorted(places)
    assert engine.stats["requests"] == before + 53


class HostileUpstream:
    """Answers every request on every connection with the same bytes, and keeps the connection open for more."""

    def __init__(self):
        self.answer = b""
        self.early = False
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        number = 0
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            number += 1
            threading.Thread(target=self.serve, args=(connection, number), daemon=True).start()

    def serve(self, connection, number):
        with connection, contextlib.suppress(OSError):
            data = b""
            while True:
                while b"\r\n\r\n" not in data:
                    piece = connection.recv(65536)
                    if not piece:
                        return
                    data += piece
                top, _, data = data.partition(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in top.split(b"\r\n")[1:])
                self.requests.append((number, top))
                if not self.early:
                    length = int(fields.get(b"content-length", b"0"))
                    while len(data) < length:
                        data += connection.recv(65536)
                    data = data[length:]
                connection.sendall(self.answer)
                if self.early:
                    while connection.recv(65536):
                        pass
                    return


@pytest.fixture(scope="module")
def hostile():
    upstream = HostileUpstream()
    yield upstream
    upstream.listener.close()


@pytest.fixture(scope="module")
def before_hostile(start_for_module, hostile):
    # One worker: its pool is the only one, so that a reused connection is seen.
    return start_for_module(configuration({"url": hostile.url, "protocol": "http/1.1"}, workers=1, routes=[
        {"name": "default", "match": {"path": "/*"}, "cluster": "by-model", "default_cluster": "engine",
         "anonymous": True}]), plugins=False)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"


@pytest.mark.parametrize("answer, status", [
    (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 502),
    (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 502),
    (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 502),
    (OK + b"Content-Length: +2\r\n\r\n{}", 502),
    (OK + b"Transfer-Encoding: xchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 502),
    (b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\n{}", 502),
    (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 502),
    (b"HTTP/1.1 304 Not Modified\r\n\r\n" + EVIL, 304),
    (OK + b"Content-Length: 2\r\n\r\n{}" + EVIL, 200),
    (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + EVIL, 502),
    (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n" + EVIL, 502),
    (OK.replace(b"\r\n", b"\n") + b"Content-Length: 2\n\n{}", 502),
    (OK + b"X: a\nContent-Length: 2\r\n\r\n{}", 502),
    (OK + b"X: a\rb\r\nContent-Length: 2\r\n\r\n{}", 502),
    (OK + b"X: a\0b\r\nContent-Length: 2\r\n\r\n{}", 502),
    (OK + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\n{}", 502),
    (OK + b"Content-Length : 2\r\n\r\n{}", 502),
    (b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", 502),
    (b"ICY 200 OK\r\n\r\n", 502),
    (b"HTTP/1.1 99 No\r\nContent-Length: 0\r\n\r\n", 502),
    (OK + b"X: " + b"a" * (1 << 20) + b"\r\n\r\n", 502),
], ids=range(21))
def test_s18_hostile_answers(before_hostile, hostile, answer, status):
    """502, or the first message alone; the connection that brought it carries no second request."""
    hostile.answer, hostile.early = answer, False
    hostile.requests.clear()
    first, _ = converse(before_hostile.port, CLOSING)
    assert statuses(first) == [status], first
    assert b"smuggled" not in first
    hostile.answer = OK + b"Content-Length: 7\r\n\r\n{\"a\":1}"
    second, _ = converse(before_hostile.port, CLOSING)
    assert statuses(second) == [200] and second.endswith(b'{"a":1}'), second
    connections = [number for number, _ in hostile.requests]
    assert len(set(connections)) == len(connections), "a poisoned connection was used again"
    assert before_hostile.is_running


@pytest.mark.parametrize("body", [
    b"0x2\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b"2;\n{}\r\n0\r\n\r\n", b"2\n{}\r\n0\r\n\r\n", b"fffffffffffffffff\r\n{}",
])
def test_s18_a_bad_chunk_ends_the_answer_visibly(before_hostile, hostile, body):
    hostile.answer, hostile.early = OK + b"Transfer-Encoding: chunked\r\n\r\n" + body, False
    hostile.requests.clear()
    answer, closed = converse(before_hostile.port, CLOSING)
    assert closed and not answer.endswith(b"0\r\n\r\n"), answer
    hostile.answer = OK + b"Content-Length: 2\r\n\r\n{}"
    assert statuses(converse(before_hostile.port, CLOSING)[0]) == [200]
    connections = [number for number, _ in hostile.requests]
    assert len(set(connections)) == len(connections)


def test_s11_an_answer_before_the_request_was_written(before_hostile, hostile):
    """The endpoint answers at once and reads no body: its connection must not carry the next request."""
    hostile.answer, hostile.early = OK + b"Content-Length: 2\r\n\r\n{}", True
    hostile.requests.clear()
    length = 4 << 20
    upload = b"POST /v1/files HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % length + b"a" * length
    answer, _ = converse(before_hostile.port, upload)
    assert answer.startswith(b"HTTP/1.1 200")
    hostile.early = False
    assert statuses(converse(before_hostile.port, CLOSING)[0]) == [200]
    connections = [number for number, _ in hostile.requests]
    assert len(connections) == 2 and len(set(connections)) == 2
