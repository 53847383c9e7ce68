package datacollect_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/mock"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/datacollect"
	"github.com/headgate/headgate/internal/sync/source/sourcetest"
)

// answering returns a source of the kind whose server gives this answer, and the header of
// the last request.
func answering(t testing.TB, kind source.Kind, status int, body string, fields ...source.ExtraField) (source.Source, chan http.Header) {
	sent := make(chan http.Header, 100)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent <- r.Header.Clone()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(srv.Close)
	d := source.Datasource{Type: kind.Name, URL: srv.URL, ExtraFields: append([]source.ExtraField{{Name: "apiKey", Value: apiKey}, {Name: "retryAttempts", Value: "0"}}, fields...)}
	require.Empty(t, kind.Check(d))
	s, err := kind.Open(context.Background(), d, source.Env{HTTP: sourcetest.HTTP(t), Now: time.Now})
	require.NoError(t, err)
	return s, sent
}

func requestOf(kind source.Kind) source.Pull {
	spec := kind.Defaults(datacollect.Datatype)
	spec.Datatype = datacollect.Datatype
	return source.Pull{Spec: spec, PageSize: 50}
}

// OpenFn's trigger answers GET with a message, or does not answer it at all: there is
// nothing to pull, and the pull ends well. Any other answer without events is a failure.
func TestOpenFnMayHaveNothingToPull(t *testing.T) {
	t.Parallel()
	const check = `{"message":"OpenFn webhook trigger found. Make a POST request to execute this workflow."}`
	for _, kind := range []source.Kind{datacollect.OpenFnAdapter(), datacollect.OpenFnAlias()} {
		for _, c := range []struct {
			status int
			body   string
			ok     bool
		}{
			{200, check, true},
			{404, check, true},
			{405, `{"error":"method not allowed"}`, true},
			{200, ``, true},
			{200, `{"message":"failed","errors":["x"]}`, false},
			{200, `{"data":null}`, false},
			{401, check, false},
			{500, check, false},
		} {
			s, _ := answering(t, kind, c.status, c.body)
			rows, err := drain(t, s, requestOf(kind))
			require.Empty(t, rows)
			require.Equal(t, c.ok, err == nil, "%s: %d %s: %v", kind.Name, c.status, c.body, err)
		}
	}
	for _, c := range []struct {
		status int
		body   string
	}{{200, check}, {404, ``}, {405, ``}} {
		s, _ := answering(t, datacollect.SyncServer(), c.status, c.body)
		_, err := drain(t, s, requestOf(datacollect.SyncServer()))
		require.Error(t, err, "a sync server has events")
	}
}

func TestCallbackToken(t *testing.T) {
	t.Parallel()
	s, sent := answering(t, datacollect.OpenFnAdapter(), 200, `[]`, source.ExtraField{Name: "callbackToken", Value: "t0ken"})
	_, err := drain(t, s, requestOf(datacollect.OpenFnAdapter()))
	require.NoError(t, err)
	require.Equal(t, "t0ken", (<-sent).Get("X-Callback-Token"))
	_, err = s.Push(t.Context(), requestOf(datacollect.OpenFnAdapter()).Spec, events(1))
	require.NoError(t, err)
	require.Equal(t, "t0ken", (<-sent).Get("X-Callback-Token"))
}

// Events come in an array, or under data or events. A row without a guid gets one that
// depends on the row alone, and its id is its entityGuid.
func TestTheFormsOfEvents(t *testing.T) {
	t.Parallel()
	const rows = `[{"id":7,"name":"a"},{"name":"a","id":7},{"id":8,"name":"a"},{"guid":"g","id":9,"entityGuid":"e"},{"guid":12}]`
	var first []map[string]any
	for _, kind := range []source.Kind{datacollect.SyncServer(), datacollect.OpenFnAdapter()} {
		for _, body := range []string{rows, `{"data":` + rows + `}`, `{"events":` + rows + `,"more":1}`} {
			s, _ := answering(t, kind, 200, body)
			got, err := drain(t, s, requestOf(kind))
			require.NoError(t, err)
			require.Len(t, got, 5)
			byID := map[any]map[string]any{}
			for _, row := range got {
				require.IsType(t, "", row["guid"])
				byID[row["entityGuid"]] = row
			}
			require.Len(t, byID, 4, "equal rows have equal guids")
			require.Equal(t, "g", byID["e"]["guid"])
			require.Equal(t, "12", byID[nil]["guid"])
			require.Len(t, byID["7"]["guid"], 36)
			require.NotEqual(t, byID["7"]["guid"], byID["8"]["guid"])
			if first == nil {
				first = got
			}
			require.Equal(t, first, got)
		}
	}
}

// A client that was offline for three weeks sends its events with the times at which it
// recorded them.
func TestEventsThatAreWeeksLate(t *testing.T) {
	t.Parallel()
	p := syncServer(t)
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	require.NoError(t, p.Server.Put("event", mock.Row{"guid": "late", "timestamp": now.AddDate(0, 0, -21).Format(time.RFC3339)}))
	pull := p.request()
	pull.Cursor = source.Cursor{Time: now}
	rows, err := drain(t, p.openWith(t), pull)
	require.NoError(t, err)
	require.Len(t, rows, 1)
}
