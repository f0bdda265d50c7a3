"""May this card travel? Pure: what was read, what the bundle says, what this reader remembers, what the clock is worth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from access.rules.medium import expired
from kernel.service_day import local_date
from kernel.wire.cardinfo import PRODUCT_PURSE, CardInfo
from kernel.wire.tap import ClockState, Phase, TapRecord
from readers.bundle import Bundle

LAST_COUNTER: Final = 0xFFFFFFFF


class Reason(StrEnum):
    """Why a genuine card is turned away. The words travel in the record's `reason`."""

    NO_BUNDLE = "no-bundle"
    BUNDLE_STALE = "bundle-stale"
    CLOCK_UNSYNCED = "clock-unsynced"
    GENERATION_UNKNOWN = "generation-unknown"
    DENIED = "denied"
    EXPIRED = "expired"
    COUNTER_EXHAUSTED = "counter-exhausted"
    EXPOSURE = "exposure"
    CARD_EXPOSURE = "card-exposure"
    PASSBACK = "passback"
    PURSE_UNSAFE = "purse-unsafe"
    PURSE_UNPRICED = "purse-unpriced"
    PURSE_SHORT = "purse-short"
    PURSE_NO_ENTRY = "purse-no-entry"


@dataclass(frozen=True, slots=True)
class Accept:
    """Go on to INTENT and commit."""


@dataclass(frozen=True, slots=True)
class Recover:
    """The card committed this torn tap after all: record it with the card's MAC, do not commit again."""

    torn: TapRecord


@dataclass(frozen=True, slots=True)
class Repeat:
    """The tap is already proven on disk but its light was never shown: show it, write nothing."""

    done: TapRecord


@dataclass(frozen=True, slots=True)
class Refused:
    """The card may not travel here now."""

    reason: Reason


Verdict = Accept | Recover | Repeat | Refused


@dataclass(frozen=True, slots=True)
class Seen:
    """The last tap of one card on this reader.

    `shown` is false where the daemon died before the light. `this_run` says that the tap's monotonic time is of
    the clock that still runs: it then ages the tap, so that a jump of the wall clock neither opens nor shuts the
    passback window.
    """

    tap: TapRecord
    shown: bool = True
    this_run: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When and in what condition the reader decides; `unsent` records are not yet acknowledged."""

    now: datetime
    monotonic_ms: int
    clock_state: ClockState
    zone: ZoneInfo
    unsent: int = 0


def decide(
    *,
    info: CardInfo,
    prior_tmc: int,
    bundle: Bundle | None,
    seen: Seen | None,
    moment: Moment,
    own_unsent: int = 0,
) -> Verdict:
    """Return what to do with an authenticated card. Never raises.

    A tap that the card has already committed here is honoured before anything else is asked: its rider is only
    waiting for the light (DESIGN §8.14). Then the refusals, the reader's own before the card's. `own_unsent`: taps of
    this card here that the server has not acknowledged (`readers.exposure`).
    """
    if bundle is None:
        return Refused(Reason.NO_BUNDLE)
    inside = seen is not None and within_passback(seen, moment, bundle.passback_s)
    if seen is not None and inside and prior_tmc == seen.tap.tmc:
        if seen.tap.phase is Phase.TORN:
            return Recover(seen.tap)
        if not seen.shown:
            return Repeat(seen.tap)
    reason = reader_refuses(bundle, moment) or _card_refused(info, prior_tmc, bundle, moment)
    if reason is not None:
        return Refused(reason)
    if seen is not None and inside and seen.tap.phase in {Phase.DONE, Phase.RECOVERED}:
        return Refused(Reason.PASSBACK)
    limit = bundle.risk.card_unsent_max
    if limit is not None and own_unsent >= limit and info.product != PRODUCT_PURSE:
        return Refused(Reason.CARD_EXPOSURE)
    return Accept()


def reader_refuses(bundle: Bundle, moment: Moment) -> Reason | None:
    """Return why this reader may serve nobody now, None when it may."""
    risk = bundle.risk
    if risk.refuse_when_stale and is_stale(bundle, moment.now):
        return Reason.BUNDLE_STALE
    if risk.refuse_when_unsynced and moment.clock_state is ClockState.UNSYNCED:
        return Reason.CLOCK_UNSYNCED
    if risk.unsent_max is not None and moment.unsent >= risk.unsent_max:
        return Reason.EXPOSURE
    return None


def _card_refused(info: CardInfo, prior_tmc: int, bundle: Bundle, moment: Moment) -> Reason | None:
    if info.key_generation not in bundle.generations:
        return Reason.GENERATION_UNKNOWN
    if bundle.denied.denies(info.serial):
        return Reason.DENIED
    # A clock that knows no date cannot call a card expired; the back office judges it again.
    dated = moment.clock_state is not ClockState.UNSYNCED
    if dated and expired(info.expires_on, local_date(moment.now, moment.zone)):
        return Reason.EXPIRED
    if prior_tmc >= LAST_COUNTER:
        return Reason.COUNTER_EXHAUSTED
    return None


def is_stale(bundle: Bundle, now: datetime) -> bool:
    """Return whether the bundle is older than its own risk rules allow."""
    limit = bundle.risk.stale_after
    return limit is not None and now - bundle.made_at > limit


def within_passback(seen: Seen, moment: Moment, passback_s: int) -> bool:
    """Return whether the tap is less than `passback_s` old; one from the future is not."""
    if seen.this_run:
        return 0 <= moment.monotonic_ms - seen.tap.monotonic_ms < passback_s * 1000
    return timedelta(0) <= moment.now - seen.tap.tapped_at < timedelta(seconds=passback_s)
