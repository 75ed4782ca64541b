"""Upstreams that compress, though they are asked not to: what policies must read is decoded, token by token."""

import gzip
import http.client
import json
import threading
import zlib

import pytest

from gateway import PATIENCE, RawUpstream, cluster, configuration, sse

CHAT = "/v1/chat/completions"
FILTER = {"use": "word-filter", "config": {"words": {"colour": "color"}}}


class SteppedUpstream(RawUpstream):
    """Answers each request with a gzip stream that it flushes after each event, and sends an event only when it is told to."""

    def __init__(self, *events):
        self.may_send = threading.Semaphore(0)
        super().__init__(*events)

    def answer(self, connection):
        connection.sendall(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-encoding: gzip\r\n"
            b"transfer-encoding: chunked\r\n\r\n")
        packer = zlib.compressobj(wbits=31)
        for event in self.pieces:
            if not self.may_send.acquire(timeout=PATIENCE):
                raise TimeoutError
            self.chunk(connection, packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH))
        self.chunk(connection, packer.flush())
        connection.sendall(b"0\r\n\r\n")

    @staticmethod
    def chunk(connection, data):
        connection.sendall(b"%x\r\n%s\r\n" % (len(data), data))


def settings(upstream, *policies, **more):
    return configuration(
        clusters=[cluster("engine", {"url": upstream.url, "protocol": "http/1.1"})], policies=policies, **more)


def ask(gateway, stream=True, body=None, headers=None):
    """A chat, over a client that decodes nothing by itself."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
    body = body or json.dumps(
        {"model": "m", "stream": stream, "messages": [{"role": "user", "content": "Which?"}]}).encode()
    connection.request("POST", CHAT, body, {"content-type": "application/json"} | (headers or {}))
    return connection.getresponse()


def next_event(answer):
    lines = []
    while line := answer.readline():
        if line == b"\n":
            return b"".join(lines).decode()
        lines.append(line)
    return "".join(map(bytes.decode, lines))


def delta(event):
    return json.loads(event.removeprefix("data: "))["choices"][0]["delta"].get("content", "")


def test_tokens_arrive_one_by_one_and_the_word_filter_edits_them(start):
    words = ["The ", "colour ", "of ", "the ", "sea ", "is ", "a ", "colour."]
    upstream = SteppedUpstream(*sse(*words))
    try:
        gateway = start(settings(upstream, FILTER))
        # The first event lets the head go out.
        upstream.may_send.release()
        answer = ask(gateway)
        assert answer.status == 200
        assert answer.headers["content-encoding"] is None
        text = delta(next_event(answer))
        # Each is read before the next may be sent: none waits for another, and none for the end.
        for sent in range(2, len(words)):
            upstream.may_send.release()
            while len(text) < len("".join(words[:sent - 1])) - 1:
                text += delta(next_event(answer))
            assert "".join(words[:sent]).replace("colour", "color").startswith(text.rstrip())
        for _ in range(3):
            upstream.may_send.release()
        rest = answer.read().decode()
        assert rest.endswith("data: [DONE]\n\n")
        for line in rest.splitlines():
            if line.startswith("data: {"):
                text += delta(line)
        assert text == "The color of the sea is a color."
        assert b"accept-encoding: identity" in upstream.requests[0].lower()
        assert gateway.metric("tidegate_decoded_total") == 1
    finally:
        upstream.close()


def whole_body(text="The colour"):
    return json.dumps({
        "id": "c", "object": "chat.completion", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}).encode()


def response(body, encoding, kind=b"application/json"):
    return (b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-encoding: " + encoding
            + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.parametrize("encoding, encode", [(b"gzip", gzip.compress), (b"x-gzip", gzip.compress), (b"deflate", zlib.compress)])
def test_a_whole_answer_is_decoded_where_a_policy_reads_it(start, upstream, encoding, encode):
    gateway = start(settings(upstream(response(encode(whole_body()), encoding)), FILTER))
    answer = ask(gateway, stream=False)
    assert answer.status == 200
    assert answer.headers["content-encoding"] is None
    assert json.loads(answer.read())["choices"][0]["message"]["content"] == "The color"


def test_a_whole_answer_that_nobody_reads_passes_as_it_is(start, upstream):
    packed = gzip.compress(whole_body())
    gateway = start(settings(upstream(response(packed, b"gzip"))))
    answer = ask(gateway, stream=False)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.read() == packed
    # Its cost is known all the same.
    gateway.printed(r"tokens_in=11 tokens_out=7")


@pytest.mark.parametrize("encoding", [b"compress", b"gzip, br"])
def test_what_cannot_be_decoded_is_an_error_that_says_so(start, upstream, encoding):
    gateway = start(settings(upstream(response(whole_body(), encoding)), FILTER))
    answer = ask(gateway, stream=False)
    assert answer.status == 502
    error = json.loads(answer.read())["error"]
    assert error["code"] == "upstream_undecodable"
    assert "gzip, deflate, br, zstd" in error["message"]
    gateway.printed("upstream's answer could not be decoded")
    assert gateway.metric("tidegate_undecodable_total") == 1


def test_a_bomb_ends_and_leaves_no_memory(start, upstream):
    bomb = gzip.compress(b"data: " + bytes(200 << 20))
    gateway = start(settings(upstream(response(bomb, b"gzip", b"text/event-stream")), FILTER))
    text = ask(gateway).read().decode()
    assert '"error"' in text and "[DONE]" not in text
    resident = int(next(
        line for line in open(f"/proc/{gateway.process.pid}/status") if line.startswith("VmHWM")).split()[1])
    assert resident < 150 << 10, "the gateway expanded a bomb in memory"


def test_a_compressed_request_is_read(start, upstream):
    raw = upstream(response(whole_body(), b"identity"))
    gateway = start(settings(raw, FILTER))
    body = b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}'
    answer = ask(gateway, body=gzip.compress(body), headers={"content-encoding": "gzip"})
    assert answer.status == 200
    head, _, sent = raw.requests[0].partition(b"\r\n\r\n")
    assert sent == body
    assert b"content-encoding" not in head.lower()
    refused = ask(gateway, body=body, headers={"content-encoding": "gzip, gzip"})
    assert refused.status == 415
    assert refused.headers["accept-encoding"] == "gzip, deflate, br, zstd"
    assert "several content codings" in json.loads(refused.read())["error"]["message"]
