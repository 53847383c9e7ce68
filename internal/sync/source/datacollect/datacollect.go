// Package datacollect syncs events with the two systems that DataCollect's External Sync
// supports: its mock sync server and OpenFn. Both accept batches of events and return the
// events after a timestamp.
//
// Clients set the timestamps when they record events, perhaps offline. So events arrive
// late, and several share a timestamp. Every pull therefore reads one more day again;
// known events change nothing. An event is sent under its guid, so sending it again is
// harmless. These systems never delete events.
package datacollect

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/credential"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// The names of the kinds in a definition.
const (
	MockSyncServer = "mock-sync-server"
	OpenFn         = "openfn-adapter"
)

// Datatype is the only datatype of these kinds.
const Datatype = "event"

// flavour holds the differences between the two systems.
type flavour struct {
	name     string
	envelope string // the member that holds the events of a push
	needsKey bool
}

// SyncServer returns the kind mock-sync-server.
func SyncServer() source.Kind { return flavour{MockSyncServer, "data", false}.kind() }

// OpenFnAdapter returns the kind openfn-adapter.
func OpenFnAdapter() source.Kind { return flavour{OpenFn, "entities", true}.kind() }

// overlap is the time before the cursor that a pull reads again. A client that was offline
// sends its events later, with the timestamps at which it recorded them.
const overlap = 24 * time.Hour

func (f flavour) kind() source.Kind {
	return source.Kind{
		Name: f.name, Datatypes: []string{Datatype}, PushFirst: true,
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
	for name, value := range map[string]*string{"apiKey": &s.apiKey, "workflowId": &s.workflowID, "username": &s.username, "password": &s.password} {
		v, err := env.Credential(ctx, d, pathOf(d, name), *value)
		if err != nil {
			return nil, err
		}
		*value = v
	}
	out := &server{flavour: f, settings: s}
	out.url, _ = url.Parse(d.URL)
	out.client = rest.Client{HTTP: env.HTTP, Timeout: s.timeout, Now: env.Now, Memory: env.Memory, Secrets: append(credential.InURL(d.URL), s.apiKey, s.password, s.username, s.workflowID, rest.Basic(s.username, s.password)), To: d.Bound()}
	out.client.Sign = func(r *http.Request) {
		if s.apiKey != "" {
			r.Header.Set("X-Api-Key", s.apiKey)
		}
		if s.workflowID != "" {
			r.Header.Set("X-Workflow-Id", s.workflowID)
		}
		if s.username != "" {
			r.SetBasicAuth(s.username, s.password)
		}
	}
	return out, nil
}

// Close implements source.Source.
func (s *server) Close() error { return nil }

// PushSize implements source.Source.
func (s *server) PushSize() int { return s.batch }

// call makes a call and repeats it after failures that may pass, at most retries times. The
// caller waits if the server asks for it.
func (s *server) call(ctx context.Context, method, target string, body any) (*rest.Answer, error) {
	wait := 500 * time.Millisecond
	for attempt := 0; ; attempt++ {
		a, err := s.client.Call(ctx, method, target, nil, body)
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

// mark is the content of Resume. Answers have no reliable order, so the reader sorts the
// events by timestamp and guid. A pull that continues in another process asks again and
// skips the events up to At.
type mark struct {
	Clock time.Time     `json:"clock,omitzero"`
	Last  source.Cursor `json:"last"`
	At    place         `json:"at"`
}

// place is the position of an event in that order. Events without a timestamp come first.
type place struct {
	Time time.Time `json:"time,omitzero"`
	GUID string    `json:"guid,omitempty"`
}

func placeOf(e any) (p place) {
	if m, ok := e.(map[string]any); ok {
		p.Time, _ = rest.Instant(m["timestamp"])
		p.GUID, _ = m["guid"].(string)
	}
	return p
}

func (p place) compare(o place) int {
	if c := p.Time.Compare(o.Time); c != 0 {
		return c
	}
	return cmp.Compare(p.GUID, o.GUID)
}

type reader struct {
	*server
	pull   source.Pull
	mark   mark
	asked  bool
	events []any
	total  int64
	done   int64
	rows   rest.Rows
}

// Pull implements source.Source.
func (s *server) Pull(_ context.Context, p source.Pull) (source.Reader, error) {
	if p.Datatype != Datatype {
		return nil, fault.New(fault.NotFound, "there is no %s at a %s: it has events only", p.Datatype, s.name)
	}
	r := &reader{server: s, pull: p, mark: mark{Last: p.Cursor}}
	if p.Resume != nil {
		if err := json.Unmarshal(p.Resume, &r.mark); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "the pull of events cannot be resumed: its saved position is not one of this source")
		}
	}
	return r, nil
}

func (r *reader) Close() error { return nil }

// Next implements source.Reader.
func (r *reader) Next(ctx context.Context) (source.Page, error) {
	if err := ctx.Err(); err != nil {
		return source.Page{}, err
	}
	if !r.asked {
		if err := r.ask(ctx); err != nil {
			return source.Page{}, err
		}
	}
	if len(r.events) == 0 {
		return source.Page{}, io.EOF
	}
	n := min(r.pull.PageSize, len(r.events))
	var p source.Page
	p.Rows, p.Rejects = r.rows.Split(r.events[:n])
	r.mark.At = placeOf(r.events[n-1])
	r.events = r.events[n:]
	r.done += int64(n)
	r.mark.Last = rest.Later(r.mark.Last, p.Rows, r.pull.Spec, r.mark.Clock.Add(-r.pull.Margin))
	p.Cursor, p.Done, p.Total = r.mark.Last, r.done, r.total
	var err error
	p.Resume, err = json.Marshal(r.mark)
	return p, err
}

func (r *reader) ask(ctx context.Context) error {
	u := *r.url
	if since := r.pull.Cursor.Time; r.pull.CursorTime != "" && !since.IsZero() {
		q := u.Query()
		q.Set("since", since.Add(-r.pull.Overlap).UTC().Format(time.RFC3339Nano))
		u.RawQuery = q.Encode()
	}
	a, err := r.call(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return failed("pull of events", err)
	}
	events, ok := a.Body.([]any)
	if !ok {
		v, _ := rest.Path(a.Body, "events")
		events, ok = v.([]any)
	}
	if !ok {
		return fault.New(fault.Invalid, `pull of events: the answer of %s is neither an array nor {"events": […]}`, r.url.Host)
	}
	slices.SortStableFunc(events, func(a, b any) int { return placeOf(a).compare(placeOf(b)) })
	if r.mark.At != (place{}) {
		events = slices.DeleteFunc(events, func(e any) bool { return placeOf(e).compare(r.mark.At) <= 0 })
	}
	if r.asked, r.events, r.total = true, events, int64(len(events)); r.mark.Clock.IsZero() {
		r.mark.Clock = a.Clock
	}
	return nil
}

// failed adds to an error which operation it belongs to.
func failed(operation string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.Wrap(f.Code, err, "%s: %s", operation, f.Message)
	}
	return err
}

