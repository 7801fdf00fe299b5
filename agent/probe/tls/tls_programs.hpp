#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "agent/base/result.hpp"
#include "agent/probe/tls/tls_library.hpp"

struct bpf_object;
struct sonde_config;

namespace sonde {

// The loaded programs of bpf/tls.bpf.c, ready to be attached to files. Any thread; outlives what it attached.
class TlsPrograms {
public:
    // prepare: called between open and load, to hand over the maps that all programs share.
    static Result<std::unique_ptr<TlsPrograms>> load(const std::function<void(bpf_object*)>& prepare,
                                                     const sonde_config& config);
    virtual ~TlsPrograms() = default;

    // All of the plan or nothing. What comes back detaches when it goes, which waits for the kernel.
    virtual Result<std::shared_ptr<void>> attach(const std::string& path, const TlsPlan& plan) = 0;
    // Attaching goes through perf events, which take CAP_SYS_ADMIN.
    [[nodiscard]] virtual bool needs_admin() const = 0;
    // Deletes the state of TLS objects whose process has ended.
    virtual void forget_dead() = 0;
};

}  // namespace sonde
