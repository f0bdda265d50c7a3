"""The key-encryption key (KEK), and files of secrets that only their owner reads and nobody overwrites."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from kernel.crypto.sealing import KEY_SIZE
from kernel.errors import DomainError

_PRIVATE: Final = 0o600


class KeyringError(DomainError):
    """The keyring or its key cannot be used; `why` says what an operator must do."""

    detail = "{path}: {why}."


def create_kek(path: Path) -> bytes:
    """Write a fresh 32-byte key-encryption key to a new file that only its owner may read, and return it."""
    kek = os.urandom(KEY_SIZE)
    write_new(path, kek.hex().encode() + b"\n")
    return kek


def load_kek(path: Path) -> bytes:
    """Return the key-encryption key of a file: 64 hexadecimal digits, or 32 raw bytes.

    KeyringError when it is missing, of another form, or readable by others than its owner.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        raw = path.read_bytes()
    except OSError as error:
        raise KeyringError(path=str(path), why=f"cannot be read ({error.strerror})") from None
    if mode & 0o077:
        raise KeyringError(path=str(path), why=f"is open to others; run chmod 600 (it is {mode:o})")
    if len(raw) == KEY_SIZE:
        return raw
    try:
        kek = bytes.fromhex(raw.decode("ascii").strip())
    except ValueError:
        kek = b""
    if len(kek) != KEY_SIZE:
        raise KeyringError(
            path=str(path), why="holds no key: 64 hexadecimal digits or 32 raw bytes are expected"
        )
    return kek


def write_new(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600, durably; KeyringError where there is one already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    except FileExistsError:
        raise KeyringError(path=str(path), why="exists already and is never overwritten") from None
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
