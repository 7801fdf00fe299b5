#pragma once

#include <string>
#include <vector>

#include "agent/metric/self_metrics.hpp"
#include "sinks/file/file_sink_status.hpp"

namespace sonde {

// What the file sink `name` tells about itself, as sonde_file_sink_*{sink}. Any thread.
void add_file_sink_samples(std::vector<Sample>& out, const std::string& name, const FileSinkStatus& status);

}  // namespace sonde
