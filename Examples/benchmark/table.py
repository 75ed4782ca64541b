"""Prints the rows that `run` measured, and the medians of each system. Argument: the folder of results."""
import json
import pathlib
import statistics
import sys

rows = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    text = path.read_text()
    if not text.strip():
        print(f"{path.stem}: no result")
        continue
    report = json.loads(text)
    gateway = report["processes"][0]
    failures = sum(report["failures"].values())
    row = [
        report["tokens_per_s"],
        gateway["cpu_us_each"],
        gateway["user_s"] * 1e6 / max(1, report["tokens"]),
        gateway["system_s"] * 1e6 / max(1, report["tokens"]),
        report["gap_us"]["p99"] / 1000,
        report["lateness_us"]["p50"] / 1000,
        report["lateness_us"]["p99"] / 1000,
        gateway["resident_bytes"] / 1024 / max(1, report["streams"]),
        failures,
    ]
    round_number, system = path.stem.split("-", 1)
    rows.setdefault(system.replace("_", " "), []).append(row)

names = ["tokens/s", "us/token", "user", "system", "gap p99 ms", "late p50 ms", "late p99 ms", "KiB/stream", "failed"]
print(f"{'':20}" + "".join(f"{name:>13}" for name in names))
for system, found in rows.items():
    for row in found:
        print(f"{system:20}" + "".join(f"{value:13.2f}" for value in row))
print("medians")
for system, found in rows.items():
    print(f"{system:20}" + "".join(f"{statistics.median(column):13.2f}" for column in zip(*found)))
