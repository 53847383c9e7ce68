package outgoing_test

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/occurrence"
	"github.com/headgate/headgate/internal/webhook/outgoing"
)

// A message is built for each attempt. One that never can be built is sent as what names it,
// and one that cannot be built now is sent later. Neither holds up what others get.
func TestAMessageThatCannotBeBuilt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var failure error
	var held atomic.Int64 // messages whose memory was not given back
	s := w.service(func(o *outgoing.Options) {
		o.Message = func(_ context.Context, _, eventID string) ([]byte, func(), error) {
			if failure != nil {
				return nil, nil, failure
			}
			held.Add(1)
			return []byte(`{"eventID":"` + eventID + `","events":{}}`), func() { held.Add(-1) }, nil
		}
	})
	r, filtered, alerts := newReceiver(t), newReceiver(t), newReceiver(t)
	w.subscribe(r, "", nil, occurrence.Message)
	w.subscribe(filtered, "data.eventID != 'other'", nil, occurrence.Message)
	w.subscribe(alerts, "", nil, occurrence.Alert)
	message := func(id string) {
		box := occurrence.Outbox{Subscribed: s.Subscribed, Stored: s.Stored}
		writes := box.Writes(t.Context(), occurrence.Occurrence{
			ID: id, Type: occurrence.Message, Source: "/test", Subject: "s", Time: w.tick(), Service: "s", EventID: id, Data: json.RawMessage(`{"eventID":"` + id + `","contentURL":"/m"}`),
		})
		_, err := w.store.Commit(t.Context(), writes)
		require.NoError(t, err)
		box.Committed(writes)
	}
	message("1")
	require.Equal(t, 2, w.sweep(s))
	for _, code := range []fault.Code{fault.NotFound, fault.Gone, fault.Conflict} {
		failure = fault.New(code, "never")
		message(string(code))
		require.Equal(t, 2, w.sweep(s))
	}
	failure = fault.New(fault.Unavailable, "not now")
	message("later")
	w.occur(s, occurrence.Alert, "s", "alert", `{}`)
	n, err := s.Sweep(t.Context())
	require.ErrorContains(t, err, "not now")
	require.Equal(t, 1, n)
	require.Len(t, alerts.calls(), 1)
	failure = nil
	w.wait(time.Minute)
	require.Equal(t, 2, w.sweep(s))
	require.Zero(t, w.outbox())
	require.Zero(t, held.Load())
	for _, got := range [][]received{eventsOf(t, r), eventsOf(t, filtered)} {
		require.Len(t, got, 5)
		for i, e := range got {
			want := `{"eventID":"` + e.ID + `","events":{}}`
			if i > 0 && i < 4 {
				want = `{"eventID":"` + e.ID + `","contentURL":"/m"}`
			}
			require.JSONEq(t, want, string(e.Data))
		}
	}
}
