"""What `import modelspan` costs beyond OpenTelemetry's own import, and where it goes.

    python benchmarks/imports.py [--rounds 15]

Each case runs in a fresh interpreter, the cases take turns; CPU time (user and system) of the import
statements alone, on the thread that imports, the least over the rounds: threads of OpenBLAS, which numpy
starts, spin beside it for some 60 ms and hold nobody up. Bytecode is cached, as after an installation.
OpenTelemetry's own is what a stock set-up imports: the SDK of three signals and the OTLP/HTTP exporters.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from rich.console import Console
from rich.progress import track
from rich.table import Table

SDK = (
    "import opentelemetry.sdk.trace.export, opentelemetry.sdk.metrics.export, opentelemetry.sdk._logs.export"
)
EXPORTERS = "; ".join(
    f"import opentelemetry.exporter.otlp.proto.http.{name}"
    for name in ("trace_exporter", "metric_exporter", "_log_exporter")
)
CASES = {
    "OpenTelemetry SDK": (SDK, ""),
    "OpenTelemetry SDK and exporters": (f"{SDK}; {EXPORTERS}", ""),
    "numpy, after the SDK": ("import numpy", SDK),
    "modelspan, after the SDK": ("import modelspan", SDK),
    "modelspan, after the SDK and exporters": ("import modelspan", f"{SDK}; {EXPORTERS}"),
    "modelspan, after the SDK and numpy": ("import modelspan", f"{SDK}; import numpy"),
    "modelspan alone": ("import modelspan", ""),
}
PROGRAM = """
import time
{before}
began = time.thread_time()
{statement}
print((time.thread_time() - began) * 1000, len(__import__("sys").modules))
"""


def cost(statement, before):
    """Milliseconds of CPU of `statement` in a fresh interpreter, and how many modules it then holds."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = PROGRAM.format(before=before or "pass", statement=statement)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    milliseconds, modules = done.stdout.split()
    return float(milliseconds), int(modules)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    found = {name: [] for name in CASES}
    for _ in track(range(options.rounds), description="importing"):
        for name, (statement, before) in CASES.items():
            found[name].append(cost(statement, before))
    table = Table(title="CPU of an import, ms (the least over the rounds)")
    for column in ("import", "ms", "modules loaded"):
        table.add_column(column, justify="left" if column == "import" else "right")
    for name, results in found.items():
        milliseconds, modules = min(results)
        table.add_row(name, f"{milliseconds:.0f}", str(modules))
    Console().print(table)


if __name__ == "__main__":
    main()
