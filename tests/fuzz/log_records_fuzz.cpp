// Lines to records: nothing is lost, doubled or reordered, whatever the rules of multi-line records join and however
// often the handler refuses.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "agent/log/record_assembler.hpp"

namespace {

struct Collected : sonde::RecordTextHandler {
    std::string text;
    std::uint64_t end = 0;
    unsigned refuse_bits = 0;
    unsigned calls = 0;
    bool on_text(const sonde::LogFileLine& record) override {
        if ((refuse_bits >> (calls++ % 8)) & 1U) return false;
        if (record.begin < end || record.end <= record.begin) std::abort();
        end = record.end;
        text.append(record.text);
        text += '\n';
        return true;
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    Collected collected;
    collected.refuse_bits = data[0] & 0x7fU;  // the eighth call is taken
    sonde::RecordAssembler assembler({.multiline = (data[1] & 1U) != 0, .record_bytes_max = 1U << 20});
    const std::string_view text(reinterpret_cast<const char*>(data + 2), size - 2);
    std::string expected;
    for (std::size_t at = 0; at < text.size();) {
        const auto newline = text.find('\n', at);
        const auto end = newline == std::string_view::npos ? text.size() : newline;
        const sonde::LogFileLine line{.text = text.substr(at, end - at), .begin = at, .end = end + 1};
        while (!assembler.feed(line, collected)) continue;
        expected.append(line.text);
        expected += '\n';
        if (assembler.holds() && assembler.held_begin() < collected.end) std::abort();
        at = end + 1;
    }
    while (!assembler.flush(collected)) continue;
    if (assembler.holds() || collected.text != expected) std::abort();
    return 0;
}
