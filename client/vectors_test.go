package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type envelope struct {
	Name    string
	Headers map[string]string
	Body    string
}

func (e envelope) header() http.Header {
	h := http.Header{}
	for name, value := range e.Headers {
		h.Set(name, value)
	}
	return h
}

// vectors holds the file that the server's tests write for the client libraries of all
// languages.
type vectors struct {
	Messages []struct {
		Name, Data, Whole                            string
		Attributes                                   map[string]string
		Wrapped, Unwrapped, UnwrappedWithoutMetadata envelope
		Expect                                       struct {
			EventID, ServiceName, TriggerType, Date, Completion, CorrelationKey, ContentURL string

			Missing        []string
			ClaimCheck     bool
			Counts         map[string]int
			FirstEventDate map[string]string
			ContentsBase64 map[string][]string
		}
	}
	RefusedPushes []envelope
	Webhooks      []struct {
		Name, BodyBase64, Error, ID string

		Secrets []string
		Headers map[string]string
		Now     int64
	}
	Retries []struct {
		Name         string
		Status       int
		Headers      map[string]string
		Now          time.Time
		Retry        bool
		AfterSeconds int
	}
}

func read(t *testing.T) (v vectors) {
	t.Helper()
	b, err := os.ReadFile("vectors.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &v))
	require.NotEmpty(t, v.Messages)
	require.NotEmpty(t, v.RefusedPushes)
	require.NotEmpty(t, v.Webhooks)
	require.NotEmpty(t, v.Retries)
	return v
}

func TestVectorsOfMessages(t *testing.T) {
	t.Parallel()
	for _, v := range read(t).Messages {
		for _, e := range []envelope{v.Wrapped, v.Unwrapped, v.UnwrappedWithoutMetadata} {
			s := newScene()
			s.Gate = &Gate{URL: "https://gate.example", HTTP: &http.Client{Transport: &wire{answers: []any{answer(200, v.Whole)}}}}
			var headers []string
			for name, value := range e.Headers {
				headers = append(headers, name, value)
			}
			require.Equal(t, 204, s.post(e.Body, headers...), v.Name)
			require.Equal(t, []string{v.Expect.EventID}, s.done, v.Name)
			counts, first, contents := map[string]int{}, map[string]string{}, map[string][]string{}
			for key, list := range s.last.Events {
				counts[key], contents[key] = list.NumberOfEvents, []string{}
				if !list.FirstEventDate.IsZero() {
					first[key] = list.FirstEventDate.Format(time.RFC3339Nano)
				}
				for _, one := range list.Events {
					body, err := one.Body()
					require.NoError(t, err)
					contents[key] = append(contents[key], base64.StdEncoding.EncodeToString(body))
				}
			}
			require.Equal(t, v.Expect.Counts, counts, v.Name)
			require.Equal(t, v.Expect.FirstEventDate, first, v.Name)
			require.Equal(t, v.Expect.ContentsBase64, contents, v.Name)
		}
		m, err := ParseMessage([]byte(v.Data))
		require.NoError(t, err)
		missing := []string{}
		for _, one := range m.Missing {
			missing = append(missing, one.EventKey)
		}
		x := v.Expect
		require.Equal(t, []any{x.EventID, x.ServiceName, x.TriggerType, x.Date, x.Completion, x.CorrelationKey, x.ContentURL, x.ClaimCheck, x.Missing},
			[]any{m.EventID, m.ServiceName, m.TriggerType, m.Date.Format(time.RFC3339Nano), m.Completion, m.CorrelationKey, m.ContentURL, m.ContentURL != "", missing}, v.Name)
	}
}

func TestVectorsOfRefusedPushes(t *testing.T) {
	t.Parallel()
	for _, v := range read(t).RefusedPushes {
		s := newScene()
		require.Equal(t, 204, s.post(v.Body), v.Name)
		require.Len(t, s.reported, 1, v.Name)
		require.Empty(t, s.done, v.Name)
	}
}

func TestVectorsOfWebhooks(t *testing.T) {
	t.Parallel()
	kinds := map[string]error{"unsigned": ErrUnsigned, "id": ErrID, "timestamp": ErrTimestamp, "signature": ErrSignature, "": nil}
	for _, v := range read(t).Webhooks {
		body, err := base64.StdEncoding.DecodeString(v.BodyBase64)
		require.NoError(t, err)
		id, err := Verifier{Secrets: v.Secrets, Now: func() time.Time { return time.Unix(v.Now, 0) }}.Verify(envelope{Headers: v.Headers}.header(), body)
		require.Contains(t, kinds, v.Error)
		require.Equal(t, kinds[v.Error], err, v.Name)
		require.Equal(t, v.ID, id, v.Name)
	}
}

func TestVectorsOfRetries(t *testing.T) {
	t.Parallel()
	for _, v := range read(t).Retries {
		var err error = io.EOF
		h := envelope{Headers: v.Headers}.header()
		if v.Status != 0 {
			err = errorOf(&http.Response{StatusCode: v.Status, Header: h, Body: io.NopCloser(strings.NewReader(""))})
		}
		again := v.Status/100 != 2 && temporary(err)
		require.Equal(t, v.Retry, again, "%s: %d", v.Name, v.Status)
		if v.Retry {
			require.Equal(t, time.Duration(v.AfterSeconds)*time.Second, retryAfter(h, v.Now), v.Name)
		}
		// The whole call does as temporary says: it ends with this answer, or goes on.
		n := 0
		ctx, cancel := context.WithCancel(t.Context())
		got := exchange(ctx, func(context.Context) error {
			if n++; again {
				cancel()
			}
			if v.Status/100 == 2 {
				return nil
			}
			return err
		})
		require.Equal(t, again, errors.Is(got, context.Canceled), v.Name)
		require.Equal(t, 1, n)
		cancel()
	}
}
