// Package echo receives webhooks from the source of truth and passes them on: to
// live clients as a signal, and to whoever registered as a webhook of ours.
//
// Promises:
//
//   - A webhook is stored before it is answered. One that comes again, by its id,
//     changes nothing.
//   - What a list is now is delivered to every registered target, at least once, with
//     its version. A newer version takes the place of one that waits, so what waits is
//     bounded by the number of targets. Versions are delivered in order. Deliveries
//     survive restarts.
//   - A target is never called that did not consent, and never at an internal
//     address. One that does not answer holds up no other.
//
// On failure: a delivery is tried again for about two days; then its target is
// paused, with its newest version kept. A target that answers 410 is forgotten.
package echo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// DefaultList is the list of a webhook that names none.
const DefaultList = "task-list-1"

const (
	seenFor = 4 * 24 * time.Hour
	maxID   = 256
)

// KeptFor is how long deliveries are kept, which is longer than anything else here.
const KeptFor = 30 * 24 * time.Hour

// Options are what a Service works with.
type Options struct {
	Docs store.Docs
	// HTTP calls targets and the source: it follows no redirect, repeats nothing,
	// and reaches no internal address.
	HTTP   *http.Client
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Random func() string
	// PublicURL is where we are reached, without a slash at the end.
	PublicURL string
	// Upstream is the source of truth, which sessions have us register with; "": none.
	Upstream string
	// Consents is whether a target needs not be asked.
	Consents func(*url.URL) bool
	// Changed is told of lists that changed and of the sessions that have them open.
	Changed func(ctx context.Context, list string, sessions []Session)
	// Inline: there is no processor between requests, so deliveries are tried before
	// an answer is given, for a while.
	Inline bool
	// Patience is how long a target may take to answer; 0: 15 s.
	Patience time.Duration
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	o    Options
	docs store.Docs
	kick chan struct{}
	busy chan struct{} // a place for each target that Start's loop has called

	stop    context.CancelFunc
	stopped context.Context
	running sync.WaitGroup
}

// New returns a service. Start begins to deliver.
func New(o Options) *Service {
	s := &Service{o: o, docs: o.Docs, kick: make(chan struct{}, 1), busy: make(chan struct{}, atOnce)}
	if s.o.Now == nil {
		s.o.Now = time.Now
	}
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *Service) now() time.Time { return s.o.Now().UTC().Truncate(time.Microsecond) }

// Collections.
var (
	lists   = store.Collection{Kind: "lists"}
	targets = store.Collection{Kind: "webhooks"}
)

func seen(hook string) store.Collection { return store.Collection{Kind: "seen", Scope: hook} }
func deliveriesOf(target string) store.Collection {
	return store.Collection{Kind: "deliveries", Scope: target}
}

// List is what the source has, as it told us last.
type List struct {
	ID         string          `json:"id"`
	Version    int64           `json:"version"`
	Data       json.RawMessage `json:"data"`
	ReceivedAt time.Time       `json:"receivedAt"`
	WebhookID  string          `json:"webhookId,omitempty"`
	// Fanned is the version that every target has a delivery of.
	Fanned int64 `json:"fanned"`

	rev string
}

func (l *List) write() store.Write {
	d := store.Doc{ID: l.ID, Body: mustJSON(l), Rev: l.rev}
	if l.Fanned < l.Version {
		d.Order = l.ReceivedAt.UnixMicro() // a sweep finds it
	}
	return store.Write{Collection: lists, Doc: d}
}

func (s *Service) readList(ctx context.Context, id string) (*List, error) {
	docs, err := s.docs.Get(ctx, lists, []string{id})
	if err != nil {
		return nil, fault.StoreAway(err)
	}
	if docs[0] == nil {
		return &List{ID: id}, nil
	}
	return parseList(*docs[0])
}

func parseList(d store.Doc) (*List, error) {
	l := &List{}
	err := json.Unmarshal(d.Body, l)
	l.rev = d.Rev
	return l, err
}

// List returns a list. NotFound: nothing was ever heard of it.
func (s *Service) List(ctx context.Context, id string) (*List, error) {
	l, err := s.readList(ctx, id)
	if err == nil && l.Version == 0 {
		return nil, fault.New(fault.NotFound, "nothing was heard of the list %q", id)
	}
	return l, err
}

// Receive stores what the source says a list is now, and passes it on. webhookID,
// if there is one, makes a webhook that comes again a duplicate.
func (s *Service) Receive(ctx context.Context, list, webhookID string, data json.RawMessage) (duplicate bool, err error) {
	if list == "" {
		list = DefaultList
	}
	if len(list) > maxID || len(webhookID) > maxID {
		return false, fault.New(fault.Invalid, "the list's and the webhook's id have at most %d bytes", maxID)
	}
	for {
		duplicate, err = s.receive(ctx, list, webhookID, data)
		if !errors.Is(err, store.ErrConflict) {
			break
		}
	}
	if err != nil || duplicate {
		return duplicate, fault.StoreAway(err)
	}
	s.passOn(ctx, list)
	return false, nil
}

