"""From the runs' JSON to rows of medians, Markdown and charts."""
from __future__ import annotations

import json
import pathlib
import statistics
from dataclasses import dataclass

from . import chart
from .modes import MODES

# Above this share of the interval a stream waits longer for its tokens than it should: the system falls behind.
_BEHIND = 1.02
# What other processes took of one core, above which a measurement is not to be relied on.
_DISTURBED = 0.1

# Whose price a system's is compared with in the price list, and what the difference is.
_ADDED_TO = {
    "tidegate": ("tidegate-bytes", "reading every event: usage, proper end"),
    "tidegate-on-token": ("tidegate", "a Lua function for every token"),
    "tidegate-on-segment": ("tidegate", "a Lua function for every word"),
    "tidegate-word-filter": ("tidegate", "words replaced in compiled code"),
    "tidegate-three-policies": ("tidegate", "three policies"),
    "nginx-lua": ("nginx", "a Lua function for every chunk"),
    "haproxy-lua": ("haproxy", "a Lua function for every chunk"),
    "envoy-lua": ("envoy", "a Lua function for every chunk"),
}


@dataclass
class Row:
    """The rounds of one case."""
    runs: list[dict]

    @property
    def good(self) -> list[dict]:
        return [run for run in self.runs if "report" in run]

    @property
    def system(self) -> str:
        return self.runs[0]["system"]

    @property
    def connections(self) -> int:
        return self.runs[0]["connections"]

    def median(self, *path: str, scale: float = 1) -> float | None:
        values = [value for run in self.good if (value := _member(run, path)) is not None]
        return statistics.median(values) / scale if values else None

    def by_round(self, *path: str) -> dict[int, float]:
        return {run["round"]: value for run in self.good if (value := _member(run, path)) is not None}

    def lateness(self, part: str) -> float | None:
        """In milliseconds; None when the system drops the instant at which a token was due."""
        values = [late[part] for run in self.good if (late := run["report"].get("lateness_us")) and late["count"] > 0]
        return statistics.median(values) / 1000 if values else None

    @property
    def is_behind(self) -> bool:
        mean = self.median("report", "mean_inter_token_ms")
        return bool(mean) and mean > _BEHIND * self.runs[0]["interval_ms"]

    @property
    def kib_per_stream(self) -> float | None:
        values = [(run["resident_bytes"] - run["idle_bytes"]) / 1024 / max(1, run["report"]["streams"]) for run in self.good]
        return statistics.median(values) if values else None

    @property
    def failures(self) -> int:
        return sum(sum(run["report"]["failures"].values()) for run in self.good) + len(self.runs) - len(self.good)

    @property
    def others(self) -> float:
        return max((run["others_cores"] for run in self.good), default=0)


def _member(run: dict, path: tuple[str, ...]):
    for name in path:
        run = run.get(name) if isinstance(run, dict) else None
    return run


def rows_of(runs: list[dict]) -> list[Row]:
    grouped: dict[tuple, list[dict]] = {}
    for run in runs:
        grouped.setdefault((run["connections"], run["system"], run["placement"]), []).append(run)
    return [Row(found) for found in grouped.values()]


def compared(row: Row, base: Row | None, path: tuple[str, ...], how) -> float | None:
    """The median over rounds of `how(row, base)`: rounds are compared within themselves, since machines drift."""
    if base is None:
        return None
    mine, theirs = row.by_round(*path), base.by_round(*path)
    values = [how(mine[number], theirs[number]) for number in mine if theirs.get(number)]
    return statistics.median(values) if values else None


def _ratio(one: float, other: float) -> float:
    return one / other


def _difference(one: float, other: float) -> float:
    return one - other


# Text


def _text(value: float | None, decimals: int = 1) -> str:
    return "" if value is None else f"{value:,.{decimals}f}"


def _range(row: Row, *path: str, decimals: int = 1) -> str:
    """The median, with the least and the greatest round."""
    values = list(row.by_round(*path).values())
    if not values:
        return ""
    middle = _text(statistics.median(values), decimals)
    return middle if len(values) == 1 else f"{middle} ({_text(min(values), decimals)} to {_text(max(values), decimals)})"


def table(names: list[str], lines: list[list[str]]) -> str:
    """Markdown that is legible as text, too."""
    widths = [max(len(line[column]) for line in [names] + lines) for column in range(len(names))]
    text = lambda line: "| " + " | ".join(
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(line, widths))) + " |"
    rule = "|" + "|".join(
        "-" * (width + 2) if index == 0 else "-" * (width + 1) + ":" for index, width in enumerate(widths)) + "|"
    return "\n".join([text(names), rule] + [text(line) for line in lines])


