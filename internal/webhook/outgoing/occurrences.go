package outgoing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/clock"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	// mostPairs is the most deliveries of occurrences that one commit adds.
	mostPairs = 200
	// A pass reads fewer occurrences if many targets subscribe, because one commit takes
	// fewer.
	leastOccurrences, mostOccurrences = 10, 100
	// longestPause is the number of the longest pause, of an hour, before a message is built
	// again.
	longestPause = 6
	// fanOutAttempts bounds the commits of a pass that others interfere with. Each attempt reads
	// everything again, so the next pass goes on.
	fanOutAttempts = 16
)

// pass is one look at the oldest occurrences. It remembers what must not be done twice if
// its commit has a conflict.
type pass struct {
	verdicts map[verdict]bool
	stuck    map[string]bool // documents whose message cannot be built now
	failed   error           // why the first of them cannot: the pass builds no other
}

// verdict names what a filter said of an occurrence's document.
type verdict struct{ doc, filter string }

// fanOutOccurrences makes one pass: it gives targets the deliveries of the oldest occurrences,
// in one commit, and deletes the occurrences that all targets have. more reports whether
// others are left.
//
// All that the pass decides depends on the targets as they were read after the occurrences.
// So a target gets every occurrence that was committed after its registration. After a
// conflict everything is read and decided again. If the commit fails, the pass ends: the next
// one begins with the same occurrences, and none overtakes another.
func (s *Service) fanOutOccurrences(ctx context.Context) (more bool, err error) {
	p := &pass{verdicts: map[verdict]bool{}, stuck: map[string]bool{}}
	for range fanOutAttempts {
		pairs := int(s.pairs.Load())
		more, err = s.fanOutOnce(ctx, p, pairs)
		if err == nil {
			s.pairs.Store(min(mostPairs, int64(2*pairs)))
			return more, p.failed
		}
		if !errors.Is(err, store.ErrConflict) || ctx.Err() != nil {
			return false, err
		}
		// Another process fans out, or a delivery changed a target. A smaller commit touches
		// fewer targets, and succeeds more easily.
		s.pairs.Store(int64(max(1, pairs/2)))
	}
	return false, err
}

// fanOutOnce reads, decides and commits.
func (s *Service) fanOutOnce(ctx context.Context, p *pass, pairs int) (more bool, err error) {
	known, _ := s.knownSubscriptions(ctx)
	limit := min(mostOccurrences, max(leastOccurrences, pairs/max(1, len(known))))
	entries, more, err := s.oldestOccurrences(ctx, limit)
	if err != nil || len(entries) == 0 {
		return false, err
	}
	targets, err := s.judge(ctx, p, entries)
	if err != nil {
		return false, err
	}
	b := newBatch(s.docs.Limits(), pairs, s.now())
	for _, e := range entries {
		if !b.take(e, p, targets) {
			more = true // none of those behind it may overtake it
			break
		}
	}
	return more, s.commit(ctx, b)
}

// oldestOccurrences returns the first occurrences that targets can be given now. more reports
// whether there may be others behind them.
func (s *Service) oldestOccurrences(ctx context.Context, limit int) (entries []*occurrence.Entry, more bool, err error) {
	l := store.Listing{Collection: occurrence.Collection, ByOrder: true, Limit: limit, Bytes: store.PageBytes}
	for now := s.now(); ; {
		docs, err := s.docs.List(ctx, l)
		if err != nil {
			return nil, false, err
		}
		for _, d := range docs {
			l.After = store.Position{Order: d.Order, ID: d.ID}
			e, err := occurrence.Parse(d)
			if err != nil { // one damaged document must not stop the others
				s.log.Error("an occurrence cannot be read, and nobody gets it", "document", d.ID, "error", err)
				continue
			}
			if clock.Over(e.NextTry, now, outbound.LongestPause) {
				entries = append(entries, e)
			}
		}
		if over := l.Over(docs); over || len(entries) > 0 {
			return entries, !over, nil
		}
	}
}

