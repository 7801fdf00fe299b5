#include "agent/http/metrics_handler.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <iterator>
#include <string>
#include <unordered_map>

#include "agent/http/header_list.hpp"

namespace sonde {

std::vector<prometheus::MetricFamily> collect_merged(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& sources) {
    std::vector<prometheus::MetricFamily> families;
    std::unordered_map<std::string, std::size_t> places;
    for (const auto& source : sources) {
        for (auto& family : source->Collect()) {
            const auto [place, is_new] = places.try_emplace(family.name, families.size());
            if (is_new) {
                families.push_back(std::move(family));
                continue;
            }
            auto& target = families[place->second].metric;
            target.insert(target.end(), std::make_move_iterator(family.metric.begin()),
                          std::make_move_iterator(family.metric.end()));
        }
    }
    return families;
}

Handler metrics_handler(std::vector<std::shared_ptr<prometheus::Collectable>> sources,
                        std::function<ExemplarsBySeries()> exemplars) {
    return [sources = std::move(sources), exemplars = std::move(exemplars)](const Request& request) {
        if (accepts(request.accept, "application/openmetrics-text"))
            return Response{200,
                            "application/openmetrics-text; version=1.0.0; charset=utf-8",
                            open_metrics_text(collect_merged(sources), exemplars()),
                            {}};
        return Response{200,
                        "text/plain; version=0.0.4; charset=utf-8",
                        prometheus::TextSerializer{}.Serialize(collect_merged(sources)),
                        {}};
    };
}

}  // namespace sonde
