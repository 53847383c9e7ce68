package firestorestore

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// queriesSeen counts the queries of a client, and refuses them if refuse is set, as Firestore
// refuses one on a field without an index.
type queriesSeen struct {
	n      atomic.Int64
	refuse atomic.Bool
}

func (q *queriesSeen) intercept(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == firestorepb.Firestore_RunQuery_FullMethodName {
		q.n.Add(1)
		if q.refuse.Load() {
			return nil, status.Error(codes.FailedPrecondition, "the query requires an index")
		}
	}
	return streamer(ctx, d, cc, method, opts...)
}

// openWatched opens a store of an empty project, and counts its queries.
func openWatched(t *testing.T) (*Store, *queriesSeen) {
	t.Helper()
	host, project := emulator.Firestore(t)
	seen := &queriesSeen{}
	conn, err := emulator.DialFirestore(host, grpc.WithChainStreamInterceptor(seen.intercept))
	require.NoError(t, err)
	return openStore(t, project, option.WithGRPCConn(conn)), seen
}

// expire stores an event for each of n services, and a document. All of them have expired.
func expire(t *testing.T, s *Store, n int, now time.Time) {
	t.Helper()
	for i := range n {
		e := event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now}
		r := s.Append(t.Context(), []store.Append{{
			Event: e, Endpoint: store.Endpoint{Service: string(rune('a' + i)), Key: "a"}, Attempt: event.RandomID(), ExpireAt: now.Add(-time.Hour),
		}})
		require.NoError(t, r[0].Err)
	}
	_, err := s.Commit(t.Context(), []store.Write{{
		Collection: store.Collection{Kind: "runs", Scope: "s"}, Doc: store.Doc{ID: "r", ExpireAt: now.Add(-time.Hour)}, Any: true,
	}})
	require.NoError(t, err)
}

// Each purge looks into a few services. Together they come round, then rest for a while, and
// begin again.
func TestPurgeGoesRoundAndRests(t *testing.T) {
	t.Parallel()
	s, seen := openWatched(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	wall := now
	s.wall = func() time.Time { return wall }
	s.purger.owners = 2
	expire(t, s, 5, now)
	total := 0
	for range 10 {
		seen.n.Store(0)
		n, err := s.Purge(t.Context(), now, 100)
		require.NoError(t, err)
		require.LessOrEqual(t, n, 4)
		require.LessOrEqual(t, seen.n.Load(), int64(2*2+2))
		total += n
	}
	require.Equal(t, 6, total)
	require.Zero(t, seen.n.Load(), "it rests")
	expire(t, s, 1, now)
	wall = wall.Add(purgeEvery)
	n, err := s.Purge(t.Context(), now, 100)
	require.NoError(t, err)
	require.Equal(t, 2, n)
}

// Where a TTL policy has taken the field's index, Firestore refuses the query. The policy does
// the work then, and no further query is made.
func TestPurgeLeavesItToThePolicy(t *testing.T) {
	t.Parallel()
	s, seen := openWatched(t)
	now := time.Now().UTC().Truncate(time.Microsecond)
	expire(t, s, 1, now)
	seen.refuse.Store(true)
	for range 3 {
		n, err := s.Purge(t.Context(), now, 100)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	require.Equal(t, int64(3), seen.n.Load(), "one for each name")
}
