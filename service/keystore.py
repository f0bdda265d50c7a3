"""The keyring as the settings describe it: sealed files, or these and a PKCS#11 token."""

from pathlib import Path

from access.hsm import Token
from access.keyring import Keyring, load_kek
from service.settings import Settings


def token_of(settings: Settings) -> Token | None:
    """Return the token that the settings name; None where the sealed files hold everything."""
    if not settings.pkcs11_module:
        return None
    return Token(Path(settings.pkcs11_module), settings.pkcs11_token, settings.pkcs11_pin)


def keyring_of(settings: Settings) -> Keyring:
    """Return the keyring; KeyringError says what is wrong with files or token."""
    return Keyring.load(settings.keyring_file, load_kek(settings.kek_file), token_of(settings))
