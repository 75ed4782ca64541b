"""The parts of the measurement that can be wrong by themselves: reading profiles, comparing, and the lockstep."""

import json

import pytest

import budgets
import callgrind
import lockstep
from comparison import Verdict, compare, passes, table

PROFILE = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
thread: 3

positions: line
events: Ir
summary: 1750

ob=(1) /usr/bin/tidegate
fl=(1) ???
fn=(1) worker
0 100
+3 20
cob=(2) /usr/lib/libc.so.6
cfi=(2) malloc.c
cfn=(2) malloc@@GLIBC_2.2.5
calls=4 +10
* 800
cfn=(3) relay
calls=2 0
-1 900

ob=(2)
fl=(2)
fn=(2)
5 800

fn=(3)
7 30
cfn=(4) realloc'grow
calls=3 +1
* 600

fn=(4)
8 200
cfn=(2)
calls=1 +1
* 400
"""


@pytest.fixture
def profile():
    return callgrind.parse(PROFILE.splitlines(keepends=True))


def test_a_function_costs_what_it_did_itself(profile):
    assert profile.costs == {"worker": 120, "malloc@@GLIBC_2.2.5": 800, "relay": 30, "realloc'grow": 200}
    assert profile.instructions == 1150


def test_calls_are_counted_by_caller(profile):
    assert profile.calls["worker", "relay"] == 2
    assert profile.calls["worker", "malloc@@GLIBC_2.2.5"] == 4


def test_an_allocation_is_counted_once_where_it_was_asked_for(profile):
    # A `realloc` that called `malloc` is one allocation.
    assert profile.sites == {("worker",): 4, ("grow",): 3}
    assert profile.allocations == 7


@pytest.mark.parametrize("name", ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc@@GLIBC_2.16", "malloc'2"])
def test_allocators(name):
    assert callgrind.is_allocator(name)


@pytest.mark.parametrize("name", ["free", "_int_malloc", "swift_slowAlloc", "malloc_usable_size"])
def test_no_allocators(name):
    assert not callgrind.is_allocator(name)


INSTRUCTIONS = "relay: instructions per token alone"
ALLOCATIONS = "relay: allocations per exchange"


@pytest.mark.parametrize("name, measured, budget, remark", [
    (INSTRUCTIONS, 1000, 1000, ""),
    (INSTRUCTIONS, 1050, 1000, ""),
    (INSTRUCTIONS, 1051, 1000, "GROWN"),
    (INSTRUCTIONS, 950, 1000, ""),
    (INSTRUCTIONS, 949, 1000, "shrunk"),
    (ALLOCATIONS, 105, 100, ""),
    (ALLOCATIONS, 106, 100, "GROWN"),
    (ALLOCATIONS, 94, 100, "shrunk"),
    (ALLOCATIONS, 0.009, 0, ""),
    (ALLOCATIONS, 0.011, 0, "GROWN"),
    (ALLOCATIONS, 1, 0, "GROWN"),
])
def test_remarks(name, measured, budget, remark):
    verdict = Verdict(name, measured, budget)
    assert verdict.remark.startswith(remark) and bool(verdict.remark) == bool(remark)
    assert passes([verdict]) == (remark != "GROWN")
    assert verdict.remark in verdict.row


def test_every_figure_needs_a_budget_and_every_budget_a_figure():
    new, held, old = compare({"a: instructions": 1, "b: instructions": 2}, {"b: instructions": 2, "c: instructions": 3})
    assert (new.name, new.budget, held.remark, old.name, old.measured) == ("a: instructions", None, "", "c: instructions", None)
    assert "--update" in new.remark and "--update" in old.remark
    assert passes([held]) and not passes([held, new]) and not passes([held, old])


def test_rows_are_aligned():
    rows = table(compare({INSTRUCTIONS: 12345.6, ALLOCATIONS: 0.25}, {INSTRUCTIONS: 12345.6, ALLOCATIONS: 0.0})).splitlines()
    assert rows[1].endswith("12,346      12,346   1.000")
    assert "0.250" in rows[2] and "GROWN" in rows[2]


@pytest.fixture
def run(tmp_path):
    """Runs the program with figures as if they had been measured, against a file of budgets of the test's own."""

    def run(*options, swift="6.3", **figures):
        arguments = [*options, "--budgets", str(tmp_path / "budgets.json")]
        measured = {f"{name}: instructions per token": value for name, value in figures.items()}
        return budgets.main(arguments, measure=lambda program, shows_profile: measured, surroundings=lambda: {"swift": swift})

    return run


def test_growth_fails(run, capsys):
    assert run("--update", relay=1000, hook=2000) == 0
    assert run(relay=1000, hook=2000) == 0
    assert run(relay=500, hook=2000) == 0
    capsys.readouterr()
    assert run(relay=1000, hook=2200, swift="6.4") == 1
    said = capsys.readouterr().out
    assert "1.100  GROWN" in said and "swift 6.3; here it is 6.4" in said


def test_update_is_the_next_comparison(run, tmp_path):
    assert run(relay=1000) == 1
    assert run("--update", relay=1000) == 0
    assert run("--update", relay=3000, swift="6.4") == 0
    assert run(relay=3000) == 0
    stored = json.loads((tmp_path / "budgets.json").read_text())
    assert stored["measured_with"] == {"swift": "6.4"} and "Tests/Budgets/run" in stored["comment"]


@pytest.fixture
def engine():
    made = lockstep.Engine()
    yield made
    made.close()


@pytest.fixture
def client(engine):
    """A client whose requests the engine gets directly, as from a gateway that changes nothing."""
    made = lockstep.Client(engine.port)
    yield made
    made.close()


def test_exchanges_end_before_the_next_begins(engine, client):
    for _ in range(3):
        lockstep.exchange(engine, client)
        lockstep.whole_exchange(engine, client)


def test_a_round_returns_when_its_tokens_are_there(engine, client):
    streams = lockstep.Streams(engine, [client])
    for _ in range(2 * len(lockstep.TOKENS)):
        streams.send_round()
    streams.end()
    lockstep.exchange(engine, client)


def test_an_early_end_is_no_wait(engine, client):
    streams = lockstep.Streams(engine, [client])
    engine.put(streams.ids[0], b"", end=True)
    engine.peer.flush()
    with pytest.raises(RuntimeError, match="ended a stream too early"):
        client.wait_for_events(1)


def test_clocks_advance_by_milliseconds(tmp_path):
    clock = callgrind.Clock(tmp_path / "clock")
    clock.advance(3)
    assert int.from_bytes(clock.path.read_bytes(), "little") == callgrind.START_NS + 3_000_000
