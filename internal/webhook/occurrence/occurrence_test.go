package occurrence_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/webhook/occurrence"
)

// Without an outbox, and without a subscriber, nothing is written and nothing is delivered.
func TestNothingIsWrittenForNobody(t *testing.T) {
	t.Parallel()
	alert := occurrence.Occurrence{ID: "1", Type: occurrence.Alert, Source: "/services/s", Subject: "s", Time: time.Unix(1, 0)}
	changed := []occurrence.Changed{{ID: "1", Version: 1}}
	nobody := &occurrence.Outbox{
		Subscribed: func(context.Context, string, string) bool { return false },
		Stored:     func() { t.Error("there is nothing to deliver") },
	}
	for _, o := range []*occurrence.Outbox{nil, nobody} {
		require.Empty(t, o.Writes(t.Context(), alert))
		require.Empty(t, o.RecordWrites(t.Context(), "default", "items", changed, time.Unix(1, 0)))
		o.Committed([]store.Write{{Collection: store.RecordsOf("default", "items")}})
	}
}

// An occurrence that is written twice is one document. Another source or type is another one.
func TestADocumentIsOneOccurrence(t *testing.T) {
	t.Parallel()
	e := occurrence.Entry{Occurrence: occurrence.Occurrence{ID: "1", Type: occurrence.Alert, Source: "/services/s", Time: time.Unix(1, 0)}}
	again := e
	again.Subject, again.After = "other", "t"
	require.Equal(t, e.DocID(), again.DocID())
	for _, change := range []func(*occurrence.Entry){
		func(o *occurrence.Entry) { o.ID = "2" }, func(o *occurrence.Entry) { o.Type = occurrence.List },
		func(o *occurrence.Entry) { o.Source = "/services/t" },
		func(o *occurrence.Entry) { o.Source, o.Type = o.Source+o.Type[:1], o.Type[1:] },
	} {
		other := e
		change(&other)
		require.NotEqual(t, e.DocID(), other.DocID())
	}
	require.True(t, e.Write().Any, "the first write replaces what an unknown attempt left")
	stored := e.Write().Doc
	stored.Rev = "7"
	read, err := occurrence.Parse(stored)
	require.NoError(t, err)
	require.Equal(t, "7", read.Write().Doc.Rev)
	require.False(t, read.Write().Any, "a later one is conditional")
	require.Equal(t, "7", read.Delete().Doc.Rev)
	require.False(t, read.Delete().Any)
}
