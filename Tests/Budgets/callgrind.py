"""A gateway under valgrind's callgrind, and what the profiles say that it dumps."""

import collections
import dataclasses
import mmap
import pathlib
import re
import shutil
import struct
import subprocess

from gateway import Gateway

HERE = pathlib.Path(__file__).resolve().parent
# 2023-11-14: any time does; it must be a plausible one.
START_NS = 1_700_000_000_000_000_000
# How many callers of the allocator a profile names, where the sites are to be shown.
SITE_DEPTH = 8
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}


@dataclasses.dataclass
class Profile:
    """What one thread did between two dumps."""

    # Instructions by function, without those of the functions it called.
    costs: collections.Counter
    # Calls by (caller, callee).
    calls: collections.Counter

    @property
    def instructions(self):
        return self.costs.total()

    @property
    def allocations(self):
        return self.sites.total()

    @property
    def sites(self):
        """Allocations by who asked for them: names of functions, the innermost first."""
        sites = collections.Counter()
        for (caller, callee), count in self.calls.items():
            # `realloc` of nothing calls `malloc`.
            if is_allocator(callee) and not is_allocator(caller):
                sites[tuple(callee.split("'")[1:]) or (caller,)] += count
        return sites


def is_allocator(name):
    # A name may carry a version of the C library's interface ("malloc@@GLIBC_2.2.5") or its callers ("malloc'swift_slowAlloc'...").
    return re.split("[@']", name)[0] in ALLOCATORS


def parse(lines):
    """The profile in a file of callgrind's format, whose names are written out once and numbers afterwards."""
    names = {}
    profile = Profile(collections.Counter(), collections.Counter())
    function = callee = None
    is_call = False

    def name(text):
        number, _, spelled = text.partition(" ")
        if spelled:
            names[number] = spelled
        return names[number]

    for line in lines:
        key, _, value = line.rstrip("\n").partition("=")
        if key == "fn":
            function = name(value)
        elif key == "cfn":
            callee = name(value)
        elif key == "calls":
            profile.calls[function, callee] += int(value.split()[0])
            is_call = True
        elif key[:1] and key[0] in "0123456789+-*":
            # "LINE COST". After a call, the cost of what was called, which has lines of its own.
            if not is_call:
                profile.costs[function] += int((key.split() + [0])[1])
            is_call = False
    return profile


class Clock:
    """What the gateway's clocks show. See stopped_clock.c."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(struct.pack("=Q", START_NS))
        with open(self.path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), 8)

    def advance(self, ms):
        now, = struct.unpack("=Q", self.page)
        self.page[:] = struct.pack("=Q", now + ms * 1_000_000)


class Tools:
    """What a measurement needs on this machine, found or made once: a program without its debug sections, and the clock."""

    def __init__(self, program, folder):
        self.valgrind, self.vgdb, clang, strip = map(self.found, ("valgrind", "vgdb", "clang", "strip"))
        # Debian's valgrind 3.19 cannot read Swift's debug sections. The names of functions stay.
        self.program = pathlib.Path(folder) / "tidegate"
        subprocess.run([strip, "-g", "-o", self.program, program], check=True)
        self.clock = pathlib.Path(folder) / "stopped_clock.so"
        flags = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
        subprocess.run([clang, *flags, "-o", self.clock, HERE / "stopped_clock.c"], check=True)

    @staticmethod
    def found(name):
        path = shutil.which(name)
        if path is None:
            raise SystemExit(f"budgets: `{name}` is missing: apt-get install valgrind binutils; clang comes with Swift")
        return path


class CountedGateway(Gateway):
    """A gateway whose instructions and calls are counted, in an environment and a time of its own."""

    def __init__(self, folder, name, configuration, tools, names_sites=False):
        self.tools = tools
        self.dumps = pathlib.Path(folder) / f"{name}-dumps"
        self.dumps.mkdir()
        self.dump_count = 0
        self.clock = Clock(self.dumps / "clock")
        command = [
            "env", "-i",
            # All symbols are bound at the start, and dictionaries are in the same order in every run.
            "LD_BIND_NOW=1", "SWIFT_DETERMINISTIC_HASHING=1", f"LD_PRELOAD={tools.clock}", f"CLOCK_FILE={self.clock.path}",
            tools.valgrind, "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no", f"--vgdb-prefix={self.vgdb_prefix}",
            f"--callgrind-out-file={self.dumps / 'profile'}",
            *(f"--separate-callers{SITE_DEPTH}={name}" for name in ALLOCATORS if names_sites), tools.program,
        ]
        try:
            super().__init__(folder, configuration, name, command=command)
        except Exception:
            self.stop()
            raise

    @property
    def vgdb_prefix(self):
        return self.dumps / "vgdb"

    def count(self, work):
        """The profile of the thread that did most while `work` ran: the worker."""
        # Counting costs time: it begins with the first work that is to be counted.
        if self.dump_count == 0:
            self.monitor("instrumentation", "on")
        self.dump()
        work()
        profiles = [parse(path.open()) for path in self.dump()]
        return max(profiles, key=lambda profile: profile.instructions)

    def dump(self):
        """Writes what was counted since the last dump, a file a thread, and starts over."""
        self.monitor("dump")
        self.dump_count += 1
        files = list(self.dumps.glob(f"profile.{self.dump_count}-*"))
        if not files:
            raise RuntimeError(f"callgrind wrote no dump {self.dump_count} in {self.dumps}; the gateway says:\n{self.text[-2000:]}")
        return files

    def monitor(self, *command):
        """Has valgrind execute one of callgrind's monitor commands."""
        answer = subprocess.run(
            [self.tools.vgdb, f"--vgdb-prefix={self.vgdb_prefix}", f"--pid={self.process.pid}", *command],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
        if answer.returncode != 0:
            raise RuntimeError(f"valgrind refused {' '.join(command)!r}: {answer.stdout}")
