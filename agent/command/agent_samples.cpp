#include "agent/command/agent_samples.hpp"

namespace sonde {

Sample counter_sample(const char* name, const char* help, std::uint64_t value,
                      std::vector<std::pair<std::string, std::string>> labels) {
    return {name, help, SampleType::counter, std::move(labels), static_cast<double>(value)};
}

Sample gauge_sample(const char* name, const char* help, std::uint64_t value,
                    std::vector<std::pair<std::string, std::string>> labels) {
    return {name, help, SampleType::gauge, std::move(labels), static_cast<double>(value)};
}

void add_tracker(std::vector<Sample>& out, const TrackerStats& stats) {
    out.push_back(gauge_sample("sonde_connections", "HTTP connections now tracked.", stats.connections.load()));
    out.push_back(
        counter_sample("sonde_connections_evicted_total",
                       "Number of connections that left the full table before their end; counted by the tracker.",
                       stats.evicted_connections.load()));
    out.push_back(counter_sample("sonde_connections_unreadable_total",
                                 "Number of connections that began like HTTP/1 and were not; counted by the tracker.",
                                 stats.unreadable_connections.load()));
    out.push_back(
        counter_sample("sonde_connections_tunnel_total",
                       "Number of connections that became tunnels by CONNECT or Upgrade; counted by the tracker.",
                       stats.tunnels.load()));
    out.push_back(counter_sample("sonde_responses_unmatched_total",
                                 "Number of responses whose request was not seen; counted by the tracker.",
                                 stats.unmatched_responses.load()));
    out.push_back(counter_sample("sonde_responses_lost_total",
                                 "Number of requests whose response was sent and not seen; counted by the tracker.",
                                 stats.lost_responses.load()));
    out.push_back(
        counter_sample("sonde_requests_unseen_pipelined_total",
                       "Number of segments that held more pipelined requests than were captured; counted by the "
                       "tracker.",
                       stats.unseen_pipelined.load()));
}

void add_http2(std::vector<Sample>& out, const Http2Stats& stats) {
    const auto add = [&](const char* name, const char* help, const std::atomic<std::uint64_t>& value) {
        out.push_back(counter_sample(name, help, value.load(std::memory_order_relaxed)));
    };
    add("sonde_http2_connections_total", "Number of HTTP/2 connections taken up; counted by the session.",
        stats.connections);
    add("sonde_http2_joined_total", "Number of directions whose beginning was not seen; counted by the session.",
        stats.joined_connections);
    add("sonde_http2_reordered_records_total",
        "Number of records that waited for the bytes before them; counted by the session.", stats.reordered_records);
    add("sonde_http2_gaps_total", "Number of times that frames were missing in a direction; counted by the session.",
        stats.gaps);
    add("sonde_http2_orphan_records_total",
        "Number of records of connections that are not known, or no HTTP/2; counted by the tracker.",
        stats.orphan_records);
    add("sonde_http2_unknown_fields_total",
        "Number of header fields that stand in a table whose beginning was missed; counted by the session.",
        stats.unknown_fields);
    add("sonde_http2_unreadable_blocks_total",
        "Number of header blocks that could not be read to their end; counted by the session.",
        stats.unreadable_blocks);
    add("sonde_http2_unmatched_responses_total",
        "Number of response heads whose request was not seen; counted by the session.", stats.unmatched_responses);
    add("sonde_http2_headless_streams_total",
        "Number of streams of which nothing but request trailers was seen; counted by the session.",
        stats.headless_streams);
    add("sonde_http2_evicted_streams_total",
        "Number of streams that left before their end because too many were open; counted by the session.",
        stats.evicted_streams);
    add("sonde_http2_pushed_streams_total",
        "Number of streams that servers promised, which are not followed; counted by the session.",
        stats.pushed_streams);
}

void add_waits(std::vector<Sample>& out, const WaitStats& stats) {
    const auto add = [&](const char* found, const std::atomic<std::uint64_t>& count) {
        out.push_back(counter_sample("sonde_wait_samples_total",
                                     "Number of looks at threads that serve requests, by what they were found doing.",
                                     count.load(std::memory_order_relaxed), {{"found", found}}));
    };
    add("waiting", stats.waited);
    add("running", stats.ran);
    add("gone", stats.gone);
    add("refused", stats.refused);
}

void add_links(std::vector<Sample>& out, const ParentLinkStats& stats) {
    for (std::size_t i = 0; i < parent_match_count; ++i) {
        const std::string match(parent_match_names[i]);
        out.push_back(counter_sample("sonde_parent_links_total",
                                     "Number of calls that were sent, and of requests that were read, by how the "
                                     "transaction was told that they belong to.",
                                     stats.calls[i].load(std::memory_order_relaxed),
                                     {{"of", "call"}, {"match", match}}));
        out.push_back(counter_sample("sonde_parent_links_total", "", stats.requests[i].load(std::memory_order_relaxed),
                                     {{"of", "request"}, {"match", match}}));
    }
    out.push_back(counter_sample("sonde_parent_links_evicted_total",
                                 "Number of open requests and calls that left for want of room.",
                                 stats.evicted.load(std::memory_order_relaxed)));
}

void add_redaction(std::vector<Sample>& out, const RecordRedactor& redactor) {
    for (const auto& [rule, place, count] : redactor.counts())
        out.push_back(counter_sample("sonde_redactions_total", "Number of values that a rule took out, by place.",
                                     count, {{"rule", rule}, {"place", std::string(to_string(place))}}));
    out.push_back(counter_sample("sonde_redaction_dropped_records_total",
                                 "Number of records that a rule with the action drop_record kept back.",
                                 redactor.dropped_records()));
}

void add_sampling(std::vector<Sample>& out, const Sampler& sampler) {
    for (const auto& [rule, kept, dropped] : sampler.counts()) {
        out.push_back(counter_sample("sonde_sampling_kept_total", "Number of transactions that a sampling rule kept.",
                                     kept, {{"rule", rule}}));
        out.push_back(
            counter_sample("sonde_sampling_dropped_total",
                           "Number of transactions that are in the metrics and were not written out, by rule.", dropped,
                           {{"rule", rule}}));
    }
    out.push_back(
        counter_sample("sonde_sampling_dropped_total", "", sampler.not_drawn(), {{"rule", "route_per_second"}}));
}

void add_log_join(std::vector<Sample>& out, const LogJoin& logs) {
    const auto& stats = logs.stats();
    const auto count = [&out](const char* name, const char* help, std::uint64_t value) {
        out.push_back(counter_sample(name, help, value));
    };
    for (std::size_t match = 0; match < log_match_count; ++match)
        out.push_back(counter_sample("sonde_log_lines_joined_total",
                                     "Number of log lines by the rule that found their request; candidates: several "
                                     "were open; none: no request was.",
                                     stats.lines[match].load(), {{"match", std::string(log_match_names[match])}}));
    count("sonde_log_lines_duplicate_total",
          "Number of log lines that came from a write and from a file, and are one record.", stats.duplicates.load());
    count("sonde_log_lines_early_total",
          "Number of log lines that were joined before their time because too many waited.", stats.early_lines.load());
    count("sonde_log_lines_over_total", "Number of log lines beyond what one transaction shows.",
          stats.lines_over.load());
    count("sonde_log_transactions_early_total",
          "Number of transactions that were passed on before all of their lines could come.",
          stats.early_transactions.load());
    count("sonde_log_requests_untracked_total", "Number of requests that no line can find because too many were open.",
          stats.untracked_requests.load());
    count("sonde_log_bytes_cut_total",
          "Number of bytes that were written to logs and are longer than what is captured.", logs.bytes_cut());
    out.push_back(gauge_sample("sonde_log_lines_waiting", "Number of log lines that wait to be joined.",
                               stats.waiting_lines.load()));
    out.push_back(gauge_sample("sonde_log_transactions_held", "Number of transactions that wait for their lines.",
                               stats.held_transactions.load()));
}

void add_tail(std::vector<Sample>& out, const TailStats& stats) {
    const auto count = [&out](const char* name, const char* help, const std::atomic<std::uint64_t>& value) {
        out.push_back(counter_sample(name, help, value.load(std::memory_order_relaxed)));
    };
    count("sonde_tail_records_total", "Number of records read from log files.", stats.records);
    count("sonde_tail_bytes_total", "Number of bytes read from log files.", stats.bytes);
    count("sonde_tail_lines_cut_total", "Number of lines in log files that were longer than the bound.",
          stats.lines_cut);
    count("sonde_tail_records_dropped_total", "Number of records that no sink took for logs.drop_after.",
          stats.records_dropped);
    count("sonde_tail_refusals_total", "Number of times that reading stopped because the queue was full.",
          stats.refusals);
    count("sonde_tail_rotations_total", "Number of log files that were renamed, deleted or truncated.",
          stats.rotations);
    count("sonde_tail_bytes_lost_total",
          "Number of bytes that were truncated or deleted away before they were read, as far as known.",
          stats.bytes_lost);
    count("sonde_tail_files_refused_total", "Number of times that a log file could not be followed.",
          stats.files_refused);
    count("sonde_tail_checkpoint_failures_total", "Number of checkpoints that could not be written.",
          stats.checkpoint_failures);
    out.push_back(gauge_sample("sonde_tail_files", "Number of log files that are known.",
                               stats.files_known.load(std::memory_order_relaxed)));
}

void add_history(std::vector<Sample>& out, const HistoryStats& stats) {
    out.push_back(gauge_sample("sonde_history_bytes", "Memory of the history behind the API.", stats.bytes));
    out.push_back(
        gauge_sample("sonde_history_endpoints", "Number of endpoints that have a place in it.", stats.endpoints));
    out.push_back(
        gauge_sample("sonde_history_transactions", "Number of transactions that it keeps.", stats.transactions));
    const auto* slots = "Number of spans of time that left the history before their age, by their length.";
    out.push_back(counter_sample("sonde_history_slots_evicted_total", slots, stats.slots_evicted_1s, {{"step", "1s"}}));
    out.push_back(
        counter_sample("sonde_history_slots_evicted_total", slots, stats.slots_evicted_10s, {{"step", "10s"}}));
    out.push_back(
        counter_sample("sonde_history_slots_evicted_total", slots, stats.slots_evicted_60s, {{"step", "60s"}}));
    for (std::size_t i = 0; i < kept_as_count; ++i)
        out.push_back(counter_sample("sonde_history_transactions_evicted_total",
                                     "Number of kept transactions that made room for newer ones.",
                                     stats.transactions_evicted[i], {{"kept_as", std::string(kept_as_names[i])}}));
    out.push_back(counter_sample("sonde_history_transactions_not_kept_total",
                                 "Number of transactions beyond the rate at which they are kept.",
                                 stats.transactions_not_kept));
    out.push_back(counter_sample("sonde_history_overflow_total",
                                 "Number of transactions whose endpoint found no place; they are in {overflow}.",
                                 stats.overflowed));
    out.push_back(counter_sample("sonde_history_late_handovers_total",
                                 "Number of times that a second lasted longer because the last one was not taken yet.",
                                 stats.late_handovers));
}

}  // namespace sonde
