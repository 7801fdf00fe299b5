#include "sinks/file/file_sink_options.hpp"

namespace sonde {
namespace {

constexpr std::uint64_t rotate_bytes_min = 64U << 10U;  // a rotation per write at most
constexpr mode_t mode_max = 0777;

Error wrong(const FileSinkOptions& options, const std::string& what, const std::string& hint) {
    return fail("sink " + options.name + ": " + what, hint, ErrorKind::usage);
}

}  // namespace

Status validate(const FileSinkOptions& options) {
    if (options.directory.empty())
        return fail("no directory for events", "name one with --events DIR", ErrorKind::usage);
    if (options.stem.empty() || options.stem.find('/') != std::string::npos || options.stem.front() == '.')
        return wrong(options, "the file name \"" + options.stem + "\" is not one", "give a name without a slash");
    if (options.fsync_interval_ms < 10 || options.fsync_interval_ms > 3'600'000)
        return wrong(options, "fsync_interval_ms is out of range", "10 to 3600000");
    if (options.rotate_bytes != 0 && options.rotate_bytes < rotate_bytes_min)
        return wrong(options, "rotate_bytes is too small", "0 for no rotation by size, or 65536 at least");
    const auto total = options.retention.max_total_bytes;
    if (total != 0 && options.rotate_bytes != 0 && options.rotate_bytes > total)
        return wrong(options, "rotate_bytes is larger than max_total_bytes",
                     "the current file counts: make the total at least twice as large");
    if (options.compression == Compression::zstd && (options.compression_level < 1 || options.compression_level > 19))
        return wrong(options, "compression_level is out of range", "zstd has 1 to 19");
    if (options.compression == Compression::gzip && (options.compression_level < 1 || options.compression_level > 9))
        return wrong(options, "compression_level is out of range", "gzip has 1 to 9");
    if (options.file.file_mode > mode_max || options.file.directory_mode > mode_max)
        return wrong(options, "a mode has more than permission bits", "0640 for example");
    return done();
}

}  // namespace sonde
