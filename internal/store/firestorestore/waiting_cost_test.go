package firestorestore

import (
	"context"
	"fmt"
	"sync"
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

// bill counts what Firestore bills, and the queries.
type bill struct{ Writes, Deletes, Gets, Queries, Found int }

type meter struct {
	mu sync.Mutex
	bill
}

func (m *meter) add(b bill) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Writes += b.Writes
	m.Deletes += b.Deletes
	m.Gets += b.Gets
	m.Queries += b.Queries
	m.Found += b.Found
}

// take returns what was counted since the last call.
func (m *meter) take() bill {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.bill
	m.bill = bill{}
	return b
}

func (m *meter) unary(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if commit, ok := req.(*firestorepb.CommitRequest); ok {
		for _, w := range commit.GetWrites() {
			if w.GetDelete() != "" {
				m.add(bill{Deletes: 1})
			} else {
				m.add(bill{Writes: 1})
			}
		}
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

func (m *meter) stream(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	s, err := open(ctx, d, cc, method, opts...)
	return meteredStream{s, m}, err
}

type meteredStream struct {
	grpc.ClientStream
	m *meter
}

func (s meteredStream) SendMsg(req any) error {
	switch r := req.(type) {
	case *firestorepb.BatchGetDocumentsRequest:
		s.m.add(bill{Gets: len(r.GetDocuments())})
	case *firestorepb.RunQueryRequest:
		s.m.add(bill{Queries: 1})
	}
	return s.ClientStream.SendMsg(req)
}

func (s meteredStream) RecvMsg(reply any) error {
	err := s.ClientStream.RecvMsg(reply)
	if r, ok := reply.(*firestorepb.RunQueryResponse); ok && err == nil && r.GetDocument() != nil {
		s.m.add(bill{Found: 1})
	}
	return err
}

// The cost of an event with a key, of a check and of a claim depends neither on other keys
// nor on the number of shards.
func TestWhatAKeyCosts(t *testing.T) {
	t.Parallel()
	host, project := emulator.Firestore(t)
	var m meter
	conn, err := emulator.DialFirestore(host, grpc.WithChainUnaryInterceptor(m.unary), grpc.WithChainStreamInterceptor(m.stream))
	require.NoError(t, err)
	s := openStore(t, project, option.WithGRPCConn(conn))
	now := time.Now().UTC().Truncate(time.Microsecond)
	ep := store.Endpoint{Service: "s", Key: "a", Shards: 4}
	request := func(key, slot string) store.Append {
		now = now.Add(time.Microsecond)
		return store.Append{
			Event:    event.Event{ID: event.RandomID(), Key: "a", ReceivedAt: now},
			Endpoint: ep, Attempt: event.RandomID(), ExpireAt: now.Add(time.Hour),
			Place: &store.Place{Key: key, At: now, Slot: slot},
		}
	}
	add := func(reqs ...store.Append) {
		for _, r := range s.Append(t.Context(), reqs) {
			require.NoError(t, r.Err)
		}
	}
	others := make([]store.Append, 100)
	for i := range others {
		others[i] = request(fmt.Sprint("other ", i), "")
	}
	add(others...)
	m.take()

	for range 9 {
		add(request("k", ""))
		require.Equal(t, bill{Writes: 2}, m.take(), "an event")
	}
	ws, err := s.WaitingOf(t.Context(), ep, "k", store.Span{From: now.Add(-time.Hour)}, false, 5)
	require.NoError(t, err)
	require.Len(t, ws, 5)
	require.Equal(t, bill{Queries: 1, Found: 5}, m.take(), "a check")
	claim := store.Claim{ClaimInfo: store.ClaimInfo{
		ID: event.RandomID(), Service: "s", EventID: event.RandomID(), Date: now, Owner: event.RandomID(), State: store.Claimed,
		NextAttempt: now, Window: &store.Window{Key: "k", Completion: store.Complete},
	}}
	require.NoError(t, s.Claim(t.Context(), claim, []store.Taken{{Endpoint: ep, Waiting: ws}}))
	require.Equal(t, bill{Writes: 1, Deletes: 5}, m.take(), "a claim")

	for range 3 { // the first takes an empty slot, the others replace what is there
		add(request("k", "0a"))
		require.Equal(t, bill{Writes: 2, Gets: 1}, m.take(), "an event with a slot")
	}
	ws, err = s.WaitingOf(t.Context(), ep, "k", store.Span{}, true, 0)
	require.NoError(t, err)
	require.Len(t, ws, 5)
	require.Equal(t, bill{Queries: 2, Found: 5}, m.take(), "a check with slots")
	n, err := s.DiscardWaiting(t.Context(), ep, ws)
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Equal(t, bill{Deletes: 5}, m.take())
}
