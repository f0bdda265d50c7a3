"""camt.053 (statement) and camt.054 (notification), read in one pass with flat memory.

Versions 02, 04 and 08 are known; another version, or a document without a namespace, is read with a warning.
Source: ISO 20022, Bank-to-Customer Cash Management; docs/bank-files.md lists what is checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from lxml import etree

from ledger.rails.bank_tally import Chain, Tally
from ledger.rails.bankfile import (
    EntryPart,
    Event,
    FileOpened,
    Finding,
    StatementOpened,
    error,
    read_amount,
    read_currency,
    warning,
)
from ledger.rails.camt_parts import Elements
from ledger.rails.source import ForbiddenXmlError, Source, TooLargeError, check_prolog

KNOWN: Final = ("02", "04", "08")
_NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:"
_MESSAGES: Final = {
    "BkToCstmrStmt": ("camt.053", "Stmt"),
    "BkToCstmrDbtCdtNtfctn": ("camt.054", "Ntfctn"),
}
_CODES: Final[dict[type[Exception], str]] = {TooLargeError: "too-large", ForbiddenXmlError: "forbidden-xml"}
# The net stands in TtlNetNtryAmt in version 02, in TtlNetNtry from 04 on.
_TOTALS: Final = (
    *(f"{names}/{what}" for names in ("TtlNtries", "TtlCdtNtries", "TtlDbtNtries") for what in ("NbOfNtries", "Sum")),
    *("TtlNtries/TtlNetNtry/Amt", "TtlNtries/TtlNetNtry/CdtDbtInd", "TtlNtries/TtlNetNtryAmt", "TtlNtries/CdtDbtInd"),
)  # fmt: skip
_WATCHED: Final = tuple(
    "{*}" + name
    for name in (*_MESSAGES, "Document", "GrpHdr", "Stmt", "Ntfctn", "Bal", "TxsSummry", "Ntry", "TxDtls")
)


def read_camt(source: Source, *, strict: bool = False) -> Iterator[Event]:
    """Yield the events of a camt.053 or camt.054 document.

    Never raises for the document: a document type declaration, broken XML, an unknown message or a file over the
    limit end it as quarantined, with what was read before marked by that reason.
    """
    reader = _Reader(strict)
    try:
        if source.skip_blank():
            reader.chain.findings.append(
                warning("white-space", "white space before the document was removed")
            )
        check_prolog(source)
        yield from reader.walk(source)
    except (etree.XMLSyntaxError, ValueError) as broken:
        said = " ".join(str(broken).split())
        yield from reader.broken(error(_CODES.get(type(broken), "unreadable-xml"), said))


class _Reader:
    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.chain = Chain(strict)
        self.elements = Elements("")
        self.opened: FileOpened | None = None
        self.announced = False
        self.inside = ""
        self.tally: Tally | None = None
        self.number = 0
        self.parts: list[EntryPart] = []
        self.head: StatementOpened | None = None
        self.summary: dict[str, str] = {}

    def walk(self, source: Source) -> Iterator[Event]:
        walking = etree.iterparse(
            source,
            events=("start", "end"),
            tag=_WATCHED,
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_comments=True,
            remove_pis=True,
        )
        for moment, element in walking:
            name = etree.QName(element).localname
            if moment == "start":
                self._start(element, name)
            else:
                yield from self._end(element, name)
        if self.opened is None:
            yield from self.broken(error("unknown-message", "neither a camt.053 nor a camt.054"))
            return
        yield from self._announce()
        yield self.chain.close()

    def broken(self, found: Finding) -> Iterator[Event]:
        """End a file that cannot be read on; the statement it stands in is quarantined for it."""
        self.opened = self.opened or FileOpened("camt")
        yield from self._announce()
        if self.tally is not None:
            self.tally.findings.append(found)
            yield from self._close()
        self.chain.findings.append(found)
        yield self.chain.close()

    def _start(self, element: etree._Element, name: str) -> None:
        if name in _MESSAGES and self.opened is None:
            if element.getroottree().docinfo.internalDTD is not None:  # the second lock, behind check_prolog
                raise ForbiddenXmlError("a document type (DOCTYPE) may not stand in a bank file")
            namespace = element.tag[: -len(name)]
            self.elements = Elements(namespace)
            format_, self.inside = _MESSAGES[name]
            version = self._version(namespace.strip("{}"), format_)
            self.opened = FileOpened(format_, version)
        elif name == self.inside and self.tally is None:
            self.number += 1
            self.head, self.summary, self.parts = None, {}, []

    def _version(self, namespace: str, format_: str) -> str:
        stem, _, version = namespace.rpartition(".")
        if stem != f"{_NAMESPACE}{format_}.001" or version not in KNOWN:
            shown = namespace or "no namespace"
            self.chain.findings.append(
                warning("unknown-version", f"read as {format_}, though it declares {shown}")
            )
        return version if stem.startswith(_NAMESPACE) else ""

    def _end(self, element: etree._Element, name: str) -> Iterator[Event]:
        if self.opened is None:
            return
        parent = element.getparent()
        within = "" if parent is None else etree.QName(parent).localname
        if name == "GrpHdr":
            self._group(element)
            yield from self._announce()
        elif name == "Bal" and within == self.inside:
            yield from self._open(parent)
            found = self.elements.balance(element)
            if found is not None and self.tally is not None:
                self.tally.balance(found)
            self._drop(element)
        elif name == "TxsSummry" and within == self.inside:
            yield from self._open(parent)
            self.summary = {names: self.elements.text(element, names) for names in _TOTALS}
        elif name == "TxDtls":
            entry = next(element.iterancestors(self.elements.path("Ntry")), None)
            mark = "" if entry is None else self.elements.text(entry, "CdtDbtInd")
            booked = None if entry is None else self.elements.first(entry, "Amt")
            unit = "" if booked is None else booked.get("Ccy") or ""
            self.parts.append(self.elements.part(element, mark, unit))
            self._drop(element)
        elif name == "Ntry" and within == self.inside:
            yield from self._open(parent)
            yield from self._entry(element)
            self._drop(element)
        elif name == self.inside:
            yield from self._open(element)
            yield from self._close()
            self._drop(element)

    def _group(self, element: etree._Element) -> None:
        assert self.opened is not None, "a header stands inside a message"
        self.elements.where = "header"
        _, created = self.elements.day(element, "CreDtTm")
        self.opened = FileOpened(
            self.opened.format, self.opened.version, self.elements.text(element, "MsgId"), created
        )

    def _announce(self) -> Iterator[Event]:
        if self.opened is not None and not self.announced:
            self.announced = True
            yield self.opened

    def _open(self, element: etree._Element | None) -> Iterator[Event]:
        """Read the head of a statement, once: all of it stands before the first balance or entry."""
        if self.head is not None or element is None:
            return
        yield from self._announce()
        read = self.elements
        read.where = f"statement {self.number}"
        _, created = read.day(element, "CreDtTm")
        self.head = StatementOpened(
            number=self.number,
            statement=read.text(element, "Id"),
            account=read.text(
                element, "Acct/Id/IBAN", "Acct/Id/Othr/Id", "Acct/Id/PrtryAcct/Id", "Acct/Id/BBAN"
            ),
            currency=read.text(element, "Acct/Ccy"),
            sequence=read.text(element, "ElctrncSeqNb", "LglSeqNb"),
            page=read.text(element, "StmtPgntn/PgNb", "NtfctnPgntn/PgNb"),
            created_at=created,
            from_at=read.text(element, "FrToDt/FrDtTm", "FrToDt/FrDt"),
            to_at=read.text(element, "FrToDt/ToDtTm", "FrToDt/ToDt"),
            has_balances=self.inside == "Stmt",
        )
        self.tally = Tally(self.head, self.strict)
        if not self.head.account:
            self.tally.findings.append(warning("no-account", "the statement names no account"))
        if self.head.currency:
            _, wrong = read_currency(self.head.currency, "account")
            if wrong is not None:
                self.tally.findings.append(wrong)
        yield self.head

    def _entry(self, element: etree._Element) -> Iterator[Event]:
        assert self.tally is not None, "an entry stands in an opened statement"
        parts, self.parts = self.parts, []
        found = self.elements.entry(element, self.tally.entries + 1, parts)
        self._note(self.tally)
        if found is not None:
            self.tally.entry(found)
            yield found

    def _note(self, tally: Tally) -> None:
        tally.note(self.elements.findings)
        self.elements.findings.clear()

    def _close(self) -> Iterator[Event]:
        if self.tally is None or self.head is None:
            return
        self._note(self.tally)
        self._check_summary(self.tally)
        end = self.tally.close()
        self.chain.add(self.head, end)
        self.tally, self.head = None, None
        yield end

    def _check_summary(self, tally: Tally) -> None:
        """Compare what the statement says about itself; banks count pending entries or leave them out."""
        said = self.summary.get("TtlNtries/NbOfNtries", "")
        if said.isascii() and said.isdigit() and int(said) != tally.booked:
            tally.summary(what="number of entries", said=int(said), got=tally.entries)
        unit = tally.unit
        if tally.entries != tally.booked or unit is None:
            return
        for names, got in (
            ("TtlCdtNtries", tally.credit_count),
            ("TtlDbtNtries", tally.booked - tally.credit_count),
        ):
            said = self.summary.get(f"{names}/NbOfNtries", "")
            if said.isascii() and said.isdigit():
                tally.summary(what=f"{names}/NbOfNtries", said=int(said), got=got)
        net = tally.credits - tally.debits
        for names, got in (
            ("TtlCdtNtries/Sum", tally.credits),
            ("TtlDbtNtries/Sum", tally.debits),
            ("TtlNtries/Sum", tally.credits + tally.debits),
            ("TtlNtries/TtlNetNtryAmt", self._signed("TtlNtries/CdtDbtInd", net)),
            ("TtlNtries/TtlNetNtry/Amt", self._signed("TtlNtries/TtlNetNtry/CdtDbtInd", net)),
        ):
            try:
                sum_said = read_amount(self.summary.get(names, ""), unit)
            except ValueError:
                continue
            tally.summary(what=f"{names} in minor units", said=sum_said.minor, got=got)

    def _signed(self, mark: str, net: int) -> int:
        """Return the net as the mark beside it counts it; without a mark its size."""
        said = self.summary.get(mark, "")
        return -net if said == "DBIT" else net if said == "CRDT" else abs(net)

    @staticmethod
    def _drop(element: etree._Element) -> None:
        """Forget an element that was read, and the one of its kind before it, so that memory stays flat."""
        element.clear()
        before, parent = element.getprevious(), element.getparent()
        if before is not None and parent is not None and before.tag == element.tag:
            parent.remove(before)
