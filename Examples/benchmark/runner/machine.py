"""What the measurement ran on, and the one setting of the system that it may change for its time."""
from __future__ import annotations

import contextlib
import os
import pathlib
import platform
import resource
import subprocess

_PORT_RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
_WIDE = (10240, 65535)
# With the range that Linux begins with, one client address reaches one server port 28,232 times; a gateway that opens an
# upstream connection for each stream shares that with what the round before left in TIME_WAIT.
_CONNECTIONS_WITHOUT = 12_000


def describe() -> dict:
    cpu = memory = system = ""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.partition(":")[2].strip()
            break
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal"):
            memory = f"{int(line.split()[1]) / 1048576:.0f} GiB"
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/etc/os-release").read_text().splitlines():
            if line.startswith("PRETTY_NAME="):
                system = line.partition("=")[2].strip('"')
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory": memory,
        "system": system,
        "kernel": f"{platform.system()} {platform.release()} {platform.machine()}",
        "virtual": _output(["systemd-detect-virt"]) or "",
        "open_files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        "port_range": _PORT_RANGE.read_text().split(),
        "source": _output(["git", "-C", str(pathlib.Path(__file__).parent), "describe", "--always", "--dirty"]) or "",
    }


def _output(command: list[str]) -> str | None:
    try:
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout.strip()
    except OSError:
        return None


@contextlib.contextmanager
def port_range(connections: int, ports: list[int]):
    """Widens the range of ephemeral ports when so many connections need it and it is allowed; restores it."""
    before = _PORT_RANGE.read_text()
    low, high = (int(word) for word in before.split())
    wanted = f"{_WIDE[0]}\t{_WIDE[1]}\n"
    if connections <= _CONNECTIONS_WITHOUT or (low <= _WIDE[0] and high >= _WIDE[1]):
        yield
        return
    try:
        if any(_WIDE[0] <= port <= _WIDE[1] for port in ports):
            raise OSError("--port lies in the wider range")
        _PORT_RANGE.write_text(wanted)
    except OSError as problem:
        print(f"ephemeral ports stay at {low} to {high} ({problem.strerror or problem}): gateways that open a connection "
              "for each stream may run out of them", flush=True)
        yield
        return
    try:
        yield
    finally:
        _PORT_RANGE.write_text(before)


def busy_seconds() -> float:
    """CPU time that all processes of the machine have used, interrupts left out."""
    fields = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
    user, nice, system = fields[:3]
    steal = fields[7] if len(fields) > 7 else 0
    return (user + nice + system + steal) / os.sysconf("SC_CLK_TCK")
