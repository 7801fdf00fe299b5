#include "agent/config/document.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <sstream>
#include <unordered_map>
#include <utility>

#include "agent/config/regular_file.hpp"
#include "agent/config/utf8.hpp"

namespace sonde {
namespace {

// Ends the parser's work from within its callbacks; caught in parse_document().
struct Stop {};

constexpr std::string_view merge_key = "<<";

// Builds the tree from the parser's events: unlike yaml-cpp's own nodes, it sees keys that stand twice, copies
// aliases under a bound, and knows where keys stand.
class TreeBuilder final : public YAML::EventHandler {
public:
    TreeBuilder(const std::string& source, std::vector<ConfigFinding>& findings)
        : source_(source), findings_(findings) {}

    ConfigNode take() { return std::move(root_); }

    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        add(node(ConfigNode::Kind::nothing, mark), anchor);
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override {
        auto text = node(ConfigNode::Kind::text, mark);
        text.text = value;
        text.quoted = tag == "!";
        add(std::move(text), anchor);
    }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
        const auto known = anchors_.find(anchor);
        if (known == anchors_.end()) stop(mark, "the alias refers to what it stands in");
        count(known->second.nodes, mark);
        auto copy = known->second.node;
        copy.place = place(mark);
        add(std::move(copy), 0);
    }
    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(node(ConfigNode::Kind::list, mark), anchor, mark);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(node(ConfigNode::Kind::map, mark), anchor, mark);
    }
    void OnMapEnd() override { close(); }

private:
    struct Open {
        ConfigNode node;
        YAML::anchor_t anchor = 0;
        std::size_t nodes_before = 0;
        bool has_key = false;
        bool skip = false;  // the key was none: neither is its value
        std::string key;
        SourcePlace key_place;
        std::vector<ConfigNode> merged;  // of "<<": below the map's own keys
    };
    struct Anchored {
        ConfigNode node;
        std::size_t nodes;
    };

    [[nodiscard]] SourcePlace place(const YAML::Mark& mark) const { return {source_, mark.line + 1, mark.column + 1}; }
    void report(const SourcePlace& where, std::string message) {
        if (findings_.size() < max_findings) findings_.push_back({where, {}, std::move(message)});
    }
    [[noreturn]] void stop(const YAML::Mark& mark, std::string message) {
        findings_.push_back({place(mark), {}, std::move(message)});
        throw Stop{};
    }
    void count(std::size_t nodes, const YAML::Mark& mark) {
        nodes_ += nodes;
        if (nodes_ > max_document_nodes)
            stop(mark, "more than " + std::to_string(max_document_nodes) + " values, those of aliases counted");
    }
    ConfigNode node(ConfigNode::Kind kind, const YAML::Mark& mark) {
        count(1, mark);
        ConfigNode made;
        made.kind = kind;
        made.place = place(mark);
        return made;
    }
    void open(ConfigNode&& made, YAML::anchor_t anchor, const YAML::Mark& mark) {
        if (open_.size() >= max_document_depth)
            stop(mark, "nested deeper than " + std::to_string(max_document_depth) + " levels");
        auto& opened = open_.emplace_back();
        opened.node = std::move(made);
        opened.anchor = anchor;
        opened.nodes_before = nodes_ - 1;
    }
    void close() {
        auto done = std::move(open_.back());
        open_.pop_back();
        for (auto& below : done.merged) merge(done.node, below);
        const auto nodes = nodes_ - done.nodes_before;
        if (done.anchor != 0) anchors_[done.anchor] = {done.node, nodes};
        add(std::move(done.node), 0);
    }
    void add(ConfigNode&& made, YAML::anchor_t anchor) {
        if (anchor != 0) anchors_[anchor] = {made, 1};
        if (open_.empty()) {
            root_ = std::move(made);
        } else if (auto& parent = open_.back(); parent.node.kind == ConfigNode::Kind::list) {
            parent.node.items.push_back(std::move(made));
        } else if (!parent.has_key) {
            add_key(parent, std::move(made));
        } else {
            add_value(parent, std::move(made));
        }
    }
    void add_key(Open& map, ConfigNode&& key) {
        map.has_key = true;
        map.key_place = key.place;
        if (key.kind == ConfigNode::Kind::text) {
            map.key = std::move(key.text);
        } else {
            map.skip = true;
            report(map.key_place, "a key is a text");
        }
    }
    void add_value(Open& map, ConfigNode&& value) {
        map.has_key = false;
        if (std::exchange(map.skip, false)) return;
        if (map.key == merge_key) {
            if (value.kind == ConfigNode::Kind::map) {
                map.merged.push_back(std::move(value));
            } else if (value.kind == ConfigNode::Kind::list) {
                for (auto& item : value.items) map.merged.push_back(std::move(item));
            } else {
                report(value.place, "'<<' takes a map, or a list of maps");
            }
            return;
        }
        if (const auto* first = map.node.find(map.key); first != nullptr) {
            report(map.key_place,
                   "the key '" + map.key + "' stands twice, first in line " + std::to_string(first->place.line));
            return;
        }
        map.node.members.push_back({std::move(map.key), map.key_place, std::move(value)});
    }
    static void merge(ConfigNode& map, ConfigNode& below) {
        for (auto& member : below.members)
            if (map.find(member.key) == nullptr) map.members.push_back(std::move(member));
    }

