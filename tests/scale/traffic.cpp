#include "tests/scale/traffic.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

namespace sonde {
namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::uint32_t first_pid = 5'000'000;  // beyond what the kernel gives: no process of this machine is meant
constexpr std::uint32_t first_tid = 1U << 27;
constexpr std::uint32_t requests_per_connection = 100;
constexpr std::uint32_t body_bytes = 1500;
constexpr std::uint32_t log_fd = 1;
constexpr std::uint64_t queue_ns = 60'000;
constexpr double latency_least_ns = 250'000, latency_doublings = 6;

// Three of them name a route: 64,000 of a service, and at no place more than the table takes for words.
constexpr std::array<std::string_view, 40> words{
    "account", "address", "basket",  "branch",   "campaign", "catalog",  "checkout", "colour", "comment",  "country",
    "coupon",  "courier", "credit",  "delivery", "device",   "discount", "event",    "export", "feature",  "gallery",
    "invoice", "item",    "label",   "language", "ledger",   "message",  "notice",   "offer",  "order",    "parcel",
    "partner", "payment", "picture", "price",    "product",  "profile",  "refund",   "report", "shipment", "supplier"};

constexpr std::string_view response_fields =
    "Server: nginx/1.22.1\r\n"
    "Date: Fri, 02 Jan 2026 03:04:05 GMT\r\n"
    "Content-Type: application/json; charset=utf-8\r\n"
    "Content-Length: 1500\r\n"
    "Connection: keep-alive\r\n"
    "Cache-Control: private, max-age=0, must-revalidate\r\n"
    "ETag: \"5f2d-3a1b9c7e\"\r\n"
    "Vary: Accept-Encoding\r\n"
    "X-Content-Type-Options: nosniff\r\n\r\n";

// splitmix64: what is drawn for a request depends on its number alone.
std::uint64_t draw(std::uint64_t number, std::uint64_t what) {
    auto x = number * 8 + what + 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}
constexpr std::uint64_t of_route = 0, of_id = 1, of_latency = 2, of_status = 3, of_trace = 4, of_span = 5;

std::uint64_t latency_ns(std::uint64_t number) {
    const auto part = static_cast<double>(draw(number, of_latency) >> 11) * 0x1p-53;
    return static_cast<std::uint64_t>(latency_least_ns * std::exp2(part * latency_doublings));
}

// Each route has three statuses, as most have.
std::string_view status_line(std::uint64_t number) {
    const auto percent = draw(number, of_status) % 100;
    return percent < 97   ? "HTTP/1.1 200 OK\r\n"
           : percent < 99 ? "HTTP/1.1 404 Not Found\r\n"
                          : "HTTP/1.1 500 Internal Server Error\r\n";
}

TrafficShape whole(TrafficShape shape) {
    shape.services = std::max(1U, shape.services);
    shape.processes = std::max(shape.processes, shape.services);
    shape.alive = std::max(shape.services, std::min(shape.processes, shape.alive));
    shape.connections = std::max(shape.connections, shape.alive);
    return shape;
}

}  // namespace

Traffic::Traffic(const TrafficShape& shape, std::uint64_t start_ns)
    : shape_(whole(shape)),
      start_ns_(start_ns),
      end_ns_(start_ns + shape_.seconds * ns_per_s),
      workers_(shape_.alive),
      connections_(shape_.connections),
      next_request_ns_(start_ns),
      next_end_ns_(UINT64_MAX),
      next_pid_(first_pid) {
    ends_left_ = shape_.processes - workers_.size();
    if (ends_left_ == 0) return;
    end_every_ns_ = shape_.seconds * ns_per_s / (ends_left_ + 1);
    next_end_ns_ = start_ns_ + end_every_ns_;
}

std::uint32_t Traffic::worker_of(std::uint32_t connection) const {
    return connection % static_cast<std::uint32_t>(workers_.size());
}

std::uint32_t Traffic::service_of(std::uint32_t connection) const { return worker_of(connection) % shape_.services; }

