// The file sink against fio in the same run: lines of 512 bytes through its writer, and fio's direct sequential writes
// of 1 MiB, 16 deep, to a file beside it, and a write(2) for each line, which is what one would write first; in turns,
// so that all meet the same disk. Budget: 85% of fio's rate, 0.15 CPU seconds per GB. Then records through the whole
// sink, encoder included.
//
//   file_sink_bench [DIRECTORY [MB [ROUNDS [JSON]]]]    default: here, 512 MB, 5 rounds; needs fio; removes what it
//                                                       writes, but for JSON: a file with the values of each round
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/unique_fd.hpp"
#include "sinks/file/file_sink.hpp"

namespace sonde {
namespace {

constexpr double megabyte = 1e6;
constexpr std::uint64_t preallocate_bytes = 32U << 20U;

struct Measured {
    double mb_per_s = 0;
    double cpu_s_per_gb = 0;
    double direct_share = 0;  // of the bytes
};

double cpu_s(int who) {
    rusage usage{};
    ::getrusage(who, &usage);
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double now_s() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Measured per_second_and_gb(double bytes, double started_s, double cpu_before_s, int who) {
    return {bytes / megabyte / (now_s() - started_s), (cpu_s(who) - cpu_before_s) / (bytes / 1e9)};
}

// fio's own rate: its start and the reading of its job are no part of it. Its CPU time is that of the whole process.
Measured run_fio(const std::string& path, std::uint64_t bytes) {
    const auto command = "fio --name=x --filename='" + path + "' --rw=write --direct=1 --bs=1M --iodepth=16 " +
                         "--ioengine=io_uring --fallocate=none --thread --minimal --size=" + std::to_string(bytes) +
                         " 2>&1";
    const auto cpu_before_s = cpu_s(RUSAGE_CHILDREN);
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "r"), ::pclose);
    std::string text;
    std::array<char, 4096> chunk;
    for (std::size_t got = 0; pipe && (got = std::fread(chunk.data(), 1, chunk.size(), pipe.get())) > 0;)
        text.append(chunk.data(), got);
    pipe.reset();                        // waits for it: only then its CPU time is known
    constexpr int bandwidth_field = 47;  // of terse version 3: KiB/s of writes
    std::size_t at = text.rfind("\n3;") + 1;
    for (int field = 0; field < bandwidth_field; ++field) at = text.find(';', at) + 1;
    const double kib_per_s = std::atof(text.c_str() + at);
    if (kib_per_s <= 0) {
        std::fprintf(stderr, "fio said: %s\n", text.c_str());
        std::exit(1);
    }
    return {kib_per_s * 1024 / megabyte, (cpu_s(RUSAGE_CHILDREN) - cpu_before_s) / (static_cast<double>(bytes) / 1e9)};
}

Measured run_writer(const std::string& path, std::uint64_t bytes) {
    auto file = open_event_file(FileIo::system(), path, {});
    if (!file) std::fprintf(stderr, "%s\n", file.error().message().c_str()), std::exit(1);
    std::string line(512, 'x');
    line.back() = '\n';
    const auto cpu_before_s = cpu_s(RUSAGE_SELF);
    const auto started_s = now_s();
    FileWriter writer(FileIo::system(), preallocate_bytes);
    writer.attach({std::move(file->buffered), std::move(file->direct), 0});
    for (std::uint64_t done = 0; done < bytes; done += line.size()) writer.append(line);
    if (!writer.flush()) std::fprintf(stderr, "cannot write: errno %d\n", writer.last_errno()), std::exit(1);
    auto measured = per_second_and_gb(static_cast<double>(bytes), started_s, cpu_before_s, RUSAGE_SELF);
    measured.direct_share = static_cast<double>(writer.stats().direct_bytes) / static_cast<double>(bytes);
    return measured;
}

// Until the device has all of it, as with the others.
Measured run_write_per_line(const std::string& path, std::uint64_t bytes) {
    const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    std::string line(512, 'x');
    line.back() = '\n';
    const auto cpu_before_s = cpu_s(RUSAGE_SELF);
    const auto started_s = now_s();
    bool good = static_cast<bool>(file);
    for (std::uint64_t done = 0; good && done < bytes; done += line.size())
        good = ::write(file.get(), line.data(), line.size()) == static_cast<ssize_t>(line.size());
    if (!good || ::fdatasync(file.get()) != 0) std::perror("cannot write"), std::exit(1);
    return per_second_and_gb(static_cast<double>(bytes), started_s, cpu_before_s, RUSAGE_SELF);
}

Measured run_sink(const std::string& directory, std::uint64_t bytes) {
    FileSinkOptions options;
    options.directory = directory;
    options.stem = "file_sink_bench_records";
    options.rotate_bytes = 0;
    options.compression = Compression::none;
    auto sink = FileSink::open(options);
    if (!sink) std::fprintf(stderr, "%s\n", sink.error().message().c_str()), std::exit(1);
    Transaction t;
    t.time_ns = 1'767'323'045'678'901'234;
    t.method = {"GET"};
    t.path = {"/orders/42"};
    t.status = 200;
    const Record record = t;
    const auto cpu_before_s = cpu_s(RUSAGE_SELF);
    const auto started_s = now_s();
    while ((*sink)->stats().bytes < bytes) (*sink)->write(record);
    static_cast<void>((*sink)->flush());
    const auto measured =
        per_second_and_gb(static_cast<double>((*sink)->stats().bytes), started_s, cpu_before_s, RUSAGE_SELF);
    ::unlink((*sink)->path().c_str());
    return measured;
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

using Series = std::map<std::string, std::vector<double>>;

void write_json(const char* path, const Series& series) {
    std::ofstream out(path);
    const char* between = "{";
    for (const auto& [name, values] : series) {
        out << between << '"' << name << "\":";
        between = ",";
        char bracket = '[';
        for (const auto value : values) out << std::exchange(bracket, ',') << value;
        out << ']';
    }
    out << "}\n";
}

constexpr std::array<std::pair<const char*, Measured (*)(const std::string&, std::uint64_t)>, 3> ways{
    {{"fio", run_fio}, {"sonde", run_writer}, {"write", run_write_per_line}}};

Series bench(const std::string& directory, std::uint64_t bytes, int rounds) {
    const auto path = directory + "/file_sink_bench.jsonl";
    Series series;
    std::printf("%5s %9s %11s %7s %11s %15s %13s %15s %8s\n", "round", "fio MB/s", "sonde MB/s", "of fio", "write MB/s",
                "sonde CPU s/GB", "fio CPU s/GB", "write CPU s/GB", "direct");
    for (int round = 0; round < rounds; ++round) {
        std::array<Measured, ways.size()> measured;
        for (std::size_t turn = 0; turn < ways.size(); ++turn) {
            // each goes first in turn
            const auto way = (turn + static_cast<std::size_t>(round)) % ways.size();
            measured[way] = ways[way].second(path, bytes);
            ::unlink(path.c_str());
            series[std::string(ways[way].first) + ".mb_per_s"].push_back(measured[way].mb_per_s);
            series[std::string(ways[way].first) + ".cpu_s_per_gb"].push_back(measured[way].cpu_s_per_gb);
        }
        const auto& [fio, ours, write] = measured;
        series["sonde.of_fio"].push_back(ours.mb_per_s / fio.mb_per_s);
        series["write.of_fio"].push_back(write.mb_per_s / fio.mb_per_s);
        std::printf("%5d %9.0f %11.0f %7.2f %11.0f %15.3f %13.3f %15.3f %7.0f%%\n", round + 1, fio.mb_per_s,
                    ours.mb_per_s, series["sonde.of_fio"].back(), write.mb_per_s, ours.cpu_s_per_gb, fio.cpu_s_per_gb,
                    write.cpu_s_per_gb, 100 * ours.direct_share);
        std::fflush(stdout);
    }
    const auto whole = run_sink(directory, bytes);
    series["sink.mb_per_s"].push_back(whole.mb_per_s);
    series["sink.cpu_s_per_gb"].push_back(whole.cpu_s_per_gb);
    return series;
}

}  // namespace
}  // namespace sonde

int main(int argc, char** argv) {
    const std::string directory = argc > 1 ? argv[1] : ".";
    const auto megabytes = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 512;
    const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
    // whole lines and whole blocks for all
    auto series = sonde::bench(directory, megabytes * 1'000'000 / 4096 * 4096, std::max(rounds, 1));
    std::printf("median: %.0f%% of fio (budget 85%%), %.3f CPU s/GB (budget 0.15)\n",
                100 * sonde::median(series["sonde.of_fio"]), sonde::median(series["sonde.cpu_s_per_gb"]));
    std::printf("whole sink, encoder included: %.0f MB/s, %.3f CPU s/GB\n", series["sink.mb_per_s"].back(),
                series["sink.cpu_s_per_gb"].back());
    if (argc > 4) sonde::write_json(argv[4], series);
}
