#include "agent/http/tls.hpp"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>

#include <array>
#include <boost/asio/ssl/context.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <tuple>
#include <vector>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace {

namespace ssl = boost::asio::ssl;

constexpr const char* certificate_key = "http.tls.certificate_file";
constexpr const char* private_key = "http.tls.key_file";

// What tells that a file was replaced or rewritten.
using Version = std::tuple<dev_t, ino_t, off_t, time_t, long>;

Error refused(const std::string& key, const std::string& why, const char* hint) {
    return fail(key + ": " + why, hint, ErrorKind::usage);
}

Result<Version> version_of(const char* key, const std::string& path) {
    if (path.empty()) return refused(key, "is not set", "TLS takes a certificate and its private key");
    // a pipe would be waited for
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat found {};
    if (!fd || ::fstat(fd.get(), &found) != 0)
        return refused(key, "cannot read " + path + ": " + std::strerror(errno),
                       "name a PEM file that the user of sonde may read");
    if (!S_ISREG(found.st_mode)) return refused(key, path + " is not a file", "name a PEM file");
    return Version{found.st_dev, found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

Result<std::shared_ptr<ssl::context>> read_pair(const TlsOptions& options) {
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    boost::system::error_code error;
    context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1, error);
    // or OpenSSL would ask for a passphrase on the terminal
    context->set_password_callback([](std::size_t, auto) { return std::string(); }, error);
    context->use_certificate_chain_file(options.certificate_file, error);
    if (error)
        return refused(certificate_key, options.certificate_file + " holds no certificate: " + error.message(),
                       "it begins with -----BEGIN CERTIFICATE-----");
    context->use_private_key_file(options.key_file, ssl::context::pem, error);
    if (!error) return context;
    ::ERR_clear_error();
    if (ERR_GET_LIB(static_cast<unsigned long>(error.value())) == ERR_LIB_X509)
        return refused(private_key,
                       options.key_file + " is not the key of the certificate in " + options.certificate_file,
                       "name the key that the certificate was made with");
    return refused(private_key, options.key_file + " holds no private key that can be used: " + error.message(),
                   "it begins with -----BEGIN PRIVATE KEY----- and has no passphrase");
}

class FilePair final : public TlsCertificate {
public:
    explicit FilePair(TlsOptions options) : options_(std::move(options)) {}

    Status refresh() {
        const auto certificate = version_of(certificate_key, options_.certificate_file);
        if (!certificate) return certificate.error();
        const auto key = version_of(private_key, options_.key_file);
        if (!key) return key.error();
        if (std::vector{*certificate, *key} == seen_) return done();
        seen_ = {*certificate, *key};
        auto read = read_pair(options_);
        if (!read) return read.error();
        current_ = std::move(*read);
        return done();
    }

    std::shared_ptr<ssl::context> current() override {
        const std::lock_guard lock(mutex_);
        const auto status = refresh();
        const auto problem = status ? std::string() : status.error().message();
        if (!problem.empty() && problem != problem_)
            std::fprintf(stderr, "sonde: the certificate of before stays: %s\n", problem.c_str());
        problem_ = problem;
        return current_;
    }

private:
    const TlsOptions options_;
    std::mutex mutex_;
    std::vector<Version> seen_;  // what does not fit is not read again until it changes
    std::string problem_;
    std::shared_ptr<ssl::context> current_;
};

}  // namespace

Result<std::unique_ptr<TlsCertificate>> TlsCertificate::open(const TlsOptions& options) {
    auto pair = std::make_unique<FilePair>(options);
    if (const auto status = pair->refresh(); !status) return status.error();
    return std::unique_ptr<TlsCertificate>(std::move(pair));
}

Result<std::string> public_key_pin(const std::string& certificate_file) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(certificate_file.c_str(), "re"), std::fclose);
    if (!file) return fail("cannot read " + certificate_file + ": " + std::strerror(errno), {}, ErrorKind::usage);
    const std::unique_ptr<X509, void (*)(X509*)> certificate(::PEM_read_X509(file.get(), nullptr, nullptr, nullptr),
                                                             ::X509_free);
    ::ERR_clear_error();
    if (!certificate)
        return fail(certificate_file + " holds no certificate", "name the agent's, a PEM file", ErrorKind::usage);
    unsigned char* key = nullptr;
    const int size = ::i2d_X509_PUBKEY(::X509_get_X509_PUBKEY(certificate.get()), &key);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned digest_size = 0;
    ::EVP_Digest(key, static_cast<std::size_t>(size), digest.data(), &digest_size, ::EVP_sha256(), nullptr);
    ::OPENSSL_free(key);
    std::array<unsigned char, 64> text{};
    ::EVP_EncodeBlock(text.data(), digest.data(), static_cast<int>(digest_size));
    return "sha256//" + std::string(reinterpret_cast<const char*>(text.data()));
}

}  // namespace sonde
