#include <cstdlib>
#include <cstring>

#include "agent/pipeline/decoder.hpp"

namespace {

bool inside(std::span<const std::byte> record, const void* data, std::size_t size) {
    const auto* begin = reinterpret_cast<const char*>(record.data());
    const auto* at = static_cast<const char*>(data);
    return size == 0 || (at >= begin && at + size <= begin + record.size());
}

void check(std::span<const std::byte> record) {
    const auto event = sonde::decode(record);
    if (!event) return;
    bool good = true;
    if (const auto* head = std::get_if<sonde::Head>(&*event))
        good = inside(record, head->bytes.data(), head->bytes.size()) && head->bytes.size() <= head->length;
    if (const auto* exec = std::get_if<sonde::ProcExec>(&*event))
        good = inside(record, exec->comm.data(), exec->comm.size()) &&
               inside(record, exec->filename.data(), exec->filename.size());
    if (const auto* info = std::get_if<sonde::ProcInfo>(&*event))
        for (const auto text : {info->comm, info->exe, info->program, info->unit, info->container_id})
            good = good && inside(record, text.data(), text.size());
    if (!good) std::abort();
}

}  // namespace

// The bytes as they are, and again with a size field that agrees: that gets past the first check.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto record = std::as_bytes(std::span(data, size));
    check(record);
    if (size < sizeof(sonde_header) || size > UINT16_MAX) return 0;
    auto* copy = static_cast<std::byte*>(std::malloc(size));
    std::memcpy(copy, data, size);
    const auto said = static_cast<std::uint16_t>(size);
    std::memcpy(copy + offsetof(sonde_header, size), &said, sizeof said);
    check({copy, size});
    std::free(copy);
    return 0;
}
