#include "agent/command/file_sink_samples.hpp"

#include <array>

namespace sonde {
namespace {

struct Row {
    const char* family;
    const char* help;
    SampleType type;
    FileSinkStatus::Count FileSinkStatus::*count;
};

constexpr std::array rows{
    Row{"sonde_file_sink_written_bytes_total",
        "Number of bytes that the kernel has: they survive a crash of the agent.", SampleType::counter,
        &FileSinkStatus::written_bytes},
    Row{"sonde_file_sink_durable_bytes_total", "Number of written bytes on stable storage: they survive a power cut.",
        SampleType::counter, &FileSinkStatus::durable_bytes},
    Row{"sonde_file_sink_doubtful_bytes_total", "Number of written bytes whose sync failed.", SampleType::counter,
        &FileSinkStatus::doubtful_bytes},
    Row{"sonde_file_sink_rejected_bytes_total",
        "Number of bytes that were refused: nothing could be written for too long.", SampleType::counter,
        &FileSinkStatus::rejected_bytes},
    Row{"sonde_file_sink_repaired_bytes_total", "Number of bytes of torn last lines that were cut off.",
        SampleType::counter, &FileSinkStatus::repaired_bytes},
    Row{"sonde_file_sink_rescued_bytes_total", "Number of bytes that were copied out of a file that somebody removed.",
        SampleType::counter, &FileSinkStatus::rescued_bytes},
    Row{"sonde_file_sink_file_bytes", "Size of the current file in bytes.", SampleType::gauge,
        &FileSinkStatus::file_bytes},
    Row{"sonde_file_sink_rotations_total", "Number of rotations.", SampleType::counter, &FileSinkStatus::rotations},
    Row{"sonde_file_sink_reopened_total", "Number of times that somebody moved, removed or truncated the file.",
        SampleType::counter, &FileSinkStatus::reopened},
    Row{"sonde_file_sink_deleted_files_total", "Number of rotated files that retention deleted.", SampleType::counter,
        &FileSinkStatus::deleted_files},
    Row{"sonde_file_sink_deleted_bytes_total", "Number of bytes in rotated files that retention deleted.",
        SampleType::counter, &FileSinkStatus::deleted_bytes},
};

}  // namespace

void add_file_sink_samples(std::vector<Sample>& out, const std::string& name, const FileSinkStatus& status) {
    for (const auto& row : rows)
        out.push_back({row.family,
                       row.help,
                       row.type,
                       {{"sink", name}},
                       static_cast<double>((status.*row.count).load(std::memory_order_relaxed))});
    const bool able = status.able.load(std::memory_order_relaxed);
    out.push_back({"sonde_file_sink_able",
                   "1 where the last flush succeeded.",
                   SampleType::gauge,
                   {{"sink", name}},
                   able ? 1.0 : 0.0});
}

}  // namespace sonde
