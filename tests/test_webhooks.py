"""Webhooks: signed as the specification says, kept until taken, by real HTTP on this machine."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from standardwebhooks.webhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

import modelspan
from modelspan.config import Config
from modelspan.delivery import webhooks as delivery
from modelspan.delivery.webhooks import WebhookSender
from modelspan.errors import ConfigError
from modelspan.signing import decode_secret, sign
from modelspan.store import webhooks as storing
from modelspan.store.webhooks import WebhookStore
from tests.serving import Answers, serving

ADD_AND_DIE = """
import os, pathlib, signal, sys
from modelspan.store.webhooks import WebhookStore
WebhookStore(pathlib.Path(sys.argv[1])).add(b'{"n": 1}')
os.kill(os.getpid(), signal.SIGKILL)
"""
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Receiver(Answers):
    def do_POST(self):
        body = self.body()
        self.server.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
        answers = self.server.answers
        status, headers = answers.pop(0) if answers else (204, {})
        self.answer(status, headers=headers)


@pytest.fixture
def receiver():
    with serving(Receiver, got=[], answers=[]) as server:
        server.url += "/hook"
        yield server


@pytest.fixture
def quick(monkeypatch):
    """Retries in milliseconds instead of seconds."""
    monkeypatch.setattr(storing, "FIRST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.02)


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_signature_is_the_one_of_the_specifications_own_library():
    body = b'{"test": 2432232314}'
    stamp = int(time.time())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(decode_secret(SECRET), "msg_1", stamp, body),
    }
    assert Verifier(SECRET).verify(body.decode(), headers) == {"test": 2432232314}
    with pytest.raises(WebhookVerificationError):
        Verifier(SECRET).verify(body.decode() + " ", headers)


def test_a_message_arrives_signed_and_leaves_the_store(tmp_path, receiver):
    store = WebhookStore(tmp_path)
    sender = WebhookSender(store, receiver.url, SECRET)
    sender.send("ml.drift.detected", {"feature": "ж", "psi": 0.5})
    until(lambda: receiver.got and not store.waiting())
    headers, body = receiver.got[0]
    message = Verifier(SECRET).verify(body.decode(), headers)
    assert (message["type"], message["data"]) == ("ml.drift.detected", {"feature": "ж", "psi": 0.5})
    sender.close(5)


@pytest.mark.parametrize("status", [301, 400, 404, 429, 500, 503])
def test_e12_a_refusal_is_tried_again_under_the_same_id(tmp_path, receiver, quick, status):
    receiver.answers = [(status, {"location": receiver.url}), (status, {})]
    store = WebhookStore(tmp_path)
    sender = WebhookSender(store, receiver.url, SECRET)
    sender.send("test", {})
    until(lambda: len(receiver.got) == 3 and not store.waiting())
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    sender.close(5)


def test_retry_after_is_honoured(tmp_path, receiver, quick):
    receiver.answers = [(503, {"retry-after": "1"})]
    store = WebhookStore(tmp_path)
    sender = WebhookSender(store, receiver.url, "")
    began = time.monotonic()
    sender.send("test", {})
    until(lambda: len(receiver.got) == 2)
    assert time.monotonic() - began >= 1
    assert "webhook-signature" not in receiver.got[0][0]
    sender.close(5)


def test_e12_a_message_of_a_killed_process_is_delivered_by_the_next(tmp_path, receiver):
    done = subprocess.run([sys.executable, "-c", ADD_AND_DIE, tmp_path], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    store = WebhookStore(tmp_path)
    assert store.waiting() == 1
    sender = WebhookSender(store, receiver.url, SECRET)
    until(lambda: not store.waiting())
    assert json.loads(receiver.got[0][1]) == {"n": 1}
    sender.close(5)


def test_two_processes_do_not_send_the_same_message(tmp_path, receiver):
    one, two = WebhookStore(tmp_path), WebhookStore(tmp_path)
    one.add(b"1")
    assert one.take() is not None
    assert two.take() is None
    one.close()
    two.close()


def test_e12_waiting_doubles_and_a_message_is_given_up_after_a_day(tmp_path, monkeypatch):
    clock = [1_000_000.0]
    monkeypatch.setattr(storing.time, "time", lambda: clock[0])
    store = WebhookStore(tmp_path)
    store.add(b"1")
    waits, alive = [], True
    while alive:
        webhook = store.take()
        before = clock[0]
        alive = store.retry(webhook)
        due = store._database().execute("SELECT due FROM webhooks").fetchone()[0]
        waits.append(due - before)
        clock[0] = due + 0.001
    assert all(0.8 * 5 * 2**i <= wait <= 1.2 * 5 * 2**i for i, wait in enumerate(waits[:9]))
    assert max(waits) <= 1.2 * 3600
    assert 23 * 3600 < clock[0] - 1_000_000 < 26 * 3600
    assert store.waiting() == 0
    store.close()


def test_the_file_is_private(tmp_path):
    store = WebhookStore(tmp_path / "new")
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "new" / storing.FILE_NAME).stat().st_mode & 0o777 == 0o600
    store.close()


FORK_AND_LOOK = """
import os, sys
import modelspan
modelspan.configure(webhook_url=sys.argv[1], data=sys.argv[2], endpoint="http://127.0.0.1:9")
modelspan.monitor(model="m")(lambda x: 1)({"a": 1.0})
from modelspan import _setup
_setup.current._webhooks.send("before", {})
child = os.fork()
if child:
    assert os.waitpid(child, 0)[1] == 0
    _setup.current._webhooks.send("after", {})
