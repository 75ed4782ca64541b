"""A streaming relay on h2 and uvloop: HTTP/2 in, HTTP/2 out to the engine over few shared connections, bytes as they come.

Backpressure: the credit for what came in on one side is returned when it has left on the other.
"""

import asyncio

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError

import http2

CONNECT_SECONDS = 5.0
# Credit is returned in steps of this size: a quarter of a stream's window, many tokens.
CREDIT_STEP = 16 << 10
# For all streams of a connection to have their whole windows, so that a slow client holds back nobody else.
CONNECTION_WINDOW = 32 << 20
# Fields that concern one connection only, should a peer send them over HTTP/2 all the same.
HOP_BY_HOP = {
    b"connection",
    b"keep-alive",
    b"proxy-authenticate",
    b"proxy-authorization",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
}


class Leg:
    """One of the two streams of an exchange: the client's or the engine's."""

    __slots__ = ("connection", "stream_id", "other", "owed", "has_ended")

    def __init__(self, connection, stream_id, other=None):
        self.connection = connection
        self.stream_id = stream_id
        self.other = other
        # Bytes that came in here and for which the credit is not returned yet.
        self.owed = 0
        # Nothing more will come in here.
        self.has_ended = False
        connection.streams[stream_id] = self

    def forward(self, data, end_stream):
        """Passes on what came in here."""
        self.has_ended = end_stream
        target = self.other
        target.connection.send(target.stream_id, data, end_stream)
        if end_stream and target.has_ended:
            self.leave()
            target.leave()

    def return_credit(self):
        owed, self.owed = self.owed, 0
        if owed and not self.connection.is_over:
            self.connection.h2.acknowledge_received_data(owed, self.stream_id)
            self.connection.flush_soon()

    def leave(self):
        """Lets go of the stream: what still comes in is passed over, what waits to go out goes out."""
        self.connection.streams.pop(self.stream_id, None)
        self.return_credit()

    def cancel(self, code):
        self.leave()
        if not self.connection.is_over:
            self.connection.reset(self.stream_id, code)


class ClientLeg(Leg):
    """The client's stream, which is there before the engine's and after it has failed."""

    __slots__ = ("headers", "held", "connecting", "has_response")

    def __init__(self, connection, stream_id, headers):
        super().__init__(connection, stream_id)
        self.headers = headers
        # The request's body as far as it came before there was a connection to the engine; its credit is withheld.
        self.held = bytearray()
        self.connecting = None
        self.has_response = False

    def start(self, upstream):
        """Opens the engine's stream."""
        try:
            stream_id = upstream.h2.get_next_available_stream_id()
            upstream.h2.send_headers(stream_id, without_hop_by_hop(self.headers))
        except ProtocolError as error:
            self.fail(f"the engine's connection takes no request: {error}")
            return
        self.other = Leg(upstream, stream_id, self)
        upstream.flush_soon()
        if self.held or self.has_ended:
            super().forward(bytes(self.held), self.has_ended)
            self.held.clear()

    async def connect(self, engine):
        """Waits for a connection to the engine, then opens the stream."""
        try:
            upstream = await engine.connect()
        except OSError as error:
            self.fail(f"cannot connect to the engine: {str(error) or 'no answer'}")
        else:
            self.start(upstream)

    def forward(self, data, end_stream):
        if self.other:
            super().forward(data, end_stream)
        else:
            self.held += data
            self.has_ended = end_stream

    def respond(self, headers):
        self.has_response = True
        self.connection.h2.send_headers(self.stream_id, without_hop_by_hop(headers))
        self.connection.flush_soon()

    def fail(self, reason):
        """Tells the client that the engine has failed: in words while there is time, with a reset later."""
        if self.has_response:
            self.cancel(ErrorCodes.INTERNAL_ERROR)
            return
        self.leave()
        if not self.connection.is_over:
            self.respond([(b":status", b"502"), (b"content-type", b"text/plain")])
            self.connection.send(self.stream_id, f"{reason}\n".encode(), end_stream=True)

    def abandon(self):
        """The client has gone."""
        self.leave()
        if self.other:
            self.other.cancel(ErrorCodes.CANCEL)
        elif self.connecting:
            self.connecting.cancel()


