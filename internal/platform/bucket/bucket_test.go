package bucket_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/platform/bucket"
	"github.com/headgate/headgate/internal/platform/fault"
)

// storage stands in for Cloud Storage. It is strict: it takes only the requests of its
// documents, with the token, and decides about each precondition.
type storage struct {
	t  *testing.T
	mu sync.Mutex
	// objects and generations are by name.
	objects     map[string]string
	generations map[string]int
	// before runs before an upload is decided about; answer replaces an answer, 0: it does not.
	before func()
	answer func(r *http.Request) int
	spoil  bool
}

func (s *storage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || r.Header.Get("Authorization") != "Bearer t0ken" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if s.answer != nil {
		if status := s.answer(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	if s.before != nil && r.Method == http.MethodPost {
		s.before()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	name, q := "", r.URL.Query()
	switch escaped, isObject := strings.CutPrefix(r.URL.EscapedPath(), "/storage/v1/b/wells/o/"); {
	case r.Method == http.MethodGet && isObject && !strings.Contains(escaped, "/"):
		name = strings.TrimPrefix(r.URL.Path, "/storage/v1/b/wells/o/")
		if _, there := s.objects[name]; !there {
			w.WriteHeader(http.StatusNotFound)
			return
		}
	case r.Method == http.MethodPost && r.URL.Path == "/upload/storage/v1/b/wells/o" && q.Get("uploadType") == "media" && q.Get("name") != "":
		name = q.Get("name")
		want, err := strconv.Atoi(q.Get("ifGenerationMatch"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if s.generations[name] != want {
			w.WriteHeader(http.StatusPreconditionFailed)
			return
		}
		s.put(name, string(body))
	default:
		w.WriteHeader(http.StatusNotFound)
		return
	}
	content := s.objects[name]
	if s.spoil {
		content += "x"
	}
	sum := crc32.Checksum([]byte(content), crc32.MakeTable(crc32.Castagnoli))
	require.NoError(s.t, json.NewEncoder(w).Encode(map[string]string{
		"generation": strconv.Itoa(s.generations[name]), "crc32c": base64.StdEncoding.EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)}),
	}))
}

func (s *storage) put(name, content string) {
	s.objects[name] = content
	s.generations[name] += 1000
}

func newStorage(t *testing.T, place string) (*storage, *bucket.Bucket) {
	s := &storage{t: t, objects: map[string]string{}, generations: map[string]int{}}
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	b, err := bucket.Parse(place)
	require.NoError(t, err)
	b.HTTP, b.Base, b.Token = srv.Client(), srv.URL, func(context.Context) (string, error) { return "t0ken", nil }
	return s, &b
}

// The checksum is that of the documents of the algorithm: 0xe3069283 for 123456789.
func TestTheChecksum(t *testing.T) {
	t.Parallel()
	require.Equal(t, uint32(0xe3069283), crc32.Checksum([]byte("123456789"), crc32.MakeTable(crc32.Castagnoli)))
}

func TestAFileIsStoredAndReplaced(t *testing.T) {
	t.Parallel()
	for place, object := range map[string]string{"gs://wells": "a b.csv", "gs://wells/": "a b.csv", "gs://wells/in/2026/": "in/2026/a b.csv"} {
		s, b := newStorage(t, place)
		for _, content := range []string{"old", "new", "", "new"} {
			require.NoError(t, b.Put(t.Context(), "a b.csv", []byte(content)))
			require.Equal(t, map[string]string{object: content}, s.objects)
		}
	}
}

// Of two that store a file at the same time one is refused, and the other's file stays.
func TestTwoStoreAFile(t *testing.T) {
	t.Parallel()
	for _, there := range []bool{false, true} {
		s, b := newStorage(t, "gs://wells")
		if there {
			s.put("a.csv", "old")
		}
		s.before = func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.put("a.csv", "theirs")
		}
		err := b.Put(t.Context(), "a.csv", []byte("ours"))
		require.Equal(t, fault.Conflict, fault.CodeOf(err), "%v", err)
		require.Equal(t, "theirs", s.objects["a.csv"])
		s.before = nil
		require.NoError(t, b.Put(t.Context(), "a.csv", []byte("ours")))
		require.Equal(t, "ours", s.objects["a.csv"])
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]struct {
		code fault.Code
		says string
	}{
		401: {fault.Invalid, "needs the role Storage Object User"},
		403: {fault.Invalid, "needs the role Storage Object User"},
		404: {fault.Invalid, "there is no such bucket"},
		429: {fault.Unavailable, "429"},
		503: {fault.Unavailable, "503"},
	} {
		s, b := newStorage(t, "gs://wells/in")
		s.answer = func(r *http.Request) int { return map[bool]int{true: status}[r.Method == http.MethodPost] }
		err := b.Put(t.Context(), "a.csv", []byte("a"))
		require.Equal(t, want.code, fault.CodeOf(err), "%d", status)
		require.ErrorContains(t, err, want.says)
		require.ErrorContains(t, err, "gs://wells/in")
		require.NotContains(t, err.Error(), "t0ken")
		require.Empty(t, s.objects)
	}
	s, b := newStorage(t, "gs://wells")
	s.spoil = true
	require.ErrorContains(t, b.Put(t.Context(), "a.csv", []byte("a")), "another content")
	b.Base = "http://127.0.0.1:1"
	require.Equal(t, fault.Unavailable, fault.CodeOf(b.Put(t.Context(), "a.csv", []byte("a"))))
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "wells", "gs://", "gs:///a", "gs://A", "gs://wells/../x", "gs://wells/a//b", "gs://wells/./a", "gs://wells//a", "gs://wells/.", "gs://wells/..", "gs://wells/../../x", "gs://we lls", "gs://wells?x"} {
		_, err := bucket.Parse(bad)
		require.Error(t, err, bad)
	}
	b, err := bucket.Parse("gs://wells/in/")
	require.NoError(t, err)
	require.Equal(t, "gs://wells/in", b.String())
}
