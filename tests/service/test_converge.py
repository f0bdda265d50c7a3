"""One week of everything, in any order: the bills are those of one fold over all that is known in the end.

Three devices over parallel connections, each upload sent twice and shuffled; a phone and a card that turn out to be one
person's; top-ups, a rider's word on a forgotten tap-off, a fare that changes on Thursday by dated rows, rides over 04:00,
days closed between uploads, and one day's taps that come when the week is over.
"""

import random
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from sqlalchemy import Connection

from access import issue, link
from access.issue import NewCard
from access.rules.link import Counting, LinkFact
from access.rules.medium import MediumKind
from access.take_in import take_in
from access.taps import list_home_taps
from fare.bill import close_day, fare_tap, is_fare_tap
from fare.correct import RideNotMendedError, UnknownRideError, correct
from fare.held import money_of, read_dated
from fare.publish import Shelf, publish
from fare.rules.carried import EMPTY
from fare.rules.difference import wanted_lines
from fare.rules.price import price_day
from fare.store import bills
from kernel.ids import EntryId, FareAccountId
from kernel.money import VND, Money
from kernel.service_day import service_day
from kernel.wire.cardinfo import Concession
from kernel.wire.tap import Purpose
from kernel.wire.upload import Upload
from ledger import accounts, post
from ledger.rules import chart
from ledger.rules.entry import Entry, Line
from service.database import Database
from service.jobs.bill_batch import bill_batch
from service.jobs.link_accounts import LinkAsked, link_accounts
from tests.simulation import SimCard, SimReader, World, sim_card

NAMESPACE = UUID(int=42)
MONDAY = date(2026, 11, 16)
MORNING = datetime(2026, 11, 16, 0, 0, tzinfo=UTC)  # 07:00 in Hanoi
OVER = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
FILES = {
    "tariff": "tariff_version,zone,day_starts,currency\nweek-1,Asia/Ho_Chi_Minh,04:00:00,VND",
    "agency": "agency_id,agency_name,agency_timezone\nbus,Bus,Asia/Ho_Chi_Minh\nmetro,Metro,Asia/Ho_Chi_Minh",
    "routes": "route_id,agency_id,route_type\n26,bus,3\n32,bus,3\nm1,metro,1",
    "networks": "network_id\nB\nM",
    "route_networks": "network_id,route_id\nB,26\nB,32\nM,m1",
    "stops": "stop_id,stop_name\nx,X\ny,Y\nz,Z",
    "areas": "area_id\nX\nY\nZ",
    "stop_areas": "area_id,stop_id\nX,x\nY,y\nZ,z",
    "ride_rules": "network_id,settled_by,limit_min,passback_s\nB,boarding,120,60\nM,ride,120,30",
    "fare_products": "fare_product_id,amount,currency,valid_from,valid_to\nbus,8000,VND,,2026-11-18\nbus,10000,VND,2026-11-19,\n"
    "near,9000,VND,,\nfar,15000,VND,,",
    "fare_leg_rules": "network_id,from_area_id,to_area_id,fare_product_id,rule_priority\nB,,,bus,\nM,,,far,\nM,X,Y,near,1\nM,Y,X,near,1",
    "incomplete_rides": "network_id,case,action\nM,missing_off,maximum\nM,missing_on,maximum\nM,over_long,maximum",
    "transfer_windows": "window_id,duration_s,edge,dearer,in_debt\nchange,5400,inclusive,difference,withhold",
    "caps": "cap_id,period,amount,currency,network_ids\nday,day,30000,VND,\nweek,week,90000,VND,\nbus_week,week,40000,VND,B",
    "revenue_shares": "share_id,network_ids,basis\nboth,B;M,proportional",
    "ride_corrections": "network_id,per_month,window_days\nM,9,9",
}  # fmt: skip


