"""A reader changes its key while it works: two keys, no record lost, none twice."""

import json

import pytest

from kernel.clock import SystemClock
from readers.config import load_config
from readers.errands import Errands
from readers.errors import ServerError
from readers.identity import load_identity
from readers.rotation import FILE, rotate
from readers.server import Server
from tests.readers.kit import IDENTITY, enrolled, soft_card, wait_until
from tests.readers.loop import in_service, lights, present, running

SOON = "heartbeat_every_s = 0.1\n"


@pytest.fixture
def config(tmp_path, office):
    return enrolled(tmp_path, url=office.url)


@pytest.fixture
def server(config):
    made = Server(config.server.url, timeout_s=2, clock=SystemClock(), key=IDENTITY.keys.signing)
    yield made
    made.close()


def test_a_reader_changes_its_key_between_two_taps(config, office):
    text = config.file.read_text().replace("bundle_every_s", f"{SOON}bundle_every_s")
    config.file.write_text(text)
    config = load_config(config.file)
    with running(config) as daemon:
        wait_until(lambda: in_service(daemon))
        assert present(daemon, soft_card(1)) == ("green", "DONE")
        office.rotate_key = True
        wait_until(lambda: len(office.keys) == 2)
        wait_until(lambda: daemon.identity.key_id == office.keys[1].key_id)
        assert present(daemon, soft_card(2)) == ("green", "DONE")
        wait_until(lambda: len(office.stored) == 2)
    assert [light for light, _ in lights(config)] == ["green", "green"]
    signed_by = [json.loads(each)["key_id"] for each in office.requests]
    assert signed_by[0] == office.keys[0].key_id.hex()
    assert signed_by[-1] == office.keys[1].key_id.hex()
    assert load_identity(config.state_dir).key_id == office.keys[1].key_id
    assert not (config.state_dir / FILE).exists()


def test_a_key_whose_answer_was_lost_is_offered_again(config, server, office):
    office.faults = ["500"]
    with pytest.raises(ServerError, match="no new key"):
        rotate(server, IDENTITY, config.state_dir)
    assert load_identity(config.state_dir).key_id == IDENTITY.key_id, "the old one stays in use"
    fresh = rotate(server, IDENTITY, config.state_dir)
    first, second = office.offers
    assert first == second
    assert load_identity(config.state_dir).key_id == fresh.key_id != IDENTITY.key_id
    assert fresh.keys.box == IDENTITY.keys.box


@pytest.mark.parametrize("broken", ["", "{}", '{"signing_key": "zz"}', "[1]"])
def test_a_next_key_that_cannot_be_read_is_made_anew(config, server, office, broken):
    (config.state_dir / FILE).write_text(broken)
    assert rotate(server, IDENTITY, config.state_dir).key_id == office.keys[-1].key_id


@pytest.mark.parametrize("said", ["yes", 1, None, "true"])
def test_only_a_plain_true_is_an_order(config, server, office, said):
    office.rotate_key = said
    errands = Errands(
        identity=IDENTITY,
        server=server,
        settings=config.server,
        state_dir=config.state_dir,
        held=None,
        report=dict,
        noted=lambda *_: None,
    )
    errands._beat()
    assert office.heartbeats
    assert office.offers == []


def test_a_proxy_without_its_server_costs_one_heartbeat_each(config, office):
    """What stands in front of a server that is being replaced answers 404 or 501, and not for long."""
    office.heartbeat_faults = [404, 501, 503]
    config.file.write_text(config.file.read_text().replace("bundle_every_s", SOON + "bundle_every_s"))
    with running(load_config(config.file)):
        wait_until(lambda: office.heartbeats)
