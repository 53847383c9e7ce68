package outgoing

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

const (
	// knownFor is the time for which a process relies on the subscriptions that it has read.
	// Until it ends, the process may not know a target that registered with another one.
	knownFor = 10 * time.Second
	// mostSubjects bounds the subjects of a registration.
	mostSubjects = 100
)

// subscriptions remembers the targets that subscribe to types, so that a commit seldom has to
// read them.
type subscriptions struct {
	mu    sync.Mutex
	at    time.Time // of the last reading; zero: the list must be read again
	known bool      // list was read, perhaps long ago
	list  []*Target
}

func (s *subscriptions) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at = time.Time{}
}

// checkTypes checks the fields of a registration for types, and sets their defaults.
func (r *Registration) checkTypes() error {
	if r.List != "" {
		return fault.New(fault.Invalid, "a registration has either types or externalTaskListId: a list is a subject of the type %s", occurrence.List)
	}
	for _, typ := range r.Types {
		if !slices.Contains(occurrence.Types, typ) {
			return fault.New(fault.Invalid, "types: %q is none of %s", typ, strings.Join(occurrence.Types, ", "))
		}
	}
	if len(r.Subjects) > mostSubjects || slices.ContainsFunc(r.Subjects, func(s string) bool { return s == "" || len(s) > 1000 }) {
		return fault.New(fault.Invalid, "subjects has at most %d names of 1 to 1000 bytes", mostSubjects)
	}
	if r.Format != "" && r.Format != CloudEvents {
		return fault.New(fault.Invalid, "format must be %s with types, because nothing else tells them apart", CloudEvents)
	}
	r.Format = CloudEvents
	r.Types = slices.Compact(slices.Sorted(slices.Values(r.Types))) // the caller keeps its own
	return nil
}

// subscribes reports whether the target wants occurrences of the type and subject. Its filter
// may still refuse one.
func (t *Target) subscribes(typ, subject string) bool {
	return slices.Contains(t.Types, typ) && (len(t.Subjects) == 0 || slices.Contains(t.Subjects, subject))
}

// Subscribed reports whether a target subscribes to the type and subject. It relies on what
// it read a few seconds ago. If the subscriptions were never read and cannot be read now, it
// reports that one does.
func (s *Service) Subscribed(ctx context.Context, typ, subject string) bool {
	list, known := s.knownSubscriptions(ctx)
	return !known || slices.ContainsFunc(list, func(t *Target) bool { return t.subscribes(typ, subject) })
}

// knownSubscriptions returns the targets as they were read at most knownFor ago, if they can
// be read; else as they were before. known is false if they were never read.
func (s *Service) knownSubscriptions(ctx context.Context) (list []*Target, known bool) {
	subs := &s.subscriptions
	subs.mu.Lock()
	defer subs.mu.Unlock()
	if now := s.now(); subs.at.IsZero() || now.Before(subs.at) || now.Sub(subs.at) >= knownFor {
		// Others wait for the answer, too. The store bounds each of its calls.
		if list, err := s.readSubscriptions(context.WithoutCancel(ctx)); err == nil {
			subs.list, subs.known = list, true
		} else {
			s.log.Warn("the subscriptions of webhooks cannot be read: the former ones count until they can", "error", err)
		}
		subs.at = now
	}
	return subs.list, subs.known
}

// readSubscriptions returns the targets that subscribe to types, in the order of their ids.
func (s *Service) readSubscriptions(ctx context.Context) (list []*Target, err error) {
	err = s.targets.each(ctx, targetPrefix(""), func(t *Target) error {
		list = append(list, t)
		return nil
	})
	return list, err
}
