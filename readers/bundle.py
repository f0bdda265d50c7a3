"""The bundle: what the reader needs to decide alone. Signed by the server, never older than the one held.

    {"bundle": base64 of a JSON document, "signature": base64 Ed25519 over those bytes}

The document: version, made_at, device_id, tariff_version, deny_version, deny_digest, deny (base64 of a deny list
snapshot, or a list of serials) or deny_delta (base64 of what leads there from the list that is held), generations,
actions (base64 of an action list), passback_s, risk, purse_* (`readers.terms`), keys (base64 box to this device of
{"AUTH" and, for purses, "DEBIT": {generation: hex}, "LOAD": {serial: hex}}).
Keys are opened in memory only; on disk the bundle stays as it came, and the deny list that a delta led to lies beside it
(`readers.denials`), good only for the digest that the signed bundle names.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from access.rules.actionlist import Action, ActionList
from access.rules.denydelta import decode_delta
from access.rules.denylist import DenyList
from kernel.clock import Clock
from kernel.crypto.sealing import open_box
from kernel.errors import DomainError
from readers import denials
from readers.errors import BundleError, ServerError
from readers.identity import Identity, write_private
from readers.parsing import parse_json
from readers.server import Server
from readers.terms import NO_TERMS, PurseTerms, count, name, purse_terms

CONTEXT: Final = b"lienthong/bundle/1"
PATH: Final = "/v1/bundles"
FILE: Final = "bundle.json"
_KEY_SIZE: Final = 16
_NO_ACTIONS: Final = ActionList(0, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Risk:
    """How far the reader may go alone; None means no limit. What the server does not say is not limited."""

    stale_after: timedelta | None = None
    """A bundle older than this makes the reader DEGRADED; `refuse_when_stale` says whether it still accepts."""
    refuse_when_stale: bool = False
    refuse_when_unsynced: bool = False
    unsent_max: int | None = None
    """Offline exposure: with this many records unacknowledged, no further card is accepted."""
    card_unsent_max: int | None = None
    """The same of one account-based card: it waits with so many rides and stays, others travel on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A verified bundle, its keys opened."""

    version: int
    made_at: datetime
    tariff_version: str
    denied: DenyList
    generations: frozenset[int]
    passback_s: int
    risk: Risk
    auth_keys: Mapping[int, bytes] = field(repr=False)
    debit_keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """The DEBIT masters by generation, where this reader may take money from purses."""
    load_keys: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    """The LOAD keys of those cards alone that an action shall load, by serial."""
    purse_terms: PurseTerms = NO_TERMS
    """What purses pay here."""
    action_version: int = 0
    actions: Mapping[int, tuple[Action, ...]] = field(default_factory=dict)
    """What shall be done when a card of this serial taps; some may have ended."""


def open_bundle(envelope: bytes, identity: Identity, held: DenyList | None = None) -> Bundle:
    """Return the bundle of these bytes. A delta is applied to the deny list that is `held`.

    BundleError where the pinned server key did not sign it, it is meant for another device, it is malformed, or its
    deny list is not the one whose digest it names: a delta from elsewhere, or a held list that was altered.
    """
    document = _document(envelope, identity)
    try:
        if document["device_id"] != str(identity.device_id):
            raise BundleError("the bundle is meant for another device")
        actions = ActionList.decode(_base64(document["actions"])) if "actions" in document else _NO_ACTIONS
        keys = parse_json(open_box(identity.keys.box, _base64(document["keys"])))
        return Bundle(
            version=count(document["version"]),
            made_at=_instant(document["made_at"]),
            tariff_version=name(document["tariff_version"]),
            denied=_denied(document, held),
            generations=frozenset(count(each) for each in document["generations"]),
            passback_s=count(document["passback_s"]),
            risk=_risk(document.get("risk", {})),
            auth_keys=_keys(keys["AUTH"]),
            debit_keys=_keys(keys.get("DEBIT", {})),
            load_keys=_keys(keys.get("LOAD", {})),
            purse_terms=purse_terms(document),
            action_version=actions.version,
            actions={
                serial: tuple(found) for serial, found in groupby(actions.actions, key=lambda one: one.serial)
            },
        )
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise BundleError(f"the bundle is malformed: {type(error).__name__} {error}") from error
    except DomainError as error:
        raise BundleError(f"the bundle cannot be opened: {error}") from error


def load_bundle(state_dir: Path, identity: Identity) -> Bundle | None:
    """Return the bundle kept on this device; None when there is none yet. BundleError where it was altered."""
    try:
        envelope = (state_dir / FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BundleError(f"{state_dir / FILE}: cannot be read ({error.strerror})") from error
    kept = open_bundle(envelope, identity, denials.load(state_dir, _deny_version(envelope, identity)))
    # What it asks to be loaded may be done, acknowledged and gone from the journal: only a fresh one loads.
    return replace(kept, load_keys={})


def adopt_bundle(
    envelope: bytes, *, identity: Identity, held: Bundle | None, state_dir: Path
) -> Bundle | None:
    """Return the newer bundle, kept on disk; None when it is the version that is held.

    BundleError where it is older than the one held (a roll-back would forget denied cards), unsigned or malformed;
    the one held then stays. The list lies on disk before the bundle that names it: a power cut leaves the old pair or
    the new one.
    """
    bundle = open_bundle(envelope, identity, held.denied if held else None)
    if held is not None:
        older = bundle.denied.version < held.denied.version or bundle.action_version < held.action_version
        if bundle.version < held.version or older:
            raise BundleError(f"bundle {bundle.version} is older than {held.version}, which is held")
        if bundle.version == held.version:
            return None
    denials.save(state_dir, bundle.denied)
    write_private(state_dir / FILE, envelope)
    denials.forget_others(state_dir, bundle.denied.version)
    return bundle


def fetch_bundle(server: Server, held: Bundle | None, *, whole: bool = False) -> bytes | None:
    """Return the server's bundle for this device; None when there is nothing newer. ServerError otherwise.

    It brings what changed of the deny list since the one held, or, with `whole`, all of it.
    """
    headers = {"If-None-Match": f'"{held.version}"'} if held is not None and not whole else {}
    since = f"?deny={held.denied.version}" if held is not None and held.denied.version and not whole else ""
    reply = server.get(PATH + since, headers, signed=True)
    if reply.status == 304:
        return None
    if reply.status != 200:
        raise ServerError(f"no bundle: {reply.problem()}")
    return reply.body


def age(bundle: Bundle, clock: Clock) -> timedelta:
    """Return how old the bundle is by the reader's clock."""
    return clock.now() - bundle.made_at


