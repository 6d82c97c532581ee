# SPDX-License-Identifier: Apache-2.0
"""Settings: environment variables with the prefix `AFTERWORD_`."""

import difflib
import ipaddress
import os
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.core.data_folder import default_data_dir
from app.core.process_environment import SLOT_VARIABLE
from app.core.text_types import normalize_locale
from app.core.zone_names import zone_names

PREFIX = "AFTERWORD_"

_TLS = {"", "tls=starttls", "tls=tls"}
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Settings(BaseSettings):
    """What the operator may set; every field says its meaning in its description."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: str | None = Field(
        None, description="`postgresql://…`, PostgreSQL 15 or newer; unset: embedded."
    )
    database_url_read: str | None = Field(
        None, description="A replica of it, for figures, exports and OData; unset: the same."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Embedded database and generated secrets; made when missing.",
    )
    postgres_bin: Path | None = Field(
        None, description="Folder of the PostgreSQL programs for the embedded database."
    )
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, le=64, description="Number of web processes.")
    public_url: str | None = Field(
        None, description="Base of every link given out; default `http://HOST:PORT`."
    )
    secret_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Comma-separated; the first signs and encrypts, all verify and decrypt. "
        "Generated into `DATA_DIR` when embedded, required with `DATABASE_URL`.",
    )
    bootstrap_key: SecretStr | None = Field(
        None,
        description="First admin key of the `default` workspace: `sk_` and 24 or more "
        "characters; generated and printed once when unset.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (), description="CIDRs whose `X-Forwarded-For` is believed."
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="`smtp://user:pass@host:587?tls=starttls` (or `tls=tls`; without: plain). "
        "Unset: mails are written as `.eml` under `DATA_DIR/mail`.",
    )
    mail_from: str | None = Field(
        None, description="Sender of mails; default `no-reply@` the host of `PUBLIC_URL`."
    )
    sending: Literal["on", "paused"] = Field(
        "on", description="`paused` holds every mail and webhook."
    )
    allow_private_webhooks: bool = Field(
        False,
        description="Let webhooks and write-backs go to private addresses and plain http "
        "(development).",
    )
    default_timezone: str = Field("UTC", description="Time zone of new workspaces.")
    default_locale: str = Field("en", description="Locale of new workspaces.")
    public_rate: float = Field(
        10.0,
        gt=0,
        description="Requests a second for one address on public routes, in each process.",
    )
    public_burst: int = Field(
        50, ge=1, description="Burst for one address on public routes, in each process."
    )
    max_waiting: int = Field(
        5000, ge=1, description="Answers that may wait for a commit in one process, then 503."
    )
    demo: bool = Field(False, description="Serve the demo shop; `up --demo` sets it.")
    telemetry: bool = Field(True, description="Serve `/metrics` for Prometheus.")
    log_level: str = Field(
        "info", description="`debug` (logs every request), `info`, `warning` or `error`."
    )

    @field_validator("data_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().resolve()

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else value
        )

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _split_networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return [ipaddress.ip_network(part.strip()) for part in value.split(",") if part.strip()]

    @field_validator("bootstrap_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        key = value.get_secret_value() if value else ""
        if value and (not key.startswith("sk_") or len(key) < 27):
            msg = "must be `sk_` followed by 24 or more characters"
            raise ValueError(msg)
        return value

    @field_validator("smtp_url")
    @classmethod
    def _is_smtp(cls, value: SecretStr | None) -> SecretStr | None:
        url = urlsplit(value.get_secret_value()) if value else None
        if url and not (
            url.scheme == "smtp" and url.hostname and url.query in _TLS and _has_valid_port(url)
        ):
            msg = "must be such as smtp://user:pass@host:587?tls=starttls"
            raise ValueError(msg)
        return value

    @field_validator("default_timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zone_names():
            msg = f"is not an IANA time zone: {value}"
            raise ValueError(msg)
        return value

    @field_validator("default_locale")
    @classmethod
    def _known_locale(cls, value: str) -> str:
        locale = normalize_locale(value)
        if locale is None:
            msg = f"is not a locale such as en or pl-PL: {value}"
            raise ValueError(msg)
        return locale

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, value: str) -> str:
        if value.lower() not in {"debug", "info", "warning", "error"}:
            msg = "must be debug, info, warning or error"
            raise ValueError(msg)
        return value.lower()

    @model_validator(mode="after")
    def _secrets_for_a_real_database(self) -> Self:
        if self.database_url and not self.secret_keys:
            msg = "AFTERWORD_SECRET_KEYS is required with AFTERWORD_DATABASE_URL"
            raise ValueError(msg)
        return self

    @property
    def sender(self) -> str:
        """The address that mails come from where a workspace has none of its own."""
        return self.mail_from or f"no-reply@{urlsplit(self.base_url).hostname}"

    @property
    def embedded(self) -> bool:
        """Whether the service runs its own PostgreSQL."""
        return self.database_url is None

    @property
    def base_url(self) -> str:
        """The base of the links given out, without a trailing slash."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def _has_valid_port(url: SplitResult) -> bool:
    try:
        return url.port is None or url.port > 0
    except ValueError:
        return False


def misspelt_variables() -> list[str]:
    """Return a warning for each unknown `AFTERWORD_` variable, with the nearest known name."""
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    warnings = []
    for name in os.environ:
        if name.startswith(PREFIX) and name.upper() not in {*known, SLOT_VARIABLE}:
            near = difflib.get_close_matches(name.upper(), known, n=1)
            warnings.append(
                f"{name} is not a setting" + (f"; did you mean {near[0]}?" if near else ".")
            )
    return warnings