// expired reports whether the occurrence has waited for too long to be given to targets.
func expired(e *occurrence.Entry, now time.Time) bool { return now.Sub(e.Time) > KeptFor }

// postponed returns the occurrence with a pause, which grows with its tries.
func postponed(e *occurrence.Entry, now time.Time) *occurrence.Entry {
	later := *e
	later.Tries++
	pause, _ := outbound.Pause(min(later.Tries, longestPause), 0)
	later.NextTry = now.Add(pause)
	return &later
}

// judge returns the targets after their filters were asked about the occurrences. It reads
// the targets again after a message was built: that takes time, in which they may change.
func (s *Service) judge(ctx context.Context, p *pass, entries []*occurrence.Entry) ([]*Target, error) {
	for {
		targets, err := s.readSubscriptions(ctx)
		if err != nil {
			return nil, err
		}
		built := false
		for _, e := range entries {
			if !expired(e, s.now()) {
				built = s.ask(ctx, p, e, targets) || built
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
		}
		if !built {
			return targets, nil
		}
	}
}

// ask asks the filters of the targets about the occurrence, unless they were asked before.
// built reports whether a message was built for that, or could not be.
func (s *Service) ask(ctx context.Context, p *pass, e *occurrence.Entry, targets []*Target) (built bool) {
	doc := e.DocID()
	var data json.RawMessage
	asked := false
	for _, t := range targets {
		v := verdict{doc, t.Filter}
		if _, known := p.verdicts[v]; known || t.Filter == "" || p.stuck[doc] || !t.mayWant(&e.Occurrence) {
			continue
		}
		if !asked { // the data are the same for all filters
			if e.EventID != "" && p.failed != nil {
				p.stuck[doc] = true
				return false
			}
			whole, done, err := s.dataOfOccurrence(ctx, &e.Occurrence)
			if err != nil {
				p.failed, p.stuck[doc] = fmt.Errorf("%s %s: %w", e.Type, e.ID, err), true
				return true
			}
			defer done()
			data, asked = whole, true
		}
		wanted, err := t.wantsOccurrence(&e.Occurrence, data)
		if err != nil {
			s.log.Warn("the filter of a webhook fails: the occurrence is delivered", "id", t.ID, "type", e.Type, "occurrence", e.ID, "error", err)
		}
		p.verdicts[v] = wanted
	}
	return asked && e.EventID != ""
}

// wanting returns the targets that want the occurrence and do not have it yet.
func (p *pass) wanting(e *occurrence.Entry, targets []*Target) (wanting []*Target) {
	for _, t := range targets {
		if t.docID() > e.After && t.mayWant(&e.Occurrence) && (t.Filter == "" || p.verdicts[verdict{e.DocID(), t.Filter}]) {
			wanting = append(wanting, t)
		}
	}
	return wanting
}

// mayWant reports whether the target subscribes to the occurrence, and did when it happened.
// Its filter may still refuse it. The clocks of two processes may differ, so what happened
// shortly before the registration counts: that is better than to lose what happened after.
func (t *Target) mayWant(o *occurrence.Occurrence) bool {
	return t.subscribes(o.Type, o.Subject) && t.CreatedAt.Sub(o.Time) <= clock.Skew
}

// dataOfOccurrence returns the data to send. A message is built from its events. If these
// have expired, or if the message is too large and its format has no claim check, the data
// only name the message. done gives back the memory of the data.
func (s *Service) dataOfOccurrence(ctx context.Context, o *occurrence.Occurrence) (data json.RawMessage, done func(), err error) {
	if o.EventID == "" || s.message == nil {
		return o.Data, func() {}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, s.sender.patience)
	defer cancel()
	data, done, err = s.message(ctx, o.Service, o.EventID)
	switch fault.CodeOf(err) {
	case fault.NotFound, fault.Gone, fault.Conflict:
		s.log.Warn("a message cannot be sent as a webhook: its address is sent", "serviceName", o.Service, "eventID", o.EventID, "error", err)
		return o.Data, func() {}, nil
	}
	return data, done, err
}
