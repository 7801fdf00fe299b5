#include "agent/redact/record_redactor.hpp"

#include <functional>

namespace sonde {
namespace {

// Puts what is left of a text back; false: the record may not leave.
template <std::size_t N>
bool put_back(InlineString<N>& field, const Redacted& redacted) {
    if (redacted.verdict != Verdict::unchanged) {
        field.assign(redacted.text);
    } else if (redacted.text.size() != field.view().size()) {
        field = InlineString<N>(redacted.text);  // a part of itself
    }
    return redacted.verdict != Verdict::drop_record;
}

template <std::size_t N>
std::string_view whole_part(const InlineString<N>& field, std::string_view separators) {
    const auto text = field.view();
    if (!field.cut()) return text;
    const auto last = text.find_last_of(separators);
    return text.substr(0, last == std::string_view::npos ? 0 : last + 1);
}

// Puts what is left of a view into the record's own text; false: the record may not leave.
bool put_back(std::string_view& field, const Redacted& redacted, TextArena& text) {
    if (redacted.verdict != Verdict::unchanged) field = text.add(redacted.text);
    return redacted.verdict != Verdict::drop_record;
}

bool lies_in(std::string_view part, std::string_view whole) {
    return std::greater_equal<>()(part.data(), whole.data()) &&
           std::less_equal<>()(part.data() + part.size(), whole.data() + whole.size());
}

void put_back(std::string& field, const Redacted& redacted) {
    if (redacted.verdict != Verdict::unchanged) field = redacted.text;
}

}  // namespace

RecordRedactor::RecordRedactor(const std::vector<RedactionPolicySet::Entry>& entries) {
    for (const auto& entry : entries) redactors_.push_back({entry.service, std::make_unique<Redactor>(entry.policy)});
}

Redactor& RecordRedactor::redactor_of(std::string_view service) {
    for (std::size_t i = 1; i < redactors_.size(); ++i)
        if (redactors_[i].service == service) return *redactors_[i].redactor;
    return *redactors_.front().redactor;
}

bool RecordRedactor::redact(Transaction& transaction) {
    auto& redactor = redactor_of(transaction.service);
    auto& path = transaction.path;
    auto& host = transaction.host;
    auto& agent = transaction.user_agent;
    bool leaves = put_back(path, redactor.path(whole_part(path, "/?&=;")));
    leaves = put_back(host, redactor.text(whole_part(host, "."), Place::host)) && leaves;
    leaves = put_back(agent, redactor.text(whole_part(agent, " "), Place::user_agent)) && leaves;
    auto& request_id = transaction.trace.request_id;  // anybody's text; the other ids are hexadecimal
    leaves = put_back(request_id, redactor.text(request_id, Place::label)) && leaves;
    if (leaves) return true;
    path.clear();
    host.clear();
    agent.clear();
    request_id.clear();
    dropped_records_.store(dropped_records() + 1, std::memory_order_relaxed);
    return false;
}

bool RecordRedactor::redact_logs(Transaction& transaction) {
    if (!transaction.logs) return true;
    auto& redactor = redactor_of(transaction.service);
    auto logs = std::make_shared<TransactionLogs>();
    logs->copy_from(*transaction.logs);
    bool leaves = true;
    for (auto& line : logs->lines)
        leaves = put_back(line.message, redactor.text(line.message, Place::message), logs->text) && leaves;
    std::erase_if(logs->attributes, [&](auto& attribute) {
        const auto redacted = redactor.field(attribute.first, attribute.second);
        put_back(attribute.second, redacted);
        leaves = leaves && redacted.verdict != Verdict::drop_record;
        return redacted.verdict == Verdict::drop_field;
    });
    transaction.logs = std::move(logs);
    if (!leaves) dropped_records_.store(dropped_records() + 1, std::memory_order_relaxed);
    return leaves;
}

bool RecordRedactor::redact(LogRecord& record, std::string_view service) {
    auto& redactor = redactor_of(service);
    auto& text = record.text;
    const auto raw = record.raw;
    bool leaves = put_back(record.raw, redactor.text(raw, Place::message), text);
    const bool clean = record.raw.data() == raw.data();
    // what stands in a clean line is clean; what was decoded from it is looked at by itself
    const auto free_text = [&](std::string_view& field) {
        if (field.empty() || (clean && lies_in(field, raw))) return;
        leaves = put_back(field, redactor.text(field, Place::message), text) && leaves;
    };
    free_text(record.message);
    free_text(record.logger);
    free_text(record.exception.message);
    free_text(record.exception.stack);
    if (!record.access.path.empty())
        leaves = put_back(record.access.path, redactor.path(record.access.path), text) && leaves;
    std::erase_if(record.attributes, [&](LogAttribute& attribute) {
        const auto value = redactor.field(attribute.key, attribute.value);
        leaves = put_back(attribute.value, value, text) && leaves;
        if (value.verdict == Verdict::changed) attribute.type = AttributeType::string;
        return value.verdict == Verdict::drop_field;
    });
    leaves = put_back(record.request_id, redactor.text(record.request_id, Place::label)) && leaves;
    if (leaves) return true;
    const auto source = record.source;
    record.clear();
    record.source = {};
    record.source.pid = source.pid, record.source.tid = source.tid;
    dropped_records_.store(dropped_records() + 1, std::memory_order_relaxed);
    return false;
}

void RecordRedactor::redact(Process& process) {
    auto& redactor = *redactors_.front().redactor;
    put_back(process.comm, redactor.text(process.comm, Place::label));
    put_back(process.exe, redactor.path(process.exe, Place::label));
    put_back(process.program, redactor.path(process.program, Place::label));
    put_back(process.unit, redactor.text(process.unit, Place::label));
    put_back(process.container_name, redactor.text(process.container_name, Place::label));
    put_back(process.command_line, redactor.text(process.command_line, Place::label));
    put_back(process.cgroup, redactor.path(process.cgroup, Place::label));
}

bool RecordRedactor::hides(std::string_view segment) {
    return redactors_.front().redactor->path(segment, Place::label).verdict != Verdict::unchanged;
}

void RecordRedactor::add_current(Counts& counts) const {
    const auto& policy = base_policy();
    for (std::size_t rule = 0; rule < policy.rule_count(); ++rule)
        for (std::size_t i = 0; i < place_count; ++i) {
            const auto place = static_cast<Place>(i);
            const auto number = count(rule, place);
            if (number == 0) continue;
            const std::pair key(std::string(policy.rule_name(rule)), place);
            const bool room = counts.size() < max_retired || counts.contains(key);
            counts[room ? key : std::pair(std::string("{retired}"), Place::field)] += number;
        }
}

void RecordRedactor::adopt(std::unique_ptr<RecordRedactor> prepared) {
    const std::lock_guard lock(adopting_);
    add_current(retired_);
    redactors_.swap(prepared->redactors_);
}

std::vector<RecordRedactor::RuleCount> RecordRedactor::counts() const {
    const std::lock_guard lock(adopting_);
    auto all = retired_;
    add_current(all);
    std::vector<RuleCount> out;
    for (const auto& [key, number] : all) out.push_back({key.first, key.second, number});
    return out;
}

std::uint64_t RecordRedactor::count(std::size_t rule, Place place) const {
    std::uint64_t sum = 0;
    for (const auto& entry : redactors_) sum += entry.redactor->count(rule, place);
    return sum;
}

}  // namespace sonde
