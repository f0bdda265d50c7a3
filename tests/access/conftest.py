"""Fixtures of a city that speaks only the kernel's wire formats (tests/simulation.py)."""

from collections.abc import Callable
from datetime import date, datetime

import pytest
from sqlalchemy import Connection

from access.keyring import Keyring
from kernel.wire.cardinfo import Concession
from tests.simulation import SimCard, World, sim_card


@pytest.fixture
def world(tx: Connection, keyring: Keyring, now: datetime) -> World:
    return World(tx, keyring, now)


@pytest.fixture
def world_on(keyring: Keyring, now: datetime) -> Callable[[Connection], World]:
    """A world on a connection of the test's own, for tests that commit."""
    return lambda tx: World(tx, keyring, now)


@pytest.fixture
def stray(keyring: Keyring) -> Callable[[int], SimCard]:
    """A card with good keys that the register does not know."""
    from kernel.wire.cardinfo import CardInfo, encode

    def make(number: int) -> SimCard:
        uid = b"\x05" + number.to_bytes(6, "big")
        info = encode(
            CardInfo(
                issuer=1,
                serial=number,
                product=1,
                concession=Concession.NORMAL,
                expires_on=date(2030, 12, 31),
                key_generation=1,
            )
        )
        return sim_card(keyring, uid, serial=number, info=info)

    return make
