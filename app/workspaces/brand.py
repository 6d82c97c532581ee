# SPDX-License-Identifier: Apache-2.0
"""How a company looks: its name, its colour, and its logo, fetched once and kept here."""

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from app.core.errors import InvalidInput
from app.core.guarded_http import RefusedAddressError, UnreachableError, send
from app.workspaces.models import Logo, Workspace
from app.workspaces.schemas import Brand

_MAX_BYTES = 200 * 1024
_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


@dataclass(frozen=True, slots=True)
class Image:
    """A picture whose first bytes say what it is."""

    media_type: str
    content: bytes

    @property
    def version(self) -> str:
        """A name for this content alone."""
        return hashlib.sha256(self.content).hexdigest()[:16]


def media_type_of(content: bytes) -> str | None:
    """Return the kind of a picture by its first bytes; the server's content type is ignored."""
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    kinds = (kind for start, kind in _SIGNATURES.items() if content.startswith(start))
    return next(kinds, None)


async def fetch_logo(url: str, *, allow_private: bool) -> Image:
    """Fetch a logo, or raise InvalidInput that says what is wrong with it."""
    try:
        reply = await send(
            "GET", url, headers={"Accept": "image/png, image/jpeg, image/webp"}, content=b"",
            allow_private=allow_private, max_kept_bytes=_MAX_BYTES + 1,
        )  # fmt: skip
    except RefusedAddressError as error:
        raise _logo_error(str(error)) from None
    except UnreachableError:
        raise _logo_error("could not be fetched") from None
    if reply.status != 200:
        raise _logo_error(f"answered {reply.status}; it must be a picture that anyone may fetch")
    if len(reply.body) > _MAX_BYTES:
        raise _logo_error("is larger than 200 KB")
    media_type = media_type_of(reply.body)
    if media_type is None:
        raise _logo_error("is not a PNG, JPEG or WebP")
    return Image(media_type, reply.body)


def _logo_error(msg: str) -> InvalidInput:
    return InvalidInput.at("body", "brand", "logo_url", msg=msg)


async def change_brand(
    session: AsyncSession, workspace: Workspace, patch: Brand, *, picture: Image | None
) -> None:
    """Set the given fields of a brand; null removes one; `picture` is a new logo."""
    changes = patch.model_dump(include=patch.model_fields_set)
    brand: dict[str, Any] = workspace.brand | changes
    if picture is not None:
        logo = Logo(
            workspace_id=workspace.id,
            version=picture.version,
            media_type=picture.media_type,
            content=picture.content,
        )
        await session.merge(logo)
        brand["logo"] = picture.version
    elif not brand.get("logo_url") and (old_logo := await find_logo(session, workspace.id)):
        await session.delete(old_logo)
        del brand["logo"]
    workspace.brand = {name: value for name, value in brand.items() if value is not None}


async def find_logo(session: AsyncSession, workspace_id: UUID) -> Logo | None:
    """Return a workspace's logo."""
    return (await session.exec(select(Logo).where(Logo.workspace_id == workspace_id))).first()


def company_of(workspace: Workspace) -> str:
    """Return the name under which a company speaks to its customers."""
    name: str = workspace.brand.get("name") or workspace.mail.get("from_name") or workspace.name
    return name


def logo_path(workspace: Workspace) -> str | None:
    """Return where a workspace's logo is served; the name changes with the picture."""
    version = workspace.brand.get("logo")
    return f"/brand/{workspace.id}/logo-{version}" if version else None


def logo_url(workspace: Workspace, base_url: str) -> str | None:
    """Return the whole address of a workspace's logo, for mails."""
    path = logo_path(workspace)
    return base_url + path if path else None
