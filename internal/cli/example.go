package cli

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/headgate/headgate/config"
	"github.com/headgate/headgate/internal/mock"
)

// exampleSource is the path of the example's task list. It plays a system outside, so
// that a person can try drafts and webhooks without a second process.
const exampleSource = "/example"

// exampleChange is a change to try, as the task list takes it.
const exampleChange = `{"taskList":{"12":{"name":"Alpha","priority":9},"34":{"name":"Beta","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}}`

// exampleDraft returns the draft of the task list.
func exampleDraft(base string) config.Draft {
	return config.Draft{Name: "task-list-1", ExternalData: &config.DraftExternal{URL: base + exampleSource}}
}

// onThisMachine reports whether the address can be reached without a network.
func onThisMachine(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified())
}

// newExample returns the task list.
func newExample() http.Handler {
	return http.StripPrefix(exampleSource, mock.NewExternalData(mock.Options{}))
}

// withExample returns a handler that serves the task list below its path, and h
// elsewhere. It does not use http.ServeMux, which would redirect paths that h accepts.
func withExample(h, tasks http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, exampleSource+"/") {
			tasks.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// registerWithExample asks the task list to call us when it changes. Without that,
// drafts are only as new as the last time that somebody opened them.
func registerWithExample(ctx context.Context, base string, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	body := []byte(`{"url":"` + base + `/echo-external-data-webhook"}`)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+exampleSource+"/register-for-webhook", bytes.NewReader(body))
	if err == nil {
		req.Header.Set("Content-Type", "application/json")
		var resp *http.Response
		if resp, err = http.DefaultClient.Do(req); err == nil {
			if err = resp.Body.Close(); resp.StatusCode != http.StatusOK {
				err = errors.New(resp.Status)
			}
		}
	}
	if err != nil {
		log.Warn("the example's task list will not report its changes", "error", err)
	}
}
