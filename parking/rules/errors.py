"""What cannot be asked of parking. Fields only; the service's table decides on HTTP."""

from __future__ import annotations

from kernel.errors import DomainError


class RateFilesInvalidError(DomainError):
    """The rate files contradict themselves; `problems` is a tuple of (file, row, field, message)."""

    detail = "The rate files have {count} problems; the first: {first}"


class UnknownPlaceError(DomainError):
    """No place, or no gate, of that id."""

    detail = "There is no {what} “{place_id}”."

    def __init__(self, *, place_id: str, what: str = "place") -> None:
        super().__init__(place_id=place_id, what=what)


class UnknownVehicleClassError(DomainError):
    """No vehicle class of that id."""

    detail = "There is no vehicle class “{vehicle_class}”; known: {known}."


class UnknownUnitError(DomainError):
    """The table has no price for this counted unit."""

    detail = "Rate table {table_id} prices no “{unit}”; its units: {known}."


class UnitCountError(DomainError):
    """A count of units that no meter shows."""

    detail = "{count} {unit} cannot be: a count is at least 0 and has up to three decimals."


class NoRateError(DomainError):
    """The files hold no price for this place, class, user and time: unknown, never zero."""

    detail = "No rate for {vehicle_class} ({user}) at {place_id} from {entered_at}: {reason}."


class UncoveredTimeError(DomainError):
    """The table has no line for a minute of the stay: its price is unknown, never zero."""

    detail = "Rate table {table_id} has no price at {at}: {reason}."


class ImpossibleTimesError(DomainError):
    """A stay that ends before it begins, lies in the future, or is longer than a rate may price.

    Who has only entered, or only left, gives one of the two instants.
    """

    detail = "A stay {told} is impossible: {reason}."

    def __init__(self, *, entered_at: str | None, left_at: str | None, reason: str) -> None:
        ends = (("from", entered_at), ("to" if entered_at else "until", left_at))
        told = " ".join(f"{word} {at}" for word, at in ends if at is not None)
        super().__init__(entered_at=entered_at, left_at=left_at, reason=reason, told=told)
        del self.fields["told"]  # the two instants say it


class PlateInvalidError(DomainError):
    """The text is no number plate."""

    detail = "“{plate}” is no number plate: {reason}."


class PartsDoNotSumError(DomainError):
    """The published parts and their printed total differ; no share is computed from such figures."""

    detail = "The parts sum to {computed}, printed {printed} (difference {difference}). {hint}"


class SessionStateError(DomainError):
    """The event cannot happen to a session in this state."""

    detail = "A session that is {state} cannot be {event}."
