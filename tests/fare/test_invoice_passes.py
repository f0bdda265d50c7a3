"""E-invoices of passes: the whole price on the day of the sale, what was kept once one is given back, by one seller."""

from datetime import date, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, text

import fare
from access.keyring import Keyring
from fare import refund_pass
from fare.gtfs.load import load_tariff
from fare.invoice_lines import invoice_drafts
from fare.publish import Books
from fare.sell import Buying, PaidBy, Sold, gift_passes
from fare.take_on import OldPass, take_on_passes
from kernel.ids import OperatorId
from kernel.money import VND, Money
from ledger import invoice
from ledger.rules.invoice import Draft, Series, TaxRate
from ledger.rules.payout import CENTRE
from tests.fare.cities import book_of
from tests.fare.test_bill import DAY, EVENING, NOW, City, account_of
from tests.fare.test_serving_riders import MONTH, buy
from tests.simulation import SimCard, World

NEXT_DAY = DAY + timedelta(days=1)


@pytest.fixture(scope="module")
def books() -> Books:
    book = book_of("hanoi")
    return Books({book.version: book}, book.version)


@pytest.fixture
def city(tx: Connection, keyring: Keyring, books: Books) -> City:
    asked = Series(
        operator_id=OperatorId(CENTRE), symbol="C26TVE", house="fare", template=5, tax_rate=TaxRate.NONE,
        seller_name="Liên Thông", seller_tax_code="0100105327", seller_address="Hà Nội",
    )  # fmt: skip
    invoice.open_series(tx, asked, by="lan", now=NOW)
    return City(World(tx, keyring, NOW), books)


def drafts(city: City, day: date = DAY) -> list[Draft]:
    return list(invoice_drafts(city.tx, day, books=city.books))


def bring(city: City, day: date = DAY) -> invoice.Brought:
    return invoice.bring(city.tx, drafts(city, day), EVENING)


def give_back(city: City, card: SimCard, sold: Sold, now: datetime = NOW) -> refund_pass.Refunded:
    return refund_pass.refund_pass(
        city.tx, account_of(card), sold.held.pass_id, tariff=city.books.current(), by="rider", now=now
    )


def entry_of(city: City, sold: Sold) -> UUID:
    found: UUID = city.tx.execute(
        text("SELECT entry_id FROM fare_pass WHERE pass_id = :id"), {"id": sold.held.pass_id}
    ).scalar_one()
    return found


def told(city: City, sold: Sold) -> list[tuple[int, int, str]]:
    found = invoice.list_of(city.tx, entry_of(city, sold))
    return [(one.number, one.total.minor, one.state.value) for one in found]


def test_a_pass_is_invoiced_whole_by_the_centre_and_the_ride_it_covers_is_not(city: City) -> None:
    card, bus = city.rider(61, 300_000), city.world.reader()
    sold = buy(city, card)
    bus.tap(card, at=NOW + timedelta(minutes=5))
    city.upload(bus, now=EVENING)
    (one,) = bring(city).issued
    assert (one.operator_id, one.name, one.total.minor) == (CENTRE, "C26TVE-00000001", 280_000)
    assert (one.subject_id, one.happened_at, one.plate) == (entry_of(city, sold), NOW, None)
    assert one.title.startswith("Vé đi lại nhiều lần: Vé tháng")
    assert one.facts["product"] == MONTH
    assert bring(city) == invoice.Brought()


def test_a_pass_given_back_in_part_is_replaced_by_what_was_kept(city: City) -> None:
    card = city.rider(62, 300_000)
    sold = buy(city, card)
    bring(city)
    kept = 280_000 - give_back(city, card, sold, NOW + timedelta(hours=1)).amount.minor
    assert kept > 0
    assert bring(city).replaced == 1
    assert told(city, sold) == [(1, 280_000, "replaced"), (2, kept, "issued")]
    assert bring(city) == invoice.Brought()
    assert invoice.gaps(city.tx) == ()


