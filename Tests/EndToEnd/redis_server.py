"""A Redis server of the tests' own: on a free loopback port, without persistence, ended by its process id."""

import os
import pathlib
import shutil
import signal
import socket
import subprocess

from gateway import free_port, until


def program(folder):
    """The server's program. Debian's redis-tools brings it too, under a name that makes it a checker of files."""
    found = shutil.which("redis-server")
    if found:
        return found
    checker = shutil.which("redis-check-rdb")
    assert checker, "these tests need a Redis server: install redis-server (Debian: apt-get install redis-tools)"
    link = pathlib.Path(folder) / "redis-server"
    if not link.exists():
        link.symlink_to(checker)
    return str(link)


class RedisServer:
    def __init__(self, folder, *options):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.options = options
        self.process = None
        self.start()

    def start(self):
        """Starts it, or starts it again: with nothing in it, at the same port."""
        self.output = open(self.folder / f"redis-{self.port}.log", "ab")
        self.process = subprocess.Popen(
            [program(self.folder), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), *map(str, self.options)],
            stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        until(self.answers, "the Redis server answers")

    def answers(self):
        assert self.process.poll() is None, f"the Redis server ended: {self.process.returncode}"
        try:
            return self.client().call("PING")
        except ConnectionRefusedError:
            return None
        except RedisError as error:
            return "NOAUTH" in str(error)

    def client(self):
        return RedisClient(self.port)

    def call(self, *words):
        with self.client() as client:
            return client.call(*words)

    def stall(self):
        """It keeps its connections and says nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        # Stopped once the system says so.
        until(lambda: self.state() == "T", "the Redis server is stopped")

    def go_on(self):
        os.kill(self.process.pid, signal.SIGCONT)

    def state(self):
        return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()


class RedisError(Exception):
    """The server's own words."""


class RedisClient:
    """What tests have to say to a server, and no more."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def call(self, *words):
        parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        match kind:
            case b"+":
                return rest.decode()
            case b"-":
                raise RedisError(rest.decode())
            case b":":
                return int(rest)
            case b"$":
                return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
            case b"*":
                return None if rest == b"-1" else [self.reply() for _ in range(int(rest))]
        raise ConnectionError(f"not a reply: {line!r}")
