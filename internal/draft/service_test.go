package draft_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/draft"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/store/sqlitestore"
)

// source is a Source in memory, which others change as well.
type source struct {
	mu      sync.Mutex
	rows    draft.Rows
	version int
}

func (s *source) Fetch(context.Context) (draft.Rows, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s.rows)
	if err != nil {
		return nil, "", err
	}
	var rows draft.Rows
	return rows, fmt.Sprint(s.version), json.Unmarshal(b, &rows)
}

func (s *source) Save(_ context.Context, rows, _ draft.Rows, version string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if version != fmt.Sprint(s.version) {
		return nil, draft.ErrSourceChanged
	}
	s.rows, s.version = draft.New(rows).Draft, s.version+1
	return nil, nil
}

// set changes a field at the source.
func (s *source) set(id, field, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = draft.New(s.rows).Edit(map[string]draft.Row{id: {field: value}}).Draft
	s.version++
}

func (s *source) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rows = draft.New(s.rows).Edit(map[string]draft.Row{id: nil}).Draft
	s.version++
}

// Two people edit a draft, and a third changes the source, in any order. No change at the
// source is overwritten before the draft has shown it, and in the end all agree.
func TestAnyInterleavingConverges(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		st, err := sqlitestore.Open(context.Background(), filepath.Join(t.TempDir(), fmt.Sprint(rapid.Int().Draw(r, "file"))+".db"))
		require.NoError(r, err)
		defer st.Close()
		src := &source{rows: draft.Rows{"1": {"name": "a"}, "2": {"name": "b"}}}
		shown := map[string]bool{"1 name a": true, "2 name b": true} // values that a person saw
		client := func() *draft.Service {
			return draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": src}})
		}
		clients := []*draft.Service{client(), client()}
		ctx := context.Background()
		look := func(v *draft.View) {
			if v == nil {
				return
			}
			for id, row := range v.Incoming {
				for f, value := range row {
					shown[fmt.Sprint(id, " ", f, " ", value)] = true
				}
			}
		}
		ids, fields := rapid.SampledFrom([]string{"1", "2", "3"}), rapid.SampledFrom([]string{"name", "note"})
		for n := range rapid.IntRange(1, 25).Draw(r, "steps") {
			c := clients[n%2]
			id, field := ids.Draw(r, "id"), fields.Draw(r, "field")
			var v *draft.View
			var err error
			switch rapid.SampledFrom([]string{"edit", "edit", "remove", "outside", "outside", "gone", "signal", "accept", "keep", "save", "discard"}).Draw(r, "step") {
			case "edit":
				v, err = c.Edit(ctx, "d", "me", map[string]draft.Row{id: {field: fmt.Sprint("ours ", n)}})
			case "remove":
				v, err = c.Edit(ctx, "d", "me", map[string]draft.Row{id: nil})
			case "outside":
				src.set(id, field, fmt.Sprint("theirs ", n))
			case "gone":
				src.remove(id)
			case "signal":
				v, err = c.Refresh(ctx, "d")
			case "accept":
				v, err = c.Accept(ctx, "d", draft.Decision{Row: id})
			case "keep":
				v, err = c.Keep(ctx, "d", draft.Decision{})
			case "discard":
				v, err = c.Discard(ctx, "d", "me")
			case "save":
				before, _, fetchErr := src.Fetch(ctx)
				require.NoError(r, fetchErr)
				v, err = c.Save(ctx, "d", "me")
				after, _, fetchErr := src.Fetch(ctx)
				require.NoError(r, fetchErr)
				if err != nil {
					require.Equal(r, fault.Conflict, fault.CodeOf(err))
					require.Equal(r, before, after, "a refused save changes nothing")
					err = nil
					break
				}
				for id, row := range before {
					for f, value := range row {
						if after[id][f] != value {
							require.True(r, shown[fmt.Sprint(id, " ", f, " ", value)], "%s.%s=%v was overwritten, and nobody saw it", id, f, value)
						}
					}
				}
			}
			require.NoError(r, err)
			look(v)
		}
		for {
			v, err := clients[0].Refresh(ctx, "d")
			require.NoError(r, err)
			if v == nil {
				return // nobody ever opened the draft
			}
			_, err = clients[1].Keep(ctx, "d", draft.Decision{})
			require.NoError(r, err)
			if _, err = clients[0].Save(ctx, "d", "me"); err == nil {
				break
			}
		}
		rows, _, err := src.Fetch(ctx)
		require.NoError(r, err)
		for _, c := range clients {
			v, err := c.Get(ctx, "d")
			require.NoError(r, err)
			require.Equal(r, rows, v.Draft.Draft)
			require.Equal(r, rows, v.Saved)
			require.Empty(r, v.Flags)
		}
	})
}

// Both sides removed the same rows: a save sends nothing and leaves nothing to save.
func TestBothSidesMadeTheSameChange(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	src := &source{rows: draft.Rows{"1": {"name": "a"}}}
	s := draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": src}})
	_, err := s.Edit(t.Context(), "d", "me", map[string]draft.Row{"1": nil})
	require.NoError(t, err)
	src.remove("1")
	v, err := s.Save(t.Context(), "d", "me")
	require.NoError(t, err)
	require.Empty(t, v.Saved)
	require.Empty(t, v.Incoming)
	require.Equal(t, 1, src.version, "it was not written to")
}

