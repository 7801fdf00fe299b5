#include "agent/probe/tls/tls_watch.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "tests/support/sleeping_process.hpp"

namespace sonde {
namespace {

using namespace std::chrono_literals;

// Knows what is attached now and remembers every plan.
class Attached {
public:
    TlsWatchHooks hooks() {
        return {[this](const std::string& path, const TlsPlan& plan) -> Result<std::shared_ptr<void>> {
                    const std::lock_guard lock(mutex_);
                    if (refuse_) return fail("no uprobes here");
                    plans_.emplace_back(path, plan);
                    const auto place = now_.insert(path);
                    return std::shared_ptr<void>(nullptr, [this, place](void*) {
                        const std::lock_guard lock_again(mutex_);
                        now_.erase(place);
                    });
                },
                [this] { ++sweeps_; }};
    }
    void refuse() { refuse_ = true; }
    std::vector<std::pair<std::string, TlsPlan>> plans() {
        const std::lock_guard lock(mutex_);
        return plans_;
    }
    // Only that file: other processes of the machine come and go with theirs.
    [[nodiscard]] int times(const std::string& file) {
        const std::lock_guard lock(mutex_);
        return static_cast<int>(
            std::count_if(now_.begin(), now_.end(), [&](const auto& path) { return path.ends_with(file); }));
    }
    [[nodiscard]] int sweeps() const { return sweeps_; }

private:
    std::mutex mutex_;
    std::vector<std::pair<std::string, TlsPlan>> plans_;
    std::multiset<std::string> now_;
    std::atomic<int> sweeps_{0};
    std::atomic<bool> refuse_{false};
};

template <typename Condition>
bool eventually(Condition condition) {
    for (int i = 0; i < 2000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(5ms);
    }
    return false;
}

std::string any_libssl() {
    for (const auto& path : TlsWatchOptions::standard_libraries())
        if (path.find("libssl") != std::string::npos) return path;
    return {};
}

// A copy of libssl that only one child maps, as an application brings its own. (libssl is never unmapped before the
// process ends: it is linked with -z nodelete.)
class PrivateLibrary {
public:
    explicit PrivateLibrary(const char* name) : path_(std::filesystem::temp_directory_path() / name) {
        std::filesystem::copy_file(any_libssl(), path_, std::filesystem::copy_options::overwrite_existing);
    }
    ~PrivateLibrary() {
        unload();
        std::filesystem::remove(path_);
    }
    PrivateLibrary(const PrivateLibrary&) = delete;
    PrivateLibrary& operator=(const PrivateLibrary&) = delete;
    // The pid of a child that has it mapped.
    std::uint32_t load() {
        child_.emplace(path_.string());
        return child_->pid();
    }
    void unload() { child_.reset(); }
    [[nodiscard]] std::string path() const { return path_.string(); }
    [[nodiscard]] bool found_by(const TlsWatch& watch) const {
        const auto files = watch.files();
        return std::any_of(files.begin(), files.end(), [&](const auto& f) { return f.path == path_.string(); });
    }

private:
    std::filesystem::path path_;
    std::optional<SleepingProcess> child_;
};

TlsWatchOptions quick() {
    TlsWatchOptions options;
    options.standing.clear();
    options.first_look = 1ms;
    options.second_look = 20ms;
    options.sweep_after = 10ms;
    return options;
}

TEST(TlsWatch, AStandingLibraryIsAttachedAtOnceAndReturnsComeBeforeEntries) {
    ASSERT_FALSE(any_libssl().empty());
    Attached attached;
    auto options = quick();
    options.standing = {any_libssl(), "/nowhere/libssl.so.3"};
    const TlsWatch watch(attached.hooks(), options);
    ASSERT_TRUE(watch.wait_first_look(20s));
    const auto plans = attached.plans();
    ASSERT_FALSE(plans.empty());
    const auto& points = plans.front().second.points;
    EXPECT_EQ(plans.front().second.kind, TlsKind::openssl);
    std::vector<std::uint64_t> returning;
    for (const auto& point : points) {
        const bool calls = point.program != TlsProgram::free && point.program != TlsProgram::shutdown;
        if (point.program == TlsProgram::returned) {
            returning.push_back(point.offset);
        } else if (calls) {
            EXPECT_NE(std::find(returning.begin(), returning.end(), point.offset), returning.end());
        }
    }
    EXPECT_GE(returning.size(), 3U);  // handshake, read and write at least
}

TEST(TlsWatch, ALibraryThatIsLoadedLaterIsFoundWhenItSpeaksAndDetachedWhenItIsGone) {
    PrivateLibrary library("sonde-test-libssl-a.so");
    Attached attached;
    TlsWatch watch(attached.hooks(), quick());
    ASSERT_TRUE(watch.wait_first_look(20s));
    EXPECT_FALSE(library.found_by(watch));
    const auto pid = library.load();
    watch.process_speaks_tls(pid);
    ASSERT_TRUE(eventually([&] { return library.found_by(watch); }));
    EXPECT_EQ(attached.times(library.path()), 1);
    library.unload();
    watch.process_ended(pid);
    ASSERT_TRUE(eventually([&] { return !library.found_by(watch); }));
    EXPECT_TRUE(eventually([&] { return attached.times(library.path()) == 0; }));
    EXPECT_GE(attached.sweeps(), 1);
}

TEST(TlsWatch, AProcessIsLookedAtAfterExec) {
    PrivateLibrary library("sonde-test-libssl-b.so");
    Attached attached;
    TlsWatch watch(attached.hooks(), quick());
    ASSERT_TRUE(watch.wait_first_look(20s));
    watch.process_began(library.load());
    EXPECT_TRUE(eventually([&] { return library.found_by(watch); }));
}

TEST(TlsWatch, ARefusedFileSaysWhy) {
    Attached attached;
    attached.refuse();
    auto options = quick();
    options.standing = {any_libssl()};
    const TlsWatch watch(attached.hooks(), options);
    ASSERT_TRUE(watch.wait_first_look(20s));
    ASSERT_FALSE(watch.files().empty());
    EXPECT_FALSE(watch.files().front().attached);
    EXPECT_EQ(watch.files().front().detail, "no uprobes here");
}

TEST(ElfFile, AnythingElseIsAnError) {
    EXPECT_FALSE(ElfFile::open("/nowhere"));
    EXPECT_FALSE(ElfFile::open("/proc/self/maps"));
    EXPECT_FALSE(ElfFile::open("/dev/null"));
}

// Files are other people's: whatever a byte of them says, the answer is a plan or none.
TEST(ElfFile, DamagedFilesAreReadWithoutHarm) {
    std::ifstream in(any_libssl(), std::ios::binary);
    const std::string whole{std::istreambuf_iterator<char>(in), {}};
    const auto path = std::filesystem::temp_directory_path() / "sonde-test-damaged.so";
    std::uint32_t random = 1;
    for (int round = 0; round < 60; ++round) {
        auto bytes = whole;
        for (int i = 0; i < 8; ++i) {
            random = random * 1664525 + 1013904223;
            // the headers at both ends are what leads elsewhere
            const auto at = random % 2 == 0 ? (random >> 8) % 1024 : bytes.size() - 1 - (random >> 8) % 2048;
            bytes[at] = static_cast<char>(random >> 24);
        }
        if (round % 3 == 0) bytes.resize(bytes.size() * static_cast<std::size_t>(round) / 60);
        std::ofstream(path, std::ios::binary) << bytes;
        if (const auto file = ElfFile::open(path.string())) (void)plan_probes(*file);
    }
    std::filesystem::remove(path);
}

}  // namespace
}  // namespace sonde
