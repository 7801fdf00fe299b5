#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "agent/base/result.hpp"

namespace sonde {

// Bytes of a file, decompressed where it is gzip or zstd: which one its first bytes tell, not its name. Several
// members or frames one after the other are one stream, as gzip and zstd write them.
class ByteSource {
public:
    static Result<std::unique_ptr<ByteSource>> open(const std::string& path);
    virtual ~ByteSource() = default;
    // At most size bytes; 0: the end. An error: what follows cannot be read.
    virtual Result<std::size_t> read(char* into, std::size_t size) = 0;
    // Of the file, so far.
    [[nodiscard]] virtual std::uint64_t file_bytes() const = 0;
};

// Lines of such a stream, in one buffer of a fixed size. One thread.
class LineSource {
public:
    static constexpr std::size_t max_line_bytes = std::size_t{1} << 20;

    explicit LineSource(std::unique_ptr<ByteSource> bytes);

    struct Line {
        std::string_view text;    // without '\n'; holds until the next call
        bool too_long = false;    // its middle is missing
        bool has_newline = true;  // false: the last one, and perhaps torn
    };
    // False: the end, or an error.
    bool next(Line& line);

    // Empty: the stream ended as it should.
    [[nodiscard]] const std::string& error() const { return error_; }
    [[nodiscard]] std::uint64_t bytes() const { return bytes_read_; }  // decompressed
    [[nodiscard]] std::uint64_t file_bytes() const { return source_->file_bytes(); }

private:
    bool fill();

    std::unique_ptr<ByteSource> source_;
    std::unique_ptr<char[]> buffer_;
    std::size_t begin_ = 0, end_ = 0;
    std::uint64_t bytes_read_ = 0;
    bool at_end_ = false;
    bool in_long_line_ = false;
    std::string error_;
};

}  // namespace sonde
