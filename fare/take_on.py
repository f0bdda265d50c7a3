"""Take passes of an outgoing scheme on: dated facts like any sale, the money owed by that scheme."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from fare.rules.facts import HeldPass
from fare.rules.tariff import TariffBook
from fare.sell import PaidBy
from fare.store import facts, sales
from kernel.ids import EntryId, FareAccountId, uuid8
from kernel.money import Money
from ledger import post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.entry import Entry, Line, Refused


@dataclass(frozen=True, slots=True)
class OldPass:
    """A pass of an outgoing scheme on its service days, both inclusive; `worth` is what the scheme hands over."""

    account: FareAccountId
    product_id: str
    scope: str
    first_day: date
    last_day: date
    worth: Money

    @property
    def pass_id(self) -> UUID:
        """Return the id that this pass has wherever it is taken on from."""
        return uuid8("legacy pass", self.account, self.product_id, self.scope, self.first_day, self.last_day)


def take_on_passes(
    tx: Connection,
    passes: Sequence[OldPass],
    *,
    scheme: str,
    tariff: TariffBook,
    by: str,
    service_day: date,
    now: datetime,
) -> int:
    """Give these accounts their passes and return how many are new; the accounts are locked by the caller."""
    book_day = post.book_day(tx, service_day, now)
    owes = chart.legacy_clearing(scheme, tariff.currency)
    new = [one for one in passes if sales.find_sale(tx, one.account, one.pass_id) is None]
    for one in new:
        entry_id = None
        if one.worth:
            deferred = chart.deferred_pass(one.product_id, tariff.currency)
            open_accounts(tx, (owes, deferred), now)
            entry_id = EntryId(uuid8("pass", one.account, one.pass_id))
            line = Line(owes.account_id, deferred.account_id, one.worth)
            entry = Entry(
                entry_id, "legacy.pass", (line,), one.account, service_day, now, f"pass:{one.pass_id}",
                "legacy.pass", metadata={"scheme": scheme, "product": one.product_id},
            )  # fmt: skip
            (outcome,) = post.post(tx, [entry], now)
            assert not isinstance(outcome, Refused), "neither account has a floor"
        window = tariff.day_bounds(one.first_day)[0], tariff.day_bounds(one.last_day)[1]
        held = HeldPass(one.pass_id, one.product_id, one.scope, *window)
        facts.insert_pass(tx, one.account, held, price=one.worth, purchased_at=now, entry_id=entry_id)
        sales.insert_sales(
            tx,
            [
                sales.NewSale(
                    one.account, one.pass_id, PaidBy.LEGACY.value, None, scheme, None, None,
                    tariff.version, by, book_day,
                )
            ],
        )  # fmt: skip
    return len(new)
