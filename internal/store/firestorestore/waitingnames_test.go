package firestorestore

import (
	"bytes"
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// Both the names and the packed pointers sort by the window's time, whatever it is.
func TestPointersOfAKeySortByTime(t *testing.T) {
	t.Parallel()
	s := openStore(t, "nobody-is-called", option.WithoutAuthentication())
	names := namesOf(s.waitingSet(store.Endpoint{Service: "s", Key: "a"}), "k")
	times := []int64{math.MinInt64, time.Time{}.UnixMicro(), -1, 0, 1, time.Now().UnixMicro(), math.MaxInt64}
	for i, a := range times {
		for j, b := range times {
			v := store.Waiting{Ref: event.Ref{ID: strings.Repeat("f", event.IDLen)}, At: time.UnixMicro(a)}
			w := store.Waiting{Ref: event.Ref{ID: strings.Repeat("0", event.IDLen)}, At: time.UnixMicro(b)}
			pv, err := packWaiting(v)
			require.NoError(t, err)
			pw, err := packWaiting(w)
			require.NoError(t, err)
			want := cmp.Compare(i, j)
			if i == j {
				want = 1 // by id
			}
			require.Equal(t, want, bytes.Compare(pv, pw), "%d %d", a, b)
			require.Equal(t, want, strings.Compare(names.doc(v).ID, names.doc(w).ID), "%d %d", a, b)
		}
	}
}

func TestAPackedPointerIsReadBack(t *testing.T) {
	t.Parallel()
	for _, w := range []store.Waiting{
		{},
		{Key: "ä\x00\xff"},
		{Key: strings.Repeat("k", store.MaxKeyBytes), Slot: strings.Repeat("0a", 64)},
	} {
		w.Ref = event.Ref{ID: event.RandomID(), ReceivedAt: micros(5), Size: 77}
		w.At, w.First = micros(-7), micros(-9)
		b, err := packWaiting(w)
		require.NoError(t, err)
		require.LessOrEqual(t, len(b), 1500, "the index compares no more")
		got, err := unpackWaiting(b)
		require.NoError(t, err)
		require.Equal(t, w, got)
		for n := range packed + len(w.Slot) {
			_, err := unpackWaiting(b[:n])
			require.Error(t, err)
		}
	}
	_, err := packWaiting(store.Waiting{Ref: event.Ref{ID: "no id"}})
	require.Error(t, err)
	_, err = packWaiting(store.Waiting{Ref: event.Ref{ID: event.RandomID()}, Slot: strings.Repeat("0", 256)})
	require.Error(t, err)
}

func TestNextSortsAfterThePrefix(t *testing.T) {
	t.Parallel()
	require.Equal(t, []byte{1, 3}, next([]byte{1, 2}))
	require.Equal(t, []byte{2, 0}, next([]byte{1, 0xff}))
	require.Nil(t, next([]byte{0xff, 0xff}))
}

// All pointers of a key are in one shard, and no document of one key or slot is another's.
func TestKeysAndSlotsHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := openStore(t, "nobody-is-called", option.WithoutAuthentication())
	seen := map[string]bool{}
	used := map[string]bool{}
	set := s.waitingSet(store.Endpoint{Service: "s", Key: "a", Shards: 3})
	id := event.RandomID()
	for _, key := range []string{"", "a", "A", "a/b", "a~0a", "a.", strings.Repeat("k", store.MaxKeyBytes)} {
		names := namesOf(set, key)
		used[names.col.Path] = true
		for _, slot := range []string{"", "0a", "0b"} {
			ref := names.doc(store.Waiting{Ref: event.Ref{ID: id}, Slot: slot})
			require.Equal(t, names.col.Path, ref.Parent.Path)
			require.False(t, seen[ref.Path])
			seen[ref.Path] = true
		}
	}
	require.Greater(t, len(used), 1)
	for _, col := range s.shards(store.Endpoint{Service: "s", Key: "a", Shards: 3}) {
		require.False(t, used[col.Path])
	}
}
