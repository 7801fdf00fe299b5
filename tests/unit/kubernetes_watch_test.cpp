#include "agent/identity/kubernetes_watch.hpp"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sonde {
namespace {

using std::chrono::milliseconds;

struct Store final : KubernetesStore {
    std::set<std::string> held, seen;
    int lists = 0;
    void listing(KubernetesKind) override { seen.clear(); }
    void put(KubernetesObject object) override {
        held.insert(std::get<KubernetesPod>(object).uid);
        seen.insert(std::get<KubernetesPod>(object).uid);
    }
    void remove(KubernetesKind, const std::string& uid) override { held.erase(uid); }
    void listed(KubernetesKind) override {
        ++lists;
        held = seen;
    }
};

std::string pod(const std::string& uid, const std::string& version) {
    return R"({"metadata":{"uid":")" + uid + R"(","resourceVersion":")" + version + R"("}})";
}
std::string page(const std::string& pods, const std::string& version, const std::string& next = {}) {
    return R"({"metadata":{"resourceVersion":")" + version + R"(","continue":")" + next + R"("},"items":[)" + pods +
           "]}";
}
std::string event(const std::string& type, const std::string& uid, const std::string& version) {
    return R"({"type":")" + type + R"(","object":)" + pod(uid, version) + "}\n";
}

class Watch : public ::testing::Test {
protected:
    Store store;
    KubernetesWatch watch{KubernetesKind::pod,
                          "/api/v1/pods",
                          "fieldSelector=spec.nodeName%3Dn",
                          store,
                          {.page_objects = 2, .page_bytes = 4096, .event_bytes = 1024},
                          [] { return 1.0; }};
    KubernetesWatch::Clock::time_point now{};

    // One request with its whole answer.
    std::string ask(int status, const std::string& body, std::size_t part = std::string::npos) {
        auto asked = watch.request();
        watch.begin();
        for (std::size_t at = 0; at < body.size(); at += std::min(part, body.size() - at))
            if (!watch.take(status, std::string_view(body).substr(at, part))) break;
        watch.end(status, now);
        return asked;
    }
    void list(const std::string& pods = pod("a", "1"), const std::string& version = "10") {
        ask(200, page(pods, version));
    }
    static constexpr const char* base = "/api/v1/pods?fieldSelector=spec.nodeName%3Dn&";
    static std::string watching(const std::string& version) {
        return base + ("watch=1&allowWatchBookmarks=true&resourceVersion=" + version + "&timeoutSeconds=290");
    }
};

TEST_F(Watch, ListsByPagesThenWatches) {
    EXPECT_EQ(ask(200, page(pod("a", "1") + "," + pod("b", "2"), "10", "t+1/=")), base + std::string("limit=2"));
    EXPECT_FALSE(watch.synced());
    EXPECT_EQ(ask(200, page(pod("c", "3"), "10"), 7), base + std::string("limit=2&continue=t%2B1%2F%3D"));
    EXPECT_TRUE(watch.synced());
    EXPECT_EQ(store.held, (std::set<std::string>{"a", "b", "c"}));
    EXPECT_EQ(watch.request(), watching("10"));
    EXPECT_LE(watch.due(), now);
}

TEST_F(Watch, EventsComeInPartsAndMoveTheVersion) {
    for (std::size_t part : {1U, 3U, 4096U}) {
        list();
        ask(200, event("ADDED", "b", "11") + "\n" + event("MODIFIED", "b", "12") + event("DELETED", "a", "13"), part);
        EXPECT_EQ(store.held, std::set<std::string>{"b"}) << part;
        EXPECT_EQ(watch.request(), watching("13"));
        ask(410, "");
    }
    EXPECT_EQ(watch.stats().events, 9U);
}

TEST_F(Watch, ABookmarkMovesTheVersion) {
    list();
    ask(200, R"({"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"77"}}})"
             "\n");
    EXPECT_EQ(watch.request(), watching("77"));
    EXPECT_EQ(watch.stats().bookmarks, 1U);
}

TEST_F(Watch, ADisconnectIsResumedWhereItWas) {
    list();
    ask(200, event("ADDED", "b", "11") + R"({"type":"ADDED","obj)");  // cut in the middle of a line
    EXPECT_EQ(watch.request(), watching("11"));
    EXPECT_EQ(watch.due(), now);  // it had told something: at once
    ask(0, "");
    EXPECT_EQ(watch.request(), watching("11"));
    EXPECT_EQ(watch.due() - now, milliseconds(500));
    EXPECT_EQ(store.lists, 1);
}

TEST_F(Watch, GoneMeansAnotherList) {
    list(pod("a", "1") + "," + pod("b", "2"));
    ask(200, R"({"type":"ERROR","object":{"kind":"Status","code":410}})"
             "\n");
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
    EXPECT_EQ(store.held.size(), 2U);  // what is known holds until the new list is complete
    list(pod("b", "20"), "30");
    EXPECT_EQ(store.held, std::set<std::string>{"b"});
    ask(410, R"({"kind":"Status","code":410})");
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
    EXPECT_EQ(watch.stats().expired, 2U);
}

TEST_F(Watch, APageThatExpiredStartsTheListOver) {
    ask(200, page(pod("a", "1"), "10", "next"));
    ask(410, "");
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
    list(pod("b", "1"));
    EXPECT_EQ(store.held, std::set<std::string>{"b"});
}

TEST_F(Watch, FailuresBackOffAndASuccessForgetsThem) {
    for (const int expected : {500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000}) {
        ask(503, "busy");
        EXPECT_EQ(watch.due() - now, milliseconds(expected));
    }
    EXPECT_EQ(watch.failures_in_a_row(), 9U);
    list();
    EXPECT_EQ(watch.failures_in_a_row(), 0U);
    ask(401, "");
    EXPECT_EQ(watch.due() - now, milliseconds(500));
}

TEST_F(Watch, AServerThatEndsWatchesAtOnceIsNotAskedAtOnce) {
    list();
    ask(200, "");
    EXPECT_EQ(watch.due() - now, milliseconds(500));
}

TEST_F(Watch, WhatCannotBeReadIsListedAgain) {
    list();
    ask(200, "garbage\n");
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
    list();
    ask(200, std::string(2000, 'x'));  // a line without an end
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
    ask(200, std::string(5000, 'x'));  // a page that is too long
    ask(200, "{}");
    EXPECT_EQ(watch.stats().invalid, 4U);
    EXPECT_EQ(watch.request(), base + std::string("limit=2"));
}

}  // namespace
}  // namespace sonde
