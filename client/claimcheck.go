package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Whole returns the whole message behind a claim check, with the Attributes of m, and m
// itself if it is whole already. It asks g, whichever host ContentURL names, so that g's
// token goes nowhere else; the token needs the role read. Where each function is a service
// of its own, g is the one that serves status. The whole message is held in memory.
//
// It tries again as [Gate.Send] does. The error is an [Error] with the status 410 if the
// events of the message have expired.
func (g *Gate) Whole(ctx context.Context, m *Message) (*Message, error) {
	if m.ContentURL == "" {
		return m, nil
	}
	path := "/messages/" + segment(m.EventID)
	if at, err := url.Parse(g.URL); err != nil || !strings.Contains(at.Path, "/services/") {
		path = "/services/" + segment(m.ServiceName) + path
	}
	var whole *Message
	err := g.do(ctx, call{method: http.MethodGet, path: path}, func(r io.Reader) error {
		whole = &Message{}
		if err := json.NewDecoder(r).Decode(whole); err != nil { // it breaks off if the server fails in the middle
			return fmt.Errorf("headgate: the message behind the claim check cannot be read: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if whole.EventID != m.EventID || whole.ContentURL != "" || whole.Events == nil {
		return nil, errors.New("headgate: what is behind the claim check is not its whole message")
	}
	whole.Attributes = m.Attributes
	return whole, nil
}

// segment escapes a name as one segment of a path. Clients and servers remove the segments
// "." and "..", so these are escaped too.
func segment(name string) string {
	switch name {
	case ".":
		return "%2E"
	case "..":
		return "%2E%2E"
	default:
		return url.PathEscape(name)
	}
}
