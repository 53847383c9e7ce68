// Package live pushes changed entities to the clients that subscribed to them, over
// WebSockets and server-sent events, from a server with any number of instances.
//
// Each instance of the server has a [Hub]. The server says how an entity is fetched
// ([Hub.Handle]), lets clients connect ([Hub.Register], or [Hub.WebSocket] and
// [Hub.EventStream]), and tells the hub when an entity changed ([Hub.Notify]). A
// [Queue] carries that to the hubs of the other instances. It carries keys and no data:
// every hub that has subscribers fetches the entity itself, once for all clients that
// see the same of it, and writes it to each of them.
//
// A client may show a secret. What it means is the server's business: each fetch gets
// it, and decides what to return.
//
// # Protocols
//
// A client chooses its protocol when it connects.
//
//   - [Plain] is the protocol of entity-sync, and the default. A client sends the
//     actions subscribe, unsubscribe and secret, which nobody acknowledges. It gets
//     each row of a changed entity as a frame of its own, byte for byte. A client that
//     asks for what it cannot have is closed, with the reason.
//   - [Versioned] is for clients that must not miss a change. Every action is answered.
//     A client that says which version it has gets the newer state at once, or is told
//     that its own is current. It may subscribe to all entities of a type ([Any]), and
//     learns why an action fails and when the server restarts. Event streams always
//     speak it.
//
// docs/live.md describes the frames.
//
// # Promises
//
//   - No change falls into a gap: a subscription is registered before the entity is
//     read for it.
//   - A client never sees an entity go back to an older state: fetches of an entity
//     follow each other, and each starts after the change that it is for.
//   - A client sees states, not events: of several changes within [Options.Coalesce],
//     it gets the last.
//   - Changes of different entities are written in their order if they are further apart
//     than [Options.Coalesce] and the time of a fetch, and no fetch failed.
//   - A slow client slows nobody. Of each entity that it subscribed to, only the newest
//     state waits for it. It is disconnected when one write takes more than ten seconds.
//   - What clients cost together is bounded by [Options.MaxMemory].
//
// # Failures
//
//   - A fetch that fails is retried for as long as somebody is subscribed.
//   - A change whose message was lost is found by comparing versions, every
//     [Options.CompareEvery]. Subscriptions to all of a type are not compared.
//   - A hub whose queue breaks closes its clients (close code 1012), so that they
//     connect to an instance that still gets changes. [Hub.Connected] reports it.
//   - A hub that runs out of memory refuses new clients and subscriptions first. Then
//     it closes clients that do not read (1013).
package live
