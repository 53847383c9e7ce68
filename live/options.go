package live

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Options are the settings of a [Hub]. The zero value is a hub that is alone and knows
// no entities until [Hub.Handle] is called.
type Options struct {
	// Queue connects the hubs of a server's instances. Without one, Notify reaches the
	// clients of this hub only. The hub does not close it.
	Queue Queue
	// Resolver returns the resolver of entities that have no handler, see [Hub.Handle].
	// It may return nil: then there are no such entities, and a Versioned client that
	// subscribes to one gets the error "invalid".
	Resolver func(Key) Resolver
	// PassThrough takes frames that are JSON objects without an action, or null, byte for
	// byte, with the client's secret. It is called for one frame of a client at a time; the
	// next one waits. ctx ends after ten seconds. An error means that the frame was not
	// passed on; see also [SecretError]. Without PassThrough such frames are refused.
	PassThrough func(ctx context.Context, secret string, frame []byte) error

	// Access decides who may connect through [Hub.WebSocket] and [Hub.EventStream], and
	// to what. An error refuses the client: a *RefusedError as it says, any other with
	// 403 and no reason. Without it everybody may, with the secret of the header
	// X-Client-Secret.
	Access func(*http.Request) (Access, error)
	// Origins are the other origins whose pages may connect through [Hub.WebSocket] and
	// [Hub.EventStream]: "app.example.com", "*.example.com", with or without a scheme
	// ("https://app.example.com"), or "*". Pages of the server's own host may always
	// connect, and so may clients that are no web pages.
	Origins []string
	// Path is the path at which [Hub.Register] serves WebSockets; default "/ws/entity-sync/".
	Path string
	// StreamPath is the path at which [Hub.Register] serves event streams; default "/live".
	StreamPath string

	// MaxSubscriptions is the limit of one client; default 1000.
	MaxSubscriptions int
	// MaxFrameBytes is the limit of one frame from a client; default 64 KiB.
	MaxFrameBytes int
	// FramesPerSecond bounds the frames that a client sends; default 50. At once it may
	// send twice as many, and one for each subscription that it may have.
	FramesPerSecond int
	// MaxConnection bounds how long a connection lasts, for platforms that cut off long
	// ones. Connections end spread over its last fifth. 0 means no bound.
	MaxConnection time.Duration
	// MaxMemory bounds the memory of all clients together, in bytes: connections,
	// subscriptions, and what waits to be written. 0 means no bound.
	MaxMemory int64
	// Coalesce is the least time between two fetches of an entity; default 100 ms.
	Coalesce time.Duration
	// CompareEvery is the time between two comparisons of the versions that clients have,
	// which find changes whose message was lost; default 5 minutes.
	CompareEvery time.Duration

	// ClientsChanged is called when a client connects or leaves (with the zero Key), and
	// when it subscribes or unsubscribes. It must not block.
	ClientsChanged func(Key)
	// Delivered is called when a changed state was given to clients. It must not block.
	Delivered func(Delivery)
	// Traceparent returns the traceparent (W3C Trace Context) of what calls [Hub.Notify]. The
	// change carries it to the other instances; "" or no function: it carries none.
	Traceparent func(ctx context.Context) string
	// Trace is called before a changed entity is fetched, if the change carries a
	// traceparent. The resolver gets the context that it returns. end is called when the
	// state was given to that many clients, or could not be. Of changes that are fetched
	// together, it gets the traceparent of the last.
	Trace func(ctx context.Context, k Key, traceparent string) (traced context.Context, end func(clients int, err error))
	// Log gets failures; default slog.Default().
	Log *slog.Logger
	// Now is the clock that expiry is judged by; default time.Now.
	Now func() time.Time
}

// Delivery is a changed state that was given to the clients that subscribed to it. They
// may not have read it yet.
type Delivery struct {
	At      time.Time
	Key     Key
	Version string
	Gone    bool
	Clients int // that subscribed to it
}

const (
	defaultPath       = "/ws/entity-sync/"
	defaultStreamPath = "/live"

	defaultCoalesce         = 100 * time.Millisecond
	defaultCompareEvery     = 5 * time.Minute
	defaultMaxSubscriptions = 1000
	defaultMaxFrameBytes    = 64 << 10
	defaultFramesPerSecond  = 50
)

// withDefaults returns the options with every default filled in.
func (o Options) withDefaults() Options {
	o.Path, o.StreamPath = cmp.Or(o.Path, defaultPath), cmp.Or(o.StreamPath, defaultStreamPath)
	o.Coalesce, o.CompareEvery = cmp.Or(o.Coalesce, defaultCoalesce), cmp.Or(o.CompareEvery, defaultCompareEvery)
	o.MaxSubscriptions = cmp.Or(o.MaxSubscriptions, defaultMaxSubscriptions)
	o.MaxFrameBytes = cmp.Or(o.MaxFrameBytes, defaultMaxFrameBytes)
	o.FramesPerSecond = cmp.Or(o.FramesPerSecond, defaultFramesPerSecond)
	if o.Access == nil {
		o.Access = func(r *http.Request) (Access, error) { return Access{Secret: r.Header.Get(SecretHeader)}, nil }
	}
	if o.ClientsChanged == nil {
		o.ClientsChanged = func(Key) {}
	}
	if o.Delivered == nil {
		o.Delivered = func(Delivery) {}
	}
	if o.Traceparent == nil {
		o.Traceparent = func(context.Context) string { return "" }
	}
	if o.Trace == nil {
		o.Trace = func(ctx context.Context, _ Key, _ string) (context.Context, func(int, error)) {
			return ctx, func(int, error) {}
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
