"""Starts Tidegate's programs for the tests, on loopback ports that the system chooses, and stops them again.

A test writes its configuration as a Python dictionary; it is stored as JSON, which is YAML. Nothing here sleeps for luck: whatever has to
happen is asked for again until it has, or until a limit that only a broken program reaches.
"""

import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ.get("TIDEGATE", ROOT / ".build/debug/tidegate")).resolve()
KEY = "tg-demo-key"
# What only a broken program takes. Generous: tests share slow machines.
PATIENCE = 20.0


def until(condition, what, patience=PATIENCE):
    """Asks `condition` until it gives something true, which is returned."""
    end = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience} s in vain until {what}; last seen: {value!r}")
        time.sleep(0.01)


def get(url, timeout=PATIENCE):
    """The status and body of a GET, without any client library between."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Program:
    """A running tidegate command whose output goes to a file. `command` is what comes before its arguments."""

    def __init__(self, arguments, folder, name, environment=None, command=(PROGRAM,)):
        self.output_path = pathlib.Path(folder) / f"{name}.log"
        self.output = open(self.output_path, "wb")
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)], stdout=self.output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
            cwd=folder, env={**os.environ, **(environment or {})})

    @property
    def text(self):
        return self.output_path.read_text(errors="replace")

    def printed(self, pattern):
        """The first match of `pattern` in the output, as soon as there is one."""

        def look():
            found = re.search(pattern, self.text, re.MULTILINE)
            if not found and self.process.poll() is not None:
                raise AssertionError(f"ended with {self.process.returncode}:\n{self.text}")
            return found

        return until(look, f"it prints {pattern!r}")

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, patience=PATIENCE):
        return self.process.wait(patience)

    @property
    def is_running(self):
        return self.process.poll() is None

    def stop(self):
        """Ends it at once, whatever it is doing."""
        if self.is_running:
            self.process.kill()
            self.process.wait()
        self.output.close()


class Engine(Program):
    """`tidegate engine`. A token comes every 2 ms unless a test wants it otherwise."""

    def __init__(self, folder, *arguments, name="engine"):
        super().__init__(
            ["engine", "--address", "127.0.0.1:0", "--mode", "echo", "--interval", "2", *arguments], folder, name)
        self.port = int(self.printed(r"on http://127\.0\.0\.1:(\d+)").group(1))
        self.url = f"http://127.0.0.1:{self.port}"

    @property
    def stats(self):
        return json.loads(get(self.url + "/engine/stats")[1])

    @property
    def last(self):
        """The last request as the engine got it; header names are lower case, repeats are kept."""
        return json.loads(get(self.url + "/engine/last")[1])


class Gateway(Program):
    """`tidegate run`, with a folder of its own that holds Config/tidegate.yaml and Plugins/.

    `policies` are sources by name, put beside the shipped ones.
    """

    def __init__(self, folder, configuration, name="gateway", plugins=True, policies=None, environment=None,
                 command=(PROGRAM,)):
        self.folder = pathlib.Path(folder) / name
        self.config_path = self.folder / "Config" / "tidegate.yaml"
        self.plugins = self.folder / "Plugins"
        self.config_path.parent.mkdir(parents=True)
        if plugins:
            shutil.copytree(ROOT / "Plugins", self.plugins)
            shutil.copy(ROOT / "Config" / "keys.yaml", self.config_path.parent)
        for policy, text in (policies or {}).items():
            self.policy(policy, text)
        self.write(configuration)
        super().__init__(["run", "--config", self.config_path], self.folder, name, environment, command)
        found = self.printed(r"admin on http://127\.0\.0\.1:(\d+)")
        self.admin = f"http://127.0.0.1:{found.group(1)}"
        self.ports = [int(port) for port in re.findall(r"listening on https?://127\.0\.0\.1:(\d+)", self.text)]
        self.port = self.ports[0]
        self.url = f"http://127.0.0.1:{self.port}"
        until(lambda: self.ready() == 200, "the gateway is ready")

    def write(self, configuration):
        """Saves a configuration the way careful editors do: whole, then moved into its place."""
        text = configuration if isinstance(configuration, str) else json.dumps(configuration, indent=2)
        save(self.config_path, text)

    def policy(self, name, text):
        save(self.plugins / f"{name}.lua", text)

    def ready(self):
        try:
            return get(self.admin + "/readyz")[0]
        except OSError:
            return 0

    @property
    def policies(self):
        return json.loads(get(self.admin + "/policies")[1])

    @property
    def generation(self):
        return self.policies["generation"]

    def next_generation(self, after):
        """Waits until a generation later than `after` is active, and until every worker has taken it."""

        def look():
            state = self.policies
            newest = max(one["generation"] for one in state["generations_alive"])
            return state if state["generation"] > after and newest == state["generation"] else None

        return until(look, f"a generation after {after} is active; the log says:\n{self.text[-2000:]}")["generation"]

    def refusal(self):
        """What /policies says of a refused reload, as soon as it does."""
        return until(lambda: self.policies["reload_failure"], "the reload is refused")

    def metric(self, name):
        """The sum of a metric's samples."""
        text = get(self.admin + "/metrics")[1]
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if re.match(name + r"[ {]", line))


