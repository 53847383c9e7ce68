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

// If Keep fails between two commits, a repeated call still keeps the rest.
func TestKeepContinuesAfterAFailure(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	var commits, most atomic.Int64
	most.Store(1 << 30)
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if _, ok := req.(*firestorepb.CommitRequest); ok && commits.Add(1) > most.Load() {
				return status.Error(codes.PermissionDenied, "no")
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
	require.NoError(t, err)
	s := openStore(t, project, option.WithGRPCConn(conn))
	now := time.Now().UTC().Truncate(time.Microsecond)
	reqs, members := make([]store.Append, 3*namesAtOnce), make([]store.Member, 3*namesAtOnce)
	for i := range reqs {
		e := event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now}
		reqs[i] = store.Append{Event: e, Endpoint: store.Endpoint{Service: "s", Key: "a"}, Attempt: event.RandomID(), ExpireAt: now.Add(time.Hour)}
		members[i] = e.Ref()
	}
	for _, r := range s.Append(t.Context(), reqs) {
		require.NoError(t, r.Err)
	}
	until := now.Add(24 * time.Hour)
	for cut := range int64(2) { // events that an earlier call kept need no commit
		commits.Store(0)
		most.Store(cut)
		require.Error(t, s.Keep(t.Context(), "s", members, until))
	}
	most.Store(1 << 30)
	require.NoError(t, s.Keep(t.Context(), "s", members, until))
	for _, m := range members {
		d, err := s.event("s", m.ID).Get(t.Context())
		require.NoError(t, err)
		at, err := d.DataAt("expireAt")
		require.NoError(t, err)
		require.True(t, until.Equal(at.(time.Time)))
	}
}
