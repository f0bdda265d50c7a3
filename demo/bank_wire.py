"""The wire formats of the demo's bank: VietQR as an app scans it, notifications as a provider signs them.

Second implementations on purpose, sharing nothing with ledger/rails: a misreading of a format shows as a
disagreement between the two.
"""

import binascii
import hashlib
import hmac
import json
import time
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

HANOI = timezone(timedelta(hours=7))


class RefusedError(Exception):
    """The app would not pay this; the text says why."""


def world_time(text: str) -> datetime:
    """The time now by a clock text: system, fixed:INSTANT or scaled;INSTANT;EPOCH_SECONDS;RATE."""
    if text.startswith("fixed:"):
        return datetime.fromisoformat(text[6:])
    if text.startswith("scaled;"):
        _, start, real, rate = text.split(";")
        return datetime.fromisoformat(start) + timedelta(seconds=(time.time() - float(real)) * float(rate))
    return datetime.now(UTC)


def scan(qr: str) -> dict[str, Any]:
    """What a bank's app sees in a VietQR: bin, account, amount, bill, reference, purpose."""
    if len(qr) < 12 or qr[-8:-4] != "6304":
        raise RefusedError("no checksum at the end")
    if format(binascii.crc_hqx(qr[:-4].encode("utf-8"), 65535), "04X") != qr[-4:].upper():
        raise RefusedError("wrong checksum")
    root = fields(qr)
    merchant = fields(root.get("38", ""))
    if root.get("00") != "01" or merchant.get("00") != "A000000727" or root.get("53") != "704":
        raise RefusedError("not a VietQR in đồng")
    target, extra = fields(merchant.get("01", "")), fields(root.get("62", ""))
    return {
        "bin": target.get("00", ""),
        "account": target.get("01", ""),
        "amount": int(root["54"]) if "54" in root else None,
        "bill": extra.get("01", ""),
        "reference": extra.get("05", ""),
        "purpose": extra.get("08", ""),
    }


def fields(text: str) -> dict[str, str]:
    """Tags and values of one level."""
    found: dict[str, str] = {}
    while text:
        if not text[:4].isdecimal() or len(text) < 4 + int(text[2:4]):
            raise RefusedError("broken structure")
        end = 4 + int(text[2:4])
        found[text[:2]] = text[4:end]
        text = text[end:]
    return found


def as_banks_write(text: str, trace: str) -> str:
    """A description after its way through a core system: capitals, no marks, no punctuation, cut every 10."""
    plain = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    glued = "".join(letter for letter in plain if letter.isascii() and letter.isalnum()).upper()
    return f"MBVCB.{trace}." + " ".join(glued[at : at + 10] for at in range(0, len(glued), 10)) + ".CT"


def hanoi_time(movement: dict[str, Any]) -> str:
    return datetime.fromisoformat(movement["paid_at"]).astimezone(HANOI).strftime("%Y-%m-%d %H:%M:%S")


def payos_note(movement: dict[str, Any], key: bytes) -> tuple[bytes, dict[str, str]]:
    """A payOS notification: `data` signed by HMAC-SHA256 over k=v&… in key order."""
    content = {
        "orderCode": movement["order_code"] or 0,
        "amount": movement["amount"],
        "description": movement["description"],
        "accountNumber": movement["account"],
        "reference": movement["reference"],
        "transactionDateTime": hanoi_time(movement),
        "currency": "VND",
        "paymentLinkId": "",
        "code": "00",
        "desc": "Thành công",
        "counterAccountName": None,
    }
    line = "&".join(f"{name}={'' if content[name] is None else content[name]}" for name in sorted(content))
    signature = hmac.new(key, line.encode(), hashlib.sha256).hexdigest()
    body = {"code": "00", "desc": "success", "success": True, "data": content, "signature": signature}
    return json.dumps(body, ensure_ascii=False).encode(), {}


def payos_status(code: int, paid: list[dict[str, Any]], key: bytes) -> dict[str, Any]:
    """What payOS answers about an order code: signed like a notification, the payments as a list."""
    total = sum(one["amount"] for one in paid)
    payments = [
        {
            "accountNumber": one["account"],
            "amount": one["amount"],
            "counterAccountName": None,
            "description": one["description"],
            "reference": one["reference"],
            "transactionDateTime": hanoi_time(one),
        }
        for one in paid
    ]
    content: dict[str, Any] = {
        "id": f"{code:x}",
        "orderCode": code,
        "amountPaid": total,
        "status": "PAID" if paid else "PENDING",
        "transactions": payments,
    }
    texts = {name: value if isinstance(value, str) else str(value) for name, value in content.items()}
    texts["transactions"] = json.dumps(payments, separators=(",", ":"), ensure_ascii=False)
    line = "&".join(f"{name}={texts[name]}" for name in sorted(texts))
    return {
        "code": "00",
        "desc": "success",
        "data": content,
        "signature": hmac.new(key, line.encode(), hashlib.sha256).hexdigest(),
    }


def casso_note(movement: dict[str, Any], key: bytes, now: datetime) -> tuple[bytes, dict[str, str]]:
    """A Casso notification: the whole body signed by HMAC-SHA512, with the sending time, in a header."""
    body = {
        "error": 0,
        "data": {
            "id": movement["id"],
            "reference": movement["reference"],
            "description": movement["description"],
            "amount": movement["amount"],
            "runningBalance": movement["balance"],
            "transactionDateTime": hanoi_time(movement),
            "accountNumber": movement["account"],
        },
    }
    sent = int(now.timestamp() * 1000)
    line = f"{sent}.{json.dumps(body, sort_keys=True, separators=(',', ':'), ensure_ascii=False)}"
    signature = hmac.new(key, line.encode(), hashlib.sha512).hexdigest()
    return json.dumps(body).encode(), {"X-Casso-Signature": f"t={sent},v1={signature}"}
