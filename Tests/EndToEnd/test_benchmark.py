"""The benchmark in Examples/: it measures, tells what it saw, draws it, and leaves nothing running."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import xml.etree.ElementTree

import pytest

from gateway import PATIENCE, PROGRAM, ROOT, free_port, until

FOLDER = pathlib.Path(ROOT) / "Examples" / "benchmark"
sys.path.insert(0, str(FOLDER))

from runner import chart, report  # noqa: E402
from runner.systems import System, all_systems  # noqa: E402


def begin(results, *arguments):
    return subprocess.Popen(
        [sys.executable, FOLDER / "run", "--tidegate", PROGRAM, "--port", str(free_port(in_a_row=2)), "--results", results, *arguments],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def programs():
    """Process ids of the programs that a benchmark has started."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"RUN_DIR=" in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            pass
    return found


def run_of(system, round_number, cpu, mean=25.0, connections=100):
    spread = {"count": 1, "p50": 1000, "p90": 1000, "p99": 2000, "max": 2000}
    return {
        "mode": "side-by-side", "system": system, "connections": connections, "kind": "streams", "placement": "pinned",
        "interval_ms": 25, "round": round_number, "position": 0, "others_cores": 0, "idle_bytes": 1 << 20,
        "resident_bytes": 3 << 20, "cpu_us": cpu, "user_us": cpu / 2, "system_us": cpu / 2,
        "report": {
            "streams": connections, "tokens": 10, "completed": 0, "tokens_per_s": 4000, "mean_inter_token_ms": mean,
            "gap_us": spread, "lateness_us": spread, "first_token_us": spread, "failures": {"resets": 0}},
    }


def test_a_measurement_from_end_to_end(tmp_path):
    results = tmp_path / "results"
    running = begin(results, "--systems", "tidegate,tidegate-three-policies,tidegate-tls", "--connections", "3,5",
                    "--seconds", "1", "--quick")
    said = running.communicate(timeout=55)[0]
    assert running.returncode == 0, said
    runs = [json.loads(path.read_text()) for path in (results / "runs").glob("*.json")]
    assert len(runs) == 6
    for run in runs:
        assert "error" not in run, run["error"]
        # Not those of the measurement, which a busy machine may let pass without one.
        assert run["report"]["first_token_us"]["count"] > 0
        assert sum(run["report"]["failures"].values()) == 0
        assert run["report"]["streams"] == run["connections"]
    text = (results / "results.md").read_text()
    assert "| tidegate-three-policies " in text and "## Versions" in text
    drawn = list(results.glob("*.svg"))
    assert drawn and all(f"]({path.name})" in text for path in drawn)
    for path in drawn:
        assert xml.etree.ElementTree.parse(path).getroot().tag.endswith("svg")
    assert not list(results.glob("*.pem"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_running_after_an_interruption(tmp_path, number):
    before = set(programs())
    running = begin(tmp_path / "results", "--systems", "tidegate", "--connections", "2", "--seconds", "600", "--rounds", "1")
    try:
        started = until(lambda: set(programs()) - before, "the gateway is started")
        running.send_signal(number)
        assert running.wait(PATIENCE) == 1
    finally:
        running.kill()
        running.communicate()
    assert not started & set(programs())


def test_what_cannot_be_measured_is_said(tmp_path):
    for arguments, said in (
        (["--systems", "nobody"], "`nobody` is no system"),
        (["nothing"], "`nothing` is no mode"),
        (["--connections", "0"], "above 0"),
        (["--cores", "0:4096"], "this machine has the cores"),
        (["--report", str(tmp_path / "nowhere")], "no folder of results"),
    ):
        running = begin(tmp_path / "results", *arguments)
        text = running.communicate(timeout=PATIENCE)[0]
        assert running.returncode != 0 and said in text, text
    assert not (tmp_path / "results").exists()


def test_every_system_has_its_programs():
    systems = all_systems()
    assert {"tidegate", "tidegate-on-token", "floor", "nginx", "haproxy", "envoy"} <= set(systems)
    assert systems["haproxy-tls"].is_tls and not systems["haproxy"].is_tls


def test_a_kind_that_is_wrong_is_refused(tmp_path):
    for program in ("setup", "start"):
        (tmp_path / program).touch(mode=0o755)
    (tmp_path / "kind").write_text("gateway http1 limit=20 /v1/other\n")
    system = System.read(tmp_path)
    assert (system.is_http1, system.limit, system.path, system.is_server) == (True, 20, "/v1/other", False)
    for text in ("proxy", "gateway htttp1", "gateway limit=x", ""):
        (tmp_path / "kind").write_text(text)
        with pytest.raises(SystemExit):
            System.read(tmp_path)
    (tmp_path / "kind").write_text("server")
    os.chmod(tmp_path / "start", 0o644)
    with pytest.raises(SystemExit):
        System.read(tmp_path)


def test_rounds_are_compared_within_themselves():
    # The second round ran on a machine of half the speed: each system costs twice as much, and the ratio stays.
    rows = {row.system: row for row in report.rows_of(
        [run_of("one", 1, 12), run_of("base", 1, 10), run_of("one", 2, 24), run_of("base", 2, 20), run_of("one", 3, 99)])}
    assert report.compared(rows["one"], rows["base"], ("cpu_us",), lambda one, base: one / base) == pytest.approx(1.2)
    assert report.compared(rows["one"], None, ("cpu_us",), lambda one, base: one / base) is None


def test_who_falls_behind_is_marked():
    rows = report.rows_of([run_of("punctual", 1, 10, mean=25.4), run_of("late", 1, 5, mean=25.6)])
    assert [row.is_behind for row in rows] == [False, True]
    lines = report._streams_table(rows).splitlines()
    assert "fell behind" not in lines[2] and "**fell behind**" in lines[3]


def test_streams_that_did_not_open_are_told():
    run = run_of("small", 1, 10)
    run["report"]["open_streams"] = 93
    assert "93 open |" in report._streams_table(report.rows_of([run]))
    run["report"]["open_streams"] = 100
    assert "open" not in report._streams_table(report.rows_of([run]))


def test_charts_of_extreme_figures():
    for values in ([0.001], [1e9, 1], [7, 7.0001], [0]):
        svg = chart.bars("t < & >", "s", "us", [chart.Bar("tidegate", [value], "note") for value in values])
        xml.etree.ElementTree.fromstring(svg)
    for points in ([(10, 1, False), (15_000, 1e6, True)], [(10, 0.003, False), (11, 0.003, False)], [(5, 2, False)]):
        xml.etree.ElementTree.fromstring(
            chart.lines("t", "s", "connections", [chart.Panel("p", [chart.Series(name, points) for name in "abcdefg"])]))
    assert chart._ticks(73) == [0, 20, 40, 60, 80]
    assert chart._spread([10, 11, 12], 16, 0, 100) == [10, 26, 42]
    assert chart._spread([90, 95, 99], 16, 0, 100) == [68, 84, 100]
