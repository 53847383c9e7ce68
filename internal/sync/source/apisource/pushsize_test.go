package apisource_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/apisource"
)

// A push has several batches, but one where the server chooses keys, and never many calls.
func TestPushSize(t *testing.T) {
	t.Parallel()
	for create, size := range map[string]int{
		`{"url":"{type}"}`:                       20,
		`{"url":"{type}","batch":3}`:             15,
		`{"url":"{type}","batch":100}`:           500,
		`{"url":"{type}","batch":200}`:           400,
		`{"url":"{type}","batch":900}`:           900,
		`{"url":"{type}","batch":100,"id":"id"}`: 100,
	} {
		src, err := apisource.Kind().Open(t.Context(), source.Datasource{
			Type: "api", URL: "https://api.example.com/", SelectedDatatypes: []string{"row"}, Options: []byte(`{"list":"{type}","create":` + create + `}`),
		}, source.Env{})
		require.NoError(t, err)
		require.Equal(t, size, src.PushSize(), create)
		require.NoError(t, src.Close())
	}
}
