"""systemd's readiness and watchdog, in the ten lines that sd_notify(3) needs."""

from __future__ import annotations

import os
import socket


def tell_systemd(words: str) -> bool:
    """Send e.g. "READY=1", "WATCHDOG=1", "STOPPING=1"; return whether a systemd took it. Never raises.

    Never waits either: a tap does not stand behind a systemd that is slow to read.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.connect("\0" + address[1:] if address.startswith("@") else address)
            line.send(words.encode(), socket.MSG_DONTWAIT)
    except OSError:
        return False
    return True
