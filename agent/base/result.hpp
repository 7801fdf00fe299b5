// Result<T>: a value, or an error that a user can act on.
//
//   Result<UniqueFd> open_ring();
//   auto ring = open_ring();
//   if (!ring) return ring.error();            // pass on
//   use(*ring);                                // checked: value() asserts
//   return fail("cannot open /x: not a directory", "choose another one with --events DIR");
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace sonde {

// Which exit code the error leads to (DESIGN: 1 failed at run time, 2 wrong usage or configuration).
enum class ErrorKind : unsigned char { runtime, usage };

struct Error {
    std::string what;  // what went wrong and where
    std::string hint;  // what to do about it; may be empty
    ErrorKind kind = ErrorKind::runtime;

    [[nodiscard]] std::string message() const { return hint.empty() ? what : what + ": " + hint; }
    [[nodiscard]] int exit_code() const { return kind == ErrorKind::usage ? 2 : 1; }
};

inline Error fail(std::string what, std::string hint = {}, ErrorKind kind = ErrorKind::runtime) {
    return {std::move(what), std::move(hint), kind};
}

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::move(value)) {}
    Result(Error error) : state_(std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& value() {
        assert(state_.index() == 0);
        return *std::get_if<0>(&state_);
    }
    const T& value() const {
        assert(state_.index() == 0);
        return *std::get_if<0>(&state_);
    }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    [[nodiscard]] const Error& error() const {
        assert(state_.index() == 1);
        return *std::get_if<1>(&state_);
    }

private:
    std::variant<T, Error> state_;
};

struct Done {};
using Status = Result<Done>;
inline Status done() { return Done{}; }

}  // namespace sonde
