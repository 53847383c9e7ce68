package outbound

import (
	"net/http"

	"github.com/headgate/headgate/internal/platform/fault"
)

// OrRefuse returns the client, or for nil one that refuses every call. Without it a
// client that was forgotten in the wiring would have to fall back to
// http.DefaultClient, which checks no address.
func OrRefuse(client *http.Client) *http.Client {
	if client != nil {
		return client
	}
	return &http.Client{Transport: noClient{}}
}

type noClient struct{}

var errNoClient = fault.New(fault.Forbidden, "nothing outside may be called: this process has no client for it")

func (noClient) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, errNoClient
}
