#include "agent/source/replay_source.hpp"

#include <cerrno>
#include <cstring>

namespace sonde {
namespace {

// Records per poll, so that the caller gets to its clock and its signals.
constexpr std::size_t poll_records_max = 4096;

constexpr const char* name_a_recording = "name a file that `sonde record` wrote";
constexpr const char* all_before = "; everything before it was replayed";
constexpr const char* record_again = "record again for the rest";

std::uint16_t type_of(std::span<const char> record) {
    std::uint16_t type = SONDE_REC_NONE;
    if (record.size() >= sizeof type) std::memcpy(&type, record.data(), sizeof type);
    return type < SONDE_REC_TYPES ? type : std::uint16_t{SONDE_REC_NONE};
}

Status check(const RecordingHeader& header, const std::string& path) {
    if (std::memcmp(header.magic, recording_magic, sizeof recording_magic) != 0)
        return fail(path + " is not a sonde recording", name_a_recording);
    const auto incompatible = [&](const char* what, std::uint32_t theirs, std::uint32_t ours) {
        return fail(path + " was made by an incompatible sonde (" + what + " " + std::to_string(theirs) +
                        ", this one reads " + std::to_string(ours) + ")",
                    "replay it with the version that recorded it");
    };
    if (header.version != recording_version) return incompatible("file format", header.version, recording_version);
    if (header.abi_version != SONDE_ABI_VERSION)
        return incompatible("record format", header.abi_version, SONDE_ABI_VERSION);
    if (header.crc != recording_header_crc(header))
        return fail(path + " is damaged: the checksum of its header (byte 0) is wrong", "copy or record it again");
    return done();
}

}  // namespace

Result<std::unique_ptr<ReplaySource>> ReplaySource::open(const std::string& path) {
    std::FILE* file = std::fopen(path.c_str(), "rbe");
    if (file == nullptr) return fail("cannot read " + path + ": " + std::strerror(errno), name_a_recording);
    std::unique_ptr<ReplaySource> source(new ReplaySource(path, file));
    auto& header = source->header_;
    if (!source->read(&header, sizeof header)) {
        if (std::ferror(file) != 0)  // a directory opens and does not read
            return fail("cannot read " + path + ": " + std::strerror(errno), name_a_recording);
        if (source->offset_ < sizeof header.magic ||
            std::memcmp(header.magic, recording_magic, sizeof recording_magic) != 0)
            return fail(path + " is not a sonde recording", name_a_recording);
        return fail(
            path + " was cut off: it ends in the middle of its header at byte " + std::to_string(source->offset_),
            "copy or record it again");
    }
    if (auto good = check(header, path); !good) return good.error();
    return source;
}

std::string_view ReplaySource::kernel_release() const {
    const std::string_view padded(header_.kernel_release, sizeof header_.kernel_release);
    return padded.substr(0, padded.find('\0'));
}

bool ReplaySource::read(void* bytes, std::size_t size) {
    const auto n = std::fread(bytes, 1, size, file_.get());
    offset_ += n;
    return n == size;
}

Error ReplaySource::damaged(const std::string& how) const {
    return fail(path_ + " is damaged: " + how + " at byte " + std::to_string(frame_offset_) + all_before, record_again);
}

Error ReplaySource::ended(const std::string& where) const {
    if (std::ferror(file_.get()) != 0)
        return fail(
            "cannot read " + path_ + " at byte " + std::to_string(offset_) + ": " + std::strerror(errno) + all_before,
            "copy it again");
    return fail(path_ + " was cut off: it ends " + where + " at byte " + std::to_string(offset_) + all_before,
                record_again);
}

Status ReplaySource::read_trailer(const RecordingFrame& frame) {
    record_.resize(sizeof(RecordingTrailer));
    if (!read(record_.data(), record_.size())) return ended("in the middle of its end mark");
    RecordingTrailer trailer;
    std::memcpy(&trailer, record_.data(), sizeof trailer);
    if (recording_frame_crc(0, record_) != frame.crc) return damaged("the end mark has a wrong checksum");
    if (trailer.records != records_)
        return damaged("the end mark counts " + std::to_string(trailer.records) + " records, not " +
                       std::to_string(records_) + ",");
    recorded_ = trailer.losses;
    trailer_read_.store(true, std::memory_order_release);
    finished_ = true;
    if (char more = 0; read(&more, 1)) {
        frame_offset_ = offset_ - 1;
        return damaged("bytes follow the end mark");
    }
    return done();
}

Status ReplaySource::next(RecordHandler& handler) {
    const auto number = std::to_string(records_ + 1);
    frame_offset_ = offset_;
    RecordingFrame frame{};
    if (!read(&frame, sizeof frame))
        return ended(offset_ == frame_offset_ ? "without its end mark, after record " + std::to_string(records_) + ","
                                              : "in the middle of record " + number);
    if (frame.length == 0) return read_trailer(frame);
    if (frame.length > recording_record_max) return damaged("record " + number + " has an impossible length");
    record_.resize(frame.length + recording_padding(frame.length));
    if (!read(record_.data(), record_.size())) return ended("in the middle of record " + number);
    if (recording_frame_crc(frame.length, record_) != frame.crc)
        return damaged("record " + number + " has a wrong checksum");
    const auto record = std::span<const char>(record_).first(frame.length);
    handler.on_record(std::as_bytes(record));
    auto& delivered = delivered_[type_of(record)];
    delivered.store(delivered.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    ++records_;
    return done();
}

Result<std::size_t> ReplaySource::poll(RecordHandler& handler, int) {
    if (error_) return *error_;
    const auto before = records_;
    while (!finished_ && records_ - before < poll_records_max) {
        if (auto good = next(handler); !good) {
            finished_ = true;
            error_ = good.error();
            return *error_;
        }
    }
    return static_cast<std::size_t>(records_ - before);
}

LossMatrix ReplaySource::losses() const {
    LossMatrix matrix;
    const bool whole = trailer_read_.load(std::memory_order_acquire);
    for (std::size_t type = 0; type < SONDE_REC_TYPES; ++type) {
        auto& row = matrix.rows[type];
        row.delivered = row.seen = delivered_[type].load(std::memory_order_relaxed);
        if (!whole) continue;
        const auto& recorded = recorded_.rows[type];
        row.lost = recorded.lost;
        // the recorder got it, and did not understand it
        if (recorded.delivered > row.delivered)
            row.lost[SONDE_LOSS_DECODE_INVALID] += recorded.delivered - row.delivered;
        // what was still in the ring when the recording stopped was neither delivered nor lost: not counted as seen
        for (const auto count : row.lost) row.seen += count;
    }
    return matrix;
}

}  // namespace sonde
