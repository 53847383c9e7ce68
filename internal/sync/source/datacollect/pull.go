package datacollect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

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
	target, header, body, err := r.asking()
	if err != nil {
		return err
	}
	a, err := r.call(ctx, cmp.Or(r.adapter.pull.method, http.MethodGet), target, header, body)
	if refused, ok := errors.AsType[*rest.Refusal](err); ok && r.trigger && (refused.Status == http.StatusNotFound || refused.Status == http.StatusMethodNotAllowed) {
		r.asked = true // a workflow that only takes events
		return nil
	}
	if err == nil {
		err = r.refusedInside(a, r.adapter.pull)
	}
	if err != nil {
		return failed("pull of events", err)
	}
	events, err := r.eventsIn(a)
	if err != nil {
		return err
	}
	for _, e := range events {
		complete(e)
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

// asking returns the call for the events after the cursor.
func (r *reader) asking() (target string, header http.Header, body any, err error) {
	since := time.Time{}
	if c := r.pull.Cursor.Time; r.pull.CursorTime != "" && !c.IsZero() {
		since = c.Add(-r.pull.Overlap)
	}
	if e := r.adapter.pull; e.path != nil || e.body != nil {
		return e.request(r.url, r.asks(cmp.Or(since, time.Unix(0, 0)).UTC().Format(time.RFC3339Nano), nil))
	}
	u := *r.url
	if !since.IsZero() {
		q := u.Query()
		q.Set("since", since.UTC().Format(time.RFC3339Nano))
		u.RawQuery = q.Encode()
	}
	return r.adapter.pull.request(&u, r.asks("", nil))
}

// eventsIn returns the events of an answer: an array, or the member data or events.
func (r *reader) eventsIn(a *rest.Answer) ([]any, error) {
	body := a.Body
	if p := r.adapter.pull.events; p != nil {
		v, err := value(p, "events", r.answers(a.Status, body))
		list, ok := v.([]any)
		if err == nil && !ok {
			err = fault.New(fault.Invalid, "the adapter: events gives no list")
		}
		return list, err
	}
	if list, ok := body.([]any); ok {
		return list, nil
	}
	object, _ := body.(map[string]any)
	for _, name := range []string{"data", "events"} {
		if list, ok := object[name].([]any); ok {
			return list, nil
		}
	}
	// OpenFn's trigger answers GET with a message: it is a check, and there is nothing to pull.
	_, told := object["message"].(string)
	if r.trigger && (told && len(object) == 1 || body == nil) {
		return nil, nil
	}
	return nil, fault.New(fault.Invalid, `pull of events: the answer of %s is none of an array, {"data": […]} and {"events": […]}`, r.url.Host)
}

// complete gives a row what an event needs and DataCollect's adapters add: a guid, made of
// the row, so that the same row gets the same one; and its id as the entityGuid.
func complete(row any) {
	event, ok := row.(map[string]any)
	if !ok {
		return
	}
	guid, isText := event["guid"].(string)
	if n, ok := event["guid"].(json.Number); ok {
		guid, isText, event["guid"] = n.String(), true, n.String()
	}
	if !isText || guid == "" {
		delete(event, "guid")
		text, _ := json.Marshal(event) // with its members sorted; what was decoded can be encoded
		sum := sha256.Sum256(text)
		h := hex.EncodeToString(sum[:16])
		event["guid"] = h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
	}
	if id := event["id"]; event["entityGuid"] == nil && id != nil {
		event["entityGuid"] = fmt.Sprint(id)
	}
}