def test_a_pass_given_back_whole_is_cancelled_on_the_day_it_came_back(city: City) -> None:
    card = city.rider(63, 300_000)
    sold = buy(city, card, product_id="metro_day", scope="metro_2a", starts_at=NOW + timedelta(days=2))
    bring(city)
    give_back(city, card, sold, NOW + timedelta(days=1))
    assert [one.total.minor for one in drafts(city)] == [sold.price.minor], (
        "the day of the sale stays as it was"
    )
    assert [one.total.minor for one in drafts(city, NEXT_DAY)] == [0]
    assert bring(city, NEXT_DAY).cancelled == 1
    assert [state for *_, state in told(city, sold)] == ["cancelled"]


def test_a_pass_sold_and_given_back_whole_on_one_day_takes_no_number(city: City) -> None:
    card = city.rider(64, 300_000)
    sold = buy(city, card, product_id="metro_day", scope="metro_2a", starts_at=NOW + timedelta(days=2))
    give_back(city, card, sold)
    assert bring(city) == invoice.Brought()


def test_passes_of_one_id_are_two_purchases(city: City) -> None:
    """The buyer mints the id: another account's pass of the same id has its own entry and invoice."""
    same = uuid4()
    for number in (65, 66):
        buy(city, city.rider(number, 300_000), pass_id=same)
    assert len({one.subject_id for one in bring(city).issued}) == 2


def test_every_pass_of_a_gift_and_of_a_till_has_its_own(city: City) -> None:
    organiser, *members = (city.rider(number, 900_000) for number in (67, 68, 69))
    made = gift_passes(
        city.tx, gift_id=uuid4(), organiser=account_of(organiser), members=[account_of(one) for one in members],
        product_id="bus_month_all_routes_group", scope="", starts_at=NOW, tariff=city.books.current(),
        sold_by="t", now=NOW,
    )  # fmt: skip
    assert isinstance(made, tuple)
    at_till = buy(city, city.rider(70, 0), buying=Buying(paid_by=PaidBy.TILL, agent="kiosk"))
    wanted = sorted([*(one.price.minor for one in made), at_till.price.minor])
    assert sorted(one.total.minor for one in bring(city).issued) == wanted


def test_what_an_outgoing_scheme_sold_is_not_ours_to_invoice(city: City) -> None:
    old = OldPass(account_of(city.rider(71, 0)), MONTH, "", DAY, DAY + timedelta(days=9), Money(90_000, VND))
    taken = take_on_passes(
        city.tx, [old], scheme="old", tariff=city.books.current(), by="t", service_day=DAY, now=NOW
    )
    assert (taken, drafts(city)) == (1, [])


def test_the_seller_is_who_the_tariff_of_the_sale_names(city: City, tmp_path: Path) -> None:
    """Also for what comes back later, when the newest tariff names another or nobody."""
    for path in (Path(fare.__file__).parent / "tariffs/hanoi").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    named = tmp_path / "tariff.txt"
    named.write_text(named.read_text("utf-8").replace("hanoi-2026.11", "hanoi-named"), encoding="utf-8")
    terms = tmp_path / "pass_terms.txt"
    head, *rows = terms.read_text("utf-8").splitlines()
    terms.write_text(
        "\n".join([f"{head},seller", *(f"{row},transerco" for row in rows)]) + "\n", encoding="utf-8"
    )
    sold_under, newest = load_tariff(tmp_path), city.books.current()
    both = Books({sold_under.version: sold_under, newest.version: newest}, newest.version)
    card = city.rider(72, 300_000)
    sold = buy(city, card, tariff=sold_under)
    buy(city, city.rider(73, 300_000))
    give_back(city, card, sold, NOW + timedelta(hours=1))
    assert sorted(one.operator_id for one in invoice_drafts(city.tx, DAY, books=both)) == [
        CENTRE,
        "transerco",
    ]
