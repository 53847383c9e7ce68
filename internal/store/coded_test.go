package store_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// failingDocs fails every call with err, and succeeds if err is nil.
type failingDocs struct{ err error }

func (d failingDocs) Get(context.Context, store.Collection, []string) ([]*store.Doc, error) {
	return nil, d.err
}
func (d failingDocs) Commit(context.Context, []store.Write) ([]string, error)       { return nil, d.err }
func (d failingDocs) List(context.Context, store.Listing) ([]store.Doc, error)      { return nil, d.err }
func (d failingDocs) CountDocs(context.Context, store.Collection, int) (int, error) { return 0, d.err }
func (d failingDocs) Limits() store.Limits                                          { return store.Limits{MaxCommit: 7} }

// errorsOf calls every method of docs that can fail, and returns the errors by method.
func errorsOf(t *testing.T, docs store.Docs) map[string]error {
	t.Helper()
	out := make(map[string]error)
	contract, v := reflect.TypeFor[store.Docs](), reflect.ValueOf(docs)
	for i := range contract.NumMethod() {
		m := contract.Method(i)
		if n := m.Type.NumOut(); m.Type.Out(n-1) != reflect.TypeFor[error]() {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(t.Context())}
		for a := 1; a < m.Type.NumIn(); a++ {
			args = append(args, reflect.Zero(m.Type.In(a)))
		}
		results := v.MethodByName(m.Name).Call(args)
		err, _ := results[len(results)-1].Interface().(error)
		out[m.Name] = err
	}
	require.Len(t, out, 4)
	return out
}

func TestCodedMarksErrorsWithoutACode(t *testing.T) {
	t.Parallel()
	for _, cause := range []error{errors.New("disk I/O error"), context.Canceled, context.DeadlineExceeded} {
		for method, err := range errorsOf(t, store.Coded(failingDocs{fmt.Errorf("driver: %w", cause)})) {
			f, ok := errors.AsType[*fault.Error](err)
			require.True(t, ok, method)
			require.Equal(t, fault.Unavailable, f.Code, method)
			require.Equal(t, "the store did not answer; send the request again", f.Message, method)
			require.ErrorIs(t, err, cause, method)
		}
	}
}

func TestCodedKeepsErrorsThatSayWhatTheyAre(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		nil, store.ErrConflict, fmt.Errorf("driver: %w", store.ErrConflict), store.ErrNotFound, fmt.Errorf("driver: %w", store.ErrNotFound),
		fault.New(fault.TooLarge, "the document is too large"), fmt.Errorf("driver: %w", fault.New(fault.Internal, "no index")),
	} {
		for method, err := range errorsOf(t, store.Coded(failingDocs{want})) {
			require.Equal(t, want, err, method)
		}
	}
	require.Equal(t, store.Limits{MaxCommit: 7}, store.Coded(failingDocs{}).Limits())
}

// Conflicts are part of normal work, so they cost as little as a success.
// The test is not parallel, because it counts the allocations of the whole process.
func TestCodedAllocatesNothing(t *testing.T) {
	for _, err := range []error{nil, store.ErrConflict} {
		docs, ctx := store.Coded(failingDocs{err}), t.Context()
		require.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = docs.Get(ctx, store.Collection{}, nil)
			_, _ = docs.Commit(ctx, nil)
			_, _ = docs.List(ctx, store.Listing{})
			_, _ = docs.CountDocs(ctx, store.Collection{}, 1)
		}))
	}
}
