#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/log/timestamp.hpp"
#include "agent/model/log_record.hpp"

namespace sonde {

enum class ContainerFormat : std::uint8_t {
    detect,  // told by a file's first line
    none,
    cri,
    docker,
};

struct LogFiles {
    std::string pattern;              // glob(7); files and folders may come into being later
    std::optional<LogFormat> format;  // empty: detected line by line
    ContainerFormat container = ContainerFormat::detect;
    std::string service;    // empty: none
    bool multiline = true;  // join tracebacks into one record
    LogTimeOptions time;
};

struct TailerOptions {
    std::vector<LogFiles> files;  // a file belongs to the first pattern that matches
    // File that remembers how far every file was read; empty: nothing is remembered. Replaced by rename, so its folder
    // must be writable.
    std::string checkpoint_path;
    // Files that are there at the very first start: from their beginning, or what is written from now on. What appears
    // later is always read from its beginning.
    bool from_beginning = false;
    std::size_t line_bytes_max = 1024 * 1024;     // longer lines are cut and marked; 4 KiB to 16 MiB
    std::size_t files_max = 4096;                 // that are known; more are counted and left alone
    std::size_t open_files_max = 512;             // the longest quiet one is closed, and opened when it grows
    std::uint32_t record_timeout_ms = 1000;       // a record's further lines are waited for so long; 10 to 60,000
    std::uint32_t scan_interval_ms = 1000;        // folders are listed anew, besides inotify; 20 to 60,000
    std::uint32_t checkpoint_interval_ms = 1000;  // 10 to 60,000
    // A renamed or deleted file that did not grow for so long is done: writers had time to open the new one.
    std::uint32_t rotated_idle_ms = 30'000;  // 100 to 3,600,000
    // 0: a handler that refuses is waited for, without end and without loss. Otherwise a record that was refused for so
    // long is dropped, and counted.
    std::uint32_t drop_after_ms = 0;
};

}  // namespace sonde
