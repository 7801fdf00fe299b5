#include "agent/alert/alert_state_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "agent/base/unique_fd.hpp"

namespace sonde {
namespace json = boost::json;
namespace {

constexpr int state_version = 1;
constexpr std::uintmax_t state_bytes_max = std::uintmax_t{64} << 20;

json::object labels_json(const AlertLabels& labels) {
    json::object out;
    for (const auto& [name, value] : labels) out[name] = value;
    return out;
}

json::object info_json(const AlertInfo& info) {
    return {{"rule", info.rule},
            {"severity", to_string(info.severity)},
            {"state", to_string(info.state)},
            {"labels", labels_json(info.labels)},
            {"signal", info.signal},
            {"value", std::isfinite(info.value) ? json::value(info.value) : json::value()},
            {"threshold", info.threshold},
            {"value_text", info.value_text},
            {"threshold_text", info.threshold_text},
            {"since_ns", info.since_ns},
            {"fired_ns", info.fired_ns},
            {"resolved_ns", info.resolved_ns},
            {"summary", info.summary},
            {"description", info.description},
            {"runbook", info.runbook}};
}

// Reads members of an object; what is missing or of another type leaves the default, and is remembered.
class Members {
public:
    explicit Members(const json::value& value) : object_(value.if_object()) { good_ = object_ != nullptr; }

