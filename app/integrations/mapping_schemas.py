# SPDX-License-Identifier: Apache-2.0
"""Bodies of a generic sender's mapping, and of how it signs."""

from typing import Annotated, Any, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, Field, StringConstraints, WithJsonSchema, model_validator

from app.integrations.mapping_rules import check_condition, check_rule
from app.integrations.signatures import Algorithm, Encoding, Part, Scheme
from app.workspaces.schemas import Body

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]
Rule = Annotated[
    Any,
    AfterValidator(check_rule),
    WithJsonSchema({
        "title": "Rule",
        "description": "A JSON pointer (`/order/id`, `root:/x`), `header:Name`, an object such as "
        '`{"const": "x"}`, `{"template": "{/id}:{/status}"}` or `{"map": {…}, "of": RULE}`, or a '
        "list of rules: the first that finds something.",
        "anyOf": [
            {"type": "string"},
            {"type": "object", "additionalProperties": True},
            {"type": "array", "items": {}},
        ],
    }),
]  # fmt: skip
MappingCondition = Annotated[
    dict[str, Any],
    AfterValidator(check_condition),
]
ItemsPointer = Annotated[str, StringConstraints(pattern=r"^((root:)?/.*)?$", max_length=300)]


class IntegrationMapping(Body):
    """Where each field is found in a body; a field that is left out is not read."""

    type: Rule
    external_id: Rule | None = Field(
        default=None,
        description="The sender's id of this event. Without it, the time distinguishes the events "
        "of a ticket or order.",
    )
    ticket: Rule | None = None
    order: Rule | None = None
    occurred_at: Rule | None = None
    touchpoint: Rule | None = None
    locale: Rule | None = None
    test: Rule | None = Field(default=None, description="True, `test` or `sandbox`: a test.")
    customer: dict[Literal["external_id", "email", "name", "locale"], Rule] = Field(default={})
    value: dict[Literal["amount", "currency"], Rule] = Field(default={})
    properties: Annotated[
        dict[Annotated[str, StringConstraints(max_length=64)], Rule], Field(max_length=32)
    ] = Field(default={})
    when: MappingCondition | None = Field(
        default=None,
        description="`{pointer, op, value}`, or `all` and `any` of such; else it is skipped.",
    )
    items: ItemsPointer | None = Field(
        default=None,
        description="An array of which each member makes one interaction; empty: the body itself.",
    )

    @model_validator(mode="after")
    def _can_distinguish_events(self) -> Self:
        if self.external_id is None and self.ticket is None and self.order is None:
            msg = "external_id: is required where neither `ticket` nor `order` is mapped"
            raise ValueError(msg)
        return self


class IntegrationMappingWithMore(IntegrationMapping):
    """A mapping that may make further interactions of the same body."""

    also: list[IntegrationMapping] = Field(
        default=[], max_length=10, description="Further mappings of the same body or member."
    )


class CombinedSignature(Body):
    """A header that holds time and signatures, such as `t=…,v1=…`."""

    timestamp: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,20}$")]
    signature: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,20}$")]
    separator: Annotated[str, StringConstraints(min_length=1, max_length=3)] = ","
    joiner: Annotated[str, StringConstraints(max_length=5)] = "."


class Signature(Body):
    """How the sender signs; left out, its URL carries a token."""

    scheme: Scheme = Field(
        default="hmac",
        description="`standard_webhooks` needs nothing else, `rsa` a `public_key`; `token`: it "
        "does not sign, and its URL carries a token.",
    )
    header: HeaderName | None = Field(
        default=None, description="Where the signature stands; required but for standard_webhooks."
    )
    algorithm: Algorithm = "sha256"
    encoding: Encoding = "hex"
    prefix: Annotated[str, StringConstraints(max_length=30)] = ""
    timestamp_header: HeaderName | None = Field(
        default=None, description="Signed before the body, and at most 300 s old."
    )
    joiner: Annotated[str, StringConstraints(max_length=5)] = Field(
        default="", description="Between timestamp and body, or between the parts."
    )
    combined: CombinedSignature | None = None
    parts: list[Part] = Field(
        default=[], max_length=4, description="What is signed, in this order; default: the body."
    )
    public_key: Annotated[str, StringConstraints(max_length=5000)] | None = Field(
        default=None, description="PEM, for `rsa`."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if self.header is None and self.scheme in {"hmac", "rsa"}:
            msg = "header: is required"
            raise ValueError(msg)
        if (self.scheme == "rsa") is not (self.public_key is not None):
            msg = "public_key: `rsa` needs one, and only `rsa` takes one"
            raise ValueError(msg)
        if self.public_key is not None:
            _check_key(self.public_key)
        if self.parts and "body" not in self.parts:
            msg = "parts: must hold `body`; without it the signature does not protect the body"
            raise ValueError(msg)
        if "timestamp" in self.parts and self.timestamp_header is None and self.combined is None:
            msg = "parts: `timestamp` needs a `timestamp_header` or `combined`"
            raise ValueError(msg)
        return self

    def as_stored(self) -> dict[str, Any]:
        """Return it as it is stored, without default values."""
        return self.model_dump(mode="json", exclude_none=True, exclude_defaults=True)


def _check_key(pem: str) -> None:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, RSAPublicKey):
        msg = "public_key: is not an RSA public key in PEM (`-----BEGIN PUBLIC KEY-----`)"
        raise ValueError(msg)  # noqa: TRY004 - pydantic turns it into a field's error
