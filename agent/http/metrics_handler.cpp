#include "agent/http/metrics_handler.hpp"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <unordered_map>

#include "agent/http/header_list.hpp"
#include "agent/metric/family_names.hpp"

namespace sonde {

namespace {

bool is_wanted(std::string_view name, const std::vector<std::string_view>& prefixes) {
    return prefixes.empty() || std::any_of(prefixes.begin(), prefixes.end(),
                                           [name](std::string_view prefix) { return name.starts_with(prefix); });
}

bool may_have(const prometheus::Collectable& source, const std::vector<std::string_view>& prefixes) {
    const auto* names = dynamic_cast<const FamilyNames*>(&source);
    if (names == nullptr || prefixes.empty()) return true;
    const auto own = names->family_prefixes();
    return std::any_of(prefixes.begin(), prefixes.end(), [&own](std::string_view prefix) {
        return std::any_of(own.begin(), own.end(), [prefix](std::string_view begin) {
            return begin.starts_with(prefix) || prefix.starts_with(begin);
        });
    });
}

}  // namespace

std::vector<prometheus::MetricFamily> collect_merged(
    const std::vector<std::shared_ptr<prometheus::Collectable>>& sources,
    const std::vector<std::string_view>& prefixes) {
    std::vector<prometheus::MetricFamily> families;
    std::unordered_map<std::string, std::size_t> places;
    for (const auto& source : sources) {
        if (!may_have(*source, prefixes)) continue;
        for (auto& family : source->Collect()) {
            if (!is_wanted(family.name, prefixes)) continue;
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
