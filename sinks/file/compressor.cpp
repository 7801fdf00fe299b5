#include "sinks/file/compressor.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::size_t chunk_bytes = 256 * 1024;  // between two looks whether to go on
constexpr auto retry_after = std::chrono::seconds(30);
constexpr std::size_t thread_name_chars = 15;  // TASK_COMM_LEN without the NUL

// One stream of compressed bytes. compress() may be called with `last` once.
class Encoder {
public:
    virtual ~Encoder() = default;
    // Appends what comes out to `out`. False: the library failed.
    virtual bool compress(std::span<const char> in, bool last, std::vector<char>& out) = 0;
};

class ZstdEncoder final : public Encoder {
public:
    explicit ZstdEncoder(int level) : context_(ZSTD_createCCtx(), ZSTD_freeCCtx) {
        if (!context_) return;
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
    }
    bool compress(std::span<const char> in, bool last, std::vector<char>& out) override {
        if (!context_) return false;
        ZSTD_inBuffer input{in.data(), in.size(), 0};
        for (;;) {
            const auto used = out.size();
            out.resize(used + ZSTD_CStreamOutSize());
            ZSTD_outBuffer output{out.data() + used, out.size() - used, 0};
            const auto left =
                ZSTD_compressStream2(context_.get(), &output, &input, last ? ZSTD_e_end : ZSTD_e_continue);
            out.resize(used + output.pos);
            if (ZSTD_isError(left) != 0) return false;
            if (last ? left == 0 : input.pos == input.size) return true;
        }
    }

private:
    std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context_;
};

class GzipEncoder final : public Encoder {
public:
    explicit GzipEncoder(int level) {
        constexpr int gzip_window_bits = 15 + 16;  // zlib: 16 more writes a gzip header
        constexpr int memory_level = 8;            // zlib's default
        good_ = ::deflateInit2(&stream_, level, Z_DEFLATED, gzip_window_bits, memory_level, Z_DEFAULT_STRATEGY) == Z_OK;
    }
    GzipEncoder(const GzipEncoder&) = delete;
    GzipEncoder& operator=(const GzipEncoder&) = delete;
    ~GzipEncoder() override {
        if (good_) ::deflateEnd(&stream_);
    }
    bool compress(std::span<const char> in, bool last, std::vector<char>& out) override {
        if (!good_) return false;
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));  // zlib does not write to it
        stream_.avail_in = static_cast<uInt>(in.size());
        for (;;) {
            const auto used = out.size();
            out.resize(used + chunk_bytes);
            stream_.next_out = reinterpret_cast<Bytef*>(out.data() + used);
            stream_.avail_out = chunk_bytes;
            const int rc = ::deflate(&stream_, last ? Z_FINISH : Z_NO_FLUSH);
            const bool out_full = stream_.avail_out == 0;
            out.resize(out.size() - stream_.avail_out);
            if (rc == Z_STREAM_END) return true;
            if (rc != Z_OK && rc != Z_BUF_ERROR) return false;
            if (!last && stream_.avail_in == 0 && !out_full) return true;
        }
    }

private:
    z_stream stream_{};
    bool good_ = false;
};

std::unique_ptr<Encoder> make_encoder(Compression compression, int level) {
    if (compression == Compression::gzip) return std::make_unique<GzipEncoder>(level);
    return std::make_unique<ZstdEncoder>(level);
}

Error cannot_compress(const std::string& path, int error) {
    return fail("cannot compress " + path + ": " + std::generic_category().message(error));
}

