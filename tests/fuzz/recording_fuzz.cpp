#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "agent/base/unique_fd.hpp"
#include "agent/source/replay_source.hpp"

namespace {

struct Count final : sonde::RecordHandler {
    void on_record(std::span<const std::byte> record) override {
        if (record.empty() || record.size() > sonde::recording_record_max) std::abort();
        ++records;
    }
    std::size_t records = 0;
};

void replay(const std::string& bytes) {
    const sonde::UniqueFd file(::memfd_create("recording", MFD_CLOEXEC));
    if (::write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
    auto source = sonde::ReplaySource::open("/proc/self/fd/" + std::to_string(file.get()));
    if (!source) return;
    Count count;
    while (!(*source)->finished())
        if (auto polled = (*source)->poll(count, 0); !polled && !(*source)->finished()) std::abort();
    if (count.records * sizeof(sonde::RecordingFrame) > bytes.size()) std::abort();
    (void)(*source)->losses();
}

// Right checksums, so that the fuzzer gets to what lies behind them.
std::string repaired(std::string bytes) {
    sonde::RecordingHeader header{};
    if (bytes.size() < sizeof header) return bytes;
    std::memcpy(&header, bytes.data(), sizeof header);
    std::memcpy(header.magic, sonde::recording_magic, sizeof header.magic);
    header.version = sonde::recording_version;
    header.abi_version = SONDE_ABI_VERSION;
    header.crc = sonde::recording_header_crc(header);
    std::memcpy(bytes.data(), &header, sizeof header);
    std::size_t at = sizeof header;
    while (bytes.size() - at >= sizeof(sonde::RecordingFrame)) {
        sonde::RecordingFrame frame{};
        std::memcpy(&frame, bytes.data() + at, sizeof frame);
        const std::size_t body =
            frame.length == 0 ? sizeof(sonde::RecordingTrailer) : frame.length + sonde::recording_padding(frame.length);
        if (body > bytes.size() - at - sizeof frame) break;
        frame.crc = sonde::recording_frame_crc(frame.length, std::span(bytes).subspan(at + sizeof frame, body));
        std::memcpy(bytes.data() + at, &frame, sizeof frame);
        at += sizeof frame + body;
    }
    return bytes;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    replay(bytes);
    replay(repaired(bytes));
    return 0;
}
