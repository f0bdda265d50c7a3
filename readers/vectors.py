"""Card vectors from a file, recomputed by the code that the readers and the back office run: for whoever wants to check us.

    {"vectors": [{"id", "inputs": {…}, "expected": {…}}]}, or the list alone; byte strings in hexadecimal digits

What a vector is about is told by the names of its inputs, never by its id. Without `expected` our answers are printed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kernel.crypto import an10922, change_key, sun, tmac
from kernel.crypto.aes import decrypt_cbc, encrypt_block
from kernel.crypto.cmac import aes_cmac
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.ev2 import (
    CommMode,
    MessagingError,
    ReaderAuth,
    Session,
    SessionKeys,
    session_keys,
    session_vector,
)
from readers.card import native
from readers.errors import ReaderError
from readers.parsing import parse_json

Inputs = Mapping[str, Any]
Answers = dict[str, object]
_COMMAND, _RESPONSE = b"\xa5\x5a", b"\x5a\xa5"
_OK: Final = b"\x91\x00"
_MORE: Final = b"\x91\xaf"
_WRITE_DATA: Final = 0x8D
# NXP AN12196 rev. 2.0, page 18: the message that a published negative vector names as its base.
_PUBLISHED: Final[Mapping[str, Inputs]] = {
    "sun.an12196.2": {
        "K_SDMMetaRead": "00" * 16,
        "K_SDMFileRead": "00" * 16,
        "picc_data": "FD91EC264309878BE6345CBE53BADF40",
        "mac_input": b"CEE9A53E3E463EF1F459635736738962&cmac=".hex(),
        "sdmmac": "ECC1E7F6C6C73BF6",
    }
}


_UNREADABLE: Final = (
    ValueError,
    TypeError,
    KeyError,
    AssertionError,
    AttributeError,
    OverflowError,
    MessagingError,
)


class VectorError(ReaderError):
    """The file holds no vectors, or one that cannot be read."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One vector: our answers, and of what was expected the names that differ or that we cannot compute."""

    vector_id: str
    answers: Answers
    differs: tuple[str, ...]
    unknown: tuple[str, ...]

    @property
    def word(self) -> str:
        """Return `ok`, `differs` or `unknown`."""
        return "differs" if self.differs else "unknown" if self.unknown else "ok"


def read_vectors(path: Path) -> list[Mapping[str, Any]]:
    """Return the vectors of a file; VectorError."""
    try:
        found = parse_json(path.read_bytes())
    except OSError as error:
        raise VectorError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise VectorError(f"{path}: is not JSON ({error})") from error
    rows = found.get("vectors") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(
        isinstance(row, dict) and isinstance(row.get("inputs"), dict) for row in rows
    ):
        raise VectorError(f"{path}: holds no list of vectors with `inputs`")
    return rows


def check(rows: Sequence[Mapping[str, Any]]) -> tuple[Checked, ...]:
    """Return each vector recomputed, in order; VectorError names the one whose inputs are no byte strings."""
    by_id = {str(row.get("id", "")): row["inputs"] for row in rows}
    found = []
    for number, row in enumerate(rows, 1):
        name = str(row.get("id", number))
        inputs: Inputs = row["inputs"]
        base = inputs.get("based_on")
        if base is not None:
            inputs = {**by_id.get(base, _PUBLISHED.get(base, {})), **inputs}
        try:
            answers = answer(inputs)
        except _UNREADABLE as error:
            raise VectorError(f"vector {name}: its inputs cannot be read ({error})") from error
        expected = row.get("expected") or {}
        found.append(
            Checked(
                name,
                answers,
                tuple(key for key in expected if key in answers and not _same(answers[key], expected[key])),
                tuple(key for key in expected if key not in answers) if answers else ("inputs",),
            )
        )
    return tuple(found)


def answer(inputs: Inputs) -> Answers:
    """Return everything that these inputs lead to, by name; nothing where they are of no kind that is known."""
    for names, made in _KINDS:
        if names <= inputs.keys():
            return {
                name: value.hex() if isinstance(value, bytes) else value
                for name, value in made(inputs).items()
            }
    return {}


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, str) and isinstance(theirs, str):
        return ours == theirs.replace(" ", "").lower()
    return type(ours) is type(theirs) and ours == theirs


