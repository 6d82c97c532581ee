# SPDX-License-Identifier: Apache-2.0
"""Any other source: a mapping reads its body, and a rule describes its signature."""

from app.integrations import mapping
from app.integrations.adapter import Adapter

ADAPTER = Adapter(
    mapping.translate,
    id_headers=(),
    id_field=None,
    hashes_body=True,
    timeless_case=mapping.timeless_case,
    properties={"…": "what your mapping names"},
)
