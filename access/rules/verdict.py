"""Why a record did not simply become a charged tap. The words travel to readers, queues and cases."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One reason a record; the first that applies, in the order of this list."""

    NOT_COVERED = "not-covered"
    """The signed head does not vouch for these bytes: a link after them is broken. Kept aside, never evidence."""
    OTHER_CONTENT = "other-content"
    """The place in the journal holds another record: the device is suspended, these bytes are kept aside."""
    UNREADABLE = "unreadable"
    """Signed and chained, but no tap record that this version reads. Kept aside, queued, the chain goes on."""
    FOREIGN_RECORD = "foreign-record"
    """Names another device or journal than the one that signed it."""
    OUT_OF_PLACE = "out-of-place"
    """Claims another sequence than the place it was signed in."""
    READER_NOT_SIGNER = "reader-not-signer"
    """The card committed to another reader id, or another device's key is named: not this device's tap."""
    UNKNOWN_CARD = "unknown-card"
    """No card of this UID was issued here. Billable once it is."""
    CARD_MISMATCH = "card-mismatch"
    """Serial, key generation or CardInfo are not those of the card issued with this UID."""
    MAC_INVALID = "mac-invalid"
    """The card's transaction MAC does not verify over the claimed fields: alone, this opens a case (§8.13)."""
    CODE_INVALID = "code-invalid"
    """Something was shown instead of a card, and neither a QR's signature nor a voucher of ours stands behind it at
    the record's time: an honest reader writes no such record (§8.13)."""
    TIME_IMPLAUSIBLE = "time-implausible"
    """Ahead of our clock or older than evidence may be: it fits no service day that may still be priced."""
    VERSION_IMPLAUSIBLE = "version-implausible"
    """Names a deny list or a tariff that was never published."""
    COUNTER_TAKEN = "counter-taken"
    """Another record with a valid MAC holds this card's counter, or shows the same code; the first one counts."""


ASIDE = frozenset(
    {Reason.NOT_COVERED, Reason.OTHER_CONTENT, Reason.UNREADABLE, Reason.FOREIGN_RECORD, Reason.OUT_OF_PLACE}
)
"""Reasons whose bytes are no tap of this journal: kept as evidence, but outside the table that pricing reads."""
