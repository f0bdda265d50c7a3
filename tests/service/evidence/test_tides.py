"""The TIDES export end to end: against the standard's own schemas, public and sealed."""

import csv
import json
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

DAY = date(2026, 11, 18)
HOUR = timedelta(hours=1)
SPEC = Path(__file__).parents[3].parent / "shared" / "reference" / "tides" / "spec"
PARSERS = {
    "string": str,
    "integer": int,
    "number": float,
    "date": date.fromisoformat,
    "datetime": lambda cell: datetime.strptime(cell, "%Y-%m-%dT%H:%M:%SZ"),  # noqa: DTZ007  (frictionless' default)
    "boolean": {"true": True, "false": False}.__getitem__,
}


def violations(table: Path) -> list[str]:
    """What a table breaks of its TIDES schema: columns, types, required, unique, enumerations, minima."""
    schema = json.loads((SPEC / f"{table.stem}.schema.json").read_text("utf-8"))
    fields = {field["name"]: field for field in schema["fields"]}
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        found = [f"column {name}" for name in reader.fieldnames or () if name not in fields]
        seen = Counter()
        for line, row in enumerate(reader, 2):
            for name, field in fields.items():
                cell, rules = row.get(name) or "", field.get("constraints", {})
                if cell in schema["missingValues"]:
                    found += [f"{line}: {name} is required"] if rules.get("required") else []
                    continue
                try:
                    value = PARSERS[field["type"]](cell)
                except (ValueError, KeyError):
                    found.append(f"{line}: {name} is no {field['type']}: {cell}")
                    continue
                if "enum" in rules and cell not in rules["enum"]:
                    found.append(f"{line}: {name} is not listed: {cell}")
                if "minimum" in rules and value < rules["minimum"]:
                    found.append(f"{line}: {name} is too small")
                seen[name, cell] += bool(rules.get("unique"))
    return found + [f"{key} twice" for key, count in seen.items() if count > 1]


@pytest.fixture
def specified():
    if not SPEC.is_dir():
        pytest.skip(f"the TIDES schemas are not here: {SPEC}")


@pytest.fixture
def ridden(running, world, send, keyring):
    """Twelve cards ride a bus and the metro; two of them ride at an hour of their own."""
    with running.database.begin() as tx:
        world.tx = tx
        cards = [world.card(100 + number) for number in range(12)]
    for number, card in enumerate(cards):
        hours = 29 if number < 2 else 27
        start = world.now + timedelta(hours=24 - hours, minutes=3 * number)
        world.bus.tap(card, at=start)
        world.gate.tap(card, at=start + timedelta(minutes=40))
        world.gate.tap(card, at=start + timedelta(minutes=55), stop_id="2A-ha-dong", place="g2")
    send(world.bus.upload())
    send(world.gate.upload())
    return cards


def export(lienthong, out, *more):
    return lienthong("tides", "export", "--from", str(DAY), "--to", str(DAY), *more, str(out))


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_public_tables_are_valid_and_hide_the_few(specified, ridden, lienthong, tmp_path, running):
    out = tmp_path / "public"
    said = export(lienthong, out, "--k", "5")
    assert violations(out / "fare_transactions.csv") == violations(out / "devices.csv") == []
    rows = rows_of(out / "fare_transactions.csv")
    assert rows
    assert all(int(row["num_riders"]) >= 5 for row in rows)
    assert not any(row["token_id"] or row["device_id"] or row["vehicle_id"] for row in rows)
    assert {row["event_timestamp"][-6:] for row in rows} == {"00:00Z"}
    report = json.loads((out / "disclosure.json").read_text("utf-8"))
    assert report["holds"] is True
    assert report["transactions"] == 36
    assert report["transactions_held_back"] >= 6, "the two early riders"
    assert report["transactions_published"] == sum(int(row["num_riders"]) for row in rows)
    assert "held back" in said
    package = json.loads((out / "datapackage.json").read_text("utf-8"))
    assert {one["path"] for one in package["resources"]} == {"fare_transactions.csv", "devices.csv"}
    whole = "".join(path.read_text("utf-8") for path in out.iterdir())
    with running.database.read() as tx:
        secrets = tx.execute(
            text(
                "SELECT card_id::text FROM card UNION SELECT tap_id::text FROM tap UNION SELECT serial::text || ',' FROM card"
            )
        ).scalars()
        assert not [one for one in secrets if "-" in one and one in whole]


