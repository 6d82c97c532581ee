# SPDX-License-Identifier: Apache-2.0
"""One error tree: the status on the class, the message in its docstring; RFC 9457 bodies.

Raise the class for its own message, or with a `detail` that tells the remedy.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, ClassVar, Self, TypedDict


class FieldError(TypedDict):
    """One wrong field: where it stands in the request, and what is wrong with it."""

    loc: Sequence[str | int]
    msg: str


class AfterwordError(Exception):
    """Something went wrong."""

    status: ClassVar[int] = 500
    # The label under which telemetry counts this refusal; empty if it is not counted.
    counted_as: ClassVar[str] = ""

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> None:
        """Keep the detail (default: the docstring's first line), wrong fields and headers.

        `reason` replaces the class's `counted_as` in telemetry.
        """
        self.reason = reason or self.counted_as
        self.detail = detail or (self.__doc__ or "").strip().splitlines()[0]
        self.errors = list(errors)
        self.headers = dict(headers or {})
        super().__init__(self.detail)

    def __str__(self) -> str:
        fields = "; ".join(
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in self.errors
        )
        return f"{self.detail} {fields}".strip()


class Unauthorized(AfterwordError):
    """The key is missing, unknown or expired: send `Authorization: Bearer KEY`."""

    status = 401
    counted_as = "not_authenticated"

    def __init__(self, detail: str | None = None, *, reason: str | None = None) -> None:
        """Add the challenge that a 401 must carry."""
        challenge = 'Bearer realm="afterword", Basic realm="afterword"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge}, reason=reason)


class Forbidden(AfterwordError):
    """The key may not do this."""

    status = 403
    counted_as = "forbidden"


class NotFound(AfterwordError):
    """There is no such thing in this workspace."""

    status = 404

    @classmethod
    def in_workspace(cls, noun: str, name: str | None = None) -> Self:
        """Return the error about a row, such as a customer, that a workspace does not have."""
        subject = f"such {noun}" if name is None else f"{noun} `{name[:64]}`"
        return cls(f"There is no {subject} in this workspace.")


class NotAcceptable(AfterwordError):
    """The format that was asked for cannot be written here."""

    status = 406


class NotAllowed(AfterwordError):
    """This path does not support this method."""

    status = 405


class Gone(AfterwordError):
    """This has ended and cannot be used any more."""

    status = 410


class Conflict(AfterwordError):
    """The present state does not allow this."""

    status = 409
    counted_as = "conflict"


class TooLarge(AfterwordError):
    """The body is too large."""

    status = 413
    counted_as = "too_large"


class WrongContentType(AfterwordError):
    """The body must be JSON: add the header `Content-Type: application/json`."""

    status = 415
    counted_as = "content_type"


class InvalidInput(AfterwordError):
    """The request is not valid."""

    status = 422

    @classmethod
    def at(cls, *loc: str | int, msg: str) -> "InvalidInput":
        """Make the error of one field."""
        return cls(errors=[{"loc": loc, "msg": msg}])


@contextmanager
def not_found_as_field_error(*loc: str | int) -> Iterator[None]:
    """Turn NotFound into the error of a field (422); 404 is only for names in the path."""
    try:
        yield
    except NotFound as error:
        raise InvalidInput.at(*loc, msg=error.detail) from None


class TooManyRequests(AfterwordError):
    """Too many requests: wait as long as `Retry-After` says."""

    status = 429
    counted_as = "rate"


class Busy(AfterwordError):
    """Too much is waiting to be written; nothing was lost, send it again in a moment."""

    status = 503
    counted_as = "busy"

    def __init__(self, detail: str | None = None, *, reason: str | None = None) -> None:
        """Tell when to come back."""
        super().__init__(detail, headers={"Retry-After": "1"}, reason=reason)


def problem(
    status: int, detail: str, *, errors: Sequence[FieldError] = (), request_id: str = ""
) -> dict[str, Any]:
    """Build an RFC 9457 problem with our `errors` and `request_id` members."""
    title = HTTPStatus(status).phrase
    return {
        "type": "urn:afterword:" + title.lower().replace(" ", "-"),
        "title": title,
        "status": status,
        "detail": detail,
        "errors": [{"loc": list(error["loc"]), "msg": error["msg"]} for error in errors],
        "request_id": request_id,
    }
