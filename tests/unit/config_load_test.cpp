#include "agent/config/load.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/config/profile.hpp"
#include "agent/config/show.hpp"

namespace sonde {
namespace {

namespace fs = std::filesystem;

class ConfigLoad : public testing::Test {
protected:
    ConfigLoad() {
        auto name = (fs::temp_directory_path() / "sonde-config-XXXXXX").string();
        folder_ = ::mkdtemp(name.data());
    }
    ~ConfigLoad() override { fs::remove_all(folder_); }

    std::string write(const std::string& text, const std::string& name = "sonde.yaml") {
        const auto path = folder_ / name;
        std::ofstream(path, std::ios::binary) << text;
        return path.string();
    }
    LoadedConfig load(const std::string& yaml) { return load_config({write(yaml)}); }
    // Findings as the user sees them, without the file's name.
    std::vector<std::string> messages(const LoadedConfig& loaded) {
        std::vector<std::string> out;
        const auto file = (folder_ / "sonde.yaml").string() + ":";
        for (const auto& finding : loaded.findings) {
            auto text = finding.text();
            if (text.starts_with(file)) text.erase(0, file.size());
            out.push_back(text.starts_with(' ') ? text.substr(1) : text);
        }
        return out;
    }

    fs::path folder_;
};

struct BadCase {
    std::string name, yaml;
    std::vector<std::string> messages;
};

std::vector<BadCase> bad_cases() {
    std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/tests/corpus/config/bad.txt");
    std::vector<BadCase> cases;
    bool in_messages = false;
    for (std::string line; std::getline(in, line);) {
        if (line.starts_with("### ")) {
            cases.push_back({line.substr(4), {}, {}});
            in_messages = false;
        } else if (cases.empty()) {
            continue;
        } else if (line == "--->") {
            in_messages = true;
        } else if (!in_messages) {
            cases.back().yaml += line + "\n";
        } else if (!line.empty()) {
            cases.back().messages.push_back(line);
        }
    }
    return cases;
}

TEST_F(ConfigLoad, BadConfigurationsSayWhatIsWrongWordByWord) {
    const auto cases = bad_cases();
    EXPECT_GE(cases.size(), 60U);
    for (const auto& bad : cases) EXPECT_EQ(messages(load(bad.yaml)), bad.messages) << bad.name << "\n" << bad.yaml;
}

TEST_F(ConfigLoad, WhatIsNoFile) {
    const auto directory = load_config({folder_.string()});
    ASSERT_EQ(directory.findings.size(), 1U);
    EXPECT_EQ(directory.findings[0].text(), folder_.string() + ": is a directory, expected a file");
    const auto missing = (folder_ / "missing.yaml").string();
    EXPECT_EQ(load_config({missing}).findings.at(0).text(), missing + ": cannot be opened: No such file or directory");
    const auto pipe = (folder_ / "pipe").string();
    ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
    EXPECT_EQ(load_config({pipe}).findings.at(0).text(), pipe + ": is not a regular file");
    const auto large = write(std::string((1 << 20) + 1, '#'), "large.yaml");
    EXPECT_EQ(load_config({large}).findings.at(0).text(), large + ": is larger than 1048576 bytes");
}

TEST_F(ConfigLoad, FileWithoutPermission) {
    const auto file = write("profile: staging\n");
    ASSERT_EQ(::chmod(file.c_str(), 0), 0);
    if (::access(file.c_str(), R_OK) != 0) {
        EXPECT_EQ(load_config({file}).findings.at(0).text(), file + ": cannot be opened: Permission denied");
        return;
    }
    // root reads everything: as somebody else, in a child
    ASSERT_EQ(::chmod(folder_.c_str(), 0755), 0);
    EXPECT_EXIT(
        {
            if (::setegid(65534) != 0 || ::seteuid(65534) != 0) ::_exit(2);
            const auto loaded = load_config({file});
            const auto want = file + ": cannot be opened: Permission denied";
            ::_exit(loaded.findings.size() == 1 && loaded.findings[0].text() == want ? 0 : 1);
        },
        testing::ExitedWithCode(0), "");
}

TEST_F(ConfigLoad, WhatIsNoText) {
    EXPECT_EQ(messages(load("profile: st\xff"
                            "aging\n")),
              std::vector<std::string>{"1:12: this is not UTF-8"});
    EXPECT_EQ(messages(load("# caf\xe9\nprofile: staging\n")), std::vector<std::string>{"1:6: this is not UTF-8"});
    EXPECT_EQ(messages(load(std::string("http:\n  \0", 9))),
              std::vector<std::string>{"2:3: a control character, byte 0"});
    EXPECT_EQ(messages(load("http: \x04\n")), std::vector<std::string>{"1:7: a control character, byte 4"});
}

TEST_F(ConfigLoad, EmptyFilesAreTheDefaults) {
    for (const auto* yaml : {"", "\n\n", "# nothing\n", "---\n", "{}\n", "http:\nsampling: ~\n"}) {
        const auto loaded = load(yaml);
        EXPECT_EQ(messages(loaded), std::vector<std::string>{}) << yaml;
        EXPECT_EQ(show_config(loaded.config), show_config({})) << yaml;
    }
    EXPECT_EQ(messages(load("\xef\xbb\xbfprofile: staging\n")), std::vector<std::string>{});
}

TEST_F(ConfigLoad, DefaultsAreShownAndReadAgain) {
    const auto shown = show_config({});
    const auto loaded = load(shown);
    EXPECT_EQ(messages(loaded), std::vector<std::string>{});
    EXPECT_EQ(show_config(loaded.config), shown);
    EXPECT_TRUE(differences({}, loaded.config).empty());
}

constexpr const char* everything = R"(
profile: staging
http: {listen: ":9999"}
events: {directory: /var/log/sonde}
terminal: {interval: 500ms}
capture: {head: 1KiB}
ring: {size: 16MiB}
resources:
  interval: 1.5s
  processes: [nginx, "true", postgres]
routes: {max: 100, max_per_service: 10, max_segments: 5, max_children: 7}
redaction:
  actions: {email: partial, ipv4: mask}
  headers: [X-Customer]
  names: [{name: customer_no, telling: value}]
  patterns:
    - {name: order, regex: 'ORD-[0-9]{6}', action: drop_field}
    - &ticket {name: ticket, regex: "T-\\d+"}
    - {<<: *ticket, name: ticket_long}
  allow_values: ["test@example\\.org"]
  allow_names: [public_token]
  services:
    shop: {actions: {order: "off"}}
  sinks:
    file: {trusted: true, actions: {email: "off"}}
sampling:
  head_rate: 0.25
  keep_slower_than: 250ms
  keep_larger_than: 10MB
  skip_paths: [/healthz, /static/*]
  rules:
    - {name: errors, status_min: 500, rate: 1}
    - {name: beta, services: [shop], duration_min: 5ms, rate: 0.5, header: host}
  route_per_second: 50
  sinks: {file: {rate: 5MB/s}}
)";

TEST_F(ConfigLoad, EverythingThatCanBeSet) {
    const auto loaded = load(everything);
    ASSERT_EQ(messages(loaded), std::vector<std::string>{});
    const auto& config = loaded.config;
    EXPECT_EQ(config.listen, ":9999");
    EXPECT_EQ(config.events_directory, "/var/log/sonde");
    EXPECT_EQ(config.interval_s, 0.5);
    EXPECT_EQ(config.capture_bytes, 1024U);
    EXPECT_EQ(config.ring_kib, 16384U);
    EXPECT_EQ(config.resource_interval_s, 1.5);
    EXPECT_EQ(config.processes, (std::vector<std::string>{"nginx", "true", "postgres"}));
    EXPECT_EQ(config.routes.max_routes, 100U);
    const auto& base = config.redaction.base;
    ASSERT_EQ(base.actions.size(), 2U);
    EXPECT_EQ(base.actions[0].action, RedactAction::partial);
    ASSERT_EQ(base.patterns.size(), 3U);
    EXPECT_EQ(base.patterns[0].action, RedactAction::drop_field);
    EXPECT_EQ(base.patterns[2].name, "ticket_long");
    EXPECT_EQ(base.patterns[2].regex, "T-\\d+");
    EXPECT_EQ(base.names.at(0).telling, Telling::value);
    EXPECT_EQ(config.redaction.services.at(0).service, "shop");
    EXPECT_TRUE(config.redaction.sinks.at(0).trusted);
    EXPECT_EQ(config.sampling.keep_slower_than_ns, 250'000'000U);
    EXPECT_EQ(config.sampling.rules.at(1).services, std::vector<std::string>{"shop"});
    EXPECT_EQ(config.sampling.sinks.at(0).bytes_per_second, 5'000'000U);

    const auto again = load(show_config(config));
    ASSERT_EQ(messages(again), std::vector<std::string>{});
    EXPECT_EQ(show_config(again.config), show_config(config));
    EXPECT_TRUE(differences(config, again.config).empty());
}

TEST_F(ConfigLoad, EachSourceIsOverTheOneBefore) {
    const auto file = write("profile: production\nhttp: {listen: ':1'}\nsampling: {head_rate: 0.5}\n");
    const auto loaded = load_config({file,
                                     {{"SONDE_HTTP__LISTEN", ":2"}, {"SONDE_RESOURCES__PROCESSES", "a,b"}},
                                     {{"http.listen", ":3", "--listen"}}});
    ASSERT_EQ(messages(loaded), std::vector<std::string>{});
    EXPECT_EQ(loaded.config.ring_kib, 16384U);                                 // profile
    EXPECT_EQ(loaded.config.sampling.head_rate, 0.5);                          // file over profile
    EXPECT_EQ(loaded.config.processes, (std::vector<std::string>{"a", "b"}));  // environment
    EXPECT_EQ(loaded.config.listen, ":3");                                     // option over both
    EXPECT_EQ(loaded.origins.at("ring.size").text(), "profile production:5:3");
    EXPECT_EQ(loaded.origins.at("sampling.head_rate").text(), file + ":3:12");
    EXPECT_EQ(loaded.origins.at("resources.processes").text(), "SONDE_RESOURCES__PROCESSES");
    EXPECT_EQ(loaded.origins.at("http.listen").text(), "--listen");
}

TEST_F(ConfigLoad, EnvironmentNamesKeysWithDoubleUnderscores) {
    const std::array<const char*, 8> environment{"PATH=/bin",
                                                 "SONDE_PROFILE=staging",
                                                 "SONDE_SAMPLING__HEAD_RATE=0.5",
                                                 "SONDE_REDACTION__SERVICES__SHOP__ACTIONS={email: drop_field}",
                                                 "SONDE_SERVICE_HOST=10.0.0.1",
                                                 "SONDE_PORT=tcp://10.0.0.1:9745",
                                                 "SONDE_SAMPLING__RULES=[{name: x, status_min: 400}]",
                                                 nullptr};
    const auto ours = config_environment(environment.data());
    EXPECT_EQ(ours.size(), 4U);
    const auto loaded = load_config({{}, ours});
    ASSERT_EQ(messages(loaded), std::vector<std::string>{});
    EXPECT_EQ(loaded.config.profile, "staging");
    EXPECT_EQ(loaded.config.sampling.head_rate, 0.5);
    EXPECT_EQ(loaded.config.redaction.services.at(0).service, "shop");
    EXPECT_EQ(loaded.config.sampling.rules.at(0).status_min, 400);
    EXPECT_EQ(environment_name("sampling.head_rate"), "SONDE_SAMPLING__HEAD_RATE");
}

TEST_F(ConfigLoad, OptionsThatAreWrongAreNamed) {
    const auto loaded = load_config({{},
                                     {{"SONDE_SAMPLING__HED_RATE", "1"}},
                                     {parse_set("sampling.head_rate=2"),
                                      parse_set("sampling.rules.x=1"),
                                      parse_set("http.listen.port=1"),
                                      parse_set("redaction.headers=[a"),
                                      parse_set("terminal.nothing=1"),
                                      {"http.listen", "x", "--listen"}}});
    EXPECT_EQ(messages(loaded),
              (std::vector<std::string>{
                  "--set sampling.rules.x: sampling.rules.x: 'rules' is set as a whole, as YAML",
                  "--set http.listen.port: http.listen.port: 'listen' has no settings below it",
                  "--set redaction.headers: redaction.headers: broken YAML: end of sequence flow not found",
                  "SONDE_SAMPLING__HED_RATE: sampling.hed_rate: unknown key; did you mean 'head_rate'?",
                  "--set sampling.head_rate: sampling.head_rate: expected a number from 0 to 1, found '2'",
                  "--set terminal.nothing: terminal.nothing: unknown key; known here: interval",
                  "--listen: http.listen: expected HOST:PORT, [V6]:PORT or :PORT, found 'x'",
              }));
}

TEST_F(ConfigLoad, ProfilesAreGood) {
    for (const auto& profile : config_profiles()) {
        const auto loaded = load_config({{}, {{"SONDE_PROFILE", profile.name}}});
        EXPECT_EQ(messages(loaded), std::vector<std::string>{});
        EXPECT_EQ(loaded.config.profile, profile.name);
    }
    const auto development = load_config({{}, {{"SONDE_PROFILE", "development"}}});
    EXPECT_TRUE(differences({}, development.config).empty());
}

TEST_F(ConfigLoad, FindingsAreBounded) {
    std::string yaml;
    for (int i = 0; i < 4000; ++i) yaml += "wrong_" + std::to_string(i) + ": 1\n";
    EXPECT_EQ(load(yaml).findings.size(), max_findings);
    EXPECT_EQ(load("{" + std::string(4000, ',') + "}").findings.size(), max_findings);  // keys that are none
    yaml.clear();
    for (int i = 0; i < 4000; ++i) yaml += "<<: 1\n";
    EXPECT_EQ(load(yaml).findings.size(), max_findings);
}

TEST_F(ConfigLoad, ChangesAreNamed) {
    auto before = load(everything).config, after = before;
    after.sampling.head_rate = 1;
    after.listen = ":1";
    after.sampling.rules[0].rate = 0.5;
    const auto changes = differences(before, after);
    ASSERT_EQ(changes.size(), 3U);
    EXPECT_EQ(changes[0].key + " " + changes[0].text, "http.listen \":9999\" → \":1\"");
    EXPECT_FALSE(changes[0].reloadable);
    EXPECT_EQ(changes[1].key + " " + changes[1].text, "sampling.head_rate 0.25 → 1");
    EXPECT_TRUE(changes[1].reloadable);
    EXPECT_EQ(changes[2].key + " " + changes[2].text, "sampling.rules changed");
    EXPECT_NE(config_hash(before), config_hash(after));
}

}  // namespace
}  // namespace sonde
