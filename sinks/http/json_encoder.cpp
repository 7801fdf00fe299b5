#include "sinks/http/json_encoder.hpp"

#include <utility>

namespace sonde {

bool JsonEncoder::add(const Record& record) {
    if (body_.empty()) body_.reserve(last_size_);
    if (form_ == JsonBatch::array) body_.push_back(body_.empty() ? '[' : ',');
    events_.append(body_, record);
    if (form_ == JsonBatch::lines) body_.push_back('\n');
    return true;
}

std::string JsonEncoder::take() {
    if (form_ == JsonBatch::array) body_.push_back(']');
    last_size_ = body_.size();
    return std::exchange(body_, {});
}

}  // namespace sonde