bool write_all(int fd, std::span<const char> bytes) {
    while (!bytes.empty()) {
        const auto written = ::write(fd, bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
    return true;
}

enum class Outcome : unsigned char { complete, cancelled, failed };

// failed: errno says why.
Outcome compress_stream(int in, int out, Encoder& encoder, const std::function<bool()>& cancelled,
                        CompressorStats& stats) {
    std::vector<char> plain(chunk_bytes);
    std::vector<char> packed;
    off_t at = 0;
    for (;;) {
        struct stat status {};
        if (cancelled() || (::fstat(in, &status) == 0 && status.st_nlink == 0)) return Outcome::cancelled;
        const auto got = ::read(in, plain.data(), plain.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return Outcome::failed;
        packed.clear();
        if (!encoder.compress({plain.data(), static_cast<std::size_t>(got)}, got == 0, packed)) {
            errno = ENOMEM;  // the one thing that the libraries can lack here
            return Outcome::failed;
        }
        if (!write_all(out, packed)) return Outcome::failed;
        // Nobody reads it again soon: the page cache is for those whom this machine serves.
        ::posix_fadvise(in, at, got, POSIX_FADV_DONTNEED);
        at += got;
        stats.read_bytes.fetch_add(static_cast<std::uint64_t>(got), std::memory_order_relaxed);
        stats.written_bytes.fetch_add(packed.size(), std::memory_order_relaxed);
        if (got == 0) return Outcome::complete;
    }
}

void lower_priority() {
    const sched_param none{};
    ::pthread_setschedparam(::pthread_self(), SCHED_IDLE, &none);
    constexpr int ioprio_who_process = 1;       // the calling thread, with id 0
    constexpr int ioprio_class_idle = 3 << 13;  // linux/ioprio.h: the class stands above 13 bits of data
    ::syscall(SYS_ioprio_set, ioprio_who_process, 0, ioprio_class_idle);
}

}  // namespace

Result<bool> compress_file(const std::string& path, Compression compression, int level,
                           const std::function<bool()>& cancelled, CompressorStats& stats) {
    const std::string target = path + std::string(suffix_of(compression));
    const std::string partial = target + ".tmp";
    const UniqueFd in(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!in) {
        if (errno == ENOENT) return false;
        return cannot_compress(path, errno);
    }
    struct stat status {};
    if (::fstat(in.get(), &status) != 0) return cannot_compress(path, errno);
    const UniqueFd out(::open(partial.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!out) return cannot_compress(path, errno);
    const auto encoder = make_encoder(compression, level);
    auto outcome = compress_stream(in.get(), out.get(), *encoder, cancelled, stats);
    if (outcome == Outcome::complete) {
        const bool owned = ::fchown(out.get(), status.st_uid, status.st_gid) == 0;
        // An owner that cannot be given away must not gain or lose access: then only the mode's owner bits hold.
        const mode_t mode = status.st_mode & (owned ? 0777U : 0700U);
        const bool good = ::fchmod(out.get(), mode) == 0 && ::fdatasync(out.get()) == 0 &&
                          ::rename(partial.c_str(), target.c_str()) == 0;
        if (!good) outcome = Outcome::failed;
    }
    if (outcome == Outcome::complete) {
        ::unlink(path.c_str());
        return true;
    }
    const int error = errno;
    ::unlink(partial.c_str());
    if (outcome == Outcome::cancelled) return false;
    return cannot_compress(path, error);
}

Compressor::Compressor(std::string directory, std::string stem, Compression compression, int level, bool only_idle)
    : directory_(std::move(directory)),
      stem_(std::move(stem)),
      compression_(compression),
      level_(level),
      only_idle_(only_idle) {
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Compressor::wake() {
    const std::scoped_lock lock(mutex_);
    awake_ = true;
    woken_.notify_one();
}

void Compressor::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), ("zip/" + stem_).substr(0, thread_name_chars).c_str());
    if (only_idle_) lower_priority();
    while (!stop.stop_requested()) {
        {
            std::unique_lock lock(mutex_);
            woken_.wait(lock, stop, [this] { return awake_; });
            awake_ = false;
        }
        while (!stop.stop_requested() && compress_newest(stop)) {
        }
    }
}

// True: there may be more.
bool Compressor::compress_newest(const std::stop_token& stop) {
    const auto files = list_rotated(directory_, stem_);
    const auto newest = std::ranges::find_if(files.rbegin(), files.rend(), [](const RotatedFile& file) {
        return file.compression == Compression::none && !file.partial;
    });
    if (newest == files.rend()) return false;
    const auto result = compress_file(
        directory_ + "/" + newest->name, compression_, level_, [&] { return stop.stop_requested(); }, stats_);
    if (result) {
        if (*result) stats_.files.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    stats_.errors.fetch_add(1, std::memory_order_relaxed);
    // A full disk, most likely: the plain file stays, and is tried again.
    std::unique_lock lock(mutex_);
    woken_.wait_for(lock, stop, retry_after, [this] { return awake_; });
    return true;
}

}  // namespace sonde
