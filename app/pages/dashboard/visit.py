# SPDX-License-Identifier: Apache-2.0
"""One request of a dashboard page: who is signed in, the CSRF token, and how pages are shown."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import HTMLResponse, RedirectResponse, Response

from app.core.clock import utc_now
from app.core.errors import FieldError, Forbidden, InvalidInput
from app.core.http import from_validation, public_path
from app.core.routing import ReadSessionDep, SessionDep, current_settings
from app.core.settings import Settings
from app.core.signing import SealedBox
from app.core.texts import LANGUAGES, language_of
from app.core.tokens import hash_secret
from app.metrics.snapshot import begin_snapshot
from app.pages.dashboard.api import UserApi
from app.pages.dashboard.form_fields import FormOutcome
from app.pages.dashboard.link_mail import SIGN_IN
from app.pages.dashboard.pages import NAVIGATION, PAGES, DashboardPage
from app.pages.dashboard.table_labels import label_cells
from app.pages.dashboard.texts import DashboardTexts
from app.pages.rendering import ShowPage, languages_of, render_page
from app.pages.survey_page import read_fields
from app.workspaces import sessions
from app.workspaces.models import Workspace
from app.workspaces.scopes import Scope
from app.workspaces.service import get_workspace
from app.workspaces.sessions import DashboardUser

T = TypeVar("T", bound=BaseModel)

_CSRF = "dashboard.csrf"
# A cookie that carries the reply of a form, such as a new secret, to the page that shows it once.
_REPLY_COOKIE, _REPLY_SECONDS = "afterword_reply", 60
# Keys of the request's scope, which no client can set: the outcome of a form, for the page that is
# shown again, and the holder of a share link, who sees the figures of one view.
OUTCOME = "afterword.form_outcome"
SHARED_WITH = "afterword.shared_with"
_TEXTS = "afterword.texts"
# The pages on which an admin reads what holds up mails and figures.
_PAGES_WITH_WARNINGS = {"overview", "asking", "invitations", "settings"}
NO_OUTCOME = FormOutcome("", {})


# The parameter that lets a page say that something was saved; `saved_message` reads it.
Saved = Annotated[str, Query(max_length=5)]


def cookie_name(settings: Settings) -> str:
    """Name the cookie; over https no other host or path can set it."""
    secure = settings.base_url.startswith("https://")
    return "__Host-afterword" if secure else "afterword"


async def start_session(
    request: Request, session: AsyncSession, token: str, next_: str
) -> RedirectResponse:
    """Lead to a page with the cookie of a new session, which lives as long as the session."""
    await session.flush()
    user = await sessions.find_user(session, token)
    reply = RedirectResponse(public_path(next_), status_code=303)
    if user is not None:
        seconds = int((user.expires_at - utc_now()).total_seconds())
        give_cookie(request, reply, token, seconds=seconds)
    return reply


def give_cookie(request: Request, reply: Response, token: str, *, seconds: int) -> None:
    """Let the browser keep a session; no script can read it, no other site can use it."""
    settings = current_settings(request)
    reply.set_cookie(
        cookie_name(settings), token, max_age=seconds, path="/", httponly=True, samesite="lax",
        secure=settings.base_url.startswith("https://"),
    )  # fmt: skip


def texts_for(request: Request) -> DashboardTexts:
    """Return the texts in the user's own language where it is known, else the browser's."""
    known: DashboardTexts | None = request.scope.get(_TEXTS)
    return known or texts_of_browser(request)


def texts_of_browser(request: Request) -> DashboardTexts:
    """Return the dashboard's texts in the language of the browser."""
    accepted = languages_of(request)
    languages = [language_of(locale) for locale in accepted]
    return DashboardTexts(next((language for language in languages if language in LANGUAGES), "en"))


