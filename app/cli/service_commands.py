# SPDX-License-Identifier: Apache-2.0
"""Commands that run the service: they check the settings and become the process that serves."""

import errno
import json
import os
import socket
import sys
import time
from typing import Annotated

import typer

from app.cli.supervisor import ServicePlan, module_command
from app.cli.terminal import CannotListenError, read_settings
from app.core.postgres_programs import PostgresUnavailableError
from app.core.settings import Settings
from app.core.signing import load_secret_keys

commands = typer.Typer()

_PORT_WAIT_SECONDS = 3


@commands.command()
def up(
    *,
    demo: Annotated[
        bool, typer.Option(help="Also fill a workspace with a year of answers.")
    ] = False,
) -> None:
    """Start everything: database, migrations, API and worker."""
    settings = read_settings()
    settings = settings.model_copy(update={"demo": demo or settings.demo})
    with listen(settings) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        message = f"Afterword listens on {settings.base_url} (dashboard: /, documentation: /docs)"
        if settings.demo:
            message += f"\nThe demo's shop is at {settings.base_url}/demo/shop"
        plan = _service_plan(settings, listening, message)._replace(
            prepares_database=True,
            with_worker=True,
            embedded=settings.embedded,
            postgres_bin=str(settings.postgres_bin) if settings.postgres_bin else None,
        )
        _supervise(settings, plan)


@commands.command()
def serve() -> None:
    """Start the web processes alone, on a database that is there."""
    settings = _require_database(read_settings())
    with listen(settings) as listening:
        settings = settings.model_copy(update={"port": listening.getsockname()[1]})
        _supervise(
            settings,
            _service_plan(settings, listening, f"Afterword listens on {settings.base_url}"),
        )


@commands.command()
def worker() -> None:
    """Start the background worker alone; any number may run."""
    _require_database(read_settings())
    os.execv(sys.executable, module_command("app.worker"))  # noqa: S606 - ourselves


def listen(settings: Settings) -> socket.socket:
    """Open the listening socket, before anything else is started."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + _PORT_WAIT_SECONDS
    while (error := _bind(listening, settings)) is not None:
        # Web processes that a killed parent left behind end within a moment.
        if error.errno == errno.EADDRINUSE and time.monotonic() < deadline:
            time.sleep(0.1)
            continue
        listening.close()
        msg = (
            f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Set AFTERWORD_PORT or AFTERWORD_HOST, or stop what listens there."
        )
        raise CannotListenError(msg)
    listening.listen(2048)
    return listening


def _bind(listening: socket.socket, settings: Settings) -> OSError | None:
    try:
        listening.bind((settings.host, settings.port))
    except OSError as error:
        return error
    return None


def _service_plan(settings: Settings, listening: socket.socket, ready_message: str) -> ServicePlan:
    host = settings.host
    local = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared only
    return ServicePlan(
        data_dir=str(settings.data_dir),
        listening_descriptor=listening.fileno(),
        local_host=local,
        port=settings.port,
        log_level=settings.log_level,
        web_processes=settings.workers,
        ready_message=ready_message,
    )


def _supervise(settings: Settings, plan: ServicePlan) -> None:
    """Become the supervisor: what this process has loaded is not needed while the service runs."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    url = {"AFTERWORD_DATABASE_URL": settings.database_url} if settings.database_url else {}
    environment = (
        os.environ
        | url
        | {
            "AFTERWORD_DATA_DIR": str(settings.data_dir),
            # Keys of an embedded service are made here, at its first start.
            "AFTERWORD_SECRET_KEYS": ",".join(load_secret_keys(settings)),
            "AFTERWORD_PORT": str(settings.port),
            "AFTERWORD_DEMO": str(settings.demo),
        }
    )
    os.set_inheritable(plan.listening_descriptor, True)
    command = module_command("app.cli.supervisor", json.dumps(plan._asdict()))
    os.execve(sys.executable, command, environment)  # noqa: S606 - ourselves


def _require_database(settings: Settings) -> Settings:
    if settings.database_url is None:
        msg = "This command needs AFTERWORD_DATABASE_URL; `afterword up` runs an embedded database."
        raise PostgresUnavailableError(msg)
    return settings
