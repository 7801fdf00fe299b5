#include "agent/correlate/write_lines.hpp"

#include <algorithm>

#include "agent/log/utf8.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {
namespace {

constexpr std::string_view python_traceback = "Traceback (most recent call last):";

bool is_indented(std::string_view line) { return line.front() == ' ' || line.front() == '\t'; }

// "java.lang.IllegalStateException: message": what stands above "\tat …".
bool names_java_exception(std::string_view line) {
    const auto name = line.substr(0, line.find_first_of(": "));
    if (name.find('.') == std::string_view::npos) return false;
    return name.ends_with("Exception") || name.ends_with("Error") || name.ends_with("Throwable");
}

bool joins_tracebacks(std::string_view line) {
    return line.starts_with("Caused by: ") || line.starts_with("During handling of the above exception") ||
           line.starts_with("The above exception was the direct cause");
}

void repair(WrittenRecord& record) {
    TextArena repaired;
    bool changed = false;
    record.text = add_as_utf8(std::string_view(record.text), repaired, changed);
    record.flags |= log_invalid_utf8;
}

}  // namespace

// Indentation and the words of tracebacks continue a record wherever they come; what could as well begin one does so
// only within the same write.
bool WriteLines::continues(const Pending& pending, const LogWrite& write, std::string_view line) {
    if (pending.record.text.empty()) return false;
    if (pending.inside == Inside::python_frames) return true;  // the line that names the exception ends them
    if (line.empty()) return pending.inside != Inside::nothing;
    if (is_indented(line) || joins_tracebacks(line)) return true;
    if (pending.last_ns != write.time_ns) return false;
    if (pending.inside == Inside::go_stack) return true;
    return line.starts_with(python_traceback) || names_java_exception(line) || line.starts_with("goroutine ");
}

void WriteLines::follow(Pending& pending, std::string_view line) {
    if (line.starts_with(python_traceback)) {
        pending.inside = Inside::python_frames;
    } else if (pending.inside == Inside::python_frames) {
        if (!line.empty() && !is_indented(line)) pending.inside = Inside::python_end;
    } else if (line.starts_with("goroutine ") && line.ends_with("]:")) {
        pending.inside = Inside::go_stack;
    }
}

void WriteLines::append(Pending& pending, std::string_view text) {
    const auto room = options_.record_bytes - std::min(options_.record_bytes, pending.record.text.size());
    if (text.size() > room) {
        bytes_cut_ += text.size() - room;
        pending.record.flags |= log_truncated;
        text = text.substr(0, room);
    }
    pending.record.text.append(text);
}

// Of the line that begins at line_at.
void WriteLines::append_line(Pending& pending, std::string_view text) {
    const auto size = pending.record.text.size() - std::min(pending.line_at, pending.record.text.size());
    const auto room = options_.line_bytes - std::min(options_.line_bytes, size);
    if (text.size() > room) {
        bytes_cut_ += text.size() - room;
        pending.record.flags |= log_truncated;
        text = text.substr(0, room);
    }
    append(pending, text);
}

void WriteLines::flush(Pending& pending) {
    auto& record = pending.record;
    while (record.text.ends_with('\n')) record.text.pop_back();
    if (!record.text.empty()) {
        if (pending.open_line) record.flags |= log_partial;
        record.length = record.text.size();
        if (!is_utf8(record.text)) repair(record);
        emit_(record);
    }
    record.text.clear();
    record.flags = 0;
    pending.open_line = false;
    pending.inside = Inside::nothing;
}

// whole: its newline was there.
void WriteLines::take_line(Pending& pending, const LogWrite& write, std::string_view line, std::uint64_t offset,
                           bool whole) {
    if (pending.open_line) {
        append_line(pending, line);
    } else {
        if (!continues(pending, write, line)) flush(pending);
        if (line.empty() && pending.record.text.empty()) return;  // an empty line alone tells nothing
        if (pending.record.text.empty()) {
            pending.record.write = write;
            pending.record.write.bytes = {};
            pending.record.write.offset = offset;
            pending.record.anchor = anchor_;
        } else {
            append(pending, "\n");
        }
        pending.line_at = pending.record.text.size();
        append_line(pending, line);
    }
    pending.open_line = !whole;
    pending.last_ns = write.time_ns;
    if (whole)
        follow(pending,
               std::string_view(pending.record.text).substr(std::min(pending.line_at, pending.record.text.size())));
}

void WriteLines::on(const LogWrite& write, const RequestTable::Anchor& anchor) {
    anchor_ = anchor;
    const Key key{write.strand != 0 ? write.strand : write.tid, write.pid, write.fd};
    auto at = writers_.find(key);
    if (at == writers_.end()) {
        if (writers_.size() >= options_.max_writers) finish();
        at = writers_.emplace(key, Pending{}).first;
    }
    auto& pending = at->second;
    const std::string_view bytes(write.bytes.data(), write.bytes.size());
    std::size_t begin = 0;
    while (begin < bytes.size()) {
        const auto end = std::min(bytes.find('\n', begin), bytes.size());
        take_line(pending, write, bytes.substr(begin, end - begin), write.offset + begin, end < bytes.size());
        begin = end + 1;
    }
    if (bytes.size() == write.length && !write.at_least) return;
    // the rest of the write is not known, nor whether it ended with a newline
    bytes_cut_ += write.length - bytes.size();
    pending.record.flags |= log_truncated;
    pending.open_line = false;
    flush(pending);
}

void WriteLines::tick(std::uint64_t now_ns) {
    for (auto at = writers_.begin(); at != writers_.end();) {
        auto& pending = at->second;
        const std::uint64_t wait_ms = pending.open_line ? options_.partial_ms : options_.record_ms;
        const bool due = now_ns >= pending.last_ns + wait_ms * 1'000'000;
        if (due) flush(pending);
        // a writer that was silent for a while is forgotten, with its buffer
        if (due && now_ns >= pending.last_ns + 10'000'000'000)
            at = writers_.erase(at);
        else
            ++at;
    }
}

void WriteLines::process_ended(std::uint32_t pid) {
    for (auto at = writers_.begin(); at != writers_.end();) {
        if (at->first.pid != pid) {
            ++at;
            continue;
        }
        flush(at->second);
        at = writers_.erase(at);
    }
}

void WriteLines::finish() {
    for (auto& [key, pending] : writers_) flush(pending);
    writers_.clear();
}

}  // namespace sonde
