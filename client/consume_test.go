package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/webhook/signature"
)

// memory is a store whose transaction is a list of what was done.
type memory struct {
	mu   sync.Mutex
	seen map[string]bool
	done []string
}

func (s *memory) Once(ctx context.Context, id string, work func(context.Context, *[]string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id] {
		return nil
	}
	var tx []string
	if err := work(ctx, &tx); err != nil {
		return err
	}
	if s.seen == nil {
		s.seen = map[string]bool{}
	}
	s.seen[id] = true
	s.done = append(s.done, tx...)
	return nil
}

// scene is a consumer with what it did and reported.
type scene struct {
	*Consumer[*[]string]
	memory
	fail     error
	last     *Message
	reported []string
}

func newScene() *scene {
	s := &scene{}
	s.Consumer = Consume(&s.memory, func(_ context.Context, tx *[]string, m *Message) error {
		*tx, s.last = append(*tx, m.EventID), m
		return s.fail
	})
	s.Report = func(_ context.Context, m *Message, err error) {
		id := "-"
		if m != nil {
			id = m.EventID
		}
		s.reported = append(s.reported, id+": "+err.Error())
	}
	return s
}

func (s *scene) post(body string, headers ...string) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	s.ServeHTTP(w, r)
	return w.Code
}

func pushOf(data string) string {
	b, _ := json.Marshal(map[string]any{"message": map[string]any{"data": []byte(data), "messageId": "1", "attributes": map[string]string{"completion": "complete"}}, "subscription": "s"})
	return string(b)
}

const small = `{"eventID":"x","serviceName":"s","events":{}}`

func TestAMessageIsHandledOnceInWhateverFormItArrives(t *testing.T) {
	t.Parallel()
	for _, body := range []string{small, pushOf(small)} {
		s := newScene()
		require.Equal(t, 204, s.post(body))
		require.Equal(t, body != small, s.last.Attributes["completion"] == "complete")
		require.Equal(t, 204, s.post(small), "a second delivery is acknowledged")
		require.Equal(t, 204, s.post(pushOf(small)))
		require.NoError(t, s.Receive(t.Context(), []byte(small), map[string]string{"a": "b"}))
		require.Equal(t, []string{"x"}, s.done)
		require.Empty(t, s.reported)
	}
	s := newScene()
	require.NoError(t, s.Receive(t.Context(), []byte(small), map[string]string{"a": "b"}))
	require.Equal(t, map[string]string{"a": "b"}, s.last.Attributes)
}

func TestErrorsOfTheHandler(t *testing.T) {
	t.Parallel()
	s := newScene()
	boom := errors.New("boom")
	s.fail = boom
	require.Equal(t, 503, s.post(pushOf(small)))
	require.ErrorIs(t, s.Receive(t.Context(), []byte(small), nil), boom)
	s.fail = Permanent(boom)
	require.Equal(t, 204, s.post(pushOf(small)))
	require.NoError(t, s.Receive(t.Context(), []byte(small), nil))
	require.Equal(t, []string{"x: boom", "x: boom", "x: boom", "x: boom"}, s.reported)
	require.Empty(t, s.done)
	s.fail = nil
	require.Equal(t, 204, s.post(pushOf(small)), "a replay of a message that failed for good is handled")
	require.Equal(t, []string{"x"}, s.done)
	require.NoError(t, Permanent(nil))
	require.ErrorIs(t, Permanent(boom), boom)
}

