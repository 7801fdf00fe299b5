#include "sinks/net/gzip.hpp"

#include <zlib.h>

namespace sonde {

std::string gzip(std::string_view data) {
    constexpr int level = 3, gzip_window = 15 + 16, memory = 8;
    z_stream stream{};
    if (::deflateInit2(&stream, level, Z_DEFLATED, gzip_window, memory, Z_DEFAULT_STRATEGY) != Z_OK) return {};
    std::string out(::deflateBound(&stream, data.size()), '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const bool whole = ::deflate(&stream, Z_FINISH) == Z_STREAM_END;
    out.resize(whole ? stream.total_out : 0);
    ::deflateEnd(&stream);
    return out;
}

}  // namespace sonde
