"""The command line, one click group a file; `service/cli.py` lists them."""
