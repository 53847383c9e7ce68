// Package occurrence is the outbox of what registered URLs can subscribe to: messages and
// alerts of gates, runs of syncs that went wrong, changes of records and of lists.
//
// A use case writes the occurrence in the commit that makes it true. So it is stored exactly
// if it happened, and a crash loses none. Package outgoing then gives
// every target that subscribed a delivery, and deletes the occurrence.
//
// An occurrence is written only while somebody subscribes to its type and subject.
package occurrence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// The CloudEvents types of occurrences, and their subjects.
const (
	Message        = "dev.headgate.sync.v1"            // a message of a gate; the service's name
	MessagePartial = "dev.headgate.sync.partial.v1"    // a message of a window that closed incomplete; the service's name
	MessageManual  = "dev.headgate.sync.manual.v1"     // a message that a user released; the service's name
	Alert          = "dev.headgate.alert.v1"           // an alert of a gate; the service's name
	RunFailed      = "dev.headgate.run.failed.v1"      // a run of a sync failed; the sync's id
	RunPartial     = "dev.headgate.run.partial.v1"     // a run of a sync rejected rows; the sync's id
	Records        = "dev.headgate.records.changed.v1" // records changed; their entity type
	List           = "io.headgate.list.changed"        // a list changed; its id
)

// Types lists the types that a URL can subscribe to.
var Types = []string{Message, MessagePartial, MessageManual, Alert, RunFailed, RunPartial, Records, List}

// Occurrence is something that happened, as it is sent in a CloudEvent.
type Occurrence struct {
	// ID is the same for every target and every attempt. With the source it is unique. It has
	// no full stop, because it is the id of a signed webhook.
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Source  string          `json:"source"`
	Subject string          `json:"subject"`
	Time    time.Time       `json:"time"`
	Data    json.RawMessage `json:"data,omitempty" description:"What is sent. Of a message: what is sent if the message cannot be read any more."`
	// Service and EventID name the message that is sent instead of Data. Nothing stores it a
	// second time: it is built from its events for each attempt.
	Service string `json:"serviceName,omitempty" description:"Of a message."`
	EventID string `json:"eventID,omitempty" description:"Of a message."`
	// Traceparent names the span in which it happened.
	Traceparent string `json:"traceparent,omitempty" description:"The span in which it happened, if it was recorded."`
}

// Collection has the occurrences that some target still has to get, in the order of their
// times.
var Collection = store.Collection{Kind: "webhooks", Scope: "occurrences"}

// Entry is an occurrence as it is stored.
type Entry struct {
	Occurrence
	// After is the id of the document of the last target that got its delivery. Targets get
	// their deliveries in the order of these ids.
	After string `json:"after,omitempty"`
	// Tries counts in how many passes a filter could not be asked, because the message could
	// not be built. Until NextTry, nobody gets the occurrence.
	Tries   int       `json:"tries,omitempty"`
	NextTry time.Time `json:"nextTry,omitzero"`

	rev string
}

// Write returns the write that creates the entry, or that replaces the revision which was
// read. An entry that has to wait leaves its place to those behind it.
func (e *Entry) Write() store.Write {
	order := max(1, e.Time.UnixMicro(), e.NextTry.UnixMicro())
	return store.Write{Collection: Collection, Any: e.rev == "", Doc: store.Doc{ID: e.DocID(), Body: list.Encode(e), Rev: e.rev, Order: order}}
}

// DocID returns the id of the entry's document. It depends on the occurrence alone, so one
// that is written twice is one document.
func (e *Entry) DocID() string {
	sum := sha256.Sum256([]byte(e.Source + "\x00" + e.Type + "\x00" + e.ID))
	return hex.EncodeToString(sum[:16])
}

// Delete returns the write that deletes the revision of the entry which was read.
func (e *Entry) Delete() store.Write {
	return store.Write{Collection: Collection, Doc: store.Doc{ID: e.DocID(), Rev: e.rev}, Delete: true}
}

// Parse returns a stored entry.
func Parse(d store.Doc) (*Entry, error) {
	e := &Entry{rev: d.Rev}
	return e, json.Unmarshal(d.Body, e)
}

// Outbox is where use cases put what happens. A nil Outbox takes nothing. All methods may be
// called concurrently.
type Outbox struct {
	// Subscribed reports whether somebody subscribes to the type and the subject. If it does
	// not know, it says yes: an occurrence that nobody wants is deleted soon.
	Subscribed func(ctx context.Context, typ, subject string) bool
	// Stored is called after the commit of occurrences, and begins to deliver them.
	Stored func()
}

// Wants reports whether an occurrence of the type and subject must be written.
func (o *Outbox) Wants(ctx context.Context, typ, subject string) bool {
	return o != nil && o.Subscribed(ctx, typ, subject)
}

// Writes returns the writes of those occurrences that somebody wants, for the commit that
// makes them true.
func (o *Outbox) Writes(ctx context.Context, all ...Occurrence) (writes []store.Write) {
	for _, one := range all {
		if o.Wants(ctx, one.Type, one.Subject) {
			one.Traceparent = trace.Parent(ctx)
			writes = append(writes, (&Entry{Occurrence: one}).Write())
		}
	}
	return writes
}

// Committed begins the deliveries of the occurrences among the writes, which are committed.
func (o *Outbox) Committed(writes []store.Write) {
	if o != nil && slices.ContainsFunc(writes, func(w store.Write) bool { return w.Collection == Collection }) {
		o.Stored()
	}
}
