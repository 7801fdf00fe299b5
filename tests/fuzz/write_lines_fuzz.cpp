// Bytes of write calls, cut anywhere, by several threads: records never hold more than was written, and end.
#include <algorithm>
#include <cstdlib>

#include "agent/correlate/write_lines.hpp"
#include "agent/log/line_parser.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sonde;
    std::size_t written = 0, emitted = 0;
    LineParser parser;
    LogRecord record;
    WriteLines lines({.record_bytes = 512, .max_writers = 3}, [&](const WrittenRecord& r) {
        if (r.text.empty() || r.length > 512) std::abort();
        emitted += r.length;
        parser.parse(r.text, 1, record);
    });
    // each write: one byte for thread and cut, one for its length, then its bytes
    std::uint64_t now_ns = 1;
    while (size > 2) {
        const std::size_t length = std::min<std::size_t>(data[1], size - 2);
        LogWrite write;
        write.time_ns = now_ns += std::uint64_t{data[0]} * 1'000'000;
        write.pid = 1;
        write.tid = 1 + data[0] % 5;
        write.fd = 2;
        write.bytes = {reinterpret_cast<const char*>(data + 2), length};
        write.length = static_cast<std::uint32_t>(length + (data[0] >= 0xf0 ? 7 : 0));
        written += length;
        if (length > 0) lines.on(write);
        if (data[0] % 16 == 3) lines.tick(now_ns);
        data += 2 + length;
        size -= 2 + length;
    }
    lines.finish();
    if (emitted > written) std::abort();
    return 0;
}