@dataclass
class Week:
    """The city, one person's phone and card, and three devices whose uploads are cut by day."""

    shelf: Shelf
    world: World
    media: dict[str, SimCard]
    uploads: list[Upload] = field(default_factory=list)
    late: list[Upload] = field(default_factory=list)
    forgotten: list[tuple[FareAccountId, datetime]] = field(default_factory=list)

    def account(self, name: str) -> FareAccountId:
        issued = self.media[name].issued
        assert issued is not None
        return issued.fare_account_id

    def ride(self, dice: random.Random, readers: list[SimReader], late_day: int) -> None:
        """A week of rides: buses, metro rides (some without their end), and some over 04:00."""
        for day in range(7):
            began = [len(reader.records) for reader in readers]
            name, at = dice.choice(["phone", "card"]), MORNING + timedelta(days=day)
            for _ in range(dice.randint(1, 3)):
                at += timedelta(minutes=dice.choice([20, 50, 80, 150]))
                route = dice.choice(["26", "32", "m1", "m1"])
                at = self.taps(dice, readers, name, route, at, dice.random() < 0.3)
            night = datetime.combine(MONDAY + timedelta(days=day), datetime.min.time(), UTC) + timedelta(
                hours=20, minutes=45
            )
            self.taps(
                dice, readers, name, "m1", night, dice.random() < 0.3
            )  # on at 03:45, off at 04:05 in Hanoi
            for reader, first in zip(readers, began, strict=True):
                if len(reader.records) > first:
                    (self.late if day == late_day else self.uploads).append(reader.upload(first + 1))

    def taps(
        self,
        dice: random.Random,
        readers: list[SimReader],
        name: str,
        route: str,
        at: datetime,
        forgets: bool,
    ) -> datetime:
        start, end = dice.choice([("x", "y"), ("y", "x"), ("x", "z")])
        purposes = [(Purpose.BOARD, start, at)]
        off_at = at + timedelta(minutes=20)
        if route == "m1" and not forgets:
            purposes.append((Purpose.ALIGHT, end, off_at))
        for purpose, stop, when in purposes:
            dice.choice(readers).tap(
                self.media[name], at=when, purpose=purpose, stop_id=stop, route_id=route, trip_id="",
                place=f"{route}/{stop}/{when:%d%H%M}", tariff_version="week-1",
            )  # fmt: skip
            if route == "m1" and forgets:
                self.forgotten.append((self.account(name), at))
        return off_at


def a_week(tx: Connection, keyring, tmp_path: Path, dice: random.Random, late_day: int) -> Week:
    folder = tmp_path / "week"
    folder.mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / f"{name}.txt").write_text(text, "utf-8")
    world = World(tx, keyring, MORNING - timedelta(days=2))
    publish(tx, folder, prepared_by="mai", approved_by="tuan", key=keyring.bundle_key, now=world.now)
    media = {}
    for number, (name, kind) in enumerate(
        (("phone", MediumKind.VIRTUAL), ("card", MediumKind.TRANSIT)), start=1
    ):
        uid = b"\x04" + number.to_bytes(6, "big")
        asked = [NewCard(uid=uid, concession=Concession.NORMAL, expires_on=date(2030, 12, 31), kind=kind)]
        (made,) = issue.issue_cards(tx, keyring=keyring, asked=asked, now=world.now)
        media[name] = sim_card(keyring, uid, serial=made.serial, info=made.info, issued=made)
    week = Week(Shelf(keyring.bundle_key.public), world, media)
    week.ride(dice, [world.reader(f"d{number}") for number in range(3)], late_day)
    return week


def send(tx: Connection, week: Week, keyring, upload: Upload) -> None:
    taken = take_in(tx, upload, keyring=keyring, now=OVER)
    assert not bill_batch(tx, taken, shelf=week.shelf, now=OVER).faulted


def top_up(tx: Connection, week: Week, name: str, minor: int, at: datetime) -> None:
    purse, clearing = chart.rider_stored_value(week.account(name)), chart.provider_clearing("payos")
    accounts.open_accounts(tx, (purse, clearing, chart.rider_receivable(week.account(name))), OVER)
    entry_id = EntryId(uuid5(NAMESPACE, f"{name} {at}"))
    line = Line(clearing.account_id, purse.account_id, Money(minor, VND))
    post.post(tx, [Entry(entry_id, "topup.credited", (line,), week.account(name), MONDAY, at)], OVER)


def join(tx: Connection, week: Week) -> None:
    asked = LinkAsked(
        link_id=uuid5(NAMESPACE, "link"), account=week.account("phone"), into=week.account("card"),
        effective_from=MORNING + timedelta(days=2, hours=5), reason="one person", keep=MediumKind.TRANSIT,
    )  # fmt: skip
    link_accounts(tx, asked, shelf=week.shelf, actor="mai", now=OVER, late_days=45)


def close(tx: Connection, week: Week, day: int) -> None:
    close_day(tx, MONDAY + timedelta(days=day), books=week.shelf.books(tx), now=OVER)


def counting_of(tx: Connection, week: Week) -> Counting:
    return Counting(
        LinkFact(row.fare_account_id, row.link_no, row.into_account_id, row.effective_from)
        for name in week.media
        for row in link.list_links(tx, week.account(name))
    )


def say(tx: Connection, week: Week, home: FareAccountId, on_at: datetime) -> bool:
    """The rider's word, wherever the ride counts by now; False where there is nothing to mend yet."""
    account = counting_of(tx, week).account(home, on_at)
    taps = list_home_taps(tx, [home], since=on_at, until=on_at + timedelta(seconds=1))
    try:
        for tap in taps:
            correct(
                tx, account, correction_id=uuid5(NAMESPACE, str(tap.tap_id)), tap_id=tap.tap_id, stop_id="z",
                left_at=on_at + timedelta(minutes=20), books=week.shelf.books(tx), by="rider", now=OVER,
            )  # fmt: skip
    except (RideNotMendedError, UnknownRideError):
        return False
    return bool(taps)


