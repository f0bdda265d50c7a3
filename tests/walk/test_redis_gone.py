"""Redis hangs, then dies: taps are taken in and priced, decisions stay right."""

import os
import signal
from contextlib import closing
from datetime import timedelta

import pytest
import redis

from demo.processes import wait_for_http
from kernel.wire.upload import Verdict
from service import launcher

from .devices import Line

pytestmark = pytest.mark.walk
FARE = 10_000


@pytest.fixture
def doomed(town, tmp_path):
    """A second service on the same books, with a Redis that is to be killed: its address and the process."""
    given = {
        name: town.city.environment[name] for name in ("LIENTHONG_DATABASE_URL", "LIENTHONG_MIGRATION_URL")
    }
    with launcher.servers(tmp_path / "redis", environ=given) as running:
        with redis.Redis.from_url(running.redis_url) as client:
            pid = int(client.info("server")["process_id"])
        bind = f"127.0.0.1:{launcher.free_port()}"
        extra = {
            **town.city.environment,
            "LIENTHONG_REDIS_URL": running.redis_url,
            "LIENTHONG_BIND": bind,
            "LIENTHONG_WORKERS": "1",
        }
        child = town.city.crew.start("service-doomed", "-m", "service", "serve", extra=extra)
        try:
            wait_for_http(f"http://{bind}/health/ready", child)
            yield f"http://{bind}", pid
        finally:
            os.kill(pid, signal.SIGCONT)
            child.stop()


def test_without_redis_taps_are_priced_and_decisions_are_right(town, fleet, doomed):
    url, pid = doomed
    (rich,) = town.cards(1, money=50_000)
    reader, (poor,) = fleet.reader("redis-gone"), fleet.cards(1)
    with closing(Line(url)) as line:

        def decided(serial, minor=FARE):
            answer = line.decide(town, reader, serial, minor)
            return answer["decision"], answer["reason"], answer["source"]

        def taken_in(ride):
            """Each ride is on another bus: on the same one the second tap would end the first ride."""
            reader.tap(poor, place=f"bus {ride}", trip_id=f"26-{ride}", at=began + timedelta(hours=2 * ride))
            answer = line.send(reader.upload(len(reader.records)))
            assert [each.verdict for each in answer.verdicts] == [Verdict.ACCEPTED]
            assert town.purse(account).owed == FARE * ride

        account, began = poor.issued.fare_account_id, reader.clock
        assert decided(rich.serial) == ("accept", "", "database")
        assert decided(rich.serial) == ("accept", "", "cache")
        taken_in(1)
        assert decided(poor.serial) == ("refuse", "debt", "cache")
        for ride, blow in enumerate((signal.SIGSTOP, signal.SIGKILL), 2):
            os.kill(pid, blow)
            assert decided(rich.serial) == ("accept", "", "database")
            assert decided(rich.serial, 50_001) == ("refuse", "balance", "database")
            assert decided(poor.serial, 0) == ("refuse", "debt", "database")
            taken_in(ride)
    assert town.bill(account) == town.fold(account)
