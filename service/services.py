"""What every request needs, made once a process and reached as `services()`."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, cast

from flask import current_app
from flask_limiter import Limiter

from access.delivery import DenyShelf
from access.keyring import Keyring
from fare.publish import Shelf
from kernel.clock import Clock
from service.cache import Cache
from service.database import Database
from service.keystore import keyring_of
from service.settings import Settings

EXTENSION: Final = "lienthong"


@dataclass
class Services:
    """The process's connections, clock and keys."""

    settings: Settings
    database: Database
    cache: Cache
    clock: Clock
    limiter: Limiter = field(repr=False)
    given_keyring: Keyring | None = field(default=None, repr=False)

    @cached_property
    def keyring(self) -> Keyring:
        """Return the keys, read at their first use; KeyringError says what is wrong with the files."""
        if self.given_keyring is not None:
            return self.given_keyring
        return keyring_of(self.settings)

    @cached_property
    def shelf(self) -> Shelf:
        """Return the compiled tariffs; each published bundle is verified and compiled once a process."""
        return Shelf(self.keyring.bundle_key.public)

    @cached_property
    def deny_shelf(self) -> DenyShelf:
        """Return the deny list as this process last read it."""
        return DenyShelf()

    def close(self) -> None:
        """Close every connection."""
        self.database.dispose()
        self.cache.close()


def services() -> Services:
    """Return the running application's services."""
    return cast("Services", current_app.extensions[EXTENSION])
