package firestorestore

import (
	"context"
	"strings"
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
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/storetest"
)

func openStore(t testing.TB, project string, opts ...option.ClientOption) *Store {
	t.Helper()
	s, err := Open(t.Context(), Options{Project: project, ClientOptions: opts, CallTimeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	lost := &lostAnswers{}
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(lost.intercept), grpc.WithChainStreamInterceptor(oneField(t)))
	require.NoError(t, err)
	shared := openStore(t, project, option.WithGRPCConn(conn))
	open := func(t *testing.T) store.Store {
		if !strings.Contains(t.Name(), "Purge") {
			return shared
		}
		_, project := emulator.Firestore(t) // a purge looks into every service
		s := openStore(t, project)
		s.purger.every = 0
		return s
	}
	storetest.Run(t, open, storetest.Probe{
		MaxEventBytes: 3 << 20, // the emulator's gRPC takes 4 MiB, production's 10 MiB
		TooLargeBytes: maxEventBytes + 1,
		HasTime:       true,
		InjectLostAnswer: func(_ *testing.T, _ store.Store, service string) {
			lost.next(docID(service))
		},
		EventExpireAt: func(t *testing.T, s store.Store, service, id string) time.Time {
			d, err := s.(*Store).event(service, id).Get(t.Context())
			require.NoError(t, err)
			at, err := d.DataAt("expireAt")
			require.NoError(t, err)
			return at.(time.Time)
		},
		ClaimExpireAt: func(t *testing.T, s store.Store, service, id string) time.Time {
			d, err := s.(*Store).claimRef(service, id).Get(t.Context())
			require.NoError(t, err)
			at, err := d.DataAt("expireAt")
			if err != nil {
				return time.Time{}
			}
			return at.(time.Time)
		},
		Refusing: func(t *testing.T) (store.Store, func(bool)) {
			var refusing atomic.Bool
			conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(
				func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
					if _, ok := req.(*firestorepb.CommitRequest); ok && refusing.Load() {
						return status.Error(codes.PermissionDenied, "this account may only read")
					}
					return invoke(ctx, method, req, reply, cc, opts...)
				}))
			require.NoError(t, err)
			return openStore(t, project, option.WithGRPCConn(conn)), refusing.Store
		},
	})
}

func BenchmarkStore(b *testing.B) {
	_, project := emulator.Firestore(b)
	storetest.Bench(b, func(b *testing.B) store.Store { return openStore(b, project) })
}
