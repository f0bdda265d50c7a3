"""`lienthong device` and `lienthong keys` as a person types them."""

import json

from service.commands import context


def test_a_code_is_printed_first_and_devices_are_listed(lienthong, tmp_path, database, now):
    from access import enrol
    from access.keyring import Keyring, load_kek
    from kernel.crypto.ed25519 import SigningKey
    from kernel.crypto.sealing import box_public, new_box_key

    said = lienthong("device", "code", "bus-01", "--kind", "bus", "--operator", "transerco", "--place", "29B")
    ring = Keyring.load(tmp_path / "keyring", load_kek(tmp_path / "kek"))
    with database.engine.begin() as tx:
        joined = enrol.enrol(
            tx,
            keyring=ring,
            code=said.split()[0],
            public_key=SigningKey.generate().public.raw,
            box_key=box_public(new_box_key()),
            now=now,
        )
    assert "bus-01" in lienthong("device", "list")
    assert "0 devices" in lienthong("device", "list", "--operator", "nobody")
    assert "is suspended" in lienthong("device", "suspend", joined.device_id, "--reason", "stolen")
    assert "cannot be suspended" in lienthong(
        "device", "suspend", joined.device_id, "--reason", "x", fails=True
    )
    assert "is active" in lienthong("device", "reinstate", joined.device_id, "--reason", "found")
    assert "no device" in lienthong(
        "device", "retire", "00000000-0000-7000-8000-000000000000", "--reason", "x", fails=True
    )


def joined_by_hand(lienthong):
    from base64 import b64encode

    from kernel.crypto.ed25519 import SigningKey
    from kernel.crypto.sealing import box_public, new_box_key

    said = lienthong("device", "code", "bus-02", "--kind", "bus", "--operator", "transerco")
    keys = (SigningKey.generate().public.raw, box_public(new_box_key()))
    public_key, box_key = (b64encode(key).decode() for key in keys)
    arguments = (said.split()[0], "--public-key", public_key, "--box-key", box_key)
    assert "base64" in lienthong("device", "enrol", "x", "--public-key", "*", "--box-key", "*", fails=True)
    joined = json.loads(lienthong("device", "enrol", *arguments))
    assert lienthong("device", "enrol", *arguments) == json.dumps(joined) + "\n"
    return joined["device_id"]


def test_a_device_is_enrolled_by_hand_asked_for_a_key_and_retired(lienthong, database):
    from sqlalchemy import text

    device = joined_by_hand(lienthong)
    assert "no alarms" in lienthong("device", "alarms"), "it may not have spoken yet"
    assert "new key at its next heartbeat" in lienthong("device", "rotate", device, "--reason", "yearly")
    assert "is retired" in lienthong("device", "retire", device, "--reason", "sold")
    assert "cannot be rotated" in lienthong("device", "rotate", device, "--reason", "x", fails=True)
    with database.engine.begin() as tx:
        rows = tx.execute(
            text("SELECT action FROM audit_trail WHERE subject_id = :id ORDER BY at, audit_id"),
            {"id": device},
        )
        assert sorted(rows.scalars()) == [
            "access.device.retired",
            "access.device.rotation_asked",
            "access.enrol",
            "access.enrol",
        ]


def test_alarms_end_with_1_for_monitoring(lienthong, monkeypatch, now):
    from datetime import timedelta

    device = joined_by_hand(lienthong)
    monkeypatch.setenv("LIENTHONG_CLOCK", f"fixed:{(now + timedelta(hours=1)).isoformat()}")
    context.settings.cache_clear()
    said = lienthong("device", "alarms", fails=True)
    assert f"{device}  active" in said
    assert "1  never-heard" in said
    assert "! never-heard" in lienthong("device", "list")


def test_a_key_generation_is_issued_from_once_readers_hold_it(lienthong, tmp_path):
    device = joined_by_hand(lienthong)
    assert "generation 2 is prepared; new cards still get 1" in lienthong("keys", "rotate")
    assert "1 readers do not hold generation 2 yet, e.g. bus-02" in lienthong(
        "keys", "issue-from", 2, fails=True
    )
    issue = ("card", "issue", "--expiry", "2030-12-31")
    lienthong(*issue, "--uid", "04112233445566", "--out", tmp_path / "one.json")
    assert "new cards get generation 2" in lienthong("keys", "issue-from", 2, "--force")
    lienthong(*issue, "--uid", "04112233445577", "--out", tmp_path / "two.json")
    made = [json.loads((tmp_path / name).read_text())[0]["generation"] for name in ("one.json", "two.json")]
    assert made == [1, 2]
    assert "no card keys of generation 9" in lienthong("keys", "issue-from", 9, "--force", fails=True)
    lienthong("device", "retire", device, "--reason", "sold")
    assert "new cards get generation 1" in lienthong("keys", "issue-from", 1)
