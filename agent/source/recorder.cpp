#include "agent/source/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/redact/head_mask.hpp"
#include "agent/source/recording.hpp"

namespace sonde {
namespace {

constexpr std::size_t string_max = 4096;

}  // namespace

std::uint32_t recording_crc(const void* bytes, std::size_t size) {
    return static_cast<std::uint32_t>(::crc32(0, static_cast<const Bytef*>(bytes), static_cast<uInt>(size)));
}

Result<std::unique_ptr<Recorder>> Recorder::open(const std::string& path, std::int64_t realtime_offset_ns) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    std::FILE* file = fd >= 0 ? ::fdopen(fd, "wb") : nullptr;
    if (file == nullptr)
        return fail("cannot write " + path + ": " + std::strerror(errno), "choose another file for the recording");
    std::unique_ptr<Recorder> recorder(new Recorder(path, file));
    RecordingHeader header{};
    std::memcpy(header.magic, recording_magic, sizeof header.magic);
    header.version = recording_version;
    header.abi_version = SONDE_ABI_VERSION;
    header.realtime_offset_ns = realtime_offset_ns;
    if (std::fwrite(&header, sizeof header, 1, file) != 1) recorder->error_ = errno;
    return recorder;
}

void Recorder::frame(const void* bytes, std::size_t size, std::uint32_t length) {
    constexpr char zeros[8] = {};
    const RecordingFrame frame{length, recording_crc(bytes, size)};
    const auto padding = recording_padding(size);
    const bool good = std::fwrite(&frame, sizeof frame, 1, file_.get()) == 1 &&
                      std::fwrite(bytes, size, 1, file_.get()) == 1 &&
                      (padding == 0 || std::fwrite(zeros, padding, 1, file_.get()) == 1);
    if (!good && error_ == 0) error_ = errno;
}

void Recorder::on_record(std::span<const std::byte> record) {
    if (record.size() < sizeof(sonde_header) || record.size() > recording_record_max) return;
    sonde_header header;
    std::memcpy(&header, record.data(), sizeof header);
    const bool head = header.type == SONDE_REC_REQUEST_HEAD || header.type == SONDE_REC_RESPONSE_HEAD;
    ++records_;
    if (!head || record.size() < sizeof(sonde_head))
        return frame(record.data(), record.size(), static_cast<std::uint32_t>(record.size()));
    const auto* bytes = reinterpret_cast<const char*>(record.data());
    scratch_.assign(bytes, bytes + record.size());
    mask_head(std::span(scratch_).subspan(sizeof(sonde_head)), (header.flags & SONDE_FLAG_CONTINUED) != 0);
    frame(scratch_.data(), scratch_.size(), static_cast<std::uint32_t>(scratch_.size()));
}

void Recorder::process(const Process& process) {
    const std::string* const fields[] = {&process.comm, &process.exe, &process.program, &process.unit,
                                         &process.container_id};
    sonde_proc_info info{};
    std::uint16_t* const lengths[] = {&info.comm_length, &info.exe_length, &info.program_length, &info.unit_length,
                                      &info.container_length};
    std::size_t size = sizeof info;
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        *lengths[i] = static_cast<std::uint16_t>(std::min(fields[i]->size(), string_max));
        size += *lengths[i];
    }
    info.h.type = SONDE_REC_PROC_INFO;
    info.h.size = static_cast<std::uint16_t>(size);
    info.tgid = process.pid;
    info.start_time_ns = process.start_time_ns;
    scratch_.resize(size);
    std::memcpy(scratch_.data(), &info, sizeof info);
    std::size_t at = sizeof info;
    for (std::size_t i = 0; i < std::size(fields); ++i) {
        std::memcpy(scratch_.data() + at, fields[i]->data(), *lengths[i]);
        at += *lengths[i];
    }
    ++records_;
    frame(scratch_.data(), size, static_cast<std::uint32_t>(size));
}

Status Recorder::close(const LossMatrix& losses) {
    RecordingTrailer trailer{};
    trailer.records = records_;
    trailer.losses = losses;
    frame(&trailer, sizeof trailer, 0);
    if (std::fflush(file_.get()) != 0 && error_ == 0) error_ = errno;
    if (error_ != 0)
        return fail("cannot write " + path_ + ": " + std::strerror(error_),
                    "free some space or choose another file; the recording is not whole");
    return done();
}

}  // namespace sonde
