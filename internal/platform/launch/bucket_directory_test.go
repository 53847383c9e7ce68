package launch

import (
	"encoding/json"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/hosting"
	"github.com/headgate/headgate/internal/store/drivertest"
	"github.com/headgate/headgate/internal/sync/exchange"
	"github.com/headgate/headgate/internal/sync/source"
	"github.com/headgate/headgate/internal/sync/source/csvsource"
)

// emulatedStorage stands in for Cloud Storage's JSON and XML interfaces, in memory.
func emulatedStorage(t *testing.T) (objects *sync.Map) {
	objects = new(sync.Map)
	answer := func(w http.ResponseWriter, content []byte) {
		sum := crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))
		_ = json.NewEncoder(w).Encode(map[string]any{"generation": strconv.Itoa(len(content) + 1), "crc32c": []byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/wells/o/{object}", func(w http.ResponseWriter, r *http.Request) {
		if content, there := objects.Load(r.PathValue("object")); there {
			answer(w, content.([]byte))
			return
		}
		http.NotFound(w, r)
	})
	mux.HandleFunc("POST /upload/storage/v1/b/wells/o", func(w http.ResponseWriter, r *http.Request) {
		content, err := io.ReadAll(r.Body)
		was := "0"
		if old, there := objects.Load(r.URL.Query().Get("name")); there {
			was = strconv.Itoa(len(old.([]byte)) + 1)
		}
		if err != nil || r.URL.Query().Get("ifGenerationMatch") != was {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		objects.Store(r.URL.Query().Get("name"), content)
		answer(w, content)
	})
	mux.HandleFunc("GET /wells/{object...}", func(w http.ResponseWriter, r *http.Request) {
		if content, there := objects.Load(r.PathValue("object")); there {
			_, _ = w.Write(content.([]byte))
			return
		}
		http.NotFound(w, r)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(srv.URL, "http://"))
	return objects
}

// Where sync.directory is a bucket, an upload stores an object there, and a sync of the name
// that the upload returned reads it. Other files are told to be elsewhere.
func TestADirectoryInABucket(t *testing.T) { // not parallel: it sets a variable of the environment
	objects := emulatedStorage(t)
	cfg := (&config.Config{Deployment: config.Deployment{Sync: &config.Sync{Directory: "gs://wells/in/"}}}).SyncSettings()
	env, err := sourceEnv(Settings{Platform: hosting.Machine}, cfg, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	uploads := exchange.New(exchange.Options{Docs: drivertest.SQLite(t), Env: env, Now: time.Now, Random: func() string { return "r" }})
	for _, content := range []string{"id,name\n1,old\n", "id,name\n1,a\n2,b\n"} {
		stored, err := uploads.Upload(t.Context(), "items.csv", []byte(content))
		require.NoError(t, err)
		require.Equal(t, exchange.Uploaded{FileURL: "items.csv", Bytes: len(content)}, stored)
		got, _ := objects.Load("in/items.csv")
		require.Equal(t, content, string(got.([]byte)))
	}
	_, err = uploads.Upload(t.Context(), "../items.csv", nil)
	require.Equal(t, fault.Invalid, fault.CodeOf(err))

	s, err := csvsource.Kind().Open(t.Context(), source.Datasource{Type: "csv", FileURL: "items.csv"}, env)
	require.NoError(t, err)
	spec := source.Spec{Datatype: "item", Key: []string{"id"}}
	r, err := s.Pull(t.Context(), source.Pull{Spec: spec, PageSize: 10})
	require.NoError(t, err)
	page, err := r.Next(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Rows, 2)
	require.NoError(t, r.Close())
	_, err = s.Push(t.Context(), spec, []source.Change{{Op: source.Delete, Key: []any{"1"}}})
	require.ErrorContains(t, err, "in a bucket cannot be written")

	_, err = env.OpenFile("some.db")
	require.ErrorContains(t, err, "sync.directory is gs://wells/in, where syncs may read CSV files only")
	_, err = sourceEnv(Settings{Platform: hosting.Machine}, &config.Sync{Directory: "gs://Wells"}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "sync.directory: must be gs://BUCKET")
}
