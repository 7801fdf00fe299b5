"""The parts of Grafana's classic dashboard schema, version 42, and of its panels' and data sources' schemas, that the dashboards
use: by the published descriptions (grafana-foundation-sdk, of Grafana 12 and 13). A field that is not there is an error.
"""

VERSION = 42

# definition: {field: kind}. Kinds: text, boolean, integer, number, null, any, a definition's name; (words) one of them;
# [kind] a list; {"*": kind} a map of names. '!' before a field's name: it has to be there. Two kinds: {kind, kind}.
SCHEMA = {
    "Dashboard": {
        "id": {"integer", "null"}, "uid": "text", "title": "text", "description": "text", "tags": ["text"], "timezone": "text",
        "editable": "boolean", "graphTooltip": (0, 1, 2), "time": "Time", "timepicker": "TimePicker",
        "fiscalYearStartMonth": "integer", "liveNow": "boolean", "weekStart": "text", "refresh": "text",
        "!schemaVersion": (VERSION,), "version": "integer", "panels": ["Panel"], "!templating": "Templating",
        "!annotations": "Annotations", "links": ["DashboardLink"]},
    "Time": {"!from": "text", "!to": "text"},
    "TimePicker": {"hidden": "boolean", "refresh_intervals": ["text"], "nowDelay": "text"},
    "Templating": {"list": ["Variable"]},
    "Variable": {
        "!type": ("query", "adhoc", "groupby", "constant", "datasource", "interval", "textbox", "custom", "system"),
        "!name": "text", "label": "text", "hide": (0, 1, 2), "description": "text", "query": {"text", "VariableQuery"},
        "datasource": "DataSource", "current": "VariableOption", "multi": "boolean", "options": ["VariableOption"],
        "refresh": (0, 1, 2), "sort": tuple(range(9)), "includeAll": "boolean", "allValue": "text", "regex": "text",
        "definition": "text"},
    "VariableQuery": {"!query": "text", "!refId": "text"},
    "VariableOption": {"selected": "boolean", "!text": "text", "!value": "text"},
    "Annotations": {"list": ["Annotation"]},
    "Annotation": {"!name": "text", "datasource": "DataSource", "!enable": "boolean", "hide": "boolean", "!iconColor": "text",
                   "type": "text", "builtIn": "number"},
    "DashboardLink": {
        "!title": "text", "!type": ("link", "dashboards"), "!icon": "text", "!tooltip": "text", "url": "text", "!tags": ["text"],
        "!asDropdown": "boolean", "!targetBlank": "boolean", "!includeVars": "boolean", "!keepTime": "boolean"},
    "DataSource": {"type": "text", "uid": "text"},
    "Panel": {
        "!type": ("timeseries", "stat", "heatmap", "table", "logs"), "id": "integer", "targets": ["Target"], "title": "text",
        "description": "text", "datasource": "DataSource", "gridPos": "Place", "transformations": ["Transformation"],
        "options": "any", "fieldConfig": "FieldConfig"},
    "Row": {"!type": ("row",), "!id": "integer", "!collapsed": "boolean", "title": "text", "gridPos": "Place",
            "!panels": ["Panel"]},
    "Place": {"!x": "integer", "!y": "integer", "!w": "integer", "!h": "integer"},
    "Transformation": {"!id": "text", "!options": "any", "disabled": "boolean"},
    "FieldConfig": {"!defaults": "Field", "!overrides": ["Override"]},
    "Field": {
        "displayName": "text", "unit": "text", "decimals": "number", "min": "number", "max": "number", "mappings": ["any"],
        "thresholds": "Thresholds", "color": "Color", "links": ["Link"], "noValue": "text", "custom": "any"},
    "Override": {"!matcher": "Matcher", "!properties": ["Property"]},
    "Matcher": {"!id": "text", "options": "any"},
    "Property": {"!id": "text", "value": "any"},
    "Thresholds": {"!mode": ("absolute", "percentage"), "!steps": ["Threshold"]},
    "Threshold": {"!value": {"number", "null"}, "!color": "text"},
    "Color": {"!mode": ("thresholds", "palette-classic", "palette-classic-by-name", "fixed", "shades"), "fixedColor": "text"},
    "Link": {"!title": "text", "!url": "text", "targetBlank": "boolean"},
    # data sources
    "prometheus": {"!expr": "text", "datasource": "DataSource", "refId": "text", "legendFormat": "text", "instant": "boolean",
                   "range": "boolean", "exemplar": "boolean", "format": ("time_series", "table", "heatmap")},
    "loki": {"!expr": "text", "datasource": "DataSource", "refId": "text", "queryType": "text", "maxLines": "integer",
             "legendFormat": "text"},
    # panels: "options" and "custom" of each kind
    "timeseries.options": {"!legend": "Legend", "!tooltip": "Tooltip", "timezone": ["text"]},
    "Legend": {"!displayMode": ("list", "table", "hidden"), "!placement": ("bottom", "right"), "!showLegend": "boolean",
               "!calcs": ["text"]},
    "Tooltip": {"!mode": ("single", "multi", "none"), "!sort": ("asc", "desc", "none")},
    "timeseries.custom": {"drawStyle": ("line", "bars", "points"), "lineWidth": "number", "fillOpacity": "number",
                          "stacking": "Stacking"},
    "Stacking": {"mode": ("none", "normal", "percent"), "group": "text"},
    "stat.options": {
        "!graphMode": ("none", "line", "area"), "!colorMode": ("value", "background", "background_solid", "none"),
        "!justifyMode": ("auto", "center"), "!textMode": ("auto", "value", "value_and_name", "name", "none"),
        "!wideLayout": "boolean", "!showPercentChange": "boolean", "!reduceOptions": "Reduce",
        "!percentChangeColorMode": ("standard", "inverted", "same_as_value"), "!orientation": ("auto", "vertical", "horizontal")},
    "Reduce": {"!calcs": ["text"], "values": "boolean", "fields": "text", "limit": "number"},
    "stat.custom": {},
    "heatmap.options": {
        "calculate": "boolean", "!color": "HeatmapColor", "!showValue": ("auto", "never", "always"), "cellGap": "integer",
        "!yAxis": "YAxis", "!legend": "HeatmapLegend", "!tooltip": "HeatmapTooltip", "!exemplars": "Exemplars"},
    "HeatmapColor": {"mode": ("opacity", "scheme"), "!scheme": "text", "!fill": "text", "!exponent": "number",
                     "!steps": "integer", "!reverse": "boolean"},
    "YAxis": {"unit": "text", "axisPlacement": ("auto", "top", "right", "bottom", "left", "hidden"), "decimals": "number"},
    "HeatmapLegend": {"!show": "boolean"},
    "HeatmapTooltip": {"!mode": ("single", "multi", "none"), "yHistogram": "boolean"},
    "Exemplars": {"!color": "text"},
    "heatmap.custom": {},
    "table.options": {"!frameIndex": "number", "!showHeader": "boolean", "cellHeight": ("sm", "md", "lg", "auto"),
                      "sortBy": ["SortBy"]},
    "SortBy": {"displayName": "text", "desc": "boolean"},
    "table.custom": {"!align": ("auto", "left", "right", "center"), "!inspect": "boolean", "width": "number",
                     "hidden": "boolean"},
    "logs.options": {
        "!showLabels": "boolean", "!showCommonLabels": "boolean", "!showTime": "boolean", "!showLogContextToggle": "boolean",
        "!wrapLogMessage": "boolean", "!prettifyLogMessage": "boolean", "!enableLogDetails": "boolean",
        "!sortOrder": ("Descending", "Ascending"), "!dedupStrategy": ("none", "exact", "numbers", "signature")},
    "logs.custom": {},
}
# Overrides name what they change: these, and the fields of a panel's own "custom" as "custom.NAME".
PROPERTIES = {"displayName", "unit", "decimals", "min", "max", "thresholds", "color", "links", "noValue", "mappings"}
CUSTOM_OF_OVERRIDES = {"timeseries": {"drawStyle", "lineWidth", "fillOpacity", "stacking", "axisPlacement", "hideFrom"},
                       "table": {"width", "hidden", "cellOptions", "align"}, "stat": set(), "heatmap": {"hideFrom"}, "logs": set()}
