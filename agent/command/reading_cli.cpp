#include "agent/command/reading_cli.hpp"

#include "agent/command/commands.hpp"
#include "agent/command/terminal.hpp"

namespace sonde {
ReadingCommands::ReadingCommands(CLI::App& app) {
    add_top(app);
    add_tail(app);
    add_query(app);
}

void ReadingCommands::add_top(CLI::App& app) {
    top_ = app.add_subcommand("top", "Endpoints and processes of a running agent, live");
    agent_.add_to(*top_);
    top_->add_option("--interval", top_options_.interval_s, "Seconds between two looks")
        ->check(CLI::Range(0.2, 3600.0))
        ->capture_default_str();
    top_->add_option("--window", top_options_.window_s, "Seconds that the numbers are of")
        ->check(CLI::Range(5, 3600))
        ->capture_default_str();
    top_->add_option("--sort", top_options_.sort, "rate, errors, p50, p95, p99, queue, cpu, pain or name")
        ->check(CLI::IsMember({"rate", "errors", "p50", "p95", "p99", "queue", "cpu", "pain", "name"}))
        ->capture_default_str();
    top_->add_option("--filter", top_options_.filter, "Only routes and services with this text in them");
    top_->add_flag("--once", top_options_.once, "One picture, then the end");
}

void ReadingCommands::add_tail(CLI::App& app) {
    tail_ = app.add_subcommand("tail", "Transactions of a running agent as they come");
    agent_.add_to(*tail_);
    auto& o = tail_options_;
    tail_->add_option("--service", o.service, "Only this service");
    tail_->add_option("--route", o.route, "Only this route, as in /orders/{id}");
    tail_->add_option("--method", o.method, "Only this method");
    tail_->add_option("--status", o.status, "Only this status: 503 or 5xx");
    tail_->add_option("--side", o.side, "server or client")->check(CLI::IsMember({"server", "client"}));
    tail_->add_option("--outcome", o.outcome, "ok, error, aborted or unobserved")
        ->check(CLI::IsMember({"ok", "error", "aborted", "unobserved"}));
    tail_->add_option("--min-duration", o.min_duration, "Only what took as long, as in 100ms");
    tail_->add_option("--last", o.last, "Number of transactions of before, shown first")
        ->check(CLI::Range(0, 1000))
        ->capture_default_str();
    tail_->add_option("--interval", o.interval_s, "Seconds between two looks")
        ->check(CLI::Range(0.1, 60.0))
        ->capture_default_str();
    tail_->add_option("--seconds", o.seconds, "Stop after so many seconds; 0: at Ctrl-C")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    tail_->add_flag("--json", o.json, "JSON lines");
    tail_->add_flag("--logs,!--no-logs", o.logs, "Log lines of each request below it");
}

void ReadingCommands::add_query(CLI::App& app) {
    query_ = app.add_subcommand("query", "Answer questions from events files, compressed or not");
    auto& o = query_options_;
    query_->add_option("path", o.paths, "Directories and files of events (.jsonl, .jsonl.gz, .jsonl.zst)")->required();
    query_->add_option("--from", o.filter.from, "From this time on: 2026-01-02T03:04:05 (UTC), a date, or an age: 15m");
    query_->add_option("--to", o.filter.to, "Before this time");
    query_->add_option("--type", o.filter.type, "transaction, log, loss, …, or any")->capture_default_str();
    query_->add_option("--service", o.filter.service, "Only this service");
    query_->add_option("--route", o.filter.route, "Only this route, as in /orders/{id}");
    query_->add_option("--path", o.filter.path, "Only this path");
    query_->add_option("--method", o.filter.method, "Only this method");
    query_->add_option("--side", o.filter.side, "server or client")->check(CLI::IsMember({"server", "client"}));
    query_->add_option("--outcome", o.filter.outcome, "ok, error, aborted or unobserved")
        ->check(CLI::IsMember({"ok", "error", "aborted", "unobserved"}));
    query_->add_option("--status", o.filter.status, "503, 5xx, or several with commas");
    query_->add_option("--duration", o.filter.duration, ">100ms, <=1s, 10ms..50ms");
    query_->add_option("--text", o.filter.text, "Only lines with this text, as it stands in the file");
    auto* group =
        query_->add_option("--group-by", o.group_by,
                           "service, route, method, status, side, outcome, path, minute, hour, day; with commas");
    query_->add_option("--sort", o.sort, "Of groups: count, errors, p50, p95, p99, max or name")
        ->check(CLI::IsMember({"count", "errors", "p50", "p95", "p99", "max", "name"}))
        ->needs(group);
    query_->add_option("--slowest", o.slowest, "Only the N that took longest")
        ->check(CLI::Range(1, 100'000))
        ->excludes(group);
    query_->add_option("--limit", o.limit, "At most so many lines or groups; 0: all")->capture_default_str();
    query_->add_flag("--logs", o.logs, "Log lines of each request below it")->excludes(group);
    query_->add_flag("--json", o.json, "JSON lines instead of a table");
}

std::optional<int> ReadingCommands::run() {
    if (query_->parsed()) return query_command(query_options_);
    if (!top_->parsed() && !tail_->parsed()) return std::nullopt;
    const auto agent = agent_.client();
    if (!agent) return report(agent.error());
    top_options_.agent = tail_options_.agent = *agent;
    return top_->parsed() ? top_command(top_options_) : tail_command(tail_options_);
}

}  // namespace sonde
