"""Secrets in every field of 500 calls, sent over the wire to a real backend: none is in its files."""

from pathlib import Path

from tests.planted import secrets

PLANTED = Path(__file__).parents[1] / "planted.py"


def test_s01_of_500_planted_secrets_none_is_in_the_files_of_the_backend(program, queries, tmp_path):
    done, _ = program(
        PLANTED.read_text()
        + """
modelspan.configure(capture_logs="INFO")
logging.lastResort = None
spread(secrets(500))
assert modelspan.flush(20)
"""
    ).run()
    assert done.returncode == 0, done.stderr
    assert sum(model["calls"] for model in queries.models()["models"]) == 500
    assert len(queries.logs(event="ml.prediction", limit=1000)["logs"]) >= 400
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    planted = [secret for _, secret in secrets(500)]
    assert [secret for secret in planted if secret.encode() in kept] == []
    assert [secret for secret in planted if secret in done.stderr] == []
