#include "agent/command/top_keys.hpp"

#include <algorithm>
#include <array>

namespace sonde {
namespace {

constexpr std::array<std::string_view, 8> sorts{"rate", "errors", "p95", "p99", "queue", "cpu", "pain", "name"};
constexpr std::array<std::string_view, 3> sides{"any", "server", "client"};
constexpr std::array<std::uint64_t, 4> windows_s{10, 60, 300, 3600};

template <typename List, typename Value>
auto next_of(const List& list, const Value& current) {
    const auto at = std::find(list.begin(), list.end(), current);
    return at == list.end() || at + 1 == list.end() ? list.front() : *(at + 1);
}

std::string_view sort_of(char key) {
    constexpr std::string_view keys = "re59ucpn";
    constexpr std::array<std::string_view, 8> names{"rate", "errors", "p50", "p95", "queue", "cpu", "pain", "name"};
    const auto at = keys.find(key);
    return at == std::string_view::npos ? std::string_view{} : names[at];
}

KeyResult type_filter(TopState& state, char key) {
    if (key == '\n' || key == '\r') {
        state.typing = false;
    } else if (key == '\x1b') {
        state.typing = false;
        state.filter.clear();
    } else if (key == '\x7f' || key == '\b') {
        if (!state.filter.empty()) state.filter.pop_back();
    } else if (key >= 0x20 && state.filter.size() < 60) {
        state.filter += key;
    }
    state.first = 0;
    return KeyResult::refetch;
}

KeyResult scroll(TopState& state, std::ptrdiff_t by) {
    const auto rows = state.view == TopView::processes ? state.processes.size() : state.endpoints.size();
    const auto most = rows == 0 ? 0 : static_cast<std::ptrdiff_t>(rows) - 1;
    state.first =
        static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(state.first) + by, 0, most));
    return KeyResult::redraw;
}

KeyResult sort_by(TopState& state, std::string_view sort) {
    state.sort = sort;
    state.first = 0;
    return KeyResult::refetch;
}

KeyResult show(TopState& state, TopView view) {
    state.view = view;
    state.first = 0;
    return KeyResult::refetch;
}

}  // namespace

KeyResult press_key(TopState& state, std::string_view& keys, std::size_t page) {
    const auto page_rows = static_cast<std::ptrdiff_t>(page);
    struct Sequence {
        std::string_view bytes;
        std::ptrdiff_t by;
    };
    const std::array<Sequence, 4> sequences{
        {{"\x1b[A", -1}, {"\x1b[B", 1}, {"\x1b[5~", -page_rows}, {"\x1b[6~", page_rows}}};
    for (const auto& [bytes, by] : sequences)
        if (keys.starts_with(bytes)) {
            keys.remove_prefix(bytes.size());
            return scroll(state, by);
        }
    const char key = keys.front();
    keys.remove_prefix(1);
    if (key == '\x1b' && keys.starts_with('[')) {  // another key's sequence: to its end (ECMA-48 §5.4)
        const auto end = std::find_if(keys.begin() + 1, keys.end(), [](char c) { return c >= 0x40; });
        keys.remove_prefix(std::min(keys.size(), static_cast<std::size_t>(end - keys.begin()) + 1));
        return KeyResult::nothing;
    }
    if (state.typing) return type_filter(state, key);
    if (const auto sort = sort_of(key); !sort.empty()) return sort_by(state, sort);
    switch (key) {
        case 'q':
            return KeyResult::quit;
        case 's':
            return sort_by(state, next_of(sorts, std::string_view(state.sort)));
        case 'w':
            state.window_s = next_of(windows_s, state.window_s);
            return KeyResult::refetch;
        case 'i':
            state.side = next_of(sides, std::string_view(state.side));
            return KeyResult::refetch;
        case 't':
            return show(state, state.view == TopView::processes ? TopView::endpoints : TopView::processes);
        case 'h':
        case '?':
            return show(state, state.view == TopView::help ? TopView::endpoints : TopView::help);
        case ' ':
            state.paused = !state.paused;
            return KeyResult::redraw;
        case '/':
            state.typing = true;
            return KeyResult::redraw;
        case 'j':
            return scroll(state, 1);
        case 'k':
            return scroll(state, -1);
        case 'g':
            state.first = 0;
            return KeyResult::redraw;
        default:
            return KeyResult::nothing;
    }
}

}  // namespace sonde
