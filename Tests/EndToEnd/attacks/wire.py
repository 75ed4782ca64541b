"""Both versions of HTTP at the level of bytes: what no well-behaved client library would send."""

import contextlib
import json
import select
import socket
import struct
import time

from hpack import Decoder

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT = 1, 2, 3, 4
ENHANCE_YOUR_CALM = 11
CHAT = "/v1/chat/completions"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def integer(value, prefix):
    """An HPACK integer (RFC 7541 section 5.1) whose first byte has no other bits set."""
    limit = (1 << prefix) - 1
    if value < limit:
        return bytes([value])
    out, value = [limit], value - limit
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return integer(len(value), 7) + value


def block(*fields):
    """Fields as literals that no table keeps and nothing compresses."""
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def head(method="POST", path=CHAT, authority="a", scheme="http", *more):
    return block((":method", method), (":scheme", scheme), (":authority", authority), (":path", path), *more)


def headers(stream, fields, end=True):
    return frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, fields)


def request_body(model, content="one two three", **more):
    return json.dumps({"model": model, "messages": [{"role": "user", "content": content}]} | more).encode()


def chat(number, model, **more):
    """A whole chat request as the frames of stream `number`."""
    return headers(number, head(), end=False) + frame(DATA, END_STREAM, number, request_body(model, **more))


def chat1(model, **more):
    """The same in HTTP/1.1."""
    body = request_body(model, **more)
    return b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body)


class Peer:
    """One HTTP/2 connection whose frames are made by hand. Reads while it writes, and remembers all that comes."""

    def __init__(self, port, settings=b"", acknowledges=True):
        self.socket = socket.socket()
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.pending = bytearray()
        self.decoder = Decoder()
        self.decoder.max_header_list_size = 1 << 20
        self.frames = []
        self.goaway = None
        self.closed = False
        self.resets = {}
        self.status = {}
        self.body = {}
        self.ended = set()
        self.sent = 0
        self.on_frame = lambda kind, stream: None
        # The acknowledgement leaves early, so that it never gets between the pieces of another frame.
        self.write(PREFACE + frame(SETTINGS, 0, 0, settings) + (frame(SETTINGS, ACK, 0) if acknowledges else b""))

    def write(self, data, patience=15.0, read=True, until=None):
        """Writes all of `data` unless the other side has had enough first; False then."""
        data, end = memoryview(data), time.monotonic() + patience
        while data and not self.closed and self.goaway is None and not (until and until()):
            readable, writable, _ = select.select([self.socket] if read else [], [self.socket], [], 0.5)
            if readable:
                self.take()
            if writable and not self.closed:
                try:
                    count = self.socket.send(data[:65536])
                except BlockingIOError:
                    continue
                except OSError:
                    self.closed = True
                    break
                self.sent += count
                data = data[count:]
            assert time.monotonic() < end, "the gateway neither reads nor closes"
        return not data

    def take(self):
        """Reads what is there."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return
        self.pending += data
        offset = 0
        while len(self.pending) - offset >= 9:
            length = int.from_bytes(self.pending[offset:offset + 3], "big")
            if len(self.pending) - offset < 9 + length:
                break
            kind, flags = self.pending[offset + 3], self.pending[offset + 4]
            stream = int.from_bytes(self.pending[offset + 5:offset + 9], "big") & 0x7FFFFFFF
            self.receive(kind, flags, stream, bytes(self.pending[offset + 9:offset + 9 + length]))
            offset += 9 + length
        del self.pending[:offset]

    def receive(self, kind, flags, stream, payload):
        if kind == GOAWAY:
            self.goaway = int.from_bytes(payload[4:8], "big")
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == HEADERS:
            self.status[stream] = int(dict(self.decoder.decode(payload)).get(":status", 0))
        elif kind == DATA:
            self.body[stream] = self.body.get(stream, b"") + payload
        if kind in (HEADERS, DATA) and flags & END_STREAM:
            self.ended.add(stream)
        self.frames.append((kind, stream))
        self.on_frame(kind, stream)

    def wait(self, condition, patience=10.0):
        """Reads until `condition`, or until the connection is closed; says whether the condition came."""
        end = time.monotonic() + patience
        while not condition():
            if self.closed or time.monotonic() > end:
                return condition()
            if select.select([self.socket], [], [], 0.05)[0]:
                self.take()
        return True

    def wait_closed(self, patience=10.0):
        return self.wait(lambda: self.closed, patience)

    def is_over(self, stream):
        return stream in self.ended or stream in self.resets

    def close(self):
        self.socket.close()

    def abort(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def connect(port, patience=10.0):
    connection = socket.create_connection(("127.0.0.1", port), patience)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def converse(port, data, byte_by_byte=False, patience=3.0):
    """Sends bytes over HTTP/1.1 and gives what came back and whether the gateway closed the connection."""
    with connect(port, patience) as connection:
        with contextlib.suppress(OSError):
            if byte_by_byte:
                for index in range(len(data)):
                    connection.send(data[index:index + 1])
            else:
                connection.sendall(data)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except TimeoutError:
            return answer, False
        except OSError:
            pass
        return answer, True


def statuses(answer):
    """The status codes of the final responses in `answer`, in order, by walking through them."""
    found = []
    while answer.startswith(b"HTTP/1."):
        top, _, rest = answer.partition(b"\r\n\r\n")
        status = int(top[9:12])
        fields = dict(line.lower().split(b":", 1) for line in top.split(b"\r\n")[1:])
        if status >= 200:
            found.append(status)
        if b"chunked" in fields.get(b"transfer-encoding", b""):
            _, _, rest = rest.partition(b"0\r\n\r\n")
        elif status >= 200:
            rest = rest[int(fields.get(b"content-length", b"0")):]
        answer = rest
    assert not answer, f"bytes that are no response: {answer[:80]!r}"
    return found
