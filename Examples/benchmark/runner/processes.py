"""Processes that end when they should: each is started on its cores, watched with its children, and ended by its id."""
from __future__ import annotations

import ctypes
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

_PR_SET_PDEATHSIG = 1
# For processes that were killed to be gone.
_CLOSING_LIMIT_S = 30
_libc = ctypes.CDLL(None, use_errno=True)


def _prepare(cores: list[int] | None):
    """What a child does before it becomes its program. It ends with this process, even if that is killed."""

    def prepare():
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        if cores is not None:
            os.sched_setaffinity(0, cores)

    return prepare


def _environment() -> dict[str, str]:
    """What a program needs of ours; nothing else may change what is measured."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


def stat_of(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third on; the second, the program's name, may hold anything."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


class Process:
    """A program and whatever it starts. Use with `with`: it is gone afterwards."""

    def __init__(self, command: list, log: pathlib.Path, cores: list[int] | None = None, environment: dict | None = None):
        self.name = pathlib.Path(str(command[0])).parent.name if str(command[0]).endswith("/start") else str(command[0])
        self.log = log
        with open(log, "wb") as output:
            self.child = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env={**_environment(), **(environment or {})}, preexec_fn=_prepare(cores), start_new_session=True)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_):
        self.end()

    def tree(self) -> list[int]:
        """Its process id and its descendants'."""
        children: dict[int, list[int]] = {}
        for entry in os.listdir("/proc"):
            if entry.isdecimal() and (stat := stat_of(int(entry))):
                children.setdefault(int(stat[1]), []).append(int(entry))
        found = [self.child.pid]
        for pid in found:
            found += children.get(pid, [])
        return found

    def resident_bytes(self) -> int:
        pages = 0
        for pid in self.tree():
            try:
                pages += int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1])
            except OSError:
                pass
        return pages * resource.getpagesize()

    def cpu_seconds(self) -> float:
        ticks = sum(int(stat[11]) + int(stat[12]) for pid in self.tree() if (stat := stat_of(pid)))
        return ticks / os.sysconf("SC_CLK_TCK")

    def log_tail(self, lines: int = 12) -> str:
        return "\n".join(self.log.read_text(errors="replace").strip().splitlines()[-lines:])

    def wait_until_listening(self, port: int, limit_s: float):
        """Raises OSError when it ends before, or takes longer."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.child.poll() is not None:
                raise OSError(f"{self.name} ended with {self.child.returncode} before it listened:\n{self.log_tail()}")
            if is_listening(port):
                return
            time.sleep(0.02)
        raise OSError(f"{self.name} did not listen on port {port} within {limit_s:.0f} s:\n{self.log_tail()}")

    def end(self):
        """SIGTERM, and after three seconds SIGKILL for it and for what is left of its children; returns when all are gone."""
        members = [(pid, stat[19]) for pid in self.tree() if (stat := stat_of(pid))]
        if self.child.poll() is None:
            self.child.terminate()
            try:
                self.child.wait(3)
            except subprocess.TimeoutExpired:
                pass
        for pid, started in members:
            if _lives(pid, started):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        self.child.wait()
        # The kernel takes seconds to close what 15,000 connections have opened, and its ports are in use until then.
        end = time.monotonic() + _CLOSING_LIMIT_S
        while any(_lives(pid, started) for pid, started in members) and time.monotonic() < end:
            time.sleep(0.02)


def _lives(pid: int, started: str) -> bool:
    """Whether the process that started at this instant still runs; its id may have been given to another since."""
    stat = stat_of(pid)
    return stat is not None and stat[19] == started and stat[0] != "Z"


def is_listening(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
