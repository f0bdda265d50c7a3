"""The bundle: what one reader needs to decide alone, for it only, signed by the back office (READERS.md)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from access.keyring import Keyring
from access.rules.actionlist import ActionList
from access.rules.denydelta import encode_delta
from access.rules.denylist import Delta, DenyList
from access.store.devices import Device
from kernel.crypto.sealing import box_to

CONTEXT: Final = b"lienthong/bundle/1"
STALE_AFTER: Final = timedelta(days=2)
"""A reader that heard nothing for so long says so; it keeps accepting, for a bus may stand a weekend in a yard."""
UNSENT_MAX: Final = 20_000
"""Offline exposure: 20,000 unsent records are three days of the busiest gate (165,000 taps a day over 30 gates)."""
CARD_UNSENT_MAX: Final = 20
"""Of one account-based card: with so many unsent rides and stays at one reader it has to pay otherwise there."""
NO_ACTIONS: Final = ActionList(0, ())
_VERSION_EPOCH: Final = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PurseTerms:
    """What a reader needs to take money from purses: prices, and the LOAD keys of cards that shall be loaded.

    `prices` are the document's `purse_*` words (docs/evidence.md); access knows neither fares nor rates.
    """

    prices: Mapping[str, object]
    load_keys: Mapping[int, bytes]


def bundle_version(
    *,
    now: datetime,
    deny_version: int,
    tariff_versions: Sequence[str],
    generations: Sequence[int],
    action_version: int = 0,
    rate_versions: int = 0,
) -> int:
    """Return the bundle's version. It rises whenever one of its parts does, and each hour, so that it stays fresh.

    A sum of numbers that never fall: two bundles of one version are the same but for the moment of making.
    """
    return (
        (now - _VERSION_EPOCH) // timedelta(hours=1)
        + deny_version
        + len(tariff_versions)
        + len(generations)
        + action_version
        + rate_versions
    )


def make_bundle(
    device: Device,
    *,
    version: int,
    keyring: Keyring,
    denied: DenyList,
    delta: Delta | None = None,
    actions: ActionList = NO_ACTIONS,
    tariff_versions: Sequence[str],
    passback_s: int,
    now: datetime,
    purse: PurseTerms | None = None,
) -> bytes:
    """Return the signed bundle for one device: {"bundle": base64 JSON, "signature": base64 Ed25519 under CONTEXT}.

    The card keys in it open with that device's box key alone. `tariff_versions` are the published ones, the one
    in force last. With a `delta` that alone is sent of the deny list; the digest of the whole stands beside it in any
    case, so that a reader knows that it ends where we do. Without `purse` the reader takes no money from cards.
    """
    keys = {"AUTH": _hex(keyring.auth_masters())}
    if purse is not None:
        keys |= {"DEBIT": _hex(keyring.debit_masters()), "LOAD": _hex(purse.load_keys)}
    document: Mapping[str, object] = {
        "version": version,
        "made_at": now.isoformat(),
        "device_id": str(device.device_id),
        "tariff_version": tariff_versions[-1] if tariff_versions else "",
        "deny_version": denied.version,
        "deny_digest": denied.digest().hex(),
        **_deny(denied, delta),
        "actions": _base64(actions.encode()),
        "generations": list(keyring.generations),
        "passback_s": passback_s,
        **(purse.prices if purse is not None else {}),
        "risk": {
            "stale_after_s": int(STALE_AFTER.total_seconds()),
            "unsent_max": UNSENT_MAX,
            "card_unsent_max": CARD_UNSENT_MAX,
        },
        "keys": _base64(box_to(device.box_key, json.dumps(keys).encode())),
    }
    content = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    signature = keyring.bundle_key.sign(CONTEXT, content)
    return json.dumps({"bundle": _base64(content), "signature": _base64(signature)}).encode()


def _deny(denied: DenyList, delta: Delta | None) -> Mapping[str, str]:
    if delta is None:
        return {"deny": _base64(denied.encode())}
    assert delta.to_version == denied.version, "a delta leads to the list whose digest is sent"
    return {"deny_delta": _base64(encode_delta(delta))}


def _hex(keys: Mapping[int, bytes]) -> dict[str, str]:
    return {str(number): key.hex() for number, key in keys.items()}


def _base64(raw: bytes) -> str:
    return b64encode(raw).decode()
