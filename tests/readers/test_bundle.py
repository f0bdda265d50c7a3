import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver, algorithms

from access.rules.denydelta import encode_delta
from access.rules.denylist import Delta, DenyList
from kernel.clock import FixedClock
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_to, new_box_key
from readers.bundle import FILE, adopt_bundle, fetch_bundle, load_bundle, open_bundle
from readers.errands import Errands
from readers.errors import BundleError, ServerError
from readers.identity import Keys
from readers.server import Server
from readers.signing import signed_headers
from tests.readers.kit import AUTH_MASTERS, DEVICE_KEYS, IDENTITY, NOW, document, enrolled, envelope
from tests.readers.office import BackOffice


@dataclass
class Message:
    method: str
    url: str
    headers: dict


class Verifier(HTTPMessageVerifier):
    """The library's verifier with the tests' clock standing still."""

    def validate_created_and_expires(self, sig_input, max_age=None):
        assert sig_input.params["created"] == int(NOW.timestamp())


def verify(message, *, body, key=DEVICE_KEYS.signing):
    public = Ed25519PublicKey.from_public_bytes(key.public.raw)
    keys = MappingKeyResolver(public_keys={IDENTITY.key_id.hex(): public}, private_keys={})
    verifier = Verifier(signature_algorithm=algorithms.ED25519, key_resolver=keys)
    covered = ("@method", "@path", "@query") if "?" in message.url else ("@method", "@path")
    verifier.verify(
        message, require_components=covered, body=body, expect_tag="lienthong-device", max_age=None
    )


def test_a_good_bundle_is_opened():
    bundle = open_bundle(
        envelope(
            version=4, denied=(7, 100_000), risk={"unsent_max": 5, "card_unsent_max": 3, "of_tomorrow": 1}
        ),
        IDENTITY,
    )
    assert (bundle.version, bundle.denied.version, bundle.passback_s) == (4, 4, 30)
    assert (bundle.denied.denies(7), bundle.denied.denies(8)) == (True, False)
    assert bundle.auth_keys == AUTH_MASTERS
    assert (bundle.risk.unsent_max, bundle.risk.card_unsent_max) == (5, 3)
    assert b"A" * 16 not in repr(bundle).encode(), "keys never show"


@pytest.mark.parametrize("raw", [b"[" * 100_000, b"{}", b"null", b"\xff", b""])
def test_bytes_that_are_no_bundle_are_refused(tmp_path, raw):
    config = enrolled(tmp_path)
    (config.state_dir / FILE).write_bytes(raw)
    with pytest.raises(BundleError, match="no signed content"):
        load_bundle(config.state_dir, IDENTITY)


def test_a_deny_list_may_come_as_a_list():
    assert open_bundle(envelope(deny=[3, 9]), IDENTITY).denied.denies(9)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no signed content"),
        (b"[]", "no signed content"),
        (b'{"bundle": "x", "signature": ""}', "no signed content"),
        (envelope(SigningKey.generate()), "not signed by the server"),
        (envelope(device_id=str(uuid4())), "another device"),
        (envelope(device_id=None), "another device"),
        (envelope(made_at="2026-11-18T02:00:00"), "malformed"),
        (envelope(passback_s=-1), "malformed"),
        (envelope(passback_s=True), "malformed"),
        (envelope(version="2", deny_version=1), "malformed"),
        (envelope(tariff_version="x" * 65), "malformed"),
        (envelope(generations=None), "malformed"),
        (envelope(risk=[]), "malformed"),
        (envelope(deny="AAAA"), "cannot be opened"),
        (envelope(deny_version=1, deny=b64encode(DenyList.of(2, []).encode()).decode()), "deny list is version 2"),
        (envelope(keys="AAAA"), "cannot be opened"),
        (envelope(keys=b64encode(box_to(SigningKey.generate().public.raw, b"{}")).decode()), "cannot be opened"),
        (envelope(keys=b64encode(box_to(IDENTITY.keys.box_public, b"{}")).decode()), "malformed"),
        (envelope(keys=b64encode(box_to(IDENTITY.keys.box_public, b'{"AUTH": {"1": "00"}}')).decode()), "16 bytes"),
    ],
)  # fmt: skip
def test_a_wrong_bundle_is_refused(raw, why):
    with pytest.raises(BundleError, match=why):
        open_bundle(raw, IDENTITY)


def test_every_altered_byte_is_found():
    whole = json.loads(envelope())
    content = bytearray(b64decode(whole["bundle"]))
    for place in range(0, len(content), 37):
        content[place] ^= 1
        altered = whole | {"bundle": b64encode(bytes(content)).decode()}
        with pytest.raises(BundleError, match="not signed"):
            open_bundle(json.dumps(altered).encode(), IDENTITY)
        content[place] ^= 1


