"""A week on four devices, and the service's verbs on one database that may take it in any order."""

import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text

from access import issue, link
from access.issue import NewCard
from access.rules.medium import MediumKind
from access.take_in import take_in
from access.taps import list_taps
from fare.bill import fare_tap, is_fare_tap
from fare.correct import RideNotMendedError, UnknownRideError, correct
from fare.gtfs.read import files_of
from fare.held import read_dated
from fare.publish import Shelf
from fare.rules.fold import days_of, fold_days
from kernel.ids import EntryId, FareAccountId
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Purpose
from ledger import close_period, post
from ledger.accounts import open_accounts
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service.database import Database
from service.jobs.bill_batch import bill_batch
from service.jobs.link_accounts import LinkAsked, link_accounts
from service.jobs.settle_day import settle_day
from tests.fare.cities import HANOI
from tests.simulation import World, sim_card

MONDAY = date(2026, 11, 9)
WEEK = [MONDAY + timedelta(days=n) for n in range(7)]
NEW_FROM = WEEK[3]  # the new tariff's bus fare, from Thursday on: no day that is booked before it is out
MORNING = datetime(2026, 11, 8, 23, tzinfo=UTC)  # Monday 06:00 in Hanoi
AFTER = datetime(2026, 11, 16, 1, tzinfo=UTC)  # the Monday after, 08:00
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LOADED = 40_000


