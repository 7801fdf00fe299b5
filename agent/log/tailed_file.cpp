#include "agent/log/tailed_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

namespace sonde {
namespace {

constexpr std::size_t read_bytes = 256 * 1024;
constexpr std::size_t turn_bytes = 4 * 1024 * 1024;  // what one file may take before the others get their turn
constexpr std::uint64_t ns_per_ms = 1'000'000;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }

std::uint64_t now_of(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

// Bytes read, 0 at the end, -1 on an error.
ssize_t read_at(int fd, char* out, std::size_t size, std::uint64_t offset) {
    while (true) {
        const auto got = ::pread(fd, out, size, static_cast<off_t>(offset));
        if (got >= 0 || errno != EINTR) return got;
    }
}

}  // namespace

std::uint64_t monotonic_ns() { return now_of(CLOCK_MONOTONIC); }
std::uint64_t realtime_ns() { return now_of(CLOCK_REALTIME); }

struct TailedFile::Open {
    Open(UniqueFd file, const LogFiles& files, const TailerOptions& options)
        : fd(std::move(file)),
          parser({.format = files.format, .time = files.time}),
          container(files.container),
          assemblers{RecordAssembler({files.multiline, options.line_bytes_max}),
                     RecordAssembler({files.multiline, options.line_bytes_max}),
                     RecordAssembler({files.multiline, options.line_bytes_max})} {}
    UniqueFd fd;
    LineParser parser;
    ContainerFormat container;
    DockerFormat docker;
    std::array<RecordAssembler, 3> assemblers;  // by LogStream: both streams of a container share its file
    std::array<std::uint64_t, 3> fed_ns{};      // CLOCK_MONOTONIC of the latest line
};

// From a record's text to the handler.
class TailedFile::Output final : public RecordTextHandler {
public:
    Output(TailedFile& file, TailContext& context) : file_(file), context_(context) {}

