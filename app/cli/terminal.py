# SPDX-License-Identifier: Apache-2.0
"""The terminal: where commands print, the settings they read, and errors as one clear sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from pydantic import ValidationError
from rich.console import Console

from app.core.errors import AfterwordError
from app.core.log import configure_logging
from app.core.postgres_programs import PostgresUnavailableError
from app.core.settings import Settings, misspelt_variables

out = Console(highlight=False, soft_wrap=True)
notes = Console(stderr=True, highlight=False, soft_wrap=True)


class CannotListenError(Exception):
    """The address to listen on is taken or not ours."""


def read_settings() -> Settings:
    """Return the settings of the environment, and warn of names that look misspelt."""
    settings = Settings()
    configure_logging(settings.log_level)
    for misspelt in misspelt_variables():
        notes.print(f"afterword: {misspelt}", markup=False)
    return settings


@contextmanager
def errors_as_sentences() -> Iterator[None]:
    """Exit with one sentence instead of a traceback for errors that the operator can fix."""
    try:
        yield
    except (PostgresUnavailableError, CannotListenError, AfterwordError) as error:
        notes.print(f"afterword: {error}", markup=False)
        sys.exit(1)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        notes.print(f"afterword: {error}", markup=False)
        sys.exit(1)
    except ValidationError as error:
        for wrong in error.errors():
            name = "_".join(["AFTERWORD", *map(str, wrong["loc"])]).upper()
            message = wrong["msg"].removeprefix("Value error, ")
            notes.print(f"afterword: {name}: {message}", markup=False)
        sys.exit(2)
