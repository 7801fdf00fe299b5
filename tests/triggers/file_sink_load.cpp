// Numbered records through a file sink, for tests that kill it or pull the disk from under it.
//
//   file_sink_load DIRECTORY [key=value …]
//     first=N          number of the first record (0); it is the record's path
//     batch=N          records between two flushes (1000)
//     mb_per_s=N       rate; 0: as fast as it goes (0)
//     seconds=N        0: until SIGTERM (0)
//     fsync=never|interval|batch
//     rotate_kib=N total_kib=N files=N compression=none|zstd|gzip idle=0|1 free=0|1
//
// SIGUSR1 asks for a rotation. After each flush() one line on stdout: `RECORDS FAILED ok` or `RECORDS FAILED why …`:
// so many were handed over and refused. After a good one, all that were not refused are in the file, and durable with
// fsync=batch. At the end one line of JSON.
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <thread>

#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

volatile std::sig_atomic_t stopping = 0;

class Arguments {
public:
    Arguments(int argc, char** argv) {
        for (int i = 2; i < argc; ++i) {
            const std::string_view text(argv[i]);
            const auto equals = text.find('=');
            if (equals != std::string_view::npos)
                values_[std::string(text.substr(0, equals))] = text.substr(equals + 1);
        }
    }
    [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : found->second;
    }
    [[nodiscard]] std::uint64_t number(const std::string& key, std::uint64_t otherwise) const {
        const auto found = values_.find(key);
        return found == values_.end() ? otherwise : std::stoull(found->second);
    }

private:
    std::map<std::string, std::string> values_;
};

FileSinkOptions options_of(const std::string& directory, const Arguments& arguments) {
    const std::map<std::string, FsyncPolicy> policies{
        {"never", FsyncPolicy::never}, {"interval", FsyncPolicy::interval}, {"batch", FsyncPolicy::batch}};
    const std::map<std::string, Compression> compressions{
        {"none", Compression::none}, {"zstd", Compression::zstd}, {"gzip", Compression::gzip}};
    FileSinkOptions options;
    options.directory = directory;
    options.fsync = policies.at(arguments.text("fsync", "never"));
    options.rotate_bytes = arguments.number("rotate_kib", options.rotate_bytes >> 10U) << 10U;
    options.retention.max_total_bytes = arguments.number("total_kib", options.retention.max_total_bytes >> 10U) << 10U;
    options.retention.max_files = static_cast<std::uint32_t>(arguments.number("files", 0));
    options.retention.free_space_when_full = arguments.number("free", 1) != 0;
    options.compression = compressions.at(arguments.text("compression", "zstd"));
    options.compression_level = 1;
    options.compress_only_when_idle = arguments.number("idle", 1) != 0;
    return options;
}

void print_end(const FileSink& sink, std::uint64_t records, double slowest_flush_ms) {
    const auto& status = *sink.status();
    const auto stats = sink.stats();
    const auto number = [](const FileSinkStatus::Count& count) {
        return static_cast<unsigned long long>(count.load());
    };
    std::printf(
        "{\"records\":%llu,\"failed\":%llu,\"errors\":%llu,\"written_bytes\":%llu,\"durable_bytes\":%llu,"
        "\"doubtful_bytes\":%llu,\"rotations\":%llu,\"reopened\":%llu,\"rescued_bytes\":%llu,\"deleted_files\":%llu,"
        "\"slowest_call_ms\":%.1f,\"writer\":\"%s\"}\n",
        static_cast<unsigned long long>(records), static_cast<unsigned long long>(stats.failed_records),
        static_cast<unsigned long long>(stats.errors), number(status.written_bytes), number(status.durable_bytes),
        number(status.doubtful_bytes), number(status.rotations), number(status.reopened), number(status.rescued_bytes),
        number(status.deleted_files), slowest_flush_ms, std::string(sink.writer_name()).c_str());
}

int load(FileSink& sink, const Arguments& arguments) {
    using Clock = std::chrono::steady_clock;
    const auto first = arguments.number("first", 0), batch = arguments.number("batch", 1000);
    const auto bytes_per_s = static_cast<double>(arguments.number("mb_per_s", 0)) * 1e6;
    const std::chrono::duration<double> limit(static_cast<double>(arguments.number("seconds", 0)));
    const auto started = Clock::now();
    double slowest_ms = 0;
    std::uint64_t written = 0;
    Transaction t;
    t.method = {"GET"};
    t.status = 200;
    t.host = {"a.host.of.some.length.example"};
    Record record = t;
    auto& transaction = std::get<Transaction>(record);
    while (stopping == 0 && (limit.count() == 0 || Clock::now() - started < limit)) {
        const auto batch_started = Clock::now();
        for (std::uint64_t i = 0; i < batch; ++i, ++written) {
            std::array<char, 24> path{'/'};
            const auto* end = std::to_chars(path.data() + 1, path.data() + path.size(), first + written).ptr;
            transaction.path = {std::string_view(path.data(), static_cast<std::size_t>(end - path.data()))};
            transaction.time_ns = 1'767'323'045'000'000'000 + written;
            sink.write(record);
        }
        const auto status = sink.flush();
        const std::chrono::duration<double, std::milli> took = Clock::now() - batch_started;
        slowest_ms = std::max(slowest_ms, took.count());
        std::printf("%llu %llu %s\n", static_cast<unsigned long long>(written),
                    static_cast<unsigned long long>(sink.stats().failed_records),
                    status ? "ok" : status.error().what.c_str());
        std::fflush(stdout);
        if (bytes_per_s == 0) continue;
        const std::chrono::duration<double> due(static_cast<double>(sink.status()->appended_bytes) / bytes_per_s);
        const auto wait = due - (Clock::now() - started);
        // a writer that can write nothing must not spin
        std::this_thread::sleep_for(
            std::max<std::chrono::duration<double>>(wait, std::chrono::milliseconds(status ? 0 : 5)));
    }
    static_cast<void>(sink.flush());
    print_end(sink, written, slowest_ms);
    return 0;
}

int run(int argc, char** argv) {
    if (argc < 2) return 2;
    std::signal(SIGTERM, [](int) { stopping = 1; });
    std::signal(SIGUSR1, [](int) { FileSink::request_rotation(); });
    std::signal(SIGXFSZ, SIG_IGN);
    const Arguments arguments(argc, argv);
    auto sink = FileSink::open(options_of(argv[1], arguments));
    if (!sink) {
        std::fprintf(stderr, "%s\n", sink.error().message().c_str());
        return 1;
    }
    return load(**sink, arguments);
}

}  // namespace
}  // namespace sonde

int main(int argc, char** argv) { return sonde::run(argc, argv); }
