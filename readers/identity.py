"""Who the device is: its two keys, minted here once, and the server's key, pinned at enrolment."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.crypto.ed25519 import SigningKey, VerifyKey
from kernel.crypto.sealing import box_public, new_box_key
from readers.errors import EnrolmentError, ReaderError
from readers.parsing import parse_json

FILE: Final = "device.json"
PENDING: Final = "device-pending.json"
_FORMER: Final = "device-{}.json"


@dataclass(frozen=True, slots=True)
class Keys:
    """The device's private keys: Ed25519 to sign, X25519 to receive. Never printed, never sent."""

    signing: SigningKey = field(repr=False)
    box: bytes = field(repr=False)

    @property
    def box_public(self) -> bytes:
        """Return the public half of the box key."""
        return box_public(self.box)


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled device: its id, its keys, and the key that must have signed its bundles."""

    device_id: UUID
    keys: Keys
    bundle_key: VerifyKey

    @property
    def key_id(self) -> bytes:
        """Return the 8 bytes that name the signing key."""
        return self.keys.signing.public.key_id


def load_identity(state_dir: Path) -> Identity:
    """Return the device's identity; EnrolmentError says how to get one."""
    path = state_dir / FILE
    found = _identity(path)
    if found is None:
        raise EnrolmentError(
            f"{path}: this reader is not enrolled; run `python -m readers enrol --code CODE`"
        )
    return found


def find_identity(state_dir: Path, device_id: UUID) -> Identity:
    """Return the identity as which this reader was that device before it was enrolled anew, else the one it has."""
    return _identity(state_dir / _FORMER.format(device_id)) or load_identity(state_dir)


def keep_former(state_dir: Path) -> None:
    """Keep the identity that is about to be replaced, where it can be read: nobody else can sign what it left unsent."""
    try:
        former = load_identity(state_dir)
    except EnrolmentError:
        return
    write_private(state_dir / _FORMER.format(former.device_id), _content(former))


def _identity(path: Path) -> Identity | None:
    raw = _read(path)
    if raw is None:
        return None
    try:
        return Identity(UUID(raw["device_id"]), _keys(raw), VerifyKey(bytes.fromhex(raw["bundle_key"])))
    except (KeyError, ValueError, TypeError) as error:
        raise EnrolmentError(
            f"{path}: is damaged ({error}); enrol this reader again with --replace"
        ) from error


def save_identity(state_dir: Path, identity: Identity) -> None:
    """Write the identity, readable by its owner only, and forget the pending keys."""
    write_private(state_dir / FILE, _content(identity))
    (state_dir / PENDING).unlink(missing_ok=True)


def _content(identity: Identity) -> bytes:
    content = _written(identity.keys) | {
        "device_id": str(identity.device_id),
        "bundle_key": identity.bundle_key.raw.hex(),
    }
    return json.dumps(content).encode()


def pending_keys(state_dir: Path) -> Keys:
    """Return the keys to enrol with, saved before they are sent, so that a lost answer is asked for again."""
    path = state_dir / PENDING
    raw = _read(path)
    if raw is not None:
        try:
            return _keys(raw)
        except (KeyError, ValueError, TypeError) as error:
            raise EnrolmentError(f"{path}: is damaged ({error}); remove it and enrol again") from error
    keys = Keys(SigningKey.generate(), new_box_key())
    write_private(path, json.dumps(_written(keys)).encode())
    return keys


def _keys(raw: Mapping[str, str]) -> Keys:
    box = bytes.fromhex(raw["box_key"])
    box_public(box)  # a ValueError here, not at the first bundle
    return Keys(SigningKey.from_bytes(bytes.fromhex(raw["signing_key"])), box)


def _written(keys: Keys) -> dict[str, str]:
    return {"signing_key": keys.signing.to_bytes().hex(), "box_key": keys.box.hex()}


def _read(path: Path) -> dict[str, str] | None:
    try:
        raw = parse_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnrolmentError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise EnrolmentError(
            f"{path}: is damaged ({error}); enrol this reader again with --replace"
        ) from error
    if not isinstance(raw, dict):
        raise EnrolmentError(f"{path}: is damaged; enrol this reader again with --replace")
    return raw


def write_private(path: Path, content: bytes) -> None:
    """Replace the file at `path`, mode 0600, by one rename: after a power cut it is the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def locked(state_dir: Path) -> int:
    """Return a held lock on the state folder; it falls with the process, however that ends."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ReaderError(f"{state_dir}: cannot be used ({error.strerror})") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise ReaderError(f"{state_dir}: another reader runs on this folder") from None
    return handle
