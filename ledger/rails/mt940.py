"""MT940 customer statements: many in one file, with or without SWIFT's envelope, read line by line.

A statement begins at `:20:`; nothing of one is carried into the next. Source: SWIFT Standards MT940; what real
banks add (header lines, a dash after each statement, `:NS:` fields) is let pass. docs/bank-files.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from kernel.money import Currency
from ledger.rails.bank_tally import Chain, Tally
from ledger.rails.bankfile import (
    NO_CURRENCY,
    BankEntry,
    Event,
    FileOpened,
    Finding,
    StatementOpened,
    error,
    warning,
)
from ledger.rails.mt940_fields import EntryLine, read_balance, read_details, read_line
from ledger.rails.source import Source, TooLargeError

_TAG: Final = re.compile(r":(20|21|25P?|28C?|60[FM]|61|62[FM]|64|65|86|13D?|34F|90[CD]|NS):(.*)", re.DOTALL)
_ENVELOPE: Final = re.compile(r"\{[1235S]:[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
# Messages of a queue follow each other on one line: "-}{5:…}{1:…}{2:…}{4:", some with "$" between them.
# Sweden's seven bits have å and ä where SWIFT has braces.
_END: Final = re.compile(r"\s*-[-}å]?[\s$\x01\x03]*(?:[{ä]4:)?\s*")
_FRAME: Final = "\ufeff\x01\x03\x1a"  # marks around a message that are no part of it
_BALANCES: Final = ("60F", "60M", "62F", "62M", "64", "65")
_LONGEST_LINE: Final = 64 * 1024
_MOST_LINES: Final = 200  # of one field; :86: has six, and banks that ignore that have a few dozen


class _UnreadableError(ValueError):
    """The bytes are no text of lines: (code, message)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_mt940(source: Source, *, strict: bool = False) -> Iterator[Event]:
    """Yield the events of an MT940 file. Never raises for the file: what is wrong becomes a finding."""
    reader = _Reader(strict)
    yield FileOpened("mt940")
    try:
        for tag, text in reader.fields(source):
            yield from reader.take(tag, text)
    except TooLargeError as large:
        yield from reader.broken(error("too-large", str(large)))
        return
    except _UnreadableError as broken:
        yield from reader.broken(error(broken.code, str(broken)))
        return
    yield from reader.finish()


