package resolver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/live/resolver"
	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/expression"
	"github.com/headgate/headgate/live"
)

// An answer is a JSON array of rows, or one row of any bytes.
func TestRowsAreAnyBytes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer string
		rows   []string
	}{
		{`[{"a":1}, "b" ]`, []string{`{"a":1}`, `"b"`}},
		{"[{\"a\":\"\xff\"},1]", []string{"{\"a\":\"\xff\"}", "1"}},
		{`{"a":1}`, []string{`{"a":1}`}},
		{"plain text", []string{"plain text"}},
		{"\x00\xff", []string{"\x00\xff"}},
		{"[1", []string{"[1"}},
	} {
		s, err := answered(t, c.answer)
		require.NoError(t, err, c.answer)
		require.False(t, s.Gone, c.answer)
		require.Len(t, s.Rows, len(c.rows), c.answer)
		for i, row := range s.Rows {
			require.Equal(t, c.rows[i], string(row), c.answer)
		}
	}
	s, err := answered(t, "[]")
	require.NoError(t, err)
	require.True(t, s.Gone)
	_, err = answered(t, "")
	require.ErrorContains(t, err, "without a body")
}

// answered returns the state that a service's answer describes.
func answered(t *testing.T, answer string) (live.State, error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(answer)) }))
	defer srv.Close()
	return (&resolver.HTTP{Client: srv.Client(), URL: srv.URL}).Resolve(t.Context(), live.KeyOf("items", "1"), "")
}

// A secret that no header can carry as it is is an error of the secret, which the client is
// told and which is not tried again. Any other arrives as it is.
func TestSecretsThatNoHeaderCanCarry(t *testing.T) {
	t.Parallel()
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get(live.SecretHeader)
		_, _ = w.Write([]byte(`[{}]`))
	}))
	defer srv.Close()
	r := &resolver.HTTP{Client: srv.Client(), URL: srv.URL}
	for _, secret := range []string{"a\nb", "\r", "a\x00", "\x7f", " a", "a\t"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		var bad *live.SecretError
		require.ErrorAs(t, err, &bad, "%q", secret)
	}
	for _, secret := range []string{"é", "a\tb", "ü ü"} {
		_, err := r.Resolve(t.Context(), live.KeyOf("items", "1"), secret)
		require.NoError(t, err, "%q", secret)
		require.Equal(t, secret, got)
	}
}

// An ETag decides what is new: rows may hold the time.
func TestAnETagIsTheVersion(t *testing.T) {
	t.Parallel()
	answers := [][2]string{{`"a"`, `{"at":1}`}, {`"a"`, `{"at":2}`}, {`"b"`, `{"at":2}`}, {"", `{"at":3}`}, {"", `{"at":4}`}}
	var versions []string
	for _, a := range answers {
		s, err := resolveAnswer(t, &resolver.HTTP{}, map[string]string{"ETag": a[0]}, a[1])
		require.NoError(t, err)
		versions = append(versions, s.Version)
	}
	require.Equal(t, versions[0], versions[1])
	require.NotEqual(t, versions[1], versions[2])
	require.NotEqual(t, versions[3], versions[4])
}

