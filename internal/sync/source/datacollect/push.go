package datacollect

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

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
	push := s.adapter.push
	target, header, body, err := push.request(s.url, s.asks("", events))
	if err != nil {
		return err
	}
	if push.body == nil {
		body = map[string]any{s.envelope: events}
	}
	a, err := s.call(ctx, cmp.Or(push.method, http.MethodPost), target, header, body)
	if err == nil {
		err = s.refusedInside(a, push)
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
func (s *server) refusedInside(a *rest.Answer, e *endpoint) error {
	m, _ := a.Body.(map[string]any)
	failed := slices.Contains([]any{"error", "failed", "failure"}, m["status"])
	if e.ok != nil {
		v, err := value(e.ok, "ok", s.answers(a.Status, a.Body))
		if err != nil {
			return err
		}
		failed = v != true
	}
	if !failed {
		return nil
	}
	text := s.client.Clean(fmt.Sprint(cmp.Or[any](m["message"], m["error"], "no reason given")))
	return fault.Wrap(fault.Invalid, &rest.Refusal{Status: http.StatusUnprocessableEntity, Message: text}, "%s refuses: %s", s.url.Host, text)
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
