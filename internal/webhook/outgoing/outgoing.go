// Package outgoing sends webhooks to other systems when a list changes, or when something
// else happens to which those systems subscribe (see package occurrence). A system registers a URL,
// which is then a target.
//
// Promises:
//
//   - Every target gets the newest version of its list, at least once, with its number.
//     A newer version replaces one that waits, so the number of waiting deliveries is
//     bounded. Versions are delivered in order. Deliveries survive restarts.
//   - Every target gets every occurrence to which it subscribes, at least once, with one id,
//     and none replaces another. What cannot be kept for it is counted and logged.
//   - A target that did not consent is never called, and neither is an internal address.
//     A target that does not answer delays no other.
//
// On failure: a delivery is retried for about two days. Then its target is paused, and
// the newest version, and up to 10,000 occurrences, are kept for it. A target that answers
// 410 is removed.
package outgoing

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/platform/shutdown"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/list"
)

// KeptFor is the time for which deliveries are kept. Nothing else of webhooks is kept longer.
const KeptFor = 30 * 24 * time.Hour

// Message returns the message of a gate. If there is no error, done is not nil, and gives back
// the message's memory.
type Message func(ctx context.Context, service, eventID string) (data []byte, done func(), err error)

// Options configure a Service.
type Options struct {
	Docs store.Docs
	// HTTP calls targets. It follows no redirect, repeats nothing, and reaches no internal
	// address. nil refuses every call.
	HTTP   *http.Client
	Log    *slog.Logger
	Now    func() time.Time // nil: time.Now
	Random func() string    // returns a unique id
	// PublicURL is our own URL, without a slash at the end.
	PublicURL string
	// Consents reports whether a target may be called without a handshake. nil: none may.
	Consents func(*url.URL) bool
	// BackgroundCPU says that the process has CPU between requests. Without it, deliveries
	// are tried before a request is answered, for a while.
	BackgroundCPU bool
	// Changed is called after a target or one of its deliveries changed. It must not block.
	// nil: nothing is called.
	Changed func()
	// Meter takes the measurements of deliveries. nil: nobody does.
	Meter *meter.Meter
	// Patience bounds a call of a target; 0: 15 s.
	Patience time.Duration
	// Message returns the message of a gate as its targets get it. NotFound, Gone and Conflict
	// say that it never will. nil: occurrences of messages are sent as they are stored.
	Message Message
	// Tracer records spans; nil: none are recorded.
	Tracer *trace.Tracer
}

// Service is the use case. All methods may be called concurrently.
type Service struct {
	docs    store.Docs
	lists   list.Store
	targets targets
	sender  sender

	log           *slog.Logger
	now           func() time.Time
	random        func() string
	consents      func(*url.URL) bool
	changed       func()
	message       Message
	backgroundCPU bool
	tracer        *trace.Tracer
	meter         *meter.Meter

	subscriptions subscriptions
	pairs         atomic.Int64 // how many deliveries of occurrences one commit adds
	looked        time.Time    // when Start's second loop last looked for occurrences

	kick    chan struct{} // wakes Start's loop that calls targets
	stored  chan struct{} // wakes Start's loop that fans occurrences out
	calling chan struct{} // has a token for each target that Start's loop is calling
	stop    context.CancelFunc
	stopped context.Context
	running sync.WaitGroup
}

// New returns a service. Start begins to deliver.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	now := func() time.Time { return o.Now().UTC().Truncate(time.Microsecond) } // as stores keep it
	s := &Service{
		docs: o.Docs, lists: list.NewStore(o.Docs), targets: targets{o.Docs, o.Log},
		sender: sender{http: outbound.OrRefuse(o.HTTP), now: now, publicURL: o.PublicURL, patience: cmp.Or(o.Patience, sendTime)},
		log:    o.Log, now: now, random: o.Random, consents: o.Consents, changed: o.Changed, message: o.Message, backgroundCPU: o.BackgroundCPU, tracer: o.Tracer, meter: o.Meter,
		kick: make(chan struct{}, 1), stored: make(chan struct{}, 1), calling: make(chan struct{}, maxCalls),
	}
	s.pairs.Store(mostPairs)
	s.stopped, s.stop = context.WithCancel(context.Background())
	return s
}

// Announce gives every target of the list a delivery of its newest version, and begins to
// deliver. A failure is logged, and a sweep completes the work.
func (s *Service) Announce(ctx context.Context, id string) {
	if err := s.fanOut(ctx, id); err != nil {
		s.log.Warn("not every target has its delivery yet: a sweep will add the rest", "list", id, "error", err)
	}
	s.deliverSoon(ctx)
}

// Close stops the deliveries under way. Another process, now or later, retries them.
func (s *Service) Close(ctx context.Context) error {
	s.stop()
	return shutdown.Wait(ctx, &s.running)
}
