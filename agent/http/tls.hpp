#pragma once

#include <memory>
#include <string>

#include "agent/base/result.hpp"

namespace boost::asio::ssl {
class context;
}

namespace sonde {

// PEM files. Both empty: no TLS.
struct TlsOptions {
    std::string certificate_file;  // the agent's certificate, then those that lead to its authority
    std::string key_file;          // its private key, without a passphrase
    [[nodiscard]] bool is_on() const { return !certificate_file.empty() || !key_file.empty(); }
    [[nodiscard]] const char* scheme() const { return is_on() ? "https://" : "http://"; }
};

// The certificate that the agent's port shows, read again once its files have changed: a renewal needs neither reload
// nor restart. Thread-safe.
class TlsCertificate {
public:
    // Errors (usage) name the configuration's key: a file that is missing, unreadable or not PEM, a key of another
    // certificate.
    static Result<std::unique_ptr<TlsCertificate>> open(const TlsOptions& options);

    virtual ~TlsCertificate() = default;
    // What the next connection gets. While the files do not fit (one of them is being replaced) it is what they held
    // before.
    virtual std::shared_ptr<boost::asio::ssl::context> current() = 0;
};

// SHA-256 of the public key of the first certificate in a PEM file, as libcurl's CURLOPT_PINNEDPUBLICKEY wants it
// (RFC 7469 §2.4).
Result<std::string> public_key_pin(const std::string& certificate_file);

}  // namespace sonde
