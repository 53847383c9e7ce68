package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/platform/meter"
)

// measure measures a request that was answered. The time of a WebSocket is not that of an
// answer.
func (a *adapted) measure(r *http.Request, rw *response, start time.Time) {
	if a.meter == nil || rw.hijacked {
		return
	}
	scheme := "http"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	_, path, found := strings.Cut(r.Pattern, " ")
	if !found {
		path = r.Pattern
	}
	a.meter.Took(meter.HTTPDuration, time.Since(start), methodOf(r), path, strconv.Itoa(rw.sent()), scheme)
}
