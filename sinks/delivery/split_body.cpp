#include "sinks/delivery/split_body.hpp"

#include <snappy.h>

#include <algorithm>
#include <protozero/pbf_reader.hpp>
#include <protozero/pbf_writer.hpp>

namespace sonde {
namespace {

// Which records of a body are copied: those with numbers of [begin, end).
struct Kept {
    std::uint32_t begin = 0;
    std::uint32_t end = UINT32_MAX;
    std::uint32_t seen = 0;  // so far
};

using ProtobufPath = std::vector<std::uint32_t>;

bool is_on_path(std::uint32_t fields, std::uint32_t tag) { return tag < 32 && (fields >> tag & 1U) != 0; }

void copy_field(protozero::pbf_reader& in, std::string& out) {
    protozero::pbf_writer writer(out);
    const auto tag = in.tag();  // good until the value is read
    if (in.wire_type() == protozero::pbf_wire_type::varint) {
        writer.add_uint64(tag, in.get_uint64());
    } else if (in.wire_type() == protozero::pbf_wire_type::fixed64) {
        writer.add_fixed64(tag, in.get_fixed64());
    } else if (in.wire_type() == protozero::pbf_wire_type::fixed32) {
        writer.add_fixed32(tag, in.get_fixed32());
    } else {
        const auto view = in.get_view();
        writer.add_bytes(tag, view.data(), view.size());
    }
}

// What is kept of a message at `level`; its records are counted in `kept`. Messages on the way that keep no record are
// left out.
std::string kept_of_protobuf(std::string_view message, const ProtobufPath& path, std::size_t level, Kept& kept,
                             bool& has_records) {
    std::string out;
    protozero::pbf_reader in(message.data(), message.size());
    while (in.next()) {
        if (!is_on_path(path[level], in.tag()) || in.wire_type() != protozero::pbf_wire_type::length_delimited) {
            copy_field(in, out);
            continue;
        }
        const auto tag = in.tag();
        const auto view = in.get_view();
        bool inner_has_records = false;
        std::string inner;
        if (level + 1 < path.size()) {
            inner = kept_of_protobuf({view.data(), view.size()}, path, level + 1, kept, inner_has_records);
        } else {
            const auto number = kept.seen++;
            inner_has_records = number >= kept.begin && number < kept.end;
            if (inner_has_records) inner.assign(view.data(), view.size());
        }
        if (!inner_has_records) continue;
        has_records = true;
        protozero::pbf_writer(out).add_bytes(tag, inner);
    }
    return out;
}

// Walks over JSON text and copies it, but for records that are not kept. No parser's values: numbers stay as they are
// spelled.
class JsonCopy {
public:
    using Path = std::vector<std::vector<std::string_view>>;
    JsonCopy(std::string_view text, const Path& path, Kept& kept) : text_(text), path_(path), kept_(kept) {}

    // False: that is no such body.
    bool run(std::string& out) {
        bool has_records = false;
        return value(0, out, has_records) && at_ == text_.size();
    }

private:
    // The value at at_, of which the members in path_[level] lead to the records.
    bool value(std::size_t level, std::string& out, bool& has_records) {
        if (at_ >= text_.size()) return false;
        if (text_[at_] == '[') return list(level, out, has_records);
        return text_[at_] == '{' && level < path_.size() && object(level, out, has_records);
    }

    bool list(std::size_t level, std::string& out, bool& has_records) {
        const bool of_records = level == path_.size();
        out += '[';
        bool first = true;
        for (++at_; at_ < text_.size() && text_[at_] != ']';) {
            if (text_[at_] == ',') ++at_;
            std::string item;
            bool keep = false;
            if (of_records) {
                const auto number = kept_.seen++;
                keep = number >= kept_.begin && number < kept_.end;
                if (!skip(item)) return false;
            } else if (!object(level, item, keep)) {
                return false;
            }
            if (!keep) continue;
            has_records = true;
            if (!first) out += ',';
            first = false;
            out += item;
        }
        return close(']', out);
    }

