// Package datacollect syncs events with the two systems that DataCollect's External Sync
// supports: its mock sync server and OpenFn. Both accept batches of events and return the
// events after a timestamp.
//
// Clients set the timestamps when they record events, perhaps offline for weeks. So events
// arrive late, and several share a timestamp. Every pull therefore reads thirty more days
// again, unless the definition sets another overlap; known events change nothing. An event
// is sent under its guid, so sending it again is harmless. These systems never delete
// events.
package datacollect

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// The names of the kinds in a definition.
const (
	MockSyncServer = "mock-sync-server"
	OpenFn         = "openfn-adapter"
	OpenFnShort    = "openfn" // as DataCollect's documents call it as well
	Custom         = source.Custom
)

// Datatype is the only datatype of these kinds.
const Datatype = "event"

// flavour holds the differences between the two systems.
type flavour struct {
	name     string
	envelope string // the member that holds the events of a push
	trigger  bool   // it is OpenFn's: it needs a key, and GET may be a mere check
	custom   bool   // an adapter says how it is called, and it has extraFields of its own
}

// SyncServer returns the kind mock-sync-server.
func SyncServer() source.Kind { return flavour{name: MockSyncServer, envelope: "data"}.kind() }

// OpenFnAdapter returns the kind openfn-adapter.
func OpenFnAdapter() source.Kind {
	return flavour{name: OpenFn, envelope: "entities", trigger: true}.kind()
}

// OpenFnAlias returns the same kind under the name openfn.
func OpenFnAlias() source.Kind {
	return flavour{name: OpenFnShort, envelope: "entities", trigger: true}.kind()
}

// CustomAdapter returns the kind of all systems that have a type of their own.
func CustomAdapter() source.Kind {
	return flavour{name: Custom, envelope: "data", custom: true}.kind()
}

// overlap is the time before the cursor that a pull reads again. A client that was offline
// sends its events later, with the timestamps at which it recorded them.
const overlap = 30 * 24 * time.Hour

func (f flavour) kind() source.Kind {
	return source.Kind{
		Name: f.name, Datatypes: []string{Datatype}, PushFirst: true, Credentials: true,
		Check: func(d source.Datasource) []fault.Detail { _, faults := f.read(d); return faults },
		Open:  f.open,
		Defaults: func(string) source.Spec {
			return source.Spec{Key: []string{"guid"}, CursorTime: "timestamp", Overlap: overlap, Margin: 10 * time.Second}
		},
	}
}

// server implements source.Source.
type server struct {
	flavour
	settings
	url    *url.URL
	client rest.Client
	sent   bool // a batch was sent, so the next one waits for the delay
}

func (f flavour) open(ctx context.Context, d source.Datasource, env source.Env) (source.Source, error) {
	s, faults := f.read(d)
	if len(faults) > 0 {
		return nil, fault.New(fault.Invalid, "datasource.%s", faults[0])
	}
	for name, value := range s.credentials() {
		v, err := env.Credential(ctx, d, pathOf(d, name), *value)
		if err != nil {
			return nil, err
		}
		*value = v
	}
	for name, value := range s.fields {
		v, err := env.Credential(ctx, d, pathOf(d, name), value)
		if err != nil {
			return nil, err
		}
		s.fields[name] = v
	}
	if err := s.complete(); err != nil {
		return nil, err
	}
	out := &server{flavour: f, settings: s}
	out.url, _ = url.Parse(d.URL)
	out.client = rest.Client{HTTP: env.HTTP, Timeout: s.timeout, Now: env.Now, Memory: env.Memory, Secrets: append(credential.InURL(d.URL), s.apiKey, s.password, s.username, s.workflowID, s.callbackToken, s.token, rest.Basic(s.username, s.password)), To: d.Bound()}
	for _, v := range s.fields { // any of them may be a credential
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			out.client.Secrets = append(out.client.Secrets, v)
		}
	}
	out.client.Sign = s.sign
	return out, nil
}

// Close implements source.Source.
func (s *server) Close() error { return nil }

// PushSize implements source.Source.
func (s *server) PushSize() int { return s.batch }

// call makes a call and repeats it after failures that may pass: n retryAttempts are n + 1
// requests. It waits longer each time. If the server asks for a pause, the caller waits.
func (s *server) call(ctx context.Context, method, target string, header http.Header, body any) (*rest.Answer, error) {
	wait := 500 * time.Millisecond
	for attempt := 0; ; attempt++ {
		a, err := s.client.Call(outbound.Once(ctx), method, target, header, body)
		if err == nil || attempt >= s.retries || fault.CodeOf(err) != fault.Unavailable || fault.Asked(err) > 0 || ctx.Err() != nil {
			return a, err
		}
		if err := pause(ctx, wait); err != nil {
			return nil, err
		}
		wait *= 2
	}
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// failed adds to an error which operation it belongs to.
func failed(operation string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.Wrap(f.Code, err, "%s: %s", operation, f.Message)
	}
	return err
}
