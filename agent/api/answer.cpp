#include "agent/api/answer.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sonde {
namespace {

// Length of the valid UTF-8 sequence at the front; 0: none (Unicode 15, table 3-7).
std::size_t sequence_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
    const auto lead = byte(0);
    if (lead < 0x80) return 1;
    const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.size() < length) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xc0) != 0x80) return 0;
    if ((lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xed && byte(1) > 0x9f)) return 0;
    if ((lead == 0xf0 && byte(1) < 0x90) || (lead == 0xf4 && byte(1) > 0x8f)) return 0;
    return length;
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size());
    while (!bytes.empty()) {
        const auto length = sequence_length(bytes);
        if (length == 0)
            out += "\xef\xbf\xbd";
        else
            out += bytes.substr(0, length);
        bytes.remove_prefix(std::max<std::size_t>(1, length));
    }
    return out;
}

boost::json::value json_number(double value) {
    if (!std::isfinite(value)) return nullptr;
    constexpr double exact = 9007199254740992;  // 2^53
    if (value == std::floor(value) && value >= -exact && value <= exact) return static_cast<std::int64_t>(value);
    return value;
}

Response json_text(std::string text, int status) {
    text += '\n';
    return {status, "application/json", std::move(text), {}};
}

Response json_answer(const boost::json::value& value, int status) {
    return json_text(boost::json::serialize(value), status);
}

Response bad_request(std::string why) { return json_answer({{"error", valid_utf8(why)}}, 400); }

Parameters::Parameters(const Request& request, std::initializer_list<std::string_view> known) : request_(request) {
    for (const auto& [name, value] : request.query.all())
        if (std::find(known.begin(), known.end(), name) == known.end()) {
            std::string names;
            for (const auto one : known) names += (names.empty() ? "" : ", ") + std::string(one);
            refuse("there is no parameter '" + name.substr(0, 40) + "' here; there are: " + names);
        }
}

void Parameters::refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
}

std::optional<std::string_view> Parameters::text(std::string_view name) { return request_.query.get(name); }

std::uint64_t Parameters::number(std::string_view name, std::uint64_t otherwise, std::uint64_t least,
                                 std::uint64_t most) {
    const auto given = request_.query.get(name);
    if (!given) return otherwise;
    std::uint64_t value = 0;
    const auto* end = given->data() + given->size();
    const auto [stopped, error] = std::from_chars(given->data(), end, value);
    if (error == std::errc{} && stopped == end && value >= least && value <= most) return value;
    refuse(std::string(name) + " must be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
    return otherwise;
}

std::string_view Parameters::choice(std::string_view name, std::initializer_list<std::string_view> choices) {
    const auto given = request_.query.get(name);
    if (!given) return *choices.begin();
    if (const auto at = std::find(choices.begin(), choices.end(), *given); at != choices.end()) return *at;
    std::string names;
    for (const auto one : choices) names += (names.empty() ? "" : ", ") + std::string(one);
    refuse(std::string(name) + " must be one of " + names);
    return *choices.begin();
}

}  // namespace sonde
