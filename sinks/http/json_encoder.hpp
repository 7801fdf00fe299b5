#pragma once

#include <cstdint>
#include <string>

#include "sinks/delivery/batch_encoder.hpp"
#include "sinks/delivery/field_selection.hpp"

namespace sonde {

enum class JsonBatch : std::uint8_t {
    array,  // [{…},{…}], application/json
    lines,  // one object per line, application/x-ndjson
};

// Event lines for a webhook.
class JsonEncoder final : public BatchEncoder {
public:
    JsonEncoder(JsonBatch form, FieldSelectionOptions fields) : form_(form), events_(std::move(fields)) {}

    bool add(const Record& record) override;
    [[nodiscard]] std::size_t bytes() const override { return body_.size(); }
    std::string take() override;

private:
    const JsonBatch form_;
    EventWriter events_;
    std::string body_;
    std::size_t last_size_ = 0;
};

}  // namespace sonde