// Push implements source.Source. It sends the oldest events first.
func (s *server) Push(ctx context.Context, spec source.Spec, changes []source.Change) ([]source.Result, error) {
	if spec.Datatype != Datatype {
		return nil, fault.New(fault.Invalid, "there is no %s at a %s: it takes events only", spec.Datatype, s.name)
	}
	results := source.Unanswered(len(changes))
	var order []int
	for i, c := range changes {
		if c.Op == source.Delete {
			results[i].Err = fault.New(fault.Invalid, "an event cannot be deleted at a %s", s.name)
			continue
		}
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return stamp(changes[a]).Compare(stamp(changes[b])) })
	for batch := range slices.Chunk(order, s.batch) {
		if s.sent {
			if err := pause(ctx, s.delay); err != nil {
				return results, err
			}
		}
		s.sent = true
		if err := s.post(ctx, spec, changes, batch, results); err != nil {
			return results, failed("push of events", err)
		}
	}
	return results, nil
}

func stamp(c source.Change) time.Time {
	t, _ := rest.Instant(c.Fields["timestamp"])
	return t
}

// post sends a batch. If the server refuses it for good, post sends each event by itself,
// so that one bad event does not stop the others. So it does if the server fails at the batch.
func (s *server) post(ctx context.Context, spec source.Spec, changes []source.Change, batch []int, results []source.Result) error {
	events := make([]any, len(batch))
	for n, i := range batch {
		events[n] = event(spec, changes[i])
	}
	a, err := s.call(ctx, http.MethodPost, s.url.String(), map[string]any{s.envelope: events})
	if err == nil {
		err = s.refusedInside(a)
	}
	if err == nil {
		for _, i := range batch {
			results[i] = source.Result{}
		}
		return nil
	}
	r, ok := errors.AsType[*rest.Refusal](err)
	if !ok || !r.ForGood() && !r.MayBeRow() {
		return err
	}
	if len(batch) == 1 {
		results[batch[0]], err = s.client.Refused(err, r.Failed())
		return err
	}
	for _, i := range batch {
		if err := s.post(ctx, spec, changes, []int{i}, results); err != nil {
			return err
		}
	}
	return nil
}

// refusedInside returns the error of an answer whose status line reports success and
// whose body reports an error.
func (s *server) refusedInside(a *rest.Answer) error {
	m, _ := a.Body.(map[string]any)
	switch m["status"] {
	case "error", "failed", "failure":
		text := s.client.Clean(fmt.Sprint(m["message"]))
		return fault.Wrap(fault.Invalid, &rest.Refusal{Status: http.StatusUnprocessableEntity, Message: text}, "%s refuses: %s", s.url.Host, text)
	}
	return nil
}

// event returns the whole event with its guid.
func event(spec source.Spec, c source.Change) map[string]any {
	e := make(map[string]any, len(c.Fields)+1)
	for i, k := range c.Key {
		e[spec.Key[i]] = k
	}
	for name, v := range c.Fields {
		e[name] = v
	}
	return e
}
