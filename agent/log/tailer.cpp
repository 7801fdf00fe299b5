#include "agent/log/tailer.hpp"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <thread>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr int blocked_wait_ms = 10;
constexpr std::uint64_t gone_after_ns = 10'000'000'000;
// The kernel stamps files with a clock that stands still between ticks, and ours may be adjusted.
constexpr std::uint64_t stamp_slack_ns = 1'000'000'000;

void add(std::atomic<std::uint64_t>& counter, std::uint64_t n) { counter.fetch_add(n, std::memory_order_relaxed); }

enum class Ahead : std::uint8_t {
    nothing,
    bytes,    // behind those that were read
    renamed,  // there should be, but its path leads elsewhere by now: the folder must be listed
};

Ahead look_ahead(const TailedFile& file) {
    struct stat info {};
    const auto& state = file.state();
    const auto more = [&](std::uint64_t size) { return size > state.offset; };
    if (file.is_open()) {
        if (::fstat(file.descriptor(), &info) != 0) return Ahead::nothing;
    } else if (::stat(state.path.c_str(), &info) != 0 || FileId{info.st_dev, info.st_ino} != state.id) {
        return more(file.listed_size) ? Ahead::renamed : Ahead::nothing;
    }
    return more(static_cast<std::uint64_t>(info.st_size)) ? Ahead::bytes : Ahead::nothing;
}

// What the file begins with; nothing if another file has the path by now, or it cannot be read.
std::optional<std::string> front_of(const std::string& path, const FileId& id) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    struct stat info {};
    if (!fd || ::fstat(fd.get(), &info) != 0 || FileId{info.st_dev, info.st_ino} != id) return {};
    std::string front(Fingerprint::size_max, '\0');
    const auto got = ::pread(fd.get(), front.data(), front.size(), 0);
    if (got < 0) return {};
    front.resize(static_cast<std::size_t>(got));
    return front;
}

}  // namespace

Tailer::Tailer(const TailerOptions& options, LogRecordHandler& handler)
    : options_(options),
      context_{.options = options, .handler = handler, .stats = stats_, .buffer = {}, .record = {}},
      scan_(options.files) {}

Tailer::~Tailer() = default;

Result<std::unique_ptr<Tailer>> Tailer::open(const TailerOptions& options, LogRecordHandler& handler) {
    std::unique_ptr<Tailer> tailer(new Tailer(options, handler));
    if (!options.checkpoint_path.empty()) {
        auto checkpoint = read_checkpoint(options.checkpoint_path);
        if (!checkpoint) return checkpoint.error();
        tailer->restore(*checkpoint);
    }
    return tailer;
}

void Tailer::restore(const TailCheckpoint& checkpoint) {
    restored_scan_ns_ = checkpoint.scanned_ns;
    std::map<std::string, const LogFiles*> families;
    for (const auto& file : checkpoint.files) scan_.remember(file.family);
    for (const auto& found : scan_.scan()) families.emplace(found.family, found.files);
    for (const auto& file : checkpoint.files) {
        next_order_ = std::max(next_order_, file.order + 1);
        const auto family = families.find(file.family);
        if (family == families.end()) continue;  // no pattern asks for it any more, or none of its files is left
        auto tailed = std::make_unique<TailedFile>(file, *family->second);
        if (const auto front = front_of(file.path, file.id)) tailed->remember_front(*front);
        files_.emplace(file.id, std::move(tailed));
    }
    order_stale_ = true;
}

