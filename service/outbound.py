"""Posts to addresses that others name: no redirects, no proxies, and no private address unless a setting allows it.

The name is looked up once and the connection goes to the very address that was judged, so a name that changes its
mind in between reaches nothing.
"""

import http.client
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from typing import Final, Self
from urllib.parse import SplitResult, urlsplit

TIMEOUT_S: Final = 10
_MOST: Final = 65_536  # of an answer; what it says is not read
_OK: Final = range(200, 300)


class UnreachableError(Exception):
    """The other side did not take it: refused by us, unreachable, or any answer but 2xx."""


def check_address(url: str, *, private: bool) -> str:
    """Return why an address cannot be posted to; empty where it can. Nothing is looked up."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "it is not a URL"
    if parts.scheme not in ({"https", "http"} if private else {"https"}) or not parts.hostname:
        return "it is not an https address"
    if parts.username or parts.password or parts.fragment or port == 0:
        return "it has a user, a password or a fragment"
    try:
        literal = ipaddress.ip_address(parts.hostname)
    except ValueError:
        return ""
    return "" if private or literal.is_global else "it is a private address"


def post(url: str, body: bytes, headers: Mapping[str, str], *, private: bool) -> None:
    """Post a body; UnreachableError unless it was taken."""
    why = check_address(url, private=private)
    if why:
        raise UnreachableError(why)
    parts = urlsplit(url)
    assert parts.hostname is not None, "checked"
    try:
        with _connected(parts, private=private) as connection:
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            answer.read(_MOST)
            if answer.status not in _OK:
                raise UnreachableError(f"HTTP {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{type(error).__name__}: {error}") from error


class _Connection(http.client.HTTPConnection):
    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connected(parts: SplitResult, *, private: bool) -> _Connection:
    assert parts.hostname is not None, "checked"
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    found = socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found]
    if not private and not all(ipaddress.ip_address(each.partition("%")[0]).is_global for each in addresses):
        raise UnreachableError("its name stands for a private address")
    connection = _Connection(parts.hostname, port, timeout=TIMEOUT_S)
    plain = socket.create_connection((addresses[0], port), TIMEOUT_S)
    connection.sock = (
        ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname) if secure else plain
    )
    return connection
