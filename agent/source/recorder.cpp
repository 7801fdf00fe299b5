#include "agent/source/recorder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "agent/base/unique_fd.hpp"
#include "agent/redact/head_redactor.hpp"
#include "agent/redact/http2_mask.hpp"
#include "agent/source/recording.hpp"

namespace sonde {
namespace {

// A busy machine makes some 10 MB/s of records: a few dozen writes a second.
constexpr std::size_t buffer_bytes = 256 * 1024;

RecordingHeader make_header(std::int64_t realtime_offset_ns) {
    RecordingHeader header{};
    std::memcpy(header.magic, recording_magic, sizeof header.magic);
    header.version = recording_version;
    header.abi_version = SONDE_ABI_VERSION;
    header.realtime_offset_ns = realtime_offset_ns;
    if (utsname system{}; ::uname(&system) == 0) {
        const std::string_view release(system.release);
        std::memcpy(header.kernel_release, release.data(), std::min(release.size(), sizeof header.kernel_release - 1));
    }
    header.crc = recording_header_crc(header);
    return header;
}

// "\r\n0\r\n\r\n" is what a tail is there for; any other byte may be of somebody's secret.
void mask_tail(char* tail) {
    for (std::size_t i = 0; i < SONDE_TAIL_BYTES; ++i)
        if (tail[i] != '\0' && tail[i] != '\r' && tail[i] != '\n' && tail[i] != '0') tail[i] = '*';
}

}  // namespace

Result<std::unique_ptr<Recorder>> Recorder::open(const std::string& path, std::int64_t realtime_offset_ns,
                                                 std::shared_ptr<const RedactionPolicy> redaction) {
    const auto refuse = [&] {
        return fail("cannot write " + path + ": " + std::strerror(errno), "choose another file for the recording");
    };
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (!fd) return refuse();
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return refuse();
    // an older file may be open to everybody, and must not be while it is filled anew
    if (S_ISREG(info.st_mode) && (::fchmod(fd.get(), 0600) != 0 || ::ftruncate(fd.get(), 0) != 0)) return refuse();
    const int owned = ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);  // fdopen takes over on success only
    std::FILE* file = owned >= 0 ? ::fdopen(owned, "wb") : nullptr;
    if (file == nullptr) {
        const auto error = refuse();
        if (owned >= 0) ::close(owned);
        return error;
    }
    std::setvbuf(file, nullptr, _IOFBF, buffer_bytes);
    std::unique_ptr<Recorder> recorder(new Recorder(path, file, std::move(redaction)));
    const auto header = make_header(realtime_offset_ns);
    recorder->write(&header, sizeof header);
    return recorder;
}

void Recorder::write(const void* bytes, std::size_t size) {
    if (file_ && error_ == 0 && std::fwrite(bytes, 1, size, file_.get()) != size) error_ = errno;
}

void Recorder::write_frame(std::uint32_t length) {
    frame_.resize(frame_.size() + recording_padding(frame_.size()));
    const RecordingFrame head{length, recording_frame_crc(length, frame_)};
    write(&head, sizeof head);
    write(frame_.data(), frame_.size());
}

// False: the record does not have the layout of its type.
bool Recorder::mask_frame() {
    sonde_header header;
    if (frame_.size() < sizeof header) return false;
    std::memcpy(&header, frame_.data(), sizeof header);
    if (header.size != frame_.size()) return false;
    switch (header.type) {
        case SONDE_REC_REQUEST_HEAD:
        case SONDE_REC_RESPONSE_HEAD:
            if (frame_.size() < sizeof(sonde_head)) return false;
            mask_tail(frame_.data() + offsetof(sonde_head, tail));
            mask_tail(frame_.data() + offsetof(sonde_head, before.tail));
            redact_head(std::span(frame_).subspan(sizeof(sonde_head)), (header.flags & SONDE_FLAG_CONTINUED) != 0,
                        redactor_);
            return true;
        case SONDE_REC_PROGRESS:
            if (frame_.size() != sizeof(sonde_progress)) return false;
            mask_tail(frame_.data() + offsetof(sonde_progress, passed.tail));
            return true;
        case SONDE_REC_PROC_EXEC: {
            if (frame_.size() < sizeof(sonde_proc_exec)) return false;
            const std::string_view filename =
                std::string_view(frame_.data(), frame_.size()).substr(sizeof(sonde_proc_exec));
            for (const auto& [span, rule] : redactor_.find_path(filename))
                std::fill_n(frame_.begin() + static_cast<std::ptrdiff_t>(sizeof(sonde_proc_exec) + span.begin),
                            span.end - span.begin, '*');
            return true;
        }
        case SONDE_REC_HTTP2_FRAMES: {
            sonde_http2_frames raw;
            if (frame_.size() < sizeof raw) return false;
            std::memcpy(&raw, frame_.data(), sizeof raw);
            Http2Piece piece;
            piece.seq = raw.seq;
            piece.length = raw.length;
            piece.left = raw.left;
            piece.keep = raw.keep;
            piece.carried = raw.carried;
            std::memcpy(piece.carry.data(), raw.carry, sizeof raw.carry);
            mask_http2(piece, std::span(frame_).subspan(sizeof raw));
            return true;
        }
        case SONDE_REC_LOG_WRITE: {
            if (frame_.size() < sizeof(sonde_log_write)) return false;
            const std::string_view bytes =
                std::string_view(frame_.data(), frame_.size()).substr(sizeof(sonde_log_write));
            for (const auto& [span, rule] : redactor_.find_text(bytes))
                std::fill_n(frame_.begin() + static_cast<std::ptrdiff_t>(sizeof(sonde_log_write) + span.begin),
                            span.end - span.begin, '*');
            return true;
        }
        default:
            return header.type > SONDE_REC_NONE && header.type < SONDE_REC_TYPES;
    }
}

void Recorder::on_record(std::span<const std::byte> record) {
    const auto* bytes = reinterpret_cast<const char*>(record.data());
    frame_.assign(bytes, bytes + record.size());
    if (!mask_frame()) return;
    ++records_;
    write_frame(static_cast<std::uint32_t>(record.size()));
}

void Recorder::process(const Process& process) {
    encode_process(process, frame_);
    ++records_;
    write_frame(static_cast<std::uint32_t>(frame_.size()));
}

Status Recorder::close(const LossMatrix& losses) {
    RecordingTrailer trailer{};
    trailer.records = records_;
    trailer.losses = losses;
    const auto* bytes = reinterpret_cast<const char*>(&trailer);
    frame_.assign(bytes, bytes + sizeof trailer);
    write_frame(0);
    if (file_ && std::fclose(file_.release()) != 0 && error_ == 0) error_ = errno;
    if (error_ != 0)
        return fail("cannot write " + path_ + ": " + std::strerror(error_),
                    "free some space or choose another file; the recording is not whole");
    return done();
}

}  // namespace sonde
