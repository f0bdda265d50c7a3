"""The API: one blueprint a file, listed in `blueprints`; documents beside them, which commands print too.

Nothing is imported here, so that a command which prints a document loads that document alone.
"""
