#pragma once

#include <termios.h>

#include <string>

namespace sonde {

// The terminal for a full-screen program, as long as it lives: keys come one by one and unseen, the picture is on the
// alternate screen, the cursor hidden. Its end puts everything back.
class RawTerminal {
public:
    RawTerminal();
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    // The keys pressed within the timeout, as they came: one byte, or an escape sequence. Empty: none.
    // stdin at its end gives "q".
    static std::string keys(int timeout_ms);
    // Redraws without flicker. The picture has '\n' between its lines.
    static void draw(const std::string& picture);

private:
    termios before_{};
    bool changed_ = false;
};

}  // namespace sonde
