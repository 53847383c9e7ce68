package simulation

import (
	"errors"
	"fmt"

	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/platform/fault"
)

// ingest plays the events of one request.
func (s *simulator) ingest(batch []Event) error {
	at := batch[0].At
	if err := s.pass(at); err != nil {
		return err
	}
	in := make([]gate.Incoming, len(batch))
	for i, e := range batch {
		in[i] = e.In
	}
	s.summary.Events += len(batch)
	s.summary.Last = at
	s.begin()
	out, err := s.gate.Ingest(s.ctx, in...)
	if refused, ok := errors.AsType[*fault.Error](err); ok && s.ctx.Err() == nil {
		for _, e := range batch {
			s.refuse(e, refused)
		}
		return s.finish()
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", batch[0].Line, err)
	}
	for i, r := range out.Receipts {
		e := batch[i]
		e.In.EventKey = r.EventKey // a feed may have given it
		switch {
		case r.Err != nil:
			s.refuse(e, r.Err)
			continue
		case r.Left == gate.Filtered:
			s.summary.Filtered++
			continue
		case r.Left != "":
			s.summary.Dropped++
			if r.Left != gate.NoRoute { // most of what a feed gets may be for nobody
				s.alone(e, Dropped, string(r.Left))
			}
			continue
		case r.Duplicate:
			s.summary.Duplicates++
			continue
		case r.Superseded:
			s.summary.Superseded++
		}
		if r.ID != e.Label {
			s.labels[r.ID] = e.Label
		}
	}
	return s.finish()
}

func (s *simulator) refuse(e Event, err error) {
	s.summary.Refused++
	if e.In.EventKey == "" {
		e.In.EventKey = feedPath + e.In.Feed
	}
	s.alone(e, Refused, message(err))
}

// alone notes what became of an event that is in no window.
func (s *simulator) alone(e Event, k Kind, reason string) {
	s.facts.lines = append(s.facts.lines, &Line{
		At: s.time(), Kind: k, Have: map[string]int{e.In.EventKey: 1}, Events: map[string][]string{e.In.EventKey: {e.Label}}, Reason: reason, labelled: true,
	})
}

// message returns what the source gets to read.
func message(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Message
	}
	return err.Error()
}
