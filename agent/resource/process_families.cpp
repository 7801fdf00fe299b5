#include "agent/resource/process_families.hpp"

#include <array>

namespace sonde {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }
double seconds(std::uint64_t ns) { return static_cast<double>(ns) / 1e9; }

Labels with(Labels labels, const char* name, const char* value) {
    labels.push_back({name, value});
    return labels;
}

// include/net/tcp_states.h of the kernel, from 1 on
constexpr std::array<const char*, SONDE_TCP_STATES> tcp_states{
    nullptr, "established", "syn_sent", "syn_recv", "fin_wait1", "fin_wait2",   "time_wait",
    "close", "close_wait",  "last_ack", "listen",   "closing",   "new_syn_recv"};

}  // namespace

void add_process_totals(FamilyList& out, const Labels& labels, const UsageTotals& totals) {
    const auto pair = [&](const char* name, const char* help, const char* label, const char* first, double first_value,
                          const char* second, double second_value) {
        out.counter(name, help, with(labels, label, first), first_value);
        out.counter(name, help, with(labels, label, second), second_value);
    };
    pair("process_cpu_time_seconds_total", "CPU time of the process by mode.", "cpu_mode", "user",
         seconds(totals.user_ns), "system", seconds(totals.system_ns));
    out.counter("process_cpu_runqueue_seconds_total", "Time for which threads were ready to run and had no core.",
                labels, seconds(totals.runqueue_ns));
    pair("process_context_switches_total", "Number of context switches of the process.", "process_context_switch_type",
         "voluntary", number(totals.voluntary_switches), "involuntary", number(totals.involuntary_switches));
    pair("process_paging_faults_total", "Number of page faults of the process.", "process_paging_fault_type", "minor",
         number(totals.minor_faults), "major", number(totals.major_faults));
    pair("process_disk_io_bytes_total",
         "Bytes fetched from block devices, and bytes made dirty less those that were never written.",
         "disk_io_direction", "read", number(totals.read_bytes), "write", number(totals.written_bytes));
    pair("process_disk_operations_total",
         "Number of block operations that the process itself issued; the kernel's own writeback has pid \"kernel\".",
         "disk_io_direction", "read", number(totals.read_operations), "write", number(totals.write_operations));
    pair("process_disk_operation_time_seconds_total",
         "Sum of the latencies of these operations, from their issue to their completion.", "disk_io_direction", "read",
         seconds(totals.read_latency_ns), "write", seconds(totals.write_latency_ns));
    pair("process_network_io_bytes_total", "Payload bytes over TCP, without those sent again.", "network_io_direction",
         "receive", number(totals.received_bytes), "transmit", number(totals.sent_bytes));
    pair("process_network_packet_count_total", "Number of TCP segments.", "network_io_direction", "receive",
         number(totals.received_packets), "transmit", number(totals.sent_packets));
    out.counter("process_network_retransmits_total", "Number of TCP segments sent again.", labels,
                number(totals.retransmits));
}

void add_process_holdings(FamilyList& out, const Labels& labels, const Holdings& now) {
    out.gauge("process_memory_usage_bytes", "Resident memory.", labels, number(now.resident_bytes));
    out.gauge("process_memory_swap_bytes", "Memory that is swapped out.", labels, number(now.swap_bytes));
    out.gauge("process_threads", "Number of threads.", labels, number(now.threads));
    out.gauge("process_open_fds", "Number of open file descriptors.", labels, number(now.descriptors));
    const auto* sockets = "Number of open sockets by state; of several processes that hold one, the first has it.";
    for (std::size_t state = 1; state < tcp_states.size(); ++state)
        if (now.tcp[state] > 0)
            out.gauge("process_sockets", sockets, with(labels, "network_connection_state", tcp_states[state]),
                      number(now.tcp[state]));
    if (now.other_sockets > 0)
        out.gauge("process_sockets", sockets, with(labels, "network_connection_state", "not_tcp"),
                  number(now.other_sockets));
    if (now.rtt_count > 0)
        out.gauge("process_network_rtt_seconds", "Mean of the smoothed round-trip times of open TCP connections.",
                  labels, number(now.rtt_us) / number(now.rtt_count) / 1e6);
}

void add_service(FamilyList& out, const Labels& labels, const UsageTotals& totals, const Holdings& now,
                 std::uint64_t processes) {
    out.counter("sonde_service_cpu_seconds_total", "CPU time of the service's processes.", labels,
                seconds(totals.cpu_ns()));
    out.counter("sonde_service_runqueue_seconds_total", "Time for which the service's threads had no core.", labels,
                seconds(totals.runqueue_ns));
    const auto* disk = "Block device bytes of the service's processes.";
    out.counter("sonde_service_disk_bytes_total", disk, with(labels, "disk_io_direction", "read"),
                number(totals.read_bytes));
    out.counter("sonde_service_disk_bytes_total", disk, with(labels, "disk_io_direction", "write"),
                number(totals.written_bytes));
    const auto* network = "TCP payload bytes of the service's processes.";
    out.counter("sonde_service_network_bytes_total", network, with(labels, "network_io_direction", "receive"),
                number(totals.received_bytes));
    out.counter("sonde_service_network_bytes_total", network, with(labels, "network_io_direction", "transmit"),
                number(totals.sent_bytes));
    out.counter("sonde_service_retransmits_total", "Number of TCP segments that the service sent again.", labels,
                number(totals.retransmits));
    out.gauge("sonde_service_memory_bytes", "Resident memory of the service's processes; shared pages count in each.",
              labels, number(now.resident_bytes));
    out.gauge("sonde_service_threads", "Number of threads of the service's processes.", labels, number(now.threads));
    out.gauge("sonde_service_processes", "Number of processes of the service that were seen in transactions.", labels,
              number(processes));
}

void add_listener(FamilyList& out, const Labels& labels, const sonde_listen_sample& sample) {
    out.gauge("process_listen_queue_length", "Number of connections that wait to be accepted.", labels,
              number(sample.backlog));
    out.gauge("process_listen_queue_limit", "Number of connections that may wait to be accepted.", labels,
              number(sample.max_backlog));
    out.counter("process_listen_queue_drops_total",
                "Number of connection attempts that this socket dropped, most often because its queue was full.",
                labels, number(sample.drops));
}

}  // namespace sonde
