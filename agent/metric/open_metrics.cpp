#include "agent/metric/open_metrics.hpp"

#include <array>
#include <charconv>
#include <cmath>

namespace sonde {
namespace {

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        std::array<char, 32> digits{};
        const bool plain = value == 0 || (std::abs(value) >= 1e-4 && std::abs(value) < 1e16);
        const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                        plain ? std::chars_format::fixed : std::chars_format::general)
                              .ptr;
        out.append(digits.data(), static_cast<std::size_t>(end - digits.data()));
    }
}

void append_escaped(std::string& out, std::string_view text) {
    for (const char c : text) {
        if (c == '\\' || c == '"') out += '\\';
        if (c == '\n') {
            out += "\\n";
        } else {
            out += c;
        }
    }
}

const char* type_name(prometheus::MetricType type, bool total) {
    switch (type) {
        case prometheus::MetricType::Counter:
            return total ? "counter" : "unknown";
        case prometheus::MetricType::Gauge:
            return "gauge";
        case prometheus::MetricType::Summary:
            return "summary";
        case prometheus::MetricType::Histogram:
            return "histogram";
        case prometheus::MetricType::Untyped:
            return "unknown";
    }
    return "unknown";
}

void append_exemplar(std::string& out, const ShownExemplar& shown) {
    constexpr std::string_view digits = "0123456789abcdef";
    constexpr double ns_per_s = 1e9;
    out += " # {trace_id=\"";
    for (const auto word : shown.exemplar.trace_id)
        for (int shift = 60; shift >= 0; shift -= 4) out += digits[word >> static_cast<unsigned>(shift) & 15U];
    out += "\"} ";
    append_number(out, static_cast<double>(shown.exemplar.value) / shown.unit);
    out += ' ';
    std::array<char, 32> time{};
    const auto* end = std::to_chars(time.data(), time.data() + time.size(),
                                    static_cast<double>(shown.exemplar.time_ns) / ns_per_s, std::chars_format::fixed, 3)
                          .ptr;
    out.append(time.data(), static_cast<std::size_t>(end - time.data()));
}

class Writer {
public:
    Writer(std::string& out, const ExemplarsBySeries& exemplars) : out_(out), exemplars_(exemplars) {}

    void family(const prometheus::MetricFamily& family) {
        const bool counter = family.type == prometheus::MetricType::Counter;
        constexpr std::string_view suffix = "_total";
        const bool total = counter && family.name.ends_with(suffix);
        const auto name = std::string_view(family.name).substr(0, family.name.size() - (total ? suffix.size() : 0));
        out_.append("# HELP ").append(name) += ' ';
        append_escaped(out_, family.help);
        out_.append("\n# TYPE ").append(name).append(" ").append(type_name(family.type, total)) += '\n';
        for (const auto& metric : family.metric) series(family, metric);
    }

private:
    void series(const prometheus::MetricFamily& family, const prometheus::ClientMetric& metric) {
        labels_.clear();
        append_labels(labels_, metric.label);
        switch (family.type) {
            case prometheus::MetricType::Counter:
                return sample(family.name, "", metric.counter.value);
            case prometheus::MetricType::Gauge:
                return sample(family.name, "", metric.gauge.value);
            case prometheus::MetricType::Untyped:
                return sample(family.name, "", metric.untyped.value);
            case prometheus::MetricType::Summary:
                return summary(family.name, metric.summary);
            case prometheus::MetricType::Histogram:
                return histogram(family.name, metric.histogram);
        }
    }

    void summary(std::string_view name, const prometheus::ClientMetric::Summary& summary) {
        for (const auto& quantile : summary.quantile) {
            begin(name, "", "quantile", quantile.quantile);
            end(quantile.value);
        }
        sample(name, "_count", static_cast<double>(summary.sample_count));
        sample(name, "_sum", summary.sample_sum);
    }

    void histogram(std::string_view name, const prometheus::ClientMetric::Histogram& histogram) {
        key_.assign(name).append("{").append(labels_);
        const auto known = exemplars_.find(key_);
        const auto bucket = [&](std::size_t index, double bound, std::uint64_t count) {
            begin(name, "_bucket", "le", bound);
            append_number(out_, static_cast<double>(count));
            if (known != exemplars_.end())
                for (const auto& shown : known->second)
                    if (shown.bucket == index) append_exemplar(out_, shown);
            out_ += '\n';
        };
        for (std::size_t i = 0; i < histogram.bucket.size(); ++i)
            bucket(i, histogram.bucket[i].upper_bound, histogram.bucket[i].cumulative_count);
        if (histogram.bucket.empty() || !std::isinf(histogram.bucket.back().upper_bound))
            bucket(histogram.bucket.size(), INFINITY, histogram.sample_count);
        sample(name, "_count", static_cast<double>(histogram.sample_count));
        sample(name, "_sum", histogram.sample_sum);
    }

    void begin(std::string_view name, std::string_view suffix, std::string_view label, double value) {
        out_.append(name).append(suffix) += '{';
        if (!labels_.empty()) out_.append(labels_) += ',';
        out_.append(label).append("=\"");
        append_number(out_, value);
        out_ += "\"} ";
    }
    void end(double value) {
        append_number(out_, value);
        out_ += '\n';
    }
    void sample(std::string_view name, std::string_view suffix, double value) {
        out_.append(name).append(suffix);
        if (!labels_.empty()) out_.append("{").append(labels_) += '}';
        out_ += ' ';
        end(value);
    }

    std::string& out_;
    const ExemplarsBySeries& exemplars_;
    std::string labels_, key_;
};

}  // namespace

void append_labels(std::string& out, const std::vector<prometheus::ClientMetric::Label>& labels) {
    for (const auto& label : labels) {
        if (&label != labels.data()) out += ',';
        out.append(label.name).append("=\"");
        append_escaped(out, label.value);
        out += '"';
    }
}

std::string open_metrics_text(const std::vector<prometheus::MetricFamily>& families,
                              const ExemplarsBySeries& exemplars) {
    std::string out;
    Writer writer(out, exemplars);
    for (const auto& family : families) writer.family(family);
    out += "# EOF\n";
    return out;
}

}  // namespace sonde
