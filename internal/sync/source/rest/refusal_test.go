package rest_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/rest"
)

// A refusal that may be about one row or about all is taken for that of the row only while
// the server accepts others.
func TestWhoseRefusalItIs(t *testing.T) {
	t.Parallel()
	status := 200
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer s.Close()
	c := rest.Client{HTTP: s.Client()}
	write := func(answer int) (source.Result, error) {
		status = answer
		_, err := c.Call(t.Context(), "POST", s.URL, nil, nil)
		if err == nil {
			return source.Result{}, nil
		}
		return c.Refused(err, answer >= 500)
	}
	r, err := write(403)
	require.ErrorContains(t, err, "403", "nothing was accepted yet")
	require.ErrorIs(t, r.Err, source.ErrNotWritten)
	r, err = write(500)
	require.ErrorContains(t, err, "500")
	require.ErrorIs(t, r.Err, source.ErrUnanswered)
	_, err = write(201)
	require.NoError(t, err)
	for _, mayBeRow := range []int{403, 404, 405, 500, 403} {
		r, err = write(mayBeRow)
		require.NoError(t, err)
		require.Equal(t, fault.Unavailable, fault.CodeOf(r.Err), "it may be accepted later")
	}
	_, err = write(403)
	require.Error(t, err, "too many one after the other")
	for _, ofTheRow := range []int{400, 409, 422} {
		r, err = write(ofTheRow)
		require.NoError(t, err)
		require.Equal(t, fault.Invalid, fault.CodeOf(r.Err))
	}
	for _, ofAll := range []int{301, 401, 408, 429, 502, 503} {
		r, err = write(ofAll)
		require.Error(t, err)
		require.ErrorIs(t, r.Err, source.ErrUnanswered)
	}
}
