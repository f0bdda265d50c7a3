"""The files of the demo's bank: camt.053 (02, 04, 08), camt.054, MT940 and a provider's settlement CSV.

Second implementations on purpose, as in bank_wire: nothing here imports a house, so that a misreading of a format
by ledger/rails shows as a disagreement. A movement is a dict with amount (signed đồng), paid_at (ISO with zone),
reference, description and, where the bank says more, end_to_end, id, fee, order_code, reversal, parts, pending.
"""

import csv
import io
from datetime import date, datetime, timedelta, timezone
from typing import Any
from xml.sax.saxutils import escape

HANOI = timezone(timedelta(hours=7))


def booked_on(movement: dict[str, Any]) -> date:
    """The bank's own day of a movement."""
    return datetime.fromisoformat(movement["paid_at"]).astimezone(HANOI).date()


def camt(
    statements: list[dict[str, Any]], *, version: str = "08", message: str = "053", name: str = "STMT"
) -> bytes:
    """A camt.053 or camt.054 of statements: {"id", "account", "opening", "currency", "day", "movements"}."""
    outer, inner = ("BkToCstmrStmt", "Stmt") if message == "053" else ("BkToCstmrDbtCdtNtfctn", "Ntfctn")
    out: list[str] = []
    out.append(
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.{message}.001.{version}"><{outer}>'
        f"<GrpHdr><MsgId>{escape(name)}</MsgId><CreDtTm>2026-11-19T01:00:00+07:00</CreDtTm></GrpHdr>"
    )
    for number, one in enumerate(statements, 1):
        unit = one.get("currency", "VND")
        out.append(
            f"<{inner}><Id>{escape(str(one['id']))}</Id><ElctrncSeqNb>{one.get('sequence', number)}</ElctrncSeqNb>"
            f"<CreDtTm>2026-11-19T01:00:00+07:00</CreDtTm>"
            f"<Acct><Id><Othr><Id>{escape(one['account'])}</Id></Othr></Id><Ccy>{unit}</Ccy></Acct>"
        )
        if message == "053":
            closing = one.get(
                "closing", one["opening"] + sum(m["amount"] for m in one["movements"] if not m.get("pending"))
            )
            out.append(_balance(one.get("opening_code", "OPBD"), one["opening"], unit, one["day"]))
            out.append(_balance("CLBD", closing, unit, one["day"]))
        out += [_entry(m, unit, version) for m in one["movements"]]
        out.append(f"</{inner}>")
    out.append(f"</{outer}></Document>\n")
    return "".join(out).encode()


def _amount(minor: int, unit: str) -> str:
    size = abs(minor)
    return str(size) if unit == "VND" else f"{size // 100}.{size % 100:02d}"


def _mark(minor: int) -> str:
    return "DBIT" if minor < 0 else "CRDT"


def _balance(code: str, minor: int, unit: str, day: str) -> str:
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{unit}">{_amount(minor, unit)}</Amt><CdtDbtInd>{_mark(minor)}</CdtDbtInd>'
        f"<Dt><Dt>{day}</Dt></Dt></Bal>"
    )


def _entry(movement: dict[str, Any], unit: str, version: str) -> str:
    status = "PDNG" if movement.get("pending") else "BOOK"
    amount = movement["amount"]
    parts = movement.get("parts", [movement])
    reversal = "<RvslInd>true</RvslInd>" if movement.get("reversal") else ""
    batch = (
        f'<Btch><NbOfTxs>{len(parts)}</NbOfTxs><TtlAmt Ccy="{unit}">{_amount(amount, unit)}</TtlAmt></Btch>'
        if len(parts) > 1
        else ""
    )
    return (
        f'<Ntry><NtryRef>{escape(movement["reference"])}</NtryRef><Amt Ccy="{unit}">{_amount(amount, unit)}</Amt>'
        f"<CdtDbtInd>{_mark(amount)}</CdtDbtInd>{reversal}"
        + (f"<Sts>{status}</Sts>" if version == "02" else f"<Sts><Cd>{status}</Cd></Sts>")
        + f"<BookgDt><DtTm>{movement['paid_at']}</DtTm></BookgDt><ValDt><Dt>{booked_on(movement)}</Dt></ValDt>"
        f"<AcctSvcrRef>{escape(movement['reference'])}</AcctSvcrRef>"
        "<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>BOOK</SubFmlyCd></Fmly></Domn></BkTxCd>"
        + _charges(movement, unit, version)
        + f"<NtryDtls>{batch}"
        + "".join(_details(part, unit, version) for part in parts)
        + "</NtryDtls></Ntry>"
    )


