"""Issue 5: 100,000 of ten million cards denied; 1,000 deltas lead where a snapshot does; nothing older is taken."""

import random
import time
from base64 import b64decode, b64encode
from dataclasses import replace
from json import dumps, loads

import pytest

from access import deny
from access.bundle import make_bundle
from access.delivery import DenyShelf, delta_for
from access.deny import DenyReason
from access.rules.denylist import DenyList
from access.store.devices import Device
from kernel.crypto.ed25519 import SigningKey
from readers.bundle import adopt_bundle, load_bundle
from readers.errors import BundleError
from readers.identity import Identity, Keys
from tests.simulation import World

CARDS = 10_000_000
DENIED = 100_000
CHANGES = 40


@pytest.fixture
def tx(database):
    """In a database of its own: what other tests left in the statistics of a shared one makes wrong plans."""
    with database.engine.begin() as connection:
        yield connection


def test_deltas_end_where_the_snapshot_does(tx, keyring, now, size, figures, tmp_path):
    dice = random.Random(5)
    world = World(tx, keyring, now)
    reader = world.reader()
    box = b"\x02" * 32
    identity = Identity(reader.device_id, Keys(reader.key, box), keyring.bundle_key.public)
    device = replace(_device(world, reader), box_key=identity.keys.box_public)
    denied = set(dice.sample(range(1, CARDS), DENIED))
    deny.deny(tx, denied, reason=DenyReason.LOST, cause="t", now=now)
    shelf, bundle, sent = DenyShelf(), None, []

    def offered(version, held):
        newest = deny.publish(tx)
        return make_bundle(
            device,
            version=version,
            keyring=keyring,
            denied=shelf.at(tx, newest),
            delta=delta_for(tx, held=held, newest=newest),
            tariff_versions=("t",),
            passback_s=30,
            now=now,
        )

    first = offered(1, 0)
    bundle = adopt_bundle(first, identity=identity, held=None, state_dir=tmp_path)
    took = 0.0
    for number in range(2, size(1_000) + 2):
        fresh = set(dice.sample(range(1, CARDS), CHANGES // 2)) - denied
        cleared = (
            set(dice.sample(sorted(denied), CHANGES // 2)) if number % 50 == 0 else set(list(denied)[:9])
        )
        deny.deny(tx, fresh, reason=DenyReason.LOST, cause="t", now=now)
        deny.clear(tx, cleared, reason=DenyReason.LOST, cause="t", now=now)
        denied = (denied | fresh) - cleared
        raw = offered(number, bundle.denied.version)
        sent.append(raw)
        began = time.perf_counter()
        bundle = adopt_bundle(raw, identity=identity, held=bundle, state_dir=tmp_path)
        took += time.perf_counter() - began
    whole = offered(number + 1, 0)
    figures(
        denied=len(denied),
        deltas=len(sent),
        snapshot_bytes=len(b64decode(loads(b64decode(loads(whole)["bundle"]))["deny"])),
        delta_bytes_median=sorted(map(len, sent))[len(sent) // 2],
        adopted_ms=round(took / len(sent) * 1000, 1),
    )
    assert set(bundle.denied.serials()) == denied
    assert (
        bundle.denied
        == deny.snapshot(tx, bundle.denied.version)
        == DenyList.of(bundle.denied.version, denied)
    )
    assert load_bundle(tmp_path, identity).denied == bundle.denied, "and so does what lies on disk"
    by_snapshot = adopt_bundle(whole, identity=identity, held=None, state_dir=tmp_path / "other")
    assert by_snapshot.denied == bundle.denied

    for older in (first, sent[0], sent[-2]):
        with pytest.raises(BundleError):
            adopt_bundle(older, identity=identity, held=bundle, state_dir=tmp_path)
    for place in (0, 40, len(b64decode(loads(whole)["bundle"])) - 1):
        with pytest.raises(BundleError):
            adopt_bundle(tampered(whole, place), identity=identity, held=bundle, state_dir=tmp_path)
    with pytest.raises(BundleError):
        adopt_bundle(resigned(whole), identity=identity, held=bundle, state_dir=tmp_path)
    assert load_bundle(tmp_path, identity).denied == bundle.denied


def _device(world, reader) -> Device:
    from access import enrol

    return enrol.get_device(world.tx, reader.device_id)


def tampered(envelope, place):
    wrapped = loads(envelope)
    content = bytearray(b64decode(wrapped["bundle"]))
    content[place] ^= 1
    return dumps(wrapped | {"bundle": b64encode(content).decode()}).encode()


def resigned(envelope):
    wrapped = loads(envelope)
    signature = SigningKey.generate().sign(b"lienthong/bundle/1", b64decode(wrapped["bundle"]))
    return dumps(wrapped | {"signature": b64encode(signature).decode()}).encode()
