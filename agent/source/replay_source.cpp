#include "agent/source/replay_source.hpp"

#include <cerrno>
#include <cstring>

namespace sonde {
namespace {

// Records per poll, so that the caller gets to its clock and its signals.
constexpr std::size_t poll_records_max = 4096;

}  // namespace

Result<std::unique_ptr<ReplaySource>> ReplaySource::open(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (file == nullptr)
        return fail("cannot read " + path + ": " + std::strerror(errno), "name a file that `sonde record` wrote");
    std::unique_ptr<ReplaySource> source(new ReplaySource(path, file));
    const bool whole = source->read(&source->header_, sizeof source->header_);
    if (!whole || std::memcmp(source->header_.magic, recording_magic, sizeof recording_magic) != 0)
        return fail(path + " is not a sonde recording", "name a file that `sonde record` wrote");
    if (source->header_.version != recording_version || source->header_.abi_version != SONDE_ABI_VERSION)
        return fail(path + " was made by an incompatible sonde (record format " +
                        std::to_string(source->header_.abi_version) + ", this one reads " +
                        std::to_string(SONDE_ABI_VERSION) + ")",
                    "replay it with the version that recorded it");
    return source;
}

bool ReplaySource::read(void* bytes, std::size_t size) {
    const auto n = std::fread(bytes, 1, size, file_.get());
    offset_ += n;
    return n == size;
}

Error ReplaySource::damaged(const std::string& how) const {
    return fail(
        path_ + " " + how + " (record " + std::to_string(records_ + 1) + ", byte " + std::to_string(offset_) + ")",
        "everything before it was replayed; record again for the rest");
}

Status ReplaySource::read_trailer(const RecordingFrame& frame) {
    RecordingTrailer trailer{};
    if (!read(&trailer, sizeof trailer)) return damaged("ends in the middle of its trailer");
    if (recording_crc(&trailer, sizeof trailer) != frame.crc || trailer.records != records_)
        return damaged("has a damaged trailer");
    losses_ = trailer.losses;
    return done();
}

Result<std::size_t> ReplaySource::poll(RecordHandler& handler, int) {
    std::size_t count = 0;
    while (!finished_ && count < poll_records_max) {
        RecordingFrame frame{};
        const auto give_up = [&](const char* how) {
            finished_ = true;
            return damaged(how);
        };
        if (!read(&frame, sizeof frame)) return give_up("was cut off");
        if (frame.length == 0) {
            finished_ = true;
            if (auto trailer = read_trailer(frame); !trailer) return trailer.error();
            break;
        }
        if (frame.length > recording_record_max) return give_up("is damaged: a record of impossible length");
        record_.resize(frame.length + recording_padding(frame.length));
        if (!read(record_.data(), record_.size())) return give_up("was cut off in the middle of a record");
        if (recording_crc(record_.data(), frame.length) != frame.crc)
            return give_up("is damaged: a record's checksum is wrong");
        handler.on_record(std::as_bytes(std::span(record_.data(), frame.length)));
        ++records_;
        ++count;
    }
    return count;
}

}  // namespace sonde
