"""Rules about the source tree that no single house can keep alone."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOUSES = ("kernel", "ledger", "access", "fare", "parking", "readers", "service", "demo")
MONEY_HOUSES = ("kernel/money.py", "ledger", "fare", "parking")
LONGEST = 320
# A longer file must say why in a comment, so that the next reader can judge whether it still holds.
REASON = "longer than a room:"


def tracked(*patterns: str) -> list[Path]:
    """Files that are, or will be, committed."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def sources(*houses: str) -> list[Path]:
    return [path for path in tracked("*.py") if path.relative_to(ROOT).as_posix().startswith(houses)]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_import_contracts_hold():
    ran = subprocess.run(
        [ROOT / ".venv/bin/python", "-c", "from importlinter.cli import lint_imports_command as m; m()"]
        if (ROOT / ".venv/bin/python").exists()
        else ["lint-imports"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-1000:]


def test_files_when_longer_than_a_room_say_why():
    found = {}
    for path in tracked("*.py"):
        text = path.read_text("utf-8")
        if text.count("\n") > LONGEST and REASON not in text:
            found[name(path)] = text.count("\n")
    assert not found, f"split these, or write “# {REASON} …” into them: {found}"


def floats_in(path: Path) -> list[int]:
    """Lines with a float literal, a call of float() or a true division."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"
        # Paths are joined by the same sign; a money expression never has a string or a path beside it.
        divided = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not looks_like_a_path(node)
        if literal or called or divided:
            found.append(node.lineno)
    return found


def looks_like_a_path(node: ast.BinOp) -> bool:
    sides = ast.walk(node)
    return any(
        (isinstance(side, ast.Constant) and isinstance(side.value, str))
        or (isinstance(side, ast.JoinedStr))
        or (isinstance(side, ast.Name) and re.search(r"path|folder|directory|root|name|base", side.id))
        or (isinstance(side, ast.Call) and isinstance(side.func, ast.Name) and side.func.id == "Path")
        for side in sides
    )


# JSON numbers of a foreign body are written back exactly as the provider signed them; they are no amounts of ours.
FOREIGN_NUMBERS = {"ledger/rails/casso.py", "ledger/rails/payos.py"}


def test_money_code_has_no_float():
    found = {
        name(path): lines
        for path in sources(*MONEY_HOUSES)
        if name(path) not in FOREIGN_NUMBERS and (lines := floats_in(path))
    }
    assert not found, f"money is whole minor units (CONVENTIONS): {found}"


@pytest.mark.parametrize("line", ["x = 0.5", "x = float('1')", "x = total / 3", "x = a / b"])
def test_float_lint_finds(tmp_path, line):
    (tmp_path / "m.py").write_text(line)
    assert floats_in(tmp_path / "m.py") == [1]


CLOCK_CALLS = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    *(
        ("time", call)
        for call in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")
    ),
}


def clock_reads(path: Path) -> list[int]:
    return [
        node.lineno
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name | ast.Attribute)
        and (
            node.func.value.id if isinstance(node.func.value, ast.Name) else node.func.value.attr,
            node.func.attr,
        )
        in CLOCK_CALLS
    ]


def test_only_the_kernel_reads_the_clock():
    found = {
        name(path): lines
        for path in sources(*HOUSES)
        # The bank of the demo is somebody else's program: it shares nothing with us, the clock included.
        if name(path) not in {"kernel/clock.py", "demo/bank.py", "demo/bank_wire.py"}
        and (lines := clock_reads(path))
    }
    assert not found, f"take `now` or a Clock; for time-outs kernel.clock.stopwatch: {found}"


# One commit point (DESIGN §1). SQLite is the reader's journal on the device and not this database.
COMMIT = re.compile(r"\.(commit|begin|begin_nested)\(\)")


def test_only_the_database_module_commits():
    found = []
    for path in sources(*HOUSES):
        if name(path).startswith("readers/") or name(path) == "service/database.py":
            continue
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            match = COMMIT.search(line)
            # A savepoint belongs to the transaction it is in; it commits nothing (DESIGN §8.12).
            if (
                match
                and match[1] != "begin_nested"
                and "database.begin()" not in line
                and "database().begin()" not in line
            ):
                found.append(f"{name(path)}:{number}")
    assert not found, f"only service/database.py commits: {found}"


def test_only_two_rooms_import_nfc():
    found = [
        name(path)
        for path in tracked("*.py")
        if re.search(r"^\s*(import nfc\b|from nfc\b)", path.read_text("utf-8"), re.MULTILINE)
        and not name(path).startswith(
            ("readers/frontend.py", "readers/loopback.py", "readers/softcard/", "tests/readers/")
        )
    ]
    assert not found, found


UNFINISHED = re.compile(
    r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "X" + "XX", "NotImplemented" + "Error")) + r")\b"
)
NO_CURRENCY = '"' + "X" * 3 + '"'  # ISO 4217's code for "no currency"
ELSEWHERE = re.compile(
    "|".join(
        (
            r"pypi\." + "org",
            r"pythonhosted\." + "org",
            r"registry\." + "npmjs",
            r"deb\." + "debian",
            r"(^|[^A-Za-z0-9_.])/" + r"(work|farm|opt)/[a-z]",
        )
    )
)


def test_nothing_unfinished_is_committed():
    found = [
        name(path)
        for path in tracked("*.py")
        if UNFINISHED.search(path.read_text("utf-8").replace(NO_CURRENCY, ""))
    ]
    assert not found, found


def test_no_registry_host_or_machine_path_is_committed():
    found = []
    for path in tracked():
        if path.suffix in {".svg", ".mo", ".png", ".ttf", ".bin", ".gz", ".zip"} or "static/vendor" in name(
            path
        ):
            continue
        found += [
            f"{name(path)}:{number}"
            for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1)
            if ELSEWHERE.search(line)
        ]
    assert not found, found


def test_vendored_files_carry_their_licence():
    vendor = ROOT / "service/static/vendor"
    for folder in vendor.iterdir():
        assert (folder / "LICENSE").read_text("utf-8").strip(), folder.name
        assert folder.name.rpartition("-")[0] in (ROOT / "NOTICE").read_text("utf-8").lower(), (
            f"{folder.name} is not named in NOTICE"
        )
