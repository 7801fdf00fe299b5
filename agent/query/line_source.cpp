#include "agent/query/line_source.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

constexpr std::size_t input_bytes = std::size_t{256} << 10;
constexpr std::size_t buffer_bytes = 2 * LineSource::max_line_bytes;

class File {
public:
    File(UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Result<std::size_t> read(char* into, std::size_t size) {
        for (;;) {
            const auto got = ::read(fd_.get(), into, size);
            if (got >= 0) {
                bytes_ += static_cast<std::uint64_t>(got);
                return static_cast<std::size_t>(got);
            }
            if (errno != EINTR) return fail("cannot read " + path_ + ": " + std::strerror(errno));
        }
    }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    UniqueFd fd_;
    std::string path_;
    std::uint64_t bytes_ = 0;
};

// The compressed bytes that wait, in a buffer that File fills.
class Input {
public:
    explicit Input(File file) : file_(std::move(file)), bytes_(new char[input_bytes]) {}
    // False: the end of the file.
    Result<bool> refill() {
        const auto got = file_.read(bytes_.get(), input_bytes);
        if (!got) return got.error();
        position = 0;
        size = *got;
        return size > 0;
    }
    [[nodiscard]] char* data() const { return bytes_.get(); }
    [[nodiscard]] const File& file() const { return file_; }
    std::size_t position = 0, size = 0;

private:
    File file_;
    std::unique_ptr<char[]> bytes_;
};

class PlainSource final : public ByteSource {
public:
    explicit PlainSource(File file) : file_(std::move(file)) {}
    Result<std::size_t> read(char* into, std::size_t size) override { return file_.read(into, size); }
    [[nodiscard]] std::uint64_t file_bytes() const override { return file_.bytes(); }

private:
    File file_;
};

class GzipSource final : public ByteSource {
public:
    explicit GzipSource(File file) : input_(std::move(file)) { ::inflateInit2(&stream_, 16 + MAX_WBITS); }
    ~GzipSource() override { ::inflateEnd(&stream_); }
    GzipSource(const GzipSource&) = delete;
    GzipSource& operator=(const GzipSource&) = delete;

    Result<std::size_t> read(char* into, std::size_t size) override {
        stream_.next_out = reinterpret_cast<Bytef*>(into);
        stream_.avail_out = static_cast<uInt>(size);
        while (stream_.avail_out == size) {
            if (input_.position == input_.size) {
                const auto more = input_.refill();
                if (!more) return more.error();
                if (!*more) {
                    if (in_member_) return fail(input_.file().path() + " ends in the middle of its gzip data");
                    return std::size_t{0};
                }
            }
            if (!in_member_ && ::inflateReset(&stream_) == Z_OK) in_member_ = true;
            stream_.next_in = reinterpret_cast<Bytef*>(input_.data() + input_.position);
            stream_.avail_in = static_cast<uInt>(input_.size - input_.position);
            const int code = ::inflate(&stream_, Z_NO_FLUSH);
            input_.position = input_.size - stream_.avail_in;
            if (code == Z_STREAM_END) {
                in_member_ = false;
            } else if (code != Z_OK && code != Z_BUF_ERROR) {
                return fail(input_.file().path() +
                            " is damaged: " + (stream_.msg != nullptr ? stream_.msg : "not gzip"));
            }
        }
        return size - stream_.avail_out;
    }
    [[nodiscard]] std::uint64_t file_bytes() const override { return input_.file().bytes(); }

private:
    Input input_;
    z_stream stream_{};
    bool in_member_ = false;
};

class ZstdSource final : public ByteSource {
public:
    explicit ZstdSource(File file) : input_(std::move(file)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

    Result<std::size_t> read(char* into, std::size_t size) override {
        ZSTD_outBuffer out{into, size, 0};
        while (out.pos == 0) {
            if (input_.position == input_.size) {
                const auto more = input_.refill();
                if (!more) return more.error();
                if (!*more) {
                    if (in_frame_) return fail(input_.file().path() + " ends in the middle of its zstd data");
                    return std::size_t{0};
                }
            }
            ZSTD_inBuffer in{input_.data(), input_.size, input_.position};
            const auto left = ZSTD_decompressStream(stream_.get(), &out, &in);
            if (ZSTD_isError(left) != 0) return fail(input_.file().path() + " is damaged: " + ZSTD_getErrorName(left));
            input_.position = in.pos;
            in_frame_ = left != 0;
        }
        return out.pos;
    }
    [[nodiscard]] std::uint64_t file_bytes() const override { return input_.file().bytes(); }

private:
    Input input_;
    std::unique_ptr<ZSTD_DStream, std::size_t (*)(ZSTD_DStream*)> stream_;
    bool in_frame_ = false;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> ByteSource::open(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail("cannot open " + path + ": " + std::strerror(errno));
    std::array<unsigned char, 4> magic{};
    const auto got = ::pread(fd.get(), magic.data(), magic.size(), 0);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    File file(std::move(fd), path);
    constexpr std::array<unsigned char, 4> zstd_magic{0x28, 0xb5, 0x2f, 0xfd};  // RFC 8878 §3.1.1
    if (got >= 2 && magic[0] == 0x1f && magic[1] == 0x8b)                       // RFC 1952 §2.3.1
        return std::unique_ptr<ByteSource>(std::make_unique<GzipSource>(std::move(file)));
    if (got == 4 && magic == zstd_magic)
        return std::unique_ptr<ByteSource>(std::make_unique<ZstdSource>(std::move(file)));
    return std::unique_ptr<ByteSource>(std::make_unique<PlainSource>(std::move(file)));
}

LineSource::LineSource(std::unique_ptr<ByteSource> bytes)
    : source_(std::move(bytes)), buffer_(new char[buffer_bytes]) {}

// Moves what is left to the front and reads on behind it. False: there is no more.
bool LineSource::fill() {
    if (at_end_) return false;
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    const auto got = source_->read(buffer_.get() + end_, buffer_bytes - end_);
    if (!got) error_ = got.error().message();
    if (!got || *got == 0) {
        at_end_ = true;
        return false;
    }
    end_ += *got;
    bytes_read_ += *got;
    return true;
}

bool LineSource::next(Line& line) {
    std::size_t searched = 0;
    for (;;) {
        const char* const start = buffer_.get() + begin_;
        const std::size_t size = end_ - begin_;
        const auto* newline = static_cast<const char*>(std::memchr(start + searched, '\n', size - searched));
        if (newline != nullptr) {
            line = {{start, static_cast<std::size_t>(newline - start)}, in_long_line_, true};
            in_long_line_ = false;
            begin_ += line.text.size() + 1;
            return true;
        }
        searched = size;
        if (size > max_line_bytes) {  // only its end will be seen
            begin_ = end_;
            searched = 0;
            in_long_line_ = true;
        }
        if (fill()) continue;
        if (begin_ == end_ && !in_long_line_) return false;
        line = {{buffer_.get() + begin_, end_ - begin_}, in_long_line_, false};
        begin_ = end_;
        in_long_line_ = false;
        return true;
    }
}

}  // namespace sonde
