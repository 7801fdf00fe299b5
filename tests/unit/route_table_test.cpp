#include "agent/route/route_table.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <utility>

namespace sonde {
namespace {

struct Case {
    std::string_view path, route;
};

class RouteOf : public testing::TestWithParam<Case> {};

TEST_P(RouteOf, Path) {
    RouteTable table;
    EXPECT_EQ(table.route("shop", GetParam().path), GetParam().route);
    EXPECT_EQ(table.route("shop", GetParam().path), GetParam().route) << "from the cache";
}

INSTANTIATE_TEST_SUITE_P(
    Words, RouteOf,
    testing::Values(Case{"", "/"}, Case{"/", "/"}, Case{"//", "/"}, Case{"/orders", "/orders"},
                    Case{"/orders/", "/orders/"}, Case{"//orders///list", "/orders/list"}, Case{"*", "*"},
                    Case{"/*", "/*"}, Case{"/api/v1/users", "/api/v1/users"}, Case{"/api/1.0/users", "/api/1.0/users"},
                    Case{"/apis/apps/v1beta1/deployments", "/apis/apps/v1beta1/deployments"},
                    Case{"/getUserById2", "/getUserById2"}, Case{"/oauth2/authorize", "/oauth2/authorize"},
                    Case{"/.well-known/openid-configuration", "/.well-known/openid-configuration"},
                    Case{"/wp-admin/admin-ajax.php", "/wp-admin/admin-ajax.php"}, Case{"/@alice", "/@alice"},
                    Case{"/static/jquery-3.6.0.min.js", "/static/jquery-3.6.0.min.js"},
                    Case{"/caf%C3%A9/men%C3%BC", "/caf%C3%A9/men%C3%BC"},
                    Case{"/%E4%BD%A0%E5%A5%BD", "/%E4%BD%A0%E5%A5%BD"}, Case{"/npm/react@18.2.0", "/npm/react@18.2.0"},
                    Case{"/facade/decade", "/facade/decade"},
                    Case{"/blog/fifa-world-cup-2026", "/blog/fifa-world-cup-2026"}, Case{"/search?q=secret", "/search"},
                    Case{"/page#top", "/page"}, Case{"/cart;jsessionid=8A7F9B/items", "/cart/items"},
                    Case{"http://shop.local/orders/7", "/orders/{id}"}, Case{"http://shop.local", "/"},
                    Case{"/login?next=http://x/y", "/login"}));

INSTANTIATE_TEST_SUITE_P(
    Placeholders, RouteOf,
    testing::Values(
        Case{"/orders/42", "/orders/{id}"}, Case{"/orders/42/items/7", "/orders/{id}/items/{id}"},
        Case{"/t/-5", "/t/{id}"}, Case{"/hosts/192.168.1.10", "/hosts/{id}"}, Case{"/hosts/10.0.0.1", "/hosts/{id}"},
        Case{"/orders/order-123456", "/orders/{id}"}, Case{"/geo/52.5200,13.4050", "/geo/{id}"},
        Case{"/u/550e8400-e29b-41d4-a716-446655440000", "/u/{uuid}"},
        Case{"/u/550E8400-E29B-41D4-A716-446655440000/x", "/u/{uuid}/x"},
        Case{"/c/da39a3ee5e6b4b0d3255bfef95601890afd80709", "/c/{hash}"},
        Case{"/o/507f1f77bcf86cd799439011", "/o/{hash}"},
        Case{"/eth/0x52908400098527886E0F7030069857D2E4169EE7", "/eth/{hash}"},
        Case{"/u/01ARZ3NDEKTSV4RRFFQ69G5FAV", "/u/{token}"}, Case{"/watch/dQw4w9WgXcQ", "/watch/{token}"},
        Case{"/customers/cus_9s6XKzkNRiz8i3", "/customers/{token}"},
        Case{"/k/0ujtsYcgvSTl8PAuAdqWYYMnLOv", "/k/{token}"}, Case{"/n/V1StGXR8_Z5jdHi6B-myT", "/n/{token}"},
        Case{"/j/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N", "/j/{token}"},
        Case{"/d/2024-01-31", "/d/{date}"}, Case{"/d/2024-01", "/d/{date}"},
        Case{"/d/2024-01-31T12:00:00Z", "/d/{date}"}, Case{"/d/2024-01-31T12%3A00%3A00Z", "/d/{date}"},
        Case{"/m/someone@example.com", "/m/{email}"}, Case{"/m/some.one%40example.co.uk", "/m/{email}"},
        Case{"/static/app.3f2a9c81.js", "/static/app.{hash}.js"},
        Case{"/static/main.3f2a9c81.chunk.css", "/static/main.{hash}.chunk.css"},
        Case{"/assets/index-B5Qt9EMX.js", "/assets/index-{hash}.js"}, Case{"/i/1234.jpg", "/i/{id}.jpg"},
        Case{"/i/550e8400-e29b-41d4-a716-446655440000.png", "/i/{uuid}.png"},
        Case{"/l/2024-01-31.log", "/l/{date}.log"},
        Case{"/a/1/2/3/4/5/6/7/8/9/10/11/12/13/14", "/a/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{id}/{rest}"},
        Case{"example.com:443", "{token}"}));

INSTANTIATE_TEST_SUITE_P(Hostile, RouteOf,
                         testing::Values(Case{std::string_view("/a\0b/x", 6), "/{token}/x"}, Case{"/a\nb", "/{token}"},
                                         Case{"/\xff\xfe", "/{token}"}, Case{"/{overflow}", "/{token}"},
                                         Case{"/a\"b", "/{token}"}, Case{"/a\\b", "/{token}"},
                                         Case{"{overflow}", "{token}"}, Case{"/../../etc/passwd", "/../../etc/passwd"},
                                         Case{"/%00%0a", "/%00%0a"}, Case{";", "{token}"}, Case{"/;;;/;", "/"}));

TEST(RouteTable, LongSegmentsBecomeTokens) {
    RouteTable table;
    EXPECT_EQ(table.route("s", "/" + std::string(64, 'a') + ".js"), "/{token}");
    EXPECT_EQ(table.route("s", "/" + std::string(65, '-')), "/{token}");
    EXPECT_EQ(table.route("s", "/" + std::string(64, '-')), "/" + std::string(64, '-'));
    EXPECT_EQ(table.route("s", "/" + std::string(128, '7')), "/{id}");
    EXPECT_EQ(table.route("s", "/" + std::string(100000, '/')), "/");
}

TEST(RouteTable, SameRouteIsSameView) {
    RouteTable table;
    const auto first = table.route("s", "/orders/1");
    for (int i = 0; i < 5000; ++i) EXPECT_EQ(table.route("s", "/orders/" + std::to_string(i)).data(), first.data());
    EXPECT_EQ(table.stats().routes.load(), 1u);
    EXPECT_NE(table.route("other", "/orders/1").data(), first.data()) << "each service has its own table";
}

std::string word(int i) {  // letters only, so that no rule catches it
    std::string out = "w";
    for (; i > 0; i /= 26) out += static_cast<char>('a' + i % 26);
    return out;
}

TEST(RouteTable, LearnsAPrefixWithManyChildren) {
    RouteTable table({.max_children = 3});
    EXPECT_EQ(table.route("s", "/users/ann/posts"), "/users/ann/posts");
    EXPECT_EQ(table.route("s", "/users/bob"), "/users/bob");
    EXPECT_EQ(table.route("s", "/users/cat"), "/users/cat");
    EXPECT_EQ(table.route("s", "/users/dan"), "/users/{name}");
    EXPECT_EQ(table.route("s", "/users/eve/posts"), "/users/{name}/posts");
    EXPECT_EQ(table.route("s", "/users/fay/posts"), "/users/{name}/posts");
    EXPECT_EQ(table.route("s", "/users/ann"), "/users/ann") << "what was a word stays one";
    EXPECT_EQ(table.route("s", "/users/42"), "/users/{id}") << "placeholders are no words";
    EXPECT_EQ(table.stats().collapsed.load(), 2u);
}

TEST(RouteTable, BudgetPerServiceAndInAll) {
    RouteTable table({.max_routes_per_service = 10, .max_routes = 15, .max_children = 1000});
    for (int i = 0; i < 30; ++i) EXPECT_EQ(table.route("a", "/" + word(i)) == overflow_route, i >= 10) << i;
    for (int i = 0; i < 30; ++i) EXPECT_EQ(table.route("b", "/" + word(i)) == overflow_route, i >= 5) << i;
    EXPECT_EQ(table.stats().overflowed.load(), 20u + 25u);
    EXPECT_EQ(table.route("a", "/" + word(29)), overflow_route);
    EXPECT_EQ(table.stats().overflowed.load(), 46u) << "a cached overflow counts too";
    EXPECT_EQ(table.route("a", "/" + word(3)), "/" + word(3)) << "known routes go on";
    for (int i = 0; i < 100; ++i) EXPECT_EQ(table.route(word(i) + "-service", "/x"), overflow_route);
    EXPECT_LE(table.stats().services.load(), 15u);
}

TEST(RouteTable, ViewsStayValid) {
    RouteTable table({.max_routes_per_service = 5000, .max_routes = 5000, .max_children = 100000});
    std::vector<std::pair<std::string_view, std::string>> seen;
    for (int i = 0; i < 5000; ++i) {
        const auto path = "/some/rather/long/prefix/" + word(i);
        seen.emplace_back(table.route("s", path), path);
    }
    for (const auto& [view, text] : seen) ASSERT_EQ(view, text);
}

TEST(RouteTable, RandomBytesStayInBounds) {
    RouteTable table({.max_routes_per_service = 200, .max_routes = 300});
    std::mt19937 random(7);
    std::set<std::string_view> routes;
    constexpr std::string_view alphabet = "/////aZ09.-_%;?@{}=\n\xff";
    for (int i = 0; i < 100'000; ++i) {
        std::string path = i % 8 == 0 ? "" : "/";
        for (auto left = random() % 80; left > 0; --left)
            path += i % 2 == 0 ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
        const auto route = table.route(i % 3 == 0 ? "a" : "b", path);
        for (const char c : route) ASSERT_TRUE(c > ' ' && c < 0x7f);
        routes.insert(route);
    }
    EXPECT_LE(routes.size(), 303u);  // with "*", "{token}", "{overflow}"
    EXPECT_LE(table.stats().routes.load(), 300u);
}

}  // namespace
}  // namespace sonde
