#include "agent/redact/keyed_hash.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>

namespace sonde {

struct KeyedHash::State {
    EVP_MAC* algorithm = nullptr;
    EVP_MAC_CTX* context = nullptr;
    ~State() {
        EVP_MAC_CTX_free(context);
        EVP_MAC_free(algorithm);
    }
};

KeyedHash::KeyedHash(std::string_view key) {
    if (key.empty()) return;
    state_ = std::make_unique<State>();
    state_->algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    state_->context = state_->algorithm != nullptr ? EVP_MAC_CTX_new(state_->algorithm) : nullptr;
    char digest_name[] = "SHA256";
    const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
                                     OSSL_PARAM_construct_end()};
    const auto* bytes = reinterpret_cast<const unsigned char*>(key.data());
    if (state_->context == nullptr || EVP_MAC_init(state_->context, bytes, key.size(), parameters) != 1) state_.reset();
}

KeyedHash::~KeyedHash() = default;

bool KeyedHash::digest(std::string_view value, Digest& digest) {
    if (state_ == nullptr) return false;
    std::size_t size = 0;
    const auto* bytes = reinterpret_cast<const unsigned char*>(value.data());
    // without a key it starts again with the one of the constructor
    return EVP_MAC_init(state_->context, nullptr, 0, nullptr) == 1 &&
           EVP_MAC_update(state_->context, bytes, value.size()) == 1 &&
           EVP_MAC_final(state_->context, digest.data(), &size, digest.size()) == 1 && size == digest.size();
}

}  // namespace sonde