sonde_thread_clock Traffic::thread_of(std::uint32_t connection, std::uint64_t time_ns) const {
    sonde_thread_clock thread{};
    thread.tgid = workers_[worker_of(connection)].pid;
    thread.tid = first_tid + connection;
    thread.cpu_ns = time_ns / 8;
    thread.runqueue_ns = time_ns / 64;
    return thread;
}

void Traffic::begin(RecordStream& out) {
    for (std::uint32_t worker = 0; worker < workers_.size(); ++worker) start(out, worker, start_ns_);
}

void Traffic::fill(RecordStream& out, std::uint64_t until_ns) {
    for (;;) {
        const auto due_ns = due_.empty() ? UINT64_MAX : due_.top().time_ns;
        const auto next_ns = std::min({due_ns, next_request_ns_, next_end_ns_});
        if (next_ns > until_ns) return;
        if (next_ns == due_ns) {
            const auto due = due_.top();
            due_.pop();
            take(out, due);
        } else if (next_ns == next_end_ns_) {
            end_one(out, next_ns);
        } else if (ask(out, next_ns)) {
            const auto asked = counts_.requests;
            // by number: what was delayed is caught up
            next_request_ns_ = asked == shape_.rate * shape_.seconds
                                   ? UINT64_MAX
                                   : std::max(next_ns, start_ns_ + asked * ns_per_s / shape_.rate);
        } else {
            ++counts_.delayed;
            next_request_ns_ = due_ns + 1;
        }
    }
}

std::uint64_t Traffic::finish(RecordStream& out) {
    next_request_ns_ = next_end_ns_ = UINT64_MAX;
    auto last_ns = end_ns_;
    for (; !due_.empty(); due_.pop()) {
        last_ns = due_.top().time_ns;
        const auto due = due_.top();
        take(out, due);
    }
    return last_ns;
}

// False: all connections are busy.
bool Traffic::ask(RecordStream& out, std::uint64_t time_ns) {
    const auto count = static_cast<std::uint32_t>(connections_.size());
    std::uint32_t tries = 0;
    while (connections_[turn_].busy || workers_[worker_of(turn_)].ending) {
        turn_ = (turn_ + 1) % count;
        if (++tries == count) return false;
    }
    const auto at = turn_;
    turn_ = (turn_ + 1) % count;
    auto& connection = connections_[at];
    if (connection.requests == requests_per_connection) close(out, connection, time_ns);
    const bool is_server = serves(at);
    if (connection.cookie == 0) {
        connection = {.cookie = next_cookie_++, .asked = 1000, .answered = 5000};
        ++counts_.connections;
        out.conn_open(connection.cookie, time_ns, is_server, static_cast<std::uint16_t>(8000 + service_of(at)),
                      static_cast<std::uint16_t>(16'000 + at % 48'000));
    }
    const auto number = counts_.requests++;
    connection.number = number;
    connection.busy = true;
    ++connection.requests;
    ++workers_[worker_of(at)].in_flight;
    write_request(at, number);
    out.request({.cookie = connection.cookie,
                 .time_ns = time_ns,
                 .outgoing = !is_server,
                 .seq = connection.asked,
                 .ack = connection.answered,
                 .bytes = text_,
                 .thread = thread_of(at, time_ns)});
    connection.asked += static_cast<std::uint32_t>(text_.size());
    const auto latency = latency_ns(number);
    if (is_server) due_.push({time_ns + queue_ns, at, Step::read});
    if (is_server && worker_of(at) % 10 == 0) due_.push({time_ns + latency / 2, at, Step::line});
    due_.push({time_ns + latency, at, Step::answer});
    return true;
}