func (s *Service) receive(ctx context.Context, list, webhookID string, data json.RawMessage) (bool, error) {
	before, known, err := s.seenDoc(ctx, "lists", webhookID)
	if err != nil || known {
		return known, err
	}
	l, err := s.readList(ctx, list)
	if err != nil {
		return false, err
	}
	now := s.now()
	l.Version, l.Data, l.ReceivedAt, l.WebhookID = l.Version+1, data, now, webhookID
	writes := []store.Write{l.write()}
	if webhookID != "" {
		w := seenWrite("lists", webhookID, now)
		w.Doc.Rev = before
		writes = append(writes, w)
	}
	_, err = s.docs.Commit(ctx, writes)
	return false, err
}

func seenWrite(hook, id string, now time.Time) store.Write {
	return store.Write{Collection: seen(hook), Doc: store.Doc{ID: id, Body: []byte(`{}`), ExpireAt: now.Add(seenFor)}}
}

// Seen is whether the webhook came before.
func (s *Service) Seen(ctx context.Context, hook, id string) (bool, error) {
	_, known, err := s.seenDoc(ctx, hook, id)
	return known, err
}

// seenDoc is whether the webhook is known, and the revision of what the store has of
// it: that may be there when it is known no more.
func (s *Service) seenDoc(ctx context.Context, hook, id string) (rev string, known bool, err error) {
	if id == "" {
		return "", false, nil
	}
	docs, err := s.docs.Get(ctx, seen(hook), []string{id})
	if err != nil || docs[0] == nil {
		return "", false, fault.StoreAway(err)
	}
	return docs[0].Rev, !docs[0].ExpireAt.Before(s.now()), nil
}

// Remember has Seen know the webhook for four days.
func (s *Service) Remember(ctx context.Context, hook, id string) error {
	w := seenWrite(hook, id, s.now())
	w.Any = true
	_, err := s.docs.Commit(ctx, []store.Write{w})
	return fault.StoreAway(err)
}

// passOnTime bounds what a webhook waits for once it is stored.
const passOnTime = 10 * time.Second

// passOn gives every target a delivery, and tells the live clients, also if the
// source does not wait for it: what it sends again is a duplicate.
func (s *Service) passOn(ctx context.Context, list string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), passOnTime)
	defer cancel()
	sessions, err := s.sessionsOf(ctx, list)
	if err != nil {
		s.o.Log.Warn("the sessions of a list cannot be read", "list", list, "error", err)
	}
	if s.o.Changed != nil {
		s.o.Changed(ctx, list, sessions)
	}
	if err := s.fanOut(ctx, list); err != nil {
		s.o.Log.Warn("not every target has its delivery yet: a sweep makes up for it", "list", list, "error", err)
	}
	s.soon(ctx)
}

// CheckTasks checks that the body is {member: TaskData}, an object by task id of
// {"name": string, "priority": number}, and returns the data. Its faults name the task.
func CheckTasks(body []byte, member string) (json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Invalid, "the body is not UTF-8")
	}
	var form map[string]json.RawMessage
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, fault.New(fault.Invalid, "the body must be a JSON object with %q", member)
	}
	data, ok := form[member]
	if !ok || string(data) == "null" {
		return nil, fault.New(fault.Invalid, "%s is required", member)
	}
	var tasks map[string]json.RawMessage
	if err := json.Unmarshal(data, &tasks); err != nil {
		return nil, fault.New(fault.Invalid, `%s is malformed: it must be {"id": {"name": text, "priority": number}}`, member)
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		if err := checkTask(member+"."+id, tasks[id]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func checkTask(path string, text json.RawMessage) error {
	var task struct {
		Name     json.RawMessage `json:"name"`
		Priority json.RawMessage `json:"priority"`
	}
	if err := json.Unmarshal(text, &task); err != nil {
		return fault.New(fault.Invalid, `%s is malformed: it must be {"name": text, "priority": number}`, path)
	}
	given := func(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }
	switch {
	case !given(task.Name), !given(task.Priority):
		return fault.New(fault.Invalid, "%s is malformed: name and priority are required", path)
	case task.Name[0] != '"':
		return fault.New(fault.Invalid, "%s.name is malformed: it must be text", path)
	case task.Priority[0] != '-' && (task.Priority[0] < '0' || task.Priority[0] > '9'):
		return fault.New(fault.Invalid, "%s.priority is malformed: it must be a number", path)
	}
	return nil
}

func idOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write(append([]byte(p), 0)) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// mustJSON encodes our own types, which always can be. What others wrote stays as it
// is: escaped for HTML it could be six times as large, and too large for a document.
func mustJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic("echo: encode: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