def _streams_table(rows: list[Row], bases: tuple[str, ...] = ("floor", "haproxy")) -> str:
    by_name = {(row.system, row.connections, row.runs[0]["placement"]): row for row in rows}
    bases = tuple(name for name in bases if any(row.system == name for row in rows))
    names = ["system", "connections", "tokens/s", "mean ms", "gap p99 ms", "late p50 ms", "late p99 ms", "first p50 ms",
             "us/token", "user", "sys", *(f"x {name}" for name in bases), "KiB/stream", "idle MiB", "failed", ""]
    lines = []
    for row in rows:
        marks = []
        if not row.good:
            marks.append("no result")
        elif row.is_behind:
            marks.append("**fell behind**")
        open_streams = row.median("report", "open_streams")
        if open_streams is not None and open_streams < row.connections:
            marks.append(f"{open_streams:,.0f} open")
        if row.others > _DISTURBED:
            marks.append("disturbed")
        ratios = [
            compared(row, by_name.get((name, row.connections, row.runs[0]["placement"])), ("cpu_us",), _ratio)
            for name in bases]
        lines.append([
            row.system, f"{row.connections:,}" + (" floating" if row.runs[0]["placement"] == "floating" else ""),
            _text(row.median("report", "tokens_per_s"), 0), _text(row.median("report", "mean_inter_token_ms"), 2),
            _text(row.median("report", "gap_us", "p99", scale=1000)), _text(row.lateness("p50")), _text(row.lateness("p99")),
            _text(row.median("report", "first_token_us", "p50", scale=1000)), _range(row, "cpu_us"),
            _text(row.median("user_us")), _text(row.median("system_us")), *(_text(ratio, 2) for ratio in ratios),
            _text(row.kib_per_stream), _text(row.median("idle_bytes", scale=1 << 20)), _text(row.failures, 0),
            ", ".join(marks),
        ])
    return table(names, lines)


def _prices_table(rows: list[Row]) -> str:
    by_name = {row.system: row for row in rows}
    lines = []
    for row in rows:
        base, what = _ADDED_TO.get(row.system, ("", ""))
        added = compared(row, by_name.get(base), ("cpu_us",), _difference)
        mark = "**fell behind**" if row.is_behind else ""
        if base in by_name and by_name[base].is_behind:
            mark = f"**{base} fell behind**"
        lines.append([row.system, _range(row, "cpu_us"), base if added is not None else "",
                      f"{added:+.2f}" if added is not None else "", what if added is not None else "",
                      _text(row.lateness("p50")), _text(row.lateness("p99")), mark])
    return table(["system", "us/token", "compared with", "added us", "for", "late p50 ms", "late p99 ms", ""], lines)


def _requests_table(rows: list[Row]) -> str:
    by_name = {(row.system, row.connections): row for row in rows}
    lines = [[
        row.system, f"{row.connections:,}", _range(row, "report", "requests_per_s", decimals=0),
        _text(compared(row, by_name.get(("haproxy", row.connections)), ("report", "requests_per_s"), _ratio), 2),
        _text(row.median("report", "duration_us", "p50", scale=1000), 2),
        _text(row.median("report", "duration_us", "p99", scale=1000), 2), _range(row, "cpu_us"),
        _text(row.median("engine_cpu_us")), _text(row.failures, 0),
        "disturbed" if row.others > _DISTURBED else "",
    ] for row in rows]
    return table(["system", "connections", "requests/s", "x haproxy", "p50 ms", "p99 ms", "us/request", "engine us/request",
                  "failed", ""], lines)


def _first_byte_table(rows: list[Row]) -> str:
    direct = {row.connections: row for row in rows if row.system == "direct"}
    lines = []
    for row in rows:
        added = [
            compared(row, direct.get(row.connections), ("report", "first_token_us", part), _difference)
            for part in ("p50", "p99")]
        is_direct = row.system == "direct"
        lines.append([
            row.system, f"{row.connections:,}", _range(row, "report", "first_token_us", "p50", decimals=0),
            _range(row, "report", "first_token_us", "p99", decimals=0),
            *("" if is_direct or value is None else f"{value:+,.0f}" for value in added),
            _text(row.median("report", "completed"), 0), _text(row.failures, 0),
            "disturbed" if row.others > _DISTURBED else "",
        ])
    return table(["system", "connections", "p50 us", "p99 us", "added p50", "added p99", "requests", "failed", ""], lines)


# Charts


