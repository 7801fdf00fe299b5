#include "agent/http/metrics_handler.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace sonde {

std::function<Response()> metrics_handler(std::vector<std::shared_ptr<const prometheus::Collectable>> sources) {
    return [sources = std::move(sources)] {
        std::vector<prometheus::MetricFamily> families;
        for (const auto& source : sources)
            for (auto& family : source->Collect()) families.push_back(std::move(family));
        return Response{200, "text/plain; version=0.0.4; charset=utf-8",
                        prometheus::TextSerializer{}.Serialize(families)};
    };
}

}  // namespace sonde