    const std::string& source_;
    std::vector<ConfigFinding>& findings_;
    ConfigNode root_;
    std::vector<Open> open_;
    std::unordered_map<YAML::anchor_t, Anchored> anchors_;
    std::size_t nodes_ = 0;
};

// A byte that cannot stand in a configuration; the parser would stop or guess at some of them.
bool check_text(std::string_view yaml, const std::string& source, std::vector<ConfigFinding>& findings) {
    SourcePlace at{source, 1, 1};
    for (std::size_t i = 0; i < yaml.size();) {
        const auto byte = static_cast<unsigned char>(yaml[i]);
        const auto length = utf8_length(yaml.substr(i));
        if (length == 0) {
            findings.push_back({at, {}, "this is not UTF-8"});
            return false;
        }
        if ((byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f) {
            findings.push_back({at, {}, "a control character, byte " + std::to_string(byte)});
            return false;
        }
        if (byte == '\n') {
            ++at.line;
            at.column = 1;
        } else {
            ++at.column;
        }
        i += length;
    }
    return true;
}

// The parser's own words name its grammar; a tab is what it stumbles over most often and never names.
std::string syntax_message(const YAML::ParserException& error, std::string_view yaml) {
    for (int line = 0; line < error.mark.line; ++line) yaml.remove_prefix(yaml.find('\n') + 1);
    const auto text = yaml.find_first_not_of(" \t");
    if (yaml.substr(0, text).find('\t') != std::string_view::npos)
        return "broken YAML: a tab before the text; indent with spaces";
    return "broken YAML: " + error.msg;
}

}  // namespace

const ConfigMember* ConfigNode::find(std::string_view key) const {
    for (const auto& member : members)
        if (member.key == key) return &member;
    return nullptr;
}

ConfigMember* ConfigNode::find(std::string_view key) {
    for (auto& member : members)
        if (member.key == key) return &member;
    return nullptr;
}

ConfigNode parse_document(std::string_view yaml, const std::string& source, std::vector<ConfigFinding>& findings) {
    if (yaml.size() > max_document_bytes) {
        findings.push_back({{source}, {}, "larger than " + std::to_string(max_document_bytes) + " bytes"});
        return {};
    }
    if (!check_text(yaml, source, findings)) return {};
    TreeBuilder builder(source, findings);
    try {
        std::istringstream in{std::string(yaml)};
        YAML::Parser parser(in);
        parser.HandleNextDocument(builder);
        TreeBuilder rest(source, findings);
        if (parser.HandleNextDocument(rest))
            findings.push_back({rest.take().place, {}, "a second document: one file holds one configuration"});
    } catch (const Stop&) {
        return {};  // findings say why
    } catch (const YAML::ParserException& error) {
        findings.push_back({{source, error.mark.line + 1, error.mark.column + 1}, {}, syntax_message(error, yaml)});
    } catch (const std::exception& error) {
        findings.push_back({{source}, {}, std::string("cannot be read as YAML: ") + error.what()});
    }
    return builder.take();
}

ConfigNode read_document(const std::string& file, std::vector<ConfigFinding>& findings) {
    const auto text = read_regular_file(file, max_document_bytes);
    if (text) return parse_document(*text, file, findings);
    findings.push_back({{file}, {}, text.error().what});
    return {};
}

void overlay(ConfigNode& base, ConfigNode top) {
    if (top.kind == ConfigNode::Kind::nothing && base.kind != ConfigNode::Kind::nothing) return;
    if (base.kind != ConfigNode::Kind::map || top.kind != ConfigNode::Kind::map) {
        base = std::move(top);
        return;
    }
    base.place = top.place;
    for (auto& member : top.members) {
        if (auto* known = base.find(member.key); known != nullptr) {
            known->place = member.place;
            overlay(known->value, std::move(member.value));
        } else {
            base.members.push_back(std::move(member));
        }
    }
}

}  // namespace sonde
