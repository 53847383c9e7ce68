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
	require.Equal(t, Driver(d), Measured(d, nil, "x"), "without a meter it is the driver itself")
	for errType, err := range map[string]error{
		"": nil, "timeout": context.DeadlineExceeded, "cancelled": context.Canceled, "_OTHER": errors.New("away"),
		string(fault.TooLarge): fault.New(fault.TooLarge, "too large"),
	} {
		r := new(recorded)
		d.err = err
		m := Measured(d, meter.New(r), "sqlite")
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
	m := reflect.ValueOf(Measured(panicking{}, meter.New(r), "x"))
	want := 0
	for method := range m.Type().Methods() {
		if method.Name == "MaxClaim" || method.Name == "Limits" || method.Name == "Close" {
			continue
		}
		want++
		args := []reflect.Value{m}
		for i := 1; i < method.Type.NumIn(); i++ {
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

// panicking has no methods of its own: each call panics.
type panicking struct{ Driver }
