#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sonde {

// How sure a telling name makes: `always` (password: whatever it holds), `value` (token, session: unless it holds a
// count, a word for nothing or the like), `random` (key, sig: only what looks made by a machine).
enum class Telling : std::uint8_t { always, value, random };

struct TellingName {
    std::string name;  // words in lower case, split by '_': "api_key"
    Telling telling = Telling::always;
};

// The names that are telling unless a policy says otherwise.
const std::vector<TellingName>& default_telling_names();

// Finds telling names in names of fields, headers and parameters, whatever their spelling: "X-Api-Key", "apiKey",
// "API_KEY", "user.apikey" and "apikey2" all hold "api_key"; "secretary", "token_count" and "maxTokens=4096" (a count
// follows or is held) hold nothing.
//
// Immutable after construction: any thread. No allocation in find().
class FieldNames {
public:
    static constexpr std::size_t not_found = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_name_bytes = 256;  // of a longer name only the end is looked at

    explicit FieldNames(std::vector<TellingName> names);

    // Index into names() of the longest that `name` holds, or not_found.
    [[nodiscard]] std::size_t find(std::string_view name) const;
    [[nodiscard]] const std::vector<TellingName>& names() const { return names_; }

private:
    struct Folded {
        std::string text;
        bool inside_words;  // also as the end of a longer word: "clientsecret"
    };
    std::vector<TellingName> names_;
    std::vector<Folded> folded_;
};

// False where a telling name holds nothing worth hiding: empty, true, null, already masked, a small number (unless
// telling is `always`), or not random (telling is `random`).
bool worth_hiding(std::string_view value, Telling telling);

}  // namespace sonde
