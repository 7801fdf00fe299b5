#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string_view>

namespace sonde {

// HMAC-SHA-256 (RFC 2104, FIPS 198-1) by OpenSSL. One thread.
class KeyedHash {
public:
    using Digest = std::array<unsigned char, 32>;

    // key empty: digest() fails.
    explicit KeyedHash(std::string_view key);
    ~KeyedHash();
    KeyedHash(const KeyedHash&) = delete;
    KeyedHash& operator=(const KeyedHash&) = delete;

    // False: there is no key, or OpenSSL refuses (a FIPS provider and a short key).
    [[nodiscard]] bool digest(std::string_view value, Digest& digest);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace sonde
