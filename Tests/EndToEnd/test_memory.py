"""What connections take of memory, and that it goes back when they end."""

import contextlib
import socket

import h2.connection

from gateway import PATIENCE, configuration, until

CONNECTIONS = 800


def resident_kib(program):
    with open(f"/proc/{program.process.pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def opened(port):
    """An HTTP/2 connection whose SETTINGS the gateway has answered."""
    connected = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    codec = h2.connection.H2Connection()
    codec.initiate_connection()
    connected.sendall(codec.data_to_send())
    assert connected.recv(65536)
    return connected


def test_memory_of_connections_goes_back_when_they_end(start, engine):
    gateway = start(configuration(engine.url, workers=1))
    # What the first connection touches stays.
    opened(gateway.port).close()
    idle = resident_kib(gateway)
    with contextlib.ExitStack() as connections:
        for _ in range(CONNECTIONS):
            connections.enter_context(opened(gateway.port))
        grown = resident_kib(gateway) - idle
        assert grown < 28 * CONNECTIONS
    until(lambda: resident_kib(gateway) - idle < grown / 2, f"less than half of {grown} KiB is left")
