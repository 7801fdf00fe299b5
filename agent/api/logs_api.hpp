#pragma once

#include "agent/history/history.hpp"
#include "agent/history/log_store.hpp"
#include "agent/http/server.hpp"

namespace sonde {

// /api/v1/logs: lines, newest first, or what came after a cursor. history tells the run by which cursors are named.
Response logs_answer(const LogStore& logs, const History& history, const Request& request);
// /api/v1/logs/templates: the messages of the kept lines with numbers and ids taken out, by number.
Response log_templates_answer(const LogStore& logs, const Request& request);

}  // namespace sonde
