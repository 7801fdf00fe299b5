#include "agent/config/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "agent/base/unique_fd.hpp"

namespace sonde {

Result<std::string> read_regular_file(const std::string& path, std::size_t max_bytes) {
    const auto refuse = [](const std::string& reason) { return fail(reason, {}, ErrorKind::usage); };
    // O_NONBLOCK: a named pipe without a writer must not hang the start
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return refuse(std::string("cannot be opened: ") + std::strerror(errno));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return refuse(std::string("cannot be read: ") + std::strerror(errno));
    if (S_ISDIR(info.st_mode)) return refuse("is a directory, expected a file");
    if (!S_ISREG(info.st_mode)) return refuse("is not a regular file");
    std::string text(max_bytes + 1, '\0');  // one more than may be: the difference shows
    std::size_t size = 0;
    while (size < text.size()) {
        const auto n = ::read(fd.get(), text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return refuse(std::string("cannot be read: ") + std::strerror(errno));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    if (size > max_bytes) return refuse("is larger than " + std::to_string(max_bytes) + " bytes");
    text.resize(size);
    return text;
}

Result<std::string> read_secret_file(const std::string& path) {
    auto secret = read_regular_file(path, max_secret_bytes);
    const auto refuse = [&](const std::string& reason) {
        return fail("the file '" + path + "' " + reason, {}, ErrorKind::usage);
    };
    if (!secret) return refuse(secret.error().what);
    while (!secret->empty() && (secret->back() == '\n' || secret->back() == '\r')) secret->pop_back();
    if (secret->empty()) return refuse("is empty");
    return secret;
}

}  // namespace sonde