    [[nodiscard]] bool good() const { return good_; }
    const json::value* find(std::string_view name) {
        const auto* found = object_ != nullptr ? object_->if_contains(name) : nullptr;
        good_ = good_ && found != nullptr;
        return found;
    }
    void read(std::string_view name, std::string& into) {
        const auto* value = find(name);
        const auto* text = value != nullptr ? value->if_string() : nullptr;
        good_ = good_ && text != nullptr;
        if (text != nullptr) into.assign(text->data(), text->size());
    }
    void read(std::string_view name, std::uint64_t& into) {
        const auto* value = find(name);
        boost::system::error_code error;
        if (value != nullptr && value->is_number())
            into = value->to_number<std::uint64_t>(error);
        else
            good_ = false;
        good_ = good_ && !error;
    }
    void read(std::string_view name, double& into) {
        const auto* value = find(name);
        if (value == nullptr || value->is_null()) return;
        boost::system::error_code error;
        if (value->is_number())
            into = value->to_number<double>(error);
        else
            good_ = false;
        good_ = good_ && !error;
    }
    template <typename Visit>
    void each(std::string_view name, Visit visit) {
        const auto* value = find(name);
        const auto* list = value != nullptr ? value->if_array() : nullptr;
        good_ = good_ && list != nullptr;
        if (list != nullptr)
            for (const auto& element : *list) visit(element);
    }
    template <typename Visit>
    void each_text(std::string_view name, Visit visit) {
        const auto* value = find(name);
        const auto* map = value != nullptr ? value->if_object() : nullptr;
        good_ = good_ && map != nullptr;
        if (map == nullptr) return;
        for (const auto& [key, text] : *map) {
            if (!text.is_string()) {
                good_ = false;
                continue;
            }
            visit(std::string(key), std::string(text.get_string().data(), text.get_string().size()));
        }
    }

private:
    const json::object* object_;
    bool good_ = true;
};

std::optional<AlertInfo> read_info(const json::value& value) {
    Members members(value);
    AlertInfo info;
    std::string severity, state;
    members.read("rule", info.rule);
    members.read("severity", severity);
    members.read("state", state);
    members.each_text("labels", [&](std::string name, std::string text) {
        info.labels.emplace_back(std::move(name), std::move(text));
    });
    std::sort(info.labels.begin(), info.labels.end());
    members.read("signal", info.signal);
    members.read("value", info.value);
    members.read("threshold", info.threshold);
    members.read("value_text", info.value_text);
    members.read("threshold_text", info.threshold_text);
    members.read("since_ns", info.since_ns);
    members.read("fired_ns", info.fired_ns);
    members.read("resolved_ns", info.resolved_ns);
    members.read("summary", info.summary);
    members.read("description", info.description);
    members.read("runbook", info.runbook);
    for (const auto each : {AlertSeverity::info, AlertSeverity::warning, AlertSeverity::critical})
        if (to_string(each) == severity) info.severity = each;
    if (state != "firing" && state != "resolved") return std::nullopt;
    info.state = state == "firing" ? AlertState::firing : AlertState::resolved;
    info.fingerprint = alert_fingerprint(info.rule, info.labels);
    if (!members.good()) return std::nullopt;
    return info;
}

bool read_telling(const json::value& value, AlertTellings& tellings) {
    Members members(value);
    std::string notifier, group;
    AlertTold told;
    members.read("notifier", notifier);
    members.read("group", group);
    members.read("at_ns", told.at_ns);
    bool texts = true;
    members.each("firing", [&](const json::value& fingerprint) {
        texts = texts && fingerprint.is_string();
        if (fingerprint.is_string()) told.firing.emplace(fingerprint.get_string());
    });
    if (!members.good() || !texts) return false;
    tellings[{notifier, group}] = std::move(told);
    return true;
}

bool read_silence(const json::value& value, std::vector<AlertSilence>& silences) {
    Members members(value);
    AlertSilence silence;
    members.read("id", silence.id);
    members.read("reason", silence.reason);
    members.read("author", silence.author);
    members.read("starts_ns", silence.starts_ns);
    members.read("ends_ns", silence.ends_ns);
    members.each_text("matchers", [&](std::string name, std::string text) { silence.matchers[name] = text; });
    if (!members.good() || silences.size() >= AlertSilences::silences_max) return false;
    silences.push_back(std::move(silence));
    return true;
}

Error not_written(const std::string& path) {
    return fail("cannot write " + path + ": " + std::strerror(errno), "alerts would be told again after a restart");
}

}  // namespace

std::string write_alert_state(const AlertStored& state) {
    json::array alerts, past, tellings, silences;
    for (const auto& info : state.alerts) alerts.push_back(info_json(info));
    for (const auto& info : state.past) past.push_back(info_json(info));
    for (const auto& [id, told] : state.tellings)
        tellings.push_back({{"notifier", id.first},
                            {"group", id.second},
                            {"at_ns", told.at_ns},
                            {"firing", json::array(told.firing.begin(), told.firing.end())}});
    for (const auto& silence : state.silences) {
        json::object matchers;
        for (const auto& [name, value] : silence.matchers) matchers[name] = value;
        silences.push_back({{"id", silence.id},
                            {"matchers", std::move(matchers)},
                            {"reason", silence.reason},
                            {"author", silence.author},
                            {"starts_ns", silence.starts_ns},
                            {"ends_ns", silence.ends_ns}});
    }
    return json::serialize(json::object{{"version", state_version},
                                        {"alerts", std::move(alerts)},
                                        {"past", std::move(past)},
                                        {"told", std::move(tellings)},
                                        {"silences", std::move(silences)}}) +
           "\n";
}

Result<AlertStored> read_alert_state(std::string_view text) {
    boost::system::error_code error;
    const auto parsed = json::parse(text, error);
    const auto damaged = [] { return fail("these are not the alerts of an earlier run", "delete the file"); };
    if (error) return damaged();
    AlertStored state;
    Members members(parsed);
    bool good = true;
    const auto infos = [&](std::string_view name, std::vector<AlertInfo>& into) {
        members.each(name, [&](const json::value& value) {
            if (auto info = read_info(value))
                into.push_back(std::move(*info));
            else
                good = false;
        });
    };
    std::uint64_t version = 0;
    members.read("version", version);
    infos("alerts", state.alerts);
    infos("past", state.past);
    members.each("told", [&](const json::value& value) { good = read_telling(value, state.tellings) && good; });
    members.each("silences", [&](const json::value& value) { good = read_silence(value, state.silences) && good; });
    if (!good || !members.good() || version != state_version) return damaged();
    return state;
}

Status save_alert_state(const std::string& path, const AlertStored& state) {
    const auto text = write_alert_state(state);
    const auto beside = path + ".new";
    {
        const UniqueFd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!file) return not_written(beside);
        for (std::size_t at = 0; at < text.size();) {
            const auto written = ::write(file.get(), text.data() + at, text.size() - at);
            if (written < 0) return not_written(beside);
            at += static_cast<std::size_t>(written);
        }
        if (::fdatasync(file.get()) != 0) return not_written(beside);
    }
    if (std::rename(beside.c_str(), path.c_str()) != 0) return not_written(path);
    return done();
}

Result<AlertStored> load_alert_state(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return AlertStored{};
    if (static_cast<std::uintmax_t>(file.tellg()) > state_bytes_max) return fail(path + " is too large");
    file.seekg(0);
    std::ostringstream text;
    text << file.rdbuf();
    auto state = read_alert_state(text.str());
    if (!state) return fail(path + ": " + state.error().what, state.error().hint);
    return state;
}

}  // namespace sonde
