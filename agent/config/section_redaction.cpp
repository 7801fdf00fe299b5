#include <algorithm>

#include "agent/config/nearest.hpp"
#include "agent/config/sections.hpp"

namespace sonde {
namespace {

const Choices<RedactAction>& actions() {
    static const Choices<RedactAction> all = [] {
        Choices<RedactAction> made;
        for (const auto action : {RedactAction::off, RedactAction::partial, RedactAction::hash, RedactAction::mask,
                                  RedactAction::drop_field, RedactAction::drop_record})
            made.emplace_back(to_string(action), action);
        return made;
    }();
    return all;
}

const Choices<Telling> tellings{{"always", Telling::always}, {"value", Telling::value}, {"random", Telling::random}};

template <typename T>
void describe_actions(Section<T>& section, const std::string& help) {
    section.choice_map("actions", &T::actions, &RuleAction::rule, &RuleAction::action, actions(), help);
}

void describe_base(Section<RedactionSetup>& s) {
    const auto base = [](auto member) {
        return [member](RedactionSetup & setup) -> auto& { return setup.base.*member; };
    };
    s.choice_map("actions", base(&RedactionConfig::actions), &RuleAction::rule, &RuleAction::action, actions(),
                 "What happens to what a rule finds: built-in patterns, `header`, `path_token`, telling names.");
    s.texts("headers", base(&RedactionConfig::headers), "Headers that are always hidden, beyond the usual ones.");
    s.objects("names", base(&RedactionConfig::names), "Telling names beyond the built-in ones.",
              [](Section<TellingName>& name) {
                  name.text("name", &TellingName::name, "Words in lower case, split by '_': `api_key`.")
                      .required()
                      .check(wrong_rule_name);
                  name.choice("telling", &TellingName::telling, tellings,
                              "Whether it hides whatever it holds, values only, or only what looks random.");
              })
        .at_most(max_telling_names);
    s.objects("patterns", base(&RedactionConfig::patterns), "Patterns of your own.",
              [](Section<CustomPattern>& pattern) {
                  pattern.text("name", &CustomPattern::name, "What counters and replacements call it.")
                      .required()
                      .check(wrong_rule_name);
                  pattern.text("regex", &CustomPattern::regex, "RE2 syntax; the whole match is the secret.")
                      .required()
                      .check(wrong_expression);
                  pattern.choice("action", &CustomPattern::action, actions(), "What happens to it.");
              })
        .at_most(max_custom_patterns);
    s.texts("allow_values", base(&RedactionConfig::allow_values), "RE2: a value that matches as a whole stays.")
        .check(wrong_expression);
    s.texts("allow_names", base(&RedactionConfig::allow_names), "Names of fields that tell nothing.");
    s.text("hash_key_file", base(&RedactionConfig::hash_key_file),
           "16 bytes or more, readable by its owner only; the action `hash` needs it.");
}

// Every rule that an action can be given to.
std::vector<std::string> rule_names(const RedactionConfig& config) {
    std::vector<std::string> names;
    const auto defaults = RedactionPolicy::defaults();
    for (std::size_t rule = 0; rule < defaults->rule_count(); ++rule) names.emplace_back(defaults->rule_name(rule));
    for (const auto& name : config.names) names.push_back(name.name);
    for (const auto& pattern : config.patterns) names.push_back(pattern.name);
    return names;
}

void check_actions(const std::vector<RuleAction>& wanted, const std::vector<std::string>& known,
                   std::vector<SectionProblem>& problems) {
    for (const auto& [rule, action] : wanted) {
        if (std::find(known.begin(), known.end(), rule) != known.end()) continue;
        const auto near = nearest(rule, known);
        problems.push_back({rule, "there is no rule '" + rule + "'" +
                                      (near.empty() ? std::string() : "; did you mean '" + near + "'?")});
    }
}

// The rule that a policy's error is about: the first text in quotes behind "rule".
std::string quoted_rule(const std::string& message) {
    const auto begin = message.find("rule '");
    if (begin == std::string::npos) return {};
    const auto end = message.find('\'', begin + 6);
    return message.substr(begin + 6, end - begin - 6);
}

}  // namespace

void describe_redaction(Section<Config>& config) {
    config
        .object("redaction", &Config::redaction, "What is taken out before anything leaves (redaction.md).",
                [](Section<RedactionSetup>& s) {
                    describe_base(s);
                    s.named_objects("services", &RedactionSetup::services, &ServiceRedaction::service,
                                    "What differs for a service, by its name.",
                                    [](auto& service) { describe_actions(service, "Stricter or looser."); })
                        .at_most(RedactionPolicySet::max_services);
                    s.named_objects("sinks", &RedactionSetup::sinks, &SinkRedaction::sink,
                                    "What differs for a sink, by its name.",
                                    [](auto& sink) {
                                        sink.boolean("trusted", &SinkRedaction::trusted,
                                                     "It may have looser actions than the rest.");
                                        describe_actions(sink, "Stricter; looser only if trusted.");
                                    })
                        .at_most(RedactionPolicySet::max_sinks);
                })
        .reloadable();
}

std::vector<SectionProblem> check_redaction(const Config& config) {
    std::vector<SectionProblem> problems;
    const auto known = rule_names(config.redaction.base);
    check_actions(config.redaction.base.actions, known, problems);
    for (const auto& service : config.redaction.services) check_actions(service.actions, known, problems);
    for (const auto& sink : config.redaction.sinks) check_actions(sink.actions, known, problems);
    if (!problems.empty()) return problems;
    if (const auto policies = RedactionPolicySet::build(config.redaction); !policies)
        problems.push_back({quoted_rule(policies.error().what), policies.error().message()});
    return problems;
}

}  // namespace sonde
