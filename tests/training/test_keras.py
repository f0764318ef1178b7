"""Real Keras 3 on JAX: `./test` without arguments, or `KERAS=1 ./test`, makes its environment."""

import math
import os

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")
keras = pytest.importorskip("keras", reason="Keras has an environment of its own")
from modelspan.integrations.keras import TrainingCallback  # noqa: E402 - it imports Keras

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning")
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 4)).astype("float32"), RNG.normal(size=(64, 1)).astype("float32")
PROBE = (X[:16], Y[:16])


def net(rate=0.125, layers=1):
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(8, activation="relu", name=f"hidden{number}") for number in range(layers)]
    module = keras.Sequential([keras.layers.Input((4,)), *hidden, keras.layers.Dense(1, name="answer")])
    module.compile(keras.optimizers.SGD(rate), "mse", metrics=["mae"])
    return module


def fit(module, *callbacks, **settings):
    return module.fit(
        X, Y, batch_size=16, epochs=2, verbose=0, shuffle=False, callbacks=[*callbacks], **settings
    ).history


def value(telemetry, name, layer=None):
    (found,) = [p.value for p in telemetry.points(name) if p.attributes.get("ml.training.layer") == layer]
    return found


def test_the_training_is_the_same_to_the_bit_with_and_without_it(telemetry):
    plain, other = net(), net()
    wanted = fit(plain, validation_split=0.25)
    told = fit(other, TrainingCallback(model="net", probe=PROBE, share=1.0), validation_split=0.25)
    assert told == wanted
    assert all(np.array_equal(a, b) for a, b in zip(plain.get_weights(), other.get_weights(), strict=True))
    *epochs, run = telemetry.spans
    assert [span.name for span in epochs] == ["epoch net", "epoch net"]
    assert {span.parent.span_id for span in epochs} == {run.context.span_id}
    for number, span in enumerate(epochs):
        assert span.attributes["ml.training.epoch.steps"] == 3
        assert span.attributes["ml.training.value.loss"] == wanted["loss"][number]
        assert span.attributes["ml.training.value.validation.mae"] == wanted["val_mae"][number]
    assert value(telemetry, "ml.training.steps") == 6
    assert value(telemetry, "ml.training.learning_rate") == 0.125


def test_figures_of_the_probe_are_those_of_a_hand_count(telemetry):
    """With a learning rate of 0 the net stays as it is, so that the figures can be computed afterwards."""
    module = net(rate=0.0)
    kernel, bias, last, offset = module.get_weights()
    bias[:2] = -1e3  # two units of eight that never fire; the others do
    bias[2:] = 10
    module.set_weights([kernel, bias, last, offset])
    fit(module, TrainingCallback(model="net", probe=PROBE, share=1.0))
    x, y = (each.astype("float64") for each in PROBE)
    hidden = np.maximum(x @ kernel + bias, 0)
    error = 2 * (hidden @ last + offset - y) / len(x)
    norm_last = math.hypot(np.linalg.norm(hidden.T @ error), np.linalg.norm(error.sum(0)))
    back = (error @ last.T) * (hidden > 0)
    norm_hidden = math.hypot(np.linalg.norm(x.T @ back), np.linalg.norm(back.sum(0)))
    named = "ml.training.layer.gradient.norm"
    assert value(telemetry, named, "answer") == pytest.approx(norm_last, rel=1e-4)
    assert value(telemetry, named, "hidden0") == pytest.approx(norm_hidden, rel=1e-4)
    assert value(telemetry, "ml.training.gradient.norm") == pytest.approx(
        math.hypot(norm_last, norm_hidden), rel=1e-4
    )
    assert value(telemetry, "ml.training.layer.dead_units", "hidden0") == 0.25
    assert value(telemetry, "ml.training.layer.activation.mean", "hidden0") == pytest.approx(
        hidden.mean(), rel=1e-4
    )
    assert value(telemetry, "ml.training.layer.activation.sd", "hidden0") == pytest.approx(
        hidden.std(), rel=1e-4
    )


def test_layers_past_the_bound_are_pooled(telemetry):
    fit(net(layers=6), TrainingCallback(model="net", probe=PROBE, layers=2, share=1.0))
    for name in ("ml.training.layer.gradient.norm", "ml.training.layer.dead_units"):
        layers = {point.attributes["ml.training.layer"] for point in telemetry.points(name)}
        assert layers == {"hidden0", "hidden1", "other"}


def test_a_loss_that_becomes_nan_is_an_event(telemetry):
    fit(net(rate=math.inf), TrainingCallback(model="net", share=1.0))
    event = telemetry.events("ml.training.nonfinite")[0]
    run = telemetry.spans[-1]
    assert event.trace_id == run.context.trace_id
    assert any(
        e.attributes["ml.training.source"] == "loss" for e in telemetry.events("ml.training.nonfinite")
    )
    assert all(math.isfinite(point.value) for point in telemetry.points("ml.training.loss"))


def test_it_leaves_the_asynchronous_dispatch_of_keras_alone():
    plain = keras.callbacks.CallbackList([], model=net())
    watched = keras.callbacks.CallbackList([TrainingCallback(model="net")], model=net())
    assert watched._async_train == plain._async_train


def test_a_fit_that_raises_ends_the_run_as_an_error(telemetry):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    def train():
        with TrainingCallback(model="net") as watch:
            fit(net(), Stop(), watch)

    with pytest.raises(KeyboardInterrupt):
        train()
    assert {span.attributes["error.type"] for span in telemetry.spans} == {"KeyboardInterrupt"}


@pytest.mark.contained_fault
def test_a_probe_that_does_not_fit_leaves_the_training_alone(telemetry):
    wanted = fit(net())
    assert fit(net(), TrainingCallback(model="net", probe=(X[:, :2], Y), share=1.0)) == wanted
