"""A token server on h2 and uvloop: answers chat completions with a stream of one token every 25 ms."""

import asyncio
import functools
import heapq
import itertools
import time

import http2
from tokens import HEADERS, PATH, REQUEST_BYTES_MAX, Answer, BadRequest, error_body

# Tokens that are due together, since the client or this server was late, leave together: about so much at a time.
CHUNK_BYTES = 16 << 10


class Beat:
    """Calls every stream when its next token is due: one timer for all, set for the earliest."""

    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.heap = []
        # Decides between streams with the same due instant, which the heap could not compare.
        self.order = itertools.count()
        self.timer = None
        self.armed_for = None

    def schedule(self, stream):
        heapq.heappush(self.heap, (stream.answer.due, next(self.order), stream))
        if not self.timer or stream.answer.due < self.armed_for:
            self._arm(time.monotonic_ns())

    def _run(self):
        self.timer = None
        now = time.monotonic_ns()
        while self.heap and self.heap[0][0] <= now:
            heapq.heappop(self.heap)[2].send_due(now)
        if self.heap:
            self._arm(now)

    def _arm(self, now):
        if self.timer:
            self.timer.cancel()
        self.armed_for = self.heap[0][0]
        # The loop counts in milliseconds; rounded up, since a token must not leave before it is due.
        wait_ms = max(0, -(-(self.armed_for - now) // 1_000_000))
        self.timer = self.loop.call_later(wait_ms / 1000, self._run)


class TokenStream:
    """One request and its answer."""

    __slots__ = ("connection", "stream_id", "body", "answer", "is_over")

    def __init__(self, connection, stream_id):
        self.connection = connection
        self.stream_id = stream_id
        self.body = bytearray()
        self.answer = None
        self.is_over = False

    def send_due(self, now):
        """Sends what is due; when it has left, the stream's connection asks for the next beat."""
        if self.is_over:
            return
        events = self.answer.tokens(now, CHUNK_BYTES)
        if self.answer.is_complete:
            self.connection.finish(self.stream_id, events + self.answer.ending())
        else:
            self.connection.send(self.stream_id, events)


class TokenConnection(http2.Connection):
    """A client's connection."""

    def __init__(self, beat):
        super().__init__(is_client=False)
        self.beat = beat

    def on_request(self, event):
        headers = dict(event.headers)
        if (headers[b":method"], headers[b":path"].partition(b"?")[0]) != (b"POST", PATH):
            self.refuse(event.stream_id, 404, f"Only POST {PATH.decode()} is served.")
            return
        self.streams[event.stream_id] = TokenStream(self, event.stream_id)

    def on_data(self, event):
        self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        stream = self.streams.get(event.stream_id)
        if not stream:
            return
        stream.body += event.data
        if len(stream.body) > REQUEST_BYTES_MAX:
            self.refuse(event.stream_id, 413, "The request is too large.")

    def on_end(self, stream_id):
        stream = self.streams.get(stream_id)
        if not stream:
            return
        try:
            stream.answer = Answer(stream.body)
        except BadRequest as error:
            self.refuse(stream_id, 400, str(error))
            return
        self.h2.send_headers(stream_id, [(b":status", b"200"), *HEADERS])
        self.send(stream_id, stream.answer.opening())
        stream.send_due(time.monotonic_ns())

    def on_drained(self, stream_id):
        stream = self.streams.get(stream_id)
        if stream:
            self.beat.schedule(stream)

    def on_reset(self, stream_id):
        stream = self.streams.pop(stream_id, None)
        if stream:
            stream.is_over = True

    def on_over(self):
        for stream_id in list(self.streams):
            self.on_reset(stream_id)

    def finish(self, stream_id, data):
        self.streams.pop(stream_id, None)
        self.send(stream_id, data, end_stream=True)

    def refuse(self, stream_id, status, message):
        headers = [(b":status", b"%d" % status), (b"content-type", b"application/json")]
        self.h2.send_headers(stream_id, headers)
        self.finish(stream_id, error_body(message))


def main():
    # One for the process, made when its loop runs.
    beat = functools.cache(Beat)
    http2.run(lambda: TokenConnection(beat()))


if __name__ == "__main__":
    main()
