#include "agent/command/tail.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>
#include <vector>

#include "agent/command/agent_client.hpp"
#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"
#include "agent/command/terminal_text.hpp"
#include "agent/model/transaction.hpp"
#include "agent/query/filter.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t columns_wide = 120;

constexpr const char* red = "\x1b[31m";
constexpr const char* yellow = "\x1b[33m";
constexpr const char* plain = "\x1b[0m";

// " (lock, disk)": the two things that the thread was found waiting for most often; empty: nobody looked.
std::string blocked_text(const json::object& transaction) {
    const auto* causes = object_at(transaction, "blocked_in");
    if (causes == nullptr) return {};
    std::vector<std::pair<double, std::string_view>> found;
    for (const auto cause : wait_cause_names)
        if (const auto count = number_at(*causes, cause); count > 0) found.emplace_back(-count, cause);
    std::sort(found.begin(), found.end());
    std::string out;
    for (std::size_t i = 0; i < std::min<std::size_t>(found.size(), 2); ++i)
        out += (i == 0 ? " (" : ", ") + std::string(found[i].second);
    return out.empty() ? out : out + ")";
}

// "queue 0.4 cpu 1.2 …" in milliseconds; what was not observed, and what is 0, is left out.
std::string phases_text(const json::object& transaction) {
    std::string out;
    const auto* phases = object_at(transaction, "phases");
    if (phases == nullptr) return out;
    for (const auto name : phase_names) {
        const auto ns = number_at(*phases, std::string(name) + "_ns", -1);
        if (ns < 1000) continue;
        out += (out.empty() ? "" : "  ") + std::string(name) + " " + readable_duration(static_cast<std::uint64_t>(ns));
        if (name == phase_names[static_cast<std::size_t>(Phase::blocked)]) out += blocked_text(transaction);
    }
    return out;
}

// The longest phase and its share of the duration: what fits on a narrow terminal.
std::string longest_phase(const json::object& transaction) {
    const auto* phases = object_at(transaction, "phases");
    const auto duration_ns = number_at(transaction, "duration_ns");
    std::string_view longest;
    double most = 0;
    for (const auto name : phase_names) {
        const auto ns = phases != nullptr ? number_at(*phases, std::string(name) + "_ns") : 0;
        if (ns <= most) continue;
        most = ns;
        longest = name;
    }
    if (longest.empty() || duration_ns <= 0) return {};
    return std::string(longest) + " " + readable_percent(100 * most / duration_ns) + "%";
}

class Tail {
public:
    Tail(const TailOptions& options, std::string filters, int own_port)
        : options_(options),
          filters_(std::move(filters)),
          own_port_(own_port),
          columns_(is_terminal(STDOUT_FILENO) ? static_cast<std::size_t>(terminal_size(STDOUT_FILENO).columns) : 0),
          colour_(wants_colour(STDOUT_FILENO)) {}

    // What was there before, newest last.
    Status begin() {
        const auto answer = ask_agent(
            options_.agent,
            "/api/v1/transactions?limit=" + std::to_string(std::max<std::uint64_t>(1, options_.last)) + filters_);
        if (!answer) return answer.error();
        cursor_ = text_at(*answer, "next");
        const auto& rows = array_at(*answer, "transactions");
        if (options_.last > 0)
            for (auto row = rows.rbegin(); row != rows.rend(); ++row) show(row->as_object());
        std::fflush(stdout);
        return done();
    }

    Status look() {
        // several answers where one does not hold all
        for (bool more = true; more;) {
            const auto answer =
                ask_agent(options_.agent, "/api/v1/transactions?limit=1000&after=" + cursor_ + filters_);
            if (!answer) return answer.error();
            if (const auto* restarted = answer->if_contains("restarted"); restarted != nullptr && *restarted == true)
                std::fprintf(stderr, "… the agent was restarted …\n");
            cursor_ = text_at(*answer, "next");
            const auto& rows = array_at(*answer, "transactions");
            for (const auto& row : rows) show(row.as_object());
            std::fflush(stdout);
            if (const auto missed = number_at(*answer, "missed"); missed > 0)
                std::fprintf(stderr, "… %s transactions were not kept: the agent keeps up to 250 a second …\n",
                             readable_count(missed).c_str());
            more = rows.size() >= 1000;
        }
        return done();
    }

private:
    void show(const json::object& transaction) const {
        const auto* server = object_at(transaction, "server");
        const bool is_own = text_at(transaction, "side") == "client" && server != nullptr &&
                            static_cast<int>(number_at(*server, "port")) == own_port_;
        if (is_own) return;  // our own questions
        const auto line = options_.json ? json::serialize(transaction) : tail_line(transaction, columns_, colour_);
        std::printf("%s\n", line.c_str());
        if (options_.json || !options_.logs) return;
        for (const auto& log : array_at(transaction, "logs"))
            if (log.is_object()) std::printf("%s\n", tail_log_line(log.as_object(), columns_, colour_).c_str());
    }

