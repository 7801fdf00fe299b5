#include "sinks/file/writer.hpp"

#include <utility>

#include "sinks/file/pwrite_writer.hpp"
#include "sinks/file/uring_writer.hpp"

namespace sonde {

std::unique_ptr<FileWriter> make_writer(UniqueFd fd, std::uint64_t offset) {
    if (auto writer = UringWriter::create(fd, offset)) return writer;
    return std::make_unique<PwriteWriter>(std::move(fd), offset);
}

}  // namespace sonde