def _raw(inputs: Inputs, name: str, default: str | None = None) -> bytes:
    return bytes.fromhex(inputs[name] if default is None else inputs.get(name, default))


def _subkeys(inputs: Inputs) -> Answers:
    key = _raw(inputs, "key")
    first, second = an10922.subkeys(key)
    return {"AES(K,0)": encrypt_block(key, bytes(16)), "K1": first, "K2": second}


def _cmac(inputs: Inputs) -> Answers:
    return {"cmac": aes_cmac(_raw(inputs, "key"), _raw(inputs, "message"))}


def _diversified(inputs: Inputs) -> Answers:
    return {"diversified_key": an10922.diversify(_raw(inputs, "master_key"), _raw(inputs, "div_input"))}


def _diversified_by_parts(inputs: Inputs) -> Answers:
    name = b"".join(_raw(inputs, part) for part in ("uid", "aid", "system_id"))
    return {"diversified_key": an10922.diversify(_raw(inputs, "master_key"), name)}


def _plain_cmac(inputs: Inputs) -> Answers:
    return {"diversified_key": aes_cmac(_raw(inputs, "master_key"), _raw(inputs, "cmac_message"))}


def _authenticated(inputs: Inputs) -> Answers:
    key, rnd_a, rnd_b = (_raw(inputs, name) for name in ("key", "RndA", "RndB"))
    keys = session_keys(key, rnd_a, rnd_b)
    found: Answers = {
        "SV1": session_vector(_COMMAND, rnd_a, rnd_b),
        "SV2": session_vector(_RESPONSE, rnd_a, rnd_b),
        "KSesAuthENC": keys.enc,
        "KSesAuthMAC": keys.mac,
    }
    if not {"rapdu1", "rapdu2"} <= inputs.keys():
        return found
    challenge, proof = _raw(inputs, "rapdu1"), _raw(inputs, "rapdu2")
    reader = ReaderAuth(key, rnd_a)
    found["capdu2"] = native(0xAF, reader.answer(challenge[:-2]))
    try:
        session = reader.finish(proof[:-2])
    except MessagingError:
        return {**found, "accept": False}
    if (challenge[-2:], proof[-2:]) != (_MORE, _OK):
        return {**found, "accept": False}
    opened = decrypt_cbc(key, proof[:-2])
    return {**found, "accept": True, "TI": session.ti, "PDcap2": opened[20:26], "PCDcap2": opened[26:32]}


def _session(inputs: Inputs, counter: int) -> Session:
    keys = SessionKeys(_raw(inputs, "KSesAuthENC", "00" * 16), _raw(inputs, "KSesAuthMAC", "00" * 16))
    return Session(keys, _raw(inputs, "TI"), counter)


def _messaged(inputs: Inputs) -> Answers:
    counter, data = int(inputs["CmdCtr"]), _raw(inputs, "data", "")
    if "file" in inputs:
        code = int(str(inputs.get("cmd", f"{_WRITE_DATA:02x}")), 16)
        place = int(inputs["offset"]).to_bytes(3, "little") + len(data).to_bytes(3, "little")
        header = int(inputs["file"]).to_bytes(1, "little") + place
    else:
        code, header = _raw(inputs, "cmd")[0], _raw(inputs, "header", "")
    full = "KSesAuthENC" in inputs
    reader, card = _session(inputs, counter), _session(inputs, counter + 1)
    sent = reader.command(code, header, data, CommMode.FULL if full else CommMode.MAC)
    said = _raw(inputs, "response_data", "")
    body = card.response(said, CommMode.FULL if full else CommMode.MAC)
    return {
        **(_command_vector(inputs) if full else {}),
        "capdu": native(code, sent),
        "ciphertext": sent[len(header) : -8] if full else b"",
        "mact": sent[-8:],
        "response": body + _OK,
        "response_mact": body[-8:],
    }


def _command_vector(inputs: Inputs) -> Answers:
    return {"ivc": _session(inputs, int(inputs["CmdCtr"])).initial_vector(_COMMAND)}


def _reader_id_said(inputs: Inputs) -> Answers:
    session = _session(inputs, int(inputs["CmdCtr_of_response"]))
    vector = session.initial_vector(_RESPONSE)
    return {"EncTMRI": decrypt_cbc(session.keys.enc, _raw(inputs, "response"), vector)}


