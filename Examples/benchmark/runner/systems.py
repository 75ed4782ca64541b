"""The systems that can be measured: the folders of `systems/`.

A folder holds `kind`, `setup` and `start`. `kind` is a line of words: `gateway` (between client and engine) or `server` (a
token server alone), and where it applies `http1` (it takes no HTTP/2 in the clear), `tls` (TLS on both sides), `limit=N`
(measured with no more connections than that) and a path to ask for instead of /v1/chat/completions.
"""
from __future__ import annotations

import os
import pathlib
import subprocess
from dataclasses import dataclass

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "systems"


@dataclass(frozen=True)
class System:
    name: str
    folder: pathlib.Path
    is_server: bool = False
    is_http1: bool = False
    is_tls: bool = False
    limit: int | None = None
    path: str = ""

    @staticmethod
    def read(folder: pathlib.Path) -> System:
        words = (folder / "kind").read_text().split()
        fields = {"name": folder.name, "folder": folder}
        if not words or words[0] not in ("gateway", "server"):
            raise SystemExit(f"{folder / 'kind'}: the first word is `gateway` or `server`")
        fields["is_server"] = words[0] == "server"
        for word in words[1:]:
            if word == "http1":
                fields["is_http1"] = True
            elif word == "tls":
                fields["is_tls"] = True
            elif word.startswith("limit=") and word[6:].isdecimal():
                fields["limit"] = int(word[6:])
            elif word.startswith("/"):
                fields["path"] = word
            else:
                raise SystemExit(f"{folder / 'kind'}: `{word}` is none of http1, tls, limit=N and a path")
        for program in ("setup", "start"):
            if not os.access(folder / program, os.X_OK):
                raise SystemExit(f"{folder / program} is missing or not executable")
        return System(**fields)

    def set_up(self) -> str:
        """Installs or builds what is missing; returns the system's name and version. Raises OSError with what went wrong."""
        done = subprocess.run([self.folder / "setup"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise OSError(lines[-1] if lines else f"setup ended with {done.returncode}")
        lines = done.stdout.strip().splitlines()
        return lines[-1] if lines else self.name


def all_systems() -> dict[str, System]:
    return {path.parent.name: System.read(path.parent) for path in sorted(FOLDER.glob("*/kind"))}
