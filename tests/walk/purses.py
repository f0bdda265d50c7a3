"""Stored-value cards for the walks: what is on the card, what the back office says of it, and money onto it."""

import json
from base64 import b64decode
from uuid import UUID

from demo.processes import wait_until
from kernel.ids import FareAccountId

from .town import Card, Show


def purse_card(town, uid, topup):
    """One stored-value card, its account topped up at the bank; nothing is on the card yet."""
    out = town.city.home / f"purse-card-{uid}.json"
    town.city.lienthong(
        "card", "issue", "--uid", uid, "--expiry", "2030-12-31", "--stored-value", "--out", str(out)
    )
    (row,) = json.loads(out.read_text("ascii"))
    assert row["purse"] == 0
    made = Card(row["serial"], FareAccountId(UUID(row["fare_account_id"])), row)
    town.pay({"payments": [{"qr": town.topup(made, topup)["qr"]["payload"]}]})
    return made


def on_card(town, card):
    """What the card itself holds."""
    lines = map(json.loads, (town.city.home / "eeproms.jsonl").read_text().splitlines())
    return [line for line in lines if line["serial"] == card.serial][-1]["purse"]


def shown(town, reader, card):
    """Hold the card to a reader and return the light that is not "tap again": a machine may have stood still."""
    before = len(town.lights(reader))
    town.present([Show(reader, card)])

    def lights():
        return [light for light in town.lights(reader)[before:] if light["light"] != "amber"]

    wait_until("the light", lambda: lights() != [])
    return lights()[-1]


def purse(town, card):
    """The four figures of `lienthong card purse`: on the card, in the account, waiting, loadable."""
    lines = town.city.lienthong("card", "purse", str(card.serial)).splitlines()
    return tuple(int(line.split()[1].replace(",", "")) for line in lines)


def loaded(town, card, reader, *more):
    """Ask one reader to load the card; what the command says."""
    return town.city.lienthong(
        "card", "load", str(card.serial), "--at", reader, "--cause", "kiosk", "--yes", *more
    )


def reached(town, reader, amount):
    """Wait until the reader's bundle brings the load."""
    wait_until("the load to reach the reader", lambda: f'"{amount}"'.encode() in actions_of(town, reader))


def actions_of(town, reader):
    """The action list that a reader holds; empty before its first bundle."""
    held = town.state(reader) / "bundle.json"
    if not held.exists():
        return b""
    envelope = json.loads(held.read_text())
    return b64decode(json.loads(b64decode(envelope["bundle"]))["actions"])


def slow_disk_allowed(town, reader):
    """Let a reader take money however slow the disk of this machine is."""
    config = town.city.config(reader)
    config.write_text(config.read_text().replace("[state]\n", "[state]\nfsync_warn_ms = 10000\n"))
