"""`readers personalise`: the cards of one `lienthong card issue` file, whichever is laid on the reader next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from kernel.crypto.card_keys import UID_SIZE, Role
from kernel.wire import cardinfo
from readers.antenna import Field
from readers.card import CardChannel, CardError
from readers.errors import ConfigError
from readers.parsing import parse_json
from readers.station import personalise


@dataclass(frozen=True, slots=True)
class Order:
    """One card to be made."""

    serial: int
    uid: bytes
    info: bytes
    keys: Mapping[Role, bytes] = field(repr=False)


def read_orders(path: Path) -> dict[bytes, Order]:
    """Return the cards of a personalisation file by UID; ConfigError names what is wrong with it."""
    try:
        rows = parse_json(path.read_text(encoding="utf-8"))
        orders = [
            Order(
                int(row["serial"]),
                bytes.fromhex(row["uid"]),
                bytes.fromhex(row["info"]),
                {role: bytes.fromhex(row["keys"][role.value]) for role in Role},
            )
            for row in rows
        ]
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: is no file of `lienthong card issue` ({error!r})") from error
    if any(len(each.uid) != UID_SIZE or len(each.info) != cardinfo.SIZE for each in orders):
        raise ConfigError(f"{path}: a UID has {UID_SIZE} bytes, CardInfo {cardinfo.SIZE}")
    return {each.uid: each for each in orders}


def make_cards(
    open_field: Callable[[], Field], orders: Mapping[bytes, Order], *, tell: Callable[[str], None], looks: int
) -> int:
    """Return how many cards are left to make, after at most `looks` looks of a second each without a card.

    Each card of the file is made once, in whatever order they come; another card, or one that leaves too soon, is
    told and left as it is. A card whose UID is random cannot be told from another before it has its keys.
    """
    left, patience, reader = dict(orders), looks, open_field()
    last = b""
    try:
        while left and patience > 0:
            channel = reader.wait_for_card(1.0)
            if channel is None:
                patience, last = patience - 1, b""
                continue
            patience = looks
            if channel.uid != last:
                last = channel.uid
                if _made(channel, left, tell):
                    del left[channel.uid]
                else:
                    last = b"" if channel.uid in left else last
            channel.close()
    finally:
        reader.close()
    return len(left)


def _made(channel: CardChannel, left: Mapping[bytes, Order], tell: Callable[[str], None]) -> bool:
    order = left.get(channel.uid)
    if order is None:
        tell(f"card {channel.uid.hex()}: not in this file, or made already")
        return False
    try:
        personalise(channel, order.keys, order.info)
    except CardError as error:
        tell(f"card {channel.uid.hex()}: {error}; lay it on again")
        return False
    tell(f"card {channel.uid.hex()}: serial {order.serial} is made")
    return True