    bool on_text(const LogFileLine& line) override {
        auto& record = context_.record;
        file_.open_->parser.parse(line.text, line.time_ns != 0 ? line.time_ns : realtime_ns(), record);
        record.flags |= line.flags;
        auto& source = record.source;
        const auto container = file_.open_->container;
        source.origin = container == ContainerFormat::cri      ? LogOrigin::cri
                        : container == ContainerFormat::docker ? LogOrigin::docker
                                                               : LogOrigin::file;
        source.stream = line.stream;
        source.device = file_.state_.id.device;
        source.inode = file_.state_.id.inode;
        source.offset = line.begin;
        source.end_offset = line.end;
        source.path = record.text.add(file_.state_.family);
        source.container_id = container_id_of_path(source.path);
        source.service = record.text.add(file_.files_->service);
        return offer();
    }

private:
    bool offer() {
        if (context_.handler.on_record(context_.record)) {
            context_.refused_since_ns = 0;
            ++context_.records_taken;
            add(context_.stats.records, 1);
            return true;
        }
        add(context_.stats.refusals, 1);
        const auto now_ns = monotonic_ns();
        if (context_.refused_since_ns == 0) context_.refused_since_ns = now_ns;
        const auto limit_ms = context_.options.drop_after_ms;
        if (limit_ms == 0 || now_ns - context_.refused_since_ns < limit_ms * ns_per_ms) return false;
        add(context_.stats.records_dropped, 1);
        return true;
    }
    TailedFile& file_;
    TailContext& context_;
};

TailedFile::TailedFile(FileCheckpoint state, const LogFiles& files) : state_(std::move(state)), files_(&files) {}
TailedFile::~TailedFile() = default;

int TailedFile::descriptor() const { return open_ ? open_->fd.get() : -1; }

bool TailedFile::holds() const {
    return open_ && std::any_of(open_->assemblers.begin(), open_->assemblers.end(),
                                [](const RecordAssembler& assembler) { return assembler.holds(); });
}

FileCheckpoint TailedFile::checkpoint() const {
    auto out = state_;
    if (open_)
        for (const auto& assembler : open_->assemblers)
            if (assembler.holds()) out.offset = std::min(out.offset, assembler.held_begin());
    return out;
}

bool TailedFile::open(TailContext& context) {
    if (open_) return true;
    UniqueFd fd(::open(state_.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0) return false;
    if (info.st_dev != state_.id.device || info.st_ino != state_.id.inode || !S_ISREG(info.st_mode)) return false;
    open_ = std::make_unique<Open>(std::move(fd), *files_, context.options);
    active_ns_ = monotonic_ns();
    seen_size_ = static_cast<std::uint64_t>(info.st_size);
    add(context.stats.files_open, 1);
    if (state_.offset > 0 && state_.offset <= seen_size_) find_line_begin(context);
    return true;
}

// An offset within a line: behind the cut of one that is too long, of which nothing more is wanted; or where the file
// ended when it was first seen, and then the line is read from its begin.
void TailedFile::find_line_begin(TailContext& context) {
    auto& buffer = context.buffer;
    const auto limit = context.options.line_bytes_max;
    if (buffer.size() < limit) buffer.resize(limit);
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(limit, state_.offset));
    const auto begin = state_.offset - size;
    if (read_at(open_->fd.get(), buffer.data(), size, begin) != static_cast<ssize_t>(size)) return;
    const auto newline = std::string_view(buffer.data(), size).rfind('\n');
    if (newline + 1 == size) return;
    if (newline == std::string_view::npos && begin > 0)
        skipping_ = true;
    else if (snap_to_line)
        state_.offset = newline == std::string_view::npos ? 0 : begin + newline + 1;
    snap_to_line = false;
}

void TailedFile::close(TailContext& context) {
    if (!open_) return;
    open_.reset();
    context.stats.files_open.fetch_sub(1, std::memory_order_relaxed);
}

void TailedFile::restart(std::uint64_t order, std::string_view front) {
    state_.offset = 0;
    state_.fingerprint = fingerprint_of(front);
    front_.assign(front);
    state_.order = order;
    skipping_ = false;
    seen_size_ = 0;
    if (open_)
        for (auto& assembler : open_->assemblers) assembler.clear();
}

// Also takes in what the file grew by, until the fingerprint is of full size: from the bytes that were compared, so
// that a truncation in between cannot slip in.
int TailedFile::check_front(TailContext& context) {
    std::array<char, Fingerprint::size_max> front;
    const auto got = read_at(open_->fd.get(), front.data(), front.size(), 0);
    if (got < 0) return add(context.stats.files_refused, 1), -1;
    const std::string_view text(front.data(), static_cast<std::size_t>(got));
    if (!matches(state_.fingerprint, text)) return 0;
    if (state_.fingerprint.size < Fingerprint::size_max && text.size() > state_.fingerprint.size)
        state_.fingerprint = fingerprint_of(text);
    if (front_.size() < text.size()) front_.assign(text);
    return 1;
}

bool TailedFile::flush(TailContext& context) {
    if (!open_) return true;
    Output output(*this, context);
    return std::all_of(open_->assemblers.begin(), open_->assemblers.end(),
                       [&](RecordAssembler& assembler) { return assembler.flush(output); });
}

bool TailedFile::flush_old(TailContext& context, std::uint64_t now_ns) {
    if (!open_) return true;
    Output output(*this, context);
    for (std::size_t i = 0; i < open_->assemblers.size(); ++i) {
        auto& assembler = open_->assemblers[i];
        if (!assembler.holds() || now_ns - open_->fed_ns[i] < context.options.record_timeout_ms * ns_per_ms) continue;
        if (!assembler.flush(output)) return false;
    }
    return true;
}

bool TailedFile::take_line(TailContext& context, std::string_view text, std::uint64_t end, std::uint8_t flags) {
    LogFileLine line{.text = text, .begin = state_.offset, .end = end, .flags = flags};
    // a writer that does not append goes on at its old offset after a truncation: the hole before reads as NUL
    line.text.remove_prefix(std::min(line.text.find_first_not_of('\0'), line.text.size()));
    if (line.text.empty() && !text.empty()) return true;
    ContainerLine container;
    auto& kind = open_->container;
    if (kind == ContainerFormat::detect) {
        if (parse_cri(line.text, container))
            kind = ContainerFormat::cri;
        else
            kind = open_->docker.parse(line.text, container) ? ContainerFormat::docker : ContainerFormat::none;
    }
    const bool wrapped = (kind == ContainerFormat::cri && parse_cri(line.text, container)) ||
                         (kind == ContainerFormat::docker && open_->docker.parse(line.text, container));
    if (wrapped) {
        line.text = container.content;
        line.time_ns = container.time_ns;
        line.stream = container.stream;
        line.unfinished = container.partial;
    }
    Output output(*this, context);
    const auto stream = static_cast<std::size_t>(line.stream);
    open_->fed_ns[stream] = active_ns_;
    return open_->assemblers[stream].feed(line, output);
}

// bytes: of the file from state_.offset on. used: how many were taken, whole lines or what is skipped of a long one.
TailedFile::Progress TailedFile::take_lines(TailContext& context, std::string_view bytes, std::size_t& used) {
    const auto begin = state_.offset;
    for (used = 0; used < bytes.size();) {
        const auto rest = bytes.substr(used);
        const auto newline = rest.find('\n');
        const bool whole = newline != std::string_view::npos;
        if (skipping_) {
            used += whole ? newline + 1 : rest.size();
            skipping_ = !whole;
        } else if (whole && newline <= context.options.line_bytes_max) {
            if (!take_line(context, rest.substr(0, newline), begin + used + newline + 1, 0)) return Progress::blocked;
            used += newline + 1;
        } else if (rest.size() > context.options.line_bytes_max) {
            const auto cut = rest.substr(0, context.options.line_bytes_max);
            if (!take_line(context, cut, begin + used + cut.size(), log_truncated)) return Progress::blocked;
            add(context.stats.lines_cut, 1);
            used += cut.size();
            skipping_ = true;
        } else {
            break;
        }
        state_.offset = begin + used;
    }
    return Progress::at_end;
}

TailedFile::Progress TailedFile::read(TailContext& context) {
    std::size_t taken = 0;
    auto& buffer = context.buffer;
    if (buffer.size() < read_bytes) buffer.resize(read_bytes);
    if (const int front = check_front(context); front <= 0) return front == 0 ? Progress::truncated : Progress::failed;
    while (taken < turn_bytes) {
        const auto got = read_at(open_->fd.get(), buffer.data(), buffer.size(), state_.offset);
        if (got < 0) return Progress::failed;
        // again, for the bytes may be those of a file that was truncated just before they were read
        const int front = check_front(context);
        if (front <= 0) return front == 0 ? Progress::truncated : Progress::failed;
        if (got == 0) {
            struct stat info {};
            if (::fstat(open_->fd.get(), &info) != 0) return Progress::failed;
            const auto size = static_cast<std::uint64_t>(info.st_size);
            if (size < state_.offset) return Progress::truncated;
            seen_size_ = std::max(seen_size_, size);
            return Progress::at_end;
        }
        const auto size = static_cast<std::size_t>(got);
        if (state_.offset + size > seen_size_) {
            seen_size_ = state_.offset + size;
            active_ns_ = monotonic_ns();
        }
        std::size_t used = 0;
        const auto progress = take_lines(context, {buffer.data(), size}, used);
        taken += used;
        add(context.stats.bytes, used);
        if (progress == Progress::blocked) return progress;
        if (used > 0) continue;
        if (size < buffer.size()) return Progress::at_end;  // the line has no end yet
        buffer.resize(std::min(buffer.size() * 2, context.options.line_bytes_max + read_bytes));
    }
    return Progress::more;
}

bool TailedFile::finish(TailContext& context) {
    if (!open_) return true;
    if (seen_size_ > state_.offset && !skipping_) {
        auto& buffer = context.buffer;
        if (buffer.size() < context.options.line_bytes_max) buffer.resize(context.options.line_bytes_max);
        const auto got = read_at(open_->fd.get(), buffer.data(), context.options.line_bytes_max, state_.offset);
        if (got > 0) {
            const std::string_view rest(buffer.data(), static_cast<std::size_t>(got));
            const auto end = state_.offset + rest.size();
            if (!take_line(context, rest, end, log_partial)) return false;
            add(context.stats.bytes, rest.size());
            state_.offset = end;
        }
    }
    return flush(context);
}

}  // namespace sonde
