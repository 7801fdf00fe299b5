"""Decodes OTLP requests in protobuf into their JSON (OTLP 1.3, JSON Protobuf Encoding), by the published
opentelemetry-proto 1.3. A field that is not there is an error."""

import struct

# message: {field number: (name, kind)}; kinds: text, id, fixed64, varint64, number, sint32, real, boolean, or a message's
# name; [kind]: repeated
SCHEMA = {
    "TraceRequest": {1: ("resourceSpans", ["ResourceSpans"])},
    "ResourceSpans": {1: ("resource", "Resource"), 2: ("scopeSpans", ["ScopeSpans"])},
    "ScopeSpans": {1: ("scope", "Scope"), 2: ("spans", ["Span"])},
    "LogsRequest": {1: ("resourceLogs", ["ResourceLogs"])},
    "ResourceLogs": {1: ("resource", "Resource"), 2: ("scopeLogs", ["ScopeLogs"])},
    "ScopeLogs": {1: ("scope", "Scope"), 2: ("logRecords", ["LogRecord"])},
    "MetricsRequest": {1: ("resourceMetrics", ["ResourceMetrics"])},
    "ResourceMetrics": {1: ("resource", "Resource"), 2: ("scopeMetrics", ["ScopeMetrics"])},
    "ScopeMetrics": {1: ("scope", "Scope"), 2: ("metrics", ["Metric"])},
    "Resource": {1: ("attributes", ["KeyValue"])},
    "Scope": {1: ("name", "text"), 2: ("version", "text")},
    "KeyValue": {1: ("key", "text"), 2: ("value", "AnyValue")},
    "AnyValue": {1: ("stringValue", "text"), 2: ("boolValue", "boolean"), 3: ("intValue", "varint64"),
                 4: ("doubleValue", "real")},
    "Span": {1: ("traceId", "id"), 2: ("spanId", "id"), 4: ("parentSpanId", "id"), 5: ("name", "text"),
             6: ("kind", "number"), 7: ("startTimeUnixNano", "fixed64"), 8: ("endTimeUnixNano", "fixed64"),
             9: ("attributes", ["KeyValue"]), 11: ("events", ["Event"]), 12: ("droppedEventsCount", "number"),
             15: ("status", "Status")},
    "Event": {1: ("timeUnixNano", "fixed64"), 2: ("name", "text"), 3: ("attributes", ["KeyValue"])},
    "Status": {3: ("code", "number")},
    "LogRecord": {1: ("timeUnixNano", "fixed64"), 2: ("severityNumber", "number"), 3: ("severityText", "text"),
                  5: ("body", "AnyValue"), 6: ("attributes", ["KeyValue"]), 7: ("droppedAttributesCount", "number"),
                  9: ("traceId", "id"), 10: ("spanId", "id"), 11: ("observedTimeUnixNano", "fixed64")},
    "Metric": {1: ("name", "text"), 2: ("description", "text"), 3: ("unit", "text"), 5: ("gauge", "Gauge"),
               7: ("sum", "Sum"), 9: ("histogram", "Histogram"), 10: ("exponentialHistogram", "ExponentialHistogram"),
               11: ("summary", "Summary")},
    "Gauge": {1: ("dataPoints", ["NumberDataPoint"])},
    "Sum": {1: ("dataPoints", ["NumberDataPoint"]), 2: ("aggregationTemporality", "number"),
            3: ("isMonotonic", "boolean")},
    "Histogram": {1: ("dataPoints", ["HistogramDataPoint"]), 2: ("aggregationTemporality", "number")},
    "ExponentialHistogram": {1: ("dataPoints", ["ExponentialHistogramDataPoint"]),
                             2: ("aggregationTemporality", "number")},
    "Summary": {1: ("dataPoints", ["SummaryDataPoint"])},
    "NumberDataPoint": {2: ("startTimeUnixNano", "fixed64"), 3: ("timeUnixNano", "fixed64"), 4: ("asDouble", "real"),
                        7: ("attributes", ["KeyValue"])},
    "HistogramDataPoint": {2: ("startTimeUnixNano", "fixed64"), 3: ("timeUnixNano", "fixed64"), 4: ("count", "fixed64"),
                           5: ("sum", "real"), 6: ("bucketCounts", ["fixed64"]), 7: ("explicitBounds", ["real"]),
                           9: ("attributes", ["KeyValue"])},
    "ExponentialHistogramDataPoint": {1: ("attributes", ["KeyValue"]), 2: ("startTimeUnixNano", "fixed64"),
                                      3: ("timeUnixNano", "fixed64"), 4: ("count", "fixed64"), 5: ("sum", "real"),
                                      6: ("scale", "sint32"), 7: ("zeroCount", "fixed64"), 8: ("positive", "Buckets"),
                                      14: ("zeroThreshold", "real")},
    "Buckets": {1: ("offset", "sint32"), 2: ("bucketCounts", ["varint64"])},
    "SummaryDataPoint": {2: ("startTimeUnixNano", "fixed64"), 3: ("timeUnixNano", "fixed64"), 4: ("count", "fixed64"),
                         5: ("sum", "real"), 6: ("quantileValues", ["ValueAtQuantile"]), 7: ("attributes", ["KeyValue"])},
    "ValueAtQuantile": {1: ("quantile", "real"), 2: ("value", "real")},
}
REQUESTS = {"/v1/traces": "TraceRequest", "/v1/logs": "LogsRequest", "/v1/metrics": "MetricsRequest"}


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def scalar(kind, wire, raw):
    """The JSON of a value; raw: a number (varint) or bytes."""
    if kind in ("fixed64", "real"):
        assert wire == 1, (kind, wire)
        return str(struct.unpack("<Q", raw)[0]) if kind == "fixed64" else struct.unpack("<d", raw)[0]
    if kind in ("text", "id"):
        assert wire == 2, (kind, wire)
        return raw.decode() if kind == "text" else raw.hex()
    assert wire == 0, (kind, wire)
    if kind == "boolean":
        return bool(raw)
    if kind == "sint32":
        return (raw >> 1) ^ -(raw & 1)
    if kind == "varint64":
        return str(raw - (1 << 64) if raw >> 63 else raw)
    return raw


