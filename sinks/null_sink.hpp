#pragma once

#include "sinks/sink.hpp"

namespace sonde {

// Takes everything and keeps nothing: for measurements.
class NullSink final : public Sink {
public:
    [[nodiscard]] std::string_view name() const override { return "null"; }
    void write(const Record&) override { ++stats_.records; }
    Status flush() override { return done(); }
    [[nodiscard]] SinkStats stats() const override { return stats_; }

private:
    SinkStats stats_;
};

}  // namespace sonde
