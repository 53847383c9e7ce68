// Package client is for programs that send events to Headgate, and for those that consume
// its messages. It uses the standard library only.
//
//   - [Gate] sends events. It tries again until the server has stored the event, and an event
//     counts once however often it was sent.
//   - [Consume] makes a [Consumer] of a function: an [http.Handler] for Pub/Sub push and for
//     HTTP targets, and [Consumer.Receive] for pull. A message is handled exactly once,
//     because its eventID is recorded in the transaction in which the function works.
//     [SQLStore] does so in SQLite, PostgreSQL, MySQL and MariaDB.
//   - [Message] is a sync message.
//   - [Verify] checks the signature of a webhook.
//
// On failure: [Gate] returns an [Error] for an answer that will not change, and otherwise
// tries until its context ends. A [Consumer] asks for another delivery of a message that
// failed, unless the error is [Permanent]: it acknowledges and reports such a message.
package client