def test_a_bundle_boxed_to_other_keys_is_refused():
    other = replace(IDENTITY, keys=Keys(DEVICE_KEYS.signing, new_box_key()))
    with pytest.raises(BundleError, match="cannot be opened"):
        open_bundle(envelope(), other)


def test_older_versions_are_refused_and_the_held_one_stays(tmp_path):
    held = adopt_bundle(envelope(version=5), identity=IDENTITY, held=None, state_dir=tmp_path)
    assert load_bundle(tmp_path, IDENTITY).version == 5
    for older in (envelope(version=4), envelope(version=6, deny_version=4)):
        with pytest.raises(BundleError, match="older than 5"):
            adopt_bundle(older, identity=IDENTITY, held=held, state_dir=tmp_path)
    assert adopt_bundle(envelope(version=5), identity=IDENTITY, held=held, state_dir=tmp_path) is None
    assert load_bundle(tmp_path, IDENTITY).version == 5
    newer = adopt_bundle(envelope(version=6), identity=IDENTITY, held=held, state_dir=tmp_path)
    assert newer.version == load_bundle(tmp_path, IDENTITY).version == 6


def test_a_tampered_bundle_leaves_the_file_alone(tmp_path):
    held = adopt_bundle(envelope(version=5), identity=IDENTITY, held=None, state_dir=tmp_path)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(BundleError):
        adopt_bundle(
            envelope(SigningKey.generate(), version=9), identity=IDENTITY, held=held, state_dir=tmp_path
        )
    assert (tmp_path / FILE).read_bytes() == before
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [FILE, "deny-5.ltdn"], "no half-written file is left"


def test_keys_are_never_on_disk_in_clear(tmp_path):
    adopt_bundle(envelope(), identity=IDENTITY, held=None, state_dir=tmp_path)
    kept = (tmp_path / FILE).read_bytes()
    content = b64decode(json.loads(kept)["bundle"])
    for key in AUTH_MASTERS.values():
        for form in (key, key.hex().encode(), b64encode(key)):
            assert form not in kept + content


def test_no_file_is_no_bundle_and_a_broken_one_is_refused(tmp_path):
    assert load_bundle(tmp_path, IDENTITY) is None
    (tmp_path / FILE).write_bytes(b"{")
    with pytest.raises(BundleError):
        load_bundle(tmp_path, IDENTITY)


def test_fetching_is_signed_and_conditional():
    office = BackOffice()
    clock = FixedClock(NOW)
    server = Server(office.url, timeout_s=2, clock=clock, key=DEVICE_KEYS.signing)
    fetched = open_bundle(fetch_bundle(server, None), IDENTITY)
    assert fetched.version == document()["version"]
    assert fetch_bundle(server, fetched) is None, "304: nothing newer"
    office.envelope = None
    with pytest.raises(ServerError, match="503 no bundle yet"):
        fetch_bundle(server, fetched)
    assert office.bundle_paths == ["/v1/bundles", "/v1/bundles?deny=1", "/v1/bundles?deny=1"]
    for path, headers in zip(office.bundle_paths, office.bundle_headers, strict=True):
        verify(Message("GET", f"{office.url}{path}", headers), body=b"")
    assert office.bundle_headers[0]["signature"] != office.bundle_headers[1]["signature"], (
        "a fresh nonce each"
    )
    server.close()
    office.close()


def delta_envelope(start, version, denied, cleared=(), *, expected, **changes):
    """A bundle that brings only what leads from version `start` to `version`; `expected` is the list it must make."""
    facts = {
        "version": version,
        "deny": None,
        "deny_delta": b64encode(encode_delta(Delta(start, version, denied, cleared))).decode(),
        "deny_digest": DenyList.of(version, expected).digest().hex(),
    }
    return envelope(**facts | changes)


def adopt(tmp_path, raw, held):
    return adopt_bundle(raw, identity=IDENTITY, held=held, state_dir=tmp_path)


def test_a_delta_leads_on_from_what_is_held_and_survives_a_restart(tmp_path):
    held = adopt(tmp_path, envelope(version=1, denied=(7, 9)), None)
    held = adopt(tmp_path, delta_envelope(1, 2, (8,), (7,), expected=(8, 9)), held)
    held = adopt(tmp_path, delta_envelope(2, 3, (10,), (), expected=(8, 9, 10)), held)
    assert sorted(held.denied.serials()) == [8, 9, 10]
    assert load_bundle(tmp_path, IDENTITY).denied == held.denied
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE, "deny-3.ltdn"]


