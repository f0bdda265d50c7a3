"""All settings in one class. Every field is an environment variable LIENTHONG_<NAME>; `lienthong env` prints them.

A secret may come from a file instead: LIENTHONG_<NAME>_FILE names it (systemd credentials, Docker secrets).
"""
# longer than a room: one list, so that nobody looks for a setting in two places

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from fare.rules.attestation import keys_of
from kernel.clock import MalformedClockError, clock_from

PREFIX: Final = "LIENTHONG_"


def secret(description: str) -> Any:
    """Return a field that never shows in a repr and can be read from a file."""
    return Field(default="", repr=False, description=description, json_schema_extra={"secret": True})


class Settings(BaseSettings):
    """What an operator decides. Nothing else in the program reads the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    database_url: str = secret(
        "PostgreSQL as the service's login role, e.g. postgresql+psycopg://lienthong:…@host/lienthong"
    )
    migration_url: str = secret(
        "PostgreSQL as the owning role, used by `lienthong migrate` only; never through a pooler"
    )
    redis_url: str = secret(
        "Redis or Valkey, e.g. redis://host:6379/0; the service works without it, only slower"
    )
    database_pool: int = Field(
        default=8, ge=1, le=200, description="Database connections of a worker, and as many for look-ups"
    )
    database_retries: int = Field(
        default=5,
        ge=0,
        le=20,
        description="Times a transaction is repeated after a deadlock or serialization failure",
    )
    statement_timeout_ms: int = Field(
        default=30_000, ge=100, description="The service gives up a statement that runs longer than this"
    )

    session_key: str = secret("Signs staff cookies; at least 32 characters, made by `lienthong keys init`")
    keyring_file: Path = Field(
        default=Path(".lienthong/keyring.json"),
        description="Card and signing keys, sealed under the key-encryption key",
    )
    kek_file: Path = Field(
        default=Path(".lienthong/kek"),
        description="The key-encryption key; keep it on another medium than the keyring",
    )
    pkcs11_module: str = Field(
        default="",
        description="PKCS#11 module (a .so file) of the token that keeps the card masters; empty: the keyring's file does",
    )
    pkcs11_token: str = Field(
        default="lienthong", max_length=32, description="Label of the PKCS#11 token with the card masters"
    )
    pkcs11_pin: str = secret("The user PIN of the PKCS#11 token")
    provider_checksum_key: str = secret("The key with which the payment provider signs its notifications")
    casso_checksum_key: str = secret(
        "The key with which Casso signs its notifications; empty: they are refused"
    )
    sepay_api_key: str = secret(
        "The key with which SePay signs, or that it sends with, its notifications; empty: they are refused"
    )
    payos_url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="Where payOS is asked about top-ups that nobody notified; empty: it is not asked",
    )
    payos_client_id: str = Field(default="", description="Our client id at payOS, sent when it is asked")
    payos_api_key: str = secret("Our API key at payOS, sent when it is asked")
    topup_poll_s: int = Field(
        default=120, ge=0, description="Seconds after which the provider is asked about a top-up"
    )
    topup_provider: str = Field(
        default="payos",
        pattern="^(payos|casso|sepay)$",
        description="The provider that watches the guarantee account for new top-ups: payos, casso or sepay",
    )
    topup_minutes: int = Field(
        default=60, ge=1, le=10_080, description="A top-up's QR is to be paid within this many minutes"
    )
    notification_days: int = Field(
        default=30,
        ge=1,
        le=365,
        description="Payments older than this many days, notified for the first time, wait for a person",
    )
    webhook_private: bool = Field(
        default=False,
        description="Operators' webhooks may go to private addresses and by plain http: for tests, or inside one network",
    )
    topup_bank_bin: str = Field(
        default="970436",
        pattern=r"^\d{6}$",
        description="BIN of the bank that holds the guarantee account (VietQR)",
    )
    topup_account: str = Field(
        default="0011001234567",
        pattern=r"^[0-9A-Za-z]{1,19}$",
        description="Number of the guarantee account (VietQR)",
    )
    topup_also_accounts: str = Field(
        default="",
        pattern=r"^[0-9A-Za-z]{0,19}(,[0-9A-Za-z]{1,19})*$",
        description="Further numbers, comma-separated, under which money to the guarantee account is notified",
    )
    topup_account_name: str = Field(
        default="LIEN THONG",
        max_length=25,
        description="Name of the guarantee account, folded to ASCII (VietQR)",
    )

    bank_file_max_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=1024,
        description="Largest bank statement or provider file that is read",
    )

    clock: str = Field(
        default="system",
        description="system; tests and the demo: fixed:INSTANT or scaled;INSTANT;EPOCH_SECONDS;RATE",
    )
    signature_skew_s: int = Field(
        default=300, ge=1, description="How far a device's clock may be off for a signed request (RFC 9421)"
    )
    late_days: int = Field(
        default=45,
        ge=0,
        description="Taps later than this many days go to the exception queue instead of a re-fold",
    )

    settle_cut_off_min: int = Field(
        default=240,
        ge=0,
        le=10_080,
        description="A book day is settled from this many minutes after its midnight on (Hanoi's service day ends at 04:00)",
    )
    invoice_dir: Path = Field(
        default=Path(".lienthong/invoices"),
        description="Folder of the e-invoice adapter: documents go to out/, answers are read from answers/",
    )
    identity_verifiers: str = Field(
        default="",
        description="Authorities whose attestations prove concessions: name:public key (64 hex digits), comma-separated",
    )
    risk_total_limit: int = Field(
        default=0,
        ge=0,
        description="What all riders together may owe, in đồng; from there on a tap needs a balance. 0: only reported",
    )
    risk_cover: int = Field(
        default=20_000,
        ge=0,
        description="What a balance must hold while that limit is reached, in đồng: the dearest single ride",
    )
    passback_s: int = Field(
        default=60,
        ge=0,
        le=3_600,
        description="A card shown again at the same reader within these seconds is the same tap (readers' bundle)",
    )
    felica_taps_a_day: int = Field(
        default=20, ge=0, le=1_000, description="Taps a day by a FeliCa token, which can be copied; 0: none"
    )
    felica_floor: int = Field(
        default=20_000,
        ge=0,
        description="What an account must hold for a tap by a FeliCa token, in đồng: the dearest single ride",
    )
    stored_value: bool = Field(default=False, description="Readers take money from stored-value cards")
    decision_max_age_s: int = Field(
        default=900,
        ge=1,
        description="Cached card states older than this are read from the database again (online decisions)",
    )

    bind: str = Field(default="127.0.0.1:8080", description="Where `lienthong serve` listens")
    public_url: str = Field(
        default="http://127.0.0.1:8080",
        description="The address people use; https makes staff cookies Secure",
    )
    workers: int = Field(default=2, ge=1, le=128, description="Worker processes of `lienthong serve`")
    threads: int = Field(default=4, ge=1, le=128, description="Threads of one worker process")
    trusted_proxies: int = Field(
        default=0, ge=0, le=5, description="Reverse proxies in front whose X-Forwarded-* headers are believed"
    )
    max_body_bytes: int = Field(default=8 * 1024 * 1024, ge=1024, description="Largest request body")
    sign_in_throttle: str = Field(
        default="10 per minute", description="Sign-in attempts allowed for one address, and for one e-mail"
    )
    enrol_throttle: str = Field(
        default="30 per minute", description="Enrolment attempts allowed for one address"
    )
    sign_in_hours: int = Field(
        default=12, ge=1, le=168, description="A staff sign-in ends after this many hours"
    )
    log_level: str = Field(
        default="info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error"
    )

    @field_validator("clock")
    @classmethod
    def _clock_is_known(cls, value: str) -> str:
        try:
            clock_from(value)
        except MalformedClockError as error:
            raise ValueError(str(error)) from None
        return value

    @field_validator("identity_verifiers")
    @classmethod
    def _verifiers_are_keys(cls, value: str) -> str:
        keys_of(value)
        return value

    @field_validator("session_key")
    @classmethod
    def _session_key_is_long(cls, value: str) -> str:
        if value and len(value) < 32:
            raise ValueError("at least 32 characters")
        return value

    @property
    def secure(self) -> bool:
        """Whether people reach the service by https."""
        return self.public_url.startswith("https:")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  (the signature is pydantic's)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Explicit values first, then the environment, then secrets' files."""
        return init_settings, env_settings, SecretFiles(settings_cls)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads LIENTHONG_<SECRET>_FILE; a file that is named but missing stops the start."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's content without its last newline, or None."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE", "")
        if not path or not is_secret(field):
            return None, field_name, False
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return every secret that a file was named for."""
        found = {
            name: self.get_field_value(field, name)[0]
            for name, field in self.settings_cls.model_fields.items()
        }
        return {name: value for name, value in found.items() if value is not None}


def is_secret(field: FieldInfo) -> bool:
    """Return whether a field was made by `secret`."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("secret"))