def _changed_key(inputs: Inputs) -> Answers:
    new, version = _raw(inputs, "new_key"), int(inputs["key_version"])
    if "old_key" not in inputs:
        return {"key_data": change_key.own_key(new, version)}
    return {
        "key_data": change_key.other_key(new, _raw(inputs, "old_key"), version),
        "crc32": change_key.inverted_crc32(new),
    }


def _transaction_keys(inputs: Inputs) -> Answers:
    key, uid, tmc = (
        tmac.TmacKey(_raw(inputs, "AppTransactionMACKey")),
        _raw(inputs, "uid"),
        int(inputs["TMC"]) + 1,
    )
    return {"SesTMMACKey": key.mac_key(uid=uid, tmc=tmc), "SesTMENCKey": key.enc_key(uid=uid, tmc=tmc)}


def _transaction(inputs: Inputs) -> Answers:
    key, uid = tmac.TmacKey(_raw(inputs, "AppTransactionMACKey")), _raw(inputs, "uid")
    tmc = int(inputs["TMC_before"]) + 1
    found: Answers = {
        "TMC_reported": tmc.to_bytes(4, "little"),
        "TMV": tmac.tmv(key, uid=uid, tmc=tmc, tmi=_raw(inputs, "TMI")),
        "SesTMMACKey": key.mac_key(uid=uid, tmc=tmc),
        "SesTMENCKey": key.enc_key(uid=uid, tmc=tmc),
    }
    if "TMRIPrev" in inputs:
        found["EncTMRI"] = tmac.enc_tmri(key, uid=uid, tmc=tmc, previous_reader=_raw(inputs, "TMRIPrev"))
    return found


def _ticket(inputs: Inputs) -> Answers:
    file_key = _raw(inputs, "K_SDMFileRead")
    picc = sun.open_picc_data(_raw(inputs, "K_SDMMetaRead"), _raw(inputs, "picc_data"))
    if picc is None:
        return {"accept": False}
    found: Answers = {"uid": picc.uid, "SDMReadCtr": picc.counter}
    found["accept"] = sun.verify_sdmmac(file_key, picc, _raw(inputs, "sdmmac"), _raw(inputs, "mac_input", ""))
    if "enc_file_data" in inputs:
        found["file_data"] = sun.open_file_data(file_key, picc, _raw(inputs, "enc_file_data"))
    return found


def _signed(inputs: Inputs) -> Answers:
    key = SigningKey.from_bytes(_raw(inputs, "secret"))
    return {"public": key.public.raw, "signature": key.sign(b"", _raw(inputs, "message"))}


# The first whose names are all there decides, so the narrower ones stand first.
_KINDS: Final[tuple[tuple[frozenset[str], Callable[[Inputs], Answers]], ...]] = tuple(
    (frozenset(names.split()), made)
    for names, made in (
        ("secret message", _signed),
        ("K_SDMMetaRead K_SDMFileRead picc_data sdmmac", _ticket),
        ("AppTransactionMACKey TMC_before uid TMI", _transaction),
        ("AppTransactionMACKey TMC uid", _transaction_keys),
        ("key RndA RndB", _authenticated),
        ("new_key key_version", _changed_key),
        ("TI CmdCtr_of_response response", _reader_id_said),
        ("TI CmdCtr file offset", _messaged),
        ("TI CmdCtr cmd", _messaged),
        ("TI CmdCtr", _command_vector),
        ("master_key div_input", _diversified),
        ("master_key uid aid system_id", _diversified_by_parts),
        ("master_key cmac_message", _plain_cmac),
        ("key message", _cmac),
        ("key", _subkeys),
    )
)


def report(found: Sequence[Checked], expected: Sequence[Mapping[str, Any]], *, as_json: bool) -> list[str]:
    """Return a line a vector: as JSON with all our answers, else its word and what differs or is unknown."""
    lines = []
    for each, row in zip(found, expected, strict=True):
        wanted = row.get("expected") or {}
        if as_json:
            lines.append(json.dumps({"id": each.vector_id, "result": each.word, "answers": each.answers}))
            continue
        told = [f"{name} is {each.answers[name]}, not {wanted[name]}" for name in each.differs]
        told += [f"{name} is not known" for name in each.unknown]
        told += [] if wanted else [f"{name} {value}" for name, value in each.answers.items()]
        lines.append(f"{each.word:8} {each.vector_id}" + (f": {'; '.join(told)}" if told else ""))
    return lines
