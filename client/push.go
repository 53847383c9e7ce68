package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// maxPush is the most that a request may have, in bytes. A message has at most 10 MB on
// Pub/Sub, which a push makes longer by a third.
const maxPush = 32 << 20

// ServeHTTP handles a message that Pub/Sub pushes, wrapped or not, or that a target of
// Headgate's sends by HTTP. It answers 204 if the message is handled, was handled before or
// can never be, and 503 if it should be delivered again. With Secrets it answers 401 to a
// request that is not signed.
func (c *Consumer[Tx]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "a message is sent by POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPush))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "larger than any message", http.StatusRequestEntityTooLarge)
		return
	}
	if err != nil {
		http.Error(w, "the request broke off", http.StatusBadRequest)
		return
	}
	if c.Secrets != nil {
		if _, err := Verify(r.Header, body, c.Secrets...); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
	}
	data, attributes, err := unwrap(body)
	if err == nil {
		err = c.Receive(r.Context(), data, attributes)
	} else {
		err = c.settle(r.Context(), nil, err)
	}
	if err != nil {
		http.Error(w, "the message could not be handled now", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// unwrap returns the data and the attributes of the message that a push wraps. Any other
// body is data itself.
func unwrap(body []byte) (data []byte, attributes map[string]string, err error) {
	var p struct {
		EventID json.RawMessage
		Message *struct {
			Data       []byte
			Attributes map[string]string
		}
	}
	if err := json.Unmarshal(body, &p); err != nil {
		return nil, nil, Permanent(fmt.Errorf("headgate: this is no push of a message: %w", err))
	}
	if p.Message == nil || p.EventID != nil {
		return body, nil, nil
	}
	return p.Message.Data, p.Message.Attributes, nil
}
