package cloudfunctions

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	// The buildpack's main imports it: that go.sum covers it is part of what deploys.
	_ "github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/functions"
	"github.com/headgate/headgate/internal/app"
)

func TestAFunctionThatCannotStartSaysSoWithoutItsCause(t *testing.T) {
	t.Parallel()
	opened := 0
	h := serve(func() (*app.App, error) { opened++; return nil, errors.New("secret cause") }, functions.Ingest)
	for range 2 {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest(http.MethodPost, "/event/entry1", nil))
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.NotContains(t, w.Body.String(), "secret cause")
	}
	require.Equal(t, 1, opened)
}

// The settings know which function is served.
func TestSettingsNameTheTarget(t *testing.T) {
	t.Parallel()
	for target, want := range map[string]string{functions.Ingest: functions.Ingest, functions.Live: functions.Live, All: "", "": ""} {
		s := settings(func(name string) string { return map[string]string{"FUNCTION_TARGET": target}[name] })
		require.Equal(t, want, s.Function, target)
		require.True(t, s.Serves)
	}
}
