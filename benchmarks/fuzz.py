"""Coverage-guided fuzzing of everything that reads what others wrote.

Run:  pip install atheris==3.0.0
      python benchmarks/fuzz.py all --seconds 60       every target for a minute
      python benchmarks/fuzz.py receiver --seconds 240

It ends with status 1 at the first input that makes a target raise, hang for a second or take 512 MB, and
prints that input.
"""

import argparse
import importlib
import subprocess
import sys
import tempfile
import time


def sanitiser(data):
    """Texts and values of users: whatever goes in, what comes out can be sent and has its bounds."""
    from modelspan.capture import capture
    from modelspan.pipeline.rows import to_columns
    from modelspan.pipeline.text import MAX_TEXT, clean_value
    from modelspan.redaction import Redactor

    cut = data.ConsumeIntInRange(0, 200)
    name, text = data.ConsumeUnicode(cut), data.ConsumeUnicode(100_000)
    redactor = Redactor()
    kept = redactor.text(clean_value(text))
    assert len(clean_value(text)) <= MAX_TEXT
    assert kept.encode() is not None
    value = redactor.value(name, clean_value(text))
    assert value.encode() is not None
    columns = to_columns(capture({name: text, "n": [text, name]}, 16), (), 16)
    assert "".join(columns).encode() is not None


def receiver(data):
    """OTLP requests as protobuf and as JSON: decoded, or refused with 400 or 413."""
    from modelspan.viewer import bodies
    from modelspan.viewer.bounds import Refused
    from modelspan.viewer.otlp import decode_logs, decode_traces
    from modelspan.viewer.otlp_metrics import decode_metrics

    signal = data.PickValueInList(["traces", "logs", "metrics"])
    kind = data.PickValueInList([bodies.PROTOBUF, bodies.JSON])
    decode = {"traces": decode_traces, "logs": decode_logs, "metrics": decode_metrics}[signal]
    body = data.ConsumeBytes(100_000)
    try:
        decode(bodies.parse(signal, kind, body))
        status = 200
    except Refused as refused:
        status = refused.status
    assert status in (200, 400, 413)


def spool(data):
    """Files of the spool: a prefix of what was stored, never an error."""
    import os
    import tempfile

    from modelspan.delivery import segment

    with tempfile.TemporaryFile() as file:
        file.write(data.ConsumeBytes(100_000))
        file.flush()
        found, *_ = segment.read(file.fileno())
        for stored in found:
            stored.records(file.fileno())
        os.fstat(file.fileno())


def settings(data):
    """Addresses, patterns and variables: settings, or an error that says what is wrong and no secret."""
    from modelspan.config import ENVIRONMENT, Config
    from modelspan.errors import ConfigError

    variable = data.PickValueInList(sorted(ENVIRONMENT))
    text = data.ConsumeUnicode(500)
    try:
        said = repr(Config.resolve({variable: text}))
    except ConfigError as wrong:
        said = str(wrong)
    assert "\n" not in said


MODULES = (
    "capture", "config", "delivery.segment", "pipeline.rows", "pipeline.text", "redaction", "viewer.bodies",
    "viewer.otlp", "viewer.otlp_metrics",
)  # fmt: skip
TARGETS = {target.__name__: target for target in (sanitiser, receiver, spool, settings)}


def fuzz(name, seconds):
    """Run one target in this process; libFuzzer ends the process."""
    try:
        import atheris
    except ImportError:
        sys.exit("fuzz: atheris is missing; install it with: pip install atheris==3.0.0")
    with atheris.instrument_imports(include=["modelspan"]):
        for module in MODULES:
            importlib.import_module(f"modelspan.{module}")

    def once(raw):
        TARGETS[name](atheris.FuzzedDataProvider(raw))

    limits = [
        f"-max_total_time={seconds}",
        "-rss_limit_mb=512",
        "-timeout=1",
        "-print_final_stats=1",
        "-max_len=20000",
    ]
    atheris.Setup([sys.argv[0], *limits], once)
    atheris.Fuzz()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=int, default=240, help="for each target (default: 240)")
    chosen = parser.parse_args()
    if chosen.target != "all":
        fuzz(chosen.target, chosen.seconds)
    for name in TARGETS:
        with tempfile.TemporaryDirectory() as folder:  # libFuzzer leaves the bad input where it runs
            began = time.monotonic()
            command = [sys.executable, __file__, name, "--seconds", str(chosen.seconds)]
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
        runs = [line for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name:10} {runs[0].split()[-1] if runs else '?':>10} runs in {time.monotonic() - began:5.0f} s",
            flush=True,
        )
        if done.returncode:
            sys.exit(done.stdout + done.stderr)


if __name__ == "__main__":
    main()
