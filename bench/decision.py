"""decision.redis: `POST /v1/decisions` against a bare Flask application that answers a JSON POST.

Both run under gunicorn with the service's configuration and get the same requests, signature headers included,
over the same number of connections. Ours verifies the device's signature (RFC 9421), finds its key, and asks and
holds in Redis by one script; the baseline parses the body and answers.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from bench import web
from bench.city import NOW, Bus, City, Rider
from bench.measure import Result, Stage, Work, compare
from readers.signing import signed_headers

CARDS: Final = 200
REQUESTS: Final = 1_000
CONNECTIONS: Final = 8
PATH: Final = "/v1/decisions"
AT_LEAST: Final = 0.5


def run(stage: Stage) -> list[Result]:
    """Measure decisions a second."""
    city = City(stage, "decision")
    try:
        bus = city.bus("bench decision", "26", "")
        requests = _requests(bus, city.riders(CARDS))
        with (
            web.gunicorn("service.app:create_app()", city.environment) as ours,
            web.gunicorn("bench.bare_app:app", city.environment) as bare,
        ):
            # The first question about a card goes to the database and puts it into Redis.
            _ask(ours, requests[:CARDS])()
            cached = _answers(ours, requests[:CARDS])
            assert all(b'"cache"' in one and b'"accept"' in one for one in cached), cached[0]
            return [
                compare(
                    "decision.redis",
                    "decisions/s",
                    lambda: _ask(ours, requests),
                    lambda: _ask(bare, requests),
                    at_least=AT_LEAST,
                    rounds=stage.rounds,
                )
            ]
    finally:
        city.close()


def _requests(bus: Bus, riders: Sequence[Rider]) -> list[bytes]:
    made = []
    for number in range(REQUESTS):
        serial = riders[number % len(riders)].issued.serial
        body = json.dumps({"card_serial": serial, "amount": {"minor": 8_595, "currency": "VND"}}).encode()
        url = f"http://localhost{PATH}"
        headers = signed_headers(bus.key, method="POST", url=url, body=body, nonce=f"{number}", now=NOW)
        made.append(web.post(PATH, body, headers))
    return made


def _ask(address: web.Address, requests: Sequence[bytes]) -> Work:
    connections = [address.connect() for _ in range(CONNECTIONS)]

    def work() -> int:
        try:
            return len(web.load(connections, requests))
        finally:
            for connection in connections:
                connection.close()

    return work


def _answers(address: web.Address, requests: Sequence[bytes]) -> list[bytes]:
    connection = address.connect()
    try:
        return web.load([connection], requests)
    finally:
        connection.close()
