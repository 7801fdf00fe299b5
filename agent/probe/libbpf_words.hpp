#pragma once

#include <string>
#include <string_view>

// What stands behind a bare errno of libbpf's: its last warning, or the verifier's reason where it gave one. libbpf has
// one print function for the process, so the words are one for the process, too: one thread loads at a time.
namespace sonde {

// From now on libbpf's warnings are remembered, not printed.
void listen_to_libbpf();
// Before each load: what an earlier one said has nothing to do with it.
void forget_libbpf_words();
// Empty: nothing was said since.
[[nodiscard]] const std::string& libbpf_words();

// The instruction or rule that the verifier did not like: the last line of its log before the statistics. log: the
// whole log with libbpf's marks around it. Empty where there is none.
[[nodiscard]] std::string verifier_reason(std::string_view log);

}  // namespace sonde
