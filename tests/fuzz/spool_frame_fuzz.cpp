#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <vector>

#include "sinks/delivery/spool.hpp"
#include "sinks/delivery/spool_frame.hpp"

namespace {

// A directory of this process, in memory where there is such a place.
const std::string& directory() {
    static const std::string path = [] {
        const auto* base = std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
        return std::string(base) + "/sonde_spool_fuzz." + std::to_string(::getpid());
    }();
    return path;
}

void write_file(const std::string& path, const std::uint8_t* data, std::size_t size) {
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (file < 0 || ::write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
    ::close(file);
}

void check(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

// The bytes are a segment that a crash or a bad disk left behind: the spool opens, what it gives out are whole frames
// in their order, what it says to hold adds up, and a batch appended behind it comes out last.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::pair<std::uint32_t, std::size_t>> frames;  // by the parser alone: records, body size
    const auto bytes = std::as_bytes(std::span(data, size));
    for (std::size_t at = 0; at < size;) {
        const auto frame = sonde::parse_spool_frame(bytes.subspan(at));
        if (frame.state == sonde::SpoolFrameState::good)
            frames.emplace_back(frame.header.records, frame.header.body_bytes);
        else if (frame.state != sonde::SpoolFrameState::bad_body)
            break;
        check(frame.size <= size - at);
        at += frame.size;
    }
    std::filesystem::remove_all(directory());
    std::filesystem::create_directory(directory());
    write_file(directory() + "/00000000000000000001.spool", data, size);
    auto spool = sonde::Spool::open({.directory = directory(), .max_bytes = 1 << 22, .segment_bytes = 1 << 20});
    check(static_cast<bool>(spool));
    const auto held = spool->records();
    check(spool->append("the last", 1, 0) == sonde::Spool::Append::stored);
    std::uint64_t given = 0;
    for (const auto& [records, body_bytes] : frames) {
        const auto item = spool->front();
        check(item && item->records == records && item->body.size() == body_bytes);
        given += item->records;
        spool->pop();
    }
    const auto last = spool->front();
    check(last && last->body == "the last");
    spool->pop();
    check(given + spool->take_corrupt() == held);
    check(spool->empty() && !spool->front());
    std::filesystem::remove_all(directory());
    return 0;
}
