#include "agent/log/file_logs.hpp"

#include <utility>

namespace sonde {

FileLogs::FileLogs(FileLogsOptions options) : options_(std::move(options)), queue_(options_.queue_records) {}

FileLogs::~FileLogs() { stop(); }

Result<std::unique_ptr<FileLogs>> FileLogs::open(FileLogsOptions options) {
    std::unique_ptr<FileLogs> logs(new FileLogs(std::move(options)));
    auto tailer = Tailer::open(logs->options_.tail, *logs);
    if (!tailer) return tailer.error();
    logs->tailer_ = std::move(*tailer);
    return logs;
}

void FileLogs::start() {
    thread_ = std::jthread([this](const std::stop_token& stop) { tailer_->run(stop); });
}

void FileLogs::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

bool FileLogs::on_record(LogRecord& record) {
    const auto waiting = bytes_.load(std::memory_order_relaxed);
    if (waiting > 0 && waiting + record.raw.size() > options_.queue_bytes) return false;
    auto* slot = queue_.prepare();
    if (slot == nullptr) return false;
    bytes_.fetch_add(record.raw.size(), std::memory_order_relaxed);
    std::swap(*slot, record);
    queue_.commit();
    return true;
}

}  // namespace sonde
