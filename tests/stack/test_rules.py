"""Every rule file is valid, and every alert fires when it should and not when it should not.

Time in these tests is promtool's: days pass in a second.
"""

import re
import subprocess
from pathlib import Path

import pytest
import yaml
from stack_servers import Alertmanager

from modelspan.dashboards.alerts import all_alerts, drift_threshold
from modelspan.dashboards.plan import Plan

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "collector" / "prometheus" / "rules").glob("*.yaml"))
MODEL = 'job="api", ml_model_name="credit", ml_model_version="2"'


def calls(per_minute, *, minutes=400, instance="a", extra=""):
    """Durations of calls, all of them at most 0.1 s."""
    labels = f'{MODEL}, instance="{instance}"{extra}'
    return [
        (f"ml_inference_duration_seconds_count{{{labels}}}", f"0+{per_minute}x{minutes}"),
        (f'ml_inference_duration_seconds_bucket{{{labels}, le="0.25"}}', f"0+{per_minute}x{minutes}"),
    ]


def failing(per_minute, *, minutes=400, kind="ValueError"):
    """Durations of calls that raised."""
    return calls(per_minute, minutes=minutes, extra=f', error_type="{kind}"')


def slow(per_minute, *, minutes=400):
    """Durations of calls of more than 0.25 s."""
    count, (bucket, _) = calls(per_minute, minutes=minutes, instance="b")
    return [count, (bucket, f"0x{minutes}")]


def ends(per_minute, after, minutes=400):
    """Calls that end after some minutes; the process lives on."""
    last = per_minute * after
    return [(name, f"0+{per_minute}x{after} {last}x{minutes - after}") for name, _ in calls(per_minute)]


def dies(per_minute, after):
    """Calls of a process that sends no more after some minutes."""
    return [(name, f"0+{per_minute}x{after}") for name, _ in calls(per_minute)]


def feature(reference, current, *, minutes=150, from_start=True):
    """A feature's bins: reference counts, and what comes per minute."""
    rows = []
    for index, (before, now) in enumerate(zip(reference, current, strict=True)):
        labels = (
            f'{MODEL}, instance="a", ml_reference_id="ab", ml_feature_name="age", ml_feature_bin="b{index}"'
        )
        rows.append((f"ml_feature_observations_total{{{labels}}}", f"{now}+{now}x{minutes}"))
        place = f', ml_feature_bin_index="{index:02d}"'
        rows.append((f"ml_feature_reference{{{labels}{place}}}", f"{before}x{minutes}"))
    return rows


def seasonal(series):
    """The same with a reference that has a season."""
    return [(name.replace('"}', '", ml_reference_season="week"}') if "reference{" in name else name, v)
            for name, v in series]  # fmt: skip


def staging(series):
    """The same in another environment."""
    return [
        (name.replace('job="api"', 'job="api", deployment_environment_name="staging"'), v)
        for name, v in series
    ]


def gauge(values):
    return [(f'ml_drift_detected{{{MODEL}, instance="a", ml_feature_name="age"}}', values)]


def coverage(values, extra=""):
    return [(f'ml_performance_coverage{{{MODEL}, instance="a", ml_performance_window="all"{extra}}}', values)]


def threshold(values, instance="a"):
    labels = f'{MODEL}, instance="{instance}", ml_threshold_name="auc falls", ml_performance_metric="roc_auc"'
    return [(f"ml_threshold_crossed{{{labels}}}", values)]


def dropped(values):
    labels = 'job="api", instance="a", modelspan_signal="spans", modelspan_reason="queue_full"'
    return [(f"modelspan_internal_dropped_total{{{labels}}}", values)]


def faults(values):
    return [('modelspan_internal_errors_total{job="api", instance="a"}', values)]


