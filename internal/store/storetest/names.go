package storetest

import (
	"strings"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// hostileNames lists names that a wrong encoding would confuse or refuse.
var hostileNames = []string{
	"x/y", "x", "y", "/", "//", ".", "..", "./", "__x__", "__", "*", "%", "%2F", "a/b", "a%2Fb", "a%2fb", "a%252Fb",
	"case", "Case", "CASE", " ", "  ", " lead", "lead", "lead ", "~", "\\", "'", "\"", "`", "a'; DROP TABLE event; --",
	"a\x00b", "a", "\x00", "\n", "\t", "é", "e\u0301", "\u00df", "ss", "\U0001F409", "\U0001F409\U0001F409", "\uFFFD", "-", "_", "a-b", "a_b",
	strings.Repeat("n", 2000), strings.Repeat("n", 1999), strings.Repeat("\U0001F409", 500), strings.Repeat("/", 2000),
	"null", "0", "00", "{}", "[]", "a.b", "a..b", "a:b", "a#b", "a?b", "a&b",
}

var nameTests = map[string]func(*fixture){
	"Names/Keys": func(f *fixture) {
		reqs := make([]store.Append, len(hostileNames))
		for i, name := range hostileNames {
			reqs[i] = f.request(name, f.at(i))
		}
		f.add(reqs...)
		for i, name := range hostileNames {
			ref := reqs[i].Event.Ref()
			requireRefs(f, []event.Ref{ref}, f.pending(name))
			requireEvents(f, []event.Event{reqs[i].Event}, []event.Ref{ref})
		}
		c := f.claim(hostileNames[0])
		c.Lists = nil
		for i, name := range hostileNames {
			c.Lists = append(c.Lists, event.List{Key: name, Included: []event.Ref{reqs[i].Event.Ref()}})
		}
		require.NoError(f, f.s.Claim(f.ctx, c, nil))
		requireClaim(f, c, f.outbox(c))
	},

	"Names/Services": func(f *fixture) {
		key := "k-" + f.service // other tests may use the same services, but not this key
		reqs := make([]store.Append, len(hostileNames))
		claims := make([]store.Claim, len(hostileNames))
		for i, name := range hostileNames {
			reqs[i] = f.request(key, f.at(i))
			reqs[i].Endpoint.Service = name
			claims[i] = f.claim(key)
			claims[i].Service = name
		}
		f.add(reqs...)
		for i := range claims {
			require.NoError(f, f.s.Claim(f.ctx, claims[i], nil))
		}
		for i, name := range hostileNames {
			ps, err := f.s.Pending(f.ctx, store.Endpoint{Service: name, Key: key}, time.Time{}, 0)
			require.NoError(f, err)
			requireRefs(f, []event.Ref{reqs[i].Event.Ref()}, ps)
			got, err := f.s.Events(f.ctx, name, ps)
			require.NoError(f, err)
			requireSameEvent(f, reqs[i].Event, got[0])
			requireClaim(f, claims[i], f.outbox(claims[i]))
			_, err = f.s.ClaimByEventID(f.ctx, name, claims[(i+1)%len(claims)].EventID)
			require.ErrorIs(f, err, store.ErrNotFound)
		}
	},

	// The boundary between service and key counts.
	"Names/Pairs": func(f *fixture) {
		pairs := [][2]string{{"a", "b/c"}, {"a/b", "c"}, {"a/", "b/c"}, {"ab", "c"}, {"a", "bc"}}
		reqs := make([]store.Append, len(pairs))
		for i, p := range pairs {
			reqs[i] = f.request(p[1], f.at(i))
			reqs[i].Endpoint.Service = f.service + p[0]
		}
		f.add(reqs...)
		for i := range pairs {
			ps, err := f.s.Pending(f.ctx, reqs[i].Endpoint, time.Time{}, 0)
			require.NoError(f, err)
			requireRefs(f, []event.Ref{reqs[i].Event.Ref()}, ps)
		}
	},
}
