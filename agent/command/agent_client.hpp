#pragma once

#include <boost/json.hpp>
#include <string>

#include "agent/http/client.hpp"

namespace sonde {

// Asks a running agent's API; the answer is a JSON object. What the API refuses is an error in its own words.
Result<boost::json::object> ask_agent(const ClientOptions& agent, const std::string& target);

// A write: POST with a body, DELETE without.
Result<boost::json::object> tell_agent(const ClientOptions& agent, const std::string& method, const std::string& target,
                                       const std::string& body = {});

// Fields of an answer: what is missing, null or of another type is the default.
double number_at(const boost::json::object& object, std::string_view key, double otherwise = 0);
std::string text_at(const boost::json::object& object, std::string_view key);
// Null: not there, or no object.
const boost::json::object* object_at(const boost::json::object& object, std::string_view key);
const boost::json::array& array_at(const boost::json::object& object, std::string_view key);

}  // namespace sonde