def test_the_sealed_tables_are_card_level_and_only_the_recipient_opens_them(
    specified, ridden, lienthong, tmp_path, running
):
    key, out = tmp_path / "key", tmp_path / "sealed"
    public = lienthong("tides", "keygen", str(key)).strip()
    export(lienthong, out, "--sealed", "--recipient", public, "--purpose", "audit 7")
    assert [path.name for path in out.iterdir()] == ["tides.sealed"]
    assert b"fare_transactions" not in (out / "tides.sealed").read_bytes()
    other = tmp_path / "other"
    lienthong("tides", "keygen", str(other))
    lienthong("tides", "open", str(out / "tides.sealed"), "--key", str(other), str(tmp_path / "no"), code=1)
    opened = tmp_path / "opened"
    lienthong("tides", "open", str(out / "tides.sealed"), "--key", str(key), str(opened))
    assert violations(opened / "fare_transactions.csv") == violations(opened / "devices.csv") == []
    rows = rows_of(opened / "fare_transactions.csv")
    assert len(rows) == 36
    assert len({row["token_id"] for row in rows}) == 12
    assert Counter(row["fare_action"] for row in rows) == {"Enter": 24, "Exit": 12}
    with running.database.read() as tx:
        charged = tx.execute(text("SELECT sum(charged_minor) FROM fare_charge")).scalar_one()
        kept = (
            tx.execute(text("SELECT detail FROM audit_trail WHERE action = 'fare.tides_export'"))
            .scalars()
            .all()
        )
    assert sum(int(row["amount"]) for row in rows) == charged
    assert [one["purpose"] for one in kept] == ["audit 7"]
    second = tmp_path / "second"
    export(lienthong, second, "--sealed", "--recipient", public, "--purpose", "audit 8")
    again = tmp_path / "again"
    lienthong("tides", "open", str(second / "tides.sealed"), "--key", str(key), str(again))
    tokens = {row["token_id"] for row in rows_of(again / "fare_transactions.csv")}
    assert tokens.isdisjoint(row["token_id"] for row in rows), "two exports cannot be matched"


def test_a_quiet_day_makes_empty_tables(specified, running, lienthong, tmp_path):
    out = tmp_path / "quiet"
    assert "0 of 0 transactions" in export(lienthong, out)
    assert rows_of(out / "fare_transactions.csv") == []
    assert violations(out / "fare_transactions.csv") == []


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (("--k", "4"), 1, "k of at least 5"),
        (("--minutes", "10"), 1, "at least 15 minutes"),
        (("--minutes", "50"), 1, "divide a day"),
        (("--sealed",), 2, "needs a --recipient"),
        (("--sealed", "--recipient", "zz", "--purpose", "p"), 1, "32-byte X25519"),
        (("--sealed", "--recipient", "00", "--purpose", "p"), 1, "32-byte X25519"),
        (("--from", "2026-10-01"), 1, "up to 31 days"),
        (("--from", "2026-11-19"), 1, "in order"),
    ],
)
def test_what_would_disclose_or_cannot_be_is_refused(running, lienthong, tmp_path, options, code, says):
    out = tmp_path / "never"
    arguments = ["--from", str(DAY), "--to", str(DAY), *options, str(out)]
    assert says in lienthong("tides", "export", *arguments, code=code)
    assert not out.exists()


def test_an_export_is_never_mixed_with_another(running, lienthong, tmp_path):
    assert "is there already" in lienthong(
        "tides", "export", "--from", str(DAY), "--to", str(DAY), str(tmp_path), code=1
    )
