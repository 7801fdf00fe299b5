"""The vocabulary of the dashboards: panels, targets and variables as Grafana's classic schema (version 42) wants them:
tests/deploy/grafana_schema.py.

Nothing names a data source: Prometheus is ${datasource}, Loki ${loki}, both variables of the dashboard.
"""

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${loki}"}

# Phases in the order in which a request lives through them, with colours that are told apart in grey, too.
PHASES = {"queue": "#c4162a", "upload": "#8f3bb8", "cpu": "#1f78c1", "runqueue": "#ff9830", "blocked": "#808080",
          "transfer": "#56a64b"}


def target(expression, legend="", *, instant=False, table=False, exemplar=False, heatmap=False, ref="A"):
    return {
        "datasource": PROMETHEUS, "refId": ref, "expr": expression, "legendFormat": legend, "instant": instant,
        "range": not instant, "exemplar": exemplar,
        "format": "heatmap" if heatmap else "table" if table else "time_series",
    }


def field(unit="short", *, minimum=None, maximum=None, stacked=False, thresholds=None, decimals=None, bars=False):
    defaults = {"unit": unit, "custom": {}, "mappings": []}
    if minimum is not None:
        defaults["min"] = minimum
    if maximum is not None:
        defaults["max"] = maximum
    if decimals is not None:
        defaults["decimals"] = decimals
    if thresholds:
        steps = [{"color": "green", "value": None}, *({"color": color, "value": value} for value, color in thresholds)]
        defaults["thresholds"] = {"mode": "absolute", "steps": steps}
        defaults["color"] = {"mode": "thresholds"}
    if stacked:
        defaults["custom"] |= {"stacking": {"mode": "normal", "group": "A"}, "fillOpacity": 60, "lineWidth": 0}
    if bars:
        defaults["custom"]["drawStyle"] = "bars"
    return defaults


def panel(kind, title, targets, place, *, defaults=None, overrides=(), options=None, description="", links=(),
          datasource=PROMETHEUS, transformations=()):
    x, y, width, height = place
    return {
        "type": kind, "title": title, "description": description, "datasource": datasource, "targets": list(targets),
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "fieldConfig": {"defaults": (defaults or field()) | ({"links": list(links)} if links else {}),
                        "overrides": list(overrides)},
        "options": options or {}, "transformations": list(transformations),
    }


def series(title, targets, place, unit="short", **more):
    stacked = more.pop("stacked", False)
    options = {"legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
               "tooltip": {"mode": "multi", "sort": "desc"}}
    return panel("timeseries", title, targets, place, options=options,
                 defaults=field(unit, minimum=0, stacked=stacked), **more)


def number(title, expression, place, unit="short", *, thresholds=None, description="", decimals=None, links=()):
    options = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value",
               "graphMode": "area", "textMode": "auto", "justifyMode": "auto", "orientation": "auto", "wideLayout": True,
               "showPercentChange": False, "percentChangeColorMode": "standard"}
    return panel("stat", title, [target(expression)], place, options=options, description=description, links=links,
                 defaults=field(unit, thresholds=thresholds, decimals=decimals))


def heatmap(title, expression, place, description=""):
    return panel("heatmap", title, [target(expression, "{{le}}", heatmap=True, exemplar=True)], place,
                 description=description,
                 options={"calculate": False, "yAxis": {"unit": "s", "axisPlacement": "left"},
                          "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "fill": "dark-orange",
                                    "exponent": 0.5, "reverse": False},
                          "cellGap": 1, "showValue": "never", "legend": {"show": True}, "exemplars": {"color": "rgba(31,120,193,0.8)"},
                          "tooltip": {"mode": "single", "yHistogram": True}})


def column(name, label, unit, *, decimals=None, width=None, thresholds=None, hidden=False, link=None):
    properties = [{"id": "displayName", "value": label}]
    if unit:
        properties.append({"id": "unit", "value": unit})
    if decimals is not None:
        properties.append({"id": "decimals", "value": decimals})
    if width:
        properties.append({"id": "custom.width", "value": width})
    if hidden:
        properties.append({"id": "custom.hidden", "value": True})
    if thresholds:
        steps = [{"color": "transparent", "value": None},
                 *({"color": color, "value": value} for value, color in thresholds)]
        properties += [{"id": "custom.cellOptions", "value": {"type": "color-background", "mode": "basic"}},
                       {"id": "thresholds", "value": {"mode": "absolute", "steps": steps}}]
    if link:
        properties.append({"id": "links", "value": [link]})
    return {"matcher": {"id": "byName", "options": name}, "properties": properties}


def table(title, columns, place, *, sort_by, description="", hide=()):
    """columns: (expression, override) each; the rows are joined by their labels."""
    targets = [target(expression, instant=True, table=True, ref=chr(ord("A") + i))
               for i, (expression, _) in enumerate(columns)]
    overrides = [override for _, override in columns if override]
    return panel("table", title, targets, place, description=description, overrides=overrides,
                 defaults=field() | {"custom": {"align": "auto", "inspect": False}},
                 options={"frameIndex": 0, "showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort_by, "desc": True}]},
                 transformations=[{"id": "merge", "options": {}},
                                  {"id": "organize", "options": {"excludeByName": {name: True for name in ("Time", *hide)}}}])


def row(title, y):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}}


def data_source(name, kind, label):
    return {"type": "datasource", "name": name, "label": label, "query": kind, "refresh": 1, "hide": 0, "multi": False,
            "includeAll": False, "options": [], "regex": ""}


def variable(name, label, query, *, multi=True):
    return {"type": "query", "name": name, "label": label, "datasource": PROMETHEUS, "query": {"query": query, "refId": name},
            "definition": query, "refresh": 2, "sort": 1, "multi": multi, "includeAll": True, "allValue": ".*", "hide": 0,
            "current": {"text": "All", "value": "$__all"}, "options": [], "regex": ""}


def dashboard(uid, title, description, panels, variables, links):
    for number_of, each in enumerate(panels, 1):
        each["id"] = number_of
    return {
        "uid": uid, "title": title, "description": description, "tags": ["sonde"], "schemaVersion": 42, "version": 1,
        "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s", "fiscalYearStartMonth": 0,
        "time": {"from": "now-1h", "to": "now"}, "timepicker": {}, "id": None, "liveNow": False, "weekStart": "",
        "annotations": {"list": [{
            "builtIn": 1, "datasource": {"type": "grafana", "uid": "-- Grafana --"}, "enable": True, "hide": True,
            "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts", "type": "dashboard"}]},
        "links": links, "templating": {"list": variables}, "panels": panels,
    }