REFERENCE = (100, 200, 400, 200, 100)
CASES = {
    # alert: {what the case shows: (series, minute, how many alerts fire)}
    "ModelErrors": {
        "a fifth of the calls fails": ([*calls(80), *failing(20)], 120, 1),
        "one in a hundred fails": ([*calls(990), *failing(10)], 120, 0),
        "it is over, so the short window is clean": (
            [*calls(80), *[(n, "0+20x60 1200x340") for n, _ in failing(20)]], 120, 0,
        ),
        "one of three calls in an hour is too few to tell": (
            [(n, "0x70 1x300") for n, _ in failing(1)] + [(n, "0x70 2x300") for n, _ in calls(1)], 90, 0,
        ),
        "the caller went away": (
            [*calls(80), *failing(20, kind="asyncio.exceptions.CancelledError")], 120, 0,
        ),
        "failures of one minute alone, in series that began with them": (
            [*calls(10), *[(n, "_x100 40x300") for n, _ in failing(1)]], 103, 0,
        ),
    },
    "ModelErrorsSustained": {
        "two in a hundred fail for hours": ([*calls(98), *failing(2)], 400, 1),
        "five in a thousand fail": ([*calls(995), *failing(5)], 400, 0),
    },
    "ModelSlow": {
        "a fifth of the calls is slow": ([*calls(80), *slow(20)], 120, 1),
        "one in a hundred is slow": ([*calls(990), *slow(10)], 120, 0),
    },
    "ModelSlowSustained": {
        "two in a hundred are slow for hours": ([*calls(98), *slow(2)], 400, 1),
        "five in a thousand are slow": ([*calls(995), *slow(5)], 400, 0),
    },
    "ModelTrafficAbsent": {
        "the process lives and is not called": (ends(10, 100), 120, 1),
        "the process is gone": (dies(10, 100), 125, 1),
        "calls go on": (calls(10), 120, 0),
        "a model that was hardly ever called": (ends(1, 100), 120, 0),
        "a new replica took over": ([*dies(10, 100), *calls(10, instance="c")], 125, 0),
    },
    "ModelDrift": {
        "an alarm is open": (gauge("0x10 1x10"), 15, 1),
        "it has closed": (gauge("0x5 1x5 0x10"), 15, 0),
    },
    "ModelFleetDrift": {
        "shares have moved by much": (feature(REFERENCE, (1, 2, 4, 8, 16)), 100, 2),
        "shares are those of the reference": (feature(REFERENCE, (10, 20, 40, 20, 10)), 100, 0),
        "the shares of staging, which are not those of production": (
            [*feature(REFERENCE, (100, 200, 400, 200, 100)), *staging(feature(REFERENCE, (1, 2, 4, 8, 16)))],
            100, 2,
        ),
        "the night of a reference that counts hours apart": (
            seasonal(feature(REFERENCE, (1, 2, 4, 8, 16))), 100, 0,
        ),
        "ten rows look different, but are too few": (
            [(n, v if "reference" in n else "0 10x150" if "b4" in n else "0x150")
             for n, v in feature(REFERENCE, REFERENCE)], 100, 0,
        ),
        "a large sample differs by next to nothing": (
            feature([1000 * n for n in REFERENCE], (1050, 2000, 4000, 2000, 950)), 100, 0,
        ),
    },
    "ModelThresholdCrossed": {
        "two processes of one store say so": ([*threshold("0x10 1x10"), *threshold("1x20", "b")], 15, 1),
        "a later window is back": (threshold("0x5 1x5 0x10"), 15, 0),
    },
    "ModelCoverageLow": {
        "one in a hundred outcomes for hours": (coverage("0.01x200"), 120, 1),
        "it was low for half an hour": (coverage("0.01x30 0.5x170"), 120, 0),
        "a segment is low, the whole is not": (
            [*coverage("0.5x200"), *coverage("0.01x200", ', ml_segment_name="region"')], 120, 0,
        ),
    },
    "ModelspanTelemetryDropped": {
        "the queue overflows": (dropped("0+5x60"), 30, 1),
        "it lost some an hour ago": (dropped("0 5x120"), 60, 0),
        "nothing is lost": (dropped("0x60"), 30, 0),
    },
    "ModelspanFaults": {
        "a fault": (faults("0x20 1x40"), 25, 1),
        "no fault": (faults("0x60"), 25, 0),
    },
}  # fmt: skip


