"""NTAG 424 DNA secure unique NFC messages: what a paper ticket shows in its link at each reading (NXP AN12196)."""

from __future__ import annotations

from dataclasses import dataclass
from hmac import compare_digest
from typing import Final

from kernel.crypto.aes import BLOCK, decrypt_cbc, encrypt_block
from kernel.crypto.cmac import CmacKey

_HAS_UID: Final = 0x80
_HAS_COUNTER: Final = 0x40
_UID_SIZE: Final = 7
_SV_MAC: Final = b"\x3c\xc3\x00\x01\x00\x80"
_SV_ENC: Final = b"\xc3\x3c\x00\x01\x00\x80"


@dataclass(frozen=True, slots=True)
class PiccData:
    """Which ticket was read, and its count of readings; the count must rise, else the link was replayed."""

    uid: bytes
    counter: int


def open_picc_data(meta_key: bytes, picc_data: bytes) -> PiccData | None:
    """Return what the enciphered PICCData says, or None when it was not made under `meta_key`.

    This alone proves nothing: sixteen random bytes pass now and then. Only `verify_sdmmac` does.
    """
    if len(picc_data) != BLOCK:
        return None
    plain = decrypt_cbc(meta_key, picc_data)
    if plain[0] != _HAS_UID | _HAS_COUNTER | _UID_SIZE:
        return None
    return PiccData(plain[1:8], int.from_bytes(plain[8:11], "little"))


def _session(file_key: bytes, label: bytes, picc: PiccData) -> bytes:
    return CmacKey(file_key).mac(label + picc.uid + picc.counter.to_bytes(3, "little"))


def verify_sdmmac(file_key: bytes, picc: PiccData, sdmmac: bytes, mac_input: bytes = b"") -> bool:
    """Return whether the ticket made `sdmmac` at this reading, compared in constant time.

    `mac_input` is the stretch of the link, as it stands there, that the ticket was set up to cover.
    """
    made = CmacKey(_session(file_key, _SV_MAC, picc)).short_mac(mac_input)
    return compare_digest(made, sdmmac)


def open_file_data(file_key: bytes, picc: PiccData, sealed: bytes) -> bytes:
    """Return the mirrored file content of a link whose MAC was verified; `sealed` is whole blocks."""
    assert len(sealed) % BLOCK == 0, "whole blocks"
    key = _session(file_key, _SV_ENC, picc)
    iv = encrypt_block(key, picc.counter.to_bytes(3, "little") + bytes(13))
    return decrypt_cbc(key, sealed, iv)
