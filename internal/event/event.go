// Package event defines an event as Headgate keeps it, decodes the requests that carry
// events, and derives an event's id.
//
// The store and the gate share it. It is pure: it has no clock and does no I/O. An event
// never changes once it is stored, and its credentials are dropped before that.
package event

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// IDLen is the length of every event id in characters. It is fixed because a message's
// eventID is a hash of concatenated ids: two different lists of ids never give one text.
const IDLen = 32

// Event is one event as it was received. It is immutable (docs/decisions/001).
type Event struct {
	ID         string    // IDLen lower-case hex digits, from DeriveID or RandomID
	Key        string    // the endpoint's eventKey
	ReceivedAt time.Time // UTC, in whole microseconds, which every store keeps exactly
	Meta       Meta
	Content    []byte // the body, byte for byte
}

// Ref stands for an event without its content.
type Ref struct {
	ID         string
	ReceivedAt time.Time
	Size       int64 // Event.Size, in bytes
}

// Ref returns the reference to e.
func (e Event) Ref() Ref { return Ref{ID: e.ID, ReceivedAt: e.ReceivedAt, Size: e.Size()} }

// Compare orders references as messages list them: by (ReceivedAt, ID).
func (r Ref) Compare(o Ref) int {
	if c := r.ReceivedAt.Compare(o.ReceivedAt); c != 0 {
		return c
	}
	return cmp.Compare(r.ID, o.ID)
}

// Meta holds the parts of a request other than its body. Every string is valid UTF-8.
type Meta struct {
	Method  string              `json:"method"`
	Headers map[string][]string `json:"headers,omitempty"`
	Query   map[string][]string `json:"query,omitempty"`
	// RawQuery is the query as it was received. It is kept only if Query is ambiguous:
	// the query has bytes that are not UTF-8, or malformed escapes.
	RawQuery string `json:"rawQuery,omitempty"`
	// Redacted lists the names of the credentials that were dropped: a header ("X-Api-Key"),
	// a query parameter ("?token"), or a parameter of a URL in one of them ("Referer?token").
	// "@" stands for a URL's user and password ("Referer?@").
	Redacted []string `json:"redacted,omitempty"`
	// CloudEvent holds the CloudEvents attributes, if the event is one.
	CloudEvent map[string]json.RawMessage `json:"cloudEvent,omitempty"`
	// PubSub has the other fields of the Pub/Sub push that carried the event, if the content is
	// its data.
	PubSub *PubSub `json:"pubsub,omitempty"`
	// CorrelationKey is the key that the rules gave the event; "" without correlation. It is
	// kept here because an event's pointer, which has it too, is gone once it is claimed.
	CorrelationKey string `json:"correlationKey,omitempty"`
	// Traceparent names the span of the request that brought the event, so that what becomes of
	// the event later continues its trace. It is "" if none was recorded.
	Traceparent string `json:"traceparent,omitempty"`
}

// DeriveID returns the id of an event that has an idempotency key. The same (service,
// endpoint, key) always gives the same id, so the store recognises a retry as a duplicate.
// Fields are length-prefixed, so that ("a","bc") and ("ab","c") differ.
func DeriveID(service, endpoint, key string) string {
	h := sha256.New()
	var n [8]byte
	for _, s := range [...]string{service, endpoint, key} {
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	return hex.EncodeToString(h.Sum(nil)[:IDLen/2])
}

// List is one endpoint's part of a window that is released: in the decision, in the claim,
// and in the message. A store keeps all of its fields.
type List struct {
	Key         string
	Need        int       // minNbOfOccurrence
	Send        string    // eventToSend
	Count       int       // events of the window, included or not
	First, Last time.Time // of all of them; zero if there are none
	Included    []Ref     // the events that the message carries, in (receivedAt, id) order
}

// NewID returns the id of an event that has no idempotency key. It begins with the time,
// so that an index of ids grows at its end: inserts at random places would dirty a page
// of the index for each event.
func NewID(at time.Time) string {
	var b [IDLen / 2]byte
	binary.BigEndian.PutUint64(b[:8], uint64(at.UnixMilli())<<16)
	rand.Read(b[6:]) // never fails since Go 1.24
	return hex.EncodeToString(b[:])
}

// Unnamed reports whether NewID made the id for an event of that time. If so, no other
// event ever has the same id; an id from DeriveID may be used again once it is forgotten.
func (r Ref) Unnamed() bool {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(r.ReceivedAt.UnixMilli())<<16)
	return strings.HasPrefix(r.ID, hex.EncodeToString(b[:6]))
}

// RandomID returns a random id. Attempts and the owners of claims have one, so that a
// writer whose answer was lost can recognise its own commit.
func RandomID() string {
	var b [IDLen / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// ArchivedID returns the id that a store moves an old event to when its idempotency key
// is used again after it was forgotten. An old claim may still name that event, and finds
// it by (id, receivedAt).
func ArchivedID(id string, receivedAt time.Time) string {
	return DeriveID("archived", id, strconv.FormatInt(receivedAt.UnixMicro(), 10))
}

// Size returns the event's size in bytes: Meta as stored, and Content.
func (e Event) Size() int64 { return int64(len(e.MetaJSON()) + len(e.Content)) }

// MetaJSON returns Meta as stores keep it.
func (e Event) MetaJSON() []byte {
	b, err := json.Marshal(e.Meta)
	if err != nil { // maps of strings and raw JSON that was valid when it was read
		panic(fmt.Sprintf("event: meta of %s does not encode: %v", e.ID, err))
	}
	return b
}

// ParseMeta is the inverse of MetaJSON.
func ParseMeta(b []byte) (Meta, error) {
	var m Meta
	if err := json.Unmarshal(b, &m); err != nil {
		return Meta{}, fmt.Errorf("event: stored meta: %w", err)
	}
	return m, nil
}
