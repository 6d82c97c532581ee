# SPDX-License-Identifier: Apache-2.0
"""Benchmarks: each prints ratios against baselines that it starts in the same run.

`uv run --dev python -m tests.bench` runs all of them; they need `wrk` (`apt-get install wrk`).
"""
