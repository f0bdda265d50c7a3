"""A phone and a card of two accounts that may be linked, one bus reader, and the Hanoi tariff."""

from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import fare
from access import issue, link
from access.issue import NewCard
from access.rules.link import Counting, LinkFact
from access.rules.medium import MediumKind
from access.take_in import take_in
from access.taps import list_home_taps
from fare.bill import fare_tap, is_fare_tap
from fare.publish import Shelf, publish
from fare.rules.bill import Component
from fare.rules.difference import wanted_lines
from fare.rules.fold import days_of, fold_days
from fare.store import bills
from kernel.ids import EntryId, uuid7
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Purpose
from ledger import accounts, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service.jobs.bill_batch import bill_batch
from service.jobs.link_accounts import LinkAsked, link_accounts
from tests.simulation import World, sim_card

HANOI = Path(fare.__file__).parent / "tariffs" / "hanoi"
DAY = date(2026, 11, 18)


class City:
    """One reader, a phone and a card of two accounts, and the Hanoi tariff."""

    def __init__(self, world: World):
        self.world, self.tx, self.now = world, world.tx, world.now
        publish(
            self.tx, HANOI, prepared_by="mai", approved_by="tuan", key=world.keyring.bundle_key, now=self.now
        )
        self.shelf = Shelf(world.keyring.bundle_key.public)
        self.reader = world.reader()
        self.reader.clock = self.now - timedelta(hours=4)
        self.media = {"phone": self.medium(1, MediumKind.VIRTUAL), "card": self.medium(2, MediumKind.TRANSIT)}
        self.version = self.shelf.books(self.tx).current().version

    def medium(self, number, kind):
        uid = b"\x04" + number.to_bytes(6, "big")
        (made,) = issue.issue_cards(
            self.tx,
            keyring=self.world.keyring,
            asked=[NewCard(uid=uid, concession=Concession.NORMAL, expires_on=date(2030, 12, 31), kind=kind)],
            now=self.now,
        )
        return sim_card(self.world.keyring, uid, serial=made.serial, info=made.info, issued=made)

    def account(self, name):
        return self.media[name].issued.fare_account_id

    def load(self, name, minor):
        purse, clearing = chart.rider_stored_value(self.account(name)), chart.provider_clearing("payos")
        debt = chart.rider_receivable(self.account(name))
        accounts.open_accounts(self.tx, (purse, clearing, debt), self.now)
        post.post(
            self.tx,
            [
                Entry(
                    EntryId(uuid7(self.now)),
                    "topup",
                    (Line(clearing.account_id, purse.account_id, Money(minor, VND)),),
                    self.account(name),
                    DAY,
                    self.now,
                )
            ],
            self.now,
        )

    def purse(self, name):
        specs = (chart.rider_stored_value(self.account(name)), chart.rider_receivable(self.account(name)))
        accounts.open_accounts(self.tx, specs, self.now)
        found = accounts.read_balances(self.tx, [spec.account_id for spec in specs], self.now)
        return tuple(found[spec.account_id].posted.minor for spec in specs)

    def tap(self, name, minutes, *, purpose=Purpose.BOARD, stop="26-01", place="29B-101.26", route="26"):
        """A record of the reader's at so many minutes after six in the morning in Hanoi."""
        at = self.now - timedelta(hours=3) + timedelta(minutes=minutes)
        self.reader.tap(
            self.media[name],
            at=at,
            purpose=purpose,
            stop_id=stop,
            place=place,
            route_id=route,
            tariff_version=self.version,
        )

    def send(self, first, last):
        taken = take_in(self.tx, self.reader.upload(first, last), keyring=self.world.keyring, now=self.now)
        return bill_batch(self.tx, taken, shelf=self.shelf, now=self.now)

    def link(self, account, into, minutes=-120, keep=MediumKind.TRANSIT, link_id=None):
        return link_accounts(
            self.tx,
            LinkAsked(
                link_id=link_id or uuid4(),
                account=self.account(account),
                into=self.account(into),
                effective_from=self.now - timedelta(hours=3) + timedelta(minutes=minutes),
                reason="one person",
                keep=keep,
            ),
            shelf=self.shelf,
            actor="mai",
            now=self.now,
            late_days=45,
        )

    def booked(self, name):
        """What is booked for an account: amounts by component, over all its days."""
        account, sums = self.account(name), {}
        for day in (DAY - timedelta(days=1), DAY):
            for key, line in bills.list_booked_lines(self.tx, {account: day}).get((account, day), {}).items():
                if line.amount_minor:
                    sums[day, key.tap_id, key.component] = (
                        sums.get((day, key.tap_id, key.component), 0) + line.amount_minor
                    )
        return {key: minor for key, minor in sums.items() if minor}

    def charged(self, name):
        return sum(
            minor
            for (_, _, component), minor in self.booked(name).items()
            if component == Component.CHARGED.value
        )

    def scratch(self, name, facts):
        """The same, folded from the evidence alone by pure rules."""
        counting, book = Counting(facts), self.shelf.books(self.tx).current()
        homes = [self.account(each) for each in self.media]
        since = self.now - timedelta(days=2)
        mine = [
            fare_tap(tap)
            for tap in list_home_taps(self.tx, homes, since=since, until=self.now + timedelta(days=1))
            if is_fare_tap(tap) and counting.account(tap.fare_account_id, tap.tapped_at) == self.account(name)
        ]
        sums = {}
        for _, _, bill in fold_days(days_of(self.account(name), mine, book, as_of=self.now), book):
            for key, line in wanted_lines(bill).items():
                place = bill.service_day, key.tap_id, key.component
                sums[place] = sums.get(place, 0) + line.amount_minor
        return {key: minor for key, minor in sums.items() if minor}


def facts_of(city):
    return [
        LinkFact(row.fare_account_id, row.link_no, row.into_account_id, row.effective_from)
        for name in city.media
        for row in link.list_links(city.tx, city.account(name))
    ]
