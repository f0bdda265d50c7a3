"""Whatever was held to the antenna: a card taps, a FeliCa token is asked about first."""

from __future__ import annotations

import threading
from typing import Final

from kernel.wire.shown import ShownKind
from readers.asking import Asker, TakenAway, Word
from readers.card import CardChannel
from readers.desk import Desk
from readers.felica import FelicaToken
from readers.lamp import Shown
from readers.scan import scan
from readers.tap import tap

_LOOK_S: Final = 0.02


def served(desk: Desk, channel: CardChannel, *, asker: Asker, over: threading.Event) -> Shown:
    """Return the light that was shown; JournalError and FieldLostError mean that the reader itself broke."""
    if not isinstance(channel, FelicaToken):
        return tap(desk, channel)
    return scan(desk, _asked_about(channel, asker, over))


def _asked_about(token: FelicaToken, asker: Asker, over: threading.Event) -> Word:
    """Return what the back office says of a token; one that is taken away meanwhile is not waited for."""
    question = asker.ask(ShownKind.FELICA, token.uid.hex())
    while (word := question.wait(_LOOK_S)) is None:
        if over.is_set() or not token.present():
            return TakenAway()
    return word
