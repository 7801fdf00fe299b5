#include "agent/command/alert_cli.hpp"

#include "agent/command/terminal.hpp"

namespace sonde {

AlertCommands::AlertCommands(CLI::App& app) {
    add_silence(app);
    auto* alert = app.add_subcommand("alert", "Alerts of a running agent, and tests of its notifiers");
    alert->require_subcommand(1);
    alerts_ = alert->add_subcommand("list", "What is pending, firing and muted");
    test_ = alert->add_subcommand("test", "Send a test through each notifier of the configuration");
    test_->add_option("--notifier", notifier_, "Only through this one");
    rules_ = alert->add_subcommand("rules", "Print the rules as Prometheus alerting rules");
    for (auto* command : {add_, list_, end_, alerts_}) agent_.add_to(*command);
}

void AlertCommands::add_silence(CLI::App& app) {
    auto* silence = app.add_subcommand("silence", "Keep alerts of a running agent quiet");
    silence->require_subcommand(1);
    add_ = silence->add_subcommand("add", "Silence what fulfils all that is given; prints its id");
    add_->add_option("--rule", options_.rule, "Name of a rule; a '*' at the end: any with this beginning");
    add_->add_option("--severity", options_.severity, "info, warning or critical")
        ->check(CLI::IsMember({"info", "warning", "critical"}));
    add_->add_option("--label", options_.labels, "NAME=VALUE, as in service=shop; repeatable");
    add_->add_option("--for", options_.duration, "How long: 30m, 2h, 1d")->capture_default_str();
    add_->add_option("--reason", options_.reason, "Why, for those who wonder")->required();
    add_->add_option("--author", options_.author, "Who; default: the user's name");
    list_ = silence->add_subcommand("list", "Silences, and how long they last");
    end_ = silence->add_subcommand("end", "End a silence now");
    end_->add_option("id", options_.id, "Its id")->required();
}

std::optional<int> AlertCommands::run() {
    if (!add_->parsed() && !list_->parsed() && !end_->parsed() && !alerts_->parsed()) return std::nullopt;
    auto agent = agent_.client();
    if (!agent) return report(agent.error());
    options_.agent = std::move(*agent);
    if (add_->parsed()) return silence_add_command(options_);
    if (end_->parsed()) return silence_end_command(options_);
    return list_->parsed() ? silence_list_command(options_) : alert_list_command(options_.agent);
}

}  // namespace sonde
