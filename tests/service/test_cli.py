"""The command line: every command teaches, refusals are one line, programs are run and not imported."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from service import cli
from service.commands import context
from service.migrate import expected_revision


@pytest.fixture
def run(database, tmp_path, monkeypatch):
    """Call `lienthong …` on a fresh database; returns (exit code, output)."""
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", database.url)
    monkeypatch.setenv("LIENTHONG_MIGRATION_URL", database.owner_url)
    monkeypatch.setenv("LIENTHONG_KEK_FILE", str(tmp_path / "kek"))
    monkeypatch.setenv("LIENTHONG_KEYRING_FILE", str(tmp_path / "keyring.json"))
    context.settings.cache_clear()

    def run(*arguments, **options):
        result = CliRunner().invoke(cli.main, list(arguments), **options)
        return result.exit_code, result.output

    yield run
    context.settings.cache_clear()


def commands():
    """Every command and subcommand as (path, command)."""
    waiting = [((name,), cli.main.get_command(None, name)) for name in cli.COMMANDS]
    while waiting:
        path, command = waiting.pop()
        yield path, command
        if isinstance(command, click.Group):
            waiting += [((*path, name), sub) for name, sub in command.commands.items()]


@pytest.mark.parametrize("name", [*cli.COMMANDS, *cli.PROGRAMS])
def test_command_is_listed_and_loads(name):
    assert cli.main.get_command(None, name) is not None


def test_every_command_teaches_with_an_example():
    silent = [
        " ".join(path)
        for path, command in commands()
        if not isinstance(command, click.Group) and "lienthong " not in (command.help or "")
    ]
    assert not silent, f"--help without an example: {silent}"


def test_help_is_quick_because_it_imports_no_house():
    code = "import sys; from service import cli; cli.main(['--help'], standalone_mode=False); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "settle" in shown
    assert "'sqlalchemy'" not in shown


def test_user_is_added_listed_and_traced(run):
    code, said = run(
        "user", "add", "a@b.vn", "--name", "A", "--role", "auditor", input="a long password\n" * 2
    )
    assert (code, "added a@b.vn: auditor" in said) == (0, True)
    assert "a@b.vn  A  auditor" in run("user", "list")[1]
    assert "staff.add" in run("user", "trail")[1]
    code, said = run(
        "user", "add", "a@b.vn", "--name", "A", "--role", "auditor", input="a long password\n" * 2
    )
    assert (code, "already a staff user" in said, "Traceback" in said) == (1, True, False)


@pytest.mark.parametrize("role", ["king", "parking_operator", "parking_operator:"])
def test_user_with_an_impossible_role_is_refused(run, role):
    assert run("user", "add", "a@b.vn", "--name", "A", "--role", role, "--password", "p" * 12)[0] == 2


def test_credential_prints_its_token_once(run):
    code, said = run("credential", "add", "erp", "--role", "parking_operator:parking-dongda")
    assert (code, said.startswith("lt_"), len(said.split())) == (0, True, 1)


def test_keys_are_made_once_and_never_overwritten(run, tmp_path):
    assert run("keys", "init", "--session-key", str(tmp_path / "session"))[0] == 0
    before = (tmp_path / "keyring.json").read_bytes()
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in ("kek", "keyring.json", "session")} == {
        0o600
    }
    code, said = run("keys", "init")
    assert (code, "never overwritten" in said) == (1, True)
    assert (tmp_path / "keyring.json").read_bytes() == before


def test_migrate_says_where_the_database_is(run):
    code, said = run("migrate")
    assert (code, said.splitlines()[-1]) == (0, f"database at {expected_revision()}")
    assert run("migrate", "--check")[0] == 0


def test_missing_database_is_one_line(run, monkeypatch):
    monkeypatch.delenv("LIENTHONG_DATABASE_URL")
    context.settings.cache_clear()
    code, said = run("user", "list")
    assert (code, "LIENTHONG_DATABASE_URL is not set" in said, "Traceback" in said) == (1, True, False)


def test_a_database_that_does_not_answer_is_one_line(run, monkeypatch):
    monkeypatch.setenv("LIENTHONG_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    context.settings.cache_clear()
    code, said = run("user", "list")
    assert (code, said.count("\n")) == (1, 1)
    assert said.startswith("Error: the database does not answer: ")


def test_wrong_setting_is_one_line(run, monkeypatch):
    monkeypatch.setenv("LIENTHONG_WORKERS", "many")
    context.settings.cache_clear()
    code, said = run("user", "list")
    assert (code, "LIENTHONG_WORKERS" in said, "Traceback" in said) == (1, True, False)


def test_env_prints_the_settings(run):
    assert "LIENTHONG_DATABASE_URL_FILE" in run("env")[1]
