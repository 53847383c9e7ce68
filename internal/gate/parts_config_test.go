package gate_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/gate"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/drivertest"
)

// partsRules are the rules that the service of a pair may have after a restart: a trigger and
// endpoints.
var partsRules = map[string][2]string{
	"plain":                {``, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`},
	"the other way round":  {``, `{"eventKey":"b"},{"eventKey":"a","minNbOfOccurrence":3}`},
	"without the first":    {``, `{"eventKey":"b"}`},
	"without the last":     {``, `{"eventKey":"a","minNbOfOccurrence":3}`},
	"kept":                 {`,"keepEventAfterTrigger":true`, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`},
	"keyed":                {`,"condition":"a && b"`, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`},
	"keyed, one":           {`,"condition":"b"`, `{"eventKey":"b"}`},
	"bounded":              {`,"condition":"a && b"`, `{"eventKey":"a","minNbOfOccurrence":3,"maxNbOfOccurrence":4},{"eventKey":"b"}`},
	"distinct":             {``, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b","distinct":"event.text"}`},
	"anchored":             {`,"window":"anchored","onClose":"partial"`, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`},
	"kept, keyed":          {`,"condition":"a && b","keepEventAfterTrigger":true`, `{"eventKey":"a","minNbOfOccurrence":3},{"eventKey":"b"}`},
	"session, the reverse": {`,"window":"session","onClose":"partial"`, `{"eventKey":"b"},{"eventKey":"a","minNbOfOccurrence":3}`},
}

// use gives an instance of the pair other rules, and starts it.
func (p *pair) use(n int, rules string) {
	r := partsRules[rules]
	cfg, err := config.Parse(fmt.Appendf(nil, `{"serviceName":%q,"retentionDays":1,"trigger":{"type":"window","observationPeriod":3600%s},
		"endpoints":[%s],"targetPubSub":{"topic":%q}}`, p.cfg.ServiceName, r[0], r[1], topic))
	require.NoError(p, err)
	p.cfg = cfg.Services[0]
	p.start(n)
}

// A claim in parts becomes one message, and what it does not take belongs to one other, although
// the configuration changes while it is made: other endpoints, another order of them, windows of
// another kind, events that are kept, another size of commits.
func TestTheConfigurationChangesWhileAWindowIsClaimedInParts(t *testing.T) {
	t.Parallel()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		st := drivertest.SQLite(t)
		rapid.Check(t, func(t *rapid.T) { changing(t, st) })
	})
	t.Run("firestore", func(t *testing.T) {
		t.Parallel()
		st := drivertest.Firestore(t)
		for seed := range 8 {
			rapid.Custom(func(t *rapid.T) bool { changing(t, st); return true }).Example(seed)
		}
	})
}

func changing(t *rapid.T, st drivertest.Store) {
	ctx := context.Background()
	p := newPair(t, st, "", window.All, window.All, 6)
	defer func() { p.close(0); p.close(1) }()
	all, kept, reset := map[string]bool{}, false, false
	which, names := rapid.IntRange(0, 1), rapid.SampledFrom(slices.Sorted(maps.Keys(partsRules)))
	change := func(n int) {
		p.max = rapid.IntRange(6, 12).Draw(t, "most")
		rules := names.Draw(t, "rules")
		kept = kept || strings.Contains(partsRules[rules][0], "keepEvent")
		p.use(n, rules)
	}
	send := func(n int, key string, count int) {
		in := make([]gate.Incoming, count)
		for i := range in {
			in[i] = gate.Incoming{EventKey: key, Meta: event.Meta{Method: "POST"}, Content: fmt.Append(nil, len(all)+i)}
		}
		out, err := p.one[n].Ingest(ctx, in...)
		if err != nil {
			return // the endpoint was removed, or the instance is dying
		}
		for _, r := range out.Receipts {
			require.NoError(t, r.Err)
			all[r.ID] = true
		}
	}
	change(0)
	change(1)
	for range rapid.IntRange(3, 25).Draw(t, "steps") {
		n := which.Draw(t, "by")
		if rapid.IntRange(0, 2).Draw(t, "kill") == 0 {
			p.conn[n].left, p.conn[n].lost = rapid.IntRange(0, 3).Draw(t, "parts"), rapid.Bool().Draw(t, "lost")
		}
		switch do := rapid.SampledFrom([]string{"a", "a", "b", "b", "check", "sweep", "due", "trigger", "reset", "change", "change"}).Draw(t, "do"); do {
		case "a", "b":
			send(n, do, rapid.IntRange(1, 20).Draw(t, "count"))
		case "check":
			_, _ = p.one[n].Check(ctx, nil)
		case "sweep":
			_, _ = p.one[n].Sweep(ctx)
		case "due":
			_ = p.one[n].CloseDue(ctx)
		case "trigger":
			_, _ = p.one[n].Trigger(ctx, nil)
		case "reset":
			reset = true
			_, _ = p.one[n].Reset(ctx, rapid.SampledFrom([]string{"", "a"}).Draw(t, "of"), nil)
		case "change":
			change(n)
		}
		p.idle()
		if p.conn[n].left == 0 {
			p.start(n)
		}
		p.ran += time.Duration(rapid.SampledFrom([]int{0, 1, 30, 300}).Draw(t, "pass")) * time.Second
	}
	p.settles(ctx)
	p.oneEnd(all, kept, reset)
}

// settles lets nobody die any more, and ends what was begun.
func (p *pair) settles(ctx context.Context) {
	for range 2 {
		for n := range p.one {
			p.start(n)
			p.ran += 3 * time.Minute
			_, err := p.one[n].Sweep(ctx)
			require.NoError(p, err)
			p.idle()
		}
	}
	parts, err := p.store.Gatherings(ctx, p.cfg.ServiceName, 10)
	require.NoError(p, err)
	require.Empty(p, parts, "a claim in parts is stuck")
}

// oneEnd requires that each event is in one message, or waits, and that no mark is left.
func (p *pair) oneEnd(all map[string]bool, kept, reset bool) {
	ctx, in := context.Background(), map[string]int{}
	for _, id := range p.bus.ids() {
		for _, of := range p.read(id).Events {
			for _, e := range of.Events {
				in[e.ID]++
				require.True(p, kept || in[e.ID] == 1, "an event is in two messages")
			}
		}
	}
	for _, key := range []string{"a", "b"} {
		ep := store.Endpoint{Service: p.cfg.ServiceName, Key: key}
		refs, err := p.store.Pending(ctx, ep, time.Time{}, 0)
		require.NoError(p, err)
		ws, err := p.store.WaitingUpTo(ctx, ep, time.Time{}, nil, 10_000)
		require.NoError(p, err)
		for _, w := range ws {
			refs = append(refs, w.Ref)
		}
		for _, ref := range refs {
			require.GreaterOrEqual(p, ref.Size, int64(0), "a mark is left")
			require.True(p, kept || in[ref.ID] == 0, "an event of a message still waits")
			in[ref.ID]++
		}
	}
	for id := range all {
		require.True(p, reset || in[id] > 0, "an event is lost")
	}
}
