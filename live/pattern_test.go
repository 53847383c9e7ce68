package live_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A burst of signals for an entity that is only subscribed to with all of its type
// is one fetch for each Coalesce, too.
func TestBurstUnderAPattern(t *testing.T) {
	t.Parallel()
	const coalesce = 100 * time.Millisecond
	w := newWorld(t, func(_ *world, o *live.Options) { o.Coalesce = coalesce })
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"*"}}`)
	require.Equal(t, "subscribed", p.read()["type"])
	began := time.Now()
	for i := 1; time.Since(began) < 5*coalesce; i++ {
		w.set("items", "1", i)
		if i%100 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
	w.set("items", "1", 1<<40)
	for p.read()["version"] != fmt.Sprint(1<<40) {
	}
	require.LessOrEqual(t, w.fetches.Load(), int64(time.Since(began)/coalesce)+2)
}
