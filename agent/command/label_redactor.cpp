#include "agent/command/label_redactor.hpp"

namespace sonde {

LabelRedactor::LabelRedactor(std::shared_ptr<const RedactionPolicy> policy)
    : wanted_(policy), redactor_(std::make_unique<Redactor>(std::move(policy))) {}

std::string LabelRedactor::redact(std::string_view name, std::string_view value) {
    if (auto wanted = wanted_.load(); wanted.get() != &redactor_->policy())
        redactor_ = std::make_unique<Redactor>(std::move(wanted));
    const bool is_path = name == "id" || name == "system_filesystem_mountpoint";
    const auto hidden = is_path ? redactor_->path(value, Place::label) : redactor_->text(value, Place::label);
    const bool kept = hidden.verdict == Verdict::unchanged || hidden.verdict == Verdict::changed;
    return kept ? std::string(hidden.text) : std::string("{redacted}");
}

}  // namespace sonde
