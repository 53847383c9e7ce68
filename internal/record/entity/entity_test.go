package entity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/record/entity"
	"github.com/headgate/headgate/internal/store/drivertest"
)

type changed struct {
	mu  sync.Mutex
	ids []string
}

func newService(t *testing.T) (*entity.Service, *changed) {
	t.Helper()
	st := drivertest.SQLite(t)
	c := new(changed)
	return entity.New(entity.Options{Docs: st, Now: time.Now, Changed: func(_ context.Context, org, typ string, ids []string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, id := range ids {
			c.ids = append(c.ids, org+"/"+typ+"/"+id)
		}
	}}), c
}

func TestVersions(t *testing.T) {
	t.Parallel()
	s, c := newService(t)
	ctx := t.Context()
	e, created, err := s.Put(ctx, "o", "t", "1", map[string]any{"a": 1}, "", false)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, `"1"`, e.ETag())
	e, created, err = s.Put(ctx, "o", "t", "1", map[string]any{"a": 1.0}, "", false)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, int64(1), e.Version, "nothing changed")
	require.Len(t, c.ids, 1)
	e, err = s.Patch(ctx, "o", "t", "1", map[string]any{"b": 2}, `"1"`)
	require.NoError(t, err)
	require.JSONEq(t, `{"a":1,"b":2}`, string(e.Data))
	for _, stale := range []string{`"1"`, `"7"`, `nonsense`} {
		_, err = s.Patch(ctx, "o", "t", "1", map[string]any{"b": 3}, stale)
		require.Equal(t, fault.PreconditionFailed, fault.CodeOf(err), stale)
		require.Equal(t, fault.PreconditionFailed, fault.CodeOf(s.Delete(ctx, "o", "t", "1", stale)))
	}
	_, _, err = s.Put(ctx, "o", "t", "1", map[string]any{}, "", true)
	require.Equal(t, fault.PreconditionFailed, fault.CodeOf(err))
	require.NoError(t, s.Delete(ctx, "o", "t", "1", `"2"`))
	_, err = s.Get(ctx, "o", "t", "1")
	require.Equal(t, fault.Gone, fault.CodeOf(err))
	_, err = s.Patch(ctx, "o", "t", "1", map[string]any{"b": 3}, "")
	require.Equal(t, fault.NotFound, fault.CodeOf(err))
	e, created, err = s.Put(ctx, "o", "t", "1", map[string]any{"again": true}, "", true)
	require.NoError(t, err)
	require.True(t, created)
	require.Equal(t, int64(4), e.Version, "versions continue, so the new record is not taken for the old one")
	require.Equal(t, []string{"o/t/1", "o/t/1", "o/t/1", "o/t/1"}, c.ids)
}

// If-Match is a list that must contain the record's strong ETag (RFC 9110, 13.1.1).
func TestIfMatch(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	_, _, err := s.Put(t.Context(), "o", "t", "1", map[string]any{"a": 1}, "*", false)
	require.Equal(t, fault.PreconditionFailed, fault.CodeOf(err), "* matches only a record that exists")
	_, _, err = s.Put(t.Context(), "o", "t", "1", map[string]any{"a": 1}, "", false)
	require.NoError(t, err)
	for _, match := range []string{`*`, `"1"`, `"1", "2"`, `"2","1"`, `"2" , , "1",`, `W/"1", "1"`, "\t\"1\""} {
		_, _, err = s.Put(t.Context(), "o", "t", "1", map[string]any{"a": 1}, match, false)
		require.NoError(t, err, match)
	}
	for _, match := range []string{`"2"`, `"2", "3"`, `W/"1"`, `1`, `"1`, `"2,1"`, `"11"`, `, ,`, `"*"`} {
		_, _, err = s.Put(t.Context(), "o", "t", "1", map[string]any{"a": 1}, match, false)
		require.Equal(t, fault.PreconditionFailed, fault.CodeOf(err), match)
	}
}

// Of sixteen concurrent patches, none is lost.
func TestConcurrentPatches(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	_, _, err := s.Put(t.Context(), "o", "t", "1", map[string]any{}, "", false)
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			_, err := s.Patch(context.Background(), "o", "t", "1", map[string]any{fmt.Sprint("f", i): i}, "")
			require.NoError(t, err)
		})
	}
	all.Wait()
	e, err := s.Get(t.Context(), "o", "t", "1")
	require.NoError(t, err)
	require.Equal(t, int64(17), e.Version)
	var data map[string]int
	require.NoError(t, json.Unmarshal(e.Data, &data))
	require.Len(t, data, 16)
}

func TestList(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	for i := range 10 {
		_, _, err := s.Put(t.Context(), "o", "t", fmt.Sprint("r", i), map[string]any{"i": i}, "", false)
		require.NoError(t, err)
	}
	_, _, err := s.Put(t.Context(), "o/t", "t", "other", map[string]any{}, "", false)
	require.NoError(t, err)
	for _, id := range []string{"r0", "r4", "r9"} {
		require.NoError(t, s.Delete(t.Context(), "o", "t", id, ""))
	}
	var ids []string
	for after := ""; ; {
		list, next, err := s.List(t.Context(), "o", "t", after, 3, false)
		require.NoError(t, err)
		for _, e := range list {
			ids = append(ids, e.ID)
		}
		if after = next; next == "" {
			break
		}
	}
	require.Equal(t, []string{"r1", "r2", "r3", "r5", "r6", "r7", "r8"}, ids)
	list, _, err := s.List(t.Context(), "o", "t", "", 100, true)
	require.NoError(t, err)
	require.Len(t, list, 10)
	require.True(t, list[0].Deleted)
	require.Nil(t, list[0].Data)
}

func TestNames(t *testing.T) {
	t.Parallel()
	s, _ := newService(t)
	long := string(make([]byte, 1001))
	for _, n := range [][3]string{{"", "t", "i"}, {"o", "", "i"}, {"o", "t", ""}, {long, "t", "i"}, {"o", long, "i"}, {"o", "t", long}} {
		_, err := s.Get(t.Context(), n[0], n[1], n[2])
		require.Equal(t, fault.Invalid, fault.CodeOf(err))
	}
	for _, id := range []string{"a/b", "ü 🌊", "..", "a\x00b", "%2F"} {
		_, _, err := s.Put(t.Context(), id, id, id, map[string]any{"id": id}, "", true)
		require.NoError(t, err, "%q", id)
		e, err := s.Get(t.Context(), id, id, id)
		require.NoError(t, err)
		require.Equal(t, id, e.ID)
	}
}
