# SPDX-License-Identifier: Apache-2.0
"""Load made by wrk, so that the client is not the bottleneck, and the rates that wrk reports."""

import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10
_UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


@dataclass(frozen=True)
class Measurement:
    """Requests a second and the 99th percentile in milliseconds."""

    per_second: float
    p99: float

    def __str__(self) -> str:
        return f"{self.per_second:>9,.0f}/s   p99 {self.p99:7.1f} ms"


def median(rounds: list[Measurement]) -> Measurement:
    """Return the middle rate and the middle tail of some rounds."""
    rates = [measured.per_second for measured in rounds]
    return Measurement(
        statistics.median(rates), statistics.median(measured.p99 for measured in rounds)
    )


def wrk(
    url: str,
    *,
    body: str,
    key: str,
    connections: int,
    content_type: str = "application/json",
    seconds: int = SECONDS,
    signed: Sequence[tuple[str, str, str]] = (),
) -> Measurement:
    """Post the body for some seconds: SCORE changes from request to request, NUMBER grows.

    `signed` are ready requests instead: body, name and value of the header that signs it.
    """
    program = shutil.which("wrk")
    if program is None:
        sys.exit("The benchmarks need wrk: apt-get install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(
            f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "{content_type}"
wrk.headers["Authorization"] = "Bearer {key}"
local body = [==[{body}]==]
local signed = {{ {_as_lua(signed)} }}
local number = 0
request = function()
  number = number + 1
  if #signed > 0 then
    local one = signed[(number - 1) % #signed + 1]
    wrk.headers[one[2]] = one[3]
    return wrk.format(nil, nil, nil, one[1])
  end
  local text = body:gsub("SCORE", function() return math.random(0, 10) end)
  return wrk.format(nil, nil, nil, (text:gsub("NUMBER", function() return number end)))
end
local bad = 0
response = function(status) if status >= 300 then bad = bad + 1; wrk.thread:set("bad", bad) end end
"""
        )
        script.flush()
        text = subprocess.run(
            [
                program,
                "-t1",
                f"-c{connections}",
                f"-d{seconds}s",
                "--latency",
                "-s",
                script.name,
                url,
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    if "Non-2xx" in text:
        raise AssertionError(text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text)
    assert rate, text
    assert p99, text
    return Measurement(float(rate[1]), float(p99[1]) * _UNITS[p99[2]])


def _as_lua(signed: Sequence[tuple[str, str, str]]) -> str:
    parts = ("{" + ",".join(f"[==[{part}]==]" for part in request) + "}" for request in signed)
    return ",\n".join(parts)


@contextmanager
def uvicorn_of(factory: str, environment: dict[str, str]) -> Iterator[str]:
    """Serve an application in a process of its own and give its URL."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", factory, "--factory", "--port", str(port)]
    command += [
        "--loop",
        "uvloop",
        "--http",
        "httptools",
        "--no-access-log",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command, env=environment, cwd=Path(__file__).parents[2])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(url + "/openapi.json", timeout=2).close()
                break
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait()
