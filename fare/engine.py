"""Whether today's pricing engine may go on with a day that an earlier one booked (DESIGN §8.7)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from fare.rules.bill import ENGINE_VERSION, Closed
from fare.rules.carried import Carried
from fare.rules.difference import BookedLine, LineKey, differences, wanted_lines
from fare.rules.facts import DayFacts
from fare.rules.price import price_day
from fare.rules.tariff import TariffBook
from fare.store import bills
from kernel.clock import from_micros

_NAMED: Final = ("tap_id", "tap_off_id")


def may_go_on(
    header: bills.Header, facts: DayFacts, booked: Mapping[LineKey, BookedLine], tariff: TariffBook
) -> bool:
    """Whether this engine makes of a booked day's own taps exactly what is booked of them.

    Then the earlier engine would price a late tap alike as far as anybody can tell, and the day goes on with this one;
    else it stands, and takes an announced run. `facts` may hold more taps than the bill did.
    """
    if header.engine_version == ENGINE_VERSION:
        return True
    rides = bills.parsed_list(header.rides)
    named = {ride[field] for ride in rides for field in _NAMED} | {
        one["tap_id"] for one in bills.parsed_list(header.unpriced)
    }
    then = replace(
        facts, taps=tuple(tap for tap in facts.taps if str(tap.tap_id) in named), as_of=_known_up_to(rides)
    )
    carried = Carried.from_json(bills.parsed(header.carried_in))
    return not differences(wanted_lines(price_day(then, tariff, carried)), booked)


def _known_up_to(rides: list[dict[str, object]]) -> datetime | None:
    """Return an instant at which the rides that were left open still were; None where none was."""
    began = [int(str(ride["started_at"])) for ride in rides if ride["closed"] == Closed.OPEN.value]
    return from_micros(min(began)) if began else None
