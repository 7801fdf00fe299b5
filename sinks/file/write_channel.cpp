#include "sinks/file/write_channel.hpp"

#include <cerrno>
#include <system_error>

#include "sinks/file/uring_channel.hpp"

namespace sonde {

int PwriteChannel::attach(int buffered, int direct) {
    buffered_ = buffered;
    direct_ = direct;
    return 0;
}

int PwriteChannel::start_write(Route route, std::span<const char> bytes, std::uint64_t offset) {
    write_result_ = static_cast<int>(io_.pwrite(route == Route::direct ? direct_ : buffered_, bytes, offset));
    return 0;
}

int PwriteChannel::start_sync() {
    sync_result_ = io_.sync_data(buffered_);
    return 0;
}

std::optional<int> PwriteChannel::take(Operation operation, bool) {
    return operation == Operation::write ? write_result_ : sync_result_;
}

std::unique_ptr<WriteChannel> make_channel(FileIo& io, std::span<char> memory, std::string* why) {
    int error = 0;
    if (auto channel = UringChannel::create(memory, error)) return channel;
    if (why != nullptr) *why = "io_uring is not to be had: " + std::generic_category().message(error);
    return std::make_unique<PwriteChannel>(io);
}

}  // namespace sonde
