"""Who finds a drift, how soon, and how often without one: our rule, fixed thresholds, river, always, never.

    python benchmarks/detection.py            both tables, a few minutes of one core
    python benchmarks/detection.py --streams 5    fast

First table: everything at its defaults. A stream has 5,000 rows as in the reference, then 5,000 drifted ones
(stationary and seasonal streams: 10,000 without drift). "false": share of streams with an alarm before the
drift. "delay": rows from the drift to the first alarm after it, of the streams that had one. In brackets 95 %
intervals: Clopper-Pearson for shares, normal for means.

Second table: all at the same rate, at most 5 % of streams of 10,000 windows of 1,000 rows ever alarming
without drift. Ours promises it. Page-Hinkley's threshold is the quantile of its largest value over such a
stream, extrapolated by a Gumbel law from the largest values in 100,000 rows (the recursion is river's, many
streams at once; the script checks that it is). ADWIN's delta is extrapolated on a log scale from its alarms
at larger ones. With alpha=1 Page-Hinkley forgets nothing and is Page's CUSUM. A detector that is tuned to
the change that comes (delta is half of it) knows more than ours does.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.progress import track
from river import drift
from scipy import stats

from modelspan.drift.alarm import excess_psi
from modelspan.drift.compare import compare_counts
from modelspan.drift.reference import Reference
from modelspan.drift.sequential import SequentialRule
from modelspan.drift.threshold import ThresholdRule

CALM, DRIFTED, WINDOW, CHUNK, SEASON = 5_000, 5_000, 1_000, 10, 2_000
MONDAY = np.datetime64("2026-01-05T00:00", "s")


def times(at):
    """When the rows come: a season is a day."""
    return MONDAY + (at * (86_400 / SEASON)).astype("timedelta64[s]")


# Streams: rows at positions (from 0, the drift begins at CALM), shape (rows, columns).


def stationary(rng, at):
    return rng.normal(size=(at.size, 1))


def abrupt(rng, at):
    return rng.normal(0.5 * (at >= CALM), 1)[:, None]


def gradual(rng, at):
    return rng.normal(np.clip((at - CALM) / 4_000, 0, 1), 1)[:, None]


def variance(rng, at):
    return rng.normal(0, np.where(at >= CALM, math.sqrt(2), 1))[:, None]


def new_level(rng, at):
    """Eight levels as codes 0 to 7; a ninth takes 5 % of the rows."""
    codes = rng.choice(8, at.size, p=np.arange(8, 0, -1) / 36)
    return np.where((at >= CALM) & (rng.random(at.size) < 0.05), 8, codes)[:, None].astype(float)


def errors(rng, at):
    return rng.binomial(1, np.where(at >= CALM, 0.2, 0.1))[:, None].astype(float)


def seasonal(rng, at):
    return rng.normal(0.5 * np.sin(2 * np.pi * at / SEASON), 1)[:, None]


def one_of_fifty(rng, at):
    rows = rng.normal(size=(at.size, 50))
    rows[:, 7] += 0.5 * (at >= CALM)
    return rows


SCENARIOS = {
    "stationary": stationary, "seasonal": seasonal, "abrupt 0.5 sd": abrupt, "gradual 0 to 1 sd": gradual,
    "variance doubled": variance, "new level": new_level, "errors 10 to 20 %": errors,
    "one of 50 columns": one_of_fifty,
}  # fmt: skip
WITHOUT_DRIFT = ("stationary", "seasonal")
WITH_SEASON = ("stationary", "seasonal", "abrupt 0.5 sd")


class Spending:
    """The rule that the sequential one replaced: windows, each with a smaller share of the rate."""

    def __init__(self, columns, rate=0.01):
        self.columns, self.rate, self.looks = columns, rate, 0
        self.held = {name: 0 * column.counts for name, column in columns.items()}

    def update(self, counts, cell=0):
        self.held = {name: held + counts[name] for name, held in self.held.items()}
        if next(iter(self.held.values())).sum() < WINDOW:
            return []
        found = [compare_counts(self.columns[name], held) for name, held in self.held.items()]
        self.held = {name: 0 * held for name, held in self.held.items()}
        self.looks += 1
        alpha = self.rate * 6 / (math.pi * self.looks) ** 2 / len(found)
        return [each for each in found if each.p_value <= alpha and excess_psi(each) >= 0.05]


class Always:
    def __init__(self, columns):
        pass

    def update(self, counts, cell=0):
        return [True]


class Never(Always):
    def update(self, counts, cell=0):
        return []


@dataclass(frozen=True)
class Method:
    name: str
    make: Callable
    """From the reference's columns to a rule, or to a river detector of one column."""
    river: bool = False
    only: tuple[str, ...] = tuple(SCENARIOS)
    streams: int = 10**6
    season: bool = False
    """Its reference knows hours of day, as no other's does."""


