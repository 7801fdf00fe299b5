#include "agent/config/reference.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <fstream>
#include <sstream>

#include "agent/config/sections.hpp"

namespace sonde {
namespace {

TEST(ConfigReference, CommittedPageIsTheSchemas) {
    std::ifstream in(std::string(SONDE_SOURCE_DIR) + "/docs/configuration.md");
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_TRUE(text.str() == configuration_reference())
        << "run: build/release/sonde check-config --docs > docs/configuration.md";
}

// Every setting says what it is for, in a sentence.
void expect_documented(const Fields& fields, const std::string& path) {
    for (const auto& field : fields) {
        const auto key = path + field.key;
        EXPECT_FALSE(field.help.empty()) << key;
        EXPECT_TRUE(field.help.ends_with('.')) << key << ": " << field.help;
        expect_documented(field.fields, key + ".");
    }
}
TEST(ConfigReference, EverySettingIsDocumented) { expect_documented(config_schema().fields, {}); }

TEST(ConfigReference, JsonSchemaIsJson) {
    boost::json::error_code error;
    const auto schema = boost::json::parse(configuration_json_schema(), error);
    ASSERT_FALSE(error) << error.message();
    EXPECT_EQ(schema.at("additionalProperties"), false);
    const auto& sampling = schema.at("properties").at("sampling").at("properties");
    EXPECT_EQ(sampling.at("head_rate").at("maximum").to_number<double>(), 1);
    EXPECT_EQ(sampling.at("rules").at("items").at("required").at(0), "name");
    EXPECT_EQ(schema.at("properties").at("profile").at("enum").as_array().size(), 3U);
}

}  // namespace
}  // namespace sonde
