"""What stops a reader, in words for whoever stands before it.

These never meet HTTP (the daemon is a client), so they are not kernel DomainErrors.
"""

from __future__ import annotations


class ReaderError(Exception):
    """The daemon was asked for what cannot be; the message says what to do about it."""


class ConfigError(ReaderError):
    """reader.toml is missing, unreadable or says something impossible; names the key."""


class JournalError(ReaderError):
    """The journal cannot be written or read: no tap may be accepted."""


class EnrolmentError(ReaderError):
    """There is no usable identity here, or the server refused the one-time code."""


class BundleError(ReaderError):
    """A bundle is unsigned, tampered with, older than ours or not for this device."""


class ServerError(ReaderError):
    """The server could not be reached or did not answer as agreed; always worth another try."""


class FieldLostError(Exception):
    """The reader device itself is gone or cannot be opened: out of service until it is opened again."""