BINARY = ("errors 10 to 20 %",)
FEW = ("stationary", "abrupt 0.5 sd", "variance doubled")
METHODS = (
    Method("modelspan", SequentialRule),
    Method("modelspan, looks of a season", lambda c: SequentialRule(c, look_rows=SEASON), only=WITHOUT_DRIFT),
    Method("modelspan, reference with a season", SequentialRule, season=True, only=WITH_SEASON),
    Method("spending (former rule)", Spending),
    Method("psi>0.1", lambda columns: ThresholdRule(columns, rule="psi>0.1")),
    Method("psi>0.2", lambda columns: ThresholdRule(columns, rule="psi>0.2")),
    Method("river ADWIN", lambda _: drift.ADWIN(), river=True),
    Method("river PageHinkley", lambda _: drift.PageHinkley(), river=True),
    Method("river KSWIN", lambda _: drift.KSWIN(seed=1), river=True, only=FEW, streams=5),
    Method("river DDM", lambda _: drift.binary.DDM(), river=True, only=BINARY),
    Method("river EDDM", lambda _: drift.binary.EDDM(), river=True, only=BINARY),
    Method("river HDDMA", lambda _: drift.binary.HDDMA(), river=True, only=BINARY),
    Method("river HDDMW", lambda _: drift.binary.HDDMW(), river=True, only=BINARY),
    Method("always", Always),
    Method("never", Never),
)


def reference_of(rng, scenario, *, season=False):
    """References of 5,000 rows; one of a seasonal stream covers whole seasons, one of codes has levels."""
    at = np.arange(CALM) - (0 if scenario is seasonal else CALM)
    rows = scenario(rng, at)
    as_text = scenario in (new_level, errors)
    data = {
        f"c{i}": rows[:, i].astype(int).astype(str) if as_text else rows[:, i] for i in range(rows.shape[1])
    }
    return Reference.build(data | {"when": times(at)} if season else data, season="when" if season else None)


def alarms_of_rule(rule, columns, rows, cells, stop_after):
    """Rows after which the rule said something, every CHUNK rows and where another cell begins."""
    found, turns = [], np.flatnonzero(np.diff(cells)) + 1
    for chunk in np.split(np.arange(len(rows)), np.union1d(turns, np.arange(CHUNK, len(rows), CHUNK))):
        part, end, cell = rows[chunk], int(chunk[-1]) + 1, int(cells[chunk[0]])
        if next(iter(columns.values())).kind == "numeric":
            counts = {name: column.count(part[:, i]) for i, (name, column) in enumerate(columns.items())}
        else:
            texts = part.astype(int).astype(str)
            counts = {name: column.count(texts[:, i]) for i, (name, column) in enumerate(columns.items())}
        if any(getattr(change, "state", "open") != "closed" for change in rule.update(counts, cell)):
            found.append(end)
            if end > stop_after:
                break
    return found


