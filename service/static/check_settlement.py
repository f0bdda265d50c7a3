"""Recompute an operator's settlement from its evidence file: `python check_settlement.py evidence.jsonl [KEY]`.

KEY is the seal key you trust (64 hex digits). Imports none of the software that made the file, only `cryptography`.
Ends with 0 when every row follows from the sealed book day, with 1 and the reason when one does not.
"""

import hashlib
import json
import sys
from collections import Counter, defaultdict

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PARTS = ("waived", "discounted", "pass_covered", "cap_covered")
SUMS = ("trips", *PARTS, "collected", "refunded", "pass_revenue", "shared", "fees")


def require(holds, why):
    """Stop at what does not hold."""
    if not holds:
        sys.exit(f"FAILS: {why}")


def verify(public, context, message, signature, what):
    """Check an Ed25519 signature: context, a zero byte, message."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), context + b"\x00" + message)
    except (InvalidSignature, ValueError):
        require(False, f"the signature of {what}")


def merkle(level):
    """Return the root of RFC 9162 over leaf hashes; an odd one is carried up."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in pairs] + level[len(level) // 2 * 2 :]
    return level[0] if level else hashlib.sha256(b"").digest()


def fields(record):
    """Return the seventeen values of a sealed line, as PostgreSQL's record_send wrote them."""
    found, at = [], 4
    while at < len(record):
        size = int.from_bytes(record[at + 4 : at + 8], "big", signed=True)
        found.append(record[at + 8 : at + 8 + max(size, 0)])
        at += 8 + max(size, 0)
    return found


