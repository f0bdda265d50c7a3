"""A receipt on paper: what the signed JSON says, in Vietnamese and English."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from fare.rules.explain_text import amount_text
from kernel.money import currency
from service.pdf import Column, Paper

_HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_METHODS: Final = {
    "cash": "tiền mặt / cash",
    "cash_by_proxy": "tiền mặt nộp hộ / cash by proxy",
    "vietqr": "VietQR",
}
_COMPONENTS: Final = {
    "charged": "phải trả / charged",
    "discounted": "giảm giá / discounted",
    "pass_covered": "vé đã mua / covered by a pass",
    "waived": "miễn / waived",
    "cap_covered": "quá mức trần / over the cap",
}
Facts = Callable[[dict[str, Any]], list[tuple[str, str]]]


def receipt_pdf(document: dict[str, Any]) -> bytes:
    """Return a signed receipt as a PDF; the same receipt gives the same bytes."""
    receipt, signature = document["receipt"], document["signature"]
    title, facts, parts = _KINDS[receipt["kind"]]
    paper = Paper(
        title,
        made_at=datetime.fromisoformat(receipt["issued_at"]),
        footer=f"{receipt['receipt_id']} · Ed25519 {signature['key_id']}",
    )
    paper.facts(facts(receipt))
    parts(paper, receipt)
    if receipt.get("invoices"):
        paper.heading("Hóa đơn điện tử / E-invoices")
        for each in receipt["invoices"]:
            paper.say(f"{each['number']} ({each['issued_on']}): {_amount(each['total'])}")
    paper.heading("Chữ ký / Signature")
    paper.say(
        "Bản JSON của biên lai này có chữ ký và tự kiểm tra được. / "
        "The JSON of this receipt is signed and can be checked by anybody (lienthong receipt verify).",
        faint=True,
    )
    paper.say(signature["value"], faint=True)
    return paper.written()


def _stay_facts(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Bãi xe / Place", receipt["place"]["name"]),
        ("Đơn vị / Operator", receipt["operator_id"]),
        ("Lượt gửi / Session", receipt["session_id"]),
        ("Vào / Entered", _at(receipt["entered_at"])),
        ("Ra / Left", _at(receipt["left_at"])),
        ("Giá / Price", _amount(receipt["total"])),
        ("Phải trả / Charged", _amount(receipt["charged"])),
    ]


def _topup_facts(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Mã / Top-up", receipt["topup_id"]),
        ("Nội dung / Reference", receipt["reference"]),
        ("Lúc / Paid at", _at(receipt["paid_at"])),
        ("Số tiền / Received", _amount(receipt["received"])),
        ("Kênh / Provider", receipt["provider"]),
    ]


def _stay_parts(paper: Paper, receipt: dict[str, Any]) -> None:
    proof = receipt["proof"]
    if proof is not None:
        paper.heading("Cách tính / How it was priced")
        paper.rows(
            [
                Column("Từ / From", 3),
                Column("Đến / To", 3),
                Column("Nội dung / Line", 4),
                Column("Số tiền / Amount", 3, number=True),
            ],
            [
                (
                    _at(each["from"]),
                    _at(each["to"]),
                    each["description"] or each["kind"],
                    _amount(each["amount"]),
                )
                for each in proof["lines"]
            ],
            total=("", "", "Cộng / Total", _amount(proof["total"])),
        )
        paper.say(f"{proof['decision']} · {proof['rates_version']} · {proof['table_id']}", faint=True)
    _who_pays(paper, receipt)
    if receipt["payments"]:
        paper.heading("Đã trả / Paid")
        paper.facts(
            (
                _METHODS.get(each["method"], each["method"]),
                f"{_amount(each['amount'])}, {_at(each['paid_at'])}",
            )
            for each in receipt["payments"]
        )


def _ride_facts(receipt: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Tuyến / Route", receipt["route"] or "?"),
        ("Đơn vị / Operator", receipt["operator_id"]),
        ("Lên / From", f"{receipt['from_stop'] or '?'}, {_at(receipt['started_at'])}"),
        ("Xuống / To", f"{receipt['to_stop'] or '?'}, {_at(receipt['ended_at'])}"),
        ("Giá vé / Face value", _amount(receipt["face_value"])),
        ("Phải trả / Charged", _amount(receipt["charged"])),
    ]


def _ride_parts(paper: Paper, receipt: dict[str, Any]) -> None:
    for title, lines in (("Cách tính", receipt["why"]["vi"]), ("How it was priced", receipt["why"]["en"])):
        paper.heading(title)
        for each in lines:
            paper.say(each)
    paper.say(receipt["tariff_version"], faint=True)
    _who_pays(paper, receipt)


def _who_pays(paper: Paper, receipt: dict[str, Any]) -> None:
    if not receipt["lines"]:
        return
    paper.heading("Ai trả / Who pays")
    paper.facts(
        (
            _COMPONENTS.get(each["component"], each["component"]),
            f"{_amount(each['amount'])} ({each['funder']})",
        )
        for each in receipt["lines"]
    )


def _no_parts(_: Paper, __: dict[str, Any]) -> None:
    """A top-up is its facts."""


def _at(text: str | None) -> str:
    return datetime.fromisoformat(text).astimezone(_HANOI).strftime("%H:%M %d/%m/%Y") if text else "?"


def _amount(money: dict[str, Any]) -> str:
    return amount_text(int(money["minor"]), currency(str(money["currency"])))[0]


_KINDS: Final[Mapping[str, tuple[str, Facts, Callable[[Paper, dict[str, Any]], None]]]] = {
    "parking_stay": ("Biên lai gửi xe / Parking receipt", _stay_facts, _stay_parts),
    "ride": ("Biên lai chuyến đi / Ride receipt", _ride_facts, _ride_parts),
    "topup": ("Biên lai nạp tiền / Top-up receipt", _topup_facts, _no_parts),
}
