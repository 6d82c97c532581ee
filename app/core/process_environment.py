# SPDX-License-Identifier: Apache-2.0
"""How the supervisor tells its processes something: variables of the environment, and a byte."""

# The number of a web process.
SLOT_VARIABLE = "AFTERWORD_PROCESS_SLOT"
# The folder in which all processes add up their metrics; the metrics' library chose the name.
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
# On the standard input of a web process: the database is ready.
DATABASE_IS_READY = b"1"