// 430 bytes of head, as a browser behind a proxy sends them.
void Traffic::write_request(std::uint32_t connection, std::uint64_t number) {
    const auto service = service_of(connection);
    const auto own_routes = std::max(1U, (shape_.routes + shape_.services - 1 - service) / shape_.services);
    const auto route = draw(number, of_route) % own_routes;
    std::array<char, 128> buffer;
    const auto add = [&](const char* format, auto... values) {
        const auto size = std::snprintf(buffer.data(), buffer.size(), format, values...);
        text_.append(buffer.data(), static_cast<std::size_t>(size));
    };
    text_ = "GET /";
    for (const auto part : {route % 40, route / 40 % 40, route / 1600 % 40}) text_.append(words[part]) += '/';
    add("%llu?page=2 HTTP/1.1\r\n", static_cast<unsigned long long>(draw(number, of_id) % 1'000'000));
    text_ +=
        "Host: shop.example.internal:8080\r\n"
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0\r\n"
        "Accept: application/json, text/plain, */*\r\n"
        "Accept-Encoding: gzip, deflate, br\r\n"
        "X-Forwarded-For: 203.0.113.9\r\n";
    add("traceparent: 00-%016llx%016llx-%016llx-01\r\n", static_cast<unsigned long long>(draw(number, of_trace)),
        static_cast<unsigned long long>(number + 1), static_cast<unsigned long long>(draw(number, of_span) | 1));
    text_ += "Connection: keep-alive\r\n\r\n";
}

void Traffic::take(RecordStream& out, const Due& due) {
    const auto& connection = connections_[due.connection];
    switch (due.step) {
        case Step::read:
            return out.read(connection.cookie, due.time_ns, connection.asked, thread_of(due.connection, due.time_ns));
        case Step::line: {
            std::array<char, 160> line;
            const auto size =
                std::snprintf(line.data(), line.size(),
                              "{\"level\":\"info\",\"logger\":\"shop.orders\",\"message\":\"order %llu looked "
                              "up\",\"rows\":%llu,\"cached\":false}\n",
                              static_cast<unsigned long long>(draw(connection.number, of_id) % 1'000'000),
                              static_cast<unsigned long long>(connection.number % 50));
            ++counts_.lines;
            return out.log_write(due.time_ns, thread_of(due.connection, due.time_ns), log_fd,
                                 {line.data(), static_cast<std::size_t>(size)});
        }
        case Step::answer:
            return answer(out, due);
    }
}

void Traffic::answer(RecordStream& out, const Due& due) {
    auto& connection = connections_[due.connection];
    text_ = status_line(connection.number);
    text_ += response_fields;
    const auto length = static_cast<std::uint32_t>(text_.size()) + body_bytes;
    out.response({.cookie = connection.cookie,
                  .time_ns = due.time_ns,
                  .outgoing = serves(due.connection),
                  .seq = connection.answered,
                  .ack = connection.asked,
                  .bytes = text_,
                  .length = length,
                  .thread = thread_of(due.connection, due.time_ns)});
    connection.answered += length;
    connection.busy = false;
    ++counts_.answers;
    const auto number = worker_of(due.connection);
    auto& worker = workers_[number];
    --worker.in_flight;
    if (worker.ending && worker.in_flight == 0) replace(out, number, due.time_ns);
}

void Traffic::close(RecordStream& out, Connection& connection, std::uint64_t time_ns) {
    if (connection.cookie != 0) out.conn_close(connection.cookie, time_ns);
    connection = {};
}

void Traffic::start(RecordStream& out, std::uint32_t worker, std::uint64_t time_ns) {
    std::array<char, 32> path;
    const auto size = std::snprintf(path.data(), path.size(), "/opt/shop/svc-%u", worker % shape_.services);
    const std::string_view text(path.data(), static_cast<std::size_t>(size));
    workers_[worker] = {.pid = next_pid_++};
    ++counts_.processes;
    out.proc_exec(time_ns, workers_[worker].pid, 1, text.substr(text.rfind('/') + 1), text);
}

void Traffic::end_one(RecordStream& out, std::uint64_t time_ns) {
    next_end_ns_ = --ends_left_ == 0 ? UINT64_MAX : next_end_ns_ + end_every_ns_;
    const auto worker = end_turn_;
    end_turn_ = (end_turn_ + 1) % static_cast<std::uint32_t>(workers_.size());
    workers_[worker].ending = true;
    if (workers_[worker].in_flight == 0) replace(out, worker, time_ns);
}

void Traffic::replace(RecordStream& out, std::uint32_t worker, std::uint64_t time_ns) {
    for (auto at = worker; at < connections_.size(); at += static_cast<std::uint32_t>(workers_.size()))
        close(out, connections_[at], time_ns);
    out.proc_exit(time_ns, workers_[worker].pid, 0);
    start(out, worker, time_ns);
}

}  // namespace sonde
