#include "agent/redact/policy.hpp"

#include <fcntl.h>
#include <re2/re2.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/unique_fd.hpp"
#include "agent/redact/expression.hpp"

namespace sonde {
namespace {

constexpr std::array default_headers{"api-key",
                                     "apikey",
                                     "authentication-info",
                                     "authorization",
                                     "cookie",
                                     "cookie2",
                                     "private-token",
                                     "proxy-authentication-info",
                                     "proxy-authorization",
                                     "set-cookie",
                                     "set-cookie2",
                                     "stripe-signature",
                                     "x-access-token",
                                     "x-amz-security-token",
                                     "x-amzn-oidc-accesstoken",
                                     "x-amzn-oidc-data",
                                     "x-api-key",
                                     "x-api-secret",
                                     "x-auth-key",
                                     "x-auth-token",
                                     "x-authorization",
                                     "x-csrf-token",
                                     "x-forwarded-access-token",
                                     "x-forwarded-authorization",
                                     "x-forwarded-client-cert",
                                     "x-gitlab-token",
                                     "x-goog-api-key",
                                     "x-goog-iap-jwt-assertion",
                                     "x-hub-signature",
                                     "x-hub-signature-256",
                                     "x-id-token",
                                     "x-original-authorization",
                                     "x-shopify-access-token",
                                     "x-slack-signature",
                                     "x-vault-token",
                                     "x-xsrf-token"};

std::string lower(std::string_view text) {
    std::string out(text);
    for (auto& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return out;
}

bool holds(const std::vector<std::string>& sorted, std::string_view name) {
    constexpr std::size_t longest = 64;
    std::array<char, longest> folded;
    if (name.size() > longest) return false;
    std::transform(name.begin(), name.end(), folded.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return std::binary_search(sorted.begin(), sorted.end(), std::string_view(folded.data(), name.size()));
}

Error refuse(std::string_view rule, std::string_view reason) {
    return fail("redaction rule '" + std::string(rule) + "': " + std::string(reason), {}, ErrorKind::usage);
}

Status check_name(std::string_view name) {
    if (const auto wrong = wrong_rule_name(name); !wrong.empty()) return refuse(name, wrong);
    return done();
}

Status check_telling_name(std::string_view name) {
    if (auto good = check_name(name); !good) return good;
    // the search for names in a text looks for the first word
    if (name.substr(0, name.find('_')).size() < 3)
        return refuse(name, "its first word needs three letters or more: shorter ones stand in every other text");
    return done();
}

Status check_expression(std::string_view rule, const std::string& regex) {
    if (const auto wrong = wrong_expression(regex); !wrong.empty()) return refuse(rule, wrong);
    return done();
}

}  // namespace

std::string_view to_string(RedactAction action) {
    constexpr std::array<std::string_view, 6> names{"off", "partial", "hash", "mask", "drop_field", "drop_record"};
    return names[static_cast<std::size_t>(action)];
}

std::string wrong_expression(const std::string& regex) {
    const RE2 expression(regex, expression_options());
    if (!expression.ok()) return "'" + regex + "' is no RE2 expression: " + expression.error();
    if (RE2::FullMatch("", expression)) return "'" + regex + "' matches the empty text";
    return {};
}

std::string wrong_rule_name(std::string_view name) {
    const bool plain = std::all_of(name.begin(), name.end(),
                                   [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
    if (name.empty() || name.size() > 64 || !plain) return "a name has 1 to 64 lower case letters, digits and '_'";
    return {};
}

static std::vector<TellingName> all_names(const RedactionConfig& config) {
    auto names = default_telling_names();
    for (const auto& added : config.names) {
        const auto known =
            std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.name == added.name; });
        if (known == names.end()) {
            names.push_back(added);
        } else {
            known->telling = std::min(known->telling, added.telling);  // surer, never less sure
        }
    }
    return names;
}

static std::vector<std::string> prefilter_names(const FieldNames& names) {
    std::vector<std::string> out;
    for (const auto& name : names.names()) out.push_back(name.name);
    return out;
}

RedactionPolicy::RedactionPolicy(const RedactionConfig& config) : config_(config), names_(all_names(config)) {
    headers_.assign(default_headers.begin(), default_headers.end());
    for (const auto& header : config.headers) headers_.push_back(lower(header));
    std::sort(headers_.begin(), headers_.end());
    for (const auto& name : config.allow_names) allow_names_.push_back(lower(name));
    std::sort(allow_names_.begin(), allow_names_.end());
}

Status RedactionPolicy::number_rules() {
    for (const auto& pattern : builtin_patterns())
        rules_.push_back(
            {std::string(pattern.name), pattern.enabled_by_default ? RedactAction::mask : RedactAction::off});
    rules_.push_back({"header"});
    rules_.push_back({"path_token"});
    for (const auto& name : names_.names()) {
        if (auto good = check_telling_name(name.name); !good) return good;
        rules_.push_back({name.name});
    }
    for (const auto& pattern : config_.patterns) {
        if (auto good = check_name(pattern.name); !good) return good;
        rules_.push_back({pattern.name, pattern.action});
    }
    for (std::size_t i = 0; i < rules_.size(); ++i)
        for (std::size_t j = 0; j < i; ++j)
            if (rules_[i].rule == rules_[j].rule) return refuse(rules_[i].rule, "there are two rules of this name");
    return done();
}

Status RedactionPolicy::apply_actions() {
    for (const auto& wanted : config_.actions) {
        const auto rule =
            std::find_if(rules_.begin(), rules_.end(), [&](const auto& known) { return known.rule == wanted.rule; });
        if (rule == rules_.end()) return refuse(wanted.rule, "there is no rule of this name");
        rule->action = wanted.action;
    }
    for (const auto& rule : rules_)
        if (rule.action == RedactAction::hash && hash_key_.empty())
            return refuse(rule.rule, "the action 'hash' needs a hash_key_file");
    return done();
}

Status RedactionPolicy::check_expressions() const {
    if (config_.patterns.size() > max_custom_patterns)
        return refuse(config_.patterns[max_custom_patterns].name,
                      "there may be " + std::to_string(max_custom_patterns) + " custom patterns");
    if (names_.names().size() > max_telling_names)
        return refuse(names_.names()[max_telling_names].name,
                      "there may be " + std::to_string(max_telling_names) + " telling names");
    for (const auto& pattern : config_.patterns)
        if (auto good = check_expression(pattern.name, pattern.regex); !good) return good;
    for (const auto& value : config_.allow_values)
        if (auto good = check_expression("allow_values", value); !good) return good;
    return done();
}

Status RedactionPolicy::load_key() {
    const auto& path = config_.hash_key_file;
    if (path.empty()) return done();
    constexpr std::size_t shortest = 16, longest = 4096;
    const auto refuse_key = [&](const std::string& reason) { return refuse("hash_key_file", path + ": " + reason); };
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!fd) return refuse_key(std::strerror(errno));
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return refuse_key(std::strerror(errno));
    if (!S_ISREG(info.st_mode)) return refuse_key("is not a file");
    if ((info.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return refuse_key("is open to others than its owner; chmod 600 it and make a new key");
    hash_key_.resize(longest);
    const auto size = ::read(fd.get(), hash_key_.data(), hash_key_.size());
    if (size < 0) return refuse_key(std::strerror(errno));
    hash_key_.resize(static_cast<std::size_t>(size));
    while (!hash_key_.empty() && (hash_key_.back() == '\n' || hash_key_.back() == '\r')) hash_key_.pop_back();
    if (hash_key_.size() < shortest) return refuse_key("a key needs 16 bytes or more");
    return done();
}

Result<std::shared_ptr<const RedactionPolicy>> RedactionPolicy::build(const RedactionConfig& config) {
    const std::shared_ptr<RedactionPolicy> policy(new RedactionPolicy(config));
    for (const auto step :
         {&RedactionPolicy::number_rules, &RedactionPolicy::load_key, &RedactionPolicy::apply_actions})
        if (auto good = (policy.get()->*step)(); !good) return good.error();
    if (auto good = policy->check_expressions(); !good) return good.error();
    policy->prefilter_.emplace(prefilter_names(policy->names_));
    return std::shared_ptr<const RedactionPolicy>(policy);
}

std::shared_ptr<const RedactionPolicy> RedactionPolicy::defaults() {
    static const auto policy = *build({});
    return policy;
}

bool RedactionPolicy::hidden_header(std::string_view name) const { return holds(headers_, name); }
bool RedactionPolicy::allowed_name(std::string_view name) const {
    return !allow_names_.empty() && holds(allow_names_, name);
}

}  // namespace sonde