class Week:
    """Five cards and what their week left in four journals, cut into uploads by service day."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.cards = [world.card(number) for number in (0, 1)] + [_phone(world)]
        self.cards += [world.card(number) for number in (3, 4)]
        self.readers = [world.reader(name) for name in ("bus-1", "bus-2", "gate-1", "gate-2")]
        stops = ("", "", "2A-cat-linh", "2A-ha-dong")
        for number, reader in enumerate(self.readers):
            reader.facts = {
                "route_id": "26" if number < 2 else "2A",
                "stop_id": stops[number],
                "place": f"p{number}",
                "trip_id": "",
                "tariff_version": "hanoi-2026.11",
            }
        self.uploads: dict[date, list] = {}
        self.mended = None
        for back, day in enumerate(WEEK):
            began = [len(reader.records) for reader in self.readers]
            self._ride(dice, MORNING + timedelta(days=back), back)
            self.uploads[day] = [
                reader.upload(first + 1)
                for reader, first in zip(self.readers, began, strict=True)
                if len(reader.records) > first
            ]

    def account(self, number: int) -> FareAccountId:
        return self.cards[number].issued.fare_account_id

    def _ride(self, dice: random.Random, morning: datetime, back: int) -> None:
        at = morning
        for _ in range(8):
            at += dice.choice((25, 50, 90)) * MINUTE
            card, kind = dice.choice(self.cards), dice.randrange(6)
            bus, way_in, way_out = self.readers[dice.randrange(2)], self.readers[2], self.readers[3]
            if kind < 2:
                bus.tap(card, at=at, purpose=Purpose.BOARD)
            elif kind == 2:
                bus.tap(card, at=at, purpose=Purpose.BOARD)
                bus.tap(card, at=at + 20 * MINUTE, purpose=Purpose.ALIGHT)
            elif kind == 3:
                way_out.tap(card, at=at, purpose=Purpose.ALIGHT)
            else:
                way_in.tap(card, at=at, purpose=Purpose.BOARD)
                way_out.tap(card, at=at + 22 * MINUTE, purpose=Purpose.ALIGHT)
        if back == 3:  # without a tap-off, for the correction: nothing else of the card until the next day
            self.mended = self.readers[2].tap(self.cards[0], at=morning + 16 * HOUR, purpose=Purpose.BOARD)
        # In at 03:50 and out at 04:10: one ride on two service days.
        night = morning + timedelta(hours=21, minutes=50)
        self.readers[2].tap(self.cards[4], at=night, purpose=Purpose.BOARD)
        self.readers[3].tap(self.cards[4], at=night + 20 * MINUTE, purpose=Purpose.ALIGHT)


def _phone(world: World):
    """A virtual card: the one that a merge may block beside a card of plastic."""
    uid = b"\x04\x00\x00\x00\x00\x00\x02"
    asked = NewCard(
        uid=uid, concession=Concession.NORMAL, expires_on=date(2030, 12, 31), kind=MediumKind.VIRTUAL
    )
    (made,) = issue.issue_cards(world.tx, keyring=world.keyring, asked=[asked], now=world.now)
    return sim_card(world.keyring, uid, serial=made.serial, info=made.info, issued=made)


class Office:
    """The service's verbs on one database, with a clock that only goes on."""

    def __init__(self, database: Database, keyring, week: Week) -> None:
        self.database, self.keyring, self.week = database, keyring, week
        self.shelf = Shelf(keyring.bundle_key.public)
        self.now, self.late = AFTER, 45
        self.link_id, self.correction_id, self.topups = uuid4(), uuid4(), [uuid4() for _ in week.cards]

    def receive(self, upload) -> None:
        def work(tx):
            versions = frozenset(self.shelf.books(tx).by_version)
            taken = take_in(
                tx, upload, keyring=self.keyring, now=self.now, tariff_versions=versions,
                share_days=close_period.share,
            )  # fmt: skip
            bill_batch(tx, taken, shelf=self.shelf, now=self.now, late_days=self.late)

        self.database.run(work)

    def merge(self) -> None:
        asked = LinkAsked(
            link_id=self.link_id, account=self.week.account(2), into=self.week.account(1),
            effective_from=MORNING - HOUR, reason="one rider", keep=MediumKind.TRANSIT,
        )  # fmt: skip
        self.database.run(
            lambda tx: link_accounts(
                tx, asked, shelf=self.shelf, actor="test", now=self.now, late_days=self.late
            )
        )

    def load(self, number: int) -> None:
        """A top-up; the same again is the same entry. What the rider owes is paid from it at once."""
        account = self.week.account(number)

        def work(tx):
            # As the top-up verb does: book day, fare accounts, then the money (§8.5).
            close_period.share(tx, {self.now})
            issue.lock_accounts(tx, {account, link.current(tx, account, at=self.now)})
            purse, clearing = chart.rider_stored_value(account), chart.provider_clearing("payos")
            open_accounts(tx, (purse, clearing, chart.rider_receivable(account)), self.now)
            line = Line(clearing.account_id, purse.account_id, Money(LOADED, VND))
            entry = Entry(EntryId(self.topups[number]), "topup", (line,), account, WEEK[-1], AFTER)
            post.post(tx, [entry], self.now)

        self.database.run(work)

    def mend(self) -> bool:
        tap = self.week.mended
        from access.rules.tap import tap_id

        def work(tx):
            return correct(
                tx, self.week.account(0), correction_id=self.correction_id,
                tap_id=tap_id(tap.device_id, tap.journal_id, tap.sequence), stop_id="2A-la-thanh",
                left_at=tap.tapped_at + 5 * MINUTE, books=self.shelf.books(tx), by="rider", now=self.now,
            )  # fmt: skip

        try:
            self.database.run(work)
        except (UnknownRideError, RideNotMendedError):
            return False  # its tap has not come yet, or its ride is still open
        return True

    def settle(self, day: date) -> None:
        list(settle_day(self.database, day, signer=self.keyring.bundle_key, now=lambda: self.now))

    def booked(self, tx) -> Counter:
        rows = tx.execute(
            text(
                "SELECT fare_account_id, service_day, operator_id, component, sum(delta_minor)::bigint"
                " FROM fare_bill_line GROUP BY 1, 2, 3, 4 HAVING sum(delta_minor) <> 0"
            )
        )
        return Counter({tuple(row[:4]): row[4] for row in rows})

    def folded(self, tx) -> Counter:
        """The same from scratch: all evidence and facts of every account, each day handing on to the next."""
        book, sums = self.shelf.books(tx).current(), Counter()
        for number in range(len(self.week.cards)):
            account = self.week.account(number)
            listed = list_taps(tx, [account], since=MORNING - 48 * HOUR, until=AFTER)
            taps = [fare_tap(tap) for tap in listed if is_fare_tap(tap)]
            known = read_dated(tx, [account], book)
            days = days_of(
                account, taps, book, as_of=self.now, corrections=known.corrections.get(account, ())
            )
            for facts, _, bill in fold_days(days, book):
                for line in bill.lines:
                    sums[UUID(str(account)), facts.service_day, line.operator_id, line.component.value] += (
                        line.amount.minor
                    )
        return +sums


def dearer(tmp_path):
    """Hanoi's tariff with 11,000 for a middle bus route from Thursday on; before, everything is as it was."""
    folder = tmp_path / "next"
    folder.mkdir()
    for name, raw in files_of(HANOI).items():
        lines = raw.decode("utf-8").splitlines()
        if name == "tariff.txt":
            lines = [line.replace("hanoi-2026.11", "hanoi-next", 1) for line in lines]
        if name == "fare_products.txt":
            lines = list(_split(lines))
        (folder / name).write_text("\n".join(lines) + "\n", "utf-8")
    return folder


def _split(lines):
    header = lines[0].split(",")
    amount, start, end = (header.index(name) for name in ("amount", "valid_from", "valid_to"))
    for line in lines:
        cells = line.split(",")
        if len(cells) > max(amount, start, end) and cells[amount] == "10000" and cells[end] == "":
            before, after = list(cells), list(cells)
            before[end], after[start] = str(NEW_FROM - timedelta(days=1)), str(NEW_FROM)
            after[amount] = "11000"
            yield ",".join(before)
            yield ",".join(after)
        else:
            yield line
