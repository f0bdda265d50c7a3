"""The elements of camt.053 and camt.054 as values. Elements are found by name in the namespace of the root.

Where versions differ: the status is text in 02 and a code inside <Sts> from 04 on (08: <Cd>); a transaction's amount
stands in <AmtDtls> in 02, in <Amt> from 04 on; parties are wrapped in <Pty> in 08; charges in <Rcrd> from 04 on.
Source: ISO 20022 message definitions camt.053.001.02, .04, .08 and camt.054 of the same versions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from lxml import etree

from kernel.money import Currency, Money
from ledger.rails.bankfile import (
    NO_CURRENCY,
    Balance,
    BalanceKind,
    BankEntry,
    EntryPart,
    Finding,
    error,
    read_amount,
    read_currency,
    warning,
)

HANOI: Final = ZoneInfo("Asia/Ho_Chi_Minh")
_DEBIT: Final = "DBIT"
_BOOKED: Final = "BOOK"
_ACCOUNTS: Final = ("IBAN", "Othr/Id", "PrtryAcct/Id")
_AMOUNTS: Final = ("Amt", "AmtDtls/TxAmt/Amt", "AmtDtls/CntrValAmt/Amt", "AmtDtls/InstdAmt/Amt")
_EXCHANGED: Final = ("TxAmt", "CntrValAmt", "InstdAmt")
_LONG: Final = 4_000  # characters kept of a text: a bank's own limit is 140 a line


@dataclass(slots=True)
class Elements:
    """Reads elements of one namespace; what is wrong goes to `findings`, at `where`."""

    namespace: str
    findings: list[Finding] = field(default_factory=list)
    where: str = ""
    _tags: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def path(self, name: str) -> str:
        """Return one name with the namespace."""
        return self.namespace + name

    def all(self, element: etree._Element, names: str) -> Iterator[etree._Element]:
        """Yield the elements at "A/B", in order. lxml's own paths are compiled anew past a hundred of them."""
        tags = self._tags.get(names)
        if tags is None:
            tags = self._tags[names] = tuple(self.namespace + name for name in names.split("/"))
        yield from _walk(element, tags, 0)

    def first(self, element: etree._Element, names: str) -> etree._Element | None:
        """Return the first element at a path, None when there is none."""
        return next(self.all(element, names), None)

    def text(self, element: etree._Element, *paths: str) -> str:
        """Return the first text found at one of `paths`, stripped; "" when there is none."""
        for names in paths:
            found = self.first(element, names)
            if found is not None and found.text and (kept := found.text.strip()):
                return kept[:_LONG]
        return ""

    def texts(self, element: etree._Element, names: str) -> Iterator[str]:
        """Yield every text at a path, stripped."""
        for found in self.all(element, names):
            if found.text and (kept := found.text.strip()):
                yield kept[:_LONG]

    def money(self, element: etree._Element, names: str = "Amt") -> Money | None:
        """Return the unsigned amount at a path, None where it does not stand or is none (then a finding)."""
        found = self.first(element, names)
        if found is None:
            return None
        unit, wrong = read_currency(found.get("Ccy") or "", self.where)
        if wrong is not None:
            self.findings.append(wrong)
        try:
            return read_amount(found.text or "", unit)
        except ValueError as malformed:
            self.findings.append(error("malformed-amount", str(malformed), self.where))
            return None

    def signed(self, element: etree._Element, amount: Money) -> Money:
        """Return the amount with its sign: the indicator is the direction of the movement itself.

        An entry with a reversal indicator keeps it: CRDT with RvslInd is money in, the original was a debit.
        """
        mark = self.text(element, "CdtDbtInd")
        if mark not in {"CRDT", _DEBIT}:
            self.findings.append(error("missing-direction", f"“{mark}” is neither CRDT nor DBIT", self.where))
        return -amount if mark == _DEBIT else amount

    def day(self, element: etree._Element, names: str) -> tuple[date | None, datetime | None]:
        """Return (local date, instant) of a date choice (<Dt> or <DtTm>); an impossible one is a finding.

        A date is taken as written, whatever zone follows it. An instant gives Hanoi's date; without a zone it is
        Hanoi's time already.
        """
        chosen = self.first(element, names)
        if chosen is None:
            return None, None
        written = self.text(chosen, "Dt") or self.text(chosen, "DtTm") or (chosen.text or "").strip()
        try:
            if "T" not in written:
                return date.fromisoformat(written[:10]), None
            at = _instant(written)
            at = at if at.tzinfo else at.replace(tzinfo=HANOI)
            return at.astimezone(HANOI).date(), at.astimezone(UTC)
        except (ValueError, OverflowError):
            self.findings.append(error("impossible-date", f"“{written}” is no date", self.where))
            return None, None

    def balance(self, element: etree._Element) -> Balance | None:
        """Return a <Bal>, None when its amount cannot be read (then there is a finding)."""
        code = self.text(element, "Tp/CdOrPrtry/Cd", "Tp/CdOrPrtry/Prtry", "Tp/Cd")
        self.where = f"balance {code}"
        amount = self.money(element)
        if amount is None:
            if self.first(element, "Amt") is None:
                self.findings.append(error("malformed-amount", "a balance without an amount", self.where))
            return None
        on, _ = self.day(element, "Dt")
        try:
            kind = BalanceKind(code)
        except ValueError:
            kind = BalanceKind.OTHER
        return Balance(kind, self.signed(element, amount), on, code)

    def charges(self, element: etree._Element, unit: Currency) -> Money | None:
        """Return what <Chrgs> took in the entry's currency, positive for a cost; None where none stands."""
        total, found = 0, False
        for charge in self.all(element, "Chrgs"):
            records = list(self.all(charge, "Rcrd")) or [charge]
            whole = self.money(charge, "TtlChrgsAndTaxAmt")
            if whole is not None and whole.currency == unit:
                total, found = total + whole.minor, True
                continue
            for record in records:
                amount = self.money(record)
                if amount is not None and amount.currency == unit:
                    cost = self.text(record, "CdtDbtInd") != "CRDT"
                    total, found = total + (amount.minor if cost else -amount.minor), True
        return Money(total, unit) if found else None

    def part(self, element: etree._Element, entry_mark: str, unit: str) -> EntryPart:
        """Return a <TxDtls>, signed by its own indicator, or by the entry's where it has none (version 02).

        Its amount is the one in `unit`, the entry's currency, where it says several.
        """
        refs = self.first(element, "Refs")
        debit = (self.text(element, "CdtDbtInd") or entry_mark) == _DEBIT
        amount = self._part_amount(element, unit)
        names = ("Cdtr", "Dbtr") if debit else ("Dbtr", "Cdtr")

        def ref(name: str) -> str:
            found = "" if refs is None else self.text(refs, name)
            return "" if found == "NOTPROVIDED" else found

        return EntryPart(
            amount=-amount if debit and amount is not None else amount,
            end_to_end=ref("EndToEndId"),
            transaction=ref("TxId"),
            instruction=ref("InstrId"),
            payment_information=ref("PmtInfId"),
            bank_reference=ref("AcctSvcrRef"),
            creditor_reference=self.text(element, "RmtInf/Strd/CdtrRefInf/Ref"),
            counterparty=self.text(
                element, *(f"RltdPties/{name}/{inner}Nm" for name in names for inner in ("", "Pty/"))
            ),
            counterparty_account=self.text(
                element, *(f"RltdPties/{name}Acct/Id/{kind}" for name in names for kind in _ACCOUNTS)
            ),
            text=" ".join(self.texts(element, "RmtInf/Ustrd"))[:_LONG]
            or self.text(element, "RmtInf/Strd/AddtlRmtInf", "AddtlTxInf"),
            return_reason=self.text(element, "RtrInf/Rsn/Cd", "RtrInf/Rsn/Prtry", "RtrInf/RtrRsn/Cd"),
            charges=self.charges(element, NO_CURRENCY if amount is None else amount.currency),
            instructed=self._instructed(element, unit),
            exchange_rate=self.text(element, *(f"AmtDtls/{kind}/CcyXchg/XchgRate" for kind in _EXCHANGED)),
        )

    def _part_amount(self, element: etree._Element, unit: str) -> Money | None:
        first = None
        for names in _AMOUNTS:
            amount = self.money(element, names)
            if amount is not None and amount.currency.code == unit:
                return amount
            first = first or amount
        return first

    def _instructed(self, element: etree._Element, unit: str) -> Money | None:
        """Return what was asked for in another currency; it only tells, so that nothing wrong in it is a finding."""
        found = self.first(element, "AmtDtls/InstdAmt/Amt")
        code = "" if found is None else found.get("Ccy") or ""
        if found is None or code == unit:
            return None
        asked, wrong = read_currency(code, self.where)
        try:
            return None if wrong is not None else read_amount(found.text or "", asked)
        except ValueError:
            return None

    def entry(self, element: etree._Element, number: int, parts: list[EntryPart]) -> BankEntry | None:
        """Return an <Ntry> whose <TxDtls> were read before; None when its amount cannot be read."""
        self.where = f"entry {number}"
        amount = self.money(element)
        if amount is None:
            if self.first(element, "Amt") is None:
                self.findings.append(error("malformed-amount", "an entry without an amount", self.where))
            return None
        signed = self.signed(element, amount)
        booked_on, booked_at = self.day(element, "BookgDt")
        value_on, _ = self.day(element, "ValDt")
        status = self.text(element, "Sts/Cd", "Sts/Prtry", "Sts") or _BOOKED
        batch_count, batch_total = self._batch(element, amount.currency)
        charges = self.charges(element, amount.currency)
        finished = self._finish(signed, parts, charges, batch_count, batch_total)
        return BankEntry(
            number=number,
            amount=signed,
            booked_on=booked_on,
            value_on=value_on,
            booked_at=booked_at,
            status=status,
            booked=status == _BOOKED,
            reversal=self.text(element, "RvslInd") in {"true", "1"},
            reference=self.text(element, "NtryRef"),
            bank_reference=self.text(element, "AcctSvcrRef"),
            kind=self._kind(element),
            text=self.text(element, "AddtlNtryInf") or (finished[0].text if len(finished) == 1 else ""),
            charges=charges,
            batch_count=batch_count,
            batch_total=batch_total,
            parts=finished,
        )

    def _kind(self, element: etree._Element) -> str:
        domain = [self.text(element, f"BkTxCd/Domn/{names}") for names in ("Cd", "Fmly/Cd", "Fmly/SubFmlyCd")]
        return "/".join(filter(None, domain)) or self.text(element, "BkTxCd/Prtry/Cd")

    def _batch(self, element: etree._Element, unit: Currency) -> tuple[int | None, Money | None]:
        count, total = None, None
        for batch in self.all(element, "NtryDtls/Btch"):
            said = self.text(batch, "NbOfTxs")
            if said.isascii() and said.isdigit():
                count = (count or 0) + int(said)
            amount = self.money(batch, "TtlAmt")
            if amount is not None and amount.currency == unit:
                total = amount if total is None else total + amount
        return count, total

    def _finish(
        self,
        signed: Money,
        parts: list[EntryPart],
        charges: Money | None,
        batch_count: int | None,
        batch_total: Money | None,
    ) -> tuple[EntryPart, ...]:
        """Return the payments of an entry, at least one, after checking that they add up to it."""
        if not parts:
            return (EntryPart(amount=signed),)
        if batch_count is not None and batch_count != len(parts):
            self.findings.append(
                warning("batch-count", f"a batch of {batch_count} shows {len(parts)} payments", self.where)
            )
        if batch_total is not None and batch_total.minor != abs(signed.minor):
            self.findings.append(
                warning("batch-total", f"a batch of {batch_total} is booked as {signed}", self.where)
            )
        known = [
            part.amount.minor for part in parts if part.amount and part.amount.currency == signed.currency
        ]
        if len(parts) == 1 and not known:
            return (replace(parts[0], amount=signed),)
        if len(known) < len(parts):
            self.findings.append(
                warning("parts-unknown", "not every payment says its amount in this currency", self.where)
            )
        elif signed.minor not in {(total := sum(known)), total - (charges.minor if charges else 0)}:
            self.findings.append(
                warning("parts-differ", f"its payments come to {Money(total, signed.currency)}", self.where)
            )
        return tuple(parts)


def _instant(written: str) -> datetime:
    """Return an ISO 8601 time; 24:00:00, which XML Schema allows, is the next day's midnight."""
    day, _, time = written.partition("T")
    if time.startswith("24:00:00"):
        return datetime.fromisoformat(f"{day}T00:00:00{time[8:]}") + timedelta(days=1)
    return datetime.fromisoformat(written)


def _walk(element: etree._Element, tags: tuple[str, ...], at: int) -> Iterator[etree._Element]:
    for child in element.iterchildren(tags[at]):
        if at + 1 == len(tags):
            yield child
        else:
            yield from _walk(child, tags, at + 1)