def alarms_of_river(make, rows, stop_after):
    """Rows at which any column's detector found a drift; each starts anew then, as river does."""
    found = set()
    for column in rows.T:
        detector = make(None)
        for position, value in enumerate(column.tolist(), start=1):
            detector.update(value)
            if detector.drift_detected:
                found.add(position)
                if position > stop_after:
                    break
    return sorted(found)


def outcome(found, scenario_name):
    """Whether there was a false alarm, and the rows to the first true one (None: never)."""
    if scenario_name in WITHOUT_DRIFT:
        return bool(found), None
    after = [position - CALM for position in found if position > CALM]
    return len(after) < len(found), after[0] if after else None


def play(method, name, streams, seed):
    scenario, outcomes = SCENARIOS[name], []
    for stream in range(min(streams, method.streams)):
        rng = np.random.default_rng([seed, stream, list(SCENARIOS).index(name)])
        reference = reference_of(rng, scenario, season=method.season)
        columns, at = dict(reference.features), np.arange(CALM + DRIFTED)
        cells = reference.season.of(times(at)) if method.season else np.zeros(at.size, int)
        rows = scenario(rng, at)
        stop = CALM if name not in WITHOUT_DRIFT else 0
        found = (
            alarms_of_river(method.make, rows, stop)
            if method.river
            else alarms_of_rule(method.make(columns), columns, rows, cells, stop)
        )
        outcomes.append(outcome(found, name))
    return outcomes


def share(hits, runs):
    low = stats.beta.ppf(0.025, hits, runs - hits + 1) if hits else 0.0
    high = stats.beta.ppf(0.975, hits + 1, runs - hits) if hits < runs else 1.0
    return f"{hits / runs:.0%} ({low:.0%} to {high:.0%})"


def mean(delays):
    if not delays:
        return "never found"
    if len(delays) == 1:
        return f"{delays[0]:,.0f} (found once)"
    half = 1.96 * np.std(delays, ddof=1) / math.sqrt(len(delays))
    return f"{np.mean(delays):,.0f} (± {half:,.0f})"


def defaults_table(streams, seed):
    print("| stream | detector | streams | false | found | delay in rows |\n|---|---|---|---|---|---|")
    for name in SCENARIOS:
        for method in track([m for m in METHODS if name in m.only], description=name, transient=True):
            if method.river and name == "one of 50 columns":
                outcomes = play(method, name, min(streams, 5), seed)
            else:
                outcomes = play(method, name, streams, seed)
            delays = [delay for _, delay in outcomes if delay is not None]
            shown = "–" if name in WITHOUT_DRIFT else share(len(delays), len(outcomes))
            late = "–" if name in WITHOUT_DRIFT else mean(delays)
            false = share(sum(false for false, _ in outcomes), len(outcomes))
            print(f"| {name} | {method.name} | {len(outcomes)} | {false} | {shown} | {late} |", flush=True)


class PageHinkley:
    """River's recursion for many streams at once (river/drift/page_hinkley.py, mode "both")."""

    def __init__(self, streams, delta, alpha=0.9999):
        self.delta, self.alpha, self.seen = delta, alpha, 0
        self.mean, self.up, self.down = np.zeros((3, streams))
        self.lowest, self.highest = np.full(streams, np.inf), np.full(streams, -np.inf)

    def update(self, values):
        """The statistic that is compared with the threshold, shape ``(streams,)``."""
        self.seen += 1
        self.mean += (values - self.mean) / self.seen
        off = values - self.mean
        self.up = self.alpha * self.up + off - self.delta
        self.down = self.alpha * self.down + off + self.delta
        np.minimum(self.lowest, self.up, out=self.lowest)
        np.maximum(self.highest, self.down, out=self.highest)
        return np.maximum(self.up - self.lowest, self.highest - self.down)


STREAMS, ROWS = 100, 100_000
"""What thresholds are extrapolated from."""