func TestWhatIsNoMessageIsAcknowledgedAndReported(t *testing.T) {
	t.Parallel()
	data := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	bodies := []string{
		"", "hello", "null", "[]", `{"a":1}`, `{"message":{"attributes":{"eventID":"x"},"messageId":"1"}}`, `{"message":{"data":"%%%"}}`, `{"message":7}`,
		`{"message":{"data":"` + data("hello") + `"}}`, `{"message":{"data":"` + data(`{"a":1}`) + `"}}`, `{"eventID":7,"message":{"data":"` + data(small) + `"}}`,
	}
	s := newScene()
	for _, body := range bodies {
		require.Equal(t, 204, s.post(body), body)
	}
	require.Len(t, s.reported, len(bodies))
	require.Empty(t, s.done)
	for _, r := range s.reported {
		require.True(t, strings.HasPrefix(r, "-: "), r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, 405, w.Code)
	require.Equal(t, 413, s.post(strings.Repeat(" ", maxPush+1)))
}

func TestOnlySignedRequestsWithSecrets(t *testing.T) {
	t.Parallel()
	s := newScene()
	old, fresh := signature.NewSecret(), signature.NewSecret()
	s.Secrets = []string{fresh, old}
	require.Equal(t, 401, s.post(small))
	for _, secret := range s.Secrets {
		h, err := signature.Sign(secret, "x", time.Now(), []byte(small))
		require.NoError(t, err)
		sign := []string{"webhook-id", "x", "webhook-timestamp", h.Get("webhook-timestamp"), "webhook-signature", h.Get("webhook-signature")}
		require.Equal(t, 204, s.post(small, sign...))
		require.Equal(t, 401, s.post(small+" ", sign...))
	}
	require.Equal(t, []string{"x"}, s.done)
	s.Secrets = []string{}
	require.Equal(t, 401, s.post(small), "a list that was meant to have secrets lets nobody in")
}

func TestClaimChecksAreFetched(t *testing.T) {
	t.Parallel()
	check, whole := golden(t, "nocontent"), golden(t, "whole")
	s := newScene()
	require.ErrorContains(t, s.Receive(t.Context(), check, nil), "no Gate", "it is delivered again until there is one")

	var paths []string
	status := 200
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.Method+" "+r.URL.EscapedPath()+" "+r.Header.Get("Authorization"))
		if len(paths) == 1 { // it breaks off in the middle, as a server does that is killed
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(whole[:100])
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write(whole)
	}))
	defer server.Close()
	s.Gate = &Gate{URL: server.URL, Token: Token("secret")}
	require.NoError(t, s.Receive(t.Context(), check, map[string]string{"a": "b"}))
	const path = "GET /services/My%20First%20%3CEvent%3E%20Sync/messages/d41d8cd98f00b204e9800998ecf8427e Bearer secret"
	require.Equal(t, []string{path, path}, paths)
	require.Equal(t, "New test1 <&>\x00 é", s.last.Events["entry1"].Events[0].Content)
	require.Empty(t, s.last.ContentURL)
	require.Equal(t, map[string]string{"a": "b"}, s.last.Attributes)

	s.Gate = &Gate{URL: server.URL + "/services/mine/"}
	require.NoError(t, s.Receive(t.Context(), check, nil))
	require.Equal(t, "GET /services/mine/messages/d41d8cd98f00b204e9800998ecf8427e ", paths[2])
	for _, refused := range []int{401, 403, 404} {
		status = refused
		e, _ := errors.AsType[*Error](s.Receive(t.Context(), check, nil))
		require.NotNil(t, e, "a mistake of the consumer's configuration loses no message")
		require.Equal(t, refused, e.Status)
	}
	status = http.StatusGone
	before := len(s.reported)
	require.NoError(t, s.Receive(t.Context(), check, nil), "its events are gone: no delivery changes that")
	require.Len(t, s.reported, before+1)
	require.Contains(t, s.reported[before], "before its events expired")
	status, whole = 200, []byte(small)
	require.ErrorContains(t, s.Receive(t.Context(), check, nil), "not its whole message")
	require.Equal(t, []string{"d41d8cd98f00b204e9800998ecf8427e"}, s.done)

	m, err := ParseMessage([]byte(small))
	require.NoError(t, err)
	same, err := (&Gate{}).Whole(t.Context(), m)
	require.NoError(t, err)
	require.Same(t, m, same)
}

// A token that cannot be had now must not make a consumer acknowledge a message.
func TestAClaimCheckWithoutATokenIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	s := newScene()
	boom := errors.New("boom")
	s.Gate = &Gate{URL: "http://127.0.0.1:1", Token: func(context.Context) (string, error) { return "", boom }}
	require.ErrorIs(t, s.Receive(t.Context(), golden(t, "noevents"), nil), boom)
	s.Gate = &Gate{URL: "nonsense"}
	require.Error(t, s.Receive(t.Context(), golden(t, "noevents"), nil))
}
