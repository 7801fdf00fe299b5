#include "agent/source/recording.hpp"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <string>

namespace sonde {
namespace {

// Five such strings still fit the 16 bits of sonde_header.size.
constexpr std::size_t string_max = 4096;

uLong crc_of(uLong before, const void* bytes, std::size_t size) {
    return ::crc32(before, static_cast<const Bytef*>(bytes), static_cast<uInt>(size));
}

}  // namespace

std::uint32_t recording_header_crc(const RecordingHeader& header) {
    return static_cast<std::uint32_t>(crc_of(0, &header, offsetof(RecordingHeader, crc)));
}

std::uint32_t recording_frame_crc(std::uint32_t length, std::span<const char> body) {
    return static_cast<std::uint32_t>(crc_of(crc_of(0, &length, sizeof length), body.data(), body.size()));
}

void encode_process(const Process& process, std::vector<char>& record) {
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
    const auto* fixed = reinterpret_cast<const char*>(&info);
    record.assign(fixed, fixed + sizeof info);
    for (std::size_t i = 0; i < std::size(fields); ++i)
        record.insert(record.end(), fields[i]->data(), fields[i]->data() + *lengths[i]);
}

}  // namespace sonde
