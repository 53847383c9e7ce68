// Package audit keeps a record of what people do by hand: who triggered, reset, replayed,
// edited or defined something. An entry is a document that expires, and a line in the log.
//
// No act is without its entry:
//
//   - An act that is a commit of documents has its entry in this commit ([InCommit]). Both
//     are stored, or neither. A request that commits nothing changed nothing, and has none.
//   - Any other act (many commits, a message, a call of another system) has its entry stored
//     before it begins ([Before]), and gets its outcome afterwards. If the process dies in
//     between, the outcome stays [Begun]: the act may have been done, in whole or in part. If
//     the entry cannot be stored, the act is not done.
//
// An entry names people, so it expires, and it holds no credential: who is a name, never a
// token, and the object is a path without its query.
package audit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

var collection = store.Collection{Kind: "audit"}

// finishTime bounds the work on an entry after its act.
const finishTime = 5 * time.Second

// Outcome tells how an act ended.
type Outcome string

// The outcomes.
const (
	Begun  Outcome = "begun"  // it is under way, or its process died
	Done   Outcome = "done"   // what it committed is committed
	Failed Outcome = "failed" // the caller got an error; a part may be done
)

// Act describes what a person does.
type Act struct {
	Who    string            `json:"who"`              // an e-mail address, a token's name, or local
	Action string            `json:"action"`           // the operation's id in the API's description
	Object string            `json:"object"`           // the path of what it is done to
	Detail map[string]string `json:"detail,omitempty"` // parameters, and what came of it
}

// Entry is an act as it is kept.
type Entry struct {
	ID   string    `json:"auditId"`
	Time time.Time `json:"time"` // when it began
	Act
	Outcome Outcome `json:"outcome"`
	Error   string  `json:"error,omitempty"` // what the caller was told
}

// When says when the entry of an act is stored; see the package's comment.
type When int

// The two ways.
const (
	InCommit When = iota
	Before
)

// Options configure a Service.
type Options struct {
	Docs   store.Docs
	Log    *slog.Logger
	Now    func() time.Time
	Random func() string
	Keep   time.Duration // how long entries are kept
}

// Service keeps the entries.
type Service struct{ o Options }

// New returns a service.
func New(o Options) *Service { return &Service{o} }

// pending is the entry of the act that a context belongs to.
type pending struct {
	mu       sync.Mutex
	entry    Entry
	expireAt time.Time
	stored   bool // in a commit
	changed  bool // since it was stored
	missed   bool // a commit was made that had no room for it
}

type pendingKey struct{}

func pendingOf(ctx context.Context) *pending {
	p, _ := ctx.Value(pendingKey{}).(*pending)
	return p
}

// Note adds what came of the act that ctx belongs to, if it belongs to one.
func Note(ctx context.Context, name, value string) {
	p := pendingOf(ctx)
	if p == nil || value == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entry.Detail = maps.Clone(p.entry.Detail)
	if p.entry.Detail == nil {
		p.entry.Detail = make(map[string]string)
	}
	p.entry.Detail[name], p.changed = value, true
}

// Object sets the path of what the act is done to, where the request does not say it.
func Object(ctx context.Context, path string) {
	if p := pendingOf(ctx); p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.entry.Object, p.changed = path, true
	}
}

// Do does an act, and keeps its entry.
func (s *Service) Do(ctx context.Context, when When, act Act, do func(ctx context.Context) error) error {
	now := s.o.Now().UTC().Truncate(time.Microsecond)
	p := &pending{
		entry:    Entry{ID: s.o.Random(), Time: now, Act: act, Outcome: Done},
		expireAt: now.Add(s.o.Keep).Truncate(time.Second).Add(time.Second),
	}
	acting := context.WithValue(ctx, pendingKey{}, p)
	if when == Before {
		p.entry.Outcome = Begun
		if _, err := s.o.Docs.Commit(ctx, []store.Write{p.write()}); err != nil {
			return store.CodedError(err)
		}
		p.stored = true
	}
	err := do(acting)
	s.finish(ctx, p, when, err)
	return err
}

// finish stores the outcome of an act, and writes its line.
func (s *Service) finish(ctx context.Context, p *pending, when When, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTime)
	defer cancel()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stored && !p.missed {
		return // nothing was done
	}
	if err != nil {
		p.entry.Error, p.changed = told(err), true
	}
	if when == Before {
		if p.entry.Outcome, p.changed = Done, true; err != nil {
			p.entry.Outcome = Failed
		}
	}
	if p.changed || !p.stored {
		if _, err := s.o.Docs.Commit(ctx, []store.Write{p.write()}); err != nil {
			s.o.Log.WarnContext(ctx, "what came of an act could not be recorded", "auditId", p.entry.ID, "error", err)
		}
	}
	s.log(ctx, &p.entry)
}

// log writes the entry's line. docs/logs.md lists the fields.
func (s *Service) log(ctx context.Context, e *Entry) {
	attrs := []slog.Attr{
		slog.String("kind", "audit"), slog.String("auditId", e.ID), slog.String("who", e.Who), slog.String("action", e.Action),
		slog.String("object", e.Object), slog.String("outcome", string(e.Outcome)),
	}
	if len(e.Detail) > 0 {
		var detail []any
		for _, name := range slices.Sorted(maps.Keys(e.Detail)) {
			detail = append(detail, slog.String(name, e.Detail[name]))
		}
		attrs = append(attrs, slog.Group("detail", detail...))
	}
	if e.Error != "" {
		attrs = append(attrs, slog.String("error", e.Error))
	}
	s.o.Log.LogAttrs(ctx, slog.LevelInfo, "a person acted", attrs...)
}

// told returns what a caller is told of an error. The cause of an error that is no fault is
// for the log only.
func told(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return "internal error"
}

func (p *pending) write() store.Write {
	body, err := json.Marshal(&p.entry)
	if err != nil { // cannot happen: it is text
		panic("audit: " + err.Error())
	}
	return store.Write{Collection: collection, Any: true, Doc: store.Doc{
		ID: p.entry.ID, Body: body, Order: p.entry.Time.UnixMicro(), ExpireAt: p.expireAt,
	}}
}

// Docs returns docs whose first commit for an act has the act's entry, too.
func Docs(docs store.Docs) store.Docs { return attaching{docs} }

type attaching struct{ store.Docs }

func (a attaching) Commit(ctx context.Context, writes []store.Write) ([]string, error) {
	p := pendingOf(ctx)
	if p == nil || len(writes) == 0 {
		return a.Docs.Commit(ctx, writes)
	}
	p.mu.Lock()
	if p.stored || p.missed {
		p.mu.Unlock()
		return a.Docs.Commit(ctx, writes)
	}
	defer p.mu.Unlock()
	own := p.write()
	if !fits(a.Limits(), writes, own) {
		revs, err := a.Docs.Commit(ctx, writes)
		p.missed = err == nil
		return revs, err
	}
	revs, err := a.Docs.Commit(ctx, append(slices.Clip(writes), own))
	if err != nil {
		return revs, err
	}
	p.stored, p.changed = true, false
	return revs[:len(writes)], nil
}

// fits reports whether a commit has room for one more write.
func fits(l store.Limits, writes []store.Write, own store.Write) bool {
	size := len(own.Doc.Body)
	for _, w := range writes {
		size += len(w.Doc.Body)
	}
	return len(writes) < l.MaxCommit && size <= l.MaxCommitBytes
}
