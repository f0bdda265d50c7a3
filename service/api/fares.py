"""What riding costs, for riders and other programs: routes, fares, and the published tariff to take home."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from apiflask import APIBlueprint
from flask import Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fare.gtfs.export import export_plain
from fare.gtfs.load import check_tariff, pack
from fare.gtfs.read import files_of
from fare.publish import Shelf, read_bundle
from fare.rules.bill import Component
from fare.rules.lookup import find_routes, quote_ride, rides_asked
from fare.rules.tariff import DataNote, Tariff, TariffBook
from kernel.money import Money
from kernel.wire.cardinfo import Concession
from service.api import fare_documents as shown
from service.api.bodies import files
from service.auth import public
from service.errors import MalformedRequestError
from service.services import services

blueprint: Final = APIBlueprint("fares", __name__, tag="Fares")
_SHELF: Final = "lienthong-fares-shelf"
_MOST: Final = 200
_YEARS: Final = range(1970, 9000)  # the days around a ride are in the calendar too
_MISSING: Final = frozenset({"unknown", "placeholder"})
_INFERRED: Final = frozenset({"inferred"})
Text = Annotated[str, Field(max_length=80)]


class RoutesAsked(BaseModel):
    """Which routes."""

    model_config = ConfigDict(extra="forbid")

    q: Text = Field(default="", description="Part of a number or name, with or without diacritics")


class FaresAsked(BaseModel):
    """Which ride. A bus is named by its route; a metro ride by its two stations."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    route: Text = ""
    start: Text = Field(default="", alias="from", description="Stop id or name, with or without diacritics")
    to: Text = ""
    category: Literal[
        "NORMAL", "PRIORITY", "FREE_MERIT", "FREE_SENIOR", "FREE_CHILD", "FREE_DISABLED", "FREE_POOR", "GROUP"
    ] = "NORMAL"
    medium: Text = "card"
    at: AwareDatetime | None = Field(default=None, description="When the ride begins; now, if left out")


class TariffAsked(BaseModel):
    """Which published tariff."""

    model_config = ConfigDict(extra="forbid")

    version: Text = Field(default="", description="The newest, if left out")
    plain: bool = Field(
        default=False, description="Only what GTFS-Fares v2 knows, with the rows in force today"
    )


@blueprint.get("/v1/routes")
@public("a published tariff is public")
@blueprint.input(RoutesAsked, location="query", arg_name="asked")
@blueprint.output(shown.RoutesBody)
def get_routes(asked: RoutesAsked) -> dict[str, Any]:
    """Return the routes of the tariff in force, and what the tariff says of its own data."""
    book, tariff, _ = _in_force(None)
    found = find_routes(tariff, asked.q)
    return {
        "tariff_version": book.version,
        "true_on": None if book.names.true_on is None else book.names.true_on.isoformat(),
        "routes": [
            {
                "route_id": route.route_id,
                "name": route.name,
                "operator": route.operator_id,
                "mode": route.mode,
                "networks": sorted(route.networks),
                "stops": [
                    {"stop_id": stop, "name": tariff.stop_names.get(stop, "")}
                    for stop in tariff.positions_m.get(route.route_id, {})
                ],
            }
            for route in found
        ],
        "data_quality": {
            "last_true_on": None if book.names.true_on is None else book.names.true_on.isoformat(),
            "missing": _notes(book, _MISSING),
            "inferred": _notes(book, _INFERRED),
        },
        "data_notes": [_note(note) for note in book.notes],
    }


def _notes(book: TariffBook, statuses: frozenset[str]) -> list[dict[str, str]]:
    return [_note(note) for note in book.notes if note.status in statuses]


def _note(note: DataNote) -> dict[str, str]:
    return {"about": note.about, "status": note.status, "vi": note.text, "en": note.text_en}


@blueprint.get("/v1/fares")
@public("a published tariff is public")
@blueprint.input(FaresAsked, location="query", arg_name="asked")
@blueprint.output(shown.FaresBody)
def get_fares(asked: FaresAsked) -> dict[str, Any]:
    """Return what a ride costs, made by the pricing that bills it, with its explanation.

    Several rides where a name is shared by several stops; none where the tariff knows no such ride or fare. A route or
    stop that it does not know itself is a problem.
    """
    book, tariff, at = _in_force(asked.at)
    if not asked.route and not (asked.start and asked.to):
        raise MalformedRequestError(errors=[{"at": "route", "what": "name a route, or from and to"}])
    asked_for = rides_asked(
        tariff, route_id=asked.route, start=asked.start, end=asked.to, on=book.local_date(at)
    )
    quotes = [
        quote_ride(
            book,
            route_id=route,
            from_stop=start,
            to_stop=end,
            at=at,
            category=Concession[asked.category],
            medium=asked.medium,
        )
        for route, start, end in asked_for[:_MOST]
    ]
    return {
        "tariff_version": book.version,
        "at": at.isoformat(),
        "fares": [
            {
                "route_id": quote.route_id,
                "from": quote.from_stop_id,
                "to": quote.to_stop_id,
                "face_value": ride.face_value.to_json(),
                "charged": sum(
                    (line.amount for line in quote.bill.lines if line.component is Component.CHARGED),
                    Money.zero(book.currency),
                ).to_json(),
                "rule": ride.rule,
                "vi": list(quote.explanation.vi),
                "en": list(quote.explanation.en),
            }
            for quote in quotes
            for ride in quote.bill.rides
            if not quote.bill.unpriced
        ],
    }


@blueprint.get("/v1/tariff")
@public("a published tariff is public, and so is its proof")
@blueprint.input(TariffAsked, location="query", arg_name="asked")
@blueprint.doc(responses=files("application/zip"))
def get_tariff(asked: TariffAsked) -> Response:
    """Return a published tariff as the signed zip: GTFS-Fares v2 files with our extension files beside them.

    With `plain` a zip for programs that know the standard alone; what it cannot say is counted in a header.
    """
    with services().database.begin() as tx:
        stored = read_bundle(tx, asked.version)
    if asked.plain:
        return _plain(stored.version, stored.bundle)
    answer = Response(stored.bundle, content_type="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(stored.version)}.zip"'
    answer.headers["ETag"] = f'"{stored.sha256.hex()}"'
    answer.headers["X-Tariff-Version"] = _file_name(stored.version)
    answer.headers["X-Tariff-Signature"] = f"ed25519={stored.signature.hex()}; key={stored.key_id}"
    return answer


def _plain(version: str, bundle: bytes) -> Response:
    checked = check_tariff(bundle)
    assert checked.book is not None, "a published tariff has no errors"
    today = checked.book.local_date(services().clock.now())
    done = export_plain(files_of(bundle), checked.feed, today)
    answer = Response(pack(done.files), content_type="application/zip")
    answer.headers["Content-Disposition"] = f'attachment; filename="{_file_name(version)}-gtfs.zip"'
    answer.headers["X-Tariff-Version"] = _file_name(version)
    answer.headers["X-Tariff-Dropped"] = str(len(done.notices))
    return answer


def _file_name(version: str) -> str:
    return "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in version)


def _in_force(at: datetime | None) -> tuple[TariffBook, Tariff, datetime]:
    running = services()
    shelf = running.__dict__.setdefault(_SHELF, Shelf(running.keyring.bundle_key.public))
    with running.database.begin() as tx:
        book = shelf.books(tx).current()
    when = at or running.clock.now()
    if when.year not in _YEARS:
        raise MalformedRequestError(errors=[{"at": "at", "what": "a time of the years 1970 to 8999"}])
    return book, book.on(book.local_date(when)), when
