#include "agent/config/section.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "agent/config/document.hpp"
#include "agent/config/reader.hpp"
#include "agent/config/show.hpp"

// The schema's own rules, on a struct that has one of everything, secrets too.
namespace sonde {
namespace {

enum class Colour : unsigned char { red, blue };

struct Sink {
    std::string name;
    std::string url = "http://localhost";
    std::string token;
    std::uint32_t timeout_ms = 1500;
    TextMap labels;
};
struct Options {
    bool on = true;
    std::uint16_t port = 80;
    double ratio = 0.5;
    double wait_s = 2;
    std::uint64_t bytes = 4096;
    Colour colour = Colour::blue;
    std::string password;
    Sink main;
    std::vector<Sink> sinks{{"built_in", {}, {}, 1, {}}};
};

void describe_sink(Section<Sink>& s) {
    s.text("url", &Sink::url, "Where to.");
    s.text("token", &Sink::token, "Bearer.").secret().check([](const std::string& token) -> std::string {
        return !token.empty() && token.size() < 4 ? "a token has 4 bytes or more" : "";
    });
    s.duration("timeout", &Sink::timeout_ms, std::chrono::milliseconds(1), "Of one request.").range("1ms", "1m");
    s.text_map("labels", &Sink::labels, "Added to each.");
}

const Fields& schema() {
    static const Fields fields = [] {
        Fields made;
        Section<Options> s(made);
        s.boolean("on", &Options::on, "On.");
        s.integer("port", &Options::port, "Port.").range(1, 65535);
        s.number("ratio", &Options::ratio, "Ratio.").range(0, 1);
        s.duration("wait", &Options::wait_s, std::chrono::seconds(1), "Wait.").range("0s", "1h");
        s.size("bytes", &Options::bytes, "Bytes.").range("1KiB", "1GiB").zero("none");
        s.choice("colour", &Options::colour, Choices<Colour>{{"red", Colour::red}, {"blue", Colour::blue}}, "Colour.");
        s.text("password", &Options::password, "Password.").secret();
        s.object("main", &Options::main, "The first.", describe_sink);
        s.named_objects("sinks", &Options::sinks, &Sink::name, "Others.", [](Section<Sink>& sink) {
             describe_sink(sink);
         }).reloadable();
        return made;
    }();
    return fields;
}

struct Outcome {
    Options options;
    std::vector<std::string> findings;
};
Outcome read(const std::string& yaml) {
    Outcome outcome;
    std::vector<ConfigFinding> findings;
    ConfigOrigins origins;
    const auto tree = parse_document(yaml, "x", findings);
    read_fields(tree, schema(), &outcome.options, findings, origins);
    for (const auto& finding : findings) outcome.findings.push_back(finding.text());
    return outcome;
}

using Findings = std::vector<std::string>;

class SecretFile {
public:
    explicit SecretFile(const std::string& text) {
        const int fd = ::mkstemp(path_.data());
        EXPECT_EQ(::write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        ::close(fd);
    }
    ~SecretFile() { ::unlink(path_.c_str()); }
    SecretFile(const SecretFile&) = delete;
    SecretFile& operator=(const SecretFile&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }

private:
    std::string path_ = "/tmp/sonde-secret-XXXXXX";
};

TEST(ConfigSection, OneOfEverything) {
    const auto outcome = read(R"(
on: false
port: 443
ratio: 1
wait: 1500ms
bytes: 0
colour: red
password: hunter2
main: {url: http://a, timeout: 2s, labels: {team: shop, "5": six}}
sinks: {loki: {url: http://b}, otlp: }
)");
    ASSERT_EQ(outcome.findings, Findings{});
    EXPECT_FALSE(outcome.options.on);
    EXPECT_EQ(outcome.options.port, 443);
    EXPECT_EQ(outcome.options.wait_s, 1.5);
    EXPECT_EQ(outcome.options.bytes, 0U);
    EXPECT_EQ(outcome.options.colour, Colour::red);
    EXPECT_EQ(outcome.options.main.timeout_ms, 2000U);
    EXPECT_EQ(outcome.options.main.labels, (TextMap{{"team", "shop"}, {"5", "six"}}));
    // a list that is given replaces the one of the defaults
    ASSERT_EQ(outcome.options.sinks.size(), 2U);
    EXPECT_EQ(outcome.options.sinks[0].name, "loki");
    EXPECT_EQ(outcome.options.sinks[1].url, "http://localhost");
}

TEST(ConfigSection, SecretsComeFromFilesAndAreNeverShown) {
    const SecretFile file("tok-en-1234\n");
    const auto outcome = read("password: hunter2\nmain: {token_file: " + file.path() + "}\n");
    ASSERT_EQ(outcome.findings, Findings{});
    EXPECT_EQ(outcome.options.main.token, "tok-en-1234");
    const auto shown = show_fields(schema(), &outcome.options);
    EXPECT_EQ(shown.find("hunter2"), std::string::npos);
    EXPECT_EQ(shown.find("1234"), std::string::npos);
    EXPECT_NE(shown.find("password: \"***\""), std::string::npos);
    auto other = outcome.options;
    other.password = "hunter3";
    const auto changes = differences(schema(), &outcome.options, &other);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes[0].text, "changed");
}

TEST(ConfigSection, BadSecretsAreNotQuoted) {
    const SecretFile small("abc\n"), empty("\n");
    EXPECT_EQ(read("password: [hunter2]\n").findings, Findings{"x:1:11: password: expected a text, found a list"});
    EXPECT_EQ(read("main: {token: abc}\n").findings, Findings{"x:1:15: main.token: a token has 4 bytes or more"});
    EXPECT_EQ(read("main: {token_file: " + small.path() + "}\n").findings,
              Findings{"x:1:20: main.token_file: a token has 4 bytes or more"});
    EXPECT_EQ(read("main: {token_file: " + empty.path() + "}\n").findings,
              Findings{"x:1:20: main.token_file: the file '" + empty.path() + "' is empty"});
    EXPECT_EQ(read("main: {token_file: /tmp}\n").findings,
              Findings{"x:1:20: main.token_file: the file '/tmp' is a directory, expected a file"});
    EXPECT_EQ(read("main: {token: abcd, token_file: /tmp}\n").findings,
              Findings{"x:1:21: main.token_file: 'token' is given too: give one of both"});
    EXPECT_EQ(read("main: {tokn_file: /tmp}\n").findings,
              Findings{"x:1:8: main.tokn_file: unknown key; did you mean 'token_file'?"});
    EXPECT_EQ(read("main: {url_file: /tmp}\n").findings.size(), 1U);  // no secret
}

TEST(ConfigSection, BoundsAndSteps) {
    EXPECT_EQ(
        read("bytes: 1B\n").findings,
        Findings{"x:1:8: bytes: expected a size with its unit (512B, 64KiB, 10MB) from 1KiB to 1GiB, or 0 (none), "
                 "found '1B'"});
    EXPECT_EQ(
        read("main: {timeout: 1.5ms}\n").findings,
        Findings{"x:1:17: main.timeout: expected a duration with its unit (250ms, 5s, 2h) from 1ms to 1m, in whole "
                 "1ms, found '1.5ms'"});
    EXPECT_EQ(read("port: 65536\n").findings.size(), 1U);
    EXPECT_EQ(read("port: 065535\n").findings, Findings{});
}

TEST(ConfigSection, WhatIsWrongKeepsItsDefault) {
    const auto outcome = read("port: x\nratio: 2\non: 1\ncolour: green\n");
    EXPECT_EQ(outcome.findings.size(), 4U);
    EXPECT_EQ(outcome.options.port, 80);
    EXPECT_EQ(outcome.options.ratio, 0.5);
    EXPECT_TRUE(outcome.options.on);
    EXPECT_EQ(outcome.options.colour, Colour::blue);
}

TEST(ConfigSection, ShownIsReadAsTheSame) {
    Options options;
    options.main.url = "a \"b\" \\ \x01 ü: [x] #";
    options.main.labels = {{"yes", "no"}, {"a b", ""}};
    options.sinks = {{"x: y", "u", {}, 7, {}}, {"z", "http://localhost", {}, 1500, {}}};
    options.wait_s = 0.25;
    const auto shown = show_fields(schema(), &options);
    auto outcome = read(shown);
    ASSERT_EQ(outcome.findings, Findings{}) << shown;
    EXPECT_TRUE(differences(schema(), &options, &outcome.options).empty()) << shown;
}

TEST(ConfigSection, ReloadableHoldsForAllBelow) {
    const auto* sinks = find_field(schema(), "sinks");
    ASSERT_NE(sinks, nullptr);
    for (const auto& field : sinks->fields) EXPECT_TRUE(field.reloadable) << field.key;
    EXPECT_FALSE(find_field(schema(), "port")->reloadable);
}

}  // namespace
}  // namespace sonde
