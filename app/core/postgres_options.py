# SPDX-License-Identifier: Apache-2.0
"""The settings of the embedded server."""

_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "random_page_cost": "1.1",
    # Statistics follow soon where a table grows for the first time; plans depend on them.
    "autovacuum_naptime": "10s",
    # A fiftieth of a table is cleaned at a time; the usual fifth of ten million rows would be a
    # long work that comes late.
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_insert_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.02",
    # Twenty for each of a few BI roles, the rest for the service.
    "max_connections": "200",
}
# Connections that no BI login can take; older servers have no such setting.
_RESERVED = {"reserved_connections": "60"}
_RESERVES_FROM = 16


def server_options(version: int) -> dict[str, str]:
    """Return the settings of a server of this major version, by name."""
    return _OPTIONS | (_RESERVED if version >= _RESERVES_FROM else {})
