#include "agent/command/raw_terminal.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cstdio>

namespace sonde {

RawTerminal::RawTerminal() {
    if (::tcgetattr(STDIN_FILENO, &before_) == 0) {
        auto raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);  // Ctrl-C stays a signal
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        changed_ = ::tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
    }
    std::fputs("\x1b[?1049h\x1b[?25l", stdout);
}

RawTerminal::~RawTerminal() {
    std::fputs("\x1b[?25h\x1b[?1049l", stdout);
    std::fflush(stdout);
    if (changed_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
}

std::string RawTerminal::keys(int timeout_ms) {
    pollfd waiting{STDIN_FILENO, POLLIN, 0};
    if (::poll(&waiting, 1, timeout_ms) <= 0) return {};
    std::array<char, 64> buffer{};
    const auto got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got <= 0) return "q";
    return {buffer.data(), static_cast<std::size_t>(got)};
}

void RawTerminal::draw(const std::string& picture) {
    std::string out = "\x1b[H";
    for (const char c : picture) {
        if (c == '\n') out += "\x1b[K\r";  // wipes what the last picture had there
        out += c;
    }
    std::fputs((out + "\x1b[K\x1b[J").c_str(), stdout);
    std::fflush(stdout);
}

}  // namespace sonde
