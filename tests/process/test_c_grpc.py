"""Row C12 of the fault catalogue: gRPC, through the SDK's exporter, against a real server of gRPC.

The exporter tries a batch again for its timeout and then gives it up; what it loses is counted.
"""

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.driven import PROGRAM, Driven, balance, twice

ENDPOINT = Path(__file__).parent / "grpc_endpoint.py"


class Endpoint(Driven):
    """The endpoint, and what it has said."""

    def __init__(self, port=0):
        super().__init__(sys.executable, ENDPOINT, str(port))
        self.port = int(self.hear())
        self.said = []

    def answer(self, answers):
        """Give these answers from now on; all requests that came before have been said."""
        self.tell(answers)
        while (line := self.hear()) != "told\n":
            self.said.append(json.loads(line))

    def accepted(self, name):
        self.answer("ok")
        return [each for said in self.said if said["signal"] == name for each in said["ids"]]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.wait() == 0, self.errors
        while not self.lines.empty():
            self.said.append(json.loads(self.hear()))


@pytest.fixture
def endpoint():
    made = Endpoint()
    yield made
    made.kill()


@pytest.fixture
def driven(program):
    """Make a program that sends by gRPC; it is talked to."""
    made = []

    def make(port, timeout=30):
        script = program(
            PROGRAM,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_TIMEOUT=str(timeout),
        )
        made.append(Driven(sys.executable, script.path, env=script.env))
        return made[-1]

    yield make
    for each in made:
        each.kill()


def ends(driven):
    driven.tell("end")
    assert driven.wait() == 0, driven.errors
    assert not any("Traceback" in line for line in driven.errors), driven.errors


@pytest.mark.parametrize("answers", ["unavailable ok", "exhausted ok", "exhausted:0.3 ok"])
def test_c12_what_is_refused_for_a_moment_arrives_once(endpoint, driven, answers):
    out = driven(endpoint.port)
    endpoint.answer(answers)
    assert out.ask("predict 600")
    assert out.ask("flush 60")
    account = out.ask("account 0")
    for name in ("spans", "logs"):
        accepted = endpoint.accepted(name)
        assert (len(set(accepted)), twice(accepted)) == (600, 0)
        assert account["delivered"][name] == account["emitted"][name] == 600
    assert account["dropped"] == {}
    assert {said["answer"] for said in endpoint.said} == set(answers.split())
    ends(out)


@pytest.mark.parametrize("answers", ["unavailable", "exhausted", "exhausted:600"])
def test_c12_what_is_refused_for_longer_than_the_timeout_is_counted_and_the_next_arrives(
    endpoint, driven, answers
):
    out = driven(endpoint.port, timeout=1)
    endpoint.answer(answers)
    assert out.ask("predict 600")
    assert out.ask("flush 60") is False
    lost = out.ask("account 0")
    assert lost["emitted"] == {**lost["emitted"], "predictions": 600, "spans": 600, "logs": 600}
    assert {name: lost["dropped"][f"{name} export_failed"] for name in ("spans", "logs")} == {
        "spans": 600, "logs": 600,
    }  # fmt: skip
    endpoint.answer("ok")
    assert out.ask("predict 100")
    out.ask("flush 60")  # its metrics may have been refused before
    account = out.ask("account 0")
    for name in ("spans", "logs"):
        accepted = endpoint.accepted(name)
        assert (len(set(accepted)), twice(accepted)) == (100, 0)
        assert account["delivered"][name] == 100
        assert balance(account, name)
    ends(out)


def test_c12_a_server_that_goes_away_and_comes_back_on_its_port_loses_nothing(endpoint, driven):
    out = driven(endpoint.port, timeout=60)
    assert out.ask("predict 100")
    assert out.ask("flush 60")
    endpoint.stop()
    assert out.ask("predict 100")  # nothing listens
    second = Endpoint(endpoint.port)
    try:
        assert out.ask("flush 90", 100)
        assert out.ask("predict 100")
        assert out.ask("flush 60")
        account = out.ask("account 0")
        for name in ("spans", "logs"):
            before = [each for said in endpoint.said if said["signal"] == name for each in said["ids"]]
            accepted = [*before, *second.accepted(name)]
            assert (len(set(accepted)), twice(accepted)) == (300, 0)
            assert account["delivered"][name] == account["emitted"][name] == 300
        assert not [what for what in account["dropped"] if not what.startswith("metrics")]
        ends(out)
    finally:
        second.kill()


def test_c12_records_that_together_are_beyond_4_mb_go_in_parts(endpoint, driven):
    out = driven(endpoint.port, timeout=1)
    for _ in range(20):  # 6 MB, which the server would refuse as one
        assert out.ask("span 300000")
    assert out.ask("flush 60")
    accepted = endpoint.accepted("spans")
    assert (len(set(accepted)), twice(accepted)) == (20, 0)
    assert out.ask("account 0")["dropped"] == {}
    ends(out)


def test_c12_a_record_that_alone_is_beyond_4_mb_is_lost_alone_and_counted(endpoint, driven):
    out = driven(endpoint.port, timeout=1)
    assert out.ask("predict 50")
    assert out.ask(f"span {5 * 2**20}")
    assert out.ask("predict 50")
    assert out.ask("flush 60") is False
    account = out.ask("account 0")
    accepted = endpoint.accepted("spans")
    assert (len(set(accepted)), twice(accepted)) == (100, 0)
    assert account["dropped"] == {"spans export_failed": 1}
    assert account["emitted"]["spans"] == 101
    ends(out)


def test_c12_the_exit_is_bounded_while_the_server_takes_nothing(endpoint, driven):
    out = driven(endpoint.port)
    endpoint.process.send_signal(signal.SIGSTOP)
    assert out.ask("predict 600")
    out.tell("end")
    assert out.wait(20) == 0  # 5 s are promised; the exporter alone would try each batch for 30 s
    (said,) = [line for line in out.errors if "modelspan dropped" in line]
    assert set(re.findall(r"600 (\w+)", said)) == {"spans", "logs"}
    assert not any("Traceback" in line for line in out.errors), out.errors
