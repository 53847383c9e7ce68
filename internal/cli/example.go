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

// exampleSource is where the example's outside system is: a task list that a draft
// is of, so that there is one to try without a second process.
const exampleSource = "/example"

// exampleChange is something to tell the outside system.
const exampleChange = `{"taskList":{"12":{"name":"Alpha","priority":9},"34":{"name":"Beta","priority":2},"56":{"name":"Gamma","priority":3},"78":{"name":"Delta","priority":4}}}`

// exampleDraft is the draft of it.
func exampleDraft(base string) config.Draft {
	return config.Draft{Name: "task-list-1", ExternalData: &config.DraftExternal{URL: base + exampleSource}}
}

// onThisMachine is whether we reach ourselves without crossing a network.
func onThisMachine(addr net.Addr) bool {
	tcp, ok := addr.(*net.TCPAddr)
	return ok && (tcp.IP.IsLoopback() || tcp.IP.IsUnspecified())
}

// newExample returns the outside system.
func newExample() http.Handler {
	return http.StripPrefix(exampleSource, mock.NewExternalData(mock.Options{}))
}

// withExample serves the outside system beside the handler.
func withExample(h, outside http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // a mux would redirect h's paths as h does not
		if strings.HasPrefix(r.URL.Path, exampleSource+"/") {
			outside.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hearOfExample has the outside system call us when its list changes.
func hearOfExample(ctx context.Context, base string, log *slog.Logger) {
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
		log.Warn("the example's outside system will not say when its list changes", "error", err)
	}
}
