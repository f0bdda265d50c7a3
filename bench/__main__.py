"""Run the benches: `python -m bench [PREFIX]`, or `make bench ONLY=PREFIX`.

Each bench is a module named in BENCHES with a function `run(stage) -> list[Result]`; results are named
house.what. Prints a table, merges it into bench/results.json, and ends with 1 when a goal is missed. What takes
long (ten million lines) is measured only with BENCH_LONG=1.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.measure import ROUNDS, Bench, Result, Stage
from service import collector, launcher, migrate

# name of the results: module under bench/. A module that needs more than Stage gives starts it itself.
BENCHES: Final[dict[str, str]] = {
    "ledger.post": "bench.ledger_post",
    "ledger.others": "bench.ledger_others",
    "ledger.hot": "bench.ledger_hot",
    "ledger.proof": "bench.ledger_proof",
    "ledger.export": "bench.ledger_export",
    "ledger.settle": "bench.ledger_settle",
    "ledger.reconcile": "bench.reconcile",
    "ledger.camt": "bench.bank_read",
    "ledger.growth": "bench.ledger_growth",
    "fare.ingest": "bench.fare_ingest",
    "fare.price_day": "bench.fare_price",
    "fare.tariff": "bench.fare_tariff",
    "parking.quote": "bench.parking_quote",
    "parking.operations": "bench.parking_operations",
    "parking.export": "bench.parking_export",
    "decision.redis": "bench.decision",
}
OUTPUT: Final = Path(__file__).parent / "results.json"


def machine() -> dict[str, object]:
    """Return what the numbers depend on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {"cpu": model, "cores": os.cpu_count(), "python": platform.python_version()}


def selected(only: str) -> dict[str, Bench]:
    """Return the benches whose names begin with `only`, or that `only` begins with."""
    return {
        name: importlib.import_module(module).run
        for name, module in BENCHES.items()
        if name.startswith(only) or only.startswith(name)
    }


def show(results: list[Result]) -> None:
    """Print the table."""
    print(f"{'name':<34} {'ours':>14} {'baseline':>14} {'ratio':>8}  {'goal':<24} holds")
    for one in results:
        ours = "-" if one.ours is None else f"{one.ours:,.1f}"
        baseline = "" if one.baseline is None else f"{one.baseline:,.1f}"
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        holds = "" if one.holds is None else ("yes" if one.holds else "NO")
        print(f"{one.name:<34} {ours:>14} {baseline:>14} {ratio:>8}  {one.goal:<24} {holds:<5} {one.unit}")
        if one.note:
            print(f"{'':<34} {one.note}")


def commit() -> str:
    """Return the commit that was measured, with a + when files differ from it; empty outside a checkout."""

    def git(*words: str) -> str:
        ran = subprocess.run(["git", *words], cwd=OUTPUT.parent, capture_output=True, text=True, check=False)
        return ran.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")


def merge(output: Path, results: list[Result], settings: dict[str, object]) -> None:
    """Write results over those of the same name and keep the others; each says how it was measured."""
    kept: dict[str, object] = {}
    if output.exists():
        document = json.loads(output.read_text(encoding="utf-8"))
        # Numbers of another machine do not stand beside these.
        if document.get("machine") == machine():
            kept = {one["name"]: one for one in document["results"] if "settings" in one}
    kept |= {one.name: {**one.to_json(), "settings": settings} for one in results}
    document = {"machine": machine(), "results": [kept[name] for name in sorted(kept)]}
    output.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def main() -> int:
    """Run, print, write; return the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("only", nargs="?", default="", help="a prefix of the names, e.g. ledger.post")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="interleaved rounds, at least 5 to be counted"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    given = parser.parse_args()
    chosen = selected(given.only)
    if not chosen:
        parser.error(f"no bench begins with {given.only}; there are {', '.join(BENCHES)}")
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="lienthong-bench-") as folder:
        # Durable: fsync and synchronous_commit on, or the ratios would flatter the side that commits more.
        with launcher.servers(
            Path(folder) / "servers", durable=True, environ={"PREFER": os.environ.get("PREFER", "")}
        ) as servers:
            print(servers.line, file=sys.stderr)
            migrate.migrate(servers.owner_url)
            stage = Stage(servers, folder, given.rounds)
            # As in the service's own processes.
            collector.calm()
            for name, run in chosen.items():
                print(f"measuring {name} …", file=sys.stderr)
                results += [one for one in run(stage) if one.name.startswith(given.only)]
        settings = {
            "commit": commit(),
            "servers": servers.line,
            "fsync": "on",
            "synchronous_commit": "on",
            "rounds": given.rounds,
        }
    show(results)
    merge(given.output, results, settings)
    return 0 if all(one.holds is not False for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
