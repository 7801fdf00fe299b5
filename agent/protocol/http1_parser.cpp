#include "agent/protocol/http1_parser.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/base/ascii.hpp"

namespace sonde {
namespace {

// A request line of this many bytes without an end is not one.
constexpr std::size_t max_method_bytes = 32;

// tchar of RFC 9110 §5.6.2
constexpr auto token_bytes = [] {
    std::array<bool, 256> table{};
    for (unsigned char c = 'a'; c <= 'z'; ++c) table[c] = table[c - 'a' + 'A'] = true;
    for (unsigned char c = '0'; c <= '9'; ++c) table[c] = true;
    for (const unsigned char c : std::string_view("!#$%&'*+-.^_`|~")) table[c] = true;
    return table;
}();

bool is_token_byte(char c) { return token_bytes[static_cast<unsigned char>(c)]; }

std::size_t token_size(std::string_view text) {
    std::size_t size = 0;
    while (size < text.size() && is_token_byte(text[size])) ++size;
    return size;
}

bool is_token(std::string_view text) { return !text.empty() && token_size(text) == text.size(); }

// Takes lines off the input; both CRLF and a bare LF end one (RFC 9112 §2.2).
class Lines {
public:
    explicit Lines(std::span<const char> bytes) : text_(bytes.data(), bytes.size()) {}

