"""A day's stays through HTTP: gates upload what cards tapped, guests enter, leave and pay by the API."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from bench.year.plan import Spot, Visit, Year, spots, visits
from bench.year.play import pass_gates
from bench.year.town import Town
from kernel.ids import uuid8


def play_over_http(town: Town, year: Year, url: str, tokens: Mapping[str, str]) -> int:
    """Play the town's next day through a running service and return how many stays that were; nothing is closed.

    `tokens` are the operators' own: each acts at its own places only.
    """
    places = spots(year)
    pass_gates(town, places, year, town.day)
    stays = 0
    for place, waiting in enumerate(town.waiting):
        if not waiting:
            continue
        upload = town.gates[place].upload([each.raw for each in waiting])
        answer = _post(url, "/v1/taps", upload.to_json(), "")
        assert {each["verdict"] for each in answer["verdicts"]} == {"accepted"}, answer
        operator = places[place].operator_id
        town.expected[operator] = town.expected.get(operator, 0) + sum(each.price for each in waiting)
        stays += sum(each.stays for each in waiting)
        town.waiting[place] = []
    for each in visits(year, town.day):
        if each.card is None:
            operator = places[each.spot].operator_id
            _open_till(url, tokens[operator], operator, places)
            _serve(url, tokens[operator], places, each)
            town.expected[operator] = town.expected.get(operator, 0) + each.price
            stays += 1
    town.day += 1
    town.stays += stays
    return stays


def _open_till(url: str, token: str, operator: str, places: Sequence[Spot]) -> None:
    """Open the operator's one shift of this run; asking again is answered with it."""
    shift = {
        "shift_id": str(uuid8("year over http", "shift", operator)),
        "place_id": next(each.place_id for each in places if each.operator_id == operator),
        "till": f"till-{operator}",
        "attendant": "an",
        "float": {"minor": 0, "currency": "VND"},
    }
    _post(url, "/v1/parking/shifts", shift, token)


def _serve(url: str, token: str, places: Sequence[Spot], visit: Visit) -> None:
    spot = places[visit.spot]

    def named(what: str) -> str:
        made: UUID = uuid8("year over http", what, visit.number, visit.entered_at.isoformat())
        return str(made)

    entered = _post(
        url,
        "/v1/parking/sessions",
        {
            "event_id": named("in"),
            "place_id": spot.place_id,
            "vehicle_class": spot.vehicle_class,
            "medium": {"kind": "ticket", "value": named("ticket")},
            "entered_at": visit.entered_at.isoformat(),
        },
        token,
    )
    session = f"/v1/parking/sessions/{entered['session_id']}"
    left = {"event_id": named("out"), "left_at": visit.left_at.isoformat()}
    assert _post(url, f"{session}/leave", left, token)["state"] == "left"
    cash = {"minor": visit.price, "currency": "VND"}
    paid = {"payment_id": named("paid"), "method": "cash", "amount": cash, "till": f"till-{spot.operator_id}"}
    _post(url, f"{session}/payments", paid, token)


def _post(url: str, path: str, body: object, token: str) -> Any:
    head = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(
        f"{url}{path}", method="POST", data=json.dumps(body).encode(), headers=head
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)
