// Package window decides when a window is complete and which events its message holds.
//
// It is pure: a decision is a function of the rules and the waiting events. The gate reads
// these facts, and carries the decision out. Order never depends on how the facts were
// read, so two instances that see the same window build the same release.
package window

import (
	"crypto/md5"
	"encoding/hex"
	"hash"
	"io"
	"slices"
	"strconv"

	"github.com/headgate/headgate/internal/event"
)

// The choices of eventToSend: which of an endpoint's events the message includes.
const (
	All        = "ALL"
	First      = "FIRST"
	Last       = "LAST"
	Boundaries = "BOUNDARIES" // the first and the last; a single event is included once
)

// Rule is one endpoint's condition on the window.
type Rule struct {
	Key  string
	Need int // minNbOfOccurrence, >= 1
	Max  int // maxNbOfOccurrence; 0: no bound
	Send string
}

// Met reports whether have events are enough for the endpoint.
func (r Rule) Met(have int) bool { return have >= r.Need }

// Shortfall tells that an endpoint has fewer events than it needs.
type Shortfall struct {
	EventKey string `json:"eventKey"`
	Have     int    `json:"have"`
	Need     int    `json:"need"`
}

// Release is a window to be claimed and published.
type Release struct {
	EventID string
	Lists   []List // one per rule, in the rules' order
}

// List is one endpoint's part of a release.
type List struct {
	event.List
	Members []event.Ref // all of the window, in order: the claim consumes them
}

// Missing returns the endpoints that have fewer events than they need. The window is
// complete if it returns none.
func Missing(rules []Rule, have []int) []Shortfall {
	var short []Shortfall
	for i, r := range rules {
		if !r.Met(have[i]) {
			short = append(short, Shortfall{EventKey: r.Key, Have: have[i], Need: r.Need})
		}
	}
	return short
}

// Build returns the release of all the waiting events: waiting[i] holds the events of
// rules[i] in the window. ok is false if there are no events.
func Build(rules []Rule, waiting [][]event.Ref) (rel Release, ok bool) {
	rel.Lists = make([]List, len(rules))
	for i, r := range rules {
		members := slices.Clone(waiting[i])
		slices.SortFunc(members, event.Ref.Compare)
		n := len(members)
		l := List{Members: members, List: event.List{Key: r.Key, Need: r.Need, Send: r.Send, Count: n, Included: choose(r.Send, members)}}
		if n > 0 {
			l.First, l.Last = members[0].ReceivedAt, members[n-1].ReceivedAt
			ok = true
		}
		rel.Lists[i] = l
	}
	rel.EventID = eventID(rel.Lists)
	return rel, ok
}

func choose(send string, members []event.Ref) []event.Ref {
	n := len(members)
	if n <= 1 || send == All {
		return members
	}
	switch send {
	case First:
		return members[:1]
	case Last:
		return members[n-1:]
	case Boundaries:
		return []event.Ref{members[0], members[n-1]}
	default:
		return members
	}
}

// eventID returns the hex MD5 of the included ids, endpoint by endpoint, as consumers of
// EventSync expect it. Ids have a fixed length, so two different lists never concatenate
// to the same text.
func eventID(lists []List) string {
	h := md5.New()
	for _, l := range lists {
		for _, ref := range l.Included {
			_, _ = io.WriteString(h, ref.ID)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Repeatable reports whether another release may get the same EventID. That needs sources
// that gave every included event an idempotency key, and used the keys again after they
// were forgotten.
func (r Release) Repeatable() bool {
	for _, l := range r.Lists {
		if slices.ContainsFunc(l.Included, event.Ref.Unnamed) {
			return false
		}
	}
	return true
}

// EventIDWithTimes returns the eventID for a release whose EventID an earlier one has. It
// hashes the events' times as well, which differ between the two.
func (r Release) EventIDWithTimes() string {
	h := md5.New()
	for _, l := range r.Lists {
		for _, ref := range l.Included {
			_, _ = io.WriteString(h, ref.ID+"@"+strconv.FormatInt(ref.ReceivedAt.UnixMicro(), 10))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Hash computes the two eventIDs of a release whose included events are not all at hand.
type Hash struct{ ids, times hash.Hash }

// NewHash returns a Hash of no events.
func NewHash() Hash { return Hash{md5.New(), md5.New()} }

// Add adds the next included event.
func (h Hash) Add(ref event.Ref) {
	_, _ = io.WriteString(h.ids, ref.ID)
	_, _ = io.WriteString(h.times, ref.ID+"@"+strconv.FormatInt(ref.ReceivedAt.UnixMicro(), 10))
}

// EventID returns what Release.EventID is for these events.
func (h Hash) EventID() string { return hex.EncodeToString(h.ids.Sum(nil)) }

// EventIDWithTimes returns what [Release.EventIDWithTimes] returns for these events.
func (h Hash) EventIDWithTimes() string { return hex.EncodeToString(h.times.Sum(nil)) }
