package live

import (
	"context"
	"encoding/json"
	"time"
)

const (
	passTimeout = 10 * time.Second
	maxSecret   = 8 << 10 // bytes
)

// handleFrame acts on a frame. A Plain client is never answered, a Versioned one always.
func (c *client) handleFrame(ctx context.Context, frame []byte) {
	c.handled.Add(1)
	c.handling.Store(true)
	defer c.handling.Store(false)
	r, err := parseFrame(frame)
	if err != nil {
		c.fail(r.Ref.text, "invalid", "the frame is not understood: "+err.Error())
		return
	}
	if r.Ref.bad && r.Action != "" {
		c.fail("", "invalid", "ref must be text")
		return
	}
	switch r.Action {
	case "subscribe", "unsubscribe":
		var t target
		if err := json.Unmarshal(r.Body, &t); err != nil {
			c.fail(r.Ref.text, "invalid", `the body must be {"entity":…,"id":…}`)
			return
		}
		if r.Action == "subscribe" {
			c.subscribe(t, r.Ref.text)
		} else {
			c.unsubscribe(t, r.Ref.text)
		}
	case "secret":
		var secret string
		if err := json.Unmarshal(r.Body, &secret); err != nil || len(secret) > maxSecret {
			c.fail(r.Ref.text, "invalid", "the body must be the secret, text of at most 8192 bytes")
			return
		}
		c.changeSecret(secret)
		c.answer(reply{Type: "secret", Ref: r.Ref.text})
	case "":
		c.pass(ctx, frame, r.Ref.text)
	default:
		c.fail(r.Ref.text, "invalid", "the actions are subscribe, unsubscribe and secret")
	}
}

// pass gives a frame to PassThrough.
func (c *client) pass(ctx context.Context, frame []byte, ref string) {
	if c.hub.o.PassThrough == nil {
		c.fail(ref, "invalid", "the frame has no action, and nothing is configured to take it")
		return
	}
	c.mu.Lock()
	secret := c.secret
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()
	if err := c.hub.o.PassThrough(ctx, secret, frame); err != nil {
		c.hub.o.Log.Warn("a client's frame was not passed on", "error", err)
		c.fail(ref, "unavailable", "the frame was not passed on")
		return
	}
	c.answer(reply{Type: "passed", Ref: ref})
}
