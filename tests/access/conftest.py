"""Fixtures of a city that speaks only the kernel's wire formats (tests/simulation.py)."""

from collections.abc import Callable
from datetime import date, datetime

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection

from access.keyring import Keyring
from kernel.wire.cardinfo import Concession
from service.cli import main
from service.commands import context
from tests.simulation import SimCard, World, sim_card


@pytest.fixture
def lienthong(database, redis_url, tmp_path, monkeypatch, now):
    """What a command prints; `fails` where it must not end with 0."""
    for name, value in {
        "DATABASE_URL": database.url,
        "REDIS_URL": redis_url,
        "KEYRING_FILE": str(tmp_path / "keyring"),
        "KEK_FILE": str(tmp_path / "kek"),
        "CLOCK": f"fixed:{now.isoformat()}",
    }.items():
        monkeypatch.setenv(f"LIENTHONG_{name}", value)
    context.settings.cache_clear()

    def run(*arguments, fails=False):
        done = CliRunner().invoke(main, [str(each) for each in arguments])
        assert (done.exit_code != 0) is fails, done.output
        return done.output

    run("keys", "init")
    yield run
    context.settings.cache_clear()


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