Lines = dict[date, dict[object, tuple[int, int]]]


def plain(lines) -> dict[object, tuple[int, int]]:
    return {key: (one.amount_minor, one.trips) for key, one in lines.items() if one.amount_minor or one.trips}


def booked(tx: Connection, account: FareAccountId) -> Lines:
    found = bills.list_booked_lines(tx, {account: MONDAY - timedelta(days=2)})
    return {day: kept for (_, day), lines in found.items() if (kept := plain(lines))}


def from_scratch(tx: Connection, week: Week, account: FareAccountId) -> Lines:
    """All that is known in the end, day after day."""
    counting, book = counting_of(tx, week), week.shelf.books(tx).current()
    homes = [week.account(name) for name in week.media]
    days = defaultdict(list)
    for tap in list_home_taps(tx, homes, since=MORNING - timedelta(days=3), until=OVER):
        if is_fare_tap(tap) and counting.account(tap.fare_account_id, tap.tapped_at) == account:
            days[service_day(tap.tapped_at, book.day_starts, book.zone)].append(fare_tap(tap))
    known = read_dated(tx, [account], book, purses=money_of(book))
    found: Lines = {}
    carried = EMPTY
    for day in (MONDAY + timedelta(days=n) for n in range(-1, 8)):
        if day in days or carried.must_bill_next:
            priced = price_day(known.facts(account, day, tuple(days[day]), None), book, carried)
            carried = priced.carried_out
            if kept := plain(wanted_lines(priced)):
                found[day] = kept
    return found


def by_operator(lines: Lines) -> dict[tuple[date, str], int]:
    sums: dict[tuple[date, str], int] = defaultdict(int)
    for day, kept in lines.items():
        for key, (minor, _) in kept.items():
            sums[day, key.operator_id] += minor
    return dict(sums)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_week_of_everything_in_any_order_ends_in_the_bills_of_one_fold(database, keyring, tmp_path, seed):
    dice = random.Random(seed)
    service = Database(database.url, pool_size=8, retries=30)
    late_day = dice.randrange(7) if seed > 1 else 0
    with service.begin() as tx:
        week = a_week(tx, keyring, tmp_path, dice, late_day)
    top_ups = [
        (name, minor, MORNING + timedelta(days=day, minutes=dice.randint(0, 300)))
        for name in week.media
        for day, minor in ((-1, 20_000), (1, 15_000), (3, 40_000), (5, 60_000))
    ]
    jobs = [(send, (keyring, upload)) for upload in week.uploads * 2]
    jobs += [(top_up, one) for one in top_ups]
    dice.shuffle(jobs)
    said = []
    for place, job in ((0.3, (join, ())), (0.5, (close, (0,))), (0.6, (close, (1,))), (0.8, (close, (2,)))):
        jobs.insert(int(place * len(jobs)), job)
    jobs[len(jobs) // 2 : len(jobs) // 2] = [(say, one) for one in week.forgotten[:2]]
    with ThreadPoolExecutor(4) as pool:
        running = [
            pool.submit(lambda job=job: service.run(lambda tx: job[0](tx, week, *job[1]))) for job in jobs
        ]
        said = [done.result() for done in running]
    assert len(said) == len(jobs)
    # Six days late, and twice: the day that nobody had seen.
    for upload in week.late * 2:
        service.run(lambda tx, upload=upload: send(tx, week, keyring, upload))
    for day in range(-1, 7):
        service.run(lambda tx, day=day: close(tx, week, day))
    mended = [service.run(lambda tx, one=one: say(tx, week, *one)) for one in week.forgotten]
    for day in range(-1, 7):
        service.run(lambda tx, day=day: close(tx, week, day))
    with service.begin() as tx:
        everyone = [week.account(name) for name in week.media]
        charged = 0
        for account in everyone:
            lines, whole = booked(tx, account), from_scratch(tx, week, account)
            assert by_operator(lines) == by_operator(whole)
            assert lines == whole
            charged += sum(
                minor
                for kept in lines.values()
                for key, (minor, _) in kept.items()
                if key.component == "charged"
            )
        # Every adjustment nets: what was loaded is what was charged and what is left, less what is owed.
        specs = [
            spec for one in everyone for spec in (chart.rider_stored_value(one), chart.rider_receivable(one))
        ]
        accounts.open_accounts(tx, specs, OVER)
        worth = accounts.read_balances(tx, [spec.account_id for spec in specs], OVER)
        left = sum(
            worth[spec.account_id].posted.minor * (1 if n % 2 == 0 else -1) for n, spec in enumerate(specs)
        )
        assert charged > 0
        assert left == sum(minor for _, minor, _ in top_ups) - charged
        assert any(mended) or not week.forgotten or seed > 1
        assert counting_of(tx, week).account(week.account("phone"), OVER) == week.account("card")
    service.dispose()
