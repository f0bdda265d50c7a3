"""Devices of the tests' own making on the town's doors: real signatures over real HTTP, no process behind them."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from urllib.parse import urlsplit

from kernel.wire.upload import PATH, Answer, Upload
from readers.signing import signed_headers
from tests.simulation import SimCard, SimReader
from tests.simulation import World as Simulation

from .town import Town

# Above the UIDs of the cards that the town's own command issues.
_FIRST_UID = 1 << 32


class Refused(Exception):
    """The service answered, and not with 200."""


class Fleet:
    """Makes devices and cards that the town's back office knows, and speaks for them."""

    def __init__(self, town: Town) -> None:
        self._town = town

    @contextmanager
    def _simulation(self) -> Iterator[Simulation]:
        with self._town.database.begin() as tx:
            yield Simulation(tx, self._town.keyring, self._town.now)

    def reader(self, name: str, **facts: object) -> SimReader:
        """A bus's reader that has begun its day seven hours before the service's now."""
        with self._simulation() as simulation:
            made = simulation.reader(name)
            version = self._town.shelf.books(simulation.tx).current().version
        made.facts = {"tariff_version": version, **facts}
        made.clock -= timedelta(hours=6)
        return made

    def cards(self, count: int) -> list[SimCard]:
        with self._simulation() as simulation:
            first = _FIRST_UID + self._town.cards_issued
            made = [simulation.card(first + number) for number in range(count)]
        self._town.cards_issued += count
        return made


class Line:
    """One kept-alive connection to the service, as a reader has it."""

    def __init__(self, url: str, timeout_s: float = 30) -> None:
        self._url = url
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_s)

    def send(self, upload: Upload) -> Answer:
        """What the service says to an upload; OSError or HTTPException when it says nothing."""
        return Answer.from_json(self._post(PATH, json.dumps(upload.to_json()).encode(), {}))

    def decide(self, town: Town, reader: SimReader, serial: int, minor: int) -> dict[str, object]:
        """The advice an online validator gets."""
        path = "/v1/decisions"
        body = json.dumps({"card_serial": serial, "amount": {"minor": minor, "currency": "VND"}}).encode()
        signed = signed_headers(
            reader.key, method="POST", url=self._url + path, body=body, nonce="n", now=town.now
        )
        found = self._post(path, body, dict(signed))
        assert isinstance(found, dict)
        return found

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> object:
        try:
            self._connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            reply = self._connection.getresponse()
            raw = reply.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if reply.status != 200:
            raise Refused(f"{reply.status} {raw.decode(errors='replace')[:300]}")
        return json.loads(raw)

    def close(self) -> None:
        self._connection.close()