    bool next(std::string_view& line) {
        const auto* end = at_ < text_.size()
                              ? static_cast<const char*>(std::memchr(text_.data() + at_, '\n', text_.size() - at_))
                              : nullptr;
        if (end == nullptr) return false;
        const auto length = static_cast<std::size_t>(end - text_.data()) - at_;
        line = text_.substr(at_, length);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        at_ += length + 1;
        return true;
    }
    [[nodiscard]] std::string_view rest() const { return text_.substr(at_); }
    [[nodiscard]] std::size_t consumed() const { return at_; }

private:
    std::string_view text_;
    std::size_t at_ = 0;
};

template <typename Visit>
void for_each_element(std::string_view list, Visit visit) {
    while (!list.empty()) {
        const auto comma = list.find(',');
        visit(trim_spaces(list.substr(0, comma)));
        if (comma == std::string_view::npos) return;
        list.remove_prefix(comma + 1);
    }
}

void take_content_length(Framing& framing, std::string_view value) {
    for_each_element(value, [&](std::string_view element) {
        std::uint64_t number = 0;
        bool good = !element.empty() && element.size() <= 19;  // 19 digits fit into 64 bits
        for (const char c : element) {
            good = good && c >= '0' && c <= '9';
            number = number * 10 + static_cast<std::uint64_t>(good ? c - '0' : 0);
        }
        if (!good || (framing.content_length && *framing.content_length != number)) {
            framing.invalid = true;
            return;
        }
        framing.content_length = number;
    });
}

void take_transfer_encoding(Framing& framing, std::string_view value) {
    framing.transfer_encoding = true;
    for_each_element(value, [&](std::string_view element) {
        if (element.empty()) return;
        const auto coding = trim_spaces(element.substr(0, element.find(';')));
        framing.chunked = equals_ignoring_case(coding, "chunked");  // what counts is the last one
    });
}

void take_connection(Framing& framing, std::string_view value) {
    for_each_element(value, [&](std::string_view option) {
        if (equals_ignoring_case(option, "close")) framing.connection_close = true;
        if (equals_ignoring_case(option, "keep-alive")) framing.keep_alive = true;
    });
}

// True when the header was one that frames the message.
bool take_framing_header(Framing& framing, std::string_view name, std::string_view value) {
    if (equals_ignoring_case(name, "content-length")) return take_content_length(framing, value), true;
    if (equals_ignoring_case(name, "transfer-encoding")) return take_transfer_encoding(framing, value), true;
    if (equals_ignoring_case(name, "connection")) return take_connection(framing, value), true;
    if (equals_ignoring_case(name, "upgrade")) {
        framing.upgrade = true;
        framing.upgrade_h2c = equals_ignoring_case(value, "h2c");
        return true;
    }
    return false;
}

// Header lines up to the empty one. take(name, value) sees each.
template <typename Take>
ParseState parse_headers(Lines& lines, const Http1Limits& limits, Take take) {
    std::string_view line;
    for (std::size_t count = 0; lines.next(line); ++count) {
        if (line.empty()) return ParseState::done;
        if (count >= limits.max_headers) return ParseState::invalid;
        if (line.front() == ' ' || line.front() == '\t') continue;  // obs-fold (§5.2): no framing header is folded
        const auto name = line.substr(0, token_size(line));
        auto value = trim_spaces(line.substr(name.size()));  // there are those who put a space before the colon
        if (name.empty() || !value.starts_with(':')) return ParseState::invalid;
        value.remove_prefix(1);
        take(name, trim_spaces(value));
    }
    return lines.consumed() + lines.rest().size() > limits.max_head_bytes ? ParseState::invalid : ParseState::need_more;
}

// "HTTP/1.x"; anything else is not for this parser.
bool parse_version(std::string_view text, int& minor) {
    if (text.size() != 8 || text.substr(0, 7) != "HTTP/1." || text[7] < '0' || text[7] > '9') return false;
    minor = text[7] - '0';
    return true;
}

// A line that is not complete can still be known to be wrong.
bool may_become_request(std::string_view start) {
    const auto method = start.substr(0, start.find(' '));
    if (method.size() > max_method_bytes) return false;
    return std::all_of(method.begin(), method.end(), [](char c) { return is_token_byte(c) || c == '\r'; });
}

void take_target(RequestHead& head) {
    auto rest = head.target;
    if (head.method == "CONNECT") {
        head.authority = rest;
        return;
    }
    if (!rest.empty() && rest.front() != '/' && rest.front() != '*') {
        const auto scheme = rest.find("://");
        if (scheme != std::string_view::npos) {
            rest.remove_prefix(scheme + 3);
            const auto path = rest.find_first_of("/?#");
            head.authority = rest.substr(0, path);
            rest = path == std::string_view::npos ? std::string_view{} : rest.substr(path);
        }
    }
    // whoever stands before an @ is a user with a password
    if (const auto at = head.authority.rfind('@'); at != std::string_view::npos) head.authority.remove_prefix(at + 1);
    head.path = rest.substr(0, rest.find_first_of("?#"));
    if (head.path.empty()) head.path = "/";
}

bool parse_request_line(RequestHead& head, std::string_view line) {
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return false;
    head.method = line.substr(0, first);
    head.target = trim_spaces(line.substr(first + 1, last - first - 1));
    const auto version = line.substr(last + 1);
    if (head.method == "PRI" && version == "HTTP/2.0") {
        head.is_http2_preface = true;
        return false;
    }
    if (!is_token(head.method) || head.method.size() > max_method_bytes || head.target.empty()) return false;
    if (!parse_version(version, head.minor_version)) return false;
    take_target(head);
    return true;
}

}  // namespace

RequestHead parse_request_head(std::span<const char> bytes, const Http1Limits& limits) {
    RequestHead head;
    head.trace = TraceHeaders(*limits.trace_headers);
    Lines lines(bytes);
    std::string_view line;
    do {  // empty lines before a request are skipped (§2.2)
        if (!lines.next(line)) {
            const auto rest = lines.rest();
            const bool hopeless = rest.size() > limits.max_head_bytes || !may_become_request(rest);
            head.state = hopeless ? ParseState::invalid : ParseState::need_more;
            return head;
        }
    } while (line.empty());
    if (!parse_request_line(head, line)) {
        head.state = ParseState::invalid;
        return head;
    }
    head.state = parse_headers(lines, limits, [&](std::string_view name, std::string_view value) {
        if (take_framing_header(head, name, value)) return;
        if (equals_ignoring_case(name, "host"))
            head.host = value;
        else if (equals_ignoring_case(name, "user-agent"))
            head.user_agent = value;
        else if (equals_ignoring_case(name, "expect"))
            head.expect_continue = equals_ignoring_case(value, "100-continue");
        else if (!head.trace.take(name, value))
            head.forwarded.take(name, value);
    });
    head.consumed = lines.consumed();
    return head;
}

ResponseHead parse_response_head(std::span<const char> bytes, const Http1Limits& limits) {
    ResponseHead head;
    constexpr std::string_view version_start = "HTTP/1.";
    const std::string_view text(bytes.data(), bytes.size());
    const auto known = std::min(text.size(), version_start.size());
    if (text.substr(0, known) != version_start.substr(0, known)) {
        head.state = ParseState::invalid;
        return head;
    }
    Lines lines(bytes);
    std::string_view line;
    if (!lines.next(line)) {
        head.state = text.size() > limits.max_head_bytes ? ParseState::invalid : ParseState::need_more;
        return head;
    }
    // "HTTP/1.1 200[ reason]": some servers leave out the reason and its space
    const bool shape = line.size() >= 12 && line[8] == ' ' && parse_version(line.substr(0, 8), head.minor_version) &&
                       (line.size() == 12 || line[12] == ' ');
    int status = 0;
    for (std::size_t i = 9; shape && i < 12; ++i)
        status = line[i] >= '0' && line[i] <= '9' ? status * 10 + (line[i] - '0') : -10000;
    if (!shape || status < 100) {
        head.state = ParseState::invalid;
        return head;
    }
    head.status = status;
    head.state = parse_headers(lines, limits, [&](std::string_view name, std::string_view value) {
        if (take_framing_header(head, name, value)) return;
        if (equals_ignoring_case(name, "sec-websocket-accept")) head.websocket = true;
    });
    head.consumed = lines.consumed();
    return head;
}

BodyFraming request_framing(const RequestHead& head) {
    if (head.transfer_encoding) return head.chunked ? BodyFraming::chunked : BodyFraming::until_close;
    if (head.content_length && *head.content_length > 0) return BodyFraming::length;
    return BodyFraming::none;
}

BodyFraming response_framing(std::string_view request_method, const ResponseHead& head) {
    if (head.status == 101) return BodyFraming::tunnel;
    if (request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304)
        return BodyFraming::none;
    if (request_method == "CONNECT" && head.status < 300) return BodyFraming::tunnel;
    if (head.transfer_encoding) return head.chunked ? BodyFraming::chunked : BodyFraming::until_close;
    if (head.content_length && !head.invalid) return *head.content_length > 0 ? BodyFraming::length : BodyFraming::none;
    return BodyFraming::until_close;
}

bool ends_with_last_chunk(std::span<const unsigned char, 8> tail, std::uint32_t segment_bytes) {
    constexpr unsigned char last[] = {'\r', '\n', '0', '\r', '\n', '\r', '\n'};
    if (!std::equal(std::begin(last) + 2, std::end(last), tail.end() - 5)) return false;
    // the chunk alone in its segment, or after another one's line end: "10\r\n\r\n" is none
    return segment_bytes == 5 || (tail[1] == '\r' && tail[2] == '\n');
}

}  // namespace sonde
