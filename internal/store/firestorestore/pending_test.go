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

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// countedStream counts the documents that a query returns, which are billed.
type countedStream struct {
	grpc.ClientStream
	n *atomic.Int64
}

func (s countedStream) RecvMsg(m any) error {
	err := s.ClientStream.RecvMsg(m)
	if r, ok := m.(*firestorepb.RunQueryResponse); ok && err == nil && r.GetDocument() != nil {
		s.n.Add(1)
	}
	return err
}

func TestStaleReadsNoMoreThanItReturns(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	var read atomic.Int64
	conn, err := emulator.DialFirestore(host, grpc.WithChainStreamInterceptor(
		func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			s, err := open(ctx, d, cc, method, opts...)
			return countedStream{s, &read}, err
		}))
	require.NoError(t, err)
	s := openStore(t, project, option.WithGRPCConn(conn))
	now := time.Now().UTC().Truncate(time.Microsecond)
	ep := store.Endpoint{Service: "s", Key: "a", Shards: 8}
	reqs := make([]store.Append, 160)
	for i := range reqs {
		reqs[i] = store.Append{
			Event:    event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now},
			Endpoint: ep, Attempt: event.RandomID(), ExpireAt: now.Add(time.Hour),
		}
	}
	for _, r := range s.Append(t.Context(), reqs) {
		require.NoError(t, r.Err)
	}
	for limit, want := range map[int]int{1: 1, 50: 50, 160: 160, 500: 160} {
		read.Store(0)
		ps, err := s.Stale(t.Context(), ep, now, limit)
		require.NoError(t, err)
		require.Len(t, ps, want)
		require.EqualValues(t, want, read.Load(), "limit %d", limit)
	}
}