def _document(envelope: bytes, identity: Identity) -> dict[str, Any]:
    try:
        wrapped = parse_json(envelope)
        content, signature = _base64(wrapped["bundle"]), _base64(wrapped["signature"])
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError("the bundle has no signed content") from error
    if not identity.bundle_key.verify(CONTEXT, content, signature):
        raise BundleError("the bundle is not signed by the server this reader was enrolled with")
    try:
        document = parse_json(content)
    except ValueError as error:
        raise BundleError("the bundle's signed content is not JSON") from error
    if not isinstance(document, dict):
        raise BundleError("the bundle's signed content is not an object")
    return document


def _denied(document: Mapping[str, Any], held: DenyList | None) -> DenyList:
    version = count(document["deny_version"])
    raw = document.get("deny")
    if isinstance(raw, list):
        return DenyList.of(version, (count(serial) for serial in raw))
    if raw is not None:
        denied = DenyList.decode(_base64(raw))
    elif held is None:
        raise BundleError("the bundle brings a change of a deny list that is not held")
    elif held.version == version:
        denied = held
    else:
        denied = held.with_delta(decode_delta(_base64(document["deny_delta"])))
    if denied.version != version:
        raise BundleError(f"the deny list is version {denied.version}, the bundle says {version}")
    named = document.get("deny_digest")
    if (named is not None or raw is None) and denied.digest() != bytes.fromhex(named or ""):
        raise BundleError("the deny list is not the one that the bundle names")
    return denied


def _deny_version(envelope: bytes, identity: Identity) -> int:
    try:
        return count(_document(envelope, identity).get("deny_version"))
    except ValueError as error:
        raise BundleError(f"the bundle is malformed: {error}") from error


def _risk(raw: Mapping[str, Any]) -> Risk:
    # A word this reader does not know is a later server's; the limits it knows still hold.
    stale, unsent, own = (raw.get(name) for name in ("stale_after_s", "unsent_max", "card_unsent_max"))
    return Risk(
        stale_after=None if stale is None else timedelta(seconds=count(stale)),
        refuse_when_stale=raw.get("refuse_when_stale") is True,
        refuse_when_unsynced=raw.get("refuse_when_unsynced") is True,
        unsent_max=None if unsent is None else count(unsent),
        card_unsent_max=None if own is None else count(own),
    )


def _keys(raw: Mapping[str, str]) -> dict[int, bytes]:
    keys = {int(number): bytes.fromhex(key) for number, key in raw.items()}
    if any(len(key) != _KEY_SIZE for key in keys.values()):
        raise ValueError("a card key has 16 bytes")
    return keys


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("an instant knows its zone")
    return at


def _base64(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("not base64 text")
    try:
        return b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64 text") from error
