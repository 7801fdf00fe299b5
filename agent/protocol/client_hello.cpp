#include "agent/protocol/client_hello.hpp"

#include <algorithm>
#include <optional>

namespace sonde {
namespace {

constexpr std::uint8_t content_type_handshake = 22;
constexpr std::uint8_t client_hello_type = 1;
constexpr std::size_t record_header_bytes = 5;
constexpr std::size_t record_bytes_max = 16384;  // RFC 8446 §5.1
constexpr std::size_t message_bytes_max = 16384;
constexpr std::size_t random_bytes = 32;

// Extension numbers of the IANA registry "TLS ExtensionType Values".
constexpr std::uint16_t extension_server_name = 0;
constexpr std::uint16_t extension_alpn = 16;
constexpr std::uint16_t extension_supported_versions = 43;
constexpr std::uint16_t extension_encrypted_hello = 65037;

// Takes integers and vectors off the front. `end` is where the enclosing vector ends by its length; bytes may end
// before that: then the rest has not arrived.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

    [[nodiscard]] bool empty() const { return bytes_.empty(); }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }

    std::optional<std::uint32_t> integer(std::size_t width) {
        if (bytes_.size() < width) return {};
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < width; ++i) value = value << 8 | std::to_integer<std::uint32_t>(bytes_[i]);
        bytes_ = bytes_.subspan(width);
        return value;
    }
    // `length` bytes, or as many as there are.
    std::span<const std::byte> take(std::size_t length) {
        const auto taken = bytes_.first(std::min(length, bytes_.size()));
        bytes_ = bytes_.subspan(taken.size());
        return taken;
    }

private:
    std::span<const std::byte> bytes_;
};

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A name that is shown must be one: anything else is as good as none.
bool is_host_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
               c == '_';
    });
}

bool read_server_name(Reader extension, ClientHello& out) {
    const auto list = extension.integer(2);
    if (!list || *list != extension.size()) return false;
    while (!extension.empty()) {
        const auto type = extension.integer(1);
        const auto length = extension.integer(2);
        if (!type || !length || *length > extension.size()) return false;
        const auto name = text_of(extension.take(*length));
        if (*type == 0 && is_host_name(name)) out.server_name.assign(name);
    }
    return true;
}

bool read_alpn(Reader extension, ClientHello& out) {
    const auto list = extension.integer(2);
    if (!list || *list != extension.size()) return false;
    std::array<char, 128> joined{};
    std::size_t size = 0;
    while (!extension.empty()) {
        const auto length = extension.integer(1);
        if (!length || *length == 0 || *length > extension.size()) return false;
        const auto name = text_of(extension.take(*length));
        // GREASE (RFC 8701) and anything else that is no text
        const bool text = std::all_of(name.begin(), name.end(), [](char c) { return c > ' ' && c < 0x7f && c != ','; });
        if (!text || size + name.size() + 1 > joined.size()) continue;
        if (size > 0) joined[size++] = ',';
        std::copy(name.begin(), name.end(), joined.begin() + static_cast<std::ptrdiff_t>(size));
        size += name.size();
    }
    out.alpn.assign({joined.data(), size});
    return true;
}

bool read_versions(Reader extension, ClientHello& out) {
    const auto list = extension.integer(1);
    if (!list || *list != extension.size() || *list % 2 != 0) return false;
    while (!extension.empty()) {
        const auto version = extension.integer(2).value_or(0);
        // GREASE values are 0x?a?a
        if ((version & 0xff00) == 0x0300) out.version = std::max(out.version, static_cast<std::uint16_t>(version));
    }
    return true;
}

