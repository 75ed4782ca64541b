"""What each mode measures unless it is told otherwise."""
from __future__ import annotations

import os
from dataclasses import dataclass

from .measure import Case, Placement
from .systems import System

# From here on everything floats over all cores with two workers: one core is not enough to relay, and a gateway that holds
# two descriptors a stream needs a second process.
_FLOATING_FROM = 10_000


@dataclass(frozen=True)
class Mode:
    name: str
    about: str
    # None is every system without TLS.
    systems: tuple[str, ...] | None
    connections: tuple[int, ...]
    kind: str = "streams"
    model: str = "lorem-1000000"
    # Beside the systems, the client asks the engine directly.
    with_direct: bool = False
    # Where things run and with how many workers, unless the count of connections decides.
    place: str | None = None
    workers: int | None = None


MODES = {
    mode.name: mode
    for mode in (
        Mode("side-by-side", "every system with the same load", None, (1000,)),
        Mode("curve", "cost and memory of Tidegate from 10 to 15,000 connections", ("tidegate", "tidegate-on-token"),
             (10, 100, 1000, 5000, 10_000, 15_000)),
        Mode("prices", "what each thing done to a stream adds",
             ("floor", "tidegate-bytes", "tidegate", "tidegate-on-token", "tidegate-on-segment", "tidegate-word-filter",
              "tidegate-three-policies", "nginx", "nginx-lua", "haproxy", "haproxy-lua", "envoy", "envoy-lua"), (1000,)),
        Mode("requests", "short answers that are not streamed, one after the other on every connection",
             ("tidegate", "floor", "haproxy", "nginx", "envoy", "nghttpx"), (100,), "requests", "lorem-8-burst"),
        Mode("first-byte", "one request at a time: how much later the first token comes than without a gateway",
             ("tidegate", "tidegate-on-token", "floor", "haproxy", "nginx", "envoy"), (1,), "firstToken", "lorem-1", True,
             # Pinned, the direct way would stay on one core and the way through a gateway change it four times.
             "floating", 1),
        Mode("tls", "TLS on both sides beside none", ("tidegate", "tidegate-tls", "haproxy", "haproxy-tls"), (500,)),
    )
}


def cases_of(mode: Mode, available: dict[str, System], names: list[str] | None, counts: list[int] | None,
             place) -> list[Case]:
    """The cases of one round, in the order in which they were named. `place` maps a count of connections to a placement."""
    if names is None:
        names = [name for name, system in available.items() if not system.is_tls] if mode.systems is None else \
            [name for name in mode.systems if name in available]
    counts = list(mode.connections) if counts is None else counts
    cases = []
    if mode.with_direct:
        cases += [Case(mode.name, None, count, place(count), mode.kind, mode.model) for count in counts]
    for name in names:
        system = available[name]
        if system.is_server and mode.kind != "streams":
            continue
        allowed = [count for count in counts if system.limit is None or count <= system.limit]
        for count in allowed or [system.limit]:
            cases.append(Case(mode.name, system, count, place(count), mode.kind, mode.model))
    # Counts outside, systems inside: what is compared is measured within the same minutes.
    return sorted(cases, key=lambda case: counts.index(case.connections) if case.connections in counts else -1)


def placement(mode: Mode, count: int, choice: str | None, cores: tuple[list[int], list[int]],
              workers: int | None) -> Placement:
    """Where things run for so many connections: as chosen, else as the mode says, else by the count."""
    choice = choice or mode.place
    workers = workers or mode.workers
    is_floating = choice == "floating" or (choice is None and count >= _FLOATING_FROM) or len(os.sched_getaffinity(0)) < 2
    if is_floating:
        return Placement("floating", workers or 2)
    return Placement("pinned", workers or len(cores[0]), tuple(cores[0]), tuple(cores[1]))
