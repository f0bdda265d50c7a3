"""`lienthong serve --private`: what it refuses before it starts anything."""

import socket

import pytest
from click.testing import CliRunner

from service import launcher
from service.cli import main
from service.commands.serve import private_keys


@pytest.fixture
def taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_named_and_nothing_is_started(tmp_path, taken):
    done = CliRunner().invoke(
        main, ["serve", "--private", str(tmp_path / "home"), "--bind", f"127.0.0.1:{taken}"]
    )
    assert done.exit_code == 1
    assert f"127.0.0.1:{taken} is in use already" in done.output
    assert not (tmp_path / "home").exists()


def test_a_folder_whose_servers_run_is_refused_in_one_line(tmp_path):
    bind = f"127.0.0.1:{launcher.free_port()}"
    with launcher.servers(tmp_path / "servers", environ={}):
        done = CliRunner().invoke(main, ["serve", "--private", str(tmp_path), "--bind", bind])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "in use by process" in done.output


def test_a_private_folder_names_its_keys_and_a_providers_where_there_is_one(tmp_path):
    own = private_keys(tmp_path)
    assert "LIENTHONG_PROVIDER_CHECKSUM_KEY_FILE" not in own
    (tmp_path / "provider_key").write_text("a key")
    assert private_keys(tmp_path) == own | {
        "LIENTHONG_PROVIDER_CHECKSUM_KEY_FILE": str(tmp_path / "provider_key")
    }
