// A line of an events file, as `sonde query` reads it: files come from other machines.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "agent/query/event_line.hpp"
#include "agent/query/filter.hpp"
#include "agent/query/groups.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    static EventLineParser parser;
    static auto filter = [] {
        LineFilterOptions options;
        options.type = "any";
        options.status = "2xx,503";
        options.duration = ">1us";
        return LineFilter::make(options, 0).value();
    }();
    static EventLineParser filtered(&filter);
    const auto whole = parser.parse(line);
    if (whole == LineState::good) {
        Groups groups({GroupBy::route, GroupBy::status, GroupBy::minute});
        groups.add(parser.fields());
        if (groups.sorted("p95").size() != 1) __builtin_trap();
        // leaving a line early must not change the answer
        const auto early = filtered.parse(line);
        const bool matches = early == LineState::good && filter.matches(filtered.fields());
        if (early == LineState::uninteresting && filter.matches(parser.fields()) &&
            line.find("status") == line.rfind("status"))
            __builtin_trap();
        (void)matches;
    }
    (void)parse_event_time(line);
    (void)parse_duration_ns(line.substr(0, 64));
    return 0;
}
