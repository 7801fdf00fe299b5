#include "agent/log/record_assembler.hpp"

#include <algorithm>

namespace sonde {
namespace {

constexpr std::size_t kept_bytes_max = 64 * 1024;

void forget(std::string& text) {
    text.clear();
    if (text.capacity() > kept_bytes_max) text.shrink_to_fit();
}

}  // namespace

void RecordAssembler::clear() {
    held_ = part_open_ = false;
    rules_.end_record();
    forget(record_text_);
    forget(part_text_);
}

void RecordAssembler::hold(const LogFileLine& line) {
    record_ = line;
    record_text_.assign(line.text);
    held_ = true;
}

bool RecordAssembler::hand_over(RecordTextHandler& handler) {
    record_.text = record_text_;
    if (!handler.on_text(record_)) return false;
    held_ = false;
    forget(record_text_);
    return true;
}

// What is beyond the bound is cut: the runtime cut the line before, so it is one that no bound of its own holds.
void RecordAssembler::add_part(const LogFileLine& line) {
    if (!part_open_) {
        part_ = line;
        part_text_.clear();
        part_open_ = true;
    }
    const auto room = options_.record_bytes_max - std::min(options_.record_bytes_max, part_text_.size());
    if (line.text.size() > room) part_.flags |= log_truncated;
    part_text_.append(line.text.substr(0, room));
    part_.flags |= line.flags;
    part_.end = line.end;
}

bool RecordAssembler::feed(const LogFileLine& line, RecordTextHandler& handler) {
    if (line.unfinished) {
        add_part(line);
        return true;
    }
    if (!part_open_) return feed_whole(line, handler);
    const auto before = part_;
    const auto size = part_text_.size();
    add_part(line);
    auto whole = part_;
    whole.text = part_text_;
    whole.unfinished = false;
    if (!feed_whole(whole, handler)) {
        part_ = before;
        part_text_.resize(size);
        return false;
    }
    part_open_ = false;
    forget(part_text_);
    return true;
}

bool RecordAssembler::feed_whole(const LogFileLine& line, RecordTextHandler& handler) {
    if (!options_.multiline) return handler.on_text(line);
    auto rules = rules_;  // taken over once the line is
    const bool continues = rules.continues(line.text);
    if (held_ && continues && record_text_.size() + 1 + line.text.size() <= options_.record_bytes_max) {
        record_text_ += '\n';
        record_text_.append(line.text);
        record_.end = line.end;
        record_.flags |= line.flags | log_multiline;
        rules_ = rules;
        return true;
    }
    if (held_ && !hand_over(handler)) return false;
    rules_ = rules;
    if (MultilineRules::closed(line.text) && !continues) {
        rules_.end_record();
        if (handler.on_text(line)) return true;
    }
    hold(line);
    return true;
}

bool RecordAssembler::flush(RecordTextHandler& handler) {
    if (part_open_) {
        auto whole = part_;
        whole.text = part_text_;
        whole.unfinished = false;
        whole.flags |= log_partial;
        if (!feed_whole(whole, handler)) return false;
        part_open_ = false;
        forget(part_text_);
    }
    if (held_ && !hand_over(handler)) return false;
    rules_.end_record();
    return true;
}

}  // namespace sonde
