# SPDX-License-Identifier: Apache-2.0
"""Any other sender: a mapping says where in its body lies what, a rule how it signs."""

from app.integrations import mapping
from app.integrations.adapter import Adapter

ADAPTER = Adapter(
    mapping.translate,
    hashes_body=True,
    timeless_case=mapping.timeless_case,
    properties={"…": "what your mapping names"},
)
