package trace

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
)

// spans is a Recorder that keeps what it is told.
type spans struct{ all []*recorded }

type recorded struct {
	Recording
	self, parent Context
	kind         Kind
	name         string
	links        []Context
	attributes   map[string]any
	ended        string
}

func (s *spans) Start(parent Context, kind Kind, name string, _ time.Time) Recording {
	r := &recorded{parent: parent, kind: kind, name: name, attributes: map[string]any{}, self: parent}
	if !parent.Valid() {
		r.self = Context{Trace: [16]byte{1, byte(len(s.all))}, Sampled: true}
	}
	binary.BigEndian.PutUint64(r.self.Span[:], uint64(len(s.all)+1))
	s.all = append(s.all, r)
	return r
}

func (r *recorded) Context() Context             { return r.self }
func (r *recorded) SetString(name, value string) { r.attributes[name] = value }
func (r *recorded) SetInt(name string, v int)    { r.attributes[name] = v }
func (r *recorded) Link(c Context)               { r.links = append(r.links, c) }
func (r *recorded) End(kind string)              { r.ended = "ended " + kind }

func TestSpansHaveParents(t *testing.T) {
	t.Parallel()
	var s spans
	tr := New(&s)
	remote := Parse("00-" + traceID + "-" + spanID + "-01")

	ctx, server := tr.Start(With(t.Context(), remote), Server, "request")
	require.Equal(t, remote, s.all[0].parent)
	require.Equal(t, server.Context(), Of(ctx))
	require.Equal(t, server.Context().String(), Parent(ctx))
	require.Equal(t, server, Current(ctx))
	inner, child := Start(ctx, Internal, "commit")
	require.Equal(t, server.Context(), s.all[1].parent)
	require.Equal(t, server.Context().Trace, child.Context().Trace)
	child.SetString("none", "")
	child.SetInt("n", 1)
	child.End(fault.New(fault.Conflict, "a secret"))
	require.Equal(t, map[string]any{"n": 1}, s.all[1].attributes)
	require.Equal(t, "ended conflict", s.all[1].ended, "the text of an error is not shown")
	server.End(nil)
	require.Equal(t, "ended ", s.all[0].ended)

	require.Equal(t, child.Context(), Of(Current(inner).Into(t.Context())))
	require.Equal(t, t.Context(), Current(t.Context()).Into(t.Context()))
}

func TestStoredTraceContinues(t *testing.T) {
	t.Parallel()
	var s spans
	tr := New(&s)
	sweep, _ := tr.Start(t.Context(), Server, "sweep")
	stored := Parse("00-" + traceID + "-" + spanID + "-01")
	_, span := tr.Continue(sweep, stored, Internal, "publish")
	require.Equal(t, stored.Trace, span.Context().Trace)
	require.Equal(t, stored, s.all[1].parent)
	require.Equal(t, []Context{Of(sweep)}, s.all[1].links)

	tr.Continue(sweep, Context{}, Internal, "of a document that lacks a trace")
	require.Equal(t, Of(sweep), s.all[2].parent)
	require.Empty(t, s.all[2].links)

	tr.Continue(t.Context(), stored, Internal, "of a ticker")
	require.Equal(t, stored, s.all[3].parent)
	require.Empty(t, s.all[3].links)
}

func TestWhatAnotherProcessRecordsIsNotStored(t *testing.T) {
	t.Parallel()
	ctx := With(t.Context(), Parse("00-"+traceID+"-"+spanID+"-01"))
	require.Empty(t, Parent(ctx))
	require.False(t, Current(ctx).On())
	require.Equal(t, Of(ctx), Of(Current(ctx).Into(t.Context())), "for the log")
	Current(ctx).End(nil)
	after, span := Start(ctx, Internal, "x")
	require.Zero(t, span)
	require.Equal(t, ctx, after)
}

func TestLinksAreBounded(t *testing.T) {
	t.Parallel()
	var s spans
	_, span := New(&s).Start(t.Context(), Internal, "message")
	var l Links
	l.Add(Context{})
	for i := range 2 * MaxLinks {
		c := Context{Span: [8]byte{1}}
		binary.BigEndian.PutUint64(c.Trace[:], uint64(i/2+1))
		l.Add(c)
	}
	l.To(span)
	require.Len(t, s.all[0].links, MaxLinks)
	require.Equal(t, byte(MaxLinks), s.all[0].links[MaxLinks-1].Trace[7], "one of each trace")
}

func TestKindsOfErrors(t *testing.T) {
	t.Parallel()
	require.Equal(t, "timeout", kindOf(fault.Wrap(fault.Unavailable, context.DeadlineExceeded, "x")))
	require.Equal(t, "cancelled", kindOf(context.Canceled))
	require.Equal(t, "internal", kindOf(errors.New("x")))
}

// off makes all the calls that a request makes.
func off(ctx context.Context, t *Tracer) {
	ctx, server := t.Start(ctx, Server, "request")
	inner, span := Start(ctx, Internal, "commit")
	span.SetString("a", "b")
	span.SetInt("n", 1)
	span.Link(Of(inner))
	_, message := t.Continue(Current(inner).Into(ctx), Context{}, Internal, "publish")
	var l Links
	l.Add(Of(ctx))
	l.To(message)
	if Parent(ctx) != "" || span.On() || t.On() {
		panic("on")
	}
	message.End(nil)
	span.End(nil)
	server.End(context.Canceled)
}

func TestOffCostsNothing(t *testing.T) { // not parallel: AllocsPerRun counts what others allocate
	type other struct{}
	ctx := context.WithValue(t.Context(), other{}, 1)
	require.Zero(t, testing.AllocsPerRun(100, func() { off(ctx, nil) }))
}

func BenchmarkOff(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		off(b.Context(), nil)
	}
}
