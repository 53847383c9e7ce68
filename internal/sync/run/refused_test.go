package run_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	syncrun "github.com/headgate/headgate/internal/sync/run"
)

// refusals are the ways in which a server refuses the row named bad, with a status and a
// body. Some of them may as well concern every row.
var refusals = map[string]struct {
	status int
	body   string
}{
	"422": {422, `{"message":"name is bad"}`}, "403": {403, `{"message":"name is bad"}`}, "404": {404, `{"message":"name is bad"}`},
	"405": {405, `{"message":"name is bad"}`}, "500": {500, `{"error":{"message":"name is bad"}}`}, "200": {200, `{"error":"name is bad"}`},
}

// refuseBad makes the server refuse each call with a row named bad.
func (s *restServer) refuseBad(how string) {
	s.refuseBy(func(w http.ResponseWriter, _ *http.Request, names []string) bool {
		if !slices.Contains(names, "bad") {
			return false
		}
		if how == "200" && len(names) > 1 { // a batch has no answer of this kind
			w.WriteHeader(400)
			return true
		}
		w.WriteHeader(refusals[how].status)
		_, _ = fmt.Fprint(w, refusals[how].body)
		return true
	})
}

// One creation that the server refuses stops neither the pulls nor the other rows, and is
// not sent again before a pull. When the record is corrected or deleted, that is what counts.
func TestARefusedCreationIsAReject(t *testing.T) {
	t.Parallel()
	for how := range refusals {
		for _, create := range []string{"", `,"batch":10`} {
			for _, lost := range []bool{false, true} { // the answer to the first attempt
				for _, then := range []string{"corrected", "deleted"} {
					t.Run(strings.Join([]string{how, create, fmt.Sprint(lost), then}, "/"), func(t *testing.T) {
						t.Parallel()
						w, s := apiWorld(t, create, nil)
						s.theirs("t0")
						w.finished(syncrun.Start{})
						w.wait(time.Hour)
						w.put("b", map[string]any{"name": "bad"})
						if lost { // before the server saw it
							s.refuseBy(func(http.ResponseWriter, *http.Request, []string) bool { panic(http.ErrAbortHandler) })
							require.Equal(t, syncrun.Failed, w.run(syncrun.Start{Method: syncrun.DoPush}).State)
							w.wait(time.Minute)
						}
						w.put("a", map[string]any{"name": "good a"})
						w.put("c", map[string]any{"name": "good c"})
						s.refuseBad(how)
						s.theirs("t1")
						require.NotZero(t, w.ends(syncrun.Start{}).Counts.Rejected)
						require.Equal(t, []string{"b"}, keysOf(w.rejected()))
						require.Contains(t, w.rejected()[0], "name is bad")
						for i := range 3 {
							w.wait(time.Hour)
							s.theirs(fmt.Sprint("later ", i))
							_, n := s.since(0)
							w.ends(syncrun.Start{})
							calls, _ := s.since(n)
							require.Equal(t, "GET", calls[0], "the pull comes first")
						}
						here := map[string]int{"t0": 1, "t1": 1, "later 0": 1, "later 1": 1, "later 2": 1, "good a": 1, "good c": 1, "bad": 1}
						require.Equal(t, here, w.names())
						delete(here, "bad")
						require.Equal(t, here, s.names())
						if then == "deleted" {
							w.remove("b")
						} else {
							w.put("b", map[string]any{"name": "corrected"})
							here["corrected"] = 1
						}
						for range 2 {
							w.wait(time.Hour)
							w.finished(syncrun.Start{})
						}
						require.Equal(t, here, w.names())
						require.Equal(t, here, s.names())
					})
				}
			}
		}
	}
}

func keysOf(rejects []string) (keys []string) {
	for _, r := range rejects {
		key, _, _ := strings.Cut(r, ":")
		keys = append(keys, key)
	}
	return keys
}