    const TailOptions& options_;
    const std::string filters_;
    const int own_port_;
    const std::size_t columns_;
    const bool colour_;
    std::string cursor_;
};

Result<std::string> filters_of(const TailOptions& options) {
    std::string out;
    const auto add = [&out](const char* name, const std::string& value) {
        if (!value.empty()) out += std::string("&") + name + "=" + url_encode(value);
    };
    add("service", options.service);
    add("route", options.route);
    add("method", options.method);
    add("status", options.status);
    add("side", options.side);
    add("outcome", options.outcome);
    if (!options.min_duration.empty()) {
        const auto ns = parse_duration_ns(options.min_duration);
        if (!ns) return ns.error();
        add("min_duration_ns", std::to_string(*ns));
    }
    return out;
}

}  // namespace

std::string tail_line(const json::object& transaction, std::size_t columns, bool colour) {
    const auto status = static_cast<int>(number_at(transaction, "status"));
    const auto outcome = text_at(transaction, "outcome");
    const auto path = text_at(transaction, "path");
    const bool server = text_at(transaction, "side") == "server";
    // 2026-01-02T03:04:05.678901234Z: the clock, to the millisecond
    const auto time = text_at(transaction, "time");
    auto head = printable(time.size() >= 23 ? time.substr(11, 12) : time) + " " + (server ? "in  " : "out ");
    const auto tail =
        fit_right(status == 0 ? "-" : std::to_string(status), 4) +
        fit_right(readable_duration(static_cast<std::uint64_t>(number_at(transaction, "duration_ns"))), 8);
    const bool wide = columns == 0 || columns >= columns_wide;
    auto phases = wide ? phases_text(transaction) : longest_phase(transaction);
    if (outcome != "ok" && outcome != "error") phases = printable(outcome) + (phases.empty() ? "" : "  " + phases);
    const auto what =
        printable(text_at(transaction, "method") + " " + (path.empty() ? text_at(transaction, "route") : path));
    const auto service = printable(text_at(transaction, "service"));
    std::string line;
    if (columns == 0) {
        line = head + fit_left(service, std::max<std::size_t>(20, service.size())) + " " +
               fit_left(what, std::max<std::size_t>(30, what.size())) + tail + "  " + phases;
    } else {
        const std::size_t service_width = wide ? 24 : 13;
        const auto phases_width = wide ? std::max<std::size_t>(50, columns / 3) : std::size_t{15};
        const auto fixed = width_of(head) + service_width + 1 + width_of(tail) + 2 + phases_width;
        const auto what_width = columns > fixed + 12 ? std::min<std::size_t>(80, columns - fixed) : 12;
        line = head + fit_left(service, service_width) + " " + fit_left(what, what_width) + tail;
        if (!phases.empty())
            line += "  " + (width_of(phases) <= phases_width ? phases : fit_left(phases, phases_width));
    }
    const char* style = outcome == "error" || status >= 500 ? red : outcome != "ok" || status >= 400 ? yellow : nullptr;
    return colour && style != nullptr ? style + line + plain : line;
}

std::string tail_log_line(const json::object& log, std::size_t columns, bool colour) {
    const auto level = text_at(log, "level");
    const auto time = text_at(log, "time");
    const auto percent = static_cast<int>(number_at(log, "confidence") * 100 + 0.5);
    // as far as the requests' services stand, so that requests remain easy to tell from lines
    const auto line = printable(time.size() >= 23 ? time.substr(11, 12) : time) + "   | " +
                      fit_left(level.empty() ? "log" : printable(level), 6) + printable(text_at(log, "message")) +
                      "  (" + printable(text_at(log, "match")) + " " + std::to_string(percent) + "%)";
    const char* style = level == "error" || level == "fatal" ? red : level == "warn" ? yellow : nullptr;
    const auto shown = columns == 0 || width_of(line) <= columns ? line : fit_left(line, columns);
    return colour && style != nullptr ? style + shown + plain : shown;
}

int tail_command(const TailOptions& options) {
    const StopSignals signals;
    auto filters = filters_of(options);
    if (!filters) return report(filters.error());
    const auto port = options.agent.address.substr(options.agent.address.rfind(':') + 1);
    Tail tail(options, std::move(*filters), std::atoi(port.c_str()));
    if (const auto begun = tail.begin(); !begun) return report(begun.error());
    const auto started = Clock::now();
    const auto interval = std::chrono::duration<double>(options.interval_s);
    bool lost = false;
    while (!StopSignals::stop_requested() && std::ferror(stdout) == 0) {
        std::this_thread::sleep_for(interval);
        if (const auto looked = tail.look(); looked) {
            lost = false;
        } else if (!lost) {  // said once; the agent may come back
            lost = true;
            report(looked.error());
        }
        if (options.seconds > 0 && Clock::now() - started >= std::chrono::duration<double>(options.seconds)) break;
    }
    return lost ? 1 : 0;
}

}  // namespace sonde
