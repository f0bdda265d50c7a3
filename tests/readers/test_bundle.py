import json
from base64 import b64decode, b64encode
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver, algorithms

from access.rules.denylist import DenyList
from kernel.clock import FixedClock
from kernel.crypto.ed25519 import SigningKey
from kernel.crypto.sealing import box_to, new_box_key
from readers.bundle import FILE, adopt_bundle, fetch_bundle, load_bundle, open_bundle
from readers.errors import BundleError, ServerError
from readers.identity import Keys
from readers.server import Server
from readers.signing import signed_headers
from tests.readers.kit import AUTH_MASTERS, DEVICE_KEYS, IDENTITY, NOW, document, envelope
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
        envelope(version=4, denied=(7, 100_000), risk={"unsent_max": 5, "of_tomorrow": 1}), IDENTITY
    )
    assert (bundle.version, bundle.denied.version, bundle.passback_s) == (4, 4, 30)
    assert (bundle.denied.denies(7), bundle.denied.denies(8)) == (True, False)
    assert bundle.auth_keys == AUTH_MASTERS
    assert bundle.risk.unsent_max == 5
    assert b"A" * 16 not in repr(bundle).encode(), "keys never show"


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
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "no half-written file is left"


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
    for headers in office.bundle_headers:
        verify(Message("GET", f"{office.url}/v1/bundles", headers), body=b"")
    assert office.bundle_headers[0]["signature"] != office.bundle_headers[1]["signature"], (
        "a fresh nonce each"
    )
    server.close()
    office.close()


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