    bool object(std::size_t level, std::string& out, bool& has_records) {
        if (at_ >= text_.size() || text_[at_] != '{') return false;
        out += '{';
        ++at_;
        while (at_ < text_.size() && text_[at_] != '}') {
            if (text_[at_] == ',') out += text_[at_++];
            std::string quoted;
            if (at_ >= text_.size() || text_[at_] != '"' || !skip(quoted)) return false;
            out += quoted;
            if (at_ >= text_.size() || text_[at_] != ':') return false;
            out += text_[at_++];
            const auto name = std::string_view(quoted).substr(1, quoted.size() - 2);
            const auto& wanted = path_[level];
            const bool leads = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
            if (leads ? !value(level + 1, out, has_records) : !skip(out)) return false;
        }
        return close('}', out);
    }

    bool close(char bracket, std::string& out) {
        if (at_ >= text_.size() || text_[at_] != bracket) return false;
        out += text_[at_++];
        return true;
    }

    // Copies one value of any kind, up to the comma, colon or bracket behind it.
    bool skip(std::string& out) {
        const auto begin = at_;
        int depth = 0;
        bool in_string = false;
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (in_string) {
                if (c == '\\') ++at_;
                if (c == '"') in_string = false;
            } else if (depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}')) {
                break;
            } else if (c == '"') {
                in_string = true;
            } else if (c == '[' || c == '{') {
                ++depth;
            } else if (c == ']' || c == '}') {
                --depth;
            }
        }
        at_ = std::min(at_, text_.size());
        out += text_.substr(begin, at_ - begin);
        return at_ > begin && depth == 0 && !in_string;
    }

    const std::string_view text_;
    const Path& path_;
    Kept& kept_;
    std::size_t at_ = 0;
};

// copy(kept): the body with what is kept of it; nullopt: it cannot be read.
template <typename Copy>
std::optional<BodyHalves> halves(Copy copy) {
    Kept none{.begin = 0, .end = 0};
    if (!copy(none) || none.seen < 2) return std::nullopt;
    const auto half = none.seen / 2;
    Kept first{.begin = 0, .end = half}, second{.begin = half};
    auto front = copy(first), back = copy(second);
    if (!front || !back) return std::nullopt;
    return BodyHalves{{std::move(*front), half}, {std::move(*back), none.seen - half}};
}

}  // namespace

std::optional<BodyHalves> split_protobuf(std::string_view body, const ProtobufPath& path) {
    return halves([&](Kept& kept) -> std::optional<std::string> {
        try {  // protozero tells about bytes that are no message by an exception; it stays here
            bool has_records = false;
            return kept_of_protobuf(body, path, 0, kept, has_records);
        } catch (const protozero::exception&) {
            return std::nullopt;
        }
    });
}

std::optional<BodyHalves> split_json(std::string_view body, const std::vector<std::vector<std::string_view>>& path) {
    return halves([&](Kept& kept) -> std::optional<std::string> {
        std::string out;
        if (!JsonCopy(body, path, kept).run(out)) return std::nullopt;
        return out;
    });
}

std::optional<BodyHalves> split_lines(std::string_view body) {
    return halves([&](Kept& kept) -> std::optional<std::string> {
        std::string out;
        for (auto rest = body; !rest.empty();) {
            const auto line = rest.substr(0, std::min(rest.find('\n'), rest.size() - 1) + 1);
            rest.remove_prefix(line.size());
            const auto number = kept.seen++;
            if (number >= kept.begin && number < kept.end) out += line;
        }
        return out;
    });
}

std::optional<BodyHalves> split_snappy(std::string_view body, const SplitBody& split) {
    std::string plain;
    if (!snappy::Uncompress(body.data(), body.size(), &plain)) return std::nullopt;
    auto parts = split(plain);
    if (!parts) return std::nullopt;
    for (auto* part : {&parts->first, &parts->second}) {
        std::string packed;
        snappy::Compress(part->body.data(), part->body.size(), &packed);
        part->body = std::move(packed);
    }
    return parts;
}

}  // namespace sonde
