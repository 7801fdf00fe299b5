#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sonde {

// The part of a request's target behind the '?', decoded (application/x-www-form-urlencoded, WHATWG URL §5.1).
class Query {
public:
    static constexpr std::size_t max_parameters = 32;

    // Nothing: a '%' without two hexadecimal digits, or more than max_parameters.
    static std::optional<Query> parse(std::string_view text);

    // Of a name that comes twice the last value counts.
    [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& all() const { return parameters_; }

private:
    std::vector<std::pair<std::string, std::string>> parameters_;
};

// Without percent-encoding (RFC 3986 §2.1). Nothing: a '%' without two hexadecimal digits.
std::optional<std::string> decode_path(std::string_view path);

struct Request {
    std::string method;  // GET or HEAD; of a write: POST or DELETE
    std::string path;    // decoded, without the query
    std::string tail;    // what stands behind the path of a prefix route
    std::string target;  // as it came: path and query
    Query query;
    std::string accept, accept_encoding, if_none_match;  // the headers of these names; empty: there was none
    std::string body;                                    // of a POST: JSON, at most max_body bytes
    static constexpr std::size_t max_body = 64 * 1024;
};

}  // namespace sonde
