package gate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/gate/alert"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// look is a moment at which an instance looks for what is due. Its connection to the store
// may fail meanwhile.
type look struct {
	By, Pass, Calls   int
	Lost, Fresh, Away bool
	Publish           bool
}

// Whoever looks, whenever, and wherever they die: each instant at which no complete message
// had been published since the one before is alerted exactly once, and no other is.
func TestNeverTwiceAndNeverLost(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	trials := 0
	rapid.Check(t, func(rt *rapid.T) {
		trials++
		looks := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) look {
			return look{
				By: rapid.IntRange(0, 1).Draw(t, "by"), Pass: rapid.IntRange(0, 100).Draw(t, "pass"), Calls: rapid.IntRange(-3, 6).Draw(t, "calls"),
				Lost: rapid.Bool().Draw(t, "lost"), Fresh: rapid.IntRange(0, 4).Draw(t, "fresh") == 0, Away: rapid.IntRange(0, 4).Draw(t, "away") == 0,
				Publish: rapid.IntRange(0, 3).Draw(t, "publish") == 0,
			}
		}), 1, 12).Draw(rt, "looks")
		newExpectTrial(t, rt, st, trials).run(looks)
	})
}

// expectTrial has two instances whose connections to the store die, and a bus.
type expectTrial struct {
	rt    *rapid.T
	w     *world
	conns [2]*mortalDocs
	insts [2]*instance
}

func newExpectTrial(t *testing.T, rt *rapid.T, st drivertest.Store, n int) *expectTrial {
	w := worldOn(t, st, false)
	w.beginAt("2026-05-04 12:00", "UTC")
	w.configured(`"window":"anchored","observationPeriod":600,"onClose":"drop"`, twoEndpoints, everyHour+withAlerts)
	w.cfg.ServiceName = fmt.Sprint("s", n)
	tr := &expectTrial{rt: rt, w: w}
	base := w.docs
	for n := range tr.insts {
		tr.conns[n] = &mortalDocs{Docs: base, left: -1}
		w.docs = tr.conns[n]
		tr.insts[n] = w.instance(0)
	}
	w.docs = base
	w.tick(tr.insts[0]) // from now on something is expected
	return tr
}

func (tr *expectTrial) run(looks []look) {
	ctx := context.Background()
	var published []time.Time
	closed := 0
	began := tr.w.truth()
	for _, l := range looks {
		tr.w.ran += time.Duration(l.Pass)*time.Minute + time.Second
		i, conn := tr.insts[l.By], tr.conns[l.By]
		tr.w.bus.set(false)
		if l.Publish {
			i.post("a", "{}")
			i.Idle()
			i.post("b", "{}")
			i.Idle()
			published = append(published, tr.w.truth())
		} else {
			i.post("a", "{}") // a window that closes incomplete
			i.Idle()
		}
		tr.w.bus.set(l.Away)
		if conn.set(l.Calls, l.Lost); l.Fresh { // another process of it
			i.Gate = tr.w.gateOf(conn, i)
		}
		_ = i.CloseDue(ctx)
		i.Idle()
		conn.set(-1, false)
	}
	tr.w.bus.set(false)
	for range 8 {
		tr.w.ran += 6 * time.Minute
		tr.w.tick(tr.insts[:]...)
	}
	ids, instants := map[string]string{}, map[string]int{}
	for _, a := range tr.w.alerts() {
		body, err := json.Marshal(a)
		require.NoError(tr.rt, err)
		if before, ok := ids[a.ID]; ok { // sent again: the same alert
			require.Equal(tr.rt, before, string(body))
			continue
		}
		if ids[a.ID] = string(body); a.Kind == alert.Overdue {
			instants[a.At.Format(time.RFC3339)]++
		} else {
			closed++
		}
	}
	want := map[string]int{}
	for at := began.Truncate(time.Hour).Add(time.Hour); !at.After(tr.w.truth()); at = at.Add(time.Hour) {
		met := false
		for _, p := range published {
			met = met || alert.Expectation{Since: at.Add(-time.Hour), At: at}.MetBy(p)
		}
		if !met {
			want[at.Format(time.RFC3339)] = 1
		}
	}
	require.Equal(tr.rt, want, instants)
	dropped := 0
	infos, err := tr.insts[0].Messages(ctx, store.Page{Limit: 1000})
	require.NoError(tr.rt, err)
	for _, c := range infos {
		if c.Window.Completion == store.Expired {
			dropped++
		}
	}
	require.Equal(tr.rt, dropped, closed, "each window that closed incomplete has one alert")
}

// mortalDocs fails after some calls, before or after the call takes effect.
type mortalDocs struct {
	store.Docs
	mu   sync.Mutex
	left int // calls until it fails; negative: it lives
	lost bool
}

func (d *mortalDocs) set(left int, lost bool) {
	d.mu.Lock()
	d.left, d.lost = left, lost
	d.mu.Unlock()
}

func (d *mortalDocs) call(do func() error) error {
	d.mu.Lock()
	left, lost := d.left, d.lost
	if d.left > 0 {
		d.left--
	}
	d.mu.Unlock()
	if left != 0 {
		return do()
	}
	if lost {
		_ = do()
		d.mu.Lock()
		d.lost = false // the first call that fails
		d.mu.Unlock()
	}
	return errDead
}

func (d *mortalDocs) Get(ctx context.Context, c store.Collection, ids []string) (out []*store.Doc, err error) {
	err = d.call(func() error { out, err = d.Docs.Get(ctx, c, ids); return err })
	return out, err
}

func (d *mortalDocs) Commit(ctx context.Context, writes []store.Write) (revs []string, err error) {
	err = d.call(func() error { revs, err = d.Docs.Commit(ctx, writes); return err })
	return revs, err
}

func (d *mortalDocs) List(ctx context.Context, l store.Listing) (out []store.Doc, err error) {
	err = d.call(func() error { out, err = d.Docs.List(ctx, l); return err })
	return out, err
}
