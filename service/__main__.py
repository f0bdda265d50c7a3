"""`python -m service` is the command `lienthong`, for places where its script cannot run (a path with a space)."""

from service.cli import main

main(prog_name="lienthong")
