"""Asking the back office about tokens that prove nothing by themselves: what it says of each, or that nobody was heard."""

from __future__ import annotations

import json
import queue
import threading
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from kernel.crypto.ed25519 import SigningKey
from kernel.wire.shown import ShownKind
from readers.errors import ServerError
from readers.server import Server

PATH: Final = "/v1/vouchers"


@dataclass(frozen=True, slots=True)
class TokenSeen:
    """A token that the back office vouches for."""

    kind: ShownKind
    serial: int
    voucher: bytes


@dataclass(frozen=True, slots=True)
class TokenRefused:
    """A token that the back office does not let through; `reason` is its word."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unheard:
    """A token that nobody could be asked about."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is none of these."""


@dataclass(frozen=True, slots=True)
class TakenAway:
    """A token that left before there was an answer."""


Word = TokenSeen | TokenRefused | Unheard | Unreadable | TakenAway


class Vouching:
    """One connection over which tokens are asked about; `signing` gives the device's key of the moment."""

    def __init__(self, server: Server, signing: Callable[[], SigningKey]) -> None:
        self._server, self._signing = server, signing

    def ask(self, kind: ShownKind, reference: str) -> Word:
        """Return what the back office says of a token, waiting for it as long as the connection does."""
        body = json.dumps({"kind": kind.name.lower(), "reference": reference}).encode()
        self._server.sign_with(self._signing())
        try:
            reply = self._server.post(PATH, body, signed=True)
            if reply.status == 422:
                return Unreadable()
            said = reply.json()
            if reply.status != 200:
                return Unheard()
            if said["decision"] != "accept":
                return TokenRefused(str(said["reason"]))
            return TokenSeen(kind, int(said["card_serial"]), b64decode(said["voucher"], validate=True))
        except (ServerError, KeyError, TypeError, ValueError):
            return Unheard()

    def close(self) -> None:
        """Let go of the connection."""
        self._server.close()


@dataclass(frozen=True, slots=True)
class Question:
    """A token that is being asked about."""

    kind: ShownKind
    reference: str
    _answer: queue.SimpleQueue[Word] = field(default_factory=queue.SimpleQueue)

    def answer_with(self, word: Word) -> None:
        """Put the answer where `wait` finds it."""
        self._answer.put(word)

    def wait(self, timeout_s: float) -> Word | None:
        """Return the answer, once, or None when there is none in time."""
        try:
            return self._answer.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Asker(threading.Thread):
    """Asks one question after the other, in a thread of its own: a token that was taken away holds up no card."""

    def __init__(self, vouching: Vouching) -> None:
        super().__init__(name="asker", daemon=True)
        self._vouching = vouching
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()

    def ask(self, kind: ShownKind, reference: str) -> Question:
        """Return the question; it is asked at once unless another one still waits for its answer."""
        question = Question(kind, reference)
        self._questions.put(question)
        return question

    def run(self) -> None:
        """Ask until stopped."""
        while (question := self._questions.get()) is not None:
            question.answer_with(self._vouching.ask(question.kind, question.reference))
        self._vouching.close()

    def stop(self) -> None:
        """End the thread; a question under way is not waited for."""
        self._questions.put(None)
        if self.is_alive():
            self.join(timeout=0.5)
