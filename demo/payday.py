"""The settled day is paid out by two people, and every operator computes its statement again for itself."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from demo.plan import DAY
from demo.world import World

ACCOUNTS: Final = {
    "transerco": ("Tổng công ty Vận tải Hà Nội", "0021000123456"),
    "hanoi-metro": ("Hà Nội Metro", "0021000654321"),
    "dongda-parking": ("Trông giữ xe Đống Đa", "0021000111222"),
}
BANK: Final = "970436"


@dataclass(frozen=True, slots=True)
class PaidDay:
    """What was released, and how many operators' scripts agreed."""

    payments: int
    total: int
    operators: int
    agreed: int
    said: tuple[str, ...]


def pay_out(city: World) -> PaidDay:
    """Sign where operators are paid, prepare, approve and release the day, write the documents, run the script on each."""
    day = DAY.isoformat()
    maker, checker = (
        city.lienthong("credential", "add", f"{role} {uuid.uuid4()}", "--role", role).strip()
        for role in ("finance_maker", "finance_checker")
    )
    for operator, (name, account) in ACCOUNTS.items():
        terms = {"valid_from": day, "name": name, "account": account, "bank": BANK}
        made = city.ask("POST", f"/v1/operators/{operator}/terms", maker, terms)
        signed = f"/v1/operators/{operator}/terms/{made['version']}/sign"
        city.ask("POST", signed, checker, {"approve": True})
    prepared: dict[str, Any] = city.ask("POST", "/v1/payouts", maker, {"book_day": day})
    total = prepared["total"]["minor"]
    word = {"decision": "approve", "total_minor": total}
    city.ask("POST", f"/v1/payouts/{prepared['payout_id']}/sign", checker, word)
    city.lienthong("payout", "release", day, "--out", str(city.home / f"pain-{day}.xml"))
    folder = city.home / "statements"
    city.lienthong("payout", "statements", day, "--out", str(folder))
    said = tuple(
        city.crew.call(str(folder / "check_settlement.py"), str(path)).strip()
        for path in sorted(folder.glob("*/*.evidence.jsonl"))
    )
    agreed = sum(one.startswith("AGREES") for one in said)
    return PaidDay(len(prepared["payments"]), total, len(said), agreed, said)
