#include "agent/api/api.hpp"

#include <chrono>

#include "agent/api/answer.hpp"
#include "agent/api/endpoints_api.hpp"
#include "agent/api/logs_api.hpp"
#include "agent/api/machine_api.hpp"
#include "agent/api/response_cache.hpp"
#include "agent/api/transactions_api.hpp"

namespace sonde {
namespace {

void add_history(Handlers& handlers, const History& history) {
    auto cache = std::make_shared<ResponseCache>();
    const auto cached = [cache, &history](auto answer) {
        return [cache, &history, answer](const Request& request) {
            return cache->get(request.target, history.generation(), [&] { return answer(history, request); });
        };
    };
    handlers["/api/v1/endpoints"] =
        cached([windows = std::make_shared<SharedWindow>()](const History& of, const Request& request) {
            return endpoints_answer(of, *windows, request);
        });
    handlers["/api/v1/endpoint"] = cached(endpoint_answer);
    handlers["/api/v1/transactions"] = [&history](const Request& r) { return transactions_answer(history, r); };
    handlers["/api/v1/transactions/"] = [&history](const Request& r) { return transaction_answer(history, r); };
}

}  // namespace

void add_api(Handlers& handlers, const ApiSources& sources) {
    if (sources.history != nullptr) add_history(handlers, *sources.history);
    if (sources.history != nullptr && sources.logs != nullptr) {
        handlers["/api/v1/logs"] = [&logs = *sources.logs, &history = *sources.history](const Request& r) {
            return logs_answer(logs, history, r);
        };
        handlers["/api/v1/logs/templates"] = [&logs = *sources.logs](const Request& r) {
            return log_templates_answer(logs, r);
        };
    }
    add_machine_api(handlers, sources);
}

}  // namespace sonde
