"""Real PyTorch: `TORCH=1 ./test` makes an environment for it (about 5 GB) and runs this file there."""

import math

import pytest

from modelspan.errors import ConfigError

torch = pytest.importorskip("torch", reason="PyTorch has an environment of its own")
from modelspan.integrations.pytorch import TorchMonitor  # noqa: E402 - it imports torch


def net(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Dropout(0.1), torch.nn.Linear(8, 1)
    )


def batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(32, 4, generator=generator), torch.randn(32, 1, generator=generator)


def train(module, optimizer, watch=None, steps=5, loss_of=torch.nn.functional.mse_loss):
    x, y = batch()
    for _ in range(steps):
        optimizer.zero_grad()
        loss = loss_of(module(x), y)
        loss.backward()
        optimizer.step()
        if watch is not None:
            watch.step(loss)


def watched(module, optimizer, **settings):
    return TorchMonitor(module, optimizer, model="net", **{"share": 1.0, **settings})


def value(telemetry, name, layer=None):
    (found,) = [p.value for p in telemetry.points(name) if p.attributes.get("ml.training.layer") == layer]
    return found


def test_the_training_is_the_same_to_the_bit_with_and_without_it(telemetry):
    plain, other = net(), net()
    torch.manual_seed(3)
    train(plain, torch.optim.Adam(plain.parameters()))
    torch.manual_seed(3)
    optimizer = torch.optim.Adam(other.parameters())
    with watched(other, optimizer) as watch, watch.epoch():
        train(other, optimizer, watch)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), other.parameters(), strict=True))
    assert not any(module._forward_hooks for module in other.modules())
    assert not optimizer._optimizer_step_pre_hooks


def test_figures_are_those_that_autograd_gives(telemetry):
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU())
    with torch.no_grad():
        module[0].bias[:2] = -1e3  # two units of eight that never fire; the others do
        module[0].bias[2:] = 10
    optimizer = torch.optim.SGD(module.parameters(), lr=0.125)
    x, y = batch()
    with watched(module, optimizer) as watch, watch.epoch():
        output = module(x)
        loss = (output - y).square().mean()  # y is one column for all eight
        loss.backward()
        weight, bias = module[0].weight.grad.clone(), module[0].bias.grad.clone()
        optimizer.step()
        watch.step(loss)
    output, loss = output.detach(), loss.detach()
    wanted = math.sqrt(float((weight**2).sum() + (bias**2).sum()))
    assert value(telemetry, "ml.training.gradient.norm") == pytest.approx(wanted, rel=1e-6)
    assert value(telemetry, "ml.training.layer.gradient.norm", "0") == pytest.approx(wanted, rel=1e-6)
    assert value(telemetry, "ml.training.layer.dead_units", "1") == 0.25
    assert value(telemetry, "ml.training.layer.dead_units", "0") == 0
    assert value(telemetry, "ml.training.layer.activation.mean", "1") == pytest.approx(
        float(output.mean()), rel=1e-5
    )
    assert value(telemetry, "ml.training.layer.activation.sd", "1") == pytest.approx(
        float(output.std(correction=0)), rel=1e-5
    )
    assert value(telemetry, "ml.training.loss") == pytest.approx(float(loss), rel=1e-6)
    assert value(telemetry, "ml.training.learning_rate") == 0.125


def test_images_have_their_units_along_the_second_axis(telemetry):
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.ReLU())
    with torch.no_grad():
        module[0].bias[0] = -1e3
        module[0].bias[1:] = 10
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch:
        module(torch.randn(2, 3, 8, 8)).sum().backward()
        optimizer.step()
        watch.step()
    assert value(telemetry, "ml.training.layer.dead_units", "1") == pytest.approx(0.2)


