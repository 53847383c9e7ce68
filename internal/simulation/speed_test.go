package simulation_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/simulation"
)

// orders writes recorded events without end: three for each order, of a thousand orders at a
// time. Every tenth order is never paid.
type orders struct {
	n, most int
	unnamed bool // the events have no names, and so no ids that are remembered
	rest    bytes.Buffer
}

func (o *orders) Read(b []byte) (int, error) {
	began := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	for o.rest.Len() < len(b) && o.n < o.most {
		round, place := o.n/3000, o.n%3000
		order := round*1000 + place%1000
		kind := []string{"order", "payment", "stock"}[place/1000]
		if kind == "payment" && order%10 == 0 {
			kind = "order"
		}
		at := began.Add(time.Duration(o.n) * time.Second)
		id := event.DeriveID("s", kind, fmt.Sprint(o.n))
		if o.unnamed {
			id = event.NewID(at)
		}
		fmt.Fprintf(&o.rest, `{"id":%q,"service":"orders","eventKey":%q,"receivedAt":%q,"method":"POST","headers":{"Content-Type":["application/json"]},"content":"{\"orderId\":%d,\"id\":\"%s-%d\",\"metadata\":{\"order\":%d}}"}`+"\n",
			id, kind, at.Format(time.RFC3339Nano), order, kind, o.n, order)
		o.n++
	}
	if o.rest.Len() == 0 {
		return 0, io.EOF
	}
	return o.rest.Read(b)
}

// A million recorded events, three hundred thousand orders. Every tenth order is never paid.
func BenchmarkAMillionEvents(b *testing.B) {
	svc := recipe(b, "order-payment-stock")
	for b.Loop() {
		messages, largest, began := 0, uint64(0), time.Now()
		sum, err := simulation.Run(b.Context(), svc, simulation.Read(&orders{most: 1_000_000}), simulation.Options{}, func(*simulation.Line) error {
			if messages++; messages%50_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				largest = max(largest, m.HeapInuse)
			}
			return nil
		})
		require.NoError(b, err)
		require.Equal(b, 1_000_000, sum.Events)
		b.ReportMetric(float64(sum.Events)/time.Since(began).Seconds(), "events/s")
		b.ReportMetric(float64(largest>>20), "MiB")
	}
}
