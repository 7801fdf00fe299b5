#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "agent/redact/redactor.hpp"

namespace sonde {

// Takes secrets out of the labels of resource series. redact() belongs to one thread; adopt() to any.
class LabelRedactor {
public:
    explicit LabelRedactor(std::shared_ptr<const RedactionPolicy> policy);

    // What becomes of the label's value; "{redacted}" where nothing may be left of it.
    std::string redact(std::string_view name, std::string_view value);
    // From the next call of redact() on.
    void adopt(std::shared_ptr<const RedactionPolicy> policy) { wanted_.store(std::move(policy)); }

private:
    std::atomic<std::shared_ptr<const RedactionPolicy>> wanted_;
    std::unique_ptr<Redactor> redactor_;
};

}  // namespace sonde