def unknown_names(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the LIENTHONG_ variables that no setting reads, sorted: nearly always a typing mistake."""
    known = set()
    for name, field in Settings.model_fields.items():
        known.add(f"{PREFIX}{name.upper()}")
        if is_secret(field):
            known.add(f"{PREFIX}{name.upper()}_FILE")
    return tuple(sorted(name for name in environ if name.startswith(PREFIX) and name not in known))


def example() -> str:
    """Return the text of `.env.example`: every setting with its meaning and default."""
    return "".join(_example_lines())


def _example_lines() -> Iterator[str]:
    yield "# Settings of Liên Thông. Written by `lienthong env`; a test keeps it true.\n"
    yield "# Values shown are the defaults; a secret may be given by the file named in its _FILE line.\n"
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name.upper()}"
        yield f"\n# {field.description}.\n"
        if is_secret(field):
            yield f"#{variable}=\n#{variable}_FILE=\n"
        else:
            yield f"{variable}={field.default}\n"


def reference() -> str:
    """Return the text of `docs/settings.md`: every setting as a row of a table."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {str(field.description).replace('|', chr(92) + '|')} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([_REFERENCE_HEAD, *rows, ""])


def _default(field: FieldInfo) -> str:
    if is_secret(field):
        return "secret"
    return f"`{field.default}`" if str(field.default) else "empty"


_REFERENCE_HEAD: Final = f"""# Settings

Written by `lienthong env --markdown`; a test keeps it true. Every setting is an environment variable and nothing else
in the program reads the environment. A *secret* has no default and may be given in a file instead: `{PREFIX}<NAME>_FILE`
names it, its last line break is dropped. A variable that begins with `{PREFIX}` and is not in this table is logged at
the start as `setting.unknown`.

| variable | default | meaning |
|---|---|---|"""