def test_layers_past_the_bound_are_pooled(telemetry):
    module = torch.nn.Sequential(*(torch.nn.Linear(4, 4) for _ in range(30)), torch.nn.Linear(4, 1))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    with watched(module, optimizer, layers=3) as watch:
        train(module, optimizer, watch, steps=1)
    for name in ("ml.training.layer.gradient.norm", "ml.training.layer.activation.mean"):
        assert {p.attributes["ml.training.layer"] for p in telemetry.points(name)} == {"0", "1", "2", "other"}
    parts = [p.value for p in telemetry.points("ml.training.layer.gradient.norm")]
    assert math.hypot(*parts) == pytest.approx(value(telemetry, "ml.training.gradient.norm"))


def test_a_loss_that_becomes_nan_is_told_with_its_step_and_gradients_too(telemetry):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch, watch.epoch():
        train(module, optimizer, watch, steps=1, loss_of=lambda a, b: (a * math.nan).sum())
    sources = {event.attributes["ml.training.source"] for event in telemetry.events("ml.training.nonfinite")}
    assert sources == {"loss", "gradient"}
    assert telemetry.points("ml.training.loss") == []
    assert telemetry.points("ml.training.gradient.norm") == []


def test_steps_are_counted_exactly_and_looked_at_as_the_share_allows(telemetry):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer, share=0.01) as watch:
        for _ in range(2):
            with watch.epoch():
                train(module, optimizer, watch, steps=100)
    first, second, _ = telemetry.spans
    assert [s.attributes["ml.training.epoch.steps"] for s in (first, second)] == [100, 100]
    assert first.attributes["ml.training.epoch.sampled_steps"] >= 1
    assert first.attributes["ml.training.epoch.sampled_steps"] < 50
    assert value(telemetry, "ml.training.steps") == 200


def test_outputs_of_a_validation_are_not_taken_for_those_of_training(telemetry):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.0)
    x, _ = batch()
    with watched(module, optimizer) as watch:
        module.eval()
        module(x * 1e6)
        module.train()
        train(module, optimizer, watch, steps=1)
        module.eval()
        module(x * 1e6)
    assert abs(value(telemetry, "ml.training.layer.activation.mean", "0")) < 10


@pytest.mark.filterwarnings("ignore")
def test_a_compiled_net_is_not_compiled_anew(telemetry):
    module = torch.compile(net(), backend="eager")
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch:
        train(module, optimizer, watch)
    assert value(telemetry, "ml.training.gradient.norm") > 0
    assert telemetry.points("ml.training.layer.activation.mean") == []


def test_half_precision_and_sparse_gradients_are_read(telemetry):
    module = torch.nn.Sequential(torch.nn.EmbeddingBag(10, 4, sparse=True, mode="sum"))
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch:
        module(torch.tensor([[1, 2], [2, 3]])).sum().backward()
        optimizer.step()
        watch.step()
    # rows 1 and 3 have gradient 1 in each of 4 places, row 2 has 2
    assert value(telemetry, "ml.training.gradient.norm") == pytest.approx(math.sqrt(4 + 4 + 16))
    module = torch.nn.Linear(2, 2, dtype=torch.bfloat16)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch:
        module(torch.ones(3, 2, dtype=torch.bfloat16)).sum().backward()
        optimizer.step()
        watch.step()
    assert value(telemetry, "ml.training.gradient.norm") == pytest.approx(math.sqrt(6 * 9))


@pytest.mark.contained_fault
def test_a_fault_of_ours_leaves_the_loop_alone(telemetry):
    module = net()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with watched(module, optimizer) as watch, watch.epoch():
        watch.step("no loss")
        train(module, optimizer, watch, steps=2)
    assert [span.name for span in telemetry.spans] == ["epoch net", "train net"]


def test_what_is_no_net_or_no_optimizer_is_refused():
    with pytest.raises(ConfigError, match="optimizer=str"):
        TorchMonitor(net(), "adam", model="net")
    with pytest.raises(ConfigError, match="layers="):
        TorchMonitor(net(), torch.optim.SGD(net().parameters()), model="net", layers=-1)