// Sixteen people edit at once, and no edit is lost.
func TestConcurrentEdits(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	src := &source{rows: draft.Rows{"1": {}}}
	told := 0
	var mu sync.Mutex
	s := draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": src}, Changed: func(context.Context, string) {
		mu.Lock()
		defer mu.Unlock()
		told++
	}})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, err := s.Edit(context.Background(), "d", "me", map[string]draft.Row{"1": {fmt.Sprint("f", i): i}})
			require.NoError(t, err)
		})
	}
	all.Wait()
	v, err := s.Get(t.Context(), "d")
	require.NoError(t, err)
	require.Len(t, v.Draft.Draft["1"], 16)
	require.Equal(t, int64(17), v.Version)
	require.Equal(t, 16, told)
}

// slow is a source whose next answer takes so long that something else happens meanwhile.
type slow struct {
	*source
	meanwhile func()
	afterSave func()
}

func (s *slow) Fetch(ctx context.Context) (draft.Rows, string, error) {
	rows, version, err := s.source.Fetch(ctx)
	if f := s.meanwhile; f != nil {
		s.meanwhile = nil
		f()
	}
	return rows, version, err
}

func (s *slow) Save(ctx context.Context, rows, seen draft.Rows, version string) (map[string]string, error) {
	defer s.afterSave()
	return s.source.Save(ctx, rows, seen, version)
}

// Rows that were fetched earlier but arrive later do not replace newer rows, neither in a
// refresh nor after a save.
func TestAnOlderListArrivesLast(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	src := &slow{source: &source{rows: draft.Rows{"1": {"name": "a", "note": "n"}}}, afterSave: func() {}}
	s := draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": src}})
	_, err := s.Get(t.Context(), "d")
	require.NoError(t, err)
	newer := func(value string) func() {
		return func() {
			src.set("1", "note", value)
			v, err := s.Refresh(t.Context(), "d")
			require.NoError(t, err)
			require.Equal(t, value, v.Incoming["1"]["note"])
		}
	}
	src.set("1", "note", "older")
	src.meanwhile = newer("newer")
	v, err := s.Refresh(t.Context(), "d")
	require.NoError(t, err)
	require.Equal(t, "newer", v.Incoming["1"]["note"])

	_, err = s.Accept(t.Context(), "d", draft.Decision{})
	require.NoError(t, err)
	_, err = s.Edit(t.Context(), "d", "me", map[string]draft.Row{"1": {"name": "ours"}})
	require.NoError(t, err)
	src.afterSave = func() { src.meanwhile = newer("newest") }
	v, err = s.Save(t.Context(), "d", "me")
	require.NoError(t, err)
	require.Equal(t, "newest", v.Incoming["1"]["note"])
	require.Len(t, v.Flags, 1, "the newest change is flagged, for nobody has seen it")
	require.Equal(t, "ours", v.Incoming["1"]["name"])
}

// Numbers that a float64 cannot hold stay exact, and 1 equals 1.0.
func TestNumbersStayExact(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	list := `{"taskList":{"1":{"name":"a","priority":9007199254740993,"weight":1.0}}}`
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			list = string(b)
		}
		_, _ = io.WriteString(w, list)
	}))
	t.Cleanup(outside.Close)
	s := draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": &draft.External{HTTP: outside.Client(), URL: outside.URL, List: "l"}}})
	v, err := s.Edit(t.Context(), "d", "me", map[string]draft.Row{"1": {"weight": 1}})
	require.NoError(t, err)
	require.False(t, v.Edited)
	_, err = s.Edit(t.Context(), "d", "me", map[string]draft.Row{"1": {"name": "b"}})
	require.NoError(t, err)
	v, err = s.Save(t.Context(), "d", "me")
	require.NoError(t, err)
	require.Empty(t, v.Flags)
	require.Contains(t, list, `"priority":9007199254740993`)
}

// Save does not use a weak ETag, because it would never match.
func TestWeakETags(t *testing.T) {
	t.Parallel()
	st := drivertest.SQLite(t)
	list := `{"taskList":{"1":{"name":"a"}}}`
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("If-Match") != "" {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		w.Header().Set("ETag", `W/"1"`)
		if r.Method == http.MethodPost {
			b, _ := io.ReadAll(r.Body)
			list = string(b)
		}
		_, _ = io.WriteString(w, list)
	}))
	t.Cleanup(outside.Close)
	s := draft.NewService(draft.Options{Docs: st, Sources: map[string]draft.Source{"d": &draft.External{HTTP: outside.Client(), URL: outside.URL, List: "l"}}})
	_, err := s.Edit(t.Context(), "d", "me", map[string]draft.Row{"1": {"name": "b"}})
	require.NoError(t, err)
	_, err = s.Save(t.Context(), "d", "me")
	require.NoError(t, err)
	require.Contains(t, list, `"b"`)
	list = `{"taskList":{"1":null}}`
	_, err = s.Refresh(t.Context(), "d")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}