// The only row of a push is refused. The run fails, because it is more than maxRejected, but
// it pulls, also the runs after it, and pushes the other datatype.
func TestTheOnlyRowOfAPushIsRefused(t *testing.T) {
	t.Parallel()
	for how := range refusals {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, s := apiWorld(t, "", func(d *definition.Sync) {
				d.MaxRejected, d.Datasource.SelectedDatatypes = nil, []string{"item", "other"}
				d.Mapping["other"] = d.Mapping["item"]
			})
			w.put("b", map[string]any{"name": "bad"})
			_, _, err := w.ents.Put(t.Context(), "acme", "other", "o", map[string]any{"name": "of the other"}, "", false)
			require.NoError(t, err)
			s.refuseBad(how)
			for i := range 3 {
				s.theirs(fmt.Sprint("t", i))
				run := w.run(syncrun.Start{})
				require.True(t, run.State == syncrun.Failed || i > 0 && run.State == syncrun.Partial, "%s", run.State)
				w.wait(time.Hour)
				require.Contains(t, w.names(), fmt.Sprint("t", i))
				require.Equal(t, 1, s.names()["of the other"])
			}
			require.Equal(t, []string{"b"}, keysOf(w.rejected()))
			w.put("b", map[string]any{"name": "corrected"})
			w.finished(syncrun.Start{})
			require.Equal(t, 1, s.names()["corrected"])
			require.Empty(t, w.rejected())
		})
	}
}

// A server that fails at every row is not one that refuses rows: the push fails, and the
// next one sends them again.
func TestAServerThatFailsRejectsFewRows(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"403", "500"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, s := apiWorld(t, "", nil)
			for i := range 30 {
				w.put(fmt.Sprintf("r%02d", i), map[string]any{"name": "bad"})
			}
			s.refuseBad(how)
			run := w.run(syncrun.Start{})
			require.Equal(t, syncrun.Failed, run.State)
			require.Contains(t, run.Errors[0], how)
			require.LessOrEqual(t, len(w.rejected()), 5)
			s.refuseBy(nil)
			w.wait(time.Hour)
			w.finished(syncrun.Start{})
			require.Equal(t, map[string]int{"bad": 30}, s.names())
			require.Equal(t, map[string]int{"bad": 30}, w.names())
			require.Empty(t, w.rejected())
		})
	}
}

// The server fails at one row, and has made it all the same. It knows the attempt again, so
// the row is made once.
func TestARowThatWasMadeWithAnErrorIsMadeOnce(t *testing.T) {
	t.Parallel()
	for _, create := range []string{"", `,"batch":10`} {
		w, s := apiWorld(t, create, nil)
		for i := range 3 {
			w.put(fmt.Sprint("r", i), map[string]any{"name": fmt.Sprint("n", i)})
		}
		failed := false
		s.refuseBy(func(rw http.ResponseWriter, r *http.Request, _ []string) bool {
			if r.Method != http.MethodPost || failed {
				return false
			}
			failed = true
			for _, row := range s.sent {
				s.create(row)
			}
			rw.WriteHeader(500)
			return true
		})
		w.finished(syncrun.Start{})
		w.wait(time.Hour)
		w.finished(syncrun.Start{})
		require.Equal(t, map[string]int{"n0": 1, "n1": 1, "n2": 1}, s.names())
		require.Equal(t, s.names(), w.names())
	}
}

// Changes of rows that are there are no different: the others go on, and the next push sends
// the change again.
func TestARefusedChangeIsAReject(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"422", "403", "500"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, s := apiWorld(t, "", nil)
			for _, name := range []string{"a", "b", "c"} {
				s.theirs(name)
			}
			w.finished(syncrun.Start{})
			w.wait(time.Hour)
			w.put("row-1", map[string]any{"name": "bad"})
			w.put("row-2", map[string]any{"name": "edited"})
			s.refuseBad(how)
			w.ends(syncrun.Start{})
			require.Equal(t, map[string]int{"a": 1, "edited": 1, "c": 1}, s.names())
			require.Equal(t, []string{"row-1"}, keysOf(w.rejected()))
			w.wait(time.Hour)
			s.theirs("later")
			w.ends(syncrun.Start{})
			require.Equal(t, map[string]int{"bad": 1, "edited": 1, "c": 1, "later": 1}, w.names(), "the refused edit is kept")
			w.put("row-1", map[string]any{"name": "corrected"})
			w.finished(syncrun.Start{})
			require.Equal(t, map[string]int{"corrected": 1, "edited": 1, "c": 1, "later": 1}, s.names())
			require.Empty(t, w.rejected())
			require.Zero(t, w.unanswered())
		})
	}
}

