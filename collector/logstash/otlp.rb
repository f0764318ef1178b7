# OTLP as JSON, as the Collector's file and kafka exporters write it, into one event for each log record, span and
# span event, in the form and for the data streams of the Collector's elasticsearch exporter in otel mapping.
# Metrics do not pass: their field types need an argument that Logstash's elasticsearch output cannot send.
#
# What is not OTLP comes out tagged `_otlpfailure`.

DATASET = "generic"
NAMESPACE = "default"
SIGNALS = ["resourceLogs", "resourceSpans"].freeze
ROUTING = ["data_stream.type", "data_stream.dataset", "data_stream.namespace"].freeze
KINDS = ["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"].freeze
STATUS = ["Unset", "Ok", "Error"].freeze

def register(_params); end

def filter(event)
  return refused(event) if SIGNALS.none? { |signal| event.get(signal) }

  logs = each_item(event.get("resourceLogs"), "scopeLogs", "logRecords") { |*found| log(*found) }
  spans = each_item(event.get("resourceSpans"), "scopeSpans", "spans") { |*found| span(*found) }
  (logs + spans).flatten.map { |document| LogStash::Event.new(document) }
rescue StandardError => error
  event.set("[otlp_error]", error.message)
  refused(event)
end

def refused(event)
  event.tag("_otlpfailure")
  [event]
end

def each_item(groups, scopes, items)
  (groups || []).flat_map do |group|
    (group[scopes] || []).flat_map do |scope|
      (scope[items] || []).map { |item| yield group, scope, item }
    end
  end
end

def log(group, scope, record)
  values = attributes(record["attributes"])
  seen = record["observedTimeUnixNano"]
  known_at = [record["timeUnixNano"], seen].find { |time| time.to_i.positive? }
  document(group, scope, values, "logs", known_at).merge(present(
    "observed_timestamp" => instant(seen),
    "severity_text" => record["severityText"],
    "severity_number" => record["severityNumber"],
    "trace_id" => record["traceId"],
    "span_id" => record["spanId"],
    "event_name" => record["eventName"] || values["event.name"],
    "body" => body(record["body"])
  ))
end

def span(group, scope, span)
  values = attributes(span["attributes"])
  status = span["status"] || {}
  made = document(group, scope, values, "traces", span["startTimeUnixNano"]).merge(present(
    "trace_id" => span["traceId"],
    "span_id" => span["spanId"],
    "parent_span_id" => span["parentSpanId"],
    "trace_state" => span["traceState"],
    "name" => span["name"],
    "kind" => KINDS[span["kind"].to_i],
    "status" => present("message" => status["message"], "code" => STATUS[status["code"].to_i])
  ))
  made["duration"] = span["endTimeUnixNano"].to_i - span["startTimeUnixNano"].to_i
  made["links"] = (span["links"] || []).map { |link| link_of(link) }
  [made] + (span["events"] || []).map { |happened| span_event(group, scope, span, happened) }
end

def link_of(link)
  present(
    "trace_id" => link["traceId"],
    "span_id" => link["spanId"],
    "attributes" => attributes(link["attributes"])
  )
end

# An event of a span is a document of its own, among the logs.
def span_event(group, scope, span, happened)
  values = attributes(happened["attributes"])
  values["event.name"] = happened["name"] if happened["name"]
  document(group, scope, values, "logs", happened["timeUnixNano"]).merge(present(
    "trace_id" => span["traceId"],
    "span_id" => span["spanId"],
    "event_name" => happened["name"]
  ))
end

def document(group, scope, values, type, nanoseconds)
  resource = attributes((group["resource"] || {})["attributes"])
  about = scope["scope"] || {}
  route = ->(name) { values[name] || resource[name] }
  present(
    "@timestamp" => instant(nanoseconds),
    "data_stream" => {
      "type" => type,
      "dataset" => "#{(route.call('data_stream.dataset') || DATASET).delete_suffix('.otel')}.otel",
      "namespace" => route.call("data_stream.namespace") || NAMESPACE
    },
    "attributes" => values.reject { |name, _| ROUTING.include?(name) },
    "resource" => present(
      "schema_url" => group["schemaUrl"],
      "attributes" => resource.reject { |name, _| ROUTING.include?(name) }
    ),
    "scope" => present(
      "name" => about["name"],
      "version" => about["version"],
      "schema_url" => scope["schemaUrl"],
      "attributes" => attributes(about["attributes"])
    )
  )
end

def body(value)
  return nil if value.nil? || value.empty?

  plain = value_of(value)
  structured = plain.is_a?(Hash) || (plain.is_a?(Array) && plain.all?(Hash))
  return { "structured" => plain } if structured

  plain.is_a?(Array) ? { "structured" => { "value" => plain } } : { "text" => plain.to_s }
end

def attributes(pairs)
  (pairs || []).to_h { |pair| [pair["key"], value_of(pair["value"] || {})] }.compact
end

# 64-bit integers are text in OTLP's JSON, and so are the doubles that JSON has no word for.
def value_of(value)
  kind, plain = value.first
  case kind
  when "intValue" then Integer(plain)
  when "doubleValue" then plain.is_a?(String) ? nil : plain.to_f
  when "arrayValue" then (plain["values"] || []).map { |each| value_of(each) }
  when "kvlistValue" then attributes(plain["values"])
  else plain
  end
end

def instant(nanoseconds)
  seconds, rest = nanoseconds.to_i.divmod(1_000_000_000)
  return nil if seconds.zero?

  Time.at(seconds).utc.strftime("%Y-%m-%dT%H:%M:%S") + format(".%09dZ", rest)
end

def present(fields)
  fields.reject { |_, value| value.nil? || value == "" || value == {} || value == 0 }
end