// A listing during which no name came or went: a file that is renamed meanwhile may be missed, or taken for another
// one. With the beginnings of those files that were not compared yet.
std::vector<FoundFile> Tailer::list() {
    constexpr int tries_max = 20;
    std::vector<FoundFile> found;
    for (int tries = 0; tries < tries_max; ++tries) {
        watch_.wait(0);
        found = scan_.scan();
        for (auto& file : found) {
            const auto known = files_.find(file.id);
            if (known == files_.end() || !known->second->verified(file)) file.front = front_of(file.path, file.id);
        }
        bool watched = true;
        for (const auto& folder : scan_.folders()) watched = !watch_.add(folder) && watched;
        if (watched && !watch_.wait(0).names) break;
        if (watched) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return found;
}

// In this order: known files get their new names; truncated ones are found; states whose inode another file has by now
// are forgotten; unknown rotated files that begin like a known one are set aside as its copies; truncated files are
// dealt with, with those copies; what is then unknown is new.
void Tailer::scan() {
    scanned_real_ns_ = realtime_ns();
    scanned_ns_ = monotonic_ns();
    auto found = list();
    update_known(found);
    const auto truncated = find_truncated(found);
    // a listing from before the truncation may lack the copy, so there is another one
    if (!truncated.empty()) {
        found = list();
        update_known(found);
    }
    forget_reused(found);
    find_copies(found);
    std::set<std::string> unsettled;  // families whose truncation waits for the handler
    for (const auto& id : truncated) {
        const auto file = files_.find(id);
        if (file == files_.end()) continue;
        const auto listed =
            std::find_if(found.begin(), found.end(), [&](const FoundFile& one) { return one.id == id; });
        if (!resolve_truncation(*file->second, listed != found.end() && listed->front ? *listed->front : ""))
            unsettled.insert(file->second->state().family);
    }
    find_copies(found);
    for (const auto& file : found) {
        if (unsettled.contains(file.family) || copies_.contains(file.id)) continue;
        const auto known = files_.find(file.id);
        // an empty rotated file holds nothing yet; it may become a copy
        if (known == files_.end() && (file.current || file.size > 0)) register_file(file);
        // what nothing was read of yet has its place among the new ones: also a copy of what the current file held
        // before anybody read that, which may be younger than other rotated files that are found with it
        if (known != files_.end() && known->second->state().offset == 0) known->second->set_order(next_order_++);
    }
    if (unsettled.empty()) first_scan_ = false;
    stats_.files_known.store(files_.size(), std::memory_order_relaxed);
    order_stale_ = true;
}

// Whether what was read of a file is not what it holds.
bool Tailer::is_other(const TailedFile& file, const FoundFile& found) const {
    return found.front && (!file.begins_like(*found.front) || found.size < file.state().offset);
}

std::set<FileId> Tailer::find_truncated(const std::vector<FoundFile>& found) {
    std::set<FileId> out;
    for (const auto& file : found) {
        const auto known = files_.find(file.id);
        if (known == files_.end() || !file.front) continue;
        if (!is_other(*known->second, file)) {
            if (file.modified_ns + stamp_slack_ns < scanned_real_ns_) known->second->set_verified(file);
        } else if (file.current) {
            out.insert(file.id);
        }
    }
    return out;
}

// A rotated file is not truncated: one that begins differently has the inode of a file that was deleted.
void Tailer::forget_reused(const std::vector<FoundFile>& found) {
    for (const auto& file : found) {
        const auto known = files_.find(file.id);
        if (file.current || known == files_.end() || !is_other(*known->second, file)) continue;
        if (!known->second->flush(context_)) continue;
        known->second->close(context_);
        files_.erase(known);
        order_stale_ = true;
    }
}

void Tailer::update_known(const std::vector<FoundFile>& found) {
    std::map<FileId, const FoundFile*> by_id;
    std::map<std::string, FileId> current;
    for (const auto& file : found) {
        by_id.emplace(file.id, &file);
        if (file.current) current.emplace(file.family, file.id);
    }
    std::erase_if(copies_, [&](const auto& copy) { return !by_id.contains(copy.first); });
    std::erase_if(files_, [&](auto& entry) {
        auto& file = *entry.second;
        const auto at = by_id.find(entry.first);
        if (at == by_id.end()) return drop_gone(file);
        file.set_path(at->second->path);
        file.listed_size = at->second->size;
        const auto owner = current.find(file.state().family);
        const bool rotated = owner != current.end() && owner->second != entry.first;
        if (rotated && !file.rotated) add(stats_.rotations, 1);
        file.rotated = rotated;
        file.deleted = false;
        file.missing_since_ns = 0;
        return false;
    });
}

// A file that the listing did not show. true: it is forgotten. Listings may miss files that are being renamed, again
// and again while a rotation shifts many.
bool Tailer::drop_gone(TailedFile& file) {
    struct stat info {};
    if (file.is_open()) {
        if (!file.rotated) add(stats_.rotations, 1);
        file.rotated = true;
        file.deleted = ::fstat(file.descriptor(), &info) == 0 && info.st_nlink == 0;
        return false;
    }
    file.listed_size = 0;
    if (file.missing_since_ns == 0) file.missing_since_ns = scanned_ns_;
    if (scanned_ns_ - file.missing_since_ns < gone_after_ns) return false;
    if (file.seen_size() > file.state().offset) add(stats_.bytes_lost, file.seen_size() - file.state().offset);
    return true;
}

bool Tailer::is_copy_of_known(const FoundFile& file, std::string_view front) {
    for (const auto& [id, known] : files_) {
        const auto& state = known->state();
        if (state.family != file.family || known->deleted) continue;
        if (state.fingerprint.size == 0 || front.empty() || !known->may_have_begun_like(front)) continue;
        copies_.insert_or_assign(file.id, Copy{file, id});
        return true;
    }
    return false;
}

void Tailer::find_copies(const std::vector<FoundFile>& found) {
    for (const auto& file : found) {
        if (file.current || files_.contains(file.id)) continue;
        const auto copy = copies_.find(file.id);
        if (copy != copies_.end() && copy->second.file.size == file.size) {
            copy->second.file = file;  // its name may be another one by now
            continue;
        }
        // a copy that is being made may still turn out to be another file
        if (file.front && !is_copy_of_known(file, *file.front) && copy != copies_.end()) copies_.erase(copy);
    }
}

// front: what the file begins with by the listing that the copies are of. One that has been truncated again since then
// differs from it, and is listed once more before it is read: a copy made meanwhile comes first.
// false: not now. What was read of the file before has still to be handed over, or its copy got another name.
bool Tailer::resolve_truncation(TailedFile& file, std::string_view front) {
    if (!file.flush(context_)) return false;
    const auto id = file.state().id;
    const Copy* best = nullptr;
    for (const auto& [copy_id, copy] : copies_) {
        // at least as long as what was read; of several the youngest, which has the most
        if (copy.of != id || (best && copy.file.modified_ns < best->file.modified_ns)) continue;
        best = &copy;
    }
    if (best) {
        if (!add_copy(file, best->file, file.state().offset)) return false;  // renamed just now
        add(stats_.copies, 1);
    } else if (file.seen_size() > file.state().offset) {
        add(stats_.bytes_lost, file.seen_size() - file.state().offset);
    }
    add(stats_.truncations, 1);
    add(stats_.rotations, 1);
    // other copies hold nothing new
    for (const auto& [copy_id, copy] : copies_)
        if (copy.of == id && !files_.contains(copy_id)) add_copy(file, copy.file, UINT64_MAX);
    std::erase_if(copies_, [&](const auto& copy) { return copy.second.of == id; });
    file.restart(next_order_++, front);
    return true;
}

// The copy goes on at offset, or at its end if it is shorter, and comes before what the file holds now. Its size is
// looked up anew: it may have been listed before it was complete.
bool Tailer::add_copy(const TailedFile& file, const FoundFile& copy, std::uint64_t offset) {
    struct stat info {};
    if (::stat(copy.path.c_str(), &info) != 0 || info.st_ino != copy.id.inode) return false;
    auto state = file.state();
    state.id = copy.id;
    state.path = copy.path;
    state.offset = std::min(offset, static_cast<std::uint64_t>(info.st_size));
    auto made = std::make_unique<TailedFile>(std::move(state), *copy.files);
    made->rotated = true;
    made->listed_size = static_cast<std::uint64_t>(info.st_size);
    files_.emplace(copy.id, std::move(made));
    return true;
}

std::uint64_t Tailer::start_offset(const FoundFile& file) const {
    if (!first_scan_) return 0;
    if (restored_scan_ns_ == 0) return options_.from_beginning && file.current ? 0 : file.size;
    // there was a checkpoint, and it does not know the file: it is new unless it was there and did not change since
    return file.modified_ns + stamp_slack_ns >= restored_scan_ns_ ? 0 : file.size;
}

void Tailer::register_file(const FoundFile& found) {
    if (files_.size() >= options_.files_max) {
        add(stats_.files_refused, 1);
        return;
    }
    if (!found.front) {
        add(stats_.files_refused, 1);
        return;
    }
    FileCheckpoint state{.id = found.id,
                         .fingerprint = fingerprint_of(*found.front),
                         .offset = start_offset(found),
                         .order = next_order_++,
                         .family = found.family,
                         .path = found.path};
    auto file = std::make_unique<TailedFile>(std::move(state), *found.files);
    file->remember_front(*found.front);
    file->rotated = !found.current;
    file->snap_to_line = file->state().offset > 0;
    file->listed_size = found.size;
    files_.emplace(found.id, std::move(file));
}

void Tailer::order_files() {
    if (!order_stale_) return;
    ordered_.clear();
    for (const auto& [id, file] : files_) ordered_.push_back(file.get());
    std::sort(ordered_.begin(), ordered_.end(), [](const TailedFile* a, const TailedFile* b) {
        return std::tie(a->state().family, a->state().order) < std::tie(b->state().family, b->state().order);
    });
    order_stale_ = false;
}

// Closes the file that was quiet for longest, if as many are open as may be. false: none can be closed.
bool Tailer::make_room() {
    if (stats_.files_open.load(std::memory_order_relaxed) < options_.open_files_max) return true;
    TailedFile* quietest = nullptr;
    for (auto* file : ordered_)
        if (file->is_open() && !file->deleted && !file->holds() && file->seen_size() <= file->state().offset &&
            (!quietest || file->active_ns() < quietest->active_ns()))
            quietest = file;
    if (quietest) quietest->close(context_);
    return quietest != nullptr;
}

TailedFile::Progress Tailer::read_file(TailedFile& file) {
    using Progress = TailedFile::Progress;
    if (!file.is_open()) {
        if (!make_room()) return Progress::blocked;
        if (!file.open(context_)) {
            if (look_ahead(file) == Ahead::renamed) return Progress::renamed;
            add(stats_.files_refused, 1);  // not readable: the younger ones do not wait for it
            return Progress::failed;
        }
    }
    return file.read(context_);
}

// The last records of older files have nothing to wait for once a younger one has lines. false: refused.
bool Tailer::flush_held(std::size_t begin, std::size_t end) {
    return std::all_of(ordered_.begin() + static_cast<std::ptrdiff_t>(begin),
                       ordered_.begin() + static_cast<std::ptrdiff_t>(end),
                       [&](TailedFile* file) { return !file->holds() || file->flush(context_); });
}

// A file of which nothing was seen may have been rotated by copies any number of times: once it is known what it begins
// with now, those copies are in the next listing, and they come first.
bool Tailer::must_scan_before(TailedFile& file) {
    if (file.rotated || file.state().fingerprint.size > 0) return false;
    if (const auto front = front_of(file.state().path, file.state().id)) file.restart(file.state().order, *front);
    scanned_ns_ = 0;
    return true;
}

// Each family from its oldest file on: a younger one is read only once the older ones are at their end.
bool Tailer::read_families() {
    using Progress = TailedFile::Progress;
    order_files();
    bool more = false;
    for (std::size_t i = 0; i < ordered_.size();) {
        const auto& family = ordered_[i]->state().family;
        std::size_t end = i;
        while (end < ordered_.size() && ordered_[end]->state().family == family) ++end;
        for (std::size_t at = i; at < end; ++at) {
            auto& file = *ordered_[at];
            // only what is there by now: the records that older files hold must go before
            const auto ahead = look_ahead(file);
            if (ahead == Ahead::nothing) continue;
            if (must_scan_before(file)) {
                more = true;
                break;
            }
            if (!flush_held(i, at)) break;
            const auto progress = ahead == Ahead::renamed ? Progress::renamed : read_file(file);
            if (progress == Progress::truncated || progress == Progress::renamed) {
                scanned_ns_ = 0;  // its copy, or its new name, is looked for first
                more = true;
                break;
            }
            if (progress == Progress::more) more = true;
            if (progress == Progress::more || progress == Progress::blocked) break;
        }
        i = end;
    }
    return more;
}

// Records whose further lines did not come, and files that are done.
void Tailer::tidy() {
    const auto now_ns = monotonic_ns();
    for (auto* file : ordered_) {
        if (!file->is_open() || !file->flush_old(context_, now_ns)) continue;
        const bool idle = now_ns - file->active_ns() >= options_.rotated_idle_ms * ns_per_ms;
        if (!(file->deleted || file->rotated) || !idle || !file->finish(context_)) continue;
        file->close(context_);
        if (file->deleted) {
            files_.erase(file->state().id);
            order_stale_ = true;
        }
    }
    order_files();
}

bool Tailer::turn(int timeout_ms) {
    const auto& changes = watch_.wait(timeout_ms);
    const bool due = monotonic_ns() - scanned_ns_ >= options_.scan_interval_ms * ns_per_ms;
    if (changes.names || due || first_scan_) scan();
    const bool more = read_families();
    tidy();
    checkpoint_when_due();
    return more;
}

void Tailer::run(const std::stop_token& stop) {
    ::pthread_setname_np(::pthread_self(), "tail");
    const std::stop_callback wakes(stop, [this] { watch_.wake(); });
    bool more = true;
    while (!stop.stop_requested()) {
        const auto interval_ms =
            std::min({options_.scan_interval_ms, options_.checkpoint_interval_ms, options_.record_timeout_ms, 200U});
        const bool blocked = context_.refused_since_ns != 0;
        more = turn(blocked ? blocked_wait_ms : more ? 0 : static_cast<int>(interval_ms));
        // lines that are written one by one are read by the dozen: one event each would cost more than the line
        if (!more && !stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    if (auto saved = save(); !saved) add(stats_.checkpoint_failures, 1);
}

Tailer::Snapshot Tailer::snapshot() const {
    Snapshot out;
    out.records = context_.records_taken;
    out.checkpoint.scanned_ns = scanned_real_ns_;
    out.checkpoint.files.reserve(files_.size());
    for (const auto& [id, file] : files_)
        if (!file->deleted) out.checkpoint.files.push_back(file->checkpoint());
    return out;
}

void Tailer::checkpoint_when_due() {
    if (options_.checkpoint_path.empty()) return;
    const auto now_ns = monotonic_ns();
    if (!pending_ && now_ns - checkpointed_ns_ >= options_.checkpoint_interval_ms * ns_per_ms)
        pending_ = std::make_unique<Snapshot>(snapshot());
    if (!pending_ || context_.handler.records_safe() < pending_->records) return;
    if (write_checkpoint(options_.checkpoint_path, pending_->checkpoint))
        add(stats_.checkpoints, 1);
    else
        add(stats_.checkpoint_failures, 1);
    checkpointed_ns_ = now_ns;
    pending_.reset();
}

Status Tailer::save() {
    if (options_.checkpoint_path.empty()) return done();
    if (context_.handler.records_safe() >= context_.records_taken) pending_ = std::make_unique<Snapshot>(snapshot());
    if (!pending_ || context_.handler.records_safe() < pending_->records) return done();
    auto written = write_checkpoint(options_.checkpoint_path, pending_->checkpoint);
    if (written) add(stats_.checkpoints, 1);
    pending_.reset();
    return written;
}

}  // namespace sonde