def _charts(mode: str, rows: list[Row], folder: pathlib.Path) -> list[tuple[str, str]]:
    """Writes the mode's charts; returns their files with what they show."""
    made = []

    def add(name: str, what: str, svg: str):
        (folder / f"{mode}-{name}.svg").write_text(svg)
        made.append((f"{mode}-{name}.svg", what))

    rows = [row for row in rows if row.good]
    if not rows:
        return made
    counts = sorted({row.connections for row in rows})
    count = max(len(row.runs) for row in rows)
    about = f"medians of {count} rounds" if count > 1 else "one round"
    interval = f"{rows[0].runs[0]['interval_ms']:g} ms"
    if mode == "requests":
        add("rate", "Requests a second", chart.bars(
            "Short requests a second", f"not streamed; {about}", "requests/s",
            [chart.Bar(row.system, [row.median("report", "requests_per_s")]) for row in rows]))
    elif mode == "first-byte":
        direct = {row.connections: row for row in rows if row.system == "direct"}
        bars = [
            chart.Bar(row.system, [
                max(0, compared(row, direct.get(row.connections), ("report", "first_token_us", part), _difference) or 0)
                for part in ("p50", "p99")])
            for row in rows if row.system != "direct" and row.connections in direct]
        if bars:
            add("added", "Time that the gateway adds before the first token", chart.bars(
                "Added time to first token", f"one request at a time; {about}", "us", bars, ["p50", "p99"], is_stacked=False))
    else:
        for count in counts:
            here = [row for row in rows if row.connections == count and row.median("cpu_us")]
            if mode != "prices":
                here.sort(key=lambda row: row.median("cpu_us"))
            if len(here) < 2:
                continue
            add(f"cost-{count}", f"CPU per relayed token at {count:,} connections", chart.bars(
                f"CPU per token, {count:,} connections", f"a token every {interval} a stream; {about}",
                "us/token",
                [chart.Bar(row.system, [row.median("user_us"), row.median("system_us")],
                           "fell behind" if row.is_behind else "") for row in here],
                ["user", "system"]))
    has_lines = len({(row.system, row.connections) for row in rows}) > len({row.system for row in rows})
    if mode in ("side-by-side", "curve", "tls") and has_lines:
        add("gap", "Time between tokens against connections", chart.lines(
            "Time between tokens", f"a token is due every {interval}; hollow: fell behind; {about}", "connections",
            [chart.Panel("mean, ms", _series(rows, lambda row: row.median("report", "mean_inter_token_ms"))),
             chart.Panel("99th percentile, ms", _series(rows, lambda row: row.median("report", "gap_us", "p99", scale=1000)))]))
        add("curve", "Cost of a token and memory of a stream against connections", chart.lines(
            "Cost against connections", f"hollow: fell behind; {about}", "connections",
            [chart.Panel("CPU, us a token", _series(rows, lambda row: row.median("cpu_us"))),
             chart.Panel("memory, KiB a stream", _series(rows, lambda row: row.kib_per_stream))]))
    return made


def _series(rows: list[Row], value) -> list[chart.Series]:
    series: dict[str, chart.Series] = {}
    for row in sorted(rows, key=lambda row: row.connections):
        found = value(row)
        if found is not None and found > 0:
            series.setdefault(row.system, chart.Series(row.system, [])).points.append((row.connections, found, row.is_behind))
    # A system that was measured at one count has no line.
    return [found for found in series.values() if len(found.points) > 1]


# The whole


_READING = """\
*us/token*: CPU time of the gateway's processes, user and system, for each token that arrived; with several rounds the least
and the greatest in brackets. *mean*: what a stream waits between two tokens; above 1.02 of the interval the system **fell
behind**: it sends several tokens in one write and looks cheaper for it, so its cost compares with nobody's. *late*: from the
instant a token was due to its arrival. *gap*: between two arrivals on one stream. *x NAME*: cost as a multiple of NAME's,
round by round. *KiB/stream*: what memory grew by since the process was idle. *disturbed*: other processes took more than
a tenth of a core in some round.
"""


def write(folder: pathlib.Path) -> str:
    """Writes `results.md` and the charts of a results folder from its runs; returns the text."""
    about = json.loads((folder / "machine.json").read_text())
    runs = [json.loads(path.read_text()) for path in sorted((folder / "runs").glob("*.json"))]
    machine = about["machine"]
    parts = [
        "# Tidegate's benchmark", "",
        f"{about['date']}: {machine['cpu']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}, "
        f"{machine['kernel']}{', virtual (' + machine['virtual'] + ')' if machine['virtual'] not in ('', 'none') else ''}; "
        f"source {machine['source'] or 'unknown'}.", "",
        f"`{about['command']}`", "", _READING]
    tables = {"prices": _prices_table, "requests": _requests_table, "first-byte": _first_byte_table}
    for mode in MODES:
        mine = sorted((run for run in runs if run["mode"] == mode), key=lambda run: (run["position"], run["round"]))
        if not mine:
            continue
        rows = rows_of(mine)
        rounds = max(len(row.runs) for row in rows)
        question = MODES[mode].about[0].upper() + MODES[mode].about[1:]
        parts += [f"## {mode}", "", f"{question}. {rounds} round{'s' * (rounds > 1)} of {about['seconds']:g} s{', medians' * (rounds > 1)}.", "",
                  tables.get(mode, _streams_table)(rows), ""]
        for name, what in _charts(mode, rows, folder):
            parts += [f"![{what}]({name})", ""]
        errors = {(run["system"], run["connections"]): run["error"] for run in mine if "error" in run}
        for (system, connections), error in errors.items():
            parts += [f"{system} at {connections:,} connections gave no result:", "", "```", error, "```", ""]
    parts += ["## Versions", ""] + [f"- {name}: {version}" for name, version in sorted(about["versions"].items())] + [""]
    text = "\n".join(parts)
    (folder / "results.md").write_text(text)
    return text
