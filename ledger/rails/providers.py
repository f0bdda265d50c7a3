"""The adapters there are, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from kernel.errors import DomainError
from ledger.rails.casso import Casso
from ledger.rails.notification import Adapter, Asked
from ledger.rails.payos import PayOs
from ledger.rails.sepay import SePay

ADAPTERS: Final[Mapping[str, Adapter]] = MappingProxyType(
    {"payos": PayOs(), "casso": Casso(), "sepay": SePay()}
)

POLLED: Final[Mapping[str, Asked]] = MappingProxyType({"payos": PayOs()})
"""Those that can be asked what became of a top-up."""


class UnknownProviderError(DomainError):
    """No adapter, or no secret, of that name."""

    detail = "There is no payment provider “{provider}” here."


def adapter(provider: str) -> Adapter:
    """Return the adapter of `provider`; UnknownProviderError when there is none."""
    try:
        return ADAPTERS[provider]
    except KeyError:
        raise UnknownProviderError(provider=provider) from None
