#include <cstring>

#include "agent/pipeline/pipeline.hpp"
#include "agent/source/synthetic_source.hpp"

// Any bytes as records, through decoder, tracker and metrics. The first two bytes of each piece are its length.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    sonde::HttpMetrics metrics(64);
    sonde::PipelineOptions options;
    options.read_proc = false;
    options.tracker.max_connections = 8;
    sonde::Pipeline pipeline(options, metrics);
    const sonde::SyntheticSource source;
    std::size_t at = 0;
    while (at + 2 <= size) {
        std::uint16_t length = 0;
        std::memcpy(&length, data + at, sizeof length);
        at += 2;
        const auto n = std::min<std::size_t>(length % 2048, size - at);
        if (n == 0) continue;
        std::vector<std::byte> record(n);
        std::memcpy(record.data(), data + at, n);
        // let most pieces pass the first check: the header's size field is right
        if (n >= 4) {
            const auto right = static_cast<std::uint16_t>(n);
            std::memcpy(record.data() + 2, &right, sizeof right);
        }
        pipeline.on_record(record);
        at += n;
    }
    pipeline.tick(source);
    pipeline.finish(source);
    return 0;
}