def groups_for(wanted):
    """The groups with the rule of this name, an alert or a series, and those that it reads; no other."""
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
    reads = {}
    for rule in (rule for group in groups for rule in group["rules"]):
        reads.setdefault(rule_name(rule), set()).update(re.findall(r"modelspan:\w+:\w+", rule["expr"]))
    needed, left = set(), {wanted}
    while left:
        needed |= left
        left = set().union(*(reads[name] for name in left)) - needed
    kept = [[rule for rule in group["rules"] if rule_name(rule) in needed] for group in groups]
    return [group | {"rules": rules} for group, rules in zip(groups, kept, strict=True) if rules]


def rule_name(rule):
    return rule.get("alert") or rule["record"]


def promtool_test(alert, what, series, minute, firing):
    expression = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    wanted = [{"labels": "{}", "value": firing}] if firing else []
    return {
        "name": f"{alert}: {what}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series],
        "promql_expr_test": [{"expr": expression, "eval_time": f"{minute}m", "exp_samples": wanted}],
    }


def test_promtool_accepts_the_rules(promtool):
    assert len(RULES) == 2
    subprocess.run([promtool, "check", "rules", *RULES], check=True, capture_output=True)


def test_amtool_accepts_the_configuration_of_alertmanager():
    config = ROOT / "collector" / "alertmanager.yml"
    subprocess.run([Alertmanager.amtool(), "check-config", config], check=True, capture_output=True)


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    assert set(CASES) == {alert.name for alert in all_alerts(Plan())}
    for cases in CASES.values():
        assert {bool(firing) for _, _, firing in cases.values()} == {True, False}


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires_when_it_should_and_only_then(promtool, tmp_path, alert):
    tests = [promtool_test(alert, what, *case) for what, case in CASES[alert].items()]
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": groups_for(alert)}))
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": tests}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


COUNTERS = {
    # what happens to a process: (its counter each minute, what it counted in all)
    "it counted before its first export": ("40+10x5", 90),
    "it restarts and keeps its instance id": ("10+10x9 10+10x9", 200),
    "it was silent for half an hour": ("10 20 _x30 300", 300),
    "it ends": ("10+10x5", 60),
}


@pytest.mark.parametrize("what", COUNTERS)
def test_increments_add_up_to_what_was_counted(promtool, tmp_path, what):
    values, counted = COUNTERS[what]
    series = f'ml_inference_predictions_total{{{MODEL}, instance="a"}}'
    expression = "sum(sum_over_time(modelspan:predictions:increase[50m]))"
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": groups_for("modelspan:predictions:increase")}))
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values}],
        "promql_expr_test": [
            {"expr": expression, "eval_time": "45m", "exp_samples": [{"labels": "{}", "value": counted}]}
        ],
    }
    document = {"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run(
        [promtool, "test", "rules", tmp_path / "test.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_leads_to_its_section_of_the_runbooks():
    written = (ROOT / "docs" / "runbooks.md").read_text()
    for panel, alert in enumerate(all_alerts(Plan()), 1):
        section = written.split(f"## {alert.name}\n")[1].partition("\n## ")[0]
        assert alert.means in section
        assert all(f"{number}. {step}" in section for number, step in enumerate(alert.steps, 1))
        assert alert.rule(Plan(), panel)["annotations"]["runbook_url"].endswith(f"?viewPanel={panel}")


def test_the_false_alarms_of_a_year_add_up_to_what_is_promised():
    plan = Plan(windows=("1h", "1d"))
    looks = 365 * 24 * 60 + 365 * 24 * 60 / 4
    assert 2.718281828459045 ** drift_threshold(plan) * looks == pytest.approx(0.01)
