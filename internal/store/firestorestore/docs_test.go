package firestorestore

import (
	"context"
	"strings"
	"testing"

	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/emulator"
	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/store/storetest"
)

func TestDocs(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	lost := &lostAnswers{}
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(lost.intercept))
	require.NoError(t, err)
	shared := openStore(t, project, option.WithGRPCConn(conn))
	storetest.RunDocs(t, func(*testing.T) store.Docs { return shared }, storetest.DocsProbe{
		InjectLostAnswer: func(_ *testing.T, _ store.Docs, scope string) { lost.next(docID(scope)) },
	})
}

// The caller's time ends right after the commit, and another writer has changed one of the
// documents by then. Commit still finds out that it succeeded.
func TestDocsCommitWhoseCallerLeft(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	col := store.Collection{Kind: "runs", Scope: "s"}
	other := openStore(t, project)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(
		func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			err := invoke(ctx, method, req, reply, cc, opts...)
			if _, ok := req.(*firestorepb.CommitRequest); !ok || err != nil {
				return err
			}
			if _, err := other.Commit(t.Context(), []store.Write{{Collection: col, Doc: store.Doc{ID: "a"}, Any: true}}); err != nil {
				return err
			}
			cancel()
			return status.FromContextError(ctx.Err()).Err()
		}))
	require.NoError(t, err)
	s := openStore(t, project, option.WithGRPCConn(conn))

	revs, err := s.Commit(ctx, []store.Write{{Collection: col, Doc: store.Doc{ID: "a"}}, {Collection: col, Doc: store.Doc{ID: "b"}}})
	require.NoError(t, err)
	docs, err := other.Get(t.Context(), col, []string{"a", "b"})
	require.NoError(t, err)
	require.NotEqual(t, revs[0], docs[0].Rev)
	require.Equal(t, revs[1], docs[1].Rev)
}

// Encoded names sort like the ids, differ for different ids, and are valid in Firestore.
func TestEncodeID(t *testing.T) {
	t.Parallel()
	ids := rapid.OneOf(
		rapid.StringN(1, 8, maxIDBytes),
		rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]byte("\x00,-./09:;=@AZ[^_`az{~\x7f\x80\xff")), 1, 6), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{".", "..", "__id7__", "__", strings.Repeat("/", maxIDBytes), strings.Repeat("_", maxIDBytes)}),
	)
	rapid.Check(t, func(t *rapid.T) {
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		if rapid.Bool().Draw(t, "same start") {
			b = a[:rapid.IntRange(0, len(a)).Draw(t, "length")] + b
		}
		x, y := encodeID(a), encodeID(b)
		require.Equal(t, strings.Compare(a, b), strings.Compare(x, y), "%q, %q", x, y)
		got, err := decodeID(x)
		require.NoError(t, err)
		require.Equal(t, a, got)
		require.LessOrEqual(t, len(encodeID(a)), 1500)
		require.Equal(t, -1, strings.IndexFunc(x, func(r rune) bool { return r <= ' ' || r > '~' || r == '/' }), "%q", x)
		require.False(t, strings.HasPrefix(x, "__"), x)
		require.NotContains(t, []string{".", ".."}, x)
	})
}

func TestReadableIDsStaySo(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "well_117", "2026-01-02T03:04:05Z", "0f8fad5b-d9cb-469f-a165-70867728950e"} {
		require.Equal(t, id, encodeID(id))
	}
	for _, bad := range []string{"a/b", "a+x", "a.!!"} {
		_, err := decodeID(bad)
		require.Error(t, err, bad)
	}
}