else:
    links = [f"/proc/self/fd/{fd}" for fd in os.listdir("/proc/self/fd")]
    held = [os.readlink(link) for link in links if os.path.exists(link)]
    os._exit(any("webhooks.sqlite" in path for path in held))
modelspan.shutdown(5)
"""


def test_no_connection_to_the_file_crosses_a_fork_and_the_parent_goes_on(tmp_path, receiver):
    command = [sys.executable, "-c", FORK_AND_LOOK, receiver.url, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    until(lambda: len(receiver.got) == 2)
    assert sorted(json.loads(body)["type"] for _, body in receiver.got) == ["after", "before"]


@pytest.mark.parametrize("secret", ["plain", "whsec_", "whsec_AAAA", "whsec_!!!!", "whsec_" + "A" * 400])
def test_a_wrong_secret_is_refused(secret):
    with pytest.raises(ValueError):
        decode_secret(secret)


def test_a_drift_alarm_goes_out_by_webhook_with_its_evidence(tmp_path, receiver):
    rng = np.random.default_rng(7)
    reference = modelspan.Reference.build({"age": rng.uniform(20, 60, 4000)})
    settings = {"webhook_url": receiver.url, "webhook_secret": SECRET, "data": str(tmp_path)}
    with modelspan.testing.record(**settings) as telemetry:
        predict = modelspan.monitor(model="credit", reference=reference, drift_window=200)(lambda x: 1)
        for age in rng.uniform(50, 90, 250):
            predict({"age": float(age)})
        telemetry.flush()
        until(lambda: receiver.got)
    headers, body = receiver.got[0]
    message = Verifier(SECRET).verify(body.decode(), headers)
    assert message["type"] == "ml.drift.detected"
    assert message["data"]["ml.feature.name"] == "age"
    assert message["data"]["state"] == "open"
    assert len(message["data"]["ml.drift.trace_ids"]) == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"webhook_url": "http://elsewhere.example/hook"},
        {"webhook_url": "file:///etc/passwd"},
        {"webhook_url": "hook"},
        {"webhook_secret": "whsec_secret"},
    ],
)
def test_a_wrong_address_or_secret_is_refused_and_not_shown(settings):
    with pytest.raises(ConfigError, match="webhook_") as error:
        Config(**settings)
    assert "whsec_secret" not in str(error.value)
    assert "whsec_x" not in repr(Config(webhook_secret=SECRET)).replace(SECRET, "whsec_x")