// One after the other, until the message or the bytes end.
ParseState read_extensions(Reader& message, std::size_t missing, ClientHello& out) {
    const auto total = message.integer(2);
    if (!total) return missing > 0 ? ParseState::need_more : ParseState::invalid;
    if (*total != message.size() + missing) return ParseState::invalid;
    while (!message.empty()) {
        const auto type = message.integer(2);
        const auto length = message.integer(2);
        if (!type || !length) return missing > 0 ? ParseState::need_more : ParseState::invalid;
        if (*length > message.size() + missing) return ParseState::invalid;
        if (*length > message.size()) return ParseState::need_more;
        const Reader body(message.take(*length));
        bool good = true;
        if (*type == extension_server_name) good = read_server_name(body, out);
        if (*type == extension_alpn) good = read_alpn(body, out);
        if (*type == extension_supported_versions) good = read_versions(body, out);
        if (*type == extension_encrypted_hello) out.encrypted_hello = true;
        if (!good) return ParseState::invalid;
    }
    return missing > 0 ? ParseState::need_more : ParseState::done;
}

// A vector with its length in front; false: the bytes end inside it.
bool skip_vector(Reader& message, std::size_t width) {
    const auto length = message.integer(width);
    return length && message.take(*length).size() == *length;
}

// missing: bytes of the message that have not arrived.
ParseState read_message(Reader message, std::size_t missing, ClientHello& out) {
    const auto short_of = missing > 0 ? ParseState::need_more : ParseState::invalid;
    const auto version = message.integer(2);
    if (!version) return short_of;
    if ((*version & 0xff00) != 0x0300) return ParseState::invalid;
    out.version = static_cast<std::uint16_t>(*version);
    if (message.take(random_bytes).size() < random_bytes) return short_of;
    if (!skip_vector(message, 1)) return short_of;                 // legacy_session_id
    if (!skip_vector(message, 2)) return short_of;                 // cipher_suites
    if (!skip_vector(message, 1)) return short_of;                 // legacy_compression_methods
    if (message.empty() && missing == 0) return ParseState::done;  // before RFC 3546 there were no extensions
    return read_extensions(message, missing, out);
}

}  // namespace

ClientHello parse_client_hello(std::span<const std::byte> bytes) {
    ClientHello out;
    // the message without the record headers in between
    std::array<std::byte, message_bytes_max> joined;
    std::size_t size = 0;
    std::optional<std::size_t> wanted;
    Reader records(bytes);
    while (!wanted || size < *wanted) {
        const bool whole_header = records.size() >= record_header_bytes;
        const auto type = records.integer(1);
        if (type && *type != content_type_handshake) out.state = ParseState::invalid;
        if (out.state == ParseState::invalid) return out;
        if (!whole_header) break;
        const auto version = records.integer(2).value_or(0);
        const auto length = records.integer(2).value_or(0);
        if (version >> 8 != 3 || length == 0 || length > record_bytes_max) {
            out.state = ParseState::invalid;
            return out;
        }
        const auto fragment = records.take(length);
        const auto room = std::min(fragment.size(), joined.size() - size);
        std::copy_n(fragment.begin(), room, joined.begin() + static_cast<std::ptrdiff_t>(size));
        size += room;
        if (!wanted && size >= 4) {
            if (std::to_integer<std::uint8_t>(joined[0]) != client_hello_type) {
                out.state = ParseState::invalid;
                return out;
            }
            Reader head(std::span<const std::byte>(joined).subspan(1, 3));
            wanted = 4 + head.integer(3).value_or(0);
        }
        if (fragment.size() < length || size == joined.size()) break;
    }
    if (!wanted) return out;
    const auto have = std::min(size, *wanted);
    out.state = read_message(Reader(std::span<const std::byte>(joined).subspan(4, have - 4)), *wanted - have, out);
    return out;
}

std::string_view tls_version_name(std::uint16_t version) {
    constexpr std::array<std::string_view, 5> names{"ssl3", "1.0", "1.1", "1.2", "1.3"};
    const auto minor = static_cast<std::size_t>(version & 0xff);
    return version >> 8 == 3 && minor < names.size() ? names[minor] : "unknown";
}

}  // namespace sonde
