"""One measurement: a system, its engine and the client started, measured and ended."""
from __future__ import annotations

import contextlib
import json
import pathlib
import resource
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from . import machine
from .processes import Process, is_listening
from .systems import System

# Slow starters are Python programs that import for many seconds.
_START_LIMIT_S = 90
# Added to the time that the client announces: its own limit for opening streams is a minute.
_CLIENT_LIMIT_S = 100


@dataclass(frozen=True)
class Placement:
    """Which cores the gateway and the load run on; None is any. With its number of workers."""
    name: str
    workers: int
    gateway: tuple[int, ...] | None = None
    load: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Case:
    """What is measured again in every round. Without a system, the client asks the engine directly."""
    mode: str
    system: System | None
    connections: int
    placement: Placement
    kind: str = "streams"
    model: str = "lorem-1000000"

    @property
    def name(self) -> str:
        return self.system.name if self.system else "direct"


@dataclass
class Bed:
    """What all measurements share."""
    tidegate: pathlib.Path
    port: int
    seconds: float
    warm_up_ms: int
    interval_ms: float
    engine_workers: int
    client_workers: int
    certificate: pathlib.Path | None = None
    key: pathlib.Path | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def engine_port(self) -> int:
        return self.port

    @property
    def listen_port(self) -> int:
        return self.port + 1


