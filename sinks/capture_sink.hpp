#pragma once

#include <vector>

#include "sinks/sink.hpp"

namespace sonde {

// Keeps what it is given: for tests.
class CaptureSink final : public Sink {
public:
    explicit CaptureSink(std::vector<Record>& records) : records_(records) {}
    [[nodiscard]] std::string_view name() const override { return "capture"; }
    void write(const Record& record) override {
        records_.push_back(record);
        ++stats_.records;
    }
    Status flush() override { return done(); }
    [[nodiscard]] SinkStats stats() const override { return stats_; }

private:
    std::vector<Record>& records_;
    SinkStats stats_;
};

}  // namespace sonde
