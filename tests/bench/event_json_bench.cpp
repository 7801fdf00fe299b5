// The appending encoder against Boost.JSON (object built in a monotonic resource on the stack, then serialized),
// the same fields and the same line: why sinks/event_json.cpp exists.
#include <arpa/inet.h>
#include <benchmark/benchmark.h>

#include <array>
#include <boost/json/src.hpp>
#include <cstdio>
#include <ctime>
#include <string>

#include "sinks/event_json.hpp"

namespace sonde {
namespace {

namespace json = boost::json;

Transaction sample() {
    auto process = std::make_shared<Process>();
    process->pid = 211;
    process->comm = "gunicorn";
    process->exe = "/usr/bin/python3.11";
    process->container_id = std::string(64, 'c');
    Transaction t;
    t.time_ns = 1'767'323'045'678'901'234;
    t.duration_ns = 2'913'000;
    t.phase_ns = {21'000, 0, unobserved_ns, 12'000, 1'900'000, 80'000};
    t.request_bytes = 312;
    t.response_bytes = 1840;
    t.request_body_bytes = 0;
    t.response_body_bytes = 1700;
    t.outcome = Outcome::ok;
    t.status = 200;
    t.method = {"GET"};
    t.path = {"/orders/42/items/7"};
    t.host = {"shop.example.internal:8080"};
    t.user_agent = {
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"};
    t.route = "/orders/{id}/items/{id}";
    t.service = "shop";
    t.server = {.address = {10, 0, 0, 5}, .port = 8080, .family = AF_INET};
    t.client = {.address = {203, 0, 113, 9}, .port = 51234, .family = AF_INET};
    t.client_ip = t.client;
    t.tid = 214;
    t.process = process;
    return t;
}

std::string time_text(std::uint64_t time_ns) {
    const auto seconds = static_cast<time_t>(time_ns / 1'000'000'000);
    tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 40> text{};
    const auto size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text.data() + size, text.size() - size, ".%09uZ", static_cast<unsigned>(time_ns % 1'000'000'000));
    return text.data();
}

std::string address_text(const Endpoint& endpoint) {
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(endpoint.family, endpoint.address.data(), text.data(), INET6_ADDRSTRLEN);
    return text.data();
}

void append_boost(std::string& out, const Transaction& t) {
    std::array<unsigned char, 8192> memory;
    json::monotonic_resource resource(memory.data(), memory.size());
    json::object line(&resource);
    json::array unobserved(&resource);
    const auto view = [](std::string_view text) { return json::string_view(text.data(), text.size()); };
    line.reserve(24);
    line["type"] = "transaction";
    line["time"] = time_text(t.time_ns);
    line["side"] = view(to_string(t.side));
    line["service"] = view(t.service);
    line["method"] = view(t.method);
    line["route"] = view(t.route);
    line["path"] = view(t.path);
    line["status"] = t.status;
    line["outcome"] = view(to_string(t.outcome));
    line["protocol"] = view(to_string(t.protocol));
    line["tls"] = t.tls;
    line["duration_ns"] = t.duration_ns;
    auto& phases = line["phases"].emplace_object();
    constexpr std::array keys{"queue_ns", "upload_ns", "cpu_ns", "runqueue_ns", "blocked_ns", "transfer_ns"};
    static_assert(keys.size() == phase_count);
    for (std::size_t i = 0; i < phase_count; ++i) {
        if (t.phase_ns[i] >= 0) {
            phases[keys[i]] = t.phase_ns[i];
        } else {
            phases[keys[i]] = nullptr;
            unobserved.emplace_back(view(phase_names[i]));
        }
    }
    line["request_bytes"] = t.request_bytes;
    line["response_bytes"] = t.response_bytes;
    line["request_body_bytes"] = t.request_body_bytes;
    line["response_body_bytes"] = t.response_body_bytes;
    line["host"] = view(t.host);
    line["user_agent"] = view(t.user_agent);
    const auto client = address_text(t.client);
    line["client_ip"] = client;
    line["server"] = {{"address", address_text(t.server)}, {"port", t.server.port}};
    line["client"] = {{"address", client}, {"port", t.client.port}};
    line["process"] = {{"pid", t.process->pid}, {"tid", t.tid}, {"comm", t.process->comm}, {"exe", t.process->exe}};
    line["container"] = {{"id", t.process->container_id}};
    line["sample_weight"] = 1;
    line["unobserved"] = std::move(unobserved);

    json::serializer serializer;
    serializer.reset(&line);
    std::array<char, 4096> chunk;
    while (!serializer.done()) {
        const auto part = serializer.read(chunk.data(), chunk.size());
        out.append(part.data(), part.size());
    }
    out += '\n';
}

template <typename Encode>
void measure(benchmark::State& state, Encode encode) {
    std::string out;
    out.reserve(64 * 1024);
    std::int64_t bytes = 0;
    for (auto _ : state) {
        out.clear();
        encode(out);
        benchmark::DoNotOptimize(out.data());
        bytes += static_cast<std::int64_t>(out.size());
    }
    state.SetBytesProcessed(bytes);
    state.SetItemsProcessed(state.iterations());
}

void appending(benchmark::State& state) {
    const Record record = sample();
    measure(state, [&](std::string& out) { append_event_json(out, record); });
}
BENCHMARK(appending);

void boost_json(benchmark::State& state) {
    const auto transaction = sample();
    std::string ours;
    std::string theirs;
    append_event_json(ours, transaction);
    append_boost(theirs, transaction);
    if (ours != theirs) return state.SkipWithError("the encoders do not agree on the line");
    measure(state, [&](std::string& out) { append_boost(out, transaction); });
}
BENCHMARK(boost_json);

}  // namespace
}  // namespace sonde

BENCHMARK_MAIN();
