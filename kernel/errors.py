"""The base of every refusal a verb raises. It carries fields; what HTTP makes of them is the service's table."""

from __future__ import annotations

from typing import ClassVar


class _Fields(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


class DomainError(Exception):
    """The caller asked for what cannot be.

    Subclasses set `detail`, a `str.format` template over the keyword fields they are raised with; a field the
    template names but the raiser left out stays visible as `{name}`. `fields` travels into the problem document.
    """

    detail: ClassVar[str] = "The request cannot be carried out."

    def __init__(self, **fields: object) -> None:
        self.fields: dict[str, object] = fields
        super().__init__(self.detail.format_map(_Fields(fields)))

    def __reduce__(self) -> tuple[object, ...]:
        # Exception's own pickling replays positional arguments, which we do not take.
        return (_rebuild, (type(self), self.fields))


def _rebuild(kind: type[DomainError], fields: dict[str, object]) -> DomainError:
    return kind(**fields)
