"""Programs of Debian that a test checks our files with."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

# The Debian package that holds each program.
PACKAGES = {"hledger": "hledger", "bean-check": "beancount"}


def program(name: str) -> str:
    """Return the program's path; install it when root may, one worker at a time, else skip and say so."""
    with Path(tempfile.gettempdir(), f"lienthong-apt-{os.geteuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if shutil.which(name) is None and os.geteuid() == 0 and shutil.which("apt-get"):
            quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            patient = ("-o", "DPkg::Lock::Timeout=200", "-qq")
            for words in (("update",), ("install", "-y", "--no-install-recommends", PACKAGES[name])):
                command = ["apt-get", *patient, *words]
                subprocess.run(command, env=quiet, capture_output=True, check=False, timeout=300)
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: `apt-get install {PACKAGES[name]}` to check the books with it")
    return found
