"""Card masters in a PKCS#11 token (an HSM, a smart card, SoftHSM2): made or put there once, and never read out again.

What leaves the token is one card's own key: AES-CMAC under the master over the 22 bytes that name the card, which for
more than 15 bytes is what AN10922 asks for. The masters are sensitive and not extractable; one that could be read out is
refused. Labels are `lienthong ROLE GENERATION`. Sealed files stay the default (`access.keyring`); this module needs the
extra `hsm` (python-pkcs11).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hmac import compare_digest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from access.kek import KeyringError
from kernel.crypto.card_keys import Role
from kernel.crypto.cmac import CmacKey

if TYPE_CHECKING:
    from pkcs11 import Session

KEPT_ROLES: Final = frozenset(Role) - {Role.AUTH, Role.DEBIT}
"""The roles whose masters can live in a token: a validator is never sent them. AUTH and DEBIT travel, boxed."""
_PROBE: Final = b"lienthong/probe"
_BITS: Final = 128

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class TokenMaster:
    """One master inside a token; `mac` is all that can be asked of it."""

    _token: Token
    _label: str

    def mac(self, message: bytes) -> bytes:
        """Return the 16-byte AES-CMAC of `message`; KeyringError where the token is gone."""
        return self._token.mac(self._label, message)


@dataclass(slots=True)
class Token:
    """One token of one PKCS#11 module. It is opened when first asked, once a process, and again after it was lost."""

    module: Path
    label: str
    pin: str = field(repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _session: Session | None = field(default=None, init=False, repr=False)
    _keys: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    def masters(self, generation: int) -> dict[Role, TokenMaster]:
        """Return the masters of a generation; KeyringError where one is missing or could be read out."""
        for role in KEPT_ROLES:
            self._ask(partial(self._find, label=_label(role, generation)))
        return {role: TokenMaster(self, _label(role, generation)) for role in KEPT_ROLES}

    def holds(self, generation: int) -> bool:
        """Return whether the token has any master of this generation."""
        labels = [_label(role, generation) for role in KEPT_ROLES]
        return self._ask(lambda session: any(_objects(session, label) for label in labels))

    def make(self, generation: int) -> dict[Role, TokenMaster]:
        """Have the token draw the masters of a generation; those that are there from a broken attempt are kept."""
        for role in sorted(KEPT_ROLES, key=lambda one: one.value):
            self._ask(partial(_draw, label=_label(role, generation)))
        return self.masters(generation)

    def put(self, generation: int, masters: Mapping[Role, bytes]) -> dict[Role, TokenMaster]:
        """Put masters that were kept elsewhere into the token, and return them as they answer from there.

        What a broken attempt put there is kept; KeyringError where another key has the place of one of these.
        """
        for role, master in masters.items():
            self._ask(partial(_store, label=_label(role, generation), key=master))
        made = self.masters(generation)
        for role, master in masters.items():
            if not compare_digest(made[role].mac(_PROBE), CmacKey(master).mac(_PROBE)):
                raise self._error(f"holds another key as {_label(role, generation)!r}")
        return made

    def mac(self, label: str, message: bytes) -> bytes:
        """Return the AES-CMAC of `message` under the master of this label."""
        from pkcs11 import Mechanism

        return self._ask(
            lambda session: bytes(self._find(session, label).sign(message, mechanism=Mechanism.AES_CMAC))
        )

    def _find(self, session: Session, label: str) -> Any:
        from pkcs11 import Attribute

        known = self._keys.get(label)
        if known is not None:
            return known
        found = _objects(session, label)
        if len(found) != 1:
            raise self._error(f"has {len(found)} keys named {label!r}; one is needed")
        if found[0][Attribute.EXTRACTABLE] or not found[0][Attribute.SENSITIVE]:
            raise self._error(f"would give {label!r} away: it must be sensitive and not extractable")
        self._keys[label] = found[0]
        return found[0]

    def _ask(self, question: Callable[[Session], _Result]) -> _Result:
        from pkcs11.exceptions import PKCS11Error

        # One session, one question at a time: a signature is two calls, between which no other may come.
        with self._lock:
            held = self._session
            try:
                return question(held or self._open())
            except PKCS11Error as error:
                self._forget()
                if held is None:
                    raise self._error(f"refuses: {type(error).__name__} {error}".rstrip()) from None
            # It was pulled, restarted or logged out under us: asked once more from the beginning.
            try:
                return question(self._open())
            except PKCS11Error as error:
                self._forget()
                raise self._error(f"refuses: {type(error).__name__} {error}".rstrip()) from None

    def _open(self) -> Session:
        from pkcs11.exceptions import UserAlreadyLoggedIn

        found = _library(self).get_token(token_label=self.label)
        try:
            self._session = found.open(rw=True, user_pin=self.pin)
        except UserAlreadyLoggedIn:
            # A login is the process's: another keyring of ours has it already.
            self._session = found.open(rw=True)
        return self._session

    def _forget(self) -> None:
        self._session = None
        self._keys.clear()

    def _error(self, why: str) -> KeyringError:
        return KeyringError(path=f"PKCS#11 token {self.label!r}", why=why)


def _library(token: Token) -> Any:
    try:
        from pkcs11 import lib
        from pkcs11.exceptions import PKCS11Error
    except ImportError:
        raise KeyringError(
            path=str(token.module), why="needs python-pkcs11: pip install 'lienthong[hsm]'"
        ) from None
    try:
        return lib(str(token.module))
    except (PKCS11Error, OSError) as error:
        raise KeyringError(path=str(token.module), why=f"is no PKCS#11 module that loads ({error})") from None


def _label(role: Role, generation: int) -> str:
    return f"lienthong {role.value} {generation}"


def _objects(session: Session, label: str) -> list[Any]:
    from pkcs11 import Attribute, ObjectClass

    return list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.LABEL: label}))


def _draw(session: Session, label: str) -> None:
    from pkcs11 import KeyType, MechanismFlag

    if not _objects(session, label):
        session.generate_key(
            KeyType.AES,
            _BITS,
            label=label,
            store=True,
            capabilities=MechanismFlag.SIGN,
            template=_guarded(),
        )


def _store(session: Session, label: str, key: bytes) -> None:
    from pkcs11 import Attribute, KeyType, ObjectClass

    if not _objects(session, label):
        session.create_object(
            {
                Attribute.CLASS: ObjectClass.SECRET_KEY,
                Attribute.KEY_TYPE: KeyType.AES,
                Attribute.VALUE: key,
                Attribute.LABEL: label,
                Attribute.TOKEN: True,
                Attribute.SIGN: True,
                **_guarded(),
            }
        )


def _guarded() -> dict[Any, bool]:
    from pkcs11 import Attribute

    return {
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.MODIFIABLE: False,
    }
