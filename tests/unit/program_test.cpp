#include "agent/identity/program.hpp"

#include <gtest/gtest.h>

namespace sonde {
namespace {

struct Case {
    std::string_view exe;
    std::vector<std::string_view> arguments;
    std::string_view expected;
};

void expect_all(const std::vector<Case>& cases) {
    for (const auto& [exe, arguments, expected] : cases) EXPECT_EQ(program_name(exe, arguments), expected) << exe;
}

TEST(Program, Executables) {
    expect_all({{"/usr/sbin/nginx", {"nginx: worker process"}, "nginx"},
                {"/usr/bin/shop (deleted)", {"shop"}, "shop"},
                {"/usr/bin/node_exporter", {"node_exporter", "x.js"}, "node_exporter"},
                {"/usr/sbin/php-fpm8.2", {"php-fpm: pool www"}, "php-fpm8.2"},
                {"/usr/bin/curl", {}, "curl"}});
}

TEST(Program, Scripts) {
    expect_all({{"/usr/bin/python3.11", {"python3", "/srv/shop.py", "--port", "80"}, "shop"},
                {"/usr/bin/python3.11", {"python3", "-u", "-W", "ignore", "-X", "dev", "app.py"}, "app"},
                {"/usr/bin/python3.11", {"/usr/bin/python3", "/usr/local/bin/gunicorn", "shop:app"}, "gunicorn"},
                {"/usr/bin/python3.11", {"python3", "-m", "http.server", "8000"}, "http.server"},
                {"/usr/bin/python3.11", {"python3", "-mhttp.server"}, "http.server"},
                {"/usr/bin/node", {"node", "--inspect", "-r", "dotenv/config", "dist/server.js"}, "server"},
                {"/usr/bin/ruby3.1", {"ruby", "bin/rails", "server"}, "rails"},
                {"/usr/bin/perl", {"perl", "-w", "/x/mojo.pl"}, "mojo"},
                {"/usr/bin/php8.2", {"php", "-S", "0.0.0.0:80", "index.php"}, "index"},
                {"/usr/bin/bash", {"bash", "-m", "/opt/run.sh"}, "run"},
                {"/usr/bin/dash", {"sh", "-e", "x"}, "dash"}});
}

TEST(Program, ProcessTitles) {
    expect_all({{"/usr/bin/python3.11", {"gunicorn: worker [shop]", ""}, "gunicorn"},
                {"/usr/bin/ruby3.1", {"puma 6.4.0 (tcp://0.0.0.0:80) [shop]"}, "puma"},
                {"/usr/bin/python3.11", {"[celeryd: worker@host:MainProcess]"}, "celeryd"},
                {"/opt/my tools/python3", {"/opt/my tools/python3", "a.py"}, "a"}});
}

TEST(Program, Java) {
    expect_all({{"/usr/lib/jvm/bin/java", {"java", "-Xmx1g", "-jar", "/srv/shop-1.2.jar", "x"}, "shop-1.2"},
                {"/usr/lib/jvm/bin/java", {"java", "-cp", "a.jar:b.jar", "org.shop.Main", "x"}, "Main"},
                {"/usr/lib/jvm/bin/java", {"java", "-p", "mods", "-m", "org.shop/org.shop.Server"}, "Server"},
                {"/usr/lib/jvm/bin/java", {"java", "Main"}, "Main"},
                {"/usr/lib/jvm/bin/java", {"java", "Hello.java"}, "Hello"},
                {"/usr/lib/jvm/bin/java", {"java", "-jar"}, "java"},
                {"/usr/lib/jvm/bin/java", {"java", "-version"}, "java"}});
}

TEST(Program, NothingKnown) {
    expect_all({{"", {}, ""},
                {"", {"/usr/bin/x", "y"}, "x"},
                {"", {"python3", "a.py"}, "a"},
                {"/", {}, ""},
                {"/usr/bin/python3", {}, "python3"},
                {"/usr/bin/python3", {"python3"}, "python3"},
                {"/usr/bin/python3", {"python3", "-m"}, "python3"},
                {"/usr/bin/python3", {"python3", "-c", "import x"}, "python3"},
                {"/usr/bin/python3", {"", "", ""}, "python3"},
                {"/usr/bin/python3", {"python3", "///"}, "python3"},
                {"/usr/bin/java", {"java", "org.shop."}, "java"},
                {"/usr/bin/java", {"java", "/"}, "java"}});
}

TEST(Program, HostileNamesAreTamed) {
    const std::string endless(100000, 'a');
    EXPECT_EQ(program_name("/usr/bin/python3", {"python3", "-m", endless}).size(), 64U);
    EXPECT_EQ(program_name("/tmp/\x1b[2J\n\xff", {}), "?[2J??");
    EXPECT_EQ(printable_name(std::string_view("a\0b", 3)), "a?b");
}

}  // namespace
}  // namespace sonde
