"""VietQR: the NAPAS profile of the merchant-presented QR, written strictly and read with tolerance.

Source: NAPAS "QR Format T&C" v1.0 (09/2021), §5.2.3.2 (tag 38) and §6.1 (samples); docs/topup.md lists the limits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from kernel.money import VND, Money
from ledger.rails.banks import Bank, find_bank
from ledger.rails.emvqr import (
    DataObject,
    MalformedQrError,
    Payload,
    UnwritableQrError,
    Warned,
    read_objects,
    read_payload,
    without_empty,
    write_objects,
    write_payload,
)
from ledger.rails.fold import fold

NAPAS: Final = "A000000727"
TRANSFER_BELOW: Final = Money(500_000_000, VND)  # State Bank: one VietQR transfer stays below 500 M VND
_ROOT_ORDER: Final = ("00", "01", "38", "52", "53", "54", "58", "59", "60", "61", "62")
_ADDITIONAL: Final = {"01": "bill", "05": "reference", "07": "terminal", "08": "purpose"}
_EXTRA_LIMIT: Final = 25
_LIMITS: Final = {"59": ("name", 25), "60": ("city", 15), "61": ("postal_code", 10)}
_BIN: Final = re.compile(r"[0-9]{6}", re.ASCII)
_ACCOUNT: Final = re.compile(r"[0-9A-Za-z]{1,19}", re.ASCII)
_CARD: Final = re.compile(r"[0-9]{13,19}", re.ASCII)
_AMOUNT: Final = re.compile(r"([0-9]{1,13})(?:\.0{0,2})?", re.ASCII)
_CATEGORY: Final = re.compile(r"[0-9]{4}", re.ASCII)


class NotVietQrError(MalformedQrError):
    """The payload is a sound EMV QR, but not one that a NAPAS transfer can be made from."""

    detail = "The QR is not a VietQR: {reason}."


class Service(Enum):
    """What the transfer goes to (tag 38, 02)."""

    ACCOUNT = "QRIBFTTA"
    CARD = "QRIBFTTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class VietQr:
    """What a VietQR says. Empty text and None mean that the field does not stand in it."""

    bin: str
    account: str
    service: Service = Service.ACCOUNT
    single_use: bool = False
    amount: Money | None = None
    category: str = ""
    name: str = ""
    city: str = ""
    postal_code: str = ""
    bill: str = ""
    reference: str = ""
    terminal: str = ""
    purpose: str = ""


@dataclass(frozen=True, slots=True)
class Read:
    """A VietQR as read: its content, its bank if the list has it, and everything that was let pass."""

    qr: VietQr
    bank: Bank | None
    warnings: tuple[Warned, ...]


def write(qr: VietQr) -> str:
    """Return the payload text of `qr`, every field inside its published limit.

    Purpose and names are folded to ASCII, as bank apps do. Refuses with UnwritableQrError: a bank number that is
    not six digits, an account or card number of the wrong shape, an amount that is not whole VND in
    [1, 500 M), any field over its length or of which folding leaves nothing.
    """
    _require(_BIN.fullmatch(qr.bin), "bin", "a bank number is six digits")
    if qr.service is Service.CARD:
        _require(_CARD.fullmatch(qr.account), "account", "a card number is 13 to 19 digits")
    else:
        _require(_ACCOUNT.fullmatch(qr.account), "account", "an account is 1 to 19 letters or digits")
    _require(qr.category == "" or _CATEGORY.fullmatch(qr.category), "category", "a category is four digits")
    beneficiary = write_objects([DataObject("00", qr.bin), DataObject("01", qr.account)])
    merchant = [DataObject("00", NAPAS), DataObject("01", beneficiary), DataObject("02", qr.service.value)]
    root = [
        DataObject("00", "01"),
        DataObject("01", "12" if qr.single_use else "11"),
        DataObject("38", write_objects(merchant)),
        DataObject("52", qr.category),
        DataObject("53", "704"),
        DataObject("54", _write_amount(qr.amount)),
        DataObject("58", "VN"),
    ]
    for tag, (field, longest) in _LIMITS.items():
        root.append(DataObject(tag, _write_text(qr, field, longest)))
    root.append(DataObject("62", _write_additional(qr)))
    return write_payload(item for item in root if item.value)


def _write_amount(amount: Money | None) -> str:
    if amount is None:
        return ""
    _require(amount.currency == VND, "amount", "VietQR carries VND only")
    _require(
        Money.zero(VND) < amount < TRANSFER_BELOW, "amount", f"more than nothing, below {TRANSFER_BELOW}"
    )
    return str(amount.minor)


def _write_additional(qr: VietQr) -> str:
    parts = []
    for tag, field in _ADDITIONAL.items():
        if text := _write_text(qr, field, _EXTRA_LIMIT):
            parts.append(DataObject(tag, text))
    whole = write_objects(parts)
    _require(len(whole) <= 99, "62", "bill, reference, terminal and purpose together pass 99 characters")
    return whole


def _write_text(qr: VietQr, field: str, longest: int) -> str:
    given = getattr(qr, field)
    text = fold(given)
    _require(len(text) <= longest, field, f"at most {longest} characters")
    _require(text or not given.strip(), field, "nothing of it can be written in ASCII")
    return text


def _require(holds: object, field: str, reason: str) -> None:
    if not holds:
        raise UnwritableQrError(field=field, reason=reason)


def read(text: str) -> Read:
    """Return what a scanned VietQR says.

    Structure and checksum are both verified. Refused: whatever emvqr refuses, a broken template inside tag 38 or
    62, no NAPAS account information, an account or amount that cannot be one. Let pass with a warning: an unknown
    bank or service, a card number of another shape, tags out of order or unknown, an over-long text, a missing country, an amount with empty
    decimals or at the transfer limit, a single-use QR without amount.
    """
    payload = read_payload(text)
    warnings = list(payload.warnings)
    root = {item.tag: item.value for item in payload.objects}
    _check_order(payload.objects, warnings)
    merchant = _template(root, "38", payload, warnings)
    if merchant.get("00") != NAPAS:
        reason = "tag 38 does not name NAPAS" if "38" in root else "there is no tag 38, the account of NAPAS"
        raise NotVietQrError(offset=0, reason=reason)
    beneficiary = _template(merchant, "01", payload, warnings, within="38-")
    number, account = beneficiary.get("00", ""), beneficiary.get("01", "")
    if not _BIN.fullmatch(number) or not _ACCOUNT.fullmatch(account):
        raise NotVietQrError(offset=0, reason="tag 38 has no bank number of six digits with an account")
    bank = find_bank(number)
    if bank is None:
        warnings.append(Warned("unknown-bank", f"bank number {number} is not in the list"))
    if root.get("53") != "704":
        raise NotVietQrError(offset=0, reason="the currency is not 704 (VND)")
    if root.get("58") != "VN":
        warnings.append(Warned("country", "the country is not VN"))
    for tag, (field, longest) in _LIMITS.items():
        if len(root.get(tag, "")) > longest:
            warnings.append(Warned("too-long", f"{field} is longer than {longest} characters"))
    single_use = _is_single_use(root.get("01"), warnings)
    amount = _read_amount(root.get("54"), warnings)
    if single_use and amount is None:
        warnings.append(Warned("no-amount", "a single-use QR names no amount"))
    extra = _template(root, "62", payload, warnings) if "62" in root else {}
    for within, values, known in (
        ("38", merchant, {"00", "01", "02"}),
        ("38-01", beneficiary, {"00", "01"}),
        ("62", extra, _ADDITIONAL.keys()),
    ):
        warnings += [
            Warned("unknown-tag", f"tag {within}-{tag} is not of the profile")
            for tag in values
            if tag not in known
        ]
    warnings += [
        Warned("too-long", f"{_ADDITIONAL[tag]} is longer than {_EXTRA_LIMIT} characters")
        for tag in _ADDITIONAL
        if len(extra.get(tag, "")) > _EXTRA_LIMIT
    ]
    service = _read_service(merchant.get("02"), warnings)
    if service is Service.CARD and not _CARD.fullmatch(account):
        warnings.append(Warned("card-number", "the number is none of a card, which has 13 to 19 digits"))
    qr = VietQr(
        bin=number,
        account=account,
        service=service,
        single_use=single_use,
        amount=amount,
        category=root.get("52", ""),
        name=root.get("59", ""),
        city=root.get("60", ""),
        postal_code=root.get("61", ""),
        **{field: extra.get(tag, "") for tag, field in _ADDITIONAL.items()},
    )
    return Read(qr, bank, tuple(warnings))


def _template(
    values: Mapping[str, str], tag: str, payload: Payload, warnings: list[Warned], within: str = ""
) -> dict[str, str]:
    try:
        objects = read_objects(values.get(tag, ""), in_bytes=payload.in_bytes, empty=True)
        return {item.tag: item.value for item in without_empty(objects, f"{within}{tag}-", warnings)}
    except MalformedQrError as broken:
        raise MalformedQrError(
            offset=broken.fields["offset"], reason=f"in tag {within}{tag}: {broken.fields['reason']}"
        ) from None


def _check_order(objects: tuple[DataObject, ...], warnings: list[Warned]) -> None:
    known = [_ROOT_ORDER.index(item.tag) for item in objects if item.tag in _ROOT_ORDER]
    if known != sorted(known):
        warnings.append(Warned("order", "the tags are not in the order of the profile"))
    warnings += [
        Warned("unknown-tag", f"tag {item.tag} is not of the profile")
        for item in objects
        if item.tag not in _ROOT_ORDER
    ]


def _is_single_use(method: str | None, warnings: list[Warned]) -> bool:
    if method not in {"11", "12"}:
        warnings.append(Warned("method", "tag 01 is neither 11 (static) nor 12 (single-use); read as static"))
    return method == "12"


def _read_service(code: str | None, warnings: list[Warned]) -> Service:
    try:
        return Service(code)
    except ValueError:
        warnings.append(
            Warned("service", f"service {code} is neither to an account nor to a card; read as to an account")
        )
        return Service.ACCOUNT


def _read_amount(text: str | None, warnings: list[Warned]) -> Money | None:
    if text is None:
        return None
    found = _AMOUNT.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise NotVietQrError(offset=0, reason=f"“{text}” is not an amount in VND")
    if found[0] != found[1] or found[1].startswith("0"):
        warnings.append(Warned("amount-form", f"the amount is written {text}; VND has no decimals"))
    amount = Money(int(found[1]), VND)
    if amount >= TRANSFER_BELOW:
        warnings.append(Warned("amount-limit", f"a single transfer stays below {TRANSFER_BELOW}"))
    return amount
