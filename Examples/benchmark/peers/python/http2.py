"""HTTP/2 in the clear for asyncio: what the token server and the relay have in common."""

import asyncio
import contextlib
import os
import signal
import socket
import sys

import uvloop
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RemoteSettingsChanged,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

BACKLOG = 8192
# How long streams may go on after SIGTERM. The endless ones of a benchmark have to be cut off some time.
DRAIN_SECONDS = 1.0


class Connection(asyncio.Protocol):
    """One HTTP/2 connection: h2's state, the transport, and what waits until the peer has room for it.

    Subclasses have `streams`, which is theirs to fill by stream number, and the methods named `on_`.
    """

    # Streams that the peer may have open on this connection.
    STREAMS_MAX = 512

    open_connections = set()

    def __init__(self, is_client):
        # What is sent was made here, or was validated when it came.
        self.h2 = H2Connection(
            H2Configuration(
                client_side=is_client, header_encoding=None, validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        limits = {SettingCodes.ENABLE_PUSH: 0} if is_client else {SettingCodes.MAX_CONCURRENT_STREAMS: self.STREAMS_MAX}
        self.h2.local_settings = Settings(client=is_client, initial_values=limits)
        self.loop = asyncio.get_running_loop()
        self.transport = None
        self.streams = {}
        self.is_over = False
        # By stream; those in `_sendable` are to be tried at the next flush, the others have no window.
        self._waiting = {}
        self._sendable = set()
        self._is_paused = False
        self._will_flush = False

    # What subclasses do with events

    def on_settings(self):
        """The peer's settings have come, or have changed."""

    def on_request(self, event):
        """A request begins; its body follows unless `event.stream_ended` is set."""

    def on_response(self, event):
        """The head of a response to a request that was sent on this connection."""

    def on_data(self, event):
        """Bytes of a body, for which `h2.acknowledge_received_data` has to return the credit."""

    def on_end(self, stream_id):
        """The peer has ended its side of a stream."""

    def on_reset(self, stream_id):
        """The peer has reset a stream."""

    def on_drained(self, stream_id):
        """Everything that was sent on a stream has left."""

    def on_over(self):
        """The connection is lost, with all its streams."""

    # Sending

    def send(self, stream_id, data, end_stream=False):
        """Sends `data` as soon as the peer has room for it; `on_drained` tells when all has left."""
        waiting = self._waiting.get(stream_id)
        if waiting:
            waiting.data += data
            waiting.end_stream = end_stream
        else:
            self._waiting[stream_id] = Waiting(data, end_stream)
        self._sendable.add(stream_id)
        self.flush_soon()

    def reset(self, stream_id, code):
        self._waiting.pop(stream_id, None)
        with contextlib.suppress(ProtocolError):
            self.h2.reset_stream(stream_id, code)
        self.flush_soon()

    def flush_soon(self):
        """Sends once the events of this turn are dealt with, so that what they brought leaves in few frames and one write."""
        if not self._will_flush:
            self._will_flush = True
            self.loop.call_soon(self._flush)

    def close(self):
        """Takes leave of the peer."""
        if not self.is_over:
            with contextlib.suppress(ProtocolError):
                self.h2.close_connection()
            self._end()

    def _flush(self):
        self._will_flush = False
        if self.is_over:
            return
        if not self._is_paused:
            sendable, self._sendable = self._sendable, set()
            for stream_id in sendable:
                self._send_waiting(stream_id)
        data = self.h2.data_to_send()
        if data:
            self.transport.write(data)

    def _send_waiting(self, stream_id):
        """Makes frames of what the windows of stream and connection have room for."""
        waiting = self._waiting.get(stream_id)
        if not waiting:
            return
        data = waiting.data
        room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
        while len(data) > room > 0:
            self.h2.send_data(stream_id, bytes(data[:room]))
            del data[:room]
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
        if len(data) <= room or not data:
            self.h2.send_data(stream_id, bytes(data), waiting.end_stream)
            del self._waiting[stream_id]
            self.on_drained(stream_id)

    def _resume(self):
        self._sendable.update(self._waiting)
        self.flush_soon()

    def _end(self):
        if self.is_over:
            return
        self._flush()
        self.is_over = True
        self._waiting.clear()
        self.open_connections.discard(self)
        self.transport.close()
        self.on_over()

    # What asyncio calls

    def connection_made(self, transport):
        self.transport = transport
        self.open_connections.add(self)
        self.h2.initiate_connection()
        self.flush_soon()

    def data_received(self, data):
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            # h2 has a GOAWAY ready that says why.
            self._end()
            return
        for event in events:
            if self.is_over:
                return
            if isinstance(event, DataReceived):
                self.on_data(event)
            elif isinstance(event, WindowUpdated):
                if event.stream_id:
                    self._sendable.add(event.stream_id)
                else:
                    self._resume()
            elif isinstance(event, StreamEnded):
                self.on_end(event.stream_id)
            elif isinstance(event, RequestReceived):
                self.on_request(event)
            elif isinstance(event, ResponseReceived):
                self.on_response(event)
            elif isinstance(event, StreamReset):
                self._waiting.pop(event.stream_id, None)
                self.on_reset(event.stream_id)
            elif isinstance(event, RemoteSettingsChanged):
                self.on_settings()
                self._resume()
            elif isinstance(event, ConnectionTerminated):
                # h2 does nothing more on a connection after a GOAWAY.
                self._end()
        self.flush_soon()

    def pause_writing(self):
        self._is_paused = True

    def resume_writing(self):
        self._is_paused = False
        self._resume()

    def connection_lost(self, error):
        self._end()


class Waiting:
    """What is to be sent on a stream."""

    __slots__ = ("data", "end_stream")

    def __init__(self, data, end_stream):
        self.data = bytearray(data)
        self.end_stream = end_stream


def port(name):
    """The port that the environment variable `name` gives."""
    return _number(name, "a port", range(65536))


def run(make_connection):
    """Serves on LISTEN_PORT until SIGTERM or SIGINT.

    WORKERS above 1 are as many processes, each with a listening socket of its own, among which the kernel spreads connections.
    """
    listen_port = port("LISTEN_PORT")
    workers = _number("WORKERS", "a number above 0", range(1, 1025)) if "WORKERS" in os.environ else 1
    if workers == 1:
        sys.exit(_work(make_connection, listen_port, False))
    children = []
    for _ in range(workers):
        child = os.fork()
        if child == 0:
            sys.exit(_work(make_connection, listen_port, True))
        children.append(child)

    def end_children(*_):
        for child in children:
            os.kill(child, signal.SIGTERM)

    signal.signal(signal.SIGTERM, end_children)
    signal.signal(signal.SIGINT, end_children)
    status = 0
    while children:
        child, code = os.wait()
        children.remove(child)
        if code:
            status = 1
            end_children()
    sys.exit(status)


def _work(make_connection, listen_port, is_shared):
    try:
        listener = socket.create_server(("127.0.0.1", listen_port), backlog=BACKLOG, reuse_port=is_shared)
    except OSError as error:
        print(f"cannot listen on 127.0.0.1:{listen_port}: {error}", file=sys.stderr)
        return 1
    with listener:
        uvloop.run(_serve(make_connection, listener))
    return 0


async def _serve(make_connection, listener):
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    acceptor = Acceptor(make_connection, listener)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await stop.wait()
    acceptor.close()
    end = loop.time() + DRAIN_SECONDS
    while any(one.streams for one in Connection.open_connections) and loop.time() < end:
        await asyncio.sleep(0.02)
    for one in list(Connection.open_connections):
        one.close()


class Acceptor:
    """Takes all connections that are waiting, in place of the one a turn that libuv takes.

    When thousands of streams make turns long, one a turn leaves new clients outside for seconds.
    """

    RETRY_SECONDS = 0.1

    def __init__(self, make_connection, listener):
        self.make_connection = make_connection
        self.listener = listener
        self.loop = asyncio.get_running_loop()
        self.adopting = set()
        listener.setblocking(False)
        self.loop.add_reader(listener, self._accept)

    def close(self):
        self.loop.remove_reader(self.listener)
        self.listener.close()

    def _accept(self):
        while True:
            try:
                accepted, _ = self.listener.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue
            except OSError as error:
                # No descriptors left: the connection waits for one.
                print(f"cannot accept: {error}", file=sys.stderr)
                self.loop.remove_reader(self.listener)
                self.loop.call_later(self.RETRY_SECONDS, self._accept_again)
                return
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self.loop.create_task(self.loop.connect_accepted_socket(self.make_connection, accepted))
            self.adopting.add(task)
            task.add_done_callback(self.adopting.discard)

    def _accept_again(self):
        if self.listener.fileno() >= 0:
            self.loop.add_reader(self.listener, self._accept)


def _number(name, what, bounds):
    text = os.environ.get(name, "")
    if text.isascii() and text.isdigit() and int(text) in bounds:
        return int(text)
    sys.exit(f"{name} is `{text}`: it must be {what}")
