package storetest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// requireSameEvent compares two events byte for byte.
func requireSameEvent(t require.TestingT, want, got event.Event) {
	require.Equal(t, want.ID, got.ID)
	require.Equal(t, want.Key, got.Key)
	requireTime(t, want.ReceivedAt, got.ReceivedAt)
	require.True(t, bytes.Equal(want.MetaJSON(), got.MetaJSON()), "meta of %s differs", want.ID)
	require.True(t, bytes.Equal(want.Content, got.Content), "content of %s differs: %d bytes, want %d", want.ID, len(got.Content), len(want.Content))
}

func requireEvents(f *fixture, want []event.Event, refs []event.Ref) {
	f.Helper()
	got, err := f.s.Events(f.ctx, f.service, refs)
	require.NoError(f, err)
	require.Len(f, got, len(want))
	for i := range want {
		requireSameEvent(f, want[i], got[i])
	}
}

// requireKept appends the events, reads them back one by one, and compares.
func (f *fixture) requireKept(events ...event.Event) {
	f.Helper()
	reqs := make([]store.Append, len(events))
	for i, e := range events {
		reqs[i] = f.request("a", f.at(i))
		e.ID, e.Key, e.ReceivedAt = reqs[i].Event.ID, "a", reqs[i].Event.ReceivedAt
		reqs[i].Event = e
	}
	refs := f.add(reqs...)
	for i := range reqs {
		requireEvents(f, []event.Event{reqs[i].Event}, refs[i:i+1])
	}
	requireRefs(f, refs, f.pending("a")) // including their sizes
}

// sized returns an event of exactly that Size, most of it content.
func sized(size int) event.Event {
	e := event.Event{Meta: event.Meta{Method: "POST"}}
	e.Content = bytes.Repeat([]byte{0, 1, 0xff, 'x', 0xc3, 0x28}, size/6+1)[:size-int(e.Size())]
	return e
}

var bodyTests = map[string]func(*fixture){
	"Body/Exact": func(f *fixture) {
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		post := event.Meta{Method: "POST"}
		f.requireKept(
			event.Event{Meta: post, Content: every},
			event.Event{Meta: post, Content: []byte{}},
			event.Event{Meta: post},
			event.Event{Meta: post, Content: []byte{0}},
			event.Event{Meta: post, Content: []byte("{\"a\": \"\U0001F409\"}\r\n")},
			event.Event{Meta: post, Content: []byte{0xff, 0xfe, 0xc3}},
		)
	},

	"Body/Meta": func(f *fixture) {
		f.requireKept(
			event.Event{},
			event.Event{Meta: event.Meta{
				Method:   "PUT",
				Headers:  map[string][]string{"X-Many": {"b", "a", ""}, "X-\U0001F409": {"\u2028<&>"}, "": {}},
				Query:    map[string][]string{"a.b": {"1"}, "$x": nil, "__x__": {"/"}, "`": {"\x00"}},
				RawQuery: "a=%ff&b",
				CloudEvent: map[string]json.RawMessage{
					"id": json.RawMessage(`"1"`), "n": json.RawMessage(`12345678901234567890.0000000001`), "o": json.RawMessage(`{"a":[1,null]}`),
				},
			}},
		)
	},

	"Body/Largest": func(f *fixture) {
		f.requireKept(sized(f.probe.MaxEventBytes))
	},

	"Body/LargestMeta": func(f *fixture) {
		size := min(f.probe.MaxEventBytes, 3<<20)
		value := strings.Repeat("h", size/2)
		e := event.Event{Meta: event.Meta{Method: "POST", Headers: map[string][]string{"X-A": {value}, "X-B": {value[:size/2-200]}}}}
		require.LessOrEqual(f, int(e.Size()), size)
		f.requireKept(e)
	},

	"Body/LargeNeighbours": func(f *fixture) {
		events := make([]event.Event, 14)
		for i := range events {
			events[i] = sized(min(f.probe.MaxEventBytes, 1<<20) - i)
		}
		f.requireKept(events...)
	},

	"Body/TooLarge": func(f *fixture) {
		if f.probe.TooLargeBytes == 0 {
			f.Skip("nothing is too large here")
		}
		large := f.request("a", f.at(1))
		large.Event.Content = sized(f.probe.TooLargeBytes).Content
		batch := []store.Append{f.request("a", f.now), large, f.request("a", f.at(2))}
		results := f.s.Append(f.ctx, batch)
		require.NoError(f, results[0].Err)
		require.Equal(f, fault.TooLarge, fault.CodeOf(results[1].Err), "%v", results[1].Err)
		require.NoError(f, results[2].Err)
		requireRefs(f, []event.Ref{batch[0].Event.Ref(), batch[2].Event.Ref()}, f.pending("a"))
	},

	"Events/InTheOrderNamed": func(f *fixture) {
		reqs := make([]store.Append, 30)
		for i := range reqs {
			reqs[i] = f.request("a", f.at(i))
		}
		refs := f.add(reqs...)
		order := sample(len(reqs), len(reqs))
		var want []event.Event
		var members []store.Member
		for _, i := range append(order, order[0]) { // one of them twice
			want = append(want, reqs[i].Event)
			members = append(members, refs[i])
		}
		requireEvents(f, want, members)
		slices.Reverse(want)
		slices.Reverse(members)
		requireEvents(f, want, members)
		requireEvents(f, nil, nil)
	},

	"Events/NotFound": func(f *fixture) {
		refs := f.put("a", 2)
		missing := event.Ref{ID: event.RandomID(), ReceivedAt: f.now}
		moved := event.Ref{ID: refs[0].ID, ReceivedAt: f.at(500)} // never received at that time
		for _, members := range [][]store.Member{{missing}, {refs[0], missing, refs[1]}, {moved}} {
			_, err := f.s.Events(f.ctx, f.service, members)
			require.ErrorIs(f, err, store.ErrNotFound)
		}
	},
}
