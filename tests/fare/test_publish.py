"""Publishing: two people, once, signed, and never changed."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fare.gtfs.diff import diff_feeds
from fare.gtfs.load import check_files, load_tariff, pack
from fare.gtfs.read import files_of
from fare.gtfs.table import TariffInvalidError
from fare.publish import (
    Shelf,
    TariffDayChangedError,
    TariffNotPublishedError,
    TariffOnePersonError,
    TariffSignatureError,
    TariffVersionTakenError,
    publish,
    read_bundle,
    verify,
)
from fare.store import tariffs
from kernel.crypto.ed25519 import SigningKey
from tests.fare.cities import HANOI, HERE

KEY = SigningKey.generate()
PEOPLE = {"prepared_by": "mai@example.org", "approved_by": "tuan@example.org", "key": KEY}


def changed(name: str, file: str, old: bytes, new: bytes) -> bytes:
    files = files_of(HERE / name)
    assert old in files[file]
    return pack(files | {file: files[file].replace(old, new)})


def test_published_tariff_comes_back_as_the_same_book(tx, now):
    done = publish(tx, HANOI, now=now, **PEOPLE)
    assert not done.duplicate
    book = Shelf(KEY.public).books(tx).current()
    assert (book.version, book.sha256) == ("hanoi-2026.11", done.sha256)
    stored = read_bundle(tx)
    assert load_tariff(stored.bundle).sha256 == load_tariff(HANOI).sha256
    verify(stored, KEY.public)


@pytest.mark.parametrize("approver", ["mai@example.org", " MAI@example.org ", ""])
def test_one_person_cannot_publish(tx, now, approver):
    with pytest.raises(TariffOnePersonError):
        publish(tx, HANOI, prepared_by="mai@example.org", approved_by=approver, key=KEY, now=now)
    assert tariffs.list_versions(tx) == ()


def test_the_database_too_refuses_one_person(tx, now):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    stored = read_bundle(tx, "mta")
    with pytest.raises(DBAPIError, match="fare_tariff_two_persons"):
        tariffs.insert(tx, replace(stored, version="other", approved_by=stored.prepared_by))


def test_same_content_again_is_answered_as_the_first_time(tx, now):
    first = publish(tx, HERE / "mta", now=now, **PEOPLE)
    again = publish(tx, HERE / "mta", now=now + timedelta(days=1), **PEOPLE)
    assert again.duplicate
    assert again.sha256 == first.sha256
    assert read_bundle(tx, "mta").published_at == now


def test_other_content_under_a_published_version_is_refused(tx, now):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    with pytest.raises(TariffVersionTakenError):
        publish(tx, changed("mta", "fare_products.txt", b"2.00", b"2.90"), now=now, **PEOPLE)


def test_tariff_with_errors_is_not_published(tx, now):
    with pytest.raises(TariffInvalidError):
        publish(tx, changed("mta", "fare_products.txt", b"2.00", b"free"), now=now, **PEOPLE)


def test_newest_publication_is_current_and_older_ones_stay_readable(tx, now):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    publish(tx, changed("mta", "tariff.txt", b"mta,", b"mta-2,"), now=now + timedelta(seconds=1), **PEOPLE)
    books = Shelf(KEY.public).books(tx)
    assert books.current().version == "mta-2"
    assert books.version("mta").version == "mta"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b"America/New_York", b"America/Chicago", "zone"),
        (b"03:00:00", b"04:00:00", "day_starts"),
    ],
)
def test_a_tariff_that_would_cut_booked_days_anew_is_refused(tx, now, old, new, field):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    files = files_of(HERE / "mta")
    row = files["tariff.txt"].replace(old, new).replace(b"mta,", b"mta-2,")
    with pytest.raises(TariffDayChangedError) as refused:
        publish(tx, pack(files | {"tariff.txt": row}), now=now, **PEOPLE)
    assert refused.value.fields["field"] == field
    assert [version for version, _ in tariffs.list_versions(tx)] == ["mta"]


def test_a_tariff_in_another_currency_is_refused(tx, now):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    files = {name: body.replace(b"USD", b"CAD") for name, body in files_of(HERE / "mta").items()}
    files["tariff.txt"] = files["tariff.txt"].replace(b"mta,", b"mta-2,")
    with pytest.raises(TariffDayChangedError, match="CAD"):
        publish(tx, pack(files), now=now, **PEOPLE)


def test_a_feed_without_its_own_tariff_row_is_not_published(tx, now):
    files = files_of(HERE / "mta")
    del files["tariff.txt"]
    with pytest.raises(TariffInvalidError, match=r"tariff\.txt"):
        publish(tx, pack(files), now=now, **PEOPLE)


def test_unknown_and_missing_versions_are_refused(tx):
    books = Shelf(KEY.public).books(tx)
    for ask in (
        books.current,
        lambda: books.version("nope"),
        lambda: read_bundle(tx),
        lambda: read_bundle(tx, "nope"),
    ):
        with pytest.raises(TariffNotPublishedError):
            ask()


@pytest.mark.parametrize("field", ["bundle", "sha256", "signature"])
def test_altered_bundle_is_never_priced_with(tx, now, field):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    stored = read_bundle(tx, "mta")
    value = bytearray(getattr(stored, field))
    value[-1] ^= 1
    with pytest.raises(TariffSignatureError):
        verify(replace(stored, **{field: bytes(value)}), KEY.public)


def test_another_key_or_version_does_not_verify(tx, now):
    publish(tx, HERE / "mta", now=now, **PEOPLE)
    with pytest.raises(TariffSignatureError):
        Shelf(SigningKey.generate().public).books(tx)
    with pytest.raises(TariffSignatureError):
        verify(replace(read_bundle(tx, "mta"), version="mta2"), KEY.public)


@pytest.mark.parametrize("statement", ["UPDATE fare_tariff SET version = 'x'", "DELETE FROM fare_tariff"])
def test_published_tariff_cannot_be_changed_in_the_database(owner_tx, now, statement):
    publish(owner_tx, HERE / "mta", now=now, **PEOPLE)
    with pytest.raises(DBAPIError, match="append-only"):
        owner_tx.execute(text(statement))


def test_diff_reads_like_a_notice():
    before = check_files(files_of(HERE / "mta")).feed
    after = check_files(
        files_of(HERE / "mta")
        | {
            "fare_products.txt": b"fare_product_id,amount,currency\ncore,2.90,USD\n",
            "caps.txt": b"cap_id,period,rides\nweek,week,12\n",
        }
    ).feed
    english = [change.text("en") for change in diff_feeds(before, after)]
    assert english == [
        "Fare core, changed: price 2.00 → 2.90 (fare_products.txt)",
        "Cap week, new: period week, rides 12 (caps.txt)",
    ]
    assert (
        diff_feeds(before, after)[0].text("vi")
        == "Giá vé core, thay đổi: giá 2.00 → 2.90 (fare_products.txt)"
    )
    assert [change.kind for change in diff_feeds(after, before)] == ["changed", "removed"]
    assert diff_feeds(before, before) == ()


def test_diff_tells_a_new_version_as_one_change_and_times_as_times():
    files = files_of(HERE / "mta")
    hours = "service_id,monday,tuesday,wednesday,thursday,friday,saturday,sunday,start_date,end_date\n"
    files["calendar.txt"] = f"{hours}all,1,1,1,1,1,1,1,20260101,20271231\n".encode()
    frames = "timeframe_group_id,start_time,end_time,service_id\npeak,07:00:00,{}:30:05,all\n"
    head = "tariff_version,zone,day_starts,currency\n{},America/New_York,{},USD\n"
    before, after = (
        check_files(
            files
            | {
                "timeframes.txt": frames.format(end).encode(),
                "tariff.txt": head.format(version, starts).encode(),
            }
        ).feed
        for version, starts, end in (("mta-1", "03:00:00", "09"), ("mta-2", "04:30:00", "10"))
    )
    changes = diff_feeds(before, after)
    assert sorted(change.text("en") for change in changes) == [
        "Tariff, changed: day starts at 03:00:00 → 04:30:00, version mta-1 → mta-2 (tariff.txt)",
        "Timeframe peak / 07:00:00 / 09:30:05 / all, removed (timeframes.txt)",
        "Timeframe peak / 07:00:00 / 10:30:05 / all, new (timeframes.txt)",
    ]
    assert (
        "Biểu giá, thay đổi: ngày bắt đầu lúc 03:00:00 → 04:30:00, phiên bản mta-1 → mta-2 (tariff.txt)"
        in [change.text("vi") for change in changes]
    )
