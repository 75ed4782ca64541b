"""An engine and its clients in one program, on both sides of a gateway, in lockstep.

Nothing is sent before what was sent last has arrived on the other side, so every turn of the gateway's loop has exactly one batch of
work, whatever the machine's speed. HTTP/2 by prior knowledge on both sides.
"""

import collections
import itertools
import json
import socket

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.settings import SettingCodes, Settings

# What only a broken gateway takes, under an instrument that makes it fifty times slower.
PATIENCE = 60.0
LARGEST_WINDOW = 2**31 - 1
SMALLEST_WINDOW = 2**16 - 1


def request(is_streamed):
    return json.dumps({"model": "lorem", "stream": is_streamed, "messages": [{"role": "user", "content": "Go on."}]}).encode()


STREAMED = request(True)
WHOLE = request(False)
# A word a token, each with the space before it, as engines send them. Three are words that Examples/benchmark's filter replaces.
WORDS = "lorem ipsum dolor sed amet elit magna nec urna porta sit ut vitae quam".split()


def event(delta, finish=None, **more):
    """The bytes of one event of a chat stream, as long as the simulated engine's."""
    chunk = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "lorem"}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return b"data: " + json.dumps(chunk | {"choices": choices} | more, separators=(",", ":")).encode() + b"\n\n"


OPENING = event({"role": "assistant", "content": ""})
TOKENS = [event({"content": f" {word}"}) for word in WORDS]
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
ENDING = event({}, "stop") + event({}, usage=USAGE) + b"data: [DONE]\n\n"
ANSWER = json.dumps({
    "id": "chatcmpl-0123456789abcdef", "object": "chat.completion", "created": 1_700_000_000, "model": "lorem",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": " ".join(WORDS[:8])}, "finish_reason": "stop"}],
    "usage": USAGE,
}, separators=(",", ":")).encode()


class Peer:
    """One end of an HTTP/2 connection to the gateway, with windows so large that they never need an update."""

    def __init__(self, connected, is_client):
        self.socket = connected
        self.socket.settimeout(PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.codec = H2Connection(H2Configuration(client_side=is_client, header_encoding="utf-8"))
        settings = {SettingCodes.INITIAL_WINDOW_SIZE: LARGEST_WINDOW, SettingCodes.MAX_CONCURRENT_STREAMS: 1000}
        if is_client:
            settings[SettingCodes.ENABLE_PUSH] = 0
        self.codec.local_settings = Settings(client=is_client, initial_values=settings)
        self.codec.initiate_connection()
        self.codec.increment_flow_control_window(LARGEST_WINDOW - SMALLEST_WINDOW)
        self.events = collections.deque()
        self.flush()

    def close(self):
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.codec.data_to_send())

    def receive(self):
        """Waits for bytes and takes them."""
        try:
            data = self.socket.recv(1 << 18)
        except TimeoutError:
            raise RuntimeError(f"nothing came from the gateway for {PATIENCE:.0f} s") from None
        if not data:
            raise RuntimeError("the gateway closed a connection")
        for one in self.codec.receive_data(data):
            if isinstance(one, StreamReset):
                raise RuntimeError(f"the gateway reset stream {one.stream_id}: {one.error_code!r}")
            self.events.append(one)
        # Acknowledgements of SETTINGS and PING.
        self.flush()

    def wait(self, kind):
        """The next event of a kind; those before it are of no interest."""
        while True:
            while self.events:
                one = self.events.popleft()
                if isinstance(one, kind):
                    return one
            self.receive()


class Client(Peer):
    """A downstream connection with at most one stream at a time."""

    def __init__(self, port):
        super().__init__(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE), is_client=True)
        self.body = bytearray()

    def ask(self, body=STREAMED):
        stream = self.codec.get_next_available_stream_id()
        self.codec.send_headers(stream, [
            (":method", "POST"), (":scheme", "http"), (":authority", "gateway"), (":path", "/v1/chat/completions"),
            ("content-type", "application/json"), ("content-length", str(len(body))), ("user-agent", "lockstep"),
        ])
        self.codec.send_data(stream, body, end_stream=True)
        self.flush()

    def wait_for_events(self, count):
        """Until that many more events of the stream are whole."""
        while self.body.count(b"\n\n") < count:
            one = self.wait((DataReceived, StreamEnded))
            if isinstance(one, StreamEnded):
                raise RuntimeError(f"the gateway ended a stream too early, after {bytes(self.body)!r}")
            self.body += one.data
        self.body.clear()

    def wait_for_end(self):
        """Until the stream has ended; its body."""
        while True:
            one = self.wait((DataReceived, StreamEnded))
            if isinstance(one, StreamEnded):
                break
            self.body += one.data
        body = bytes(self.body)
        self.body.clear()
        return body


class Engine:
    """The upstream side: all streams of a gateway that has one worker come over one connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.peer = None

    def close(self):
        if self.peer:
            self.peer.close()
        self.listener.close()

    def accept_exchange(self):
        """The next request's stream, once the request is whole."""
        if self.peer is None:
            self.peer = Peer(self.listener.accept()[0], is_client=False)
        self.peer.wait(RequestReceived)
        return self.peer.wait(StreamEnded).stream_id

    def answer(self, stream, body, end=False):
        self.peer.codec.send_headers(stream, [(":status", "200"), ("content-type", "text/event-stream")])
        self.put(stream, body, end)
        self.peer.flush()

    def answer_whole(self, stream, body):
        self.peer.codec.send_headers(stream, [
            (":status", "200"), ("content-type", "application/json"), ("content-length", str(len(body)))])
        self.put(stream, body, end=True)
        self.peer.flush()

    def put(self, stream, body, end=False):
        """Queues bytes on a stream, once it has window for them; `peer.flush` sends what is queued."""
        while self.peer.codec.local_flow_control_window(stream) < len(body):
            self.peer.receive()
        self.peer.codec.send_data(stream, body, end_stream=end)


class Streams:
    """Streams that run side by side, each over a downstream connection of its own, all over one upstream connection."""

    def __init__(self, engine, clients):
        self.engine = engine
        self.clients = clients
        self.ids = []
        self.words = itertools.cycle(TOKENS)
        for client in clients:
            client.ask()
            stream = engine.accept_exchange()
            engine.answer(stream, OPENING)
            client.wait_for_events(1)
            self.ids.append(stream)

    def send_round(self):
        """One token a stream, in one write; returns when each has arrived."""
        token = next(self.words)
        for stream in self.ids:
            self.engine.put(stream, token)
        self.engine.peer.flush()
        for client in self.clients:
            client.wait_for_events(1)

    def end(self):
        for stream, client in zip(self.ids, self.clients):
            self.engine.put(stream, ENDING, end=True)
            self.engine.peer.flush()
            client.wait_for_end()


def exchange(engine, client):
    """A streamed exchange: request, an answer of one token in one write, end."""
    client.ask()
    engine.answer(engine.accept_exchange(), OPENING + TOKENS[0] + ENDING, end=True)
    body = client.wait_for_end()
    if not body.endswith(b"data: [DONE]\n\n"):
        raise RuntimeError(f"an answer did not end as it should: {body[-200:]!r}")


def whole_exchange(engine, client):
    """An exchange that is not streamed: request and answer, in one write each."""
    client.ask(WHOLE)
    engine.answer_whole(engine.accept_exchange(), ANSWER)
    body = client.wait_for_end()
    if json.loads(body)["usage"] != USAGE:
        raise RuntimeError(f"not the engine's answer: {body[:200]!r}")