def threshold_at(rng, calm, recursion, horizon):
    """The threshold that 5 % of streams of `horizon` rows ever exceed without drift."""
    largest = np.zeros(STREAMS)
    for _ in track(range(ROWS // 1_000), description="tuning Page-Hinkley", transient=True):
        for values in before(rng, calm, STREAMS * 1_000).reshape(1_000, STREAMS):
            statistic = recursion.update(values)
            if recursion.seen >= 30:  # river's min_instances
                np.maximum(largest, statistic, out=largest)
    spread = largest.std(ddof=1) * math.sqrt(6) / math.pi
    middle = largest.mean() - np.euler_gamma * spread + spread * math.log(horizon / ROWS)
    return middle - spread * math.log(-math.log(0.95))


def adwin_delta(rng, calm, horizon, rows=10_000_000):
    """The delta at which 5 % of streams of `horizon` rows alarm: the rate of alarms is a power of delta."""
    deltas, rates = (0.2, 0.02), []
    for delta in track(deltas, description="tuning ADWIN", transient=True):
        detector, alarms = drift.ADWIN(delta=delta), 0
        for _ in range(rows // 100_000):
            for value in before(rng, calm, 100_000).tolist():
                detector.update(value)
                alarms += detector.drift_detected
        rates.append(max(alarms, 0.5) / rows)
    power = math.log(rates[0] / rates[1]) / math.log(deltas[0] / deltas[1])
    return deltas[1] * (-math.log(0.95) / horizon / rates[1]) ** (1 / max(power, 0.1))


def before(rng, calm, rows):
    """Rows of a stream before its drift, shape ``(rows,)``."""
    return calm(rng, np.full(rows, CALM - 1))[:, 0]


def check_recursion():
    values = np.random.default_rng(1).normal(size=500).tolist() + [1.0] * 500
    ours, theirs = PageHinkley(1, 0.05), drift.PageHinkley(delta=0.05, threshold=30.0)
    for position, value in enumerate(values):
        statistic = ours.update(np.array([value]))[0]
        theirs.update(value)
        if theirs.drift_detected:
            assert statistic > 30, (position, statistic)
            return
        assert statistic <= 30 or position < 30, (position, statistic)
    raise AssertionError("river found nothing")


def tuned_table(streams, seed):
    check_recursion()
    horizon = 10_000 * WINDOW
    print("| change | detector | found | delay in rows |\n|---|---|---|---|")
    for at, name in enumerate(("abrupt 0.5 sd", "variance doubled", "new level")):
        calm = SCENARIOS[name]
        rng = np.random.default_rng([seed, at])
        methods = [Method("modelspan", lambda c: SequentialRule(c, false_alarm_rate=0.05))]
        for delta, alpha in ((0.005, 0.9999), (0.25, 0.9999), (0.25, 1.0)):
            limit = threshold_at(rng, calm, PageHinkley(STREAMS, delta, alpha), horizon)
            made = {"delta": delta, "alpha": alpha, "threshold": limit}
            shown = f"river PageHinkley(delta={delta}, alpha={alpha}, threshold={limit:.0f})"
            methods.append(Method(shown, lambda _, made=made: drift.PageHinkley(**made), river=True))
        adwin = adwin_delta(rng, calm, horizon)
        shown = f"river ADWIN(delta={adwin:.1g})"
        methods.append(Method(shown, lambda _, delta=adwin: drift.ADWIN(delta=delta), river=True))
        for method in methods:
            delays = [delay for _, delay in play(method, name, streams, seed) if delay is not None]
            print(f"| {name} | {method.name} | {share(len(delays), streams)} | {mean(delays)} |", flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("table", nargs="?", choices=("defaults", "tuned", "both"), default="both")
    arguments.add_argument("--streams", type=int, default=40)
    arguments.add_argument("--seed", type=int, default=20261125)
    given = arguments.parse_args()
    if given.table != "tuned":
        defaults_table(given.streams, given.seed)
    if given.table != "defaults":
        tuned_table(given.streams, given.seed)


if __name__ == "__main__":
    main()
