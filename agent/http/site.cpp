#include "agent/http/site.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <string_view>

#include "agent/http/access.hpp"

namespace sonde {
namespace {

namespace http = boost::beast::http;

// Absent: empty.
std::string_view header(const Site::Head& head, http::field name) {
    const auto value = head[name];
    return {value.data(), value.size()};
}

// In the absolute form that proxies are asked with (RFC 9112 §3.2.2) a path stands behind the authority.
std::string_view without_authority(std::string_view target) {
    if (!target.starts_with("http://") && !target.starts_with("https://")) return target;
    const auto path = target.find('/', target.find("://") + 3);
    return path == std::string_view::npos ? "/" : target.substr(path);
}

bool has_sane_length(std::string_view text) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    return error == std::errc{} && end == text.data() + text.size() && length <= Request::max_body;
}

Response call(const Handler& handler, const Request& request) {
    try {
        return handler(request);
    } catch (const std::exception& e) {
        return plain_text(500, std::string("internal error: ") + e.what() + "\n");
    } catch (...) {
        return plain_text(500, "internal error\n");
    }
}

const Handler* find(const Handlers& handlers, Request& request) {
    if (const auto exact = handlers.find(request.path); exact != handlers.end()) return &exact->second;
    for (auto slash = request.path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = request.path.rfind('/', slash - 1)) {
        const auto prefix = handlers.find(std::string_view(request.path).substr(0, slash + 1));
        if (prefix == handlers.end()) continue;
        request.tail = request.path.substr(slash + 1);
        return &prefix->second;
    }
    return nullptr;
}

bool is_write(const Request& request) { return request.method == "POST" || request.method == "DELETE"; }

}  // namespace

Response plain_text(int status, std::string body) { return {status, "text/plain; charset=utf-8", std::move(body), {}}; }

Site::Site(std::string host, Handlers handlers, HttpServerOptions options)
    : host_(std::move(host)),
      handlers_(std::move(handlers)),
      options_(std::move(options)),
      checks_host_(options_.token.empty() && is_loopback(host_)) {}

const Handlers& Site::handlers_for(const Request& request) const {
    return is_write(request) ? options_.writes : handlers_;
}

std::optional<Response> Site::refuse(const Head& head, Request& request) const {
    const auto method = head.method_string();
    request.method.assign(method.data(), method.size());
    const auto target = without_authority({head.target().data(), head.target().size()});
    const auto question = std::min(target.find('?'), target.size());
    auto path = decode_path(target.substr(0, question));
    const auto query = target.substr(std::min(question + 1, target.size()));
    if (path) request.path = std::move(*path);
    if (request.method != "HEAD" && request.method != "GET" &&
        (!is_write(request) || find(options_.writes, request) == nullptr)) {
        auto refusal = plain_text(405, "only GET and HEAD are allowed\n");
        refusal.headers.emplace_back("Allow", "GET, HEAD");
        return refusal;
    }
    if (checks_host_ && !is_local_host_header(header(head, http::field::host)))
        return plain_text(421, "ask for this address as localhost or 127.0.0.1\n");
    const auto& open = options_.open_paths;
    const bool is_open = std::find(open.begin(), open.end(), request.path) != open.end();
    if (!options_.token.empty() && !is_open && !bears_token(header(head, http::field::authorization), options_.token)) {
        auto refusal = plain_text(401, "a bearer token is needed\n");
        refusal.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"sonde\"");
        return refusal;
    }
    auto parsed = Query::parse(query);
    if (request.path.empty() || !parsed) return plain_text(400, "the path or the query is not well-formed\n");
    request.query = std::move(*parsed);
    request.target = request.path + "?" + std::string(query);
    request.accept = header(head, http::field::accept);
    request.accept_encoding = header(head, http::field::accept_encoding);
    request.if_none_match = header(head, http::field::if_none_match);
    return is_write(request) ? refuse_write(head, request) : std::nullopt;
}

std::optional<Response> Site::refuse_write(const Head& head, const Request& request) const {
    if (options_.token.empty() && !is_loopback(host_))
        return plain_text(403, "without a token nothing can be changed from here\n");
    const auto fetch_site = head["Sec-Fetch-Site"];
    if (!is_same_origin(header(head, http::field::origin), {fetch_site.data(), fetch_site.size()},
                        header(head, http::field::host)))
        return plain_text(403, "another site's page may not change anything here\n");
    if (request.method != "POST") return std::nullopt;
    if (!header(head, http::field::content_type).starts_with("application/json"))
        return plain_text(415, "the body must be application/json\n");
    if (!has_sane_length(header(head, http::field::content_length)))
        return plain_text(413, "a body of 64 KiB at most, with its Content-Length, is needed\n");
    return std::nullopt;
}

Response Site::answer(Request& request) const {
    const auto* handler = find(handlers_for(request), request);
    return handler != nullptr ? call(*handler, request) : plain_text(404, "not found\n");
}

}  // namespace sonde
