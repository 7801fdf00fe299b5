#include "agent/log/tail_checkpoint.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <optional>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::string_view magic = "sonde tail checkpoint 1";
constexpr std::size_t bytes_max = 64 * 1024 * 1024;

void append_number(std::string& out, std::uint64_t value) {
    std::array<char, 20> digits;
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    out.append(digits.data(), end);
}

// Paths may hold anything but NUL: what would break a line is written as %xx.
void append_path(std::string& out, std::string_view path) {
    constexpr std::string_view hex = "0123456789abcdef";
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte > ' ' && byte != '%' && byte != 0x7f) {
            out += c;
        } else {
            out += '%';
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
}

std::optional<std::string> path_of(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            out += text[i];
            continue;
        }
        unsigned byte = 0;
        if (i + 2 >= text.size()) return {};
        const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
        if (error != std::errc{} || end != text.data() + i + 3 || byte == 0) return {};
        out += static_cast<char>(byte);
        i += 2;
    }
    return out;
}

std::uint64_t checksum(std::string_view text) {
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    return hash;
}

// Fields divided by one space each.
class Fields {
public:
    explicit Fields(std::string_view line) : rest_(line) {}
    bool number(std::uint64_t& out) {
        const auto word = next();
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
        return !word.empty() && error == std::errc{} && end == word.data() + word.size();
    }
    bool path(std::string& out) {
        auto value = path_of(next());
        return value && (out = std::move(*value), true);
    }
    [[nodiscard]] bool at_end() const { return rest_.empty(); }

private:
    std::string_view next() {
        const auto word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(std::min(word.size() + 1, rest_.size()));
        return word;
    }
    std::string_view rest_;
};

bool parse_file(std::string_view line, FileCheckpoint& out) {
    Fields fields(line);
    std::uint64_t size = 0;
    if (!fields.number(out.id.device) || !fields.number(out.id.inode) || !fields.number(size) ||
        !fields.number(out.fingerprint.hash) || !fields.number(out.offset) || !fields.number(out.order) ||
        !fields.path(out.family) || !fields.path(out.path) || !fields.at_end())
        return false;
    out.fingerprint.size = static_cast<std::uint32_t>(size);
    return size <= Fingerprint::size_max;
}

Error broken() { return fail("the tail checkpoint is broken", "remove it: files are then read as at a first start"); }

Error cannot(std::string_view what, const std::string& path) {
    return fail("cannot " + std::string(what) + ' ' + path + ": " + std::strerror(errno));
}

}  // namespace

std::string to_text(const TailCheckpoint& checkpoint) {
    std::string out(magic);
    out += '\n';
    append_number(out, checkpoint.scanned_ns);
    out += '\n';
    for (const auto& file : checkpoint.files) {
        for (const auto value : {file.id.device, file.id.inode, std::uint64_t{file.fingerprint.size},
                                 file.fingerprint.hash, file.offset, file.order}) {
            append_number(out, value);
            out += ' ';
        }
        append_path(out, file.family);
        out += ' ';
        append_path(out, file.path);
        out += '\n';
    }
    const auto sum = checksum(out);
    out += "end ";
    append_number(out, sum);
    out += '\n';
    return out;
}

Result<TailCheckpoint> parse_checkpoint(std::string_view text) {
    TailCheckpoint checkpoint;
    const auto end_line = text.rfind("end ");
    if (!text.ends_with('\n') || end_line == std::string_view::npos) return broken();
    std::uint64_t sum = 0;
    Fields end_fields(text.substr(end_line + 4, text.size() - end_line - 5));
    if (!end_fields.number(sum) || sum != checksum(text.substr(0, end_line))) return broken();
    text = text.substr(0, end_line);
    for (std::size_t number = 0; !text.empty(); ++number) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        if (number == 0 && line != magic) return broken();
        if (number == 1 && !Fields(line).number(checkpoint.scanned_ns)) return broken();
        if (number > 1 && !parse_file(line, checkpoint.files.emplace_back())) return broken();
    }
    return checkpoint;
}

Status write_checkpoint(const std::string& path, const TailCheckpoint& checkpoint) {
    const auto text = to_text(checkpoint);
    const auto beside = path + ".new";
    const UniqueFd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!file) return cannot("write", beside);
    for (std::string_view rest = text; !rest.empty();) {
        const auto written = ::write(file.get(), rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return cannot("write", beside);
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fdatasync(file.get()) != 0) return cannot("sync", beside);
    if (::rename(beside.c_str(), path.c_str()) != 0) return cannot("rename to", path);
    return done();
}

Result<TailCheckpoint> read_checkpoint(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) {
        if (errno == ENOENT) return TailCheckpoint{};
        return cannot("open", path);
    }
    std::string text;
    std::array<char, 65536> buffer;
    while (text.size() < bytes_max) {
        const auto got = ::read(file.get(), buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return cannot("read", path);
        if (got == 0) break;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    auto checkpoint = parse_checkpoint(text);
    if (!checkpoint) return fail(path + ": " + checkpoint.error().what, checkpoint.error().hint);
    return checkpoint;
}

}  // namespace sonde
