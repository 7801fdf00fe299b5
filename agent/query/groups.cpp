#include "agent/query/groups.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace sonde {

Result<std::vector<GroupBy>> parse_group_by(std::string_view text) {
    std::vector<GroupBy> out;
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto one = text.substr(0, comma);
        text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
        const auto* at = std::find(group_by_names.begin(), group_by_names.end(), one);
        if (at == group_by_names.end()) {
            std::string names;
            for (const auto name : group_by_names) names += (names.empty() ? "" : ", ") + std::string(name);
            return fail("cannot group by '" + std::string(one) + "'", "choose from " + names, ErrorKind::usage);
        }
        out.push_back(static_cast<GroupBy>(at - group_by_names.begin()));
    }
    return out;
}

std::size_t WeightedDurations::index(std::uint64_t duration_ns) {
    const auto octave = static_cast<unsigned>(std::bit_width(duration_ns | 1)) - 1;
    if (octave < first_octave) return 0;
    if (octave > last_octave) return buckets - 1;
    const auto sub = (duration_ns >> (octave - sub_bits)) & ((1U << sub_bits) - 1);
    return 1 + ((octave - first_octave) << sub_bits) + sub;
}

std::uint64_t WeightedDurations::lower_ns(std::size_t bucket) {
    if (bucket == 0) return 0;
    const auto octave = first_octave + ((bucket - 1) >> sub_bits);
    return ((std::uint64_t{1} << sub_bits) + ((bucket - 1) & ((1U << sub_bits) - 1))) << (octave - sub_bits);
}

void WeightedDurations::add(std::uint64_t duration_ns, double weight) {
    weights_[index(duration_ns)] += weight;
    total_ += weight;
    max_ns_ = std::max(max_ns_, duration_ns);
}

std::uint64_t WeightedDurations::quantile_ns(double q) const {
    if (total_ <= 0) return 0;
    // a weight's worth of rounding must not push the rank past its bucket
    const double rank = std::clamp(q, 0.0, 1.0) * total_ * (1 - 1e-12);
    double below = 0;
    for (std::size_t bucket = 0; bucket + 1 < buckets; ++bucket) {
        below += weights_[bucket];
        if (weights_[bucket] <= 0 || below < rank) continue;
        return std::min(max_ns_, lower_ns(bucket) + (lower_ns(bucket + 1) - lower_ns(bucket)) / 2);
    }
    return max_ns_;
}

Groups::Groups(std::vector<GroupBy> by, std::size_t max_groups) : by_(std::move(by)), max_groups_(max_groups) {}

void Groups::append_name(std::string& key, GroupBy by, const EventFields& fields) {
    const auto text = [&key](std::string_view value) { key += value.empty() ? std::string_view("-") : value; };
    switch (by) {
        case GroupBy::service:
            return text(fields.service);
        case GroupBy::route:
            return text(fields.route);
        case GroupBy::method:
            return text(fields.method);
        case GroupBy::side:
            return text(fields.side);
        case GroupBy::outcome:
            return text(fields.outcome);
        case GroupBy::path:
            return text(fields.path);
        case GroupBy::minute:
            return text(fields.time.substr(0, 16));
        case GroupBy::hour:
            return text(fields.time.substr(0, 13));
        case GroupBy::day:
            return text(fields.time.substr(0, 10));
        case GroupBy::status:
            return text(fields.status == 0 ? "" : std::to_string(fields.status));
    }
}

void Groups::add(const EventFields& fields) {
    key_.clear();
    for (const auto by : by_) {
        append_name(key_, by, fields);
        key_ += '\0';
    }
    auto at = groups_.find(key_);
    Group* group = at != groups_.end() ? at->second.get() : nullptr;
    if (group == nullptr) {
        auto made = groups_.size() < max_groups_ ? std::make_unique<Group>() : nullptr;
        if (made == nullptr) {
            if (!other_) {
                other_ = std::make_unique<Group>();
                other_->names.assign(by_.size(), "{other}");
            }
            group = other_.get();
        } else {
            for (const auto by : by_) append_name(made->names.emplace_back(), by, fields);
            group = groups_.emplace(key_, std::move(made)).first->second.get();
        }
    }
    ++group->lines;
    group->count += fields.weight;
    if (fields.outcome == "error" || fields.status >= 500) group->errors += fields.weight;
    group->duration_ns += fields.weight * static_cast<double>(fields.duration_ns);
    if (fields.has_duration) group->durations.add(fields.duration_ns, fields.weight);
}

std::vector<const Group*> Groups::sorted(std::string_view sort) const {
    std::vector<const Group*> out;
    for (const auto& [key, group] : groups_) out.push_back(group.get());
    const auto value = [sort](const Group& group) {
        if (sort == "errors") return group.errors;
        if (sort == "p50") return static_cast<double>(group.durations.quantile_ns(0.5));
        if (sort == "p95") return static_cast<double>(group.durations.quantile_ns(0.95));
        if (sort == "p99") return static_cast<double>(group.durations.quantile_ns(0.99));
        if (sort == "max") return static_cast<double>(group.durations.max_ns());
        return sort == "name" ? 0.0 : group.count;
    };
    const bool by_time = !by_.empty() && by_.front() >= GroupBy::minute && sort.empty();
    std::sort(out.begin(), out.end(), [&](const Group* a, const Group* b) {
        if (!by_time) {
            const auto x = value(*a), y = value(*b);
            if (x != y) return x > y;
        }
        return a->names < b->names;
    });
    if (other_) out.push_back(other_.get());
    return out;
}

}  // namespace sonde
