package gate_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// For random rules and events, one instance that does not crash releases exactly the
// messages that an obvious model releases, of the same events. An instance that looks in
// time does so at the same instants; one that looks late, later.
func TestEachMessageAgainstWhatIsObvious(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(map[bool]string{false: "looks in time", true: "looks late"}[late], func(t *testing.T) {
			t.Parallel()
			st, err := sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, st.Close()) })
			rapid.Check(t, func(t *rapid.T) {
				p := rapid.Custom(drawPlan).Draw(t, "plan")
				p.Skew = 0
				newLive(t, p, st, late, rapid.Bool().Draw(t, "timed")).run()
			})
		})
	}
}

// live carries out a plan with one instance, beside the obvious model.
type live struct {
	*trial
	o    *obvious
	late bool // the instance looks only at what a request brings
}

// newLive returns a plan's instance. timed says that the store has a time of its own, so that
// sweeps delete from the beginning.
func newLive(t require.TestingT, p plan, st store.Store, late, timed bool) *live {
	tr := newTrial(t, p, st, timed)
	return &live{tr, &obvious{planRules: p.Rules, now: tr.truth(), names: map[string]bool{}, late: late}, late}
}

func (l *live) run() {
	defer l.close()
	for _, s := range l.Steps {
		l.step(s)
		l.idle()
		if !l.late {
			l.compare(fmt.Sprintf("after %+v", s))
		}
	}
	l.pass(time.Hour)
	require.NoError(l, l.members[0].CloseDue(context.Background()))
	l.idle()
	l.compare("at the end")
}

func (l *live) step(s step) {
	ctx, m := context.Background(), l.members[0]
	key, id := &s.Key, s.Key
	if !l.Rules.Correlated {
		key, id = nil, ""
	}
	switch s.Do {
	case "post", "race":
		l.send(s.Posts)
	case "pass":
		l.pass(s.For)
	case "close":
		require.NoError(l, m.CloseDue(ctx))
	case "sweep":
		_, err := m.Sweep(ctx)
		require.NoError(l, err)
	case "trigger":
		if l.late {
			return // it would take what has closed
		}
		_, err := m.Trigger(ctx, key)
		require.NoError(l, err)
		l.o.trigger(id)
	}
}

// pass lets time pass. An instance that looks in time does so a second before each deadline,
// and at it.
func (l *live) pass(d time.Duration) {
	until := l.truth().Add(d)
	for at := l.o.next(); !l.late && !at.IsZero() && !at.After(until); at = l.o.next() {
		for _, look := range []time.Time{at.Add(-time.Second), at} {
			if look.Before(l.truth()) {
				continue
			}
			l.ran.Store(int64(look.Sub(l.began)))
			l.o.pass(look)
			require.NoError(l, l.members[0].CloseDue(context.Background()))
			l.idle()
			l.compare("at " + clockOf(look))
		}
	}
	l.ran.Store(int64(until.Sub(l.began)))
	l.o.pass(until)
}

// send sends a request, and compares its receipts with what the model says.
func (l *live) send(posts []post) {
	in := make([]gate.Incoming, len(posts))
	for i, p := range posts {
		in[i] = gate.Incoming{EventKey: p.Endpoint, Meta: event.Meta{Method: "POST"}, Content: fmt.Appendf(nil,
			`{"order":%q,"value":%q,"at":%q}`, p.Order, p.Value, l.truth().Add(p.At).Format(time.RFC3339))}
		if p.Name > 0 {
			in[i].IdempotencyKey = fmt.Sprint(p.Name)
		}
	}
	out, err := l.members[0].Ingest(context.Background(), in...)
	require.NoError(l, err)
	for i, r := range out.Receipts {
		require.NoError(l, r.Err)
		got := string(r.Left)
		if r.Duplicate {
			got = "duplicate"
		} else if r.Superseded {
			got = "superseded"
		}
		require.Equal(l, l.o.post(posts[i], r.ID), got, "receipt of %+v", posts[i])
	}
	l.o.check()
}

// compare requires that the claims are those of the model.
func (l *live) compare(when string) {
	var got []string
	for _, c := range l.claims {
		var events []*obviousEvent
		for i, list := range c.Lists {
			for _, ref := range list.Included {
				events = append(events, &obviousEvent{id: ref.ID, endpoint: i})
			}
		}
		w, at := c.Window, c.truth
		opened, closes := w.Opened, w.Closes
		if w.Completion == store.Manual {
			opened, closes = time.Time{}, time.Time{}
		}
		if l.late && !closes.IsZero() && !at.Before(closes) {
			at = closes
		}
		got = append(got, line(w.Key, w.Completion, opened, closes, events, at))
	}
	want := slices.Clone(l.o.out)
	slices.Sort(got)
	slices.Sort(want)
	require.Equal(l, want, got, when)
}
