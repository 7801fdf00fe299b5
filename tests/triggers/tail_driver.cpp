// The tailer alone, for tests that torture it: what it hands over is appended to a file, raw and each with a newline,
// by one write(2) per record, so that it survives a SIGKILL as far as records_safe() says. SIGTERM ends it in order.
//   tail_driver PATTERN CHECKPOINT OUTPUT [beginning] [idle=MS] [checkpoint=MS] [hold=MS]
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "agent/log/tailer.hpp"

namespace {

class Append final : public sonde::LogRecordHandler {
public:
    explicit Append(const char* path) : file_(::open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
    [[nodiscard]] bool good() const { return static_cast<bool>(file_); }
    bool on_record(sonde::LogRecord& record) override {
        line_.assign(record.raw);
        line_ += '\n';
        if (::write(file_.get(), line_.data(), line_.size()) != static_cast<ssize_t>(line_.size())) return false;
        ++records_;
        return true;
    }
    [[nodiscard]] std::uint64_t records_safe() const override { return records_; }

private:
    sonde::UniqueFd file_;
    std::string line_;
    std::uint64_t records_ = 0;
};

std::uint32_t number_of(std::string_view text) {
    std::uint32_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

void print(const sonde::TailStats& stats) {
    const auto show = [](const char* name, const std::atomic<std::uint64_t>& value) {
        std::printf("%s %llu\n", name, static_cast<unsigned long long>(value.load()));
    };
    show("records", stats.records);
    show("rotations", stats.rotations);
    show("truncations", stats.truncations);
    show("copies", stats.copies);
    show("bytes_lost", stats.bytes_lost);
    show("checkpoints", stats.checkpoints);
    show("files_known", stats.files_known);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 4) return std::fprintf(stderr, "usage: tail_driver PATTERN CHECKPOINT OUTPUT [OPTION...]\n"), 2;
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);

    sonde::TailerOptions options;
    options.files.push_back({.pattern = argv[1], .format = {}, .service = {}, .time = {}});
    options.checkpoint_path = argv[2];
    for (int i = 4; i < argc; ++i) {
        const std::string_view option(argv[i]);
        if (option == "beginning") options.from_beginning = true;
        if (option.starts_with("idle=")) options.rotated_idle_ms = number_of(option.substr(5));
        if (option.starts_with("hold=")) options.record_timeout_ms = number_of(option.substr(5));
        if (option.starts_with("checkpoint=")) options.checkpoint_interval_ms = number_of(option.substr(11));
    }
    Append output(argv[3]);
    if (!output.good()) return std::fprintf(stderr, "cannot open %s\n", argv[3]), 1;
    auto tailer = sonde::Tailer::open(options, output);
    if (!tailer) return std::fprintf(stderr, "%s\n", tailer.error().message().c_str()), 1;
    std::jthread tail([&](const std::stop_token& stop) { (*tailer)->run(stop); });
    int signal_number = 0;
    ::sigwait(&signals, &signal_number);
    tail.request_stop();
    tail.join();
    print((*tailer)->stats());
    return 0;
}
