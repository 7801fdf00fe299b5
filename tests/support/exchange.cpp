#include "tests/support/exchange.hpp"

#include <algorithm>

#include "agent/pipeline/decoder.hpp"

namespace sonde::test {

Exchange::Exchange(const Delivery& delivery)
    : delivery_(delivery),
      tracker_(std::make_unique<ConnectionTracker>(
          TrackerLimits{}, [this](Transaction& t, std::uint32_t) { done_.push_back(t); }, this)),
      kernel_(kernel_double_open(
          delivery.progress_waits ? 1 : 0,
          [](void* self, const void* bytes, std::size_t size) {
              static_cast<Exchange*>(self)->record({static_cast<const std::byte*>(bytes), size});
          },
          this)) {
    ConnOpen open{};
    open.cookie = 1;
    open.side = delivery.side;
    open.local.port = delivery.side == Side::server ? 8080 : 50000;
    open.remote.port = delivery.side == Side::server ? 50000 : 8080;
    tracker_->on(open);
}

Exchange::~Exchange() { kernel_double_free(kernel_); }

void Exchange::record(std::span<const std::byte> bytes) {
    const auto event = decode(bytes);
    if (!event) return;
    std::visit(
        [&](const auto& e) {
            if constexpr (requires { tracker_->on(e); }) tracker_->on(e);
        },
        *event);
}

void Exchange::play(const Script& script) {
    for (const auto& step : script) {
        now_ns_ = step.time_ms * ms;
        kernel_double_set_time_ns(kernel_, now_ns_);
        if (step.kind == Step::Kind::request || step.kind == Step::Kind::response) {
            send(step);
            continue;
        }
        kernel_double_close(kernel_);
        ConnClose close;
        close.cookie = 1;
        close.time_ns = now_ns_;
        close.error = step.error;
        tracker_->on(close);
    }
    kernel_double_flush(kernel_);
}

void Exchange::quiet() { tracker_->tick(now_ns_ + 10'000 * ms); }

void Exchange::segment(const Step& step, Stream& stream, std::size_t from, std::size_t to) {
    const bool is_request = step.kind == Step::Kind::request;
    const bool last = to == step.bytes.size();
    const auto& other = is_request ? responses_ : requests_;
    kernel_double_segment segment{};
    segment.bytes = step.bytes.data() + from;
    segment.length = static_cast<std::uint32_t>(to - from);
    segment.seq = stream.start + static_cast<std::uint32_t>(stream.sent + from);
    segment.ack = other.start + static_cast<std::uint32_t>(other.sent);
    segment.direction = is_request == (delivery_.side == Side::server) ? SONDE_IN : SONDE_OUT;
    if (delivery_.push_each || last) segment.tcp_flags |= SONDE_TCP_PSH;
    if (step.fin && last) segment.tcp_flags |= SONDE_TCP_FIN;
    kernel_double_segment_arrives(kernel_, &segment);
}

void Exchange::send(const Step& step) {
    auto& stream = step.kind == Step::Kind::request ? requests_ : responses_;
    const auto cut = step.kind == Step::Kind::request ? delivery_.cut_request : delivery_.cut_response;
    std::vector<std::pair<std::size_t, std::size_t>> pieces;
    std::size_t from = 0;
    do {
        auto to = step.bytes.size();
        if (cut > stream.sent + from && cut < stream.sent + to) to = cut - stream.sent;
        if (delivery_.segment_max > 0) to = std::min(to, from + delivery_.segment_max);
        pieces.emplace_back(from, to);
        from = to;
    } while (from < step.bytes.size());
    // what goes out leaves in order, and a connection whose first bytes come late is not recognised
    const bool incoming = (step.kind == Step::Kind::request) == (delivery_.side == Side::server);
    const bool first = step.kind == Step::Kind::request && stream.sent == 0;
    if (delivery_.swapped && incoming && !first)
        for (std::size_t i = 0; i + 1 < pieces.size(); i += 2) std::swap(pieces[i], pieces[i + 1]);
    for (const auto& [begin, end] : pieces) {
        segment(step, stream, begin, end);
        if (delivery_.twice) segment(step, stream, begin, end);
    }
    stream.sent += step.bytes.size();
}

std::vector<Transaction> play(const Script& script, const Delivery& delivery) {
    Exchange exchange(delivery);
    exchange.play(script);
    return exchange.done();
}

}  // namespace sonde::test
