package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/cli/deployment"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/simulation"
	"github.com/headgate/headgate/internal/store"
)

// recorded returns the deployment's events in the span, as they arrive.
func (s *simulator) recorded(ctx context.Context, since, until time.Time) (io.Reader, func(), error) {
	c, err := s.gateway.open()
	if err != nil {
		return nil, nil, err
	}
	query := url.Values{"since": {since.Format(time.RFC3339Nano)}}
	if !until.IsZero() {
		query.Set("until", until.Format(time.RFC3339Nano))
	}
	ctx, cancel := context.WithCancel(ctx)
	lines, to := io.Pipe()
	go func() {
		defer c.Close()
		err := c.Records(ctx, s.servicePath("/events"), query, func(line []byte, _ *event.Record) error {
			_, err := to.Write(append(line, '\n'))
			return err
		})
		_ = to.CloseWithError(err) // nil: the end
	}()
	return lines, func() { cancel(); _ = lines.Close() }, nil
}

// compareRecorded compares the lines with the deployment's messages of the same time.
func (s *simulator) compareRecorded(ctx context.Context, lines []*simulation.Line, sum simulation.Summary, until time.Time) error {
	if sum.Events == 0 {
		fmt.Fprintln(s.p.Stderr, "there is nothing to compare")
		return nil
	}
	c, err := s.gateway.open()
	if err != nil {
		return err
	}
	defer c.Close()
	recorded, err := s.messagesSince(ctx, c, sum.First, until)
	if err != nil {
		return err
	}
	difference, early, err := simulation.Against(recorded, lines, sum.First, func(r *simulation.Recorded) error {
		return s.membersOf(ctx, c, r)
	})
	if err != nil {
		return err
	}
	if early > 0 {
		fmt.Fprintf(s.p.Stderr, "%s left out: earlier events belong to them\n", count(early, "message"))
	}
	return s.differs(difference, "the deployment")
}

// messagesSince returns the deployment's messages in the span, oldest first.
func (s *simulator) messagesSince(ctx context.Context, c *deployment.Client, since, until time.Time) ([]simulation.Recorded, error) {
	var all []simulation.Recorded
	query := url.Values{"limit": {"1000"}}
	for {
		var page struct {
			Messages []struct {
				EventID, CorrelationKey string
				Completion              store.Completion
				Date                    time.Time
				NumberOfEvents          int
			}
			Next *string
		}
		if err := c.Do(ctx, http.MethodGet, s.servicePath("/messages?"+query.Encode()), nil, &page); err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			if m.Date.Before(since) {
				page.Next = nil
				break
			}
			if m.Date.Before(until) {
				all = append(all, simulation.Recorded{
					EventID: m.EventID, Date: m.Date, CorrelationKey: m.CorrelationKey, Completion: m.Completion, NumberOfEvents: m.NumberOfEvents,
				})
			}
		}
		if page.Next == nil {
			slices.Reverse(all)
			return all, nil
		}
		query.Set("after", *page.Next)
	}
}

// membersOf fills in the events of a message.
func (s *simulator) membersOf(ctx context.Context, c *deployment.Client, r *simulation.Recorded) error {
	var raw json.RawMessage
	if err := c.Do(ctx, http.MethodGet, s.servicePath("/messages/"+gate.PathSegment(r.EventID)), nil, &raw); err != nil {
		return fmt.Errorf("message %s: %w", r.EventID, err)
	}
	var whole struct {
		Events map[string]struct {
			Events []struct {
				ID       string
				Datetime time.Time
			}
		}
	}
	if err := json.Unmarshal(raw, &whole); err != nil {
		return fmt.Errorf("message %s: %w", r.EventID, err)
	}
	r.Members = map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(whole.Events)) {
		for _, e := range whole.Events[key].Events {
			r.Members[key] = append(r.Members[key], e.ID)
			if r.First.IsZero() || e.Datetime.Before(r.First) {
				r.First = e.Datetime
			}
		}
	}
	return nil
}

// servicePath returns the path of the service.
func (s *simulator) servicePath(path string) string {
	if s.service == "" {
		return path
	}
	return "/services/" + gate.PathSegment(s.service) + path
}