@dataclass(frozen=True)
class DashboardVisit:
    """One request of a page, with who asks: a member, a key, or the holder of a share link."""

    request: Request
    user: DashboardUser
    workspace: Workspace
    texts: DashboardTexts
    token: str
    session: AsyncSession
    shared: bool = False

    @property
    def api(self) -> UserApi:
        """The API, called in the user's name."""
        return UserApi(self.request, self.user.caller)

    @property
    def outcome(self) -> FormOutcome:
        """The outcome of the form that this page shows again; an empty one on a first visit."""
        outcome: FormOutcome | None = self.request.scope.get(OUTCOME)
        return outcome or self._carried_reply() or NO_OUTCOME

    def _carried_reply(self) -> FormOutcome | None:
        """Return the reply of a form that this session has just sent, if its page is this one."""
        sealed = self.request.cookies.get(_REPLY_COOKIE)
        box: SealedBox = self.request.app.state.box
        plain = box.unseal(sealed.encode()) if sealed else None
        if plain is None:
            return None
        carried = json.loads(plain)
        if carried["session"] != self._session_name or carried["path"] != self.request.url.path:
            return None
        return FormOutcome(carried["form"], {}, reply=carried["reply"])

    @property
    def _session_name(self) -> str:
        return hash_secret(self.token).hex()

    def lead_to_reply(self, path: str, form: str, reply: Any) -> RedirectResponse:
        """Lead to a page that shows the reply of a form once; loading it again sends nothing."""
        box: SealedBox = self.request.app.state.box
        address = public_path(path)
        carried = {
            "session": self._session_name, "path": address.partition("?")[0], "form": form,
            "reply": reply,
        }  # fmt: skip
        led = RedirectResponse(f"{address}#form-{form}", status_code=303)
        led.set_cookie(
            _REPLY_COOKIE, box.seal(json.dumps(carried).encode()).decode(),
            max_age=_REPLY_SECONDS, path="/", httponly=True, samesite="strict",
            secure=current_settings(self.request).base_url.startswith("https://"),
        )  # fmt: skip
        return led

    @property
    def saved_message(self) -> str:
        """What was saved before the page is shown; empty for an ordinary visit."""
        saved = self.request.query_params.get("saved", "")
        if saved[:1] == "n" and saved[1:].isdecimal():
            return self.texts["changed_count"].format(n=self.texts.number(int(saved[1:])))
        return self.texts["saved"] if saved == "1" else ""

    @property
    def may_admin(self) -> bool:
        """Whether the user may change everything."""
        return self.user.may(Scope.ADMIN)

    @property
    def may_respond(self) -> bool:
        """Whether the user may follow up and tag."""
        return self.user.may(Scope.RESPOND)

    @property
    def zone(self) -> ZoneInfo:
        """The workspace's time zone."""
        return ZoneInfo(self.workspace.timezone)

    @property
    def csrf(self) -> str:
        """What a form of this session carries."""
        box: SealedBox = self.request.app.state.box
        return box.sign(_CSRF, hash_secret(self.token))

    def render(self, name: str, *, title: str | None = None, **context: Any) -> HTMLResponse:
        """Render one of the dashboard's pages; `title` says more than its name does.

        Raises Forbidden for a user who may not see it.
        """
        shown_page = PAGES[name]
        # What a link shares is checked by its own path.
        if not self.shared:
            self.require(shown_page.scope)
        shown_reply = render_page(
            shown_page.template,
            lang=self.texts.language,
            title=title or self.texts[name],
            here=PAGES[shown_page.parent or name].path,
            texts=self.texts,
            visit=self,
            navigation=navigation_for(self),
            warnings=self._admin_warnings() if name in _PAGES_WITH_WARNINGS else [],
            finish=label_cells,
            **context,
        )
        if _REPLY_COOKIE in self.request.cookies:
            shown_reply.delete_cookie(_REPLY_COOKIE, path="/")
            # A secret that is shown once must not be cached for the Back button.
            shown_reply.headers["Cache-Control"] = "no-store"
        return shown_reply

    def _admin_warnings(self) -> list[str]:
        """Return warnings about problems that only an admin can fix."""
        settings = current_settings(self.request)
        warnings: list[str] = []
        if not self.may_admin or self.shared:
            return warnings
        if settings.smtp_url is None:
            warnings.append(self.texts["mail_stored"])
        if settings.sending == "paused":
            warnings.append(self.texts["sending_paused"])
        if self.workspace.recount is not None:
            warnings.append(self.texts["recounting"])
        return warnings

    async def read_form(self) -> Mapping[str, str]:
        """Read a posted form, the last value of each field; Forbidden without its token."""
        fields = await read_own_form(self.request)
        self.require_own(fields)
        return fields

    async def read_all_fields(self) -> dict[str, list[str]]:
        """Read a posted form, all values of each field; Forbidden without its token."""
        fields = await read_own_fields(self.request)
        self.require_own({name: values[-1] for name, values in fields.items()})
        return fields

    def require_own(self, fields: Mapping[str, str]) -> None:
        """Raise Forbidden for a form that no page of this session has shown."""
        box: SealedBox = self.request.app.state.box
        token_hash = box.verify(_CSRF, fields.get("_csrf", "")) or b""
        if not hmac.compare_digest(token_hash, hash_secret(self.token)):
            raise Forbidden(self.texts["csrf"])

    def require(self, scope: Scope) -> None:
        """Raise Forbidden where the user's role does not allow it."""
        if not self.user.may(scope):
            raise Forbidden(self.texts["no_access"])


