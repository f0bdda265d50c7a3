"""The private servers: they run here, they die with their parent, they take turns on a folder."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
import redis

from service import launcher, server_binaries
from service.server_binaries import Finder, LauncherError, staged_folder

HOLD = """
import sys, time
from service import launcher
with launcher.servers(sys.argv[1], environ={}) as running:
    print(running.owner_url.replace("+psycopg", ""), running.redis_url, flush=True)
    time.sleep(60)
"""


def answers(url):
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def test_servers_die_with_a_killed_parent_and_start_again_on_the_same_data(tmp_path):
    folder = tmp_path / "a folder with spaces"
    with subprocess.Popen([sys.executable, "-c", HOLD, folder], stdout=subprocess.PIPE, text=True) as parent:
        url, redis_url = parent.stdout.readline().split()
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with pytest.raises(LauncherError, match="in use by process"), launcher.servers(folder, environ={}):
            pass
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not answers(url)
    with pytest.raises(redis.ConnectionError), redis.Redis.from_url(redis_url) as client:
        client.ping()
    with launcher.servers(folder, environ={}, durable=True) as again:
        assert "durable" in again.line
        with psycopg.connect(again.owner_url.replace("+psycopg", "")) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
            assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_servers_ask_for_a_password(tmp_path):
    with launcher.servers(tmp_path, environ={}) as running:
        for role in ("lienthong", "lienthong_owner", "postgres"):
            port = running.owner_url.rpartition(":")[2].partition("/")[0]
            assert not answers(f"postgresql://{role}:guess@127.0.0.1:{port}/lienthong")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis.from_url("redis://" + running.redis_url.partition("@")[2]).ping()
        shown = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
        commands = b"".join(Path(f"/proc/{pid}/cmdline").read_bytes() for pid in shown)
        assert running.redis_url.split(":")[2].partition("@")[0].encode() not in commands


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_servers_where_user_namespaces_are_refused_run_as_nobody(tmp_path, monkeypatch, mask):
    """Root needs a way around PostgreSQL's refusal of uid 0, whatever its umask; anybody else runs it as they are."""
    copies = []

    def staged(key):
        # A copy of the installation of its own, so that an earlier run's cannot serve this one.
        copies.append(staged_folder(key / f"{tmp_path.name}-{mask}"))
        return copies[-1]

    monkeypatch.setattr(server_binaries, "staged_folder", staged)
    had = os.umask(mask)
    try:
        with launcher.servers(tmp_path, environ={}, namespaces=False) as running:
            assert ("as nobody" in running.line) == (os.geteuid() == 0)
            assert answers(running.owner_url.replace("+psycopg", ""))
    finally:
        os.umask(had)
        for copy in copies:
            shutil.rmtree(copy, ignore_errors=True)


def test_given_urls_are_used_and_nothing_is_started(tmp_path):
    given = {
        "LIENTHONG_DATABASE_URL": "postgresql+psycopg://a@b/c",
        "LIENTHONG_MIGRATION_URL": "postgresql+psycopg://o@b/c",
        "LIENTHONG_REDIS_URL": "redis://r/0",
    }
    with launcher.servers(tmp_path / "none", environ=given) as running:
        assert running.environment() == given
        assert "as given" in running.line
    assert not (tmp_path / "none").exists()


def test_preference_that_is_unknown_is_refused():
    with pytest.raises(LauncherError, match="PREFER"):
        Finder("homebrew")
