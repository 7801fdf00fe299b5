#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "agent/http/server.hpp"

namespace sonde {

// Any bytes as valid UTF-8, as JSON wants it: what is not becomes U+FFFD.
std::string valid_utf8(std::string_view bytes);

// A whole number without exponent and point; infinite or not a number: null, as JSON has neither.
boost::json::value json_number(double value);

Response json_answer(const boost::json::value& value, int status = 200);
// text: JSON.
Response json_text(std::string text, int status = 200);
Response bad_request(std::string why);

// Reads a request's parameters, strictly: one that is unknown or out of range is an error that names it, not something
// to be passed over in silence.
class Parameters {
public:
    Parameters(const Request& request, std::initializer_list<std::string_view> known);

    // nothing: not given
    std::optional<std::string_view> text(std::string_view name);
    std::uint64_t number(std::string_view name, std::uint64_t otherwise, std::uint64_t least, std::uint64_t most);
    // One of `choices`; otherwise the first.
    std::string_view choice(std::string_view name, std::initializer_list<std::string_view> choices);

    // Empty: all is well.
    [[nodiscard]] const std::string& error() const { return error_; }

private:
    void refuse(std::string why);

    const Request& request_;
    std::string error_;
};

}  // namespace sonde
