//! Names of the chat's events (`realtime.md` sections 8 and 9).

/// A user came. Server to client, and between instances.
pub const USER_CONNECTED: &str = "user.connected";
/// A user left. Server to client, and between instances.
pub const USER_DISCONNECTED: &str = "user.disconnected";
/// A private room got its first message. Server to client, and between instances.
pub const SHOW_ROOM: &str = "show.room";
/// A message. Both ways, and between instances.
pub const MESSAGE: &str = "message";
/// A client wants to hear a room.
pub const ROOM_JOIN: &str = "room.join";

/// Names that Socket.IO keeps for itself. An envelope with one would end a Node server, so none is
/// ever published or passed on (section 11).
pub const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];
