"""What a caller of the ledger may have asked wrongly. Refusals (frozen, floor) are values, not these."""

from __future__ import annotations

from kernel.errors import DomainError


class BadLineError(DomainError):
    """A posting line that cannot exist: not a positive amount in range, or one account on both sides."""

    detail = "The line's {field} cannot be {value}: {why}."


class BadEntryError(DomainError):
    """An entry whose own fields cannot be: no lines, too many, mixed currencies, an impossible text or time."""

    detail = "The entry's {field} cannot be {value}: {why}."


class IdReusedError(DomainError):
    """The id was used before with another body; `field` names the first field that differs."""

    detail = "{id} was used before with another {field}."


class UnknownAccountError(DomainError):
    """A line names an account that was never opened."""

    detail = "Account {account_id} is not open in the ledger."


class WrongCurrencyError(DomainError):
    """A line's currency is not its account's."""

    detail = "Account {account_id} is kept in {expected}, the line is in {given}."


class WrongOwnerError(DomainError):
    """A rider's or guarded account may be posted only under its owner's id, the distribution key."""

    detail = "Account {account_id} belongs to {expected}; the entry is {given}'s."


class AccountDiffersError(DomainError):
    """The account id is open already with other facts (type, currency, owner, floor)."""

    detail = "Account {account_id} is open already with another {field}."


class AccountNotEmptyError(DomainError):
    """Only an account at zero, with nothing pending, closes."""

    detail = "Account {account_id} still holds {balance}."


class AccountStateError(DomainError):
    """The account is not in a state that allows the step."""

    detail = "Account {account_id} is {state}: it cannot be {step}."


class UnknownEntryError(DomainError):
    """No such entry under this owner."""

    detail = "There is no entry {entry_id} of {owner_id}."


class AlreadyReversedError(DomainError):
    """A correction of this entry for this cause exists with other content."""

    detail = "Entry {entry_id} was reversed already, by {reversal_id}."


class UnknownHoldError(DomainError):
    """No such hold under this owner."""

    detail = "There is no hold {hold_id} of {owner_id}."


class HoldEndedError(DomainError):
    """The hold was posted, voided or has expired; its end is final."""

    detail = "Hold {hold_id} is {state}: it cannot be {step}."


class HoldAmountError(DomainError):
    """A hold posts between one minor unit and what it holds."""

    detail = "Hold {hold_id} holds {held}; {asked} cannot be posted from it."


class DayNotOverError(DomainError):
    """A book day that has not begun cannot be closed."""

    detail = "Book day {book_day} lies ahead of {today}: it cannot be closed yet."


class DayRunningError(DomainError):
    """A book day is settled from its cut-off on, when the rides that began on it have ended."""

    detail = "Book day {book_day} is still running: it is settled from {settled_from} on."


class DayNotClosedError(DomainError):
    """What was asked needs a sealed book day."""

    detail = "Book day {book_day} is not closed."


class UnknownSealError(DomainError):
    """Nothing can show that a seal extends the one with this head; `why` says what is in the way."""

    detail = "It cannot be shown that the seal of {book_day} extends the head {head}: {why}."


class SettlementDiffersError(DomainError):
    """A settlement of this day and operator is stored with other figures; settlements are immutable."""

    detail = "The settlement of {operator} for {book_day} is stored with another {field}."


class BadSettleLineError(DomainError):
    """A dimensioned line whose parts do not make its whole, or whose counts are negative."""

    detail = "Settlement line {line}: {why}."


class BadCursorError(DomainError):
    """The cursor was not made by this statement."""

    detail = "“{cursor}” is no cursor of this statement."


class ParquetMissingError(DomainError):
    """Parquet needs a package that is not installed."""

    detail = "Parquet needs pyarrow: install the extra, e.g. pip install 'lienthong[parquet]'."
