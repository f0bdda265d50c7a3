"""An outgoing scheme's file: all of it when its totals agree, nothing otherwise, and once."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text

from access.issue import NewCard
from access.take_on import legacy_account
from kernel.money import VND, Money
from kernel.wire.cardinfo import Concession
from ledger.rules import chart
from service import legacy_file
from service.audit import ActorKind
from service.jobs import legacy as job
from service.jobs.legacy import LegacyCardMovedError, LegacyFileTakenOnError, UnknownLegacyCardError
from service.legacy_file import COLUMNS, LegacyFileError, read
from service.services import EXTENSION
from service.store.legacy import list_dormant
from tests.service.sellers import TEST, Shop

GOOD = (
    "card,0001,NORMAL,2024-01-05",
    "card,0002,PRIORITY,",
    "balance,0001,,,,,,,15000",
    "pass,0002,,,bus_month_all_routes_priority,,2026-11-01,2026-11-30,60000",
    "control,,card,,,,,,0,2",
    "control,,balance,,,,,,15000,1",
    "control,,pass,,,,,,60000,1",
)


def text_of(*lines: str) -> bytes:
    return "\n".join([",".join(COLUMNS), *(line + "," * (9 - line.count(",")) for line in lines)]).encode()


@pytest.fixture
def shop(app, client) -> Shop:
    made = Shop(app.extensions[EXTENSION], client)
    made.publish()
    return made


def take_on(shop: Shop, content: bytes, portions: int | None = None) -> list[job.Portion]:
    with shop.running.database.begin() as tx:
        tariff = shop.running.shelf.books(tx).current()
    made = []
    for portion in job.run(
        shop.running.database, read(content), scheme="old", tariff=tariff, keyring=shop.running.keyring,
        by=TEST, now=shop.now,
    ):  # fmt: skip
        made.append(portion)
        if len(made) == portions:
            break
    return made


def account(shop: Shop, number: str):
    return legacy_account(shop.running.keyring, "old", number)


def rows(shop: Shop) -> tuple[int, int, int]:
    with shop.running.database.read() as tx:
        return tuple(
            tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            for table in ("legacy_card", "fare_pass", "ledger_line")
        )


def test_balances_and_passes_are_taken_on_once_and_owed_by_the_old_scheme(shop):
    (made,) = take_on(shop, text_of(*GOOD))
    assert (made.done, made.of, made.new_cards, made.new_passes) == (2, 2, 2, 1)
    (again,) = take_on(shop, text_of(*GOOD))
    assert (again.new_cards, again.new_passes) == (0, 0)
    assert shop.balance(chart.rider_stored_value(account(shop, "0001"))) == 15_000
    assert shop.balance(chart.deferred_pass("bus_month_all_routes_priority")) == 60_000
    assert shop.balance(chart.legacy_clearing("old")) == 75_000
    with shop.running.database.read() as tx:
        held = tx.execute(text("SELECT valid_from, valid_until, price_minor FROM fare_pass")).one()
        stored = tx.execute(
            text("SELECT string_agg(number_tail, ',' ORDER BY number_tail) FROM legacy_card")
        ).scalar_one()
    assert (held[0].isoformat(), held[1].isoformat(), held[2]) == (
        "2026-10-31T21:00:00+00:00",  # 04:00 on 1 November in Hanoi
        "2026-11-30T21:00:00+00:00",
        60_000,
    )
    assert stored == "0001,0002"


def test_a_killed_import_is_finished_by_running_it_again(shop, monkeypatch):
    monkeypatch.setattr(job, "PORTION", 1)
    take_on(shop, text_of(*GOOD), portions=1)
    assert rows(shop)[0] == 1
    made = take_on(shop, text_of(*GOOD))
    assert [one.new_cards for one in made] == [0, 1]
    assert rows(shop) == (2, 1, 2)


def test_a_card_in_a_later_file_is_not_paid_again(shop):
    take_on(shop, text_of(*GOOD))
    more = text_of(
        "card,0001,NORMAL,", "balance,0001,,,,,,,99", "control,,card,,,,,,0,1", "control,,balance,,,,,,99,1",
        "control,,pass,,,,,,0,0",
    )  # fmt: skip
    (made,) = take_on(shop, more)
    assert made.new_cards == 0
    assert shop.balance(chart.rider_stored_value(account(shop, "0001"))) == 15_000


@pytest.mark.parametrize(
    ("place", "line", "why"),
    [
        (4, "control,,card,,,,,,0,3", "control row says 3"),
        (5, "control,,balance,,,,,,15001,1", "control row says 1 of 15,001"),
        (5, "control,,balance,,,,,,15000,2", "control row says 2"),
        (6, "", "no control row for pass"),
        (6, "control,,card,,,,,,0,2", "one control row each"),
        (0, "card,0001,KING,", "no such category"),
        (0, "card,,NORMAL,", "number of its own"),
        (1, "card,0001,NORMAL,", "number of its own"),
        (0, "card,0001,NORMAL,5 May", "isoformat"),
        (2, "balance,0009,,,,,,,15000", "no card of this number"),
        (2, "balance,0001,,,,,,,-15000", "negative"),
        (2, "balance,0001,,,,,,,150.5", "150.5"),
        (3, "pass,0002,,,bus_month_all_routes_priority,,2026-11-30,2026-11-01,60000", "begins before"),
        (2, "gift,0001,,,,,,,15000", "no such record"),
    ],
)
def test_a_file_with_any_fault_writes_nothing(shop, place, line, why):
    lines = list(GOOD)
    lines[place] = line
    with pytest.raises(LegacyFileError) as refused:
        take_on(shop, text_of(*(one for one in lines if one)))
    assert any(why in str(one["why"]) for one in refused.value.fields["errors"]), refused.value.fields
    assert rows(shop) == (0, 0, 0)


def test_a_pass_that_the_tariff_does_not_know_writes_nothing(shop):
    lines = [one.replace("bus_month_all_routes_priority", "moon") for one in GOOD]
    with pytest.raises(LegacyFileError):
        take_on(shop, text_of(*lines))
    assert rows(shop) == (0, 0, 0)


@pytest.mark.parametrize("content", [b"", b"a,b\n", b"\xff\xfe", b'record,number\n"x'])
def test_what_is_no_such_file_is_refused(content):
    with pytest.raises(LegacyFileError):
        read(content)


def test_the_holder_gets_a_new_card_on_the_same_account(shop):
    take_on(shop, text_of(*GOOD))
    new = NewCard(uid=b"\x04new\x00\x00\x01", concession=Concession.NORMAL, expires_on=date(2030, 1, 1))

    def claim(number: str):
        with shop.running.database.begin() as tx:
            return job.claim(
                tx, scheme="old", number=number, new=new, keyring=shop.running.keyring, by=TEST, now=shop.now
            )

    made = claim("0002")
    assert made.fare_account_id == account(shop, "0002")
    with shop.running.database.read() as tx:
        concession = tx.execute(text("SELECT concession FROM card")).scalar_one()
    assert concession == Concession.PRIORITY, "the old card's, proven there"
    with pytest.raises(LegacyCardMovedError):
        claim("0002")
    with pytest.raises(UnknownLegacyCardError):
        claim("7777")


def test_dormant_money_is_listed_and_stays(shop):
    take_on(shop, text_of(*GOOD))
    used = shop.card(30_000)
    since = shop.now.date() - timedelta(days=365)
    with shop.running.database.read() as tx:
        (one,) = list_dormant(tx, since, limit=10)
    assert (one.fare_account_id, one.minor, one.last_used_on, one.legacy) == (
        account(shop, "0001"),
        15_000,
        date(2024, 1, 5),
        True,
    )
    with shop.running.database.read() as tx:
        later = list_dormant(tx, shop.now.date() + timedelta(days=1), limit=10)
    assert [one.minor for one in later] == [30_000, 15_000]
    assert (shop.purse(used), shop.balance(chart.rider_stored_value(account(shop, "0001")))) == (
        30_000,
        15_000,
    )


def test_actor_and_totals_stand_in_the_trail(shop):
    take_on(shop, text_of(*GOOD))
    with shop.running.database.read() as tx:
        line = tx.execute(
            text("SELECT actor_kind, detail FROM audit_trail WHERE action = 'legacy.imported'")
        ).one()
    assert line[0] == ActorKind.COMMAND.value
    assert line[1]["balance"] == [1, Money(15_000, VND).minor]
    assert legacy_file.KINDS == ("card", "balance", "pass")


@pytest.mark.parametrize("line", ["card", "control", "card,0001", "card,0001,NORMAL,,,,,,,,more"])
def test_a_row_with_fewer_or_more_cells_than_the_header_is_named(line):
    with pytest.raises(LegacyFileError) as refused:
        read(text_of(*GOOD) + b"\n" + line.encode())
    assert refused.value.fields["errors"] == [
        {"line": len(GOOD) + 2, "why": "it has fewer or more cells than the header"}
    ]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("bus_month_all_routes_priority,,", "bus_month_one_route_priority,,", "is for one route"),
        ("bus_month_all_routes_priority,,", "bus_month_one_route_priority,2A,", "2A does not fit"),
        ("bus_month_all_routes_priority,,", "bus_month_all_routes_priority,01,", "what does: no scope"),
    ],
)
def test_a_pass_for_a_route_that_it_cannot_be_for_writes_nothing(shop, before, after, why):
    with pytest.raises(LegacyFileError) as refused:
        take_on(shop, text_of(*(one.replace(before, after) for one in GOOD)))
    (error,) = refused.value.fields["errors"]
    assert (error["line"], why in error["why"]) == (5, True), error
    assert rows(shop) == (0, 0, 0)


def test_the_same_pass_twice_writes_nothing(shop):
    lines = [*GOOD[:4], GOOD[3], *GOOD[4:6], "control,,pass,,,,,,120000,2"]
    with pytest.raises(LegacyFileError) as refused:
        take_on(shop, text_of(*lines))
    assert {"line": 6, "why": "the same pass twice"} in refused.value.fields["errors"]


def test_the_same_file_under_another_schemes_name_is_not_paid_again(shop):
    take_on(shop, text_of(*GOOD))
    with shop.running.database.begin() as tx:
        tariff = shop.running.shelf.books(tx).current()
    again = job.run(
        shop.running.database, read(text_of(*GOOD)), scheme="odl", tariff=tariff,
        keyring=shop.running.keyring, by=TEST, now=shop.now,
    )  # fmt: skip
    with pytest.raises(LegacyFileTakenOnError, match="as scheme old"):
        next(again)
    assert shop.balance(chart.legacy_clearing("odl")) == 0
