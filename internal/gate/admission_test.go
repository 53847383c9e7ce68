package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/store"
)

// unsteady loses calls that write, before or after they take effect, while it is shaky.
type unsteady struct {
	store.Store
	mu         sync.Mutex
	rnd        *rand.Rand
	shaky      bool
	superseded map[string]bool // ids
}

var errShaky = errors.New("no answer")

func (s *unsteady) write(do func()) error {
	s.mu.Lock()
	lost, before := s.shaky && s.rnd.IntN(6) == 0, s.rnd.IntN(2) == 0
	s.mu.Unlock()
	if lost && before {
		return errShaky
	}
	if do(); lost {
		return errShaky
	}
	return nil
}

func (s *unsteady) Append(ctx context.Context, events []store.Append) (out []store.AppendResult) {
	err := s.write(func() {
		out = s.Store.Append(ctx, events)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, r := range out {
			s.superseded[r.Superseded.ID] = true
		}
	})
	if err != nil {
		out = make([]store.AppendResult, len(events))
		for i := range out {
			out[i].Err = err
		}
	}
	return out
}

func (s *unsteady) Claim(ctx context.Context, c store.Claim, taken []store.Taken) (err error) {
	if lost := s.write(func() { err = s.Store.Claim(ctx, c, taken) }); lost != nil {
		return lost
	}
	return err
}

func (s *unsteady) Settle(ctx context.Context, service, id string, o store.Outcome) (err error) {
	if lost := s.write(func() { err = s.Store.Settle(ctx, service, id, o) }); lost != nil {
		return lost
	}
	return err
}

// An event that was acknowledged ends in exactly one of: a window, a dead letter with the
// reason that its receipt gave, superseded, or the counts of what was dropped or filtered.
func TestEachAcknowledgedEventHasOneEnd(t *testing.T) {
	t.Parallel()
	onBoth(t, func(w *world) {
		seeds := uint64(6)
		if w.timed { // an emulator is slow
			seeds = 2
		}
		for seed := range seeds {
			admissions(w, seed)
		}
	})
}

func admissions(w *world, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	name := fmt.Sprintf("admissions %d", seed)
	w.configure(name, `"window":"tumbling","every":3600,"eventTime":"event.body.at","late":"`+pick("next", "drop", "deadLetter")+`"`,
		`{"eventKey":"a","filter":"event.body.ok","onError":"`+pick("reject", "deadLetter", "deadLetter")+`"`+pick("", `,"distinct":"event.body.ok"`)+`},
		{"eventKey":"b","optional":true}`,
		`,"correlation":{"key":"event.body.k","onMissing":"`+pick("reject", "drop", "deadLetter")+`"},"feeds":[
		{"name":"f","routes":[{"when":"event.body.to == 'a'","eventKey":"a"}],"otherwise":"`+pick("reject", "drop", "deadLetter", "b")+`"}]`)
	st := &unsteady{Store: w.store.Store, rnd: rand.New(rand.NewPCG(seed, 2)), superseded: map[string]bool{}}
	w.store.Store = st
	defer func() { w.store.Store = st.Store }()
	instances := []*instance{w.instance(0), w.instance(0)}
	st.shaky = true

	letters, stored := map[string]string{}, map[string]bool{} // by id
	var want gate.Counts
	for range 120 {
		w.ran += time.Duration(rnd.IntN(120)) * time.Second
		i := instances[rnd.IntN(2)]
		now := w.truth().Unix()
		in := gate.Incoming{
			EventKey: pick("a", "a", "b"), Meta: event.Meta{Method: "POST"},
			IdempotencyKey: pick("", fmt.Sprint("n", rnd.IntN(30))),
			Content: []byte("{" + pick(`"ok":true,`, `"ok":true,`, `"ok":false,`, "") + pick(`"k":1,`, `"k":2,`, "") +
				pick(fmt.Sprintf(`"at":%d,`, now), fmt.Sprintf(`"at":%d,`, now), fmt.Sprintf(`"at":%d,`, now-7200), "") + pick(`"to":"a"`, `"to":"x"`, `"x":1`) + "}"),
		}
		if rnd.IntN(3) == 0 {
			in.EventKey, in.Feed = "", "f"
		}
		out, err := i.Ingest(context.Background(), in)
		if err != nil {
			continue // no receipt
		}
		switch r := out.Receipts[0]; {
		case r.Err != nil:
			want.Refused++
		case r.Left == gate.Filtered:
			want.Filtered++
			require.Empty(w, r.ID)
		case r.Left != "":
			want.Dropped++
			require.Empty(w, r.ID)
		case r.Duplicate:
			want.Duplicate++
			stored[r.ID] = true
		case r.DeadLetter != "":
			letters[r.ID], stored[r.ID] = r.DeadLetter, true
		default:
			letters[r.ID], stored[r.ID] = "", true
		}
		if rnd.IntN(10) == 0 {
			_, _ = i.Sweep(context.Background())
		}
		i.Help()()
	}
	st.mu.Lock()
	st.shaky = false
	st.mu.Unlock()
	for range 16 { // until the last window has closed, and all is published
		w.ran += 20 * time.Minute
		for _, i := range instances {
			_, err := i.Sweep(context.Background())
			require.NoError(w, err)
		}
	}

	got := map[string]string{}
	claims := w.claims(name)
	for _, c := range claims {
		require.NotEqual(w, store.Claimed, c.State, "all is published")
		for _, l := range c.Lists {
			for _, ref := range l.Included {
				_, twice := got[ref.ID]
				require.False(w, twice, "an event has two ends")
				got[ref.ID] = c.Window.Reason
			}
		}
	}
	for id := range stored {
		reason, claimed := got[id]
		require.NotEqual(w, claimed, st.superseded[id], "seed %d: event %s: claimed %v", seed, id, claimed)
		if first, acknowledged := letters[id]; acknowledged {
			require.Equal(w, first, reason)
		}
	}
	for _, i := range instances {
		s, err := i.Status(context.Background(), nil)
		require.NoError(w, err)
		all := []gate.Counts{s.Feeds[0].Counts}
		for _, e := range s.Endpoints {
			all = append(all, e.Counts)
		}
		for _, c := range all {
			want.Refused, want.Filtered, want.Dropped, want.Duplicate = want.Refused-c.Refused, want.Filtered-c.Filtered, want.Dropped-c.Dropped, want.Duplicate-c.Duplicate
		}
	}
	require.Zero(w, want, "each receipt is counted once")
}

// claims returns all claims of a service.
func (w *world) claims(service string) (all []store.Claim) {
	w.Helper()
	for after := (*store.Cursor)(nil); ; {
		infos, err := w.store.Claims(context.Background(), service, store.Page{Limit: 100, After: after})
		require.NoError(w, err)
		for _, info := range infos {
			c, err := w.store.ClaimByEventID(context.Background(), service, info.EventID)
			require.NoError(w, err)
			all, after = append(all, c), &store.Cursor{Date: info.Date, ID: info.ID}
		}
		if len(infos) < 100 {
			return all
		}
	}
}