def _charges(movement: dict[str, Any], unit: str, version: str) -> str:
    if not movement.get("fee"):
        return ""
    inner = f'<Amt Ccy="{unit}">{_amount(movement["fee"], unit)}</Amt><CdtDbtInd>DBIT</CdtDbtInd>'
    return f"<Chrgs>{inner}</Chrgs>" if version == "02" else f"<Chrgs><Rcrd>{inner}</Rcrd></Chrgs>"


def _details(part: dict[str, Any], unit: str, version: str) -> str:
    amount = f'<Amt Ccy="{unit}">{_amount(part["amount"], unit)}</Amt>'
    money = (
        f"<AmtDtls><TxAmt>{amount}</TxAmt></AmtDtls>"
        if version == "02"
        else f"{amount}<CdtDbtInd>{_mark(part['amount'])}</CdtDbtInd>"
    )
    party = f"<Nm>{escape(part.get('name', 'NGUYEN VAN A'))}</Nm>"
    return (
        f"<TxDtls><Refs><AcctSvcrRef>{escape(part['reference'])}</AcctSvcrRef>"
        f"<EndToEndId>{escape(part.get('end_to_end') or 'NOTPROVIDED')}</EndToEndId></Refs>{money}"
        f"<RltdPties><Dbtr>{f'<Pty>{party}</Pty>' if version == '08' else party}</Dbtr></RltdPties>"
        f"<RmtInf><Ustrd>{escape(part['description'])}</Ustrd></RmtInf></TxDtls>"
    )


def mt940(statements: list[dict[str, Any]], *, envelope: bool = False, newline: str = "\r\n") -> bytes:
    """An MT940 file of the same statements, each in SWIFT's envelope where asked."""
    lines: list[str] = []
    for number, one in enumerate(statements, 1):
        unit, day = one.get("currency", "VND"), one["day"].replace("-", "")[2:]
        if envelope:
            lines.append("{1:F01BANKVNVXAXXX0000000000}{2:I940CUSTVNVXXXXXN}{4:")
        closing = one.get("closing", one["opening"] + sum(m["amount"] for m in one["movements"]))
        lines += [
            f":20:{one['id']}",
            f":25:{one['account']}",
            f":28C:{one.get('sequence', number)}/1",
            f":60F:{_sign(one['opening'])}{day}{unit}{_comma(one['opening'], unit)}",
        ]
        for movement in one["movements"]:
            on = booked_on(movement)
            mark = _sign(movement["amount"])
            if movement.get("reversal"):  # RC takes back a credit: the money goes out
                mark = "RC" if mark == "D" else "RD"
            lines.append(
                f":61:{on:%y%m%d%m%d}{mark}{_comma(movement['amount'], unit)}NTRF"
                f"{(movement.get('end_to_end') or 'NONREF')[:16]}//{movement['reference'][:16]}"
            )
            words = movement["description"]
            lines += [
                (":86:" if not at else "") + words[at : at + 65] for at in range(0, max(1, len(words)), 65)
            ]
        lines += [f":62F:{_sign(closing)}{day}{unit}{_comma(closing, unit)}", "-}" if envelope else "-"]
    return (newline.join(lines) + newline).encode()


def _sign(minor: int) -> str:
    return "D" if minor < 0 else "C"


def _comma(minor: int, unit: str) -> str:
    size = abs(minor)
    return f"{size}," if unit == "VND" else f"{size // 100},{size % 100:02d}"


PROVIDER_COLUMNS = (
    "transaction_id", "order_code", "reference", "kind", "amount", "fee", "net", "paid_at", "payout_id",
    "account", "description", "status",
)  # fmt: skip


def provider_csv(movements: list[dict[str, Any]], *, payout: str = "", total: bool = True) -> bytes:
    """A provider's settlement file of the same movements."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(PROVIDER_COLUMNS)
    for one in movements:
        fee = one.get("fee", 0)
        kind = "payment" if one["amount"] >= 0 else "chargeback" if one.get("reversal") else "refund"
        rows.writerow(
            (
                one.get("id", one["reference"]), one.get("order_code") or "", one["reference"], kind,
                one["amount"], fee, abs(one["amount"]) - fee, one["paid_at"], one.get("payout", payout),
                one.get("account", ""), one["description"], "success",
            )
        )  # fmt: skip
    if total:
        rows.writerow(("TOTAL", "", "", "", sum(one["amount"] for one in movements)))
    return text.getvalue().encode()
