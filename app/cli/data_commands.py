"""Commands about the data as a whole: who reads it by SQL, its copies, its health."""

from typing import Annotated

import typer

from app.cli.running import WorkspaceOption, notes, out, read_settings, run_work
from app.core.database import Database
from app.core.postgres import superuser_url
from app.exports import bi_roles
from app.workspaces import service as workspaces

_ELSEWHERE = (
    "The embedded database is reached from this machine alone. From elsewhere: an SSH tunnel "
    "(`ssh -L 5432:127.0.0.1:PORT`), a PostgreSQL of your own (`afterword move`), or CSV and "
    "OData over HTTPS."
)


def bi_role(
    workspace: WorkspaceOption = workspaces.DEFAULT_WORKSPACE,
    drop: Annotated[str | None, typer.Option(help="Drop this role instead.")] = None,
    *,
    personal: Annotated[bool, typer.Option(help="It may read customers' names, too.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the roles instead.")] = False,
) -> None:
    """Make a read-only login for a BI tool and print its URL, alone on its line."""
    settings = read_settings()

    async def work(database: Database) -> list[str]:
        maker = superuser_url(settings.data_dir) if settings.embedded else database.url
        if listed:
            found = await bi_roles.list_roles(database, workspace)
            return [f"{one.role}  {'personal' if one.personal else ''}".rstrip() for one in found]
        if drop is not None:
            await bi_roles.drop_role(database, maker_url=maker, role=drop)
            return [f"The role {drop} is dropped."]
        url = await bi_roles.create_role(
            database, maker_url=maker, workspace_key=workspace, personal=personal
        )
        if settings.embedded:
            notes.print(_ELSEWHERE, markup=False)
        return [url]

    for line in run_work(settings, work):
        out.print(line, markup=False)
