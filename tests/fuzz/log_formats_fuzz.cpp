// Each format by itself, told by the first byte of the input: whatever a line holds, views stay within the record, ids
// and times are sound, and a copy says the same.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/log/container_line.hpp"
#include "agent/log/line_parser.hpp"
#include "agent/log/message_template.hpp"
#include "agent/log/utf8.hpp"

namespace {

void check(bool good) {
    if (!good) std::abort();
}

// Reads every byte, so that the sanitizer sees a view that points elsewhere.
void read(std::string_view text) {
    static volatile unsigned sum = 0;
    unsigned local = 0;
    for (const char c : text) local += static_cast<unsigned char>(c);
    sum = sum + local;
}

void check_record(const sonde::LogRecord& record) {
    for (const auto view : {record.message, record.logger, record.thread, record.severity_text, record.raw,
                            record.exception.type, record.exception.message, record.exception.stack,
                            record.access.method, record.access.path, record.access.protocol, record.access.client})
        read(view);
    check(record.attributes.size() <= sonde::LogRecord::max_attributes);
    for (const auto& attribute : record.attributes) {
        read(attribute.key);
        read(attribute.value);
    }
    check(sonde::is_utf8(record.raw));
    check(record.trace_id.empty() || record.trace_id.view().size() == 32);
    check(record.span_id.empty() || record.span_id.view().size() == 16);
    check(record.access.status < 1000);
    check((record.template_hash == 0) == record.message.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
    sonde::LineParserOptions options{.format = {}, .time = {.utc_offset_s = 0}};
    const auto choice = data[0] % (sonde::log_format_count + 1);
    if (choice < sonde::log_format_count) options.format = static_cast<sonde::LogFormat>(choice);
    sonde::LineParser parser(options);
    sonde::LogRecord record, copy;
    constexpr std::uint64_t now_ns = 1'767'323'045'000'000'000;
    parser.parse(text, now_ns, record);
    check_record(record);
    copy.copy_from(record);
    parser.parse("other text", now_ns, record);
    check_record(copy);
    // what was read before leaves no trace
    sonde::LogRecord again;
    parser.parse(text, now_ns, again);
    check(again.message == copy.message && again.severity == copy.severity && again.time_ns == copy.time_ns);
    check(again.attributes.size() == copy.attributes.size() && again.exception.stack == copy.exception.stack);

    sonde::ContainerLine container;
    if (sonde::parse_cri(text, container)) read(container.content);
    sonde::DockerFormat docker;
    if (docker.parse(text, container)) read(container.content);
    read(sonde::container_id_of_path(text));
    return 0;
}
