#pragma once

#include <cstdint>
#include <string_view>

namespace sonde {

// Tells lines that begin a record from those that belong to the one before: indented lines (Java's and Node's frames,
// printed objects), Python's tracebacks with their chains, Go's panics with all goroutines, Java's "Caused by", Node's
// uncaught errors with their source line, java.util.logging's second line. No allocation. One stream, one thread.
class MultilineRules {
public:
    // Whether line (without \n) belongs to the record before. The caller begins a record if not.
    bool continues(std::string_view line);
    // The record before is complete: the next line begins one.
    void end_record() { state_ = State::none, lines_ = 0; }
    // Nothing can follow this line but a record of its own: a whole JSON object. It need not wait for the next line.
    static bool closed(std::string_view line);

private:
    enum class State : std::uint8_t {
        none,
        python_frames,   // below "Traceback (most recent call last):"
        python_done,     // the exception's line came
        python_gap,      // and an empty line: a chain may follow
        python_between,  // "During handling of the above exception …"
        go_panic,
        node_source,  // "/srv/app.js:12": two lines of source follow
        node_caret,   // "    ^": the error follows behind an empty line
        node_frames,  // an uncaught error's frames; "Node.js v20" ends it
        jul_head,     // the second line follows
    };
    void begin(std::string_view line);
    bool continues_plain(std::string_view line);
    bool continues_python(std::string_view line);
    bool continues_go(std::string_view line) const;
    bool continues_node(std::string_view line);

    State state_ = State::none;
    std::uint32_t lines_ = 0;
    bool quiet_ = false;  // the record's first line is an information: an uncaught traceback below it is not its own
};

}  // namespace sonde
