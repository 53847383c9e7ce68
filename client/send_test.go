package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// wire answers requests in place of a server. It returns the answers one after the other,
// and then the last one again.
type wire struct {
	mu      sync.Mutex
	answers []any // an error; a status; an *http.Response
	got     []*http.Request
	bodies  []string
	at      []time.Time
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	w.got, w.bodies, w.at = append(w.got, r), append(w.bodies, string(body)), append(w.at, time.Now())
	switch a := w.answers[min(len(w.got), len(w.answers))-1].(type) {
	case error:
		return nil, a
	case int:
		return answer(a, "{}"), nil
	case *http.Response:
		return a, nil
	case func(*http.Request) (*http.Response, error):
		return a(r)
	}
	panic("no answer")
}

func answer(status int, body string, headers ...string) *http.Response {
	resp := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
	for i := 0; i < len(headers); i += 2 {
		resp.Header.Set(headers[i], headers[i+1])
	}
	return resp
}

func gateOn(answers ...any) (*Gate, *wire) {
	w := &wire{answers: answers}
	return &Gate{URL: "https://gate.example/", HTTP: &http.Client{Transport: w}}, w
}

func TestSendKeepsItsKeyOverEveryRetry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"id":`), failing{io.ErrUnexpectedEOF}))}
		g, w := gateOn(syscall.ECONNREFUSED, syscall.ECONNRESET, io.EOF, 408, 425, 429, 500, 502, 503, 504, 520, broken,
			answer(200, `{"id":"1","eventKey":"a/b c","duplicate":true,"triggered":null}`))
		r, err := g.Send(t.Context(), Event{EventKey: "a/b c", Body: []byte("hello"), ContentType: "text/plain", Header: http.Header{"X-Of": {"mine"}}})
		require.NoError(t, err)
		require.Equal(t, Receipt{ID: "1", EventKey: "a/b c", Duplicate: true}, r)
		require.Len(t, w.got, 13)
		key := w.got[0].Header.Get("Idempotency-Key")
		require.NotEmpty(t, key)
		for i, req := range w.got {
			require.Equal(t, key, req.Header.Get("Idempotency-Key"))
			require.Equal(t, "https://gate.example/event/a/b%20c", req.URL.String())
			require.Equal(t, http.MethodPost, req.Method)
			require.Equal(t, "text/plain", req.Header.Get("Content-Type"))
			require.Equal(t, "mine", req.Header.Get("X-Of"))
			require.Equal(t, "hello", w.bodies[i])
		}
		g, w = gateOn(200)
		_, err = g.Send(t.Context(), Event{Feed: "a/b", IdempotencyKey: "mine"})
		require.NoError(t, err)
		require.Equal(t, "mine", w.got[0].Header.Get("Idempotency-Key"))
		require.Equal(t, "https://gate.example/feed/a%2Fb", w.got[0].URL.String())
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.NoError(t, err)
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.NoError(t, err)
		require.NotEqual(t, w.got[1].Header.Get("Idempotency-Key"), w.got[2].Header.Get("Idempotency-Key"))
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestSendWaitsAsLongAsTheServerAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const date = "Fri, 01 May 2026 12:00:00 GMT"
		g, w := gateOn(answer(503, "", "Retry-After", "70"), answer(429, "", "Retry-After", "Fri, 01 May 2026 12:01:30 GMT", "Date", date), 200)
		_, err := g.Send(t.Context(), Event{EventKey: "a"})
		require.NoError(t, err)
		require.Len(t, w.at, 3)
		for i, least := range []time.Duration{70 * time.Second, 90 * time.Second} {
			waited := w.at[i+1].Sub(w.at[i])
			require.GreaterOrEqual(t, waited, least)
			require.Less(t, waited, least+longPause)
		}
	})
}

// The pauses are spread over the whole interval, and the interval grows.
func TestPausesHaveFullJitter(t *testing.T) {
	t.Parallel()
	for n, longest := range map[int]time.Duration{1: firstPause, 2: 2 * firstPause, 5: 16 * firstPause, 50: longPause, 1 << 40: longPause} {
		var low, high bool
		for range 1000 {
			d := pauseAfter(n, io.EOF)
			require.GreaterOrEqual(t, d, time.Duration(0))
			require.Less(t, d, longest)
			low, high = low || d < longest/4, high || d > longest*3/4
		}
		require.True(t, low && high, "after %d attempts", n)
	}
}

func TestAnAnswerThatWillNotChangeIsATypedError(t *testing.T) {
	t.Parallel()
	const problem = `{"type":"about:blank","title":"Bad Request","status":400,"detail":"it is wrong","instance":"r1","errors":[{"path":"$.a","message":"is missing"}]}`
	g, w := gateOn(answer(400, problem, "Content-Type", "application/problem+json; charset=utf-8"))
	_, err := g.Send(t.Context(), Event{EventKey: "a"})
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, &Error{Status: 400, Title: "Bad Request", Detail: "it is wrong", Instance: "r1", Faults: []Fault{{"$.a", "is missing"}}}, e)
	require.EqualError(t, err, "headgate answers 400 Bad Request: it is wrong; $.a is missing")
	require.False(t, e.Temporary())
	require.Len(t, w.got, 1)

	for status, detail := range map[int]string{301: "redirects are not followed", 404: "", 413: "", 501: ""} {
		g, w = gateOn(answer(status, "<html>", "Location", "https://elsewhere.example/", "Retry-After", "1"))
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.ErrorAs(t, err, &e)
		require.Equal(t, status, e.Status)
		require.Contains(t, e.Detail, detail)
		require.Len(t, w.got, 1, "%d", status)
	}
	g, w = gateOn(answer(200, "<html>hello</html>"))
	_, err = g.Send(t.Context(), Event{EventKey: "a"})
	require.ErrorContains(t, err, "the answer is not Headgate's")
	require.False(t, IsPermanent(err), "it says nothing about a message")
	require.Len(t, w.got, 1)

	g, w = gateOn(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	_, err = g.Send(t.Context(), Event{EventKey: "a"})
	require.ErrorAs(t, err, new(*tls.CertificateVerificationError))
	require.Len(t, w.got, 1)
}

func TestSendRefusesWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	g, w := gateOn(200)
	for _, e := range []Event{
		{}, {EventKey: "a", Feed: "b"}, {EventKey: "a", IdempotencyKey: " x"}, {EventKey: "a", IdempotencyKey: "x\n"}, {EventKey: "a", IdempotencyKey: "x\ny"},
		{EventKey: "a", ContentType: "a\rb"}, {EventKey: "a", Header: http.Header{"a b": {"c"}}}, {EventKey: "a", Header: http.Header{"": {"c"}}},
	} {
		_, err := g.Send(t.Context(), e)
		require.Error(t, err, "%v", e)
	}
	for _, u := range []string{"", "gate.example", "ftp://gate.example", "https://", "https://gate.example?a=b", "https://gate.example/#x", "://", "https://u:hush@gate.example", "https://u:hush@gate.example:x", "https://gate.example?access_token=hush"} {
		_, err := (&Gate{URL: u, HTTP: g.HTTP}).Send(t.Context(), Event{EventKey: "a"})
		require.ErrorContains(t, err, "the URL", u)
		require.NotContains(t, err.Error(), "hush", u)
	}
	_, err := g.SendBatch(t.Context(), Batch{EventKey: "a", Items: []json.RawMessage{[]byte("1"), []byte("]")}})
	require.ErrorContains(t, err, "item 1")
	require.Empty(t, w.got)
}

func TestTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, w := gateOn(503, 200)
		n := 0
		g.Token = func(context.Context) (string, error) { n++; return "t" + strconv.Itoa(n), nil }
		_, err := g.Send(t.Context(), Event{EventKey: "a", Header: http.Header{"Authorization": {"Basic x"}}})
		require.NoError(t, err)
		require.Equal(t, []string{"Bearer t1"}, w.got[0].Header["Authorization"])
		require.Equal(t, []string{"Bearer t2"}, w.got[1].Header["Authorization"], "an attempt after a long pause needs a fresh token")

		boom := errors.New("boom")
		g.Token = func(context.Context) (string, error) { return "", boom }
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.ErrorIs(t, err, boom)
		require.False(t, IsPermanent(err), "a message must not be acknowledged for it")
		g.Token = Token("a\nb")
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.ErrorContains(t, err, "the token is no line of text")
		require.Len(t, w.got, 2)
	})
}

func TestSendEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, last := range []any{503, syscall.ECONNREFUSED, answer(503, "", "Retry-After", "3600")} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			g, w := gateOn(last)
			_, err := g.Send(ctx, Event{EventKey: "a"})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			if e, ok := errors.AsType[*Error](err); ok {
				require.True(t, e.Temporary())
			} else {
				require.ErrorIs(t, err, syscall.ECONNREFUSED)
			}
			require.NotEmpty(t, w.got)
			cancel()
		}
		ctx, cancel := context.WithCancel(t.Context())
		g, _ := gateOn(503)
		time.AfterFunc(7*time.Second, cancel)
		begin := time.Now()
		_, err := g.Send(ctx, Event{EventKey: "a"})
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, 7*time.Second, time.Since(begin))

		begin = time.Now()
		_, err = g.Send(t.Context(), Event{EventKey: "a"})
		require.ErrorIs(t, err, context.DeadlineExceeded, "without a deadline it does not wait for ever")
		require.InDelta(t, patience, time.Since(begin), float64(longPause))
	})
}

// A server whose machine vanished answers nothing and resets nothing.
func TestASilentServerIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		silent := func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		halfway := func(r *http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(io.MultiReader(bytes.NewReader([]byte("{")), untilDone{r.Context()}))}, nil
		}
		g, w := gateOn(silent, halfway, 200)
		_, err := g.Send(t.Context(), Event{EventKey: "a"})
		require.NoError(t, err)
		require.Len(t, w.got, 3)
		require.GreaterOrEqual(t, w.at[2].Sub(w.at[0]), 2*silence)

		ctx, cancel := context.WithTimeout(t.Context(), silence+longPause)
		defer cancel()
		g, _ = gateOn(silent)
		_, err = g.Send(ctx, Event{EventKey: "a"})
		require.ErrorContains(t, err, "no answer within 1m0s")
	})
}

type untilDone struct{ ctx context.Context }

func (u untilDone) Read([]byte) (int, error) { <-u.ctx.Done(); return 0, u.ctx.Err() }

func TestBatchesAreSplit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		results := func(r *http.Request) (*http.Response, error) {
			var items []json.RawMessage
			body, _ := r.GetBody()
			if err := json.NewDecoder(body).Decode(&items); err != nil {
				return nil, err
			}
			all := make([]string, len(items))
			for i := range all {
				all[i] = fmt.Sprintf(`{"status":200,"id":%q}`, items[i][:min(10, len(items[i]))])
			}
			return answer(200, `{"results":[`+strings.Join(all, ",")+`],"triggered":"m`+strconv.Itoa(len(items))+`"}`), nil
		}
		g, w := gateOn(503, results)
		var items []json.RawMessage
		for i := range 2500 {
			items = append(items, fmt.Append(nil, i))
		}
		out, err := g.SendBatch(t.Context(), Batch{EventKey: "k", Items: items, IdempotencyKey: "b"})
		require.NoError(t, err)
		require.Len(t, out.Results, 2500)
		for i, r := range out.Results {
			require.Equal(t, strconv.Itoa(i), r.ID)
		}
		require.Equal(t, []string{"m1000", "m1000", "m500"}, out.Triggered)
		var keys []string
		for _, r := range w.got {
			require.Equal(t, "https://gate.example/events/k", r.URL.String())
			require.Equal(t, "application/json", r.Header.Get("Content-Type"))
			keys = append(keys, r.Header.Get("Idempotency-Key"))
		}
		require.Equal(t, []string{"b/0", "b/0", "b/1000", "b/2000"}, keys)

		g, w = gateOn(results)
		big := json.RawMessage(`"` + strings.Repeat("x", 7<<20) + `"`)
		out, err = g.SendBatch(t.Context(), Batch{Feed: "f", Items: []json.RawMessage{big, big, big}, CloudEvents: true})
		require.NoError(t, err)
		require.Len(t, out.Results, 3)
		require.Len(t, w.got, 2)
		for _, body := range w.bodies {
			require.LessOrEqual(t, len(body), maxBatchBytes)
		}
		require.Equal(t, "https://gate.example/feeds/f", w.got[0].URL.String())
		require.Equal(t, "application/cloudevents-batch+json", w.got[0].Header.Get("Content-Type"))
		require.NotContains(t, w.got[0].Header, "Idempotency-Key", "its source and id name each")

		g, w = gateOn(results, answer(400, "{}"))
		out, err = g.SendBatch(t.Context(), Batch{EventKey: "k", Items: items})
		require.ErrorAs(t, err, new(*Error))
		require.Len(t, out.Results, 1000)
		require.Equal(t, w.got[0].Header.Get("Idempotency-Key"), strings.TrimSuffix(w.got[1].Header.Get("Idempotency-Key"), "1000")+"0")

		g, w = gateOn(results)
		_, err = g.SendBatch(t.Context(), Batch{EventKey: "k"})
		require.NoError(t, err)
		require.Empty(t, w.got, "nothing to send")
	})
}
