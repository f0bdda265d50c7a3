"""Joining: the device makes its keys, and trades the public halves and a one-time code for its name."""

from __future__ import annotations

import binascii
import json
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Final
from uuid import UUID

from kernel.crypto.ed25519 import VerifyKey
from readers.errors import EnrolmentError
from readers.identity import FILE, Identity, keep_former, pending_keys, save_identity
from readers.server import Server

PATH: Final = "/v1/devices/enrol"


def enrol(server: Server, *, state_dir: Path, code: str, name: str, replace: bool = False) -> Identity:
    """Return this device's new identity, saved in `state_dir`.

    Keys are saved before they are sent, so a lost answer is simply asked for again with the same code.
    EnrolmentError where the reader is enrolled already (and `replace` is False), or the server refuses the code;
    ServerError where it cannot be reached.
    """
    if (state_dir / FILE).exists() and not replace:
        raise EnrolmentError(
            f"{state_dir / FILE}: this reader is enrolled already; --replace gives it a new identity"
        )
    keys = pending_keys(state_dir)
    request = {
        "code": code,
        "public_key": b64encode(keys.signing.public.raw).decode(),
        "box_key": b64encode(keys.box_public).decode(),
        "name": name,
    }
    reply = server.post(PATH, json.dumps(request).encode())
    if reply.status not in {200, 201}:
        raise EnrolmentError(f"the server refused to enrol this reader: {reply.problem()}")
    try:
        answer = reply.json()
        identity = Identity(
            UUID(answer["device_id"]), keys, VerifyKey(b64decode(answer["bundle_key"], validate=True))
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise EnrolmentError(f"the server's answer to the enrolment is malformed: {error}") from error
    keep_former(state_dir)
    save_identity(state_dir, identity)
    return identity
