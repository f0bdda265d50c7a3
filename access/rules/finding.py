"""What a reviewer can find, and what follows from it for the card and the device. Pure; one table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Finding(StrEnum):
    """How a review case ends."""

    NOTED = "noted"
    """Seen and understood; nothing follows."""
    CARD_HONEST = "card-honest"
    """The card is what it says: a restriction that this case brought is lifted."""
    CARD_FORGED = "card-forged"
    """Somebody made a card of this identity: it is restricted, and its honest holder gets a free replacement."""
    DEVICE_AT_FAULT = "device-at-fault"
    """The device lies, is stolen, or is broken: it is suspended; cards it brought under suspicion are lifted."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What a finding does. `restrict_card` None leaves the card as it is."""

    restrict_card: bool | None
    suspend_device: bool
    free_replacement: bool


CONSEQUENCES: Final[dict[Finding, Consequence]] = {
    Finding.NOTED: Consequence(None, suspend_device=False, free_replacement=False),
    Finding.CARD_HONEST: Consequence(restrict_card=False, suspend_device=False, free_replacement=False),
    Finding.CARD_FORGED: Consequence(restrict_card=True, suspend_device=False, free_replacement=True),
    Finding.DEVICE_AT_FAULT: Consequence(restrict_card=False, suspend_device=True, free_replacement=False),
}
assert CONSEQUENCES.keys() == set(Finding), "every finding has its consequence"
