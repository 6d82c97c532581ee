# SPDX-License-Identifier: Apache-2.0
"""Environment variables by which the supervisor tells its processes something."""

# The number of a web process.
SLOT_VARIABLE = "AFTERWORD_PROCESS_SLOT"
# The folder in which all processes add up their metrics; the metrics' library chose the name.
METRICS_FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