def save(path, text):
    path = pathlib.Path(path)
    # A dot file: the gateway ignores it until it has its name.
    draft = path.with_name("." + path.name + ".new")
    draft.write_text(text)
    draft.replace(path)


def configuration(*endpoints, policies=(), **more):
    """A configuration with one cluster, `engine`, at `endpoints`; keywords replace or add whole top-level keys."""
    result = {
        "listeners": [{"address": "127.0.0.1:0"}],
        "admin": {"address": "127.0.0.1:0"},
        "workers": 2,
        "clusters": [cluster("engine", *endpoints)],
        "models": [{"id": "*", "cluster": "engine"}],
        "policies": list(policies),
        "routes": [{"name": "default", "match": {"path": "/v1/*"}, "cluster": "by-model"}],
        "log": {"level": "info", "format": "text", "access": "stdout"},
        "drain": {"timeout": "30s"},
    }
    return result | more


def cluster(name, *endpoints, **more):
    """A cluster; an endpoint is a URL, or a dictionary where more is to be said."""
    listed = [one if isinstance(one, dict) else {"url": one, "protocol": "h2c"} for one in endpoints]
    return {"name": name, "endpoints": listed} | more


def unasked_ports():
    """Below the range from which the system gives ports to clients, wherever this machine has it; each process begins elsewhere."""
    lowest = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = range(min(20_000, lowest // 2), min(25_000, lowest))
    return itertools.islice(itertools.cycle(ports), os.getpid() % len(ports), None)


given_ports = unasked_ports()


def free_port(in_a_row=1):
    """A loopback port that nobody uses, the first of so many; others each time."""
    found = []
    for port in itertools.islice(given_ports, 5_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                found = []
                continue
        if found and port != found[-1] + 1:
            found = []
        found.append(port)
        if len(found) == in_a_row:
            return found[0]
    raise AssertionError("no free port")


@contextlib.contextmanager
def unanswered_port():
    """A port whose connections are never accepted: the queue is full, so the system drops whatever knocks."""
    with contextlib.ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


class RawUpstream:
    """An HTTP/1.1 upstream that answers each connection's first request with the bytes it was given, then closes."""

    def __init__(self, *pieces):
        self.pieces = pieces
        self.requests = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.requests.append(self.request(connection))
                self.answer(connection)
                while connection.recv(65536):
                    pass

    def answer(self, connection):
        for piece in self.pieces:
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)

    @staticmethod
    def request(connection):
        data = b""
        while b"\r\n\r\n" not in data:
            data += connection.recv(65536)
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(body) < int(length.group(1)):
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self):
        # Wakes the thread that waits in accept, which close alone does not.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(PATIENCE)


def sse(*deltas, finish="stop", done=True):
    """The bytes of a chat stream: one event for each delta, then the finish event and the marker."""
    def event(delta, reason=None):
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
        return b"data: " + json.dumps(chunk, separators=(",", ":")).encode() + b"\n\n"

    events = [event({"content": delta} if isinstance(delta, str) else delta) for delta in deltas]
    if finish:
        events.append(event({}, finish))
    if done:
        events.append(b"data: [DONE]\n\n")
    return events


def sse_answer(*deltas, **more):
    """`sse` as an HTTP/1.1 response in chunks."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    events = sse(*deltas, **more)
    return [head, *(b"%x\r\n%s\r\n" % (len(event), event) for event in events), b"0\r\n\r\n"]


TERMINATE = signal.SIGTERM
RELOAD = signal.SIGHUP
