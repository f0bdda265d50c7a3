"""The door of tariff authors, as other programs use it: files into a directory, `lienthong fare price --json`, its answer."""

import json
from pathlib import Path

from click.testing import CliRunner

from service.cli import main

NO_RIDE = {"torn", "passback", "open", "continued", "alighted", "inspected"}


def price_files(
    place: Path, files: dict[str, str], taps: str, riders: str = "", *args: str
) -> tuple[int, dict]:
    """Return the exit code and the JSON object that the command prints for these files."""
    tariff = place / "tariff"
    tariff.mkdir(parents=True)
    for name, text in files.items():
        (tariff / f"{name}.txt").write_text(text.strip("\n") + "\n", "utf-8")
    (place / "taps.csv").write_text(taps.strip() + "\n", "utf-8")
    words = ["fare", "price", "--tariff", str(tariff), "--taps", str(place / "taps.csv"), "--json", *args]
    if riders:
        (place / "riders.csv").write_text(riders.strip() + "\n", "utf-8")
        words += ["--riders", str(place / "riders.csv")]
    done = CliRunner().invoke(main, words)
    return done.exit_code, json.loads(done.stdout)


def charged(answer: dict) -> list[int | str]:
    """Return what each ride was charged in minor units, or why it has no price, in the order of its row in the file."""
    found: dict[int, int | str] = {}
    for day in (day for rider in answer["riders"] for day in rider["days"]):
        for ride in day["rides"]:
            if ride["closed"] not in NO_RIDE:
                found.setdefault(ride["row"], 0)
        for line in day["lines"]:
            if line["component"] == "charged":
                found[line["row"]] = int(found.get(line["row"], 0)) + line["amount"]["minor"]
        found |= {one["row"]: one["reason"] for one in day["unpriced"]}
    return [found[row] for row in sorted(found)]


def notices(answer: dict) -> set[tuple[str, str, int, str]]:
    """Return the notices of an answer by code, file, row and field."""
    return {(one["code"], one["file"], one["row"], one["field"]) for one in answer.get("notices", ())}


def head(currency: str = "EUR", zone: str = "Europe/Paris", starts: str = "04:00:00") -> dict[str, str]:
    """Return the first two files of a tariff, with the operators a and b."""
    return {
        "tariff": f"tariff_version,zone,day_starts,currency\nt,{zone},{starts},{currency}",
        "agency": f"agency_id,agency_name,agency_timezone\na,A,{zone}\nb,B,{zone}",
    }


def lines(*routes: tuple[str, str, int, str]) -> dict[str, str]:
    """Return routes with their networks, each from (route, network, route type, operator)."""
    return {
        "routes": "route_id,agency_id,route_type\n" + "\n".join(f"{r},{a},{t}" for r, _, t, a in routes),
        "networks": "network_id\n" + "\n".join(sorted({n for _, n, _, _ in routes})),
        "route_networks": "network_id,route_id\n" + "\n".join(f"{n},{r}" for r, n, _, _ in routes),
    }


def trip(at: str, route: str, start: str, end: str, minutes: int = 10, day: str = "2026-05-05") -> str:
    """Return the two taps of a ride of rider r; 5 May 2026 is a Tuesday."""
    hour, minute = map(int, at.split(":"))
    off = hour * 60 + minute + minutes
    return f"r,{day}T{at},on,{route},{start}\nr,{day}T{off // 60:02d}:{off % 60:02d},off,{route},{end}\n"
