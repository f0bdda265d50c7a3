"""The deny list on this device's disk, one file a version; the signed bundle says which of them counts."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Final

from access.rules.denylist import DenyList
from kernel.errors import DomainError
from readers.errors import BundleError
from readers.identity import write_private

_NAME: Final = "deny-{version}.ltdn"
_FAST: Final = 1  # of zlib: written each time the list changes, on a small processor


def load(state_dir: Path, version: int) -> DenyList | None:
    """Return the list of this version as it lies on disk, unverified; None where there is none.

    BundleError where the file is no deny list.
    """
    path = state_dir / _NAME.format(version=version)
    try:
        return DenyList.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, DomainError) as error:
        raise BundleError(f"{path}: cannot be used ({error})") from error


def save(state_dir: Path, denied: DenyList) -> None:
    """Write the list by one rename, in place of whatever bears its name."""
    write_private(state_dir / _NAME.format(version=denied.version), denied.encode(level=_FAST))


def forget_others(state_dir: Path, version: int) -> None:
    """Remove the files of every other version."""
    keep = _NAME.format(version=version)
    for path in state_dir.glob(_NAME.format(version="*")):
        if path.name != keep:
            with suppress(OSError):
                path.unlink()
