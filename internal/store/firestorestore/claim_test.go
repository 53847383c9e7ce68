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

// Firestore aborts a commit under contention. That does not mean that the claim exists. A
// service that keeps its events would take ErrConflict for a published message.
func TestAnAbortedClaimIsNoConflict(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	var abort atomic.Int64
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			if _, ok := req.(*firestorepb.CommitRequest); ok && abort.Add(-1) >= 0 {
				return status.Error(codes.Aborted, "too much contention on these documents")
			}
			return invoke(ctx, method, req, reply, cc, opts...)
		}))
	require.NoError(t, err)
	s := openStore(t, project, option.WithGRPCConn(conn))
	now := time.Now().UTC().Truncate(time.Microsecond)
	claim := func() store.Claim {
		return store.Claim{ClaimInfo: store.ClaimInfo{
			ID: event.RandomID(), Service: "s", EventID: event.RandomID(), Date: now, Owner: event.RandomID(),
			State: store.Claimed, NextAttempt: now,
		}}
	}
	c := claim()
	abort.Store(2)
	require.NoError(t, s.Claim(t.Context(), c, nil))
	_, err = s.ClaimByEventID(t.Context(), "s", c.EventID)
	require.NoError(t, err)

	other := c
	other.Owner = event.RandomID()
	abort.Store(1)
	require.ErrorIs(t, s.Claim(t.Context(), other, nil), store.ErrConflict, "it exists")

	abort.Store(1_000_000)
	err = s.Claim(t.Context(), claim(), nil)
	require.Error(t, err)
	require.NotErrorIs(t, err, store.ErrConflict)
}
