"""Settles a day and kills itself with -9 at a transaction: `python -m tests.service.settle_child URL KEY NOW DAY N WHEN`."""

import contextlib
import os
import signal
import sys
from datetime import date, datetime

from kernel.crypto.ed25519 import SigningKey
from service.database import Database
from service.jobs.settle_day import settle_day


class Doomed(Database):
    """Dies before or after the n-th commit."""

    def __init__(self, url: str, number: int, when: str) -> None:
        super().__init__(url)
        self.left, self.when = number, when

    @contextlib.contextmanager
    def begin(self):
        self.left -= 1
        with super().begin() as tx:
            yield tx
            if self.left == 0 and self.when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def main(url: str, key: str, now: str, day: str, number: str, when: str) -> None:
    at = datetime.fromisoformat(now)
    signer = SigningKey.from_bytes(bytes.fromhex(key))
    for _ in settle_day(
        Doomed(url, int(number), when), date.fromisoformat(day), signer=signer, now=lambda: at
    ):
        pass


if __name__ == "__main__":
    main(*sys.argv[1:])
