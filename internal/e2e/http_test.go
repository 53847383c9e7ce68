package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var client = &http.Client{
	Timeout:   40 * time.Second,
	Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true},
}

// call sends a request and returns the whole answer.
func (p *process) call(method, path, body string, headers ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, p.base+path, strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return resp, data, err
}

// expect sends a request, and returns an error unless the answer has the status.
func (p *process) expect(status int, method, path string) error {
	resp, body, err := p.call(method, path, "")
	if err == nil && resp.StatusCode != status {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
	}
	return err
}

// read sends a request, requires 200, and decodes the answer.
func read[T any](t *testing.T, p *process, method, path string) T {
	t.Helper()
	v, err := try[T](p, method, path)
	require.NoError(t, err)
	return v
}

func try[T any](p *process, method, path string) (v T, err error) {
	resp, body, err := p.call(method, path, "")
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	return v, err
}

type receipt struct {
	ID        string  `json:"id"`
	EventKey  string  `json:"eventKey"`
	Duplicate bool    `json:"duplicate"`
	Triggered *string `json:"triggered"`
}

// event sends an event, and requires that it is acknowledged.
func (p *process) event(t *testing.T, key, content string) receipt {
	t.Helper()
	resp, body, err := p.call("POST", "/event/"+key, content)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
	var r receipt
	require.NoError(t, json.Unmarshal(body, &r))
	return r
}

type serviceStatus struct {
	Endpoints []struct {
		EventKey string
		Have     int
	}
	Outbox struct{ Backlog int }
}

func (p *process) status(t *testing.T) serviceStatus {
	t.Helper()
	return read[serviceStatus](t, p, "GET", "/status")
}

func (s serviceStatus) have() (n int) {
	for _, e := range s.Endpoints {
		n += e.Have
	}
	return n
}

type messageInfo struct {
	EventID, ClaimID, State, LastError string
	NumberOfEvents, Attempts           int
	CorrelationKey, Completion         string
	Opened, Closes                     time.Time
}

// messages returns all messages of the list.
func (p *process) messages(t *testing.T) []messageInfo {
	t.Helper()
	var all []messageInfo
	for path := "/messages?limit=1000"; path != ""; {
		page := read[struct {
			Messages []messageInfo
			Next     *string
		}](t, p, "GET", path)
		all = append(all, page.Messages...)
		if path = ""; page.Next != nil {
			path = "/messages?limit=1000&after=" + *page.Next
		}
	}
	return all
}

// settle sweeps until every claim is published, releases the events that still wait, and
// returns when they are published, too. A claim whose instance died becomes due about 15 s
// after it was made.
func (p *process) settle(t *testing.T) {
	t.Helper()
	empty := func() error {
		if err := p.expect(200, "POST", "/sweep"); err != nil {
			return err
		}
		s, err := try[serviceStatus](p, "GET", "/status")
		if err == nil && s.Outbox.Backlog > 0 {
			err = fmt.Errorf("%d messages are not published", s.Outbox.Backlog)
			time.Sleep(200 * time.Millisecond)
		}
		return err
	}
	eventually(t, "the outbox is empty", empty)
	read[struct{}](t, p, "POST", "/trigger")
	eventually(t, "the outbox is empty after the trigger", empty)
	require.Zero(t, p.status(t).have(), "nothing waits after the trigger")
}

// problem returns an error unless the answer is a 503 that tells the source to retry.
func problem(resp *http.Response, body []byte) error {
	var p struct {
		Status int
		Title  string
	}
	if resp.StatusCode != http.StatusServiceUnavailable {
		return fmt.Errorf("%s: %s", resp.Status, body)
	}
	if resp.Header.Get("Retry-After") == "" {
		return errors.New("503 without Retry-After")
	}
	if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") {
		return fmt.Errorf("503 as %q: %s", ct, body)
	}
	if err := json.Unmarshal(body, &p); err != nil || p.Status != http.StatusServiceUnavailable {
		return fmt.Errorf("503 with %s (%w)", body, err)
	}
	return nil
}
