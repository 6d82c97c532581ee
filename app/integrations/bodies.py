# SPDX-License-Identifier: Apache-2.0
"""Reading the bytes of a webhook: JSON, a form, either of them compressed. Pure."""

import re
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.core.errors import InvalidInput, TooLarge
from app.core.http import GZIP_MAGIC, unpack_gzip
from app.core.json_values import decode_json, storage_error
from app.integrations.adapter import UntranslatableError

MAX_BYTES = 1 << 20
_ZLIB_MAGIC = b"x"
_TOO_LARGE = "the body is larger than 1 MiB once it is unpacked"
_FORM = "application/x-www-form-urlencoded"
_MAX_FIELDS = 2000
_NAME = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")


def plain_body(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the body without its compression, at most 1 MiB of it.

    Raises UntranslatableError for an unknown coding, for invalid bytes, and for too large a body.
    """
    coding = headers.get("content-encoding", "").strip().lower()
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        msg = f"the body's coding {coding[:40]!r} is not known here; gzip and deflate are"
        raise UntranslatableError(msg)
    try:
        # By its first bytes, because some senders name the other one.
        if body.startswith(GZIP_MAGIC) or (coding != "deflate" and body[:1] != _ZLIB_MAGIC):
            return unpack_gzip(body, MAX_BYTES)
        return _inflate(body)
    except InvalidInput as error:
        msg = f"the body {error.errors[0]['msg']}"
        raise UntranslatableError(msg) from None
    except TooLarge:
        raise UntranslatableError(_TOO_LARGE) from None


def _inflate(body: bytes) -> bytes:
    reader = zlib.decompressobj()
    try:
        plain = reader.decompress(body, MAX_BYTES)
    except zlib.error as error:
        msg = f"the body is not valid deflate: {error}"
        raise UntranslatableError(msg) from None
    if reader.unconsumed_tail:
        raise UntranslatableError(_TOO_LARGE)
    if not reader.eof:
        raise UntranslatableError("the body is deflate that was cut off")
    return plain


def decode_body(headers: Mapping[str, str], body: bytes) -> Any:
    """Return what a body says: a JSON document, or a form's fields as an object."""
    plain = plain_body(headers, body)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        return _form(plain)
    try:
        return decode_json(plain.removeprefix(b"\xef\xbb\xbf"))
    except InvalidInput as error:
        first = error.errors[0]
        msg = f"{'.'.join(map(str, first['loc']))} {first['msg']}"
        if "is not valid JSON" in first["msg"]:
            msg += "; if the body is a template, escape the quotes in its values"
        raise UntranslatableError(msg) from None


def _form(body: bytes) -> dict[str, Any]:
    try:
        fields = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"
        )
    except (ValueError, UnicodeError) as error:
        msg = f"the body is not a valid form: {error}"
        raise UntranslatableError(msg) from None
    values: dict[str, Any] = {}
    for name, value in fields:
        _put(values, name, value)
    values = {name: _list_from_numbered(value) for name, value in values.items()}
    if reason := storage_error(values, 1):
        msg = f"the form {reason}"
        raise UntranslatableError(msg)
    return values


def _list_from_numbered(value: Any) -> Any:
    """Turn an object with the names 0, 1, 2 … into a list, since forms have no lists."""
    if not isinstance(value, dict):
        return value
    parts = {name: _list_from_numbered(part) for name, part in value.items()}
    is_list = bool(parts) and list(parts) == [str(number) for number in range(len(parts))]
    return list(parts.values()) if is_list else parts


def _put(target: dict[str, Any], name: str, value: str) -> None:
    """Store `a[b][c]=d` as PHP does; a name that occurs twice gets a list."""
    match = _NAME.match(name)
    steps = [match[1], *re.findall(r"\[([^\[\]]*)\]", match[2])] if match else [name]
    for step in steps[:-1]:
        inner = target.setdefault(step, {})
        if not isinstance(inner, dict):
            return
        target = inner
    last = steps[-1] or str(len(target))
    if last in target:
        existing = target[last]
        target[last] = [*existing, value] if isinstance(existing, list) else [existing, value]
    else:
        target[last] = value
