"""The examples of docs/training.md run as they stand; frameworks that are not installed are skipped."""

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs/training.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "code", BLOCKS, ids=lambda code: re.search(r"import (\w+Scorer|\w+Monitor|\w+Callback)", code)[1]
)
def test_an_example_runs_and_tells_of_its_run(telemetry, code):
    for framework in ("torch", "keras"):
        if f"import {framework}" in code:
            pytest.importorskip(framework, reason="it has an environment of its own")
    exec(code, {})
    run = next(span for span in telemetry.spans if span.name.startswith("train "))
    assert {span.context.trace_id for span in telemetry.spans} == {run.context.trace_id}