// The expression decides what is new, before the ETag: an answer that holds the time is not
// pushed at each comparison of versions.
func TestAnExpressionIsTheVersion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, version string
		answers       [][3]string // X-Revision, ETag, body
		same          bool
	}{
		{"a field", "body[0].revision", [][3]string{{"", `"a"`, `[{"revision":7,"at":1}]`}, {"", `"b"`, `[{"revision":7,"at":2}]`}}, true},
		{"a field that changes", "body[0].revision", [][3]string{{"", `"a"`, `[{"revision":7}]`}, {"", `"a"`, `[{"revision":8}]`}}, false},
		{"a header", "headers['x-revision']", [][3]string{{"7", "", `{"at":1}`}, {"7", "", `{"at":2}`}}, true},
		{"a header that changes", "headers['x-revision']", [][3]string{{"7", "", `{}`}, {"8", "", `{}`}}, false},
		{"empty text: the ETag", "''", [][3]string{{"", `"a"`, `{"at":1}`}, {"", `"a"`, `{"at":2}`}}, true},
		{"empty text: the bytes", "''", [][3]string{{"", "", `{"at":1}`}, {"", "", `{"at":2}`}}, false},
	} {
		e, err := expression.Compile(c.version)
		require.NoError(t, err)
		var versions []string
		for _, a := range c.answers {
			s, err := resolveAnswer(t, &resolver.HTTP{Version: e}, map[string]string{"X-Revision": a[0], "ETag": a[1]}, a[2])
			require.NoError(t, err, c.name)
			versions = append(versions, s.Version)
		}
		require.Equal(t, c.same, versions[0] == versions[1], c.name)
	}
}

// An answer without what the expression needs is an error that says so. It is not asked of an
// entity that is gone.
func TestAnswersWithoutTheirVersion(t *testing.T) {
	t.Parallel()
	e, err := expression.Compile("body[0].revision")
	require.NoError(t, err)
	_, err = resolveAnswer(t, &resolver.HTTP{Version: e}, nil, `[{"at":1}]`)
	require.ErrorContains(t, err, "version of the resolver of t")
	s, err := resolveAnswer(t, &resolver.HTTP{Version: e}, nil, `[]`)
	require.NoError(t, err)
	require.True(t, s.Gone)
}

func resolveAnswer(t *testing.T, r *resolver.HTTP, header map[string]string, body string) (live.State, error) {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, v := range header {
			if v != "" {
				w.Header().Set(name, v)
			}
		}
		_, _ = w.Write([]byte(body))
	}))
	defer srv.Close()
	r.Client, r.URL = srv.Client(), srv.URL
	return r.Resolve(t.Context(), live.Key{Org: "o", Type: "t", ID: "1"}, "")
}

// A name cannot lead out of its place in the URL, neither in the path nor in the query.
func TestNamesStayInTheirPlace(t *testing.T) {
	t.Parallel()
	var asked []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.EscapedPath()+" "+r.URL.Query().Get("id")+" "+r.URL.Query().Get("admin"))
		_, _ = w.Write([]byte("[1]"))
	}))
	defer srv.Close()
	for _, c := range []struct{ template, entity, id, want string }{
		{"/live/{type}/{id}", "report", "a/../b", "/live/report/a%2F..%2Fb  "},
		{"/live/{type}/{id}", "report", "", "/live/report/  "},
		{"/live/{type}/{id}", "report", "..", ""},
		{"/live/{type}/{id}", "report", ".", ""},
		{"/live/{org}/{type}/{id}", "../report", "1", ""},
		{"/live?id={id}", "report", "7&admin=true", "/live 7&admin=true "},
		{"/live?id={id}", "report", "..", "/live .. "},
	} {
		asked = nil
		r := &resolver.HTTP{Client: srv.Client(), URL: srv.URL + c.template}
		s, err := r.Resolve(t.Context(), live.KeyOf(c.entity, c.id), "")
		require.NoError(t, err)
		require.Equal(t, c.want == "", s.Gone, c.id)
		if c.want != "" {
			require.Equal(t, []string{c.want}, asked)
		}
	}
}

// A short answer may have so many values that they take many times its bytes.
func TestAnAnswerOfManyValuesNeedsItsMemory(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("[" + strings.Repeat("1,", 1<<20) + "1]"))
	}))
	defer srv.Close()
	r := &resolver.HTTP{Client: srv.Client(), URL: srv.URL, Memory: budget.New(64 << 20)}
	_, err := r.Resolve(t.Context(), live.KeyOf("report", "1"), "")
	require.Equal(t, fault.TooLarge, fault.CodeOf(err))
	require.Zero(t, r.Memory.Used())
}
