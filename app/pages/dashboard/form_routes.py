# SPDX-License-Identifier: Apache-2.0
"""`POST /forms/{name}`: send one request of the API, then show the page again."""

from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from app.core.errors import InvalidInput, NotFound
from app.core.http import public_path
from app.core.routing import router
from app.pages.dashboard.api import ApiRefused, ApiReply
from app.pages.dashboard.field_errors import error_of_detail, field_errors
from app.pages.dashboard.form_fields import DashboardForm, Fields, FormOutcome
from app.pages.dashboard.form_replies import saved_at, show_again
from app.pages.dashboard.forms import FORMS
from app.pages.dashboard.visit import ApiVisitDep, DashboardVisit
from app.workspaces.scopes import Scope

routes = router("Dashboard")


@routes.get("/forms/{name}", include_in_schema=False)
async def show_form_page(name: str) -> RedirectResponse:
    """Lead to the page of a form whose address was opened or loaded again."""
    form = FORMS.get(name)
    path = form.page if form is not None and "{" not in form.page else "/"
    return RedirectResponse(public_path(path), status_code=303)


@routes.post("/forms/{name}", include_in_schema=False)
async def post_form(visit: ApiVisitDep, name: str) -> Response:
    """Send the request of a form, then show its page: changed, or with what is wrong."""
    form = FORMS.get(name)
    if form is None:
        raise NotFound("There is no such form.")
    if form.is_trial:
        visit.require(Scope.WRITE)
    fields = await visit.read_all_fields()
    page = _fill(form.page, fields)
    try:
        _require_typed(visit, form, fields)
        if before := FORMS.get(form.first_form or ""):
            await _send(visit, before, fields)
        reply = await _send(visit, form, fields)
    except ApiRefused as refused:
        wrong = field_errors(visit.texts, fields, refused.fields)
        wrong = wrong or error_of_detail(visit.texts, fields, refused.detail)
        detail = visit.texts["error.fields"] if wrong else refused.detail
        outcome = FormOutcome(name, fields, detail, wrong)
        return await show_again(visit, page, outcome, status=refused.status)
    except InvalidInput as error:
        messages = {str(field_error["loc"][-1]): field_error["msg"] for field_error in error.errors}
        wrong = field_errors(visit.texts, fields, messages)
        detail = visit.texts["error.fields"] if wrong else error.detail
        outcome = FormOutcome(name, fields, detail, wrong)
        return await show_again(visit, page, outcome, status=422)
    return await _lead_on(visit, form, name, fields, reply)


async def _lead_on(
    visit: DashboardVisit, form: DashboardForm, name: str, fields: Fields, reply: ApiReply
) -> Response:
    """Show what came of a form: its reply, or the page that follows."""
    page = _fill(form.page, fields)
    if form.is_trial:
        # An error, even an empty one, makes the form keep what was typed.
        return await show_again(visit, page, FormOutcome(name, fields, "", reply=reply.json()))
    if form.shows_reply:
        reply_fields = {field: reply.json()[field] for field in form.shows_reply}
        return visit.lead_to_reply(page, name, reply_fields)
    then = page
    if form.then is not None:
        values = reply.json() if reply.content else {}
        then = _fill(
            form.then, {**fields} | {key: [str(value)] for key, value in (values or {}).items()}
        )
    # Back to the form, if its page has it in one place.
    fragment = f"#form-{name}" if then == page else ""
    return RedirectResponse(saved_at(then) + fragment, status_code=303)


async def _send(visit: DashboardVisit, form: DashboardForm, fields: Fields) -> ApiReply:
    """Send the request of a form."""
    params = {field: fields[field][-1] for field in form.query if field in fields}
    return await visit.api.send(
        form.method, _fill(form.path, fields), params=params, json_body=form.request_body(fields)
    )


def _fill(template: str, fields: Fields) -> str:
    values = {name: quote(field_values[-1], safe="") for name, field_values in fields.items()}
    try:
        return template.format_map(values)
    except (KeyError, ValueError):
        raise InvalidInput("The form is incomplete; reload the page.") from None


def _require_typed(visit: DashboardVisit, form: DashboardForm, fields: Fields) -> None:
    """Refuse an action that cannot be undone unless its name was typed correctly."""
    if form.confirmed_by is None:
        return
    typed, own_name = (fields.get(name, [""])[-1].strip() for name in form.confirmed_by)
    if typed != own_name or not own_name:
        raise InvalidInput.at("body", form.confirmed_by[0], msg=visit.texts["typed_wrong"])