def part_of(base, share, whole):
    """Return a share, rounded down from zero."""
    return (abs(base) * share // whole) * (1 if base > 0 else -1)


def main(path, trusted=""):
    content = open(path, "rb").read()
    body, _, last = content.rstrip(b"\n").rpartition(b"\n")
    rows = defaultdict(list)
    for text in body.splitlines():
        row = json.loads(text)
        rows[row.pop("row")].append(row)
    (total,), (seal,), signed = rows["settlement"], rows["seal"], json.loads(last)
    keys = {row["key_id"]: row["public_key"] for row in rows["key"]}
    for name, public in keys.items():
        require(hashlib.sha256(bytes.fromhex(public)).digest()[:8].hex() == name, "a key's name")
    require(not trusted or trusted in keys.values(), "no key is the one you trust")
    require(len({seal["key_id"], signed["key_id"]} | set(keys)) == 1, "one key seals and signs")
    message = bytes.fromhex(seal["message"])
    shape = b"lienthong/ledger-head/2" if len(message) == 120 else b"lienthong/ledger-head/1"
    verify(keys[seal["key_id"]], shape, message, seal["signature"], "the seal")
    require(hashlib.sha256(body).hexdigest() == signed["sha256"], "a row was added, removed or altered")
    verify(
        keys[signed["key_id"]],
        b"lienthong/evidence/1",
        bytes.fromhex(signed["sha256"]),
        signed["signature"],
        "the file",
    )
    leaves = [
        bytes.fromhex(row["leaves"])[n : n + 32]
        for row in rows["chunk"]
        for n in range(0, len(row["leaves"]) // 2, 32)
    ]
    require(len(leaves) == int.from_bytes(message[8:16], "big"), "the number of sealed lines")
    require(merkle(leaves) == message[24:56], "the root of the sealed lines")

    sealed, accounts, moves = (
        Counter(leaves),
        {r["account_id"]: r["kind"] for r in rows["account"]},
        defaultdict(Counter),
    )
    for row in rows["ledger"]:  # every line is in the sealed day, once
        record = bytes.fromhex(row["record"])
        leaf = hashlib.sha256(b"\x00" + record).digest()
        require(sealed[leaf] == 1, "a ledger line is not in the sealed day, or stands twice")
        sealed[leaf] -= 1
        value = fields(record)
        if value[14].startswith(b"payout."):  # what was paid of other days is no part of this one
            continue
        amount, kind = int.from_bytes(value[4], "big"), value[12].decode()
        for side, sign in ((value[2], -1), (value[3], 1)):
            if side.hex() in accounts:
                entry = kind if kind in {"settle.share", "settle.fee", "fare.pass_earned"} else value[1].hex()
                moves[entry][accounts[side.hex()]] += sign * amount

    lines, claims = defaultdict(Counter), Counter()
    for row in rows["bill"]:  # every charge is a ledger entry, or moved no money
        place, minor, component = (
            (row["house"], row["route_id"], row["service_day"]),
            row["minor"],
            row["component"],
        )
        lines[place]["trips"] += row["trips"]
        name = component if component != "charged" else "collected" if minor > 0 else "refunded"
        if row["house"] == "parking" and component == "discounted" and not row["funder"]:
            name = "pass_covered"
        lines[place][name] += abs(minor) if component == "charged" else minor
        if row["entry_id"]:
            account = (
                "operator_subsidy"
                if component != "charged"
                else {"parking": "parking_payable"}.get(row["house"], "operator_payable")
            )
            require(moves.pop(row["entry_id"], {}) == {account: minor}, f"the charge of {row['subject_id']}")
            claims[(*place, row["funder"], component)] += minor if component != "charged" else 0
        else:
            require(
                not minor or name in {"pass_covered", "cap_covered"},
                f"{row['subject_id']} moved money unbooked",
            )
    for row in rows["pass"]:
        lines["fare", row["route_id"], total["book_day"]]["pass_revenue"] += row["minor"]
    require(
        sum(row["minor"] for row in rows["pass"]) == sum(moves.pop("fare.pass_earned", Counter()).values()),
        "pass revenue",
    )
    base = {place: sums["collected"] - sums["refunded"] for place, sums in lines.items()}
    for row in rows["share"]:
        place = row["house"], row["route_id"], row["service_day"]
        require(row["minor"] == part_of(row["base"], row["per_mille"], 1_000), "a share")
        mine = row["payer"] == total["operator_id"]
        require(not mine or row["base"] == base[place], "the base of a share")
        lines[place]["shared"] += -row["minor"] if mine else row["minor"]
    for row in rows["terms"]:
        for place, sums in lines.items():
            sums["fees"] += (
                part_of(base.get(place, 0), row["fee_basis_points"], 10_000)
                + row["fee_per_trip"] * sums["trips"]
            )
    for name, kind, sign in (("shared", "settle.share", 1), ("fees", "settle.fee", -1)):
        booked = sum(moves.pop(kind, Counter()).values())
        require(sign * booked == sum(sums[name] for sums in lines.values()), f"what is booked as {name}")
    cash = sum(-left.pop("operator_cash", 0) for left in moves.values())
    require(
        not any(value for left in moves.values() for value in left.values()),
        "a ledger line that nothing explains",
    )

    told = {(r["house"], r["route_id"], r["service_day"]): r for r in rows["line"]}
    require(len(told) == len(rows["line"]) and set(told) == set(lines), "the set of lines")
    for place, row in told.items():
        require(all(row[name] == lines[place][name] for name in SUMS), f"line {place}")
        require(
            row["face_value"] == sum(row[name] for name in PARTS) + row["collected"] - row["refunded"],
            f"face value of {place}",
        )
    asked = Counter()
    for row in rows["claim"]:
        asked[row["house"], row["route_id"], row["service_day"], row["funder"], row["component"]] += row[
            "minor"
        ]
    require({k: v for k, v in asked.items() if v} == {k: v for k, v in claims.items() if v}, "the claims")
    for name in SUMS:
        require(total[name] == sum(sums[name] for sums in lines.values()), f"the sum of {name}")
    net = total["collected"] - total["refunded"] + total["pass_revenue"] + total["shared"] - total["fees"]
    require((total["net"], total["cash_kept"], total["to_pay"]) == (net, cash, net - cash), "the net")
    print(
        f"AGREES: {total['operator_id']} {total['book_day']}: {len(rows['ledger'])} sealed lines, net {net:,}, to pay {net - cash:,}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
