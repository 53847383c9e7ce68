package googletoken_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/googletoken"
)

var calls atomic.Int64

// TestMain puts a stand-in of the metadata server where Google's libraries look for it.
// They look once per process.
func TestMain(m *testing.M) {
	srv := httptest.NewServer(http.HandlerFunc(metadata))
	for name, value := range map[string]string{
		"GCE_METADATA_HOST": strings.TrimPrefix(srv.URL, "http://"), "GOOGLE_APPLICATION_CREDENTIALS": "", "HOME": os.TempDir() + "/none", "CLOUDSDK_CONFIG": os.TempDir() + "/none",
	} {
		if err := os.Setenv(name, value); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	srv.Close()
	os.Exit(code)
}

// metadata is as strict as the real server: a request needs the header Metadata-Flavor.
func metadata(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Metadata-Flavor") != "Google" {
		http.Error(w, "the header is missing", http.StatusForbidden)
		return
	}
	w.Header().Set("Metadata-Flavor", "Google")
	q := r.URL.Query()
	switch strings.TrimPrefix(r.URL.Path, "/computeMetadata/v1/instance/service-accounts/default/") {
	case "identity":
		calls.Add(1)
		if q.Get("audience") == "https://refused.example" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		_, _ = fmt.Fprintf(w, "id-token for %s", q.Get("audience"))
	case "token":
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"access_token":"access-token for %s","expires_in":3599,"token_type":"Bearer"}`, q.Get("scopes"))
	default:
		http.NotFound(w, r)
	}
}

func TestTokensOfTheMetadataServer(t *testing.T) {
	t.Parallel()
	var s googletoken.Source
	for range 3 {
		token, err := s.OIDC(t.Context(), "https://run.example/path")
		require.NoError(t, err)
		require.Equal(t, "id-token for https://run.example/path", token)
	}
	require.Equal(t, int64(1), calls.Load(), "tokens are cached")
	token, err := s.OAuth(t.Context(), []string{"https://www.googleapis.com/auth/cloud-platform"})
	require.NoError(t, err)
	require.Equal(t, "access-token for https://www.googleapis.com/auth/cloud-platform", token)

	_, err = s.OIDC(t.Context(), "https://refused.example")
	require.Equal(t, fault.Unavailable, fault.CodeOf(err))
}