def test_a_newer_bundle_with_the_list_that_is_held_needs_no_delta(tmp_path):
    held = adopt(tmp_path, envelope(version=1, denied=(7,)), None)
    digest = held.denied.digest().hex()
    fresh = adopt(tmp_path, envelope(version=2, deny_version=1, deny=None, deny_digest=digest), held)
    assert (fresh.version, fresh.denied) == (2, held.denied)
    assert load_bundle(tmp_path, IDENTITY).version == 2


@pytest.mark.parametrize(
    "raw",
    [
        delta_envelope(2, 3, (8,), expected=(7, 8)),
        delta_envelope(1, 3, (8,), expected=(8,)),
        delta_envelope(1, 3, (8,), expected=(7, 8), deny_digest=""),
        delta_envelope(1, 3, (8,), expected=(7, 8), deny_digest="zz"),
        delta_envelope(1, 3, (8,), expected=(7, 8), deny_delta=""),
        delta_envelope(1, 3, (8,), expected=(7, 8), deny_delta=None),
        delta_envelope(1, 3, (8,), expected=(7, 8), deny_version=4),
        delta_envelope(1, 0, (8,), expected=(7, 8)),
        envelope(version=3, denied=(8,), deny_digest=DenyList.of(3, (7,)).digest().hex()),
    ],
    ids=["from-elsewhere", "other-end", "no-digest", "bad-digest", "empty", "none", "version", "back", "snapshot"],
)  # fmt: skip
def test_a_delta_that_does_not_fit_is_refused_and_changes_nothing(tmp_path, raw):
    held = adopt(tmp_path, envelope(version=1, denied=(7,)), None)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(BundleError):
        adopt(tmp_path, raw, held)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_delta_without_a_list_is_refused(tmp_path):
    with pytest.raises(BundleError, match="not held"):
        adopt(tmp_path, delta_envelope(1, 2, (8,), expected=(7, 8)), None)


def test_a_list_on_disk_that_was_altered_is_no_list(tmp_path):
    held = adopt(tmp_path, envelope(version=1, denied=(7, 9)), None)
    adopt(tmp_path, delta_envelope(1, 2, (8,), (), expected=(7, 8, 9)), held)
    kept = tmp_path / "deny-2.ltdn"
    for altered in (DenyList.of(2, (9,)).encode(), DenyList.of(3, (7, 8, 9)).encode(), b"", b"LTDN"):
        kept.write_bytes(altered)
        with pytest.raises(BundleError):
            load_bundle(tmp_path, IDENTITY)
    kept.unlink()
    with pytest.raises(BundleError, match="not held"):
        load_bundle(tmp_path, IDENTITY)
    # The whole list, asked for because nothing is held, puts the reader right.
    assert adopt(tmp_path, envelope(version=3, denied=(7,)), None).denied.denies(7)
    assert load_bundle(tmp_path, IDENTITY).denied.denies(7)


def test_a_reader_asks_for_the_whole_list_when_a_change_does_not_lead_on(tmp_path, office):
    config = enrolled(tmp_path, url=office.url)
    held = load_bundle(config.state_dir, IDENTITY)
    server = Server(office.url, timeout_s=2, clock=FixedClock(NOW), key=DEVICE_KEYS.signing)
    errands = Errands(
        identity=IDENTITY,
        server=server,
        settings=config.server,
        state_dir=config.state_dir,
        held=held,
        report=dict,
        noted=lambda *_: None,
    )
    office.envelope = delta_envelope(5, 6, (8,), expected=(8,))
    errands._sync()
    office.envelope = envelope(version=6, denied=(8,))
    errands._sync()
    assert office.bundle_paths == ["/v1/bundles?deny=1", "/v1/bundles"]
    assert errands.take_bundle().denied.denies(8)
    server.close()


@pytest.mark.parametrize("part", ["path", "query", "method", "body", "key"])
def test_a_signed_request_that_was_altered_is_found(part):
    url, body = "http://h/v1/x?a=1", b'{"a":1}'
    headers = signed_headers(DEVICE_KEYS.signing, method="POST", url=url, body=body, nonce="n", now=NOW)
    assert f"created={int(NOW.timestamp())}" in headers["Signature-Input"], "signed at the reader's own time"
    verify(Message("POST", url, headers), body=body)
    altered = {"path": "http://h/v1/y?a=1", "query": "http://h/v1/x?a=2"}.get(part, url)
    message = Message("PUT" if part == "method" else "POST", altered, headers)
    key = SigningKey.generate() if part == "key" else DEVICE_KEYS.signing
    with pytest.raises(InvalidSignature):
        verify(message, body=b'{"a":2}' if part == "body" else body, key=key)