def ramp_ms(connections: int) -> int:
    """Half a millisecond a connection, so that the handshakes are over when the measurement begins."""
    return max(1000, connections // 2)


def warm_up_ms(connections: int, bed: Bed) -> int:
    """From when all streams are open: what tens of thousands of handshakes have held up is over when the measurement begins."""
    return max(bed.warm_up_ms, connections // 3)


def measure(case: Case, bed: Bed) -> dict:
    """The measurement as a JSON object. What went wrong is in its member `error`; nothing is left running."""
    result = {
        "mode": case.mode, "system": case.name, "version": bed.versions.get(case.name, ""),
        "server": bool(case.system and case.system.is_server), "connections": case.connections, "kind": case.kind,
        "placement": case.placement.name, "workers": case.placement.workers, "interval_ms": bed.interval_ms,
    }
    try:
        with tempfile.TemporaryDirectory(prefix="tidegate-benchmark-") as folder, contextlib.ExitStack() as stack:
            result.update(_measure(case, bed, pathlib.Path(folder), stack))
    except OSError as problem:
        result["error"] = str(problem)
    return result


def _measure(case: Case, bed: Bed, folder: pathlib.Path, stack: contextlib.ExitStack) -> dict:
    for port in (bed.engine_port, bed.listen_port):
        if is_listening(port):
            raise OSError(f"port {port} is in use; choose others with --port")
    system, load = case.system, case.placement.load
    is_tls = bool(system and system.is_tls)
    engine = subject = None
    if not (system and system.is_server):
        engine = stack.enter_context(
            Process(_engine(bed, folder, is_tls), folder / "engine.log", list(load) if load else None))
        engine.wait_until_listening(bed.engine_port, _START_LIMIT_S)
    port = bed.engine_port
    idle_bytes = 0
    if system:
        environment = {
            "TIDEGATE": str(bed.tidegate), "LISTEN_PORT": str(bed.listen_port), "ENGINE_PORT": str(bed.engine_port),
            "WORKERS": str(case.placement.workers), "RUN_DIR": str(folder), "TLS_CERTIFICATE": "", "TLS_KEY": "",
        }
        if is_tls:
            environment.update(TLS_CERTIFICATE=str(bed.certificate), TLS_KEY=str(bed.key))
        cores = case.placement.gateway
        subject = stack.enter_context(
            Process([system.folder / "start"], folder / "system.log", list(cores) if cores else None, environment))
        subject.wait_until_listening(bed.listen_port, _START_LIMIT_S)
        port = bed.listen_port
        idle_bytes = subject.resident_bytes()
    client = _client(case, bed, port, is_tls, subject, engine)
    ours = lambda: sum(process.cpu_seconds() for process in (engine, subject) if process)
    before = (time.monotonic(), machine.busy_seconds() - ours(), _children_seconds())
    with Process(client, folder / "client.json", list(load) if load else None) as bench:
        limit = (ramp_ms(case.connections) + warm_up_ms(case.connections, bed)) / 1000 + bed.seconds + _CLIENT_LIMIT_S
        try:
            code = bench.child.wait(limit)
        except subprocess.TimeoutExpired:
            raise OSError("the client did not come to an end") from None
        # 2: it measured, and some streams failed.
        if code not in (0, 2):
            tail = f"\n{system.name} said:\n{subject.log_tail()}" if subject and subject.log_tail() else ""
            raise OSError(f"the client failed: {bench.log_tail()}{tail}")
        report = json.loads(bench.log.read_text())
    elapsed = time.monotonic() - before[0]
    others = machine.busy_seconds() - ours() - before[1] - (_children_seconds() - before[2])
    found = {"report": report, "others_cores": round(max(0.0, others) / elapsed, 3), "idle_bytes": idle_bytes}
    watched = report["processes"]
    if engine:
        found["engine_cpu_us"] = watched[-1]["cpu_us_each"]
        watched = watched[:-1]
    found["cpu_us"] = sum(process["cpu_us_each"] for process in watched)
    units = max(1, report["completed"] if case.kind == "requests" else report["tokens"])
    for part in ("user", "system"):
        found[f"{part}_us"] = sum(process[f"{part}_s"] for process in watched) * 1e6 / units
    found["resident_bytes"] = sum(process["resident_bytes"] for process in watched)
    return found


def _engine(bed: Bed, folder: pathlib.Path, is_tls: bool) -> list:
    if not is_tls:
        return [bed.tidegate, "engine", "--address", f"127.0.0.1:{bed.engine_port}", "--mode", "lorem", "--due",
                "--interval", bed.interval_ms, "--workers", bed.engine_workers]
    # The engine speaks no TLS: a gateway with the engine inside does.
    file = folder / "engine.yaml"
    file.write_text(
        f"listeners: [ {{ address: 127.0.0.1:{bed.engine_port}, tls: {{ certificates: "
        f"[ {{ certificate: {bed.certificate}, key: {bed.key} }} ] }} }} ]\n"
        f"admin: {{ address: 127.0.0.1:0 }}\nworkers: {bed.engine_workers}\n"
        f"clusters: [ {{ name: engine, engine: {{ mode: lorem, interval: {round(bed.interval_ms)}ms }} }} ]\n"
        f"routes: [ {{ name: default, match: {{ path: /v1/* }}, cluster: engine }} ]\n"
        f"plugins: {{ folder: {folder}, auto: false }}\nlog: {{ level: warning, access: \"off\" }}\n")
    return [bed.tidegate, "run", "--config", file]


def _client(case: Case, bed: Bed, port: int, is_tls: bool, subject: Process | None, engine: Process | None) -> list:
    path = case.system.path if case.system else ""
    version = "h2" if is_tls else "http1" if case.system and case.system.is_http1 else "h2c"
    command = [
        bed.tidegate, "bench", "--url", f"{'https' if is_tls else 'http'}://127.0.0.1:{port}{path}",
        "--kind", case.kind, "--version", version, "--connections", case.connections, "--model", case.model,
        "--ramp", ramp_ms(case.connections), "--warm-up", warm_up_ms(case.connections, bed), "--seconds", bed.seconds,
        "--workers", bed.client_workers, "--quiet", "--json",
    ]
    for pid in (subject.tree() if subject else []) + ([engine.child.pid] if engine else []):
        command += ["--pid", pid]
    return command


def _children_seconds() -> float:
    """CPU time of processes that were started here and are over."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
