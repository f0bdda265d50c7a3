"""A new signing key on the back office's word: made here, offered under both keys, in use once the server has it.

The key is on disk before it is offered, so that a lost answer is simply asked for again with the same key; the old
one is in use until the server has said that the new one is good.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Final

from kernel.crypto.ed25519 import SigningKey
from kernel.wire.rotation import CONTEXT, PATH, offer_message
from readers.errors import ServerError
from readers.identity import Identity, Keys, save_identity, write_private
from readers.parsing import parse_json
from readers.server import Server

FILE: Final = "device-next.json"


def rotate(server: Server, identity: Identity, state_dir: Path) -> Identity:
    """Return the identity under its new key, saved in `state_dir`; `server` signs with the old one.

    ServerError where the server did not take the key: the old one stays in use, and the same new one is offered again.
    """
    key = _next_key(state_dir)
    proof = key.sign(CONTEXT, offer_message(identity.device_id, key.public.raw))
    body = {"public_key": b64encode(key.public.raw).decode(), "proof": b64encode(proof).decode()}
    reply = server.post(PATH, json.dumps(body).encode(), signed=True)
    if reply.status not in {200, 201}:
        raise ServerError(f"no new key: {reply.problem()}")
    fresh = replace(identity, keys=Keys(key, identity.keys.box))
    save_identity(state_dir, fresh)
    (state_dir / FILE).unlink(missing_ok=True)
    return fresh


def _next_key(state_dir: Path) -> SigningKey:
    try:
        return SigningKey.from_bytes(
            bytes.fromhex(parse_json((state_dir / FILE).read_bytes())["signing_key"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        # None yet, or unreadable: whatever was offered of it before is never used, and ends with the next that is.
        key = SigningKey.generate()
        write_private(state_dir / FILE, json.dumps({"signing_key": key.to_bytes().hex()}).encode())
        return key