class _Reader:
    def __init__(self, strict: bool) -> None:
        self.strict = strict
        self.chain = Chain(strict)
        self.number = 0
        self.head: dict[str, str] = {}
        self.opened: StatementOpened | None = None
        self.tally: Tally | None = None
        self.findings: list[Finding] = []
        self.unit: Currency = NO_CURRENCY
        self.line: EntryLine | None = None
        self.details: str | None = None
        self.after_closing = False

    def fields(self, source: Source) -> Iterator[tuple[str, str]]:
        """Yield (tag, text) in order; the lines of one field are joined by line feeds."""
        tag, lines = "", list[str]()
        for line in self._lines(source):
            found = _TAG.match(line)
            if found is not None:
                if tag:
                    yield tag, "\n".join(lines)
                tag, lines = found[1], [found[2]]
            elif _END.fullmatch(line):
                if tag:
                    yield tag, "\n".join(lines)
                tag, lines = "", []
            elif tag and len(lines) < _MOST_LINES:
                lines.append(line)
            elif tag and len(lines) == _MOST_LINES:
                lines.append("")
                self.findings.append(
                    warning("field-too-long", f"a field :{tag}: of more than {_MOST_LINES} lines is cut")
                )
        if tag:
            yield tag, "\n".join(lines)

    def _lines(self, source: Source) -> Iterator[str]:
        rest, encoding = b"", "utf-8"
        while True:
            chunk = source.read()
            *whole, rest = re.split(rb"\r\n|\n|\r(?!\n)(?=.)", rest + chunk)
            if not chunk:
                whole, rest = [*whole, rest], b""
            if len(rest) > _LONGEST_LINE or any(len(raw) > _LONGEST_LINE for raw in whole):
                raise _UnreadableError("line-too-long", f"a line has more than {_LONGEST_LINE} bytes")
            for raw in whole:
                if b"\0" in raw:
                    raise _UnreadableError("nul-byte", "a byte of value zero stands in the text")
                try:
                    line = raw.decode(encoding, "strict" if encoding == "utf-8" else "replace")
                except UnicodeDecodeError:
                    encoding = "cp1252"
                    self.chain.findings.append(
                        warning("encoding", "the file is not UTF-8; read as Windows-1252")
                    )
                    line = raw.decode(encoding, "replace")
                line = _ENVELOPE.sub("", line.strip(_FRAME)).removeprefix("{4:").removeprefix("ä4:")
                line = line.strip(_FRAME).rstrip("\r")
                line = line.removesuffix("-}") if line.endswith("-}") and line != "-}" else line
                yield line
            if not chunk:
                return

    def take(self, tag: str, text: str) -> Iterator[Event]:
        """Yield what a field brings to an end."""
        if tag == "20":
            yield from self._close()
            self.number += 1
            self.head = {"20": text.strip()}
            return
        if not self.head:
            self.findings.append(error("no-reference", f"field :{tag}: stands before any :20:"))
            self.number += 1
            self.head = {"20": ""}
        if tag == "25P":  # the account, then whose it is on a line of its own
            self.head["25"] = text.partition("\n")[0].strip()
        elif tag in {"25", "28", "28C", "21"}:
            self.head[tag.rstrip("C")] = " ".join(text.split())
        elif tag in _BALANCES:
            yield from self._entry_done()
            yield from self._balance(tag, text)
        elif tag == "61":
            yield from self._entry_done()
            yield from self._open()
            where = f"entry {self._next}"
            self.line, self.details = read_line(text, self.unit, self.findings, where), None
            self.after_closing = False
        elif tag == "86":
            if self.line is not None and not self.after_closing:
                self.details = text if self.details is None else f"{self.details}\n{text}"
        elif tag in {"34F", "13", "13D", "90C", "90D"} and self.tally is None:
            self.findings.append(warning("not-a-statement", f"field :{tag}: is of MT942, an interim report"))

    @property
    def _next(self) -> int:
        return 1 if self.tally is None else self.tally.entries + 1

    def _balance(self, tag: str, text: str) -> Iterator[Event]:
        found = read_balance(tag, text, self.findings)
        if found is not None and self.tally is None:
            self.unit = found.amount.currency
        yield from self._open()
        if found is not None and self.tally is not None:
            self.tally.balance(found)
        self.after_closing = tag not in {"60F", "60M"}

    def _open(self) -> Iterator[Event]:
        if self.tally is not None:
            return
        sequence, _, page = self.head.get("28", "").partition("/")
        self.opened = StatementOpened(
            number=self.number,
            statement=self.head.get("20", ""),
            account=self.head.get("25", ""),
            currency=self.unit.code if self.unit is not NO_CURRENCY else "",
            sequence=sequence.strip(),
            page=page.strip(),
        )
        self.tally = Tally(self.opened, self.strict)
        if not self.opened.account:
            self.tally.findings.append(warning("no-account", "the statement names no account (:25:)"))
        yield self.opened

    def _entry_done(self) -> Iterator[Event]:
        line, self.line = self.line, None
        if line is None or self.tally is None:
            return
        part = read_details(self.details or "", line.amount, line.supplement)
        found = BankEntry(
            number=self.tally.entries + 1,
            amount=line.amount,
            booked_on=line.booked_on,
            value_on=line.value_on,
            booked=line.booked,
            status="BOOK" if line.booked else "PDNG",
            reversal=line.reversal,
            reference=line.reference,
            bank_reference=line.bank_reference,
            kind=line.kind,
            supplement=line.supplement,
            text=part.text or line.supplement,
            parts=(part,),
        )
        self.tally.entry(found)
        self.tally.note(self.findings)
        self.findings.clear()
        yield found

    def _close(self) -> Iterator[Event]:
        if not self.head:
            return
        yield from self._entry_done()
        yield from self._open()
        assert self.tally is not None, "just opened"
        assert self.opened is not None, "just opened"
        self.tally.note(self.findings)
        end = self.tally.close()
        self.chain.add(self.opened, end)
        self.tally, self.opened, self.findings = None, None, []
        self.head, self.unit, self.after_closing = {}, NO_CURRENCY, False
        yield end

    def broken(self, found: Finding) -> Iterator[Event]:
        """End a file that cannot be read on."""
        self.findings.append(found)
        yield from self._close()
        self.chain.findings.append(found)
        yield self.chain.close()

    def finish(self) -> Iterator[Event]:
        """End the file."""
        yield from self._close()
        yield self.chain.close()
