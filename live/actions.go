package live

import (
	"context"
	"encoding/json"
	"errors"
	"time"
	"unicode/utf8"
)

const passTimeout = 10 * time.Second

// handleFrame acts on a frame. A Versioned client is always answered. A Plain one is
// closed if it would otherwise wait in vain for an entity, or act with a secret that it has
// replaced; other faults of its frames are ignored, as entity-sync does.
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
	if r.Action != "" && !utf8.Valid(frame) { // a binary frame; the decoder would replace what is not UTF-8
		c.refuse(r.Ref.text, closeInvalid, "an action must be UTF-8")
		return
	}
	switch r.Action {
	case "subscribe", "unsubscribe":
		t, ok := targetOf(r.Body, c.protocol)
		if !ok {
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
		if err := json.Unmarshal(r.Body, &secret); err != nil {
			c.refuse(r.Ref.text, closePolicy, "the body must be the secret, a text")
			return
		}
		if err := checkSecret(secret); err != nil {
			c.refuse(r.Ref.text, closePolicy, err.Error())
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

// refuse tells a Versioned client what is wrong with its frame. It closes a Plain one, whose
// protocol has no errors.
func (c *client) refuse(ref string, code int, message string) {
	if c.protocol == Plain {
		c.close(code, message)
		return
	}
	c.fail(ref, "invalid", message)
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
		if secret, is := errors.AsType[*SecretError](err); is {
			c.refuse(ref, closePolicy, secret.Reason)
			return
		}
		c.hub.o.Log.Warn("a client's frame was not passed on", "error", err)
		c.fail(ref, "unavailable", "the frame was not passed on")
		return
	}
	c.answer(reply{Type: "passed", Ref: ref})
}