SIMPLE = {"text": str, "boolean": bool, "integer": int, "number": (int, float), "null": type(None), "any": object}


def wrong(value, kind, place):
    """What is wrong with it, each by its place; empty: nothing."""
    if isinstance(kind, set):
        tries = [wrong(value, each, place) for each in kind]
        return min(tries, key=len)
    if isinstance(kind, list):
        if not isinstance(value, list):
            return [f"{place}: no list: {value!r}"]
        return [text for i, each in enumerate(value) for text in wrong(each, kind[0], f"{place}[{i}]")]
    if isinstance(kind, tuple):
        return [] if value in kind and not isinstance(value, bool) else [f"{place}: {value!r} is none of {kind}"]
    if kind in SIMPLE:
        good = isinstance(value, SIMPLE[kind]) and (kind in ("boolean", "any") or not isinstance(value, bool))
        return [] if good else [f"{place}: no {kind}: {value!r}"]
    if not isinstance(value, dict):
        return [f"{place}: no object: {value!r}"]
    if kind == "Panel":
        return wrong_panel(value, place)
    if kind == "Target":
        kind = value.get("datasource", {}).get("type", "")
        if kind not in ("prometheus", "loki"):
            return [f"{place}: a target of {kind!r}"]
    return wrong_object(value, kind, place)


def wrong_object(value, kind, place):
    fields = {name.removeprefix("!"): each for name, each in SCHEMA[kind].items()}
    out = [f"{place}: lacks {name[1:]}" for name in SCHEMA[kind] if name.startswith("!") and name[1:] not in value]
    for name, each in value.items():
        out += wrong(each, fields[name], f"{place}.{name}") if name in fields else [f"{place}: unknown field {name}"]
    return out


def wrong_panel(panel, place):
    place = f"{place} ({panel.get('title')})"
    if panel.get("type") == "row":
        return wrong_object(panel, "Row", place)
    out = wrong_object(panel, "Panel", place)
    if out:
        return out
    kind = panel["type"]
    out = wrong_object(panel["options"], f"{kind}.options", f"{place}.options")
    out += wrong_object(panel["fieldConfig"]["defaults"]["custom"], f"{kind}.custom", f"{place}.custom")
    allowed = PROPERTIES | {f"custom.{name}" for name in CUSTOM_OF_OVERRIDES[kind]}
    changed = [each["id"] for override in panel["fieldConfig"]["overrides"] for each in override["properties"]]
    return out + [f"{place}: an override of {name}" for name in changed if name not in allowed]
