"""A software card held directly to the reader's code, in one process and without any air between them."""

from __future__ import annotations

from readers.card import CardLostError
from readers.softcard.card import CardLeftError, SoftCard


class DirectChannel:
    """A CardChannel to a SoftCard, which is powered up by making one and down by `close`."""

    def __init__(self, card: SoftCard) -> None:
        self._card = card
        self._open = True
        card.power_off()

    @property
    def uid(self) -> bytes:
        """Return the UID that the card shows."""
        return self._card.shown_uid

    def transceive(self, apdu: bytes, timeout_s: float) -> bytes:
        """Return the card's answer; CardLostError once it has left."""
        assert timeout_s > 0, "a card needs some time"
        if not self._open:
            raise CardLostError("closed")
        try:
            return self._card.answer(apdu)
        except CardLeftError:
            self._open = False
            raise CardLostError("no_answer") from None

    def present(self) -> bool:
        """Return whether the card would still answer."""
        return self._open

    def close(self) -> None:
        """Take the card out of the field."""
        if self._open:
            self._card.power_off()
        self._open = False
