#!/usr/bin/env python3
"""Writes deploy/grafana/dashboards/*.json. The dashboards are this program; nobody edits the JSON.

    make_dashboards.py           write them
    make_dashboards.py --check   say which of them are not what this program writes
"""

import json
import pathlib
import sys

from panels import (LOKI, PHASES, column, dashboard, data_source, field, heatmap, number, panel, row, series, table,
                    target, variable)

HERE = pathlib.Path(__file__).resolve().parent
WHERE = 'cluster=~"$cluster",instance=~"$node"'
SERVICE = f'{WHERE},k8s_namespace_name=~"$namespace",service_name=~"$service"'
ENDPOINT = f'{SERVICE},http_route=~"$route"'
RATE = "$__rate_interval"
SERVER = "http_server_request_duration_seconds"
PHASE = "sonde_http_server_phase_seconds"


def rate(metric, labels, by="", more=""):
    return f"sum{f' by ({by})' if by else ''} (rate({metric}{{{labels}{more}}}[{RATE}]))"


def quantile(q, metric, labels, by=""):
    return f"histogram_quantile({q}, {rate(metric + '_bucket', labels, 'le' + (', ' + by if by else ''))})"


def errors(labels, by=""):
    # an endpoint without a single error has no such series: nothing is 0 there
    all_of_them = rate(SERVER + "_count", labels, by)
    return f'({rate(SERVER + "_count", labels, by, ",http_response_status_code=~" + chr(34) + "5.." + chr(34))} or {all_of_them} * 0) / {all_of_them}'


def variables(*, endpoint=True, loki=False):
    out = [data_source("datasource", "prometheus", "Metrics")]
    if loki:
        out.append(data_source("loki", "loki", "Logs"))
    out += [variable("cluster", "Cluster", "label_values(sonde_build_info, cluster)"),
            variable("node", "Node", 'label_values(sonde_build_info{cluster=~"$cluster"}, instance)')]
    if endpoint:
        out += [
            variable("namespace", "Namespace", f'label_values({SERVER}_count{{{WHERE}}}, k8s_namespace_name)'),
            variable("service", "Service",
                     f'label_values({SERVER}_count{{{WHERE},k8s_namespace_name=~"$namespace"}}, service_name)'),
            variable("route", "Route", f'label_values({SERVER}_count{{{SERVICE}}}, http_route)')]
    return out


