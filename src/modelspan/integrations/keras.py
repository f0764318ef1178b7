"""Keras 3: loss, metrics and learning rate of `fit`; with a probe batch also gradients and activations.

It acts when a batch begins, never when one ends: a callback for the end of batches would make Keras wait for
the device after each step.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, Self

import keras
import numpy as np

from modelspan import semconv
from modelspan.guard import guard
from modelspan.integrations.layers import LAYERS, Activation, LayerNames
from modelspan.integrations.pace import SHARE, Pace
from modelspan.integrations.run import OTHER, TrainingRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from modelspan.integrations.run import Measured

_VALIDATION: Final = "val_"


class TrainingCallback(keras.callbacks.Callback):  # type: ignore[misc] # Keras is not typed where mypy runs
    """Pass it to `fit(callbacks=[…])`; in a `with` block, a `fit` that raises ends the run as error."""

    def __init__(
        self, *, model: str, version: str = "", variant: str = "", probe: tuple[Any, Any] | None = None,
        layers: int = LAYERS, share: float = SHARE,
    ) -> None:  # fmt: skip
        """`probe`: a small batch, rows (n, …) and their truth (n, …), passed through the net at each look.

        It gives activations, on every backend, and with JAX gradients: Keras shows those of training nowhere.
        `layers`: how many keep their names; `share`: of the time of a step that looking may cost, (0, 1].

        Raises:
            ConfigError: If an argument has no meaning.
        """
        super().__init__()
        self.run = TrainingRun(model=model, version=version, variant=variant, framework="keras")
        self._probe = probe
        self._layers = layers
        self._names = LayerNames([], layers)
        self._pace = Pace(share)
        self._look_next = False
        self._spent = 0.0
        self._batches = self._looks = self._untold = 0
        self._outputs: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.run.end(kind)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin the run."""
        del logs
        self.run.start()
        self._outputs = None

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin an epoch."""
        del epoch, logs
        self.run.begin()
        self._batches = self._looks = 0
        self._pace.resume()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Look at the step that has just ended, if it is time."""
        del logs
        if self._batches:
            self._untold += batch - self._batches + 1
            due = self._pace.step(self._spent)
            self._spent = 0.0
            if due:
                started = time.perf_counter()
                with guard("looking at a Keras model"):
                    self._look()
                self._spent = time.perf_counter() - started
        self._batches = batch + 1

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the epoch's loss and metrics, those of the validation too."""
        del epoch
        with guard("ending an epoch of Keras"):
            for name, value in (logs or {}).items():
                self._tell(name, value)
            steps = (self.params or {}).get("steps") or self._batches
            self._untold += steps - self._batches + 1
            self._batches = steps
            self._tell_steps()
        counts = {semconv.TRAINING_STEPS: self._batches, semconv.TRAINING_LOOKED: self._looks}
        self.run.finish(None, **counts)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """End the run."""
        del logs
        self.run.end(None)

    def _tell(self, name: str, value: Any) -> None:
        phase = "validation" if name.startswith(_VALIDATION) else "train"
        name = name.removeprefix(_VALIDATION)
        if name == "loss":
            self.run.loss(value, phase)
        elif name != "learning_rate":  # schedulers put it among the logs
            self.run.score(name, value, phase)

    def _tell_steps(self) -> None:
        untold, self._untold = self._untold, 0
        self.run.count(untold)

    def _look(self) -> None:
        self._looks += 1
        self._tell_steps()
        net = self.model  # Keras brings its variables up to date here
        rate = float(keras.ops.convert_to_numpy(net.optimizer.learning_rate))
        measured: list[Measured] = [
            (semconv.LEARNING_RATE, rate, {semconv.TRAINING_GROUP: "0"}),
            (semconv.TRAINING_STEP_DURATION, self._pace.seconds, {}),
        ]
        for metric in net.metrics:
            if metric.name == "loss":  # the mean of the epoch so far, as in the progress bar
                loss = float(keras.ops.convert_to_numpy(metric.result()))
                measured.append((semconv.TRAINING_LOSS, loss, {semconv.TRAINING_PHASE: "train"}))
        self.run.record(measured)
        if self._probe is not None:
            self.run.record(self._probed(net, *self._probe))

    def _probed(self, net: Any, x: Any, y: Any) -> Iterable[Measured]:
        if self._outputs is None:
            layers = [each for each in net.layers if not isinstance(each, keras.layers.InputLayer)]
            self._names = LayerNames([each.name for each in layers], self._layers)
            self._outputs = keras.Model(net.inputs, {each.name: each.output for each in layers})
        seen = self._outputs(keras.ops.convert_to_tensor(x), training=False)
        found = {name: _summary(keras.ops.convert_to_numpy(output)) for name, output in seen.items()}
        yield from self._names.activations(found)
        if keras.backend.backend() == "jax":
            yield from self._names.gradients(_norms(net, x, y))


def _summary(output: Any) -> Activation:
    """Units lie along the last axis, where Keras has channels by default."""
    values = np.asarray(output, np.float32)
    rows = values.reshape(-1, values.shape[-1])
    dead = int((rows == 0).all(axis=0).sum())
    return Activation(values.size, float(values.mean()), float(values.std()), rows.shape[1], dead)


def _norms(net: Any, x: Any, y: Any) -> Iterable[tuple[str, float]]:
    """Euclidean norms of the gradients of the loss over a batch, by layer; the net stays as it is."""
    import jax  # noqa: PLC0415 - only where it is the backend

    fixed = [each.value for each in net.non_trainable_variables]
    counts = [each.value for each in net.metrics_variables]

    def loss(trainable: Any) -> Any:
        answer, _ = net.stateless_call(trainable, fixed, x, training=False)
        value, _ = net.stateless_compute_loss(
            trainable, fixed, counts, x=x, y=y, y_pred=answer, training=False
        )
        return value

    gradients = jax.grad(loss)([each.value for each in net.trainable_variables])
    norms = jax.numpy.stack([jax.numpy.linalg.norm(each.ravel()) for each in gradients])
    owners = {id(each): layer.name for layer in net.layers for each in layer.trainable_variables}
    for variable, norm in zip(net.trainable_variables, np.asarray(norms).tolist(), strict=True):
        yield owners.get(id(variable), OTHER), norm
