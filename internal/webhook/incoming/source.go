package incoming

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/platform/outbound"
	"github.com/headgate/headgate/internal/webhook/list"
)

// Paths of the source.
const (
	registerPath   = "/register-for-webhook"
	unregisterPath = "/unregister-webhook"
)

// sourceTime bounds a call of the source.
const sourceTime = 15 * time.Second

// source calls the source of truth, with which sessions register us.
type source struct {
	http      *http.Client
	url       string // "": no source is configured
	publicURL string
	always    []string // lists for which we stay registered
}

func newSource(o SessionOptions) source {
	return source{http: outbound.OrRefuse(o.HTTP), url: o.Upstream, publicURL: o.PublicURL, always: o.Lists}
}

// toAsk returns the endpoint to call so that we are registered exactly while sessions
// exist; "": none. If the outcome of an earlier call is in doubt, it registers again,
// because the source may still carry out that call.
func (s source) toAsk(w *watch, doubt bool) string {
	switch {
	case s.url == "":
	case len(w.Sessions) > 0 && (doubt || !w.Registered):
		return registerPath
	case len(w.Sessions) == 0 && w.Registered && !slices.Contains(s.always, w.List):
		return unregisterPath
	}
	return ""
}

// call registers us with the source for a list, or unregisters us.
func (s source) call(ctx context.Context, path, id string) error {
	if s.publicURL == "" {
		return fault.New(fault.Unavailable, "we cannot register with the source: publicURL is not configured")
	}
	ctx, cancel := context.WithTimeout(ctx, sourceTime)
	defer cancel()
	ours := s.publicURL + "/external-data-webhook?externalTaskListId=" + url.QueryEscape(id)
	body := list.Encode(map[string]string{"url": ours, "externalTaskListId": id})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return fault.New(fault.Invalid, "echo.upstream cannot be called")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := s.http.Do(req)
	if err != nil {
		return fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "the source does not answer: nothing is changed; send the request again")
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return fault.New(fault.Unavailable, "the source answers %s to %s: nothing is changed; send the request again", fault.Status(resp.StatusCode), path)
	}
	return nil
}