def validate_values(kind: type[T], values: Mapping[str, Any]) -> T:
    """Read what a form says, or raise InvalidInput naming the field."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        problems = from_validation(list(error.errors()))
        errors: list[FieldError] = [{**error, "loc": ("body", *error["loc"])} for error in problems]
        raise InvalidInput(errors=errors) from None


async def read_own_form(request: Request) -> dict[str, str]:
    """Read a form that our own page has sent, with the last value of each field."""
    return {name: values[-1] for name, values in (await read_own_fields(request)).items()}


async def read_own_fields(request: Request) -> dict[str, list[str]]:
    """Read a form that our own page has sent, and no other site's or subdomain's."""
    if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
        raise Forbidden(texts_of_browser(request)["csrf"])
    fields = await read_fields(request)
    return {
        name: [value.replace("\x00", "") for value in values] for name, values in fields.items()
    }


async def _snapshot_visit(
    request: Request,
    session: SessionDep,
    reading: ReadSessionDep,
    saved: Saved = "",  # noqa: ARG001 - declared, so that it is accepted
) -> DashboardVisit:
    visit = await _visit_of(request, session, reading)
    # All figures of a page are read from one snapshot.
    await begin_snapshot(reading)
    return visit


async def _visit_of(
    request: Request, session: AsyncSession, reading: AsyncSession
) -> DashboardVisit:
    holder: DashboardUser | None = request.scope.get(SHARED_WITH)
    if holder is not None:
        workspace = await get_workspace(session, holder.caller.workspace_id)
        texts = texts_of_browser(request)
        return DashboardVisit(request, holder, workspace, texts, "", reading, shared=True)
    token = request.cookies.get(cookie_name(current_settings(request)), "")
    user = await sessions.find_user(session, token) if token else None
    if user is None or not user.may(Scope.READ):
        query = f"?{request.url.query}" if request.url.query else ""
        next_query = urlencode({"next": request.url.path + query})
        raise ShowPage(RedirectResponse(public_path(f"{SIGN_IN}?{next_query}"), status_code=303))
    workspace = await get_workspace(session, user.caller.workspace_id)
    texts = request.scope[_TEXTS] = DashboardTexts(user.locale)
    return DashboardVisit(request, user, workspace, texts, token, reading)


async def _api_visit(
    request: Request,
    session: SessionDep,
    reading: ReadSessionDep,
    saved: Saved = "",  # noqa: ARG001 - declared, so that it is accepted
) -> DashboardVisit:
    visit = await _visit_of(request, session, reading)
    # The page's own requests need connections too, so this one is given back first.
    await session.commit()
    return visit


SnapshotVisitDep = Annotated[DashboardVisit, Depends(_snapshot_visit)]
# Of pages that read and change through the API.
ApiVisitDep = Annotated[DashboardVisit, Depends(_api_visit)]


def navigation_for(visit: DashboardVisit) -> list[tuple[str, list[DashboardPage]]]:
    """Return the pages that the user is led to, by the groups in which they stand."""
    if visit.shared:
        return []
    pages = [page for page in NAVIGATION if visit.user.may(page.scope)]
    return [(name, list(group)) for name, group in groupby(pages, lambda page: page.group)]
