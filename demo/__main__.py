"""`python -m demo`: play one Hanoi day through the real system and see it settle."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from demo.processes import DemoError
from kernel.errors import DomainError
from service.server_binaries import LauncherError


def main(argv: list[str] | None = None) -> int:
    """Play the day; exit code 0 when it settles and proves, 1 when not, 2 when it could not be played."""
    parser = argparse.ArgumentParser(
        prog="python -m demo",
        description="Play one Hanoi day through the real system: readers, HTTP, PostgreSQL, Redis, a bank. "
        "Takes about two minutes, needs no other software, and leaves the day for `make run`.",
        epilog="example: python -m demo --home .lienthong/demo",
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=Path(".lienthong/demo"),
        help="the demo's own folder; an earlier demo's is replaced (%(default)s)",
    )
    options = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 140)
    from demo.story import play

    try:
        return play(options.home.resolve(), console)
    except (DemoError, DomainError, LauncherError) as error:
        console.print(f"[red]demo:[/] {error}", highlight=False)
        return 2


if __name__ == "__main__":
    sys.exit(main())
