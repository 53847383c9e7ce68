package outgoing

import (
	"cmp"
	"encoding/json"
	"net/url"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// Formats of deliveries.
const (
	Plain       = "json"
	CloudEvents = "cloudevents"
)

// States of a target.
const (
	Active = "active"
	Paused = "paused" // it failed for about two days; its deliveries are kept
)

// Target is a URL that is called when a list changes, or when something happens to which it
// subscribes. Deliveries have consecutive numbers. Those from Head up to Next wait. The
// target's document decides which delivery is next: a process that commits it owns the
// numbers and the lease.
type Target struct {
	ID        string    `json:"id"`
	URL       string    `json:"url"`
	List      string    `json:"externalTaskListId,omitempty"`
	Types     []string  `json:"types,omitempty" description:"The CloudEvents types to which it subscribes, instead of a list."`
	Subjects  []string  `json:"subjects,omitempty" description:"Only occurrences with one of these subjects are sent. None: all."`
	Format    string    `json:"format"`
	Filter    string    `json:"filter,omitempty"` // CEL: the versions or occurrences to deliver
	Secret    string    `json:"secret,omitempty"`
	Former    []Former  `json:"formerSecrets,omitempty"` // webhooks are signed with them, too, until their time
	State     string    `json:"state"`
	CreatedAt time.Time `json:"createdAt"`

	Version      int64     `json:"version"` // the newest version of the list with a delivery for this target
	Next         int64     `json:"next"`    // number of the next delivery
	Head         int64     `json:"head"`    // number of the oldest delivery that waits
	Resume       int64     `json:"resume,omitempty" description:"If it is above head: the deliveries between them were dropped while that of head was sent."`
	Oldest       int64     `json:"oldest,omitempty" description:"Number of the oldest delivery that is kept."`
	Newest       int64     `json:"newest,omitempty"`   // number of the delivery of Version; 0: none
	Replaced     int64     `json:"replaced,omitempty"` // versions that Newest replaced
	Dropped      int64     `json:"dropped,omitempty"`  // deliveries that were dropped because too many waited, or for too long
	DroppedAt    time.Time `json:"droppedAt,omitzero" description:"When deliveries were last dropped because too many waited or for too long; at most an hour too early."`
	Failures     int       `json:"failures,omitempty"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	NextAttempt  time.Time `json:"nextAttempt,omitzero"`
	// WaitSeconds is the time by which NextAttempt was set ahead. If NextAttempt is further away now, a clock
	// was ahead when it was set, and the target is due.
	WaitSeconds float64   `json:"waitSeconds,omitempty"`
	LastStatus  int       `json:"lastStatus,omitempty"`
	LastError   string    `json:"lastError,omitempty"`
	LeaseUntil  time.Time `json:"leaseUntil,omitzero"`

	rev string
}

// Waiting returns how many deliveries wait.
func (t *Target) Waiting() int64 {
	if t.Resume > t.Head {
		return 1 + t.Next - t.Resume
	}
	return t.Next - t.Head
}

// pass makes the delivery after number n the oldest that waits.
func (t *Target) pass(n int64) {
	if n >= t.Head {
		t.Head = max(n+1, t.Resume)
	}
}

// wait is WaitSeconds. It is 0 in documents of earlier releases, too.
func (t *Target) wait() time.Duration { return time.Duration(t.WaitSeconds * float64(time.Second)) }

// due reports whether the target may be called: its back-off has passed, and no process
// leases it.
func (t *Target) due(now time.Time) bool {
	return clock.Over(t.NextAttempt, now, cmp.Or(t.wait(), outbound.LongestPause)) && clock.Over(t.LeaseUntil, now, leaseTime)
}

// docID begins with the list, so that the targets of a list are next to each other.
func (t *Target) docID() string { return targetPrefix(t.List) + t.ID }

// targetPrefix begins the ids of a list's targets, and for "" those of the targets that
// subscribe to types.
func targetPrefix(listID string) string { return url.PathEscape(listID) + "/" }

func (t *Target) write() store.Write {
	d := store.Doc{ID: t.docID(), Body: list.Encode(t), Rev: t.rev}
	if t.State == Active && t.Waiting() > 0 {
		d.Order = max(1, max(t.NextAttempt.UnixMicro(), t.LeaseUntil.UnixMicro()))
	}
	return store.Write{Collection: registered, Doc: d}
}

func parseTarget(d store.Doc) (*Target, error) {
	t := &Target{rev: d.Rev}
	return t, json.Unmarshal(d.Body, t)
}
