"""`python -m readers.softcard.phone`: a phone with a QR key of its own, for tests and demonstrations.

phone new --key phone.key                          makes the key, prints its public half: what POST …/media takes
phone code --key phone.key --certificate BASE64    prints the code that the phone shows now
"""

from __future__ import annotations

import argparse
import os
import sys
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path

from access.rules.qr import make_code
from kernel.clock import clock_from
from kernel.crypto.ed25519 import SigningKey
from kernel.errors import DomainError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; exit code 2 when a file or an argument is not usable."""
    parser = argparse.ArgumentParser(prog="python -m readers.softcard.phone", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("new", "code"):
        command = commands.add_parser(name)
        command.add_argument(
            "--key", type=Path, required=True, metavar="FILE", help="the phone's private key"
        )
        if name == "code":
            command.add_argument(
                "--certificate", required=True, help="what the registration answered, base64"
            )
            command.add_argument("--clock", default="system", help="system, fixed:INSTANT or scaled;…")
    options = parser.parse_args(argv)
    try:
        if options.command == "new":
            key = SigningKey.generate()
            port = os.open(options.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(port, "wb") as file:
                file.write(key.to_bytes())
            print(key.public.raw.hex())
        else:
            key = SigningKey.from_bytes(options.key.read_bytes())
            certificate = b64decode(options.certificate, validate=True)
            now = clock_from(options.clock).now()
            print(make_code(certificate, key, at=now, nonce=os.urandom(4)))
    except (DomainError, OSError, ValueError) as error:
        print(f"phone: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
