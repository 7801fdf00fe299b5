#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sinks/otlp/otlp_fields.hpp"
#include "sinks/otlp/otlp_options.hpp"

namespace sonde {

// The open Export…ServiceRequest of one signal. All three have the same frame and the same field numbers:
//     Request { ResourceX = 1 { Resource = 1 { attributes = 1 }; ScopeX = 2 { Scope = 1 { name; version }; item = 2 } }
//     }
// Inside of sinks/otlp only; one thread.
class OtlpRequest {
public:
    OtlpRequest(OtlpSignal signal, OtlpOptions options, std::string version)
        : signal_(signal), options_(std::move(options)), version_(std::move(version)) {}

    // Adds an item to the resource that `key` names; fill_resource(visitor) tells its attributes where it is new to
    // this request, fill_item(fields) writes the item.
    template <typename FillResource, typename FillItem>
    void add(const std::string& key, FillResource fill_resource, FillItem fill_item) {
        const auto [place, fresh] = known_.try_emplace(key, groups_.size());
        if (fresh) groups_.push_back({encoded_resource(fill_resource), {}});
        auto& items = groups_[place->second].items;
        const auto before = items.size();
        write_item(options_.format, items, 2, fill_item);
        bytes_ += items.size() - before;
    }

    [[nodiscard]] std::size_t bytes() const { return bytes_; }  // of the items
    [[nodiscard]] OtlpFormat format() const { return options_.format; }
    // The body; the next request is empty.
    std::string take();

private:
    // One resource with its items, already encoded.
    struct Group {
        std::string resource;  // its attributes
        std::string items;     // as write_item() makes them
    };

    template <typename Fill>
    std::string encoded_resource(Fill fill_resource) const {
        std::string out;
        const auto fill = [&](auto&& visitor) {
            fill_resource(visitor);
            for (const auto& [key, value] : options_.resource) visitor.text(key, value);
            visitor.text("telemetry.sdk.name", "sonde");
            visitor.text("telemetry.sdk.language", "cpp");
            visitor.text("telemetry.sdk.version", version_);
        };
        if (options_.format == OtlpFormat::protobuf) {
            protozero::pbf_writer resource(out);
            fill(ProtobufAttributes(resource, 1));
        } else {
            fill(JsonAttributes(out));
        }
        return out;
    }
    [[nodiscard]] std::string protobuf_body() const;
    [[nodiscard]] std::string json_body() const;

    const OtlpSignal signal_;
    const OtlpOptions options_;
    const std::string version_;
    std::vector<Group> groups_;
    std::unordered_map<std::string, std::size_t> known_;  // key → place in groups_
    std::size_t bytes_ = 0;
};

}  // namespace sonde
