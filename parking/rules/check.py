"""What an enforcement check says of a vehicle: paid, until when and by what, or not (APDS, STANDARDS: typo-safe)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from uuid import UUID

from parking.rules.plate import PlateMatch
from parking.rules.session import RUNNING, State


class Verdict(Enum):
    """What the check found: AT_EXIT runs and pays when it ends. Only EXPIRED and NOTHING may lead to a notice."""

    PAID = "paid"
    AT_EXIT = "at_exit"
    ELSEWHERE = "elsewhere"
    EXPIRED = "expired"
    PERHAPS = "perhaps"
    NOTHING = "nothing"


class PaidWith(Enum):
    """By what a running session is paid."""

    ACCOUNT = "account"
    AHEAD = "ahead"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A running session as a check sees it; `here` says whether it is at the place asked about.

    A guest's time is paid until `paid_until`; it was asked for, by paying or extending, until `until`.
    """

    session_id: UUID
    place_id: str
    state: State
    here: bool
    match: PlateMatch
    guest: bool
    entered_at: datetime | None
    paid_until: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """The answer. `may_notify` is never true where anything alike was found that is not plainly unpaid."""

    verdict: Verdict
    may_notify: bool
    paid_with: PaidWith | None = None
    until: datetime | None = None
    running: Running | None = None


def check(found: tuple[Running, ...], *, at: datetime) -> Checked:
    """Return what the running sessions of a plate, card or ticket, and of what is nearly that plate, say at `at`.

    Exact ones before alike ones, here before elsewhere, paid before unpaid. A session found only by a MINOR
    difference is PERHAPS whatever it says: somebody looks again, nobody is fined.
    """
    assert all(each.state in RUNNING for each in found), "only running sessions are checked"
    if not found:
        return Checked(verdict=Verdict.NOTHING, may_notify=True)
    answers = [_judge(each, at) for each in found]
    return min(answers, key=_rank)


def _judge(each: Running, at: datetime) -> Checked:
    paid_with, until = _paid(each, at)
    if each.match is PlateMatch.MINOR:
        return Checked(
            verdict=Verdict.PERHAPS, may_notify=False, paid_with=paid_with, until=until, running=each
        )
    if not each.here:
        return Checked(
            verdict=Verdict.ELSEWHERE, may_notify=False, paid_with=paid_with, until=until, running=each
        )
    if paid_with is not PaidWith.NOT_YET:
        verdict = Verdict.PAID
    else:
        verdict = Verdict.AT_EXIT if each.until is None or at <= each.until else Verdict.EXPIRED
    return Checked(
        verdict=verdict,
        may_notify=verdict is Verdict.EXPIRED,
        paid_with=paid_with,
        until=until,
        running=each,
    )


def _paid(each: Running, at: datetime) -> tuple[PaidWith, datetime | None]:
    if not each.guest:
        return PaidWith.ACCOUNT, None
    if each.paid_until is not None and at <= each.paid_until:
        return PaidWith.AHEAD, each.paid_until
    return PaidWith.NOT_YET, each.paid_until


_ORDER = (
    Verdict.PAID,
    Verdict.AT_EXIT,
    Verdict.EXPIRED,
    Verdict.ELSEWHERE,
    Verdict.PERHAPS,
    Verdict.NOTHING,
)


def _rank(answer: Checked) -> tuple[int, bytes]:
    """Order answers: a paid session at the place settles the matter; an alike one never hides an exact one."""
    assert answer.running is not None, "an answer among others has a session"
    return _ORDER.index(answer.verdict), answer.running.session_id.bytes