class RelayConnection(http2.Connection):
    """What both sides have in common: what comes in on a leg is forwarded."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.h2.increment_flow_control_window(CONNECTION_WINDOW)

    def on_data(self, event):
        leg = self.streams.get(event.stream_id)
        if leg:
            leg.owed += event.flow_controlled_length
            leg.forward(event.data, event.stream_ended is not None)
        else:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def on_end(self, stream_id):
        leg = self.streams.get(stream_id)
        if leg and not leg.has_ended:
            leg.forward(b"", True)

    def on_drained(self, stream_id):
        leg = self.streams.get(stream_id)
        if leg and leg.other.owed >= CREDIT_STEP:
            leg.other.return_credit()


class Downstream(RelayConnection):
    """A client's connection."""

    def __init__(self, engine):
        super().__init__(is_client=False)
        self.engine = engine

    def on_request(self, event):
        leg = ClientLeg(self, event.stream_id, event.headers)
        upstream = self.engine.connection_with_room()
        if upstream:
            leg.start(upstream)
        else:
            leg.connecting = self.loop.create_task(leg.connect(self.engine))

    def on_reset(self, stream_id):
        leg = self.streams.get(stream_id)
        if leg:
            leg.abandon()

    def on_over(self):
        for leg in list(self.streams.values()):
            leg.abandon()


class Upstream(RelayConnection):
    """A connection to the engine."""

    def __init__(self, engine):
        super().__init__(is_client=True)
        self.engine = engine
        # Done when the engine's settings are here, and with them the number of streams it allows.
        self.ready = self.loop.create_future()

    def has_room(self):
        return len(self.streams) < self.h2.remote_settings.max_concurrent_streams

    def on_settings(self):
        if not self.ready.done():
            self.ready.set_result(None)

    def on_response(self, event):
        leg = self.streams.get(event.stream_id)
        if leg:
            leg.other.respond(event.headers)

    def on_reset(self, stream_id):
        leg = self.streams.get(stream_id)
        if leg:
            self.lose(leg)

    def on_over(self):
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("it closed the connection"))
        if self in self.engine.connections:
            self.engine.connections.remove(self)
        for leg in list(self.streams.values()):
            self.lose(leg)

    def lose(self, leg):
        leg.leave()
        if leg.has_ended:
            # The answer was whole, and the engine did not want the rest of the request.
            leg.other.leave()
        else:
            leg.other.fail("the engine has broken off")


class Engine:
    """Where requests go, and the connections to it, each of them filled before the next one is opened."""

    def __init__(self, port):
        self.port = port
        self.connections = []
        self.opening = None

    def connection_with_room(self):
        return next((one for one in self.connections if one.has_room()), None)

    async def connect(self):
        """A connection with room, for which all who need one wait together."""
        while not (connection := self.connection_with_room()):
            if not self.opening:
                self.opening = asyncio.create_task(self._open())
            await asyncio.shield(self.opening)
        return connection

    async def _open(self):
        connection = Upstream(self)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.loop.create_connection(lambda: connection, "127.0.0.1", self.port)
                await connection.ready
            self.connections.append(connection)
        except OSError:
            if connection.transport:
                connection.close()
            raise
        finally:
            self.opening = None


def without_hop_by_hop(headers):
    return [field for field in headers if field[0] not in HOP_BY_HOP]


def main():
    # One a process: nothing in it belongs to a loop before the first connection.
    engine = Engine(http2.port("ENGINE_PORT"))
    http2.run(lambda: Downstream(engine))


if __name__ == "__main__":
    main()
