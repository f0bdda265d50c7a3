"""Recompute an operator's settlement from its evidence file: `python check_settlement.py evidence.jsonl [KEY]`.

KEY is the seal key you trust (64 hex digits). Imports none of the software that made the file, only `cryptography`.
Ends with 0 when every row follows from the sealed book day, with 1 and the reason when one does not.
"""

import json
import sys
from collections import Counter, defaultdict
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

PARTS = ("waived", "discounted", "pass_covered", "cap_covered")
SUMS = ("trips", *PARTS, "collected", "refunded", "pass_revenue", "shared", "fees")
# What is booked once for the whole day, and with which sign it stands in which sum.
KINDS = {"fare.pass_earned": ("pass_revenue", 1), "settle.share": ("shared", 1), "settle.fee": ("fees", -1)}


def require(holds, why):
    """Stop at what does not hold."""
    if not holds:
        sys.exit(f"FAILS: {why}")


def verify(public, context, message, signature, what):
    """Check an Ed25519 signature over context, a zero byte and message."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public))
        key.verify(bytes.fromhex(signature), context + b"\x00" + message)
    except (InvalidSignature, ValueError):
        require(False, f"the signature of {what}")


def merkle(level):
    """Return the root of RFC 9162 over leaf hashes; an odd one is carried up."""
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        level = [sha256(b"\x01" + a + b).digest() for a, b in pairs] + level[len(level) // 2 * 2 :]
    return level[0] if level else sha256(b"").digest()


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


def place_of(row):
    return row["house"], row["route_id"], row["service_day"]


def read(path, trusted):
    """Return the rows by kind and the leaves of the sealed tree, once signatures, key and root hold."""
    body, _, last = open(path, "rb").read().rstrip(b"\n").rpartition(b"\n")
    rows, signed = defaultdict(list), json.loads(last)
    for text in body.splitlines():
        row = json.loads(text)
        rows[row.pop("row")].append(row)
    (seal,), keys = rows["seal"], {row["key_id"]: row["public_key"] for row in rows["key"]}
    require(list(keys) * 2 == [seal["key_id"], signed["key_id"]], "one key seals and signs")
    ((name, public),) = keys.items()
    require(sha256(bytes.fromhex(public)).digest()[:8].hex() == name, "the key's name")
    require(trusted in {"", public}, "the key is not the one you trust")
    message, digest = bytes.fromhex(seal["message"]), sha256(body).digest()
    head = b"lienthong/ledger-head/2" if len(message) == 120 else b"lienthong/ledger-head/1"
    verify(public, head, message, seal["signature"], "the seal")
    require(digest.hex() == signed["sha256"], "a row was added, removed or altered")
    verify(public, b"lienthong/evidence/1", digest, signed["signature"], "the file")
    joined = b"".join(bytes.fromhex(row["leaves"]) for row in rows["chunk"])
    leaves = [joined[n : n + 32] for n in range(0, len(joined), 32)]
    require(len(leaves) == int.from_bytes(message[8:16], "big"), "the number of sealed lines")
    require(merkle(leaves) == message[24:56], "the root of the sealed lines")
    return rows, Counter(leaves)


def moves_of(rows, sealed):
    """Return what each ledger entry moved of each account; every line is in the sealed day, once."""
    accounts, moves = {row["account_id"]: row["kind"] for row in rows["account"]}, defaultdict(Counter)
    for row in rows["ledger"]:
        record = bytes.fromhex(row["record"])
        leaf, value = sha256(b"\x00" + record).digest(), fields(record)
        require(sealed[leaf] == 1, "a ledger line is not in the sealed day, or stands twice")
        sealed[leaf] -= 1
        amount, kind = int.from_bytes(value[4], "big"), value[12].decode()
        for side, sign in ((value[2].hex(), -1), (value[3].hex(), 1)):
            if side in accounts and not value[14].startswith(b"payout."):  # payouts are of other days
                moves[kind if kind in KINDS else value[1].hex()][accounts[side]] += sign * amount
    return moves


def lines_of(rows, total, moves):
    """Return sums by line and claims, computed anew; takes out of `moves` what they explain."""
    lines, claims = defaultdict(Counter), Counter()
    for row in rows["bill"]:  # every charge is a ledger entry, or moved no money
        place, minor, name, subject = place_of(row), row["minor"], row["component"], row["subject_id"]
        account = "operator_subsidy"
        if charged := name == "charged":
            name = "collected" if minor > 0 else "refunded"
            account = "parking_payable" if row["house"] == "parking" else "operator_payable"
        elif (row["house"], name, row["funder"]) == ("parking", "discounted", ""):
            name = "pass_covered"
        lines[place].update({"trips": row["trips"], name: abs(minor) if charged else minor})
        if row["entry_id"]:
            require(moves.pop(row["entry_id"], {}) == {account: minor}, f"the charge of {subject}")
            claims[(*place, row["funder"], row["component"])] += 0 if charged else minor
        else:
            require(not minor or name in {"pass_covered", "cap_covered"}, f"{subject} moved money unbooked")
    for row in rows["pass"]:
        lines["fare", row["route_id"], total["book_day"]]["pass_revenue"] += row["minor"]
    base = defaultdict(int, {place: sums["collected"] - sums["refunded"] for place, sums in lines.items()})
    for row in rows["share"]:
        mine = row["payer"] == total["operator_id"]
        require(row["minor"] == part_of(row["base"], row["per_mille"], 1_000), "a share")
        require(not mine or row["base"] == base[place_of(row)], "the base of a share")
        lines[place_of(row)]["shared"] += -row["minor"] if mine else row["minor"]
    for row in rows["terms"]:
        for place, sums in lines.items():
            by_amount = part_of(base[place], row["fee_basis_points"], 10_000)
            sums["fees"] += by_amount + row["fee_per_trip"] * sums["trips"]
    return lines, claims


def main(path, trusted=""):
    rows, sealed = read(path, trusted)
    (total,), moves = rows["settlement"], moves_of(rows, sealed)
    lines, claims = lines_of(rows, total, moves)
    whole = {name: sum(sums[name] for sums in lines.values()) for name in SUMS}
    for kind, (name, sign) in KINDS.items():
        require(sign * sum(moves.pop(kind, Counter()).values()) == whole[name], f"what is booked as {name}")
    cash = sum(-left.pop("operator_cash", 0) for left in moves.values())
    require(not any(any(left.values()) for left in moves.values()), "a ledger line that nothing explains")
    told = {place_of(row): row for row in rows["line"]}
    require(len(told) == len(rows["line"]) and set(told) == set(lines), "the set of lines")
    for place, row in told.items():
        face = sum(row[name] for name in PARTS) + row["collected"] - row["refunded"]
        require(all(row[name] == lines[place][name] for name in SUMS), f"line {place}")
        require(row["face_value"] == face, f"face value of {place}")
    for row in rows["claim"]:
        claims[(*place_of(row), row["funder"], row["component"])] -= row["minor"]
    require(not any(claims.values()), "the claims")
    require({name: total[name] for name in SUMS} == whole, "the sums")
    net = whole["collected"] - whole["refunded"] + whole["pass_revenue"] + whole["shared"] - whole["fees"]
    require((total["net"], total["cash_kept"], total["to_pay"]) == (net, cash, net - cash), "the net")
    about = f"{total['operator_id']} {total['book_day']}: {len(rows['ledger'])} sealed lines"
    print(f"AGREES: {about}, net {net:,}, to pay {net - cash:,}")


if __name__ == "__main__":
    main(*sys.argv[1:])
