"""The offline procedures of docs/how-to-audit-us.md, run exactly as they are printed there."""

import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest

from kernel.crypto.ed25519 import SigningKey
from kernel.ids import EntryId, uuid8
from ledger import close_period
from service.api.seal_documents import extension_document, inclusion_document, key_document, seal_document
from tests.ledger.conftest import NOW, TODAY, Books
from tests.ledger.test_prove import SIGNER, a_closed_and_an_open_day

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def printed(request) -> list[str]:
    page = (request.config.rootpath / "docs/how-to-audit-us.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len(blocks) == 3
    assert all(len(block.splitlines()) <= 30 for block in blocks), "a 30-line procedure"
    return blocks


def run(program: str, fed: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *words], input=fed, capture_output=True, text=True, check=False
    )


def flipped(text: str) -> str:
    """The hexadecimal text with its last bit the other way."""
    return text[:-1] + f"{int(text[-1], 16) ^ 1:x}"


def test_one_entry_is_verified_offline_and_nothing_else_is(tx, printed) -> None:
    books = a_closed_and_an_open_day(tx)
    proofs = close_period.include(tx, books.riders[2], EntryId(uuid8("fare", 1, 2, 0)))
    document = {"proofs": [inclusion_document(proof) for proof in proofs]}
    key = SIGNER.public.raw.hex()
    good = run(printed[0], json.dumps(document), key)
    assert good.stdout == "proven: 100 minor units on 2026-11-17\n", good.stderr
    assert run(printed[0], json.dumps(document), SigningKey.generate().public.raw.hex()).returncode != 0
    (proof,) = document["proofs"]
    for name, value in (("sealed", flipped(proof["sealed"])), ("index", proof["index"] ^ 1), ("path", [])):
        forged = {"proofs": [{**proof, name: value}]}
        assert run(printed[0], json.dumps(forged), key).returncode != 0, name
    for name in ("head", "signature", "message"):
        forged = {"proofs": [{**proof, "seal": {**proof["seal"], name: flipped(proof["seal"][name])}}]}
        assert run(printed[0], json.dumps(forged), key).returncode != 0, name


def test_a_later_seal_extends_the_head_one_holds_across_a_change_of_key(tx, printed) -> None:
    books, new = Books(), SigningKey.generate()
    books.open(tx)
    for back, signer in ((4, SIGNER), (3, SIGNER), (2, new), (1, new)):
        at = NOW - back * DAY
        books.posted(tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
        close_period.close(tx, TODAY - back * DAY, NOW, signer=signer, earlier=[SIGNER])
    keys = [key_document(key) for key in close_period.list_keys(tx)]
    seals = [seal_document(seal) for seal in close_period.list_seals(tx)]

    def check(*rows: dict[str, object], held: str = seals[0]["head"]) -> int:
        fed = "".join(json.dumps(row) + "\n" for row in rows)
        return run(printed[1], fed, SIGNER.public.raw.hex(), held).returncode

    assert check(*keys, *seals) == 0
    assert check(*keys, *seals[:2]) == 0
    assert check(*keys, *seals, held="ab" * 32) != 0
    assert check(*keys, seals[0], *seals[2:]) != 0
    assert check(*keys, seals[1], seals[0]) != 0
    assert check(*(key for key in keys if key["introduced_by"] is None), *seals) != 0
    for name in ("message", "signature", "root"):
        assert check(*keys, *seals[:3], {**seals[3], name: flipped(seals[3][name])}) != 0, name


def test_a_later_seal_extends_a_head_without_those_in_between(tx, printed) -> None:
    books, new = Books(), SigningKey.generate()
    books.open(tx)
    for back in range(7, 0, -1):
        at = NOW - back * DAY
        books.posted(tx, books.topup(0, 5, entry_id=books.new_id(at)), now=at)
        signer = SIGNER if back > 3 else new
        close_period.close(tx, TODAY - back * DAY, NOW, signer=signer, earlier=[SIGNER])
    seals = close_period.list_seals(tx)

    def check(document: dict[str, object], held: str, key: SigningKey = SIGNER) -> str:
        return run(printed[2], json.dumps(document), key.public.raw.hex(), held).stdout

    for earlier in (0, 2, 4, 5):
        for later in (earlier + 1, 6):
            proof = close_period.extend(tx, seals[earlier].head, last=seals[later].book_day)
            document = extension_document(proof)
            held, key = seals[earlier].head.hex(), new if earlier > 3 else SIGNER
            expected = f"after {seals[earlier].book_day} up to {seals[later].book_day}\n"
            assert check(document, held, key) == f"extends: {later - earlier} seals {expected}"
    whole = extension_document(close_period.extend(tx, seals[2].head))
    held = seals[2].head.hex()
    assert check(whole, held)
    assert not check(whole, held, new)
    assert not check(whole, seals[1].head.hex())
    assert not check({**whole, "keys": []}, held)
    assert not check({**whole, "later": whole["earlier"]}, held)
    for place in range(len(whole["path"])):
        path = [flipped(step) if n == place else step for n, step in enumerate(whole["path"])]
        assert not check({**whole, "path": path}, held), place
        assert not check({**whole, "path": whole["path"][:place]}, held), place
    for name in ("message", "signature"):
        assert not check({**whole, "later": {**whole["later"], name: flipped(whole["later"][name])}}, held)
    other_past = {**whole["earlier"], "message": flipped(whole["earlier"]["message"])}
    assert not check({**whole, "earlier": other_past}, held)