LINKS = [{"type": "dashboards", "title": "sonde", "tags": ["sonde"], "asDropdown": False, "includeVars": True,
          "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "", "url": ""}]
TO_ENDPOINT = {"title": "This endpoint", "url": "/d/sonde-endpoint?${__url_time_range}&${datasource:queryparam}"
               "&var-service=${__data.fields.service_name}&var-route=${__data.fields.http_route}", "targetBlank": False}
TO_HEALTH = {"title": "The agents' own health", "url": "/d/sonde-health?${__url_time_range}&${datasource:queryparam}",
             "targetBlank": False}


def phase_colors(by="phase"):
    return [{"matcher": {"id": "byName", "options": name},
             "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}]}
            for name, color in PHASES.items()]


def overview():
    by = "service_name, http_route"
    slow = [(0.5, "rgba(255,152,48,0.35)"), (2, "rgba(196,22,42,0.5)")]
    wrong = [(0.01, "rgba(255,152,48,0.35)"), (0.05, "rgba(196,22,42,0.5)")]
    queued = [(0.1, "rgba(255,152,48,0.35)"), (0.3, "rgba(196,22,42,0.5)")]
    panels = [
        number("Requests per second", rate(SERVER + "_count", SERVICE), (0, 0, 5, 4), "reqps"),
        number("Errors", errors(SERVICE), (5, 0, 5, 4), "percentunit", decimals=2, thresholds=[(0.01, "orange"), (0.05, "red")],
               description="Share of requests that were answered by 5xx."),
        number("p95", quantile(0.95, SERVER, SERVICE), (10, 0, 5, 4), "s", thresholds=[(0.5, "orange"), (2, "red")],
               description="95 of 100 requests took no longer, from their first byte at the socket to the last byte of the answer."),
        number("Time in queues",
               f'{rate(PHASE + "_sum", SERVICE, more=",phase=" + chr(34) + "queue" + chr(34))} / {rate(SERVER + "_sum", SERVICE)}',
               (15, 0, 5, 4), "percentunit", thresholds=[(0.1, "orange"), (0.3, "red")],
               description="Share of all request time that went by before an application read the request."),
        number("Records lost", f"sum(increase(sonde_records_lost_total{{{WHERE}}}[$__range])) or vector(0)", (20, 0, 4, 4),
               thresholds=[(1, "red")], links=[TO_HEALTH],
               description="What the kernel saw and these pages do not show. 0, or a reason on the health page."),
        table("Which endpoint hurts", [
            (rate(SERVER + "_sum", SERVICE, by), column("Value #A", "Waiting", "s", decimals=2, width=90)),
            (rate(SERVER + "_count", SERVICE, by), column("Value #B", "Rate", "reqps", decimals=1, width=90)),
            (errors(SERVICE, by), column("Value #C", "Errors", "percentunit", decimals=1, width=80, thresholds=wrong)),
            (quantile(0.5, SERVER, SERVICE, by), column("Value #D", "p50", "s", width=90)),
            (quantile(0.95, SERVER, SERVICE, by), column("Value #E", "p95", "s", width=90, thresholds=slow)),
            (quantile(0.99, SERVER, SERVICE, by), column("Value #F", "p99", "s", width=90)),
            (f'{rate(PHASE + "_sum", SERVICE, by, ",phase=" + chr(34) + "queue" + chr(34))} / {rate(SERVER + "_sum", SERVICE, by)}',
             column("Value #G", "Queued", "percentunit", decimals=0, width=90, thresholds=queued)),
            (rate("sonde_http_server_cpu_seconds_total", SERVICE, by) + " / " +
             rate(PHASE + "_count", SERVICE, by, ',phase="cpu"'),
             column("Value #H", "CPU each", "s", width=100)),
        ], (0, 4, 15, 16), sort_by="Waiting",
            description="Worst first, by the time that clients spend waiting for it in each second. Click a route for its page."),
        series("Why: where their time goes", [target(rate(PHASE + "_sum", SERVICE, "phase"), "{{phase}}")], (15, 4, 9, 8), "s",
               stacked=True, overrides=phase_colors(),
               description="Seconds of waiting in each second, by phase: queue is before the application reads, runqueue for a core, "
                           "blocked for anything else."),
        series("Slowest endpoints, p95",
               [target(f"topk(8, {quantile(0.95, SERVER, SERVICE, by)})", "{{service_name}} {{http_route}}", exemplar=True)],
               (15, 12, 9, 8), "s"),
        row("Services", 20),
        series("Requests by service", [target(rate(SERVER + "_count", SERVICE, "service_name"), "{{service_name}}")],
               (0, 21, 8, 8), "reqps"),
        series("Errors by service", [target(errors(SERVICE, "service_name"), "{{service_name}}")], (8, 21, 8, 8), "percentunit"),
        series("p95 by service", [target(quantile(0.95, SERVER, SERVICE, "service_name"), "{{service_name}}", exemplar=True)],
               (16, 21, 8, 8), "s"),
        series("Requests that they make, p95",
               [target(quantile(0.95, "http_client_request_duration_seconds", SERVICE, "service_name"), "{{service_name}}")],
               (0, 29, 12, 8), "s", description="The other side: how long services wait for whom they ask."),
        series("How requests ended", [target(rate("sonde_transactions_total", WHERE, "side, outcome"), "{{side}} {{outcome}}")],
               (12, 29, 12, 8), "reqps"),
    ]
    link_route = column("http_route", "Route", "", link=TO_ENDPOINT)
    panels[5]["fieldConfig"]["overrides"].append(link_route)
    panels[5]["fieldConfig"]["overrides"].append(column("service_name", "Service", ""))
    return dashboard("sonde-overview", "sonde / Overview", "Which endpoint hurts, and why.", panels, variables(), LINKS)


def endpoint():
    percentiles = [target(quantile(q, SERVER, ENDPOINT), name, exemplar=True, ref=ref)
                   for q, name, ref in ((0.5, "p50", "A"), (0.9, "p90", "B"), (0.95, "p95", "C"), (0.99, "p99", "D"))]
    per_request = f'{rate(PHASE + "_sum", ENDPOINT, "phase")} / ignoring(phase) group_left {rate(SERVER + "_count", ENDPOINT)}'
    panels = [
        series("Duration", percentiles, (0, 0, 12, 9), "s"),
        heatmap("How the durations are spread", rate(SERVER + "_bucket", ENDPOINT, "le"), (12, 0, 12, 9),
                "Two bands are two kinds of requests, which a percentile hides. Points are exemplars: single requests with a trace."),
        series("Where an average request spends its time", [target(per_request, "{{phase}}")], (0, 9, 12, 9), "s", stacked=True,
               overrides=phase_colors()),
        series("Rate by status",
               [target(rate(SERVER + "_count", ENDPOINT, "http_response_status_code"), "{{http_response_status_code}}")],
               (12, 9, 6, 9), "reqps", stacked=True),
        series("CPU per request",
               [target(f'{rate("sonde_http_server_cpu_seconds_total", ENDPOINT, "service_name")} / '
                       f'{rate(PHASE + "_count", ENDPOINT, "service_name", ",phase=" + chr(34) + "cpu" + chr(34))}', "{{service_name}}")],
               (18, 9, 6, 9), "s"),
        row("More of it", 18),
        series("Queue, p95", [target(quantile(0.95, PHASE, ENDPOINT + ',phase="queue"', "service_name"), "{{service_name}}")],
               (0, 19, 8, 8), "s", description="In the socket, before the application read the request: too few workers."),
        series("Errors", [target(errors(ENDPOINT, "service_name"), "{{service_name}}")], (8, 19, 8, 8), "percentunit"),
        series("Size of answers, mean",
               [target(f'{rate("http_server_response_body_size_bytes_sum", ENDPOINT, "service_name")} / '
                       f'{rate("http_server_response_body_size_bytes_count", ENDPOINT, "service_name")}', "{{service_name}}")],
               (16, 19, 8, 8), "bytes"),
        series("By method", [target(rate(SERVER + "_count", ENDPOINT, "http_request_method"), "{{http_request_method}}")],
               (0, 27, 8, 8), "reqps"),
        series("Size of requests, mean",
               [target(f'{rate("http_server_request_body_size_bytes_sum", ENDPOINT, "service_name")} / '
                       f'{rate("http_server_request_body_size_bytes_count", ENDPOINT, "service_name")}', "{{service_name}}")],
               (8, 27, 8, 8), "bytes"),
        series("By node", [target(rate(SERVER + "_count", ENDPOINT, "instance"), "{{instance}}")], (16, 27, 8, 8), "reqps"),
        panel("logs", "Its requests, and the lines that were logged meanwhile", [{
            "datasource": LOKI, "refId": "A", "queryType": "range", "maxLines": 200,
            "expr": '{job="sonde", service_name=~"$service"} | json | route=~"$route"'}], (0, 35, 24, 12), datasource=LOKI,
            options={"showTime": True, "wrapLogMessage": True, "enableLogDetails": True, "sortOrder": "Descending",
                     "dedupStrategy": "none", "showLabels": False, "showCommonLabels": False, "prettifyLogMessage": False,
                     "showLogContextToggle": False},
            description="From a sink of the type loki."),
    ]
    return dashboard("sonde-endpoint", "sonde / Endpoint", "One endpoint: how long, how often, why.", panels,
                     variables(loki=True), LINKS)


def resources():
    top = "topk(12, {})".format
    process = f'{WHERE},process_executable_name!="other"'
    panels = [
        number("CPU of the machine", f'1 - {rate("system_cpu_time_seconds_total", WHERE, more=",cpu_mode=" + chr(34) + "idle" + chr(34))} / '
               f'sum(system_cpu_cores{{{WHERE}}})', (0, 0, 6, 4), "percentunit", thresholds=[(0.8, "orange"), (0.95, "red")]),
        number("Memory available", f"sum(system_memory_linux_available_bytes{{{WHERE}}})", (6, 0, 6, 4), "bytes"),
        number("Waiting for a core", f'sum(rate(system_pressure_stalled_seconds_total{{{WHERE},resource="cpu",tasks="some"}}[{RATE}]))',
               (12, 0, 6, 4), "percentunit", thresholds=[(0.1, "orange"), (0.4, "red")],
               description="Share of time in which some task had to wait for a core (pressure stall information)."),
        number("Listen queues that dropped", f"sum(increase(process_listen_queue_drops_total{{{WHERE}}}[$__range])) or vector(0)",
               (18, 0, 6, 4), thresholds=[(1, "red")], description="Connections that were refused because nobody accepted them in time."),
        series("CPU by program", [target(top(rate("process_cpu_time_seconds_total", process, "process_executable_name")),
                                         "{{process_executable_name}}")], (0, 4, 8, 8), "short", stacked=True,
               description="Cores in use."),
        series("Waiting for a core, by program",
               [target(top(rate("process_cpu_runqueue_seconds_total", process, "process_executable_name")),
                       "{{process_executable_name}}")], (8, 4, 8, 8), "s"),
        series("Memory by program", [target(top(f"sum by (process_executable_name) (process_memory_usage_bytes{{{process}}})"),
                                            "{{process_executable_name}}")], (16, 4, 8, 8), "bytes", stacked=True),
        series("Network by program",
               [target(top(rate("process_network_io_bytes_total", process, "process_executable_name, network_io_direction")),
                       "{{process_executable_name}} {{network_io_direction}}")], (0, 12, 8, 8), "Bps"),
        series("Disk by program",
               [target(top(rate("process_disk_io_bytes_total", process, "process_executable_name, disk_io_direction")),
                       "{{process_executable_name}} {{disk_io_direction}}")], (8, 12, 8, 8), "Bps"),
        series("Listen queues", [target(top(f"process_listen_queue_length{{{WHERE}}}"), "{{service_name}}")],
               (16, 12, 8, 8), "short", description="Connections that wait for accept: what no request sees yet."),
        row("Containers", 20),
        series("CPU by container", [target(top(rate("container_cpu_usage_seconds_total", WHERE, "id")), "{{id}}")], (0, 21, 8, 8)),
        series("Memory by container", [target(top(f"sum by (id) (container_memory_working_set_bytes{{{WHERE}}})"), "{{id}}")],
               (8, 21, 8, 8), "bytes"),
        series("Throttled", [target(top(rate("container_cpu_cfs_throttled_seconds_total", WHERE, "id")), "{{id}}")], (16, 21, 8, 8), "s",
               description="Held back by a CPU limit."),
        row("Node", 29),
        series("CPU by mode", [target(rate("system_cpu_time_seconds_total", WHERE, "cpu_mode", ',cpu_mode!="idle"'), "{{cpu_mode}}")],
               (0, 30, 6, 8), stacked=True),
        series("Pressure", [target(rate("system_pressure_stalled_seconds_total", WHERE, "resource, tasks"), "{{resource}} {{tasks}}")],
               (6, 30, 6, 8), "percentunit"),
        series("Disks", [target(rate("system_disk_io_time_seconds_total", WHERE, "system_device"), "{{system_device}}")], (12, 30, 6, 8),
               "percentunit", description="Share of time in which the disk was busy."),
        series("TCP", [target(rate("system_network_tcp_retransmits_total", WHERE), "retransmits"),
                       target(rate("system_network_tcp_listen_overflows_total", WHERE), "listen overflows", ref="B")],
               (18, 30, 6, 8)),
        series("Ends of processes", [target(top(rate("process_exits_total", WHERE, "process_command, how")),
                                            "{{process_command}} {{how}}")], (0, 38, 12, 8)),
        series("File systems", [target(f'system_filesystem_usage_bytes{{{WHERE},system_filesystem_state="used"}} / ignoring(system_filesystem_state) '
                                       f'sum without (system_filesystem_state) (system_filesystem_usage_bytes{{{WHERE}}})',
                                       "{{system_filesystem_mountpoint}}")], (12, 38, 12, 8), "percentunit"),
    ]
    return dashboard("sonde-resources", "sonde / Resources", "What processes, containers and nodes use.", panels,
                     variables(endpoint=False), LINKS)


def health():
    panels = [
        number("Records lost", f"sum(increase(sonde_records_lost_total{{{WHERE}}}[$__range])) or vector(0)", (0, 0, 5, 4),
               thresholds=[(1, "red")]),
        number("Not written by sinks", f"sum(increase(sonde_sink_failed_records_total{{{WHERE}}}[$__range])) + "
               f"sum(increase(sonde_queue_dropped_total{{{WHERE}}}[$__range])) or vector(0)", (5, 0, 5, 4), thresholds=[(1, "red")]),
        number("Fullest queue", f"max(sonde_queue_size{{{WHERE}}} / sonde_queue_capacity{{{WHERE}}}) or vector(0)", (10, 0, 5, 4),
               "percentunit", thresholds=[(0.5, "orange"), (0.9, "red")]),
        number("Features that are missing", f"count(sonde_feature_enabled{{{WHERE}}} == 0) or vector(0)", (15, 0, 5, 4),
               thresholds=[(1, "orange")], description="`sonde doctor` says why."),
        number("Agents", f"count(sonde_build_info{{{WHERE}}})", (20, 0, 4, 4)),
        series("Lost, by record and reason", [target(rate("sonde_records_lost_total", WHERE, "record, reason") + " > 0", "{{record}} {{reason}}")],
               (0, 4, 8, 8), "cps", description="Empty is good: nothing was lost."),
        series("Records by kind", [target(rate("sonde_records_delivered_total", WHERE, "record"), "{{record}}")], (8, 4, 8, 8), "cps"),
        series("Queues", [target(f"max by (queue) (sonde_queue_size{{{WHERE}}} / sonde_queue_capacity{{{WHERE}}})", "{{queue}}")],
               (16, 4, 8, 8), "percentunit"),
        series("CPU of the agents", [target(f"rate(sonde_process_cpu_seconds_total{{{WHERE}}}[{RATE}])", "{{instance}}")], (0, 12, 8, 8),
               "short", description="Cores."),
        series("Memory of the agents", [target(f"sonde_process_resident_memory_bytes{{{WHERE}}}", "{{instance}}")], (8, 12, 8, 8), "bytes"),
        series("Sinks", [target(rate("sonde_sink_records_total", WHERE, "sink"), "{{sink}} records"),
                         target(rate("sonde_sink_failed_records_total", WHERE, "sink"), "{{sink}} failed", ref="B")], (16, 12, 8, 8), "cps"),
        row("Bounds", 20),
        series("Label sets", [target(f"sonde_http_label_sets{{{WHERE}}}", "{{instance}}")], (0, 21, 8, 8)),
        series("Counted in an overflow instead", [
            target(rate("sonde_http_overflow_total", WHERE, "side"), "label sets, {{side}}"),
            target(rate("sonde_connections_evicted_total", WHERE), "connections", ref="B"),
            target(rate("sonde_resource_evictions_total", WHERE), "processes", ref="C")], (8, 21, 8, 8), "cps"),
        series("Sampling", [target(rate("sonde_sampling_kept_total", WHERE), "kept"),
                            target(rate("sonde_sampling_dropped_total", WHERE), "left out", ref="B")], (16, 21, 8, 8), "cps"),
        table("Features", [(f"sonde_feature_enabled{{{WHERE}}}", column("Value", "On", "bool"))], (0, 29, 8, 9), sort_by="feature",
              hide=("__name__", "job")),
        series("Configuration", [target(f"sonde_config_last_reload_successful{{{WHERE}}}", "{{instance}} last reload good"),
                                 target(f"sonde_config_restart_pending{{{WHERE}}}", "{{instance}} settings wait for a restart", ref="B")],
               (8, 29, 8, 9)),
        series("Cluster's API", [target(rate("sonde_kubernetes_failures_total", WHERE, "instance"), "{{instance}} failures"),
                                 target(rate("sonde_kubernetes_events_total", WHERE, "instance"), "{{instance}} events", ref="B")],
               (16, 29, 8, 9), "cps"),
    ]
    return dashboard("sonde-health", "sonde / Own health", "What the agents lose, hold and cost. Loss first.", panels,
                     variables(endpoint=False), LINKS)


def main():
    check = "--check" in sys.argv[1:]
    stale = []
    for name, make in (("overview", overview), ("endpoint", endpoint), ("resources", resources), ("health", health)):
        path = HERE / "dashboards" / f"{name}.json"
        text = json.dumps(make(), indent=1, ensure_ascii=False) + "\n"
        if check and (not path.exists() or path.read_text() != text):
            stale.append(path.name)
        elif not check:
            path.write_text(text)
    if stale:
        sys.exit(f"not what make_dashboards.py writes: {', '.join(stale)}")


if __name__ == "__main__":
    main()