def packed(kind, raw):
    if kind != "varint64":
        return [scalar(kind, 1, raw[at:at + 8]) for at in range(0, len(raw), 8)]
    out, at = [], 0
    while at < len(raw):
        value, at = varint(raw, at)
        out.append(scalar(kind, 0, value))
    return out


def decode(message, data):
    fields = SCHEMA[message]
    out = {name: [] for name, kind in fields.values() if isinstance(kind, list) and kind[0] in SCHEMA}
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        wire = key & 7
        name, kind = fields[key >> 3]
        if wire == 0:
            raw, at = varint(data, at)
        else:
            size = 8 if wire == 1 else 4
            if wire == 2:
                size, at = varint(data, at)
            raw, at = data[at:at + size], at + size
            assert len(raw) == size
        if isinstance(kind, list):
            if kind[0] in SCHEMA:
                out[name].append(decode(kind[0], raw))
            else:
                out[name] = packed(kind[0], raw)
            continue
        assert name not in out, f"{message}.{name} twice"
        out[name] = decode(kind, raw) if kind in SCHEMA else scalar(kind, wire, raw)
    return out


def attributes(pairs):
    """{key: value}, integers as int."""
    out = {}
    for pair in pairs:
        (kind, value), = pair["value"].items()
        assert pair["key"] not in out, pair["key"]
        out[pair["key"]] = int(value) if kind == "intValue" else value
    return out


def partial_success(rejected, reason):
    """An Export…ServiceResponse in protobuf; rejected < 128, reason shorter than that."""
    inner = bytes([0x08, rejected, 0x12, len(reason)]) + reason.encode()
    return bytes([0x0A, len(inner)]) + inner