// What was sent can no longer be built, because the mapping changed. The record as it is
// settles the creation, and stays as it is on both sides.
func TestACreationIsSettledUnderAnotherMapping(t *testing.T) {
	t.Parallel()
	w, s := apiWorld(t, "", nil)
	w.put("b", map[string]any{"name": "first", "note": "a text"})
	s.refuseBy(func(_ http.ResponseWriter, r *http.Request, _ []string) bool {
		if r.Method == http.MethodPost {
			s.create(s.sent[0])
			panic(http.ErrAbortHandler)
		}
		return false
	})
	require.Equal(t, syncrun.Failed, w.run(syncrun.Start{Method: syncrun.DoPush}).State)
	s.refuseBy(nil)
	w.wait(time.Minute)
	w.put("b", map[string]any{"name": "second", "note": "2026-01-02T03:04:05Z"})
	def, m := *w.def, *w.def.Mapping["item"]
	m.Fields = maps.Clone(m.Fields)
	m.Fields["note"] = mapping.Field{From: "note", Type: "time"}
	def.Mapping = map[string]*mapping.Type{"item": &m}
	_, err := w.defs.Update(t.Context(), "s", &def, "")
	require.NoError(t, err)
	for range 2 {
		w.ends(syncrun.Start{})
		w.wait(time.Hour)
	}
	require.Equal(t, map[string]int{"second": 1}, s.names())
	require.Equal(t, map[string]int{"second": 1}, w.names())
}

// The stand-ins refuse one row of several, with a status that may be about all of them.
func TestARefusedRowOfTheOtherSystems(t *testing.T) {
	t.Parallel()
	village := func(name string, id int) map[string]any {
		return map[string]any{"name": name, "externalIds": map[string]any{"legacyMyWellPincode": "313603", "legacyMyWellVillageId": fmt.Sprint(id + 20)}}
	}
	for name, c := range map[string]struct {
		server   func(mock.Options) *mock.Server
		def      string
		datatype string
		put      func(b *bench, i int, bad bool)
	}{
		"villages": {mock.NewMyWell, wells, "group", func(b *bench, i int, bad bool) {
			b.put("group", fmt.Sprint("v", i), village(map[bool]string{true: "bad", false: fmt.Sprint("village ", i)}[bad], i))
		}},
		"readings": {mock.NewMyWell, wells, "reading", func(b *bench, i int, bad bool) {
			id, data := ourReading(i, map[bool]float64{true: 666, false: 1.5}[bad])
			b.put("reading", id, data)
		}},
		"events": {mock.NewSyncServer, collect, "event", func(b *bench, i int, bad bool) {
			b.put("event", fmt.Sprint("e", i), map[string]any{"guid": fmt.Sprint("e", i), "type": map[bool]string{true: "bad", false: "create"}[bad], "timestamp": b.now().Format(time.RFC3339)})
		}},
	} {
		for _, status := range []int{422, 403, 500} {
			t.Run(fmt.Sprint(name, "/", status), func(t *testing.T) {
				t.Parallel()
				b := between(t, c.server, c.def)
				b.wait(time.Hour)
				b.refuse = func(r *http.Request, body string) (int, string) {
					if r.Method == http.MethodPost && (strings.Contains(body, "bad") || strings.Contains(body, "666")) {
						return status, `{"error":{"message":"it is bad"}}`
					}
					return 0, ""
				}
				for i := range 7 {
					c.put(b, i+1, i == 3)
				}
				for range 2 {
					require.NotEqual(t, syncrun.Finished, b.run(syncrun.Start{}).State)
					require.Len(t, b.mock.Rows(strings.Replace(c.datatype, "group", "village", 1)), 6)
				}
				list, _, err := b.svc.Rejects(t.Context(), "s", "", 10)
				require.NoError(t, err)
				require.Len(t, list, 1)
				require.Contains(t, list[0].Reason, "it is bad")
				c.put(b, 4, false)
				b.finished(syncrun.Start{})
				b.finished(syncrun.Start{})
				require.Len(t, b.mock.Rows(strings.Replace(c.datatype, "group", "village", 1)), 7)
				require.Len(t, b.records(c.datatype), 7)
			})
		}
	}
}
