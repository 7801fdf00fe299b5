#include <algorithm>
#include <array>
#include <cmath>

#include "agent/command/terminal_text.hpp"
#include "agent/command/top.hpp"

namespace sonde {
namespace {

constexpr const char* dim = "\x1b[2m";
constexpr const char* red = "\x1b[31m";
constexpr const char* yellow = "\x1b[33m";
constexpr const char* bold = "\x1b[1m";
constexpr const char* plain = "\x1b[0m";

constexpr std::size_t columns_least = 80, columns_wide = 120, columns_spark = 150, spark_width = 30;

std::string percent_or_dash(double percent) { return percent < 0 ? "-" : readable_percent(percent); }

// Eight heights, the largest value the full one.
std::string spark(const std::vector<double>& values) {
    constexpr std::array<const char*, 9> heights{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double most = 0;
    for (const auto value : values) most = std::max(most, value);
    std::string out;
    for (const auto value : values)
        out += heights[most > 0 ? static_cast<std::size_t>(std::ceil(value / most * 8)) : 0];
    return out;
}

class Picture {
public:
    Picture(const TopState& state, int columns, int lines, bool colour)
        : state_(state),
          columns_(std::max(columns_least, static_cast<std::size_t>(std::max(0, columns)))),
          lines_(static_cast<std::size_t>(std::max(5, lines))),
          colour_(colour) {}

    std::string draw() {
        head();
        if (state_.view == TopView::help)
            help();
        else if (state_.view == TopView::endpoints)
            endpoints();
        else
            processes();
        while (drawn_ + 1 < lines_) put("");
        foot();
        return out_;
    }

private:
    const char* paint(const char* style) const { return colour_ ? style : ""; }
    // styled: takes no columns
    void put(const std::string& text, const char* style = "") {
        if (drawn_ > 0) out_ += '\n';
        const bool styled = colour_ && *style != '\0';
        auto fitted = fit_left(text, columns_);
        if (const auto last = fitted.find_last_not_of(' '); last != std::string::npos)
            fitted.resize(last + 1);
        else
            fitted.clear();
        out_ += (styled ? style : "") + fitted + (styled ? plain : "");
        ++drawn_;
    }
    void head() {
        std::string text = "sonde top   " + readable_count(static_cast<double>(state_.transactions)) +
                           " transactions   " + readable_count(static_cast<double>(state_.lost)) +
                           " records lost   health: " + state_.health;
        if (state_.view == TopView::endpoints) {
            text += "   last " + std::to_string(state_.window_s) + " s   by " + state_.sort;
            if (state_.side != "any") text += "   " + state_.side + "s";
        }
        if (state_.paused) text += "   PAUSED";
        put(text, state_.lost > 0 || state_.health == "failed" ? red : state_.health == "ok" ? bold : yellow);
        put(state_.message, red);
    }
    void foot() {
        if (state_.typing)
            put("filter: " + printable(state_.filter) + "_   Enter: done   Esc: none");
        else
            put(std::string("q quit  s sort  / filter") +
                    (state_.filter.empty() ? "" : " (" + printable(state_.filter) + ")") + "  w window  i side  t " +
                    (state_.view == TopView::processes ? "endpoints" : "processes") + "  space pause  h help",
                dim);
    }
    [[nodiscard]] std::size_t room() const { return lines_ - drawn_ - 2; }  // a line for "… more", one for the foot

    template <typename Rows, typename Draw>
    void rows(const Rows& all, std::size_t total, const char* none, Draw draw) {
        if (all.empty()) put(none);
        const auto first = std::min(state_.first, all.empty() ? 0 : all.size() - 1);
        const auto count = std::min(room(), all.size() - std::min(first, all.size()));
        for (std::size_t i = first; i < first + count; ++i) draw(all[i]);
        if (first + count < total) put("… and " + std::to_string(total - first - count) + " more", dim);
    }

    void endpoints() {
        const bool wide = columns_ >= columns_wide, sparks = columns_ >= columns_spark;
        // numbers: rate 8, errors 5, three times 8, queue 7; wide: slower 7, cpu 6, run queue 7, blocked 7
        const std::size_t numbers = 44 + (wide ? 27 : 0) + (sparks ? spark_width + 2 : 0);
        const auto free = columns_ - numbers - 6;
        const auto service_width = std::min<std::size_t>(32, free * 2 / 5), route_width = free - service_width;
        const auto line = [&](std::string_view service, std::string_view endpoint, std::string_view side) {
            return fit_left(service, service_width) + " " + fit_left(endpoint, route_width) + " " + fit_left(side, 4);
        };
        auto title = line("SERVICE", "METHOD ROUTE", "SIDE") + "  RATE/s ERR%     p50     p95     p99 QUEUE%";
        if (wide) title += "  VS 1H  CPU%  RUNQ% BLOCK%";
        if (sparks) title += "  RATE OVER THE WINDOW";
        put(title, dim);
        rows(state_.endpoints, state_.total, "no HTTP requests in this window", [&](const TopEndpoint& row) {
            auto text = line(printable(row.service), printable(row.endpoint), row.server ? "in" : "out") +
                        fit_right(readable_rate(row.rate_per_s), 8) +
                        fit_right(readable_percent(row.error_percent), 5) +
                        fit_right(readable_duration(row.p50_ns), 8) + fit_right(readable_duration(row.p95_ns), 8) +
                        fit_right(readable_duration(row.p99_ns), 8) + fit_right(percent_or_dash(row.queue_percent), 7);
            if (wide)
                text += fit_right(row.slower < 0 ? "-" : "x" + readable_rate(row.slower), 7) +
                        fit_right(percent_or_dash(row.cpu_percent), 6) +
                        fit_right(percent_or_dash(row.runqueue_percent), 7) +
                        fit_right(percent_or_dash(row.blocked_percent), 7);
            if (sparks) text += "  " + spark(row.sparkline);
            put(text, row.error_percent > 0 ? red : row.slower >= 2 ? yellow : "");
        });
    }

    void processes() {
        const bool wide = columns_ >= columns_wide;
        const std::size_t numbers = 8 + 7 + 10 + 6 + 6 + (wide ? 36 : 0);
        const auto free = columns_ - numbers - 2;
        const auto name_width = free / 2, service_width = free - name_width;
        auto title = fit_right("PID", 8) + " " + fit_left("COMMAND", name_width) + " " +
                     fit_left("SERVICE", service_width) + fit_right("CPU%", 7) + fit_right("MEMORY", 10) +
                     fit_right("THR", 6) + fit_right("FDS", 6);
        if (wide) title += fit_right("RECV/s", 12) + fit_right("SENT/s", 12) + fit_right("DISK/s", 12);
        put(title, dim);
        const auto per_s = [](double bytes) { return fit_right(bytes < 0 ? "-" : readable_bytes(bytes), 12); };
        rows(state_.processes, state_.processes.size(), "no processes yet: they are read every few seconds",
             [&](const TopProcess& row) {
                 auto text = fit_right(printable(row.pid), 8) + " " + fit_left(printable(row.name), name_width) + " " +
                             fit_left(printable(row.service), service_width) +
                             fit_right(percent_or_dash(row.cpu_percent), 7) +
                             fit_right(readable_bytes(row.resident_bytes), 10) +
                             fit_right(readable_count(row.threads), 6) + fit_right(readable_count(row.descriptors), 6);
                 if (wide) text += per_s(row.received_per_s) + per_s(row.sent_per_s) + per_s(row.disk_per_s);
                 put(text, row.cpu_percent >= 90 ? yellow : "");
             });
    }

    void help() {
        for (const char* line :
             {"", "  q, Ctrl-C   end", "  s           sort by the next: rate, errors, p95, p99, queue, cpu, pain, name",
              "  r e 5 9 u c p n   sort by rate, errors, p50, p95, queue, cpu, pain, name",
              "  /           show only routes and services with a text in them",
              "  w           window: 10 s, 60 s, 5 min, 1 h", "  i           sides: both, servers, clients",
              "  t           endpoints or processes", "  arrows, j k, PgUp, PgDn, g   scroll", "  space       pause",
              "",
              "  QUEUE CPU RUNQ BLOCK   share of the time: waiting in the socket, on a core, ready without a core, "
              "waiting",
              "  VS 1H                  p95 over that of the past hour"})
            if (drawn_ + 1 < lines_) put(line);
    }

    const TopState& state_;
    const std::size_t columns_, lines_;
    const bool colour_;
    std::string out_;
    std::size_t drawn_ = 0;
};

}  // namespace

std::string top_picture(const TopState& state, int columns, int lines, bool colour) {
    return Picture(state, columns, lines, colour).draw();
}

}  // namespace sonde
