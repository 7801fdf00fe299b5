#pragma once

#include <cstdint>

#include "agent/pipeline/websocket_session.hpp"

namespace sonde {

// Who hears of WebSockets while they last. Pipeline thread only.
class WebSocketEvents {
public:
    virtual ~WebSocketEvents() = default;
    // The upgrade was answered. Names of the transaction may be filled in: they stay with the session.
    virtual void opened(WebSocketSession& session) = 0;
    // Messages and bytes have passed. outgoing: sent by the session's side.
    virtual void moved(const WebSocketSession& session, bool outgoing, const WebSocketSession::Moved& moved) = 0;
    // The connection is over, or was given up; transaction: of all of it.
    virtual void closed(const WebSocketSession& session, Transaction& transaction) = 0;
};

}  // namespace sonde
