#pragma once

#include <cstddef>
#include <span>
#include <string_view>

// Checks that tell a secret from what only looks like one. Pure functions, any thread, linear in their input.
namespace sonde {

// Digits only, 1 … n. ISO/IEC 7812-1, annex B.
bool luhn_valid(std::string_view digits);
// 13 … 19 digits with the length and prefix of a network that issues them, Luhn-valid.
bool card_number_valid(std::string_view digits);
// Without spaces, upper case: country, its length, mod 97 = 1. ISO 13616.
bool iban_valid(std::string_view text);
// AAA-GG-SSSS as nine digits: areas 000, 666 and 900-999, group 00 and serial 0000 were never issued (SSA, 2011).
bool ssn_valid(std::string_view digits);
// Nine dotted parts are no address: exactly four, each 0 … 255 without leading zero.
bool ipv4_valid(std::string_view text);
bool ipv6_valid(std::string_view text);
// A base64 text whose content is "user:password" in printable characters. RFC 7617.
bool basic_credentials_valid(std::string_view base64);
// A machine made it: at least 16 characters of hex, base64 or base64url with the spread of random ones (Shannon
// entropy per character). A UUID counts, a word or a dotted version does not.
bool looks_random(std::string_view value);

}  // namespace sonde
