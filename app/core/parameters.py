# SPDX-License-Identifier: Apache-2.0
"""Parameters that many lists share, for models that routes read their query with. Pure."""

from typing import Annotated

from pydantic import Field

PROPERTY_PARAMETER = "property.NAME"
PageLimit = Annotated[int, Field(ge=1, le=500, description="Rows a page.")]
PageCursor = Annotated[
    str | None, Field(max_length=200, description="`next_cursor` of the page before.")
]
