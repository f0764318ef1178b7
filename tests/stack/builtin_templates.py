"""Stand-ins for Elasticsearch's built-in OpenTelemetry templates, which the server of the tests lacks.

A real cluster (8.16 and newer) has them; nothing here is installed anywhere but in tests. The stack templates
(`logs@settings`, `ecs@mappings` and the like) are the real ones, from the jar of the same version. The
`otel@mappings` family is not published: its stand-in has the fields and the order of composition that
github.com/elastic/elasticsearch documents in x-pack/plugin/otel-data. Field types that the server lacks are
replaced by the nearest that it has.
"""

import json
import re
import zipfile

NEAREST = {
    "constant_keyword": {"type": "keyword"},
    "match_only_text": {"type": "text"},
    "wildcard": {"type": "keyword", "ignore_above": 8191},
    "version": {"type": "keyword"},
    "scaled_float": {"type": "double"},
    "geo_shape": {"type": "keyword"},
}
FROM_JAR = ("logs@mappings", "logs@settings", "traces@mappings", "traces@settings", "metrics@tsdb-settings",
            "ecs@mappings")  # fmt: skip

KEYWORD = {"type": "keyword"}


def passthrough(priority, **properties):
    return {
        "type": "passthrough", "dynamic": True, "priority": priority, "time_series_dimension": True,
        **({"properties": properties} if properties else {}),
    }  # fmt: skip


OTEL = {
    "date_detection": False,
    "dynamic": False,
    "properties": {
        "@timestamp": {"type": "date"},
        "data_stream": {"properties": dict.fromkeys(("type", "dataset", "namespace"), KEYWORD)},
        "attributes": passthrough(20),
        "scope": {
            "properties": {
                "name": KEYWORD, "version": KEYWORD, "schema_url": KEYWORD, "attributes": passthrough(30),
            }
        },
        "resource": {
            "properties": {
                "schema_url": KEYWORD,
                "attributes": passthrough(40, **{"host.name": {"type": "keyword", "ignore_above": 1024}}),
            }
        },
    },
    "dynamic_templates": [
        {
            "complex_attributes": {
                "path_match": ["resource.attributes.*", "scope.attributes.*", "attributes.*"],
                "match_mapping_type": "object",
                "mapping": {"type": "flattened"},
            }
        }
    ],
}  # fmt: skip
EXCEPTION = {
    "exception.type": {"type": "keyword", "ignore_above": 1024},
    "exception.message": {"type": "keyword", "ignore_above": 1024},
    "exception.stacktrace": {"type": "keyword", "ignore_above": 8191},
}
LOGS = {
    "properties": {
        # named again in full, for the later of two definitions of such an object is the one that counts
        "attributes": {key: v for key, v in passthrough(20, **EXCEPTION).items() if "series" not in key},
        "observed_timestamp": {"type": "date_nanos"},
        "severity_number": {"type": "byte"},
        "severity_text": KEYWORD,
        "event_name": KEYWORD,
        "body": {
            "properties": {
                "text": {"type": "text"},
                "structured": {"type": "passthrough", "dynamic": True, "priority": 10},
            }
        },
        "trace_id": KEYWORD,
        "span_id": KEYWORD,
        "message": {"type": "alias", "path": "body.text"},
        "trace.id": {"type": "alias", "path": "trace_id"},
    }
}
TRACES = {
    "properties": {
        **dict.fromkeys(("trace_id", "span_id", "parent_span_id", "trace_state", "name", "kind"), KEYWORD),
        "duration": {"type": "long", "meta": {"unit": "nanos"}},
        "status": {"properties": {"message": KEYWORD, "code": KEYWORD}},
        "links": {"properties": {"trace_id": KEYWORD, "span_id": KEYWORD}},
    }
}
NUMBERS = {
    f"{kind}_{what}": {"type": what, "time_series_metric": kind}
    for kind in ("counter", "gauge")
    for what in ("long", "double")
}
METRICS = {
    "properties": {
        "start_timestamp": {"type": "date_nanos"},
        "unit": {"type": "keyword", "time_series_dimension": True},
        "_metric_names_hash": {"type": "keyword", "time_series_dimension": True},
        "metrics": {"type": "passthrough", "dynamic": True, "priority": 10},
    },
    "dynamic_templates": [{name: {"mapping": mapping}} for name, mapping in NUMBERS.items()],
}
LOGSDB = {"index": {"mode": "logsdb", "sort": {"field": ["resource.attributes.host.name", "@timestamp"]}}}
# What a real cluster derives from the mapping and the time of the roll-over.
TIME_SERIES = {
    "mode": "time_series",
    "routing_path": ["attributes.*", "resource.attributes.*", "unit", "_metric_names_hash"],
    "time_series": {"start_time": "2020-01-01T00:00:00Z", "end_time": "2090-01-01T00:00:00Z"},
}
COMPONENTS = {
    "otel@mappings": {"mappings": OTEL},
    "logs-otel@mappings": {"settings": LOGSDB, "mappings": LOGS},
    "traces-otel@mappings": {"settings": LOGSDB, "mappings": TRACES},
    "metrics-otel@mappings": {"settings": {"index.mapping.ignore_malformed": True}, "mappings": METRICS},
    "ecs-tsdb@mappings": {
        "mappings": {
            "dynamic_templates": [
                {"all_strings_to_keywords": {"match_mapping_type": "string", "mapping": KEYWORD}}
            ]
        }
    },
}
COMPOSED = {
    "logs": ("logs@mappings", "logs@settings", "otel@mappings", "logs-otel@mappings", "logs@custom",
             "logs-otel@custom", "ecs@mappings"),
    "traces": ("traces@mappings", "traces@settings", "otel@mappings", "traces-otel@mappings", "traces@custom",
               "traces-otel@custom", "ecs@mappings"),
    "metrics": ("metrics@tsdb-settings", "otel@mappings", "metrics-otel@mappings", "metrics@custom",
                "metrics-otel@custom", "ecs-tsdb@mappings"),
}  # fmt: skip


def install(client, jar):
    """Put all of them, as a real cluster has them before anybody adds anything."""
    for name, template in {**_from_jar(jar), **COMPONENTS}.items():
        client.call("PUT", f"/_component_template/{name}", {"template": template, "_meta": {"managed": True}})
    for signal, parts in COMPOSED.items():
        body = {
            "index_patterns": [f"{signal}-*.otel-*"], "priority": 120, "data_stream": {},
            "composed_of": list(parts),
            "ignore_missing_component_templates": [part for part in parts if part.endswith("@custom")],
        }  # fmt: skip
        if signal == "metrics":
            body["template"] = {"settings": {"index": TIME_SERIES}}
        client.call("PUT", f"/_index_template/{signal}-otel@template", body)


def _from_jar(jar):
    made = {}
    with zipfile.ZipFile(jar) as resources:
        for name in FROM_JAR:
            text = resources.read(f"{name}.json").decode()
            template = json.loads(re.sub(r"\$\{[^}]*\}", "1", text))["template"]
            made[name] = _without_policies(_nearest(template))
    return made


def _without_policies(template):
    """Policies and pipelines are not there either."""
    index = template.get("settings", {}).get("index", {})
    index.pop("lifecycle", None)
    index.pop("default_pipeline", None)
    return template


def _nearest(part):
    """Types that this server has, in place of those that it lacks."""
    if isinstance(part, list):
        return [_nearest(each) for each in part]
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if isinstance(kind, str) and kind in NEAREST:
        return NEAREST[kind]
    return {name: _nearest(value) for name, value in part.items()}
