"""PyTorch 2: loss, learning rate, gradient norms and activations of a training loop.

On the steps that are looked at, hooks read the outputs of layers and, before the optimizer's step, gradients;
all that they found is copied to the host at once. On other steps there is no hook and no copy.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Self

import torch
from torch import Tensor, nn

from modelspan import semconv
from modelspan.errors import ConfigError
from modelspan.guard import guard
from modelspan.integrations.layers import LAYERS, Activation, LayerNames
from modelspan.integrations.pace import SHARE, Pace
from modelspan.integrations.run import TrainingRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_ROOT: Final = "root"
_MAX_GROUPS: Final = 8
_HALF: Final = (torch.float16, torch.bfloat16)


class TorchMonitor:
    """Tells of a training loop; use it in a `with` block, and call `step(loss)` after each optimizer step.

    Gradients are those that the optimizer sees: after clipping and unscaling, of this process's shard. It
    never writes to a tensor, draws no random number and calls no collective operation.
    """

    def __init__(
        self, net: nn.Module, optimizer: torch.optim.Optimizer, *, model: str, version: str = "",
        variant: str = "", layers: int = LAYERS, share: float = SHARE,
    ) -> None:  # fmt: skip
        """`layers`: how many keep their names; `share`: of the time of a step that looking may cost, (0, 1].

        Raises:
            ConfigError: If an argument has no meaning.
        """
        if not isinstance(net, nn.Module) or not hasattr(optimizer, "register_step_pre_hook"):
            raise ConfigError(
                f"net={type(net).__name__}, optimizer={type(optimizer).__name__} must be a torch.nn.Module "
                "and a torch.optim.Optimizer of PyTorch 2 or newer"
            )
        self.run = TrainingRun(model=model, version=version, variant=variant, framework="torch")
        self._optimizer = optimizer
        self._modules = _watchable(net)
        self._owners = [
            (name.rpartition(".")[0] or _ROOT, parameter)
            for name, parameter in _unwrapped(net).named_parameters()
        ]
        self._names = LayerNames([*self._modules, *(owner for owner, _ in self._owners)], layers)
        self._pace = Pace(share)
        self._hooks: list[Any] = []
        self._seen: dict[str, tuple[int, int, Tensor]] = {}
        self._norms: list[tuple[str, Tensor]] = []
        self._spent = 0.0
        self._steps = self._looks = self._untold = 0

    def __enter__(self) -> Self:
        self.run.start()
        with self._paid("watching a net"):
            self._arm()
        self._pace.resume()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with guard("leaving a net"):
            self._disarm()
            self._tell_steps()
        self.run.end(kind)

    @contextmanager
    def epoch(self) -> Iterator[None]:
        """One epoch of the loop."""
        self.run.begin()
        self._steps = self._looks = 0
        self._pace.resume()
        error: type[BaseException] | None = None
        try:
            yield
        except BaseException as failure:
            error = type(failure)
            raise
        finally:
            self._tell_steps()
            counts = {semconv.TRAINING_STEPS: self._steps, semconv.TRAINING_LOOKED: self._looks}
            self.run.finish(error, **counts)

    def step(self, loss: Tensor | float | None = None) -> None:
        """A step is over; `loss` is read only if this one is looked at."""
        self._steps += 1
        self._untold += 1
        if self._hooks:
            with self._paid("looking at a step"):
                self._disarm()
                self._look(loss)
        spent, self._spent = self._spent, 0.0
        if self._pace.step(spent):
            with self._paid("watching a net"):
                self._arm()

    def loss(self, value: Tensor | float, phase: str = "validation") -> None:
        """Tell a loss of your own, such as that of a validation."""
        self.run.loss(value, phase)

    def score(self, name: str, value: Tensor | float, phase: str = "validation") -> None:
        """Tell a score of your own; in an epoch it is that epoch's."""
        self.run.score(name, value, phase)

    @contextmanager
    def _paid(self, doing: str) -> Iterator[None]:
        """Contain what goes wrong, and charge the time to the pace."""
        started = time.perf_counter()
        with guard(doing):
            yield
        self._spent += time.perf_counter() - started

    def _arm(self) -> None:
        self._seen, self._norms = {}, []
        self._hooks.append(self._optimizer.register_step_pre_hook(self._before_step))
        self._hooks += [
            module.register_forward_hook(self._hook(name)) for name, module in self._modules.items()
        ]

    def _disarm(self) -> None:
        hooks, self._hooks = self._hooks, []
        for hook in hooks:
            hook.remove()

    def _hook(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def saw(module: nn.Module, _inputs: Any, output: Any) -> None:
            if module.training and not _recorded():
                with self._paid("looking at a layer"), torch.no_grad():
                    output = output[0] if isinstance(output, tuple) and output else output
                    if isinstance(output, Tensor) and output.is_floating_point() and output.numel():
                        self._seen[name] = _summary(output.detach())

        return saw

    def _before_step(self, *_: Any) -> None:
        if _recorded():
            return
        with self._paid("looking at gradients"), torch.no_grad():
            self._norms = [
                (name, _norm(parameter.grad))
                for name, parameter in self._owners
                if parameter.grad is not None
            ]

    def _look(self, loss: Tensor | float | None) -> None:
        """Copy everything to the host at once, and record it."""
        self._looks += 1
        self._tell_steps()
        rates = [group["lr"] for group in self._optimizer.param_groups[:_MAX_GROUPS]]
        found = [tensor for _, tensor in self._norms]
        found += [tensor for _, _, tensor in self._seen.values()]
        found += [_scalar(each) for each in (*rates, *([] if loss is None else [loss]))]
        values = iter(_to_host(found))
        norms = [(name, next(values)[0]) for name, _ in self._norms]
        seen = {
            name: Activation(count, mean, sd, units, dead)
            for name, (count, units, _) in self._seen.items()
            for mean, sd, dead in [next(values)]
        }
        self._seen, self._norms = {}, []
        measured = [*self._names.gradients(norms), *self._names.activations(seen)]
        measured += [
            (semconv.LEARNING_RATE, next(values)[0], {semconv.TRAINING_GROUP: str(group)})
            for group in range(len(rates))
        ]
        if self._pace.seconds:
            measured.append((semconv.TRAINING_STEP_DURATION, self._pace.seconds, {}))
        measured += [(semconv.TRAINING_LOSS, value[0], {semconv.TRAINING_PHASE: "train"}) for value in values]
        self.run.record(measured)

    def _tell_steps(self) -> None:
        untold, self._untold = self._untold, 0
        self.run.count(untold)


def _unwrapped(net: nn.Module) -> nn.Module:
    """The user's net inside `torch.compile` and the wrappers that copy it to devices."""
    net = getattr(net, "_orig_mod", net)
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    return net.module if isinstance(net, wrappers) else net


def _watchable(net: nn.Module) -> dict[str, nn.Module]:
    """Layers whose output a hook may read: none of a compiled net, which hooks would compile anew."""
    parts = list(net.named_modules())
    if hasattr(net, "_orig_mod") or any(getattr(each, "_compiled_call_impl", None) for _, each in parts):
        return {}
    leaves = _unwrapped(net).named_modules()
    return {name or _ROOT: each for name, each in leaves if not any(True for _ in each.children())}


def _recorded() -> bool:
    """Whether PyTorch records the operations to repeat them later: ours must not be among them."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        return True
    return bool(torch.cuda.is_available() and torch.cuda.is_current_stream_capturing())


def _summary(output: Tensor) -> tuple[int, int, Tensor]:
    """Values, units, and on the device: mean, standard deviation, units that are 0 all over the batch.

    Units lie along the last axis, in images and volumes (4 axes or more) along the second.
    """
    sd, mean = torch.std_mean(output.float() if output.dtype in _HALF else output, correction=0)
    axis = 1 if output.dim() >= 4 else output.dim() - 1
    others = [each for each in range(output.dim()) if each != axis]
    units = output.shape[axis] if others else 0
    dead = (torch.count_nonzero(output, dim=others) == 0).sum() if others else torch.zeros_like(mean)
    return output.numel(), units, torch.stack([mean.float(), sd.float(), dead.float()])


def _norm(gradient: Tensor) -> Tensor:
    """Euclidean norm on the device: of a sharded gradient this process's part, for no other may be waited."""
    if hasattr(gradient, "to_local"):
        gradient = gradient.to_local()
    if gradient.is_sparse:
        gradient = gradient.coalesce().values()
    dtype = torch.float32 if gradient.dtype in _HALF else None
    return torch.linalg.vector_norm(gradient, dtype=dtype).float().reshape(1)


def _scalar(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().float().mean().reshape(1)
    return torch.tensor([float(value)], dtype=torch.float64)


def _to_host(tensors: Iterable[Tensor]) -> list[list[float]]:
    """The values of small tensors, with one copy for each device that they lie on."""
    tensors = list(tensors)
    found: list[list[float]] = [[] for _ in tensors]
    for where in {(each.device, each.dtype) for each in tensors}:
        places = [place for place, each in enumerate(tensors) if (each.device, each.dtype) == where]
        flat = torch.cat([tensors[place] for place in places]).tolist()
        for place in places:
            found[place], flat = flat[: len(tensors[place])], flat[len(tensors[place]) :]
    return found
