# SPDX-License-Identifier: Apache-2.0
"""Properties as filters: how parameters name them, and what they mean in SQL."""

# A parameter, a group or a column that begins so names a property.
PROPERTY = "property."
# The most that a response, an interaction or a customer may have.
MAX_PROPERTIES = 32


def property_among_sql(properties: str, name: str, values: str) -> str:
    """Return the SQL that a property is one of some texts; lists and objects never are.

    `properties` is the column; `name` and `values` are parameters.
    """
    among = f"{properties} ->> {name} = any(cast({values} as text[]))"
    return f"({is_scalar_sql(properties, name)} and {among})"


def is_scalar_sql(properties: str, name: str) -> str:
    """Return the SQL that a property has a value that can be compared and grouped."""
    return f"jsonb_typeof({properties} -> {name}) in ('string', 'number', 'boolean')"
