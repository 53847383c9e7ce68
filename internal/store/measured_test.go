package store

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/meter"
	"github.com/headgate/headgate/internal/platform/trace"
	"github.com/headgate/headgate/internal/platform/trace/tracetest"
)

// recorded keeps the labels of measurements.
type recorded struct{ all []string }

func (r *recorded) Record(m *meter.Metric, _ float64, values []string) {
	if m == meter.StoreDuration {
		r.all = append(r.all, strings.Join(values, " "))
	}
}

// anyStore answers with an error.
type anyStore struct {
	Driver
	err error
}

func (s anyStore) Append(_ context.Context, events []Append) []AppendResult {
	return []AppendResult{{}, {Err: s.err}}
}

func (s anyStore) Claim(context.Context, Claim, []Taken) error { return s.err }

func (s anyStore) Get(context.Context, Collection, []string) ([]*Doc, error) { return nil, s.err }

func (s anyStore) WaitingOfMany(context.Context, []Look) ([][]Waiting, error) { return nil, s.err }

func (s anyStore) Now(context.Context) (time.Time, bool, error) { return time.Time{}, true, s.err }

func TestMeasured(t *testing.T) {
	t.Parallel()
	d := anyStore{}
	require.Equal(t, Driver(d), Measured(d, nil, nil, "x"), "without a meter and a tracer it is the driver itself")
	for errType, err := range map[string]error{
		"": nil, "timeout": context.DeadlineExceeded, "cancelled": context.Canceled, "_OTHER": errors.New("away"),
		string(fault.TooLarge): fault.New(fault.TooLarge, "too large"),
	} {
		r := new(recorded)
		d.err = err
		m := Measured(d, meter.New(r), nil, "sqlite")
		ctx := t.Context()
		require.Equal(t, err, m.Append(ctx, nil)[1].Err)
		require.Equal(t, err, m.Claim(ctx, Claim{}, nil))
		_, got := m.Get(ctx, Collection{}, nil)
		require.Equal(t, err, got)
		_, ok, got := m.Now(ctx)
		require.True(t, ok)
		require.Equal(t, err, got)
		_, got = m.(ManyWindows).WaitingOfMany(ctx, nil)
		require.Equal(t, err, got)
		require.Equal(t, []string{"sqlite Append " + errType, "sqlite Claim " + errType, "sqlite Get " + errType, "sqlite Now " + errType, "sqlite WaitingOfMany " + errType}, r.all)
	}
	for _, answer := range []error{ErrConflict, ErrNotFound} {
		require.Empty(t, errorType(answer), "it is an answer")
	}
}

// Every method that asks the store is measured under its own name.
func TestEveryOperationIsMeasured(t *testing.T) {
	t.Parallel()
	r := new(recorded)
	m := reflect.ValueOf(Measured(panicking{}, meter.New(r), nil, "x"))
	want := 0
	for method := range m.Type().Methods() {
		if method.Name == "MaxClaim" || method.Name == "Limits" || method.Name == "Close" {
			continue
		}
		want++
		args := []reflect.Value{m, reflect.ValueOf(t.Context())}
		for i := 2; i < method.Type.NumIn(); i++ {
			args = append(args, reflect.Zero(method.Type.In(i)))
		}
		func() {
			defer func() { _ = recover() }() // there is no store behind it
			method.Func.Call(args)
		}()
		if method.Name != "Append" { // it measures what it got
			require.Equal(t, "x "+method.Name+" ", r.all[len(r.all)-1])
		}
	}
	require.Len(t, r.all, want-1)
}

// Each operation within a recorded span is a span of its own, under its own name, and passes
// on its context.
func TestEveryOperationIsASpan(t *testing.T) {
	t.Parallel()
	var spans tracetest.Recorder
	tracer := trace.New(&spans)
	m := reflect.ValueOf(Measured(panicking{}, nil, tracer, "x"))
	ctx, request := tracer.Start(t.Context(), trace.Server, "request")
	for method := range m.Type().Methods() {
		if method.Type.NumIn() < 2 || method.Type.In(1) != reflect.TypeFor[context.Context]() {
			continue
		}
		args := []reflect.Value{m, reflect.ValueOf(ctx)}
		for i := 2; i < method.Type.NumIn(); i++ {
			args = append(args, reflect.Zero(method.Type.In(i)))
		}
		func() {
			defer func() { _ = recover() }() // there is no store behind it
			method.Func.Call(args)
		}()
		if method.Name == "Append" { // it ends with what it got
			continue
		}
		got := spans.Named(method.Name)
		require.Len(t, got, 1, method.Name)
		require.Equal(t, trace.Client, got[0].Kind)
		require.Equal(t, request.Context(), got[0].Parent)
		require.Equal(t, "x", got[0].Attributes["db.system.name"])
		require.Equal(t, method.Name, got[0].Attributes["db.operation.name"])
	}
}

// A span names the kind of its documents and their number. An answer is no failure, and the
// types of failures are those of the metrics.
func TestSpansOfDocuments(t *testing.T) {
	t.Parallel()
	for errType, err := range map[string]error{"": ErrConflict, "_OTHER": errors.New("away"), "timeout": context.DeadlineExceeded} {
		var spans tracetest.Recorder
		tracer := trace.New(&spans)
		m := Measured(anyStore{err: err}, nil, tracer, "sqlite")
		ctx, _ := tracer.Start(t.Context(), trace.Server, "request")
		_, _ = m.Get(ctx, Collection{Kind: "records", Scope: "ann"}, []string{"1", "2"})
		_ = m.Append(ctx, make([]Append, 3))
		_ = m.Claim(ctx, Claim{}, nil)
		all := spans.Ended()
		require.Len(t, all, 3)
		require.Equal(t, map[string]any{"db.system.name": "sqlite", "db.operation.name": "Get", "db.collection.name": "records", "db.operation.batch.size": 2}, all[0].Attributes)
		require.Equal(t, map[string]any{"db.system.name": "sqlite", "db.operation.name": "Append", "db.operation.batch.size": 3}, all[1].Attributes)
		for _, s := range all {
			require.Equal(t, errType, s.Failed)
		}
		_, _ = m.Get(t.Context(), Collection{}, nil)
		require.Len(t, spans.Ended(), 3, "what belongs to no span has none")
	}
	require.Equal(t, "runs", kindOf([]Write{{Collection: Collection{Kind: "runs"}}, {Collection: Collection{Kind: "runs", Scope: "a"}}}))
	require.Empty(t, kindOf([]Write{{Collection: Collection{Kind: "runs"}}, {Collection: Collection{Kind: "records"}}}))
}

// Where nothing is recorded, an operation costs no memory. The test is not parallel, because
// it counts the allocations of the whole process.
func TestWithoutASpanNothingIsAllocated(t *testing.T) {
	m := Measured(anyStore{}, nil, trace.New(new(tracetest.Recorder)), "x")
	ctx := t.Context()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = m.Get(ctx, Collection{}, nil)
		_ = m.Claim(ctx, Claim{}, nil)
	}))
}

// panicking has no methods of its own: each call panics.
type panicking struct{ Driver }
