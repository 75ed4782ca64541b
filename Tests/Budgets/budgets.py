"""Counts what a token and an exchange cost the gateway, and holds the figures against budgets.json.

Counts, not times: instructions and allocations of the worker's thread under callgrind, on a clock that stands still, driven in
lockstep. They are the same on a busy machine and an idle one. What the kernel does is not in them, nor Lua's collection of garbage,
which begins after a MiB of it. `run` beside this file prepares what is needed and starts it.
"""

import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "EndToEnd"))

import comparison  # noqa: E402
import lockstep  # noqa: E402
from callgrind import CountedGateway, Tools  # noqa: E402
from gateway import ROOT, configuration  # noqa: E402

BUDGETS = HERE / "budgets.json"
COMMENT = (
    "Instructions and calls of the allocator in the worker's thread, counted by Tests/Budgets/run, which fails when one has grown by "
    "more than 5 %. `alone` is one stream and a turn of the loop a token; `batch` is 32 streams, each on a downstream connection of its "
    "own, over one upstream connection, and a turn for 32 tokens. An exchange is a streamed request, a token, usage and the end; a whole "
    "exchange is a request and an answer that are not streamed. "
    "After a change that is meant to cost something, or saves something: Tests/Budgets/run --update."
)
STREAMS = 32
# Multiples of the words that take turns, so that each occurs as often as any other.
ALONE_ROUNDS = 150 * len(lockstep.TOKENS)
BATCH_ROUNDS = 5 * len(lockstep.TOKENS)
EXCHANGES = 200
# Until all that grows to a size of its own has it: buffers, and the tables of HPACK with an entry an exchange.
WARM_ROUNDS = len(lockstep.TOKENS)
WARM_EXCHANGES = 200
STEP_MS = 1

EXAMPLE_POLICIES = {"folder": str(ROOT / "Examples/benchmark/policies"), "auto": False}
WORD_FILTER = {"use": "word-filter", "config": {"words": {"dolor": "pain", "magna": "great", "sit": "stand"}}}
# Systems of Examples/benchmark.
CASES = {
    "relay": {},
    "word-filter": {"policies": [WORD_FILTER]},
    "on_token": {"policies": [{"use": "identity"}], "plugins": EXAMPLE_POLICIES},
    "on_segment": {"policies": [{"use": "substitute"}], "plugins": EXAMPLE_POLICIES},
}


def profiles(case, tools, folder, names_sites=False):
    """Yields, for each thing that is counted, its name, its profile and how often it was done."""
    engine = lockstep.Engine()
    settings = configuration(engine.url, workers=1, log={"level": "warning", "access": "off"}, **CASES[case])
    gateway = CountedGateway(folder, case, settings, tools, names_sites)
    clients = []
    try:
        clients += [lockstep.Client(gateway.port) for _ in range(STREAMS)]

        def send_rounds(streams, count):
            for _ in range(count):
                gateway.clock.advance(STEP_MS)
                streams.send_round()

        def repeat(exchange, count):
            for _ in range(count):
                gateway.clock.advance(STEP_MS)
                exchange(engine, clients[0])

        for name, used, rounds in (("token alone", clients[:1], ALONE_ROUNDS), ("token in a batch", clients, BATCH_ROUNDS)):
            streams = lockstep.Streams(engine, used)
            send_rounds(streams, WARM_ROUNDS)
            yield name, gateway.count(lambda: send_rounds(streams, rounds)), rounds * len(used)
            streams.end()
        for name, exchange in (("exchange", lockstep.exchange), ("whole exchange", lockstep.whole_exchange)):
            repeat(exchange, WARM_EXCHANGES)
            yield name, gateway.count(lambda: repeat(exchange, EXCHANGES)), EXCHANGES
    finally:
        gateway.stop()
        for peer in (*clients, engine):
            peer.close()


def measure(program, shows_profile):
    """The figures by name."""
    figures = {}
    with tempfile.TemporaryDirectory(prefix="budgets-") as folder:
        tools = Tools(program, folder)
        for case in CASES:
            for name, profile, count in profiles(case, tools, folder, shows_profile):
                figures[f"{case}: instructions per {name}"] = round(profile.instructions / count, 1)
                figures[f"{case}: allocations per {name}"] = round(profile.allocations / count, 4)
                if shows_profile:
                    print(f"\n{case}, {name}\n" + profile_text(profile, count))
        if not any(value for name, value in figures.items() if "allocations" in name):
            raise SystemExit("budgets: no allocation was seen at all; does valgrind know the C library's names (libc6-dbg)?")
    return figures


def profile_text(profile, count, length=20):
    """The functions that cost most, and who allocates, each time it is done."""
    rows = [f"{cost / count:12.1f} instructions in {name}" for name, cost in profile.costs.most_common(length)]
    rows += [f"{times / count:12.3f} allocations from {' < '.join(names)}" for names, times in profile.sites.most_common()]
    return subprocess.run(
        ["swift", "demangle", "--simplified"], input="\n".join(rows), stdout=subprocess.PIPE, text=True, check=True).stdout


def surroundings():
    """What the figures depend on besides Tidegate itself."""

    def output(*command):
        return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

    def package(name):
        return output("dpkg-query", "-W", "-f", "${Version}", name)

    libraries = ("libnghttp2-14", "liblua5.4-0", "libc6", "valgrind")
    return {"machine": platform.machine(), "swift": output("swift", "--version").splitlines()[0]} | {
        name: package(name) for name in libraries}


def main(arguments, measure=measure, surroundings=surroundings):
    parser = argparse.ArgumentParser(prog="Tests/Budgets/run", description=__doc__.splitlines()[0])
    parser.add_argument("--update", action="store_true", help="make what is measured the budgets")
    parser.add_argument("--profile", action="store_true", help="also print where the instructions and allocations are")
    parser.add_argument("--budgets", type=pathlib.Path, default=BUDGETS, metavar="FILE", help="budgets other than the checked-in ones")
    options = parser.parse_args(arguments)
    program = pathlib.Path(os.environ.get("TIDEGATE", ROOT / ".build/release/tidegate"))
    here = surroundings()
    measured = measure(program, options.profile)
    stored = json.loads(options.budgets.read_text()) if options.budgets.exists() else {"measured_with": here, "budgets": {}}
    verdicts = comparison.compare(measured, stored["budgets"])
    print(comparison.table(verdicts))
    if options.update:
        options.budgets.write_text(json.dumps({"comment": COMMENT, "measured_with": here, "budgets": measured}, indent=2) + "\n")
        print(f"these are the budgets now: {options.budgets}")
        return 0
    if comparison.passes(verdicts):
        return 0
    print("over budget. `Tests/Budgets/run --profile` says where; `--update` makes this the budget where the growth is meant.")
    for name, then in stored["measured_with"].items():
        if here.get(name) != then:
            print(f"the budgets were measured with {name} {then}; here it is {here.get(name)}")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
