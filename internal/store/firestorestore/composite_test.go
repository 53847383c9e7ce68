package firestorestore

import (
	"context"
	"testing"

	"cloud.google.com/go/firestore"
	"cloud.google.com/go/firestore/apiv1/firestorepb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
)

// oneField fails the test if a query that is sent to Firestore needs a composite index: one
// that filters or orders by two fields, or by a field and the name in opposite directions. The
// emulator answers such a query, and production does not.
func oneField(t testing.TB) grpc.StreamClientInterceptor {
	return func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, stream grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := stream(ctx, desc, cc, method, opts...)
		return watchedQueries{s, t}, err
	}
}

type watchedQueries struct {
	grpc.ClientStream
	t testing.TB
}

func (w watchedQueries) SendMsg(m any) error {
	var q *firestorepb.StructuredQuery
	switch req := m.(type) {
	case *firestorepb.RunQueryRequest:
		q = req.GetStructuredQuery()
	case *firestorepb.RunAggregationQueryRequest:
		q = req.GetStructuredAggregationQuery().GetStructuredQuery()
	}
	if q != nil && composite(q) {
		w.t.Errorf("a query needs a composite index: %s", prototext.Format(q))
	}
	return w.ClientStream.SendMsg(m)
}

const nameField = "__name__"

func composite(q *firestorepb.StructuredQuery) bool {
	fields := map[string]bool{}
	filtered(q.GetWhere(), fields)
	direction := firestorepb.StructuredQuery_DIRECTION_UNSPECIFIED
	for _, o := range q.GetOrderBy() {
		if direction != firestorepb.StructuredQuery_DIRECTION_UNSPECIFIED && o.GetDirection() != direction {
			return true
		}
		direction = o.GetDirection()
		fields[o.GetField().GetFieldPath()] = true
	}
	descendingNames := len(fields) == 1 && fields[nameField] && direction == firestorepb.StructuredQuery_DESCENDING
	delete(fields, nameField)
	return len(fields) > 1 || descendingNames
}

// filtered adds the fields of a filter.
func filtered(f *firestorepb.StructuredQuery_Filter, fields map[string]bool) {
	for _, part := range f.GetCompositeFilter().GetFilters() {
		filtered(part, fields)
	}
	if one := f.GetFieldFilter(); one != nil {
		fields[one.GetField().GetFieldPath()] = true
	}
	if one := f.GetUnaryFilter(); one != nil {
		fields[one.GetField().GetFieldPath()] = true
	}
}

func TestComposite(t *testing.T) {
	t.Parallel()
	client, err := firestore.NewClient(t.Context(), "nobody", option.WithoutAuthentication()) // it is never called
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, client.Close()) })
	col := client.Collection("c")
	for want, queries := range map[bool][]firestore.Query{
		false: {
			col.Where("a", "==", 1), col.OrderBy("a", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc),
			col.Where("a", ">", 1).Where("a", "<", 2).OrderBy("a", firestore.Asc), col.OrderBy(firestore.DocumentID, firestore.Asc),
		},
		true: {
			col.Where("a", "==", 1).OrderBy("b", firestore.Asc), col.Where("a", "==", 1).Where("b", "==", nil), col.OrderBy(firestore.DocumentID, firestore.Desc),
			col.OrderBy("a", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Asc),
		},
	} {
		for _, q := range queries {
			b, err := q.Serialize()
			require.NoError(t, err)
			var req firestorepb.RunQueryRequest
			require.NoError(t, proto.Unmarshal(b, &req))
			require.Equal(t, want, composite(req.GetStructuredQuery()), prototext.Format(&req))
		}
	}
}
