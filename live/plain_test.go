package live_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// closed reads until the connection is closed, and returns the code and the reason.
func (p *peer) closed() websocket.CloseError {
	p.Helper()
	for {
		if _, _, err := p.conn.Read(p.Context()); err != nil {
			var closed websocket.CloseError
			require.ErrorAs(p, err, &closed)
			return closed
		}
	}
}

// An empty id is an id like others, in every protocol.
func TestAnEmptyID(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	plain, p := w.dial(""), w.dial("protocol=2")
	plain.send(`{"action":"subscribe","body":{"entity":"lists"}}`)
	p.send(`{"action":"subscribe","body":{"entity":"lists","id":"","have":""}}`)
	require.Equal(t, map[string]any{"type": "subscribed", "entity": "lists", "id": ""}, p.read())
	require.Equal(t, map[string]any{"type": "gone", "entity": "lists", "id": ""}, p.read())
	next := w.events("entity=lists&id=", "")
	for range 2 { // subscribed, gone
		_, m := next()
		require.Equal(t, "", m["id"])
	}
	w.settled(3)
	w.setSilently("lists", "", 1)
	require.NoError(t, w.hub.Notify(t.Context(), live.KeyOf("lists", "")))
	require.Equal(t, `{"id":"","v":1}`, plain.text())
	require.Equal(t, map[string]any{"type": "entity", "entity": "lists", "id": "", "version": "1", "data": map[string]any{"id": "", "v": 1.0}}, p.read())
	last, m := next()
	require.Equal(t, "", m["id"])

	again := w.events("entity=lists&id=", last)
	again()
	_, m = again()
	require.Equal(t, "current", m["type"], "the id of an event has the version")
	plain.send(`{"action":"unsubscribe","body":{"entity":"lists","id":""}}`)
	w.settled(3)
}

// A Plain client never waits in vain: what it cannot have closes it, with the reason.
func TestAPlainClientIsNotLeftWaiting(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(_ *world, o *live.Options) { o.MaxSubscriptions = 1 })
	for name, c := range map[string]struct{ query, frame, says string }{
		"all of a type":    {"", subscribeTo("*"), `id * is for ?protocol=2 only: "items" "*"`},
		"no entity":        {"", `{"action":"subscribe","body":{"id":"1"}}`, "the entity must have 1 to 512 bytes"},
		"a long id":        {"", subscribeTo(strings.Repeat("é", 501)), "the id at most 1000"},
		"one too many":     {"", subscribeTo("1") + "\n" + subscribeTo("2"), `too many subscriptions on this connection: "items" "2"`},
		"another's entity": {"only=items/1", subscribeTo("2"), `may not subscribe to the entity: "items" "2"`},
	} {
		p := w.dial(c.query)
		for frame := range strings.SplitSeq(c.frame, "\n") {
			p.send(frame)
		}
		closed := p.closed()
		require.EqualValues(t, 1008, closed.Code, name)
		require.Contains(t, closed.Reason, c.says, name)
	}
	p := w.dial("") // what is no frame of ours is ignored, as in entity-sync
	for _, frame := range []string{`[]`, `{`, `{"action":"dance"}`, `{"action":"subscribe","body":3}`, `{"chat":1}`, "null"} {
		p.send(frame)
	}
	p.send(subscribeTo("1"))
	w.settled(1)
}

// A frame that is null goes to PassThrough, as in entity-sync.
func TestNullIsPassedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) {
		o.PassThrough = func(_ context.Context, secret string, frame []byte) error {
			w.passed <- secret + ":" + string(frame)
			return nil
		}
	})
	plain, p := w.dial("secret=s"), w.dial("protocol=2")
	plain.send("null")
	require.Equal(t, "s:null", <-w.passed)
	p.send(" null\n")
	require.Equal(t, ": null\n", <-w.passed)
	require.Equal(t, "passed", p.read()["type"])
	for _, frame := range []string{"true", "7", `"null"`, "[]", "nul", "null null"} {
		p.send(frame)
		require.Equal(t, "invalid", p.read()["code"], frame)
	}
}

// A secret that cannot be used is an error, and never leaves the old one in use unseen.
func TestSecretsThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	for name, c := range map[string]struct {
		frame string
		code  int
		says  string
	}{
		"too long":  {`{"action":"secret","body":"` + strings.Repeat("x", 8193) + `"}`, 1008, "at most 8192 bytes"},
		"no text":   {`{"action":"secret","body":{}}`, 1008, "the body must be the secret"},
		"not UTF-8": {"{\"action\":\"secret\",\"body\":\"\xff\"}", 1007, "must be UTF-8"},
	} {
		plain, p := w.dial(""), w.dial("protocol=2")
		for _, peer := range []*peer{plain, p} {
			require.NoError(t, peer.conn.Write(t.Context(), websocket.MessageBinary, []byte(c.frame)))
		}
		closed := plain.closed()
		require.EqualValues(t, c.code, closed.Code, name)
		require.Contains(t, closed.Reason, c.says, name)
		m := p.read()
		require.Equal(t, "invalid", m["code"], name)
		require.Contains(t, m["message"], c.says, name)
	}
	p := w.dial("protocol=2")
	p.send(`{"action":"secret","body":"` + strings.Repeat("x", 8192) + `"}`)
	require.Equal(t, "secret", p.read()["type"])
	for _, path := range []string{"/ws?", "/live?entity=items&id=1&"} {
		for secret, says := range map[string]string{strings.Repeat("x", 8193): "at most 8192 bytes", "%ff": "must be UTF-8"} {
			resp, err := http.Get(w.url + path + "secret=" + secret)
			require.NoError(t, err)
			body := make([]byte, 200)
			n, _ := resp.Body.Read(body)
			_ = resp.Body.Close()
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, path)
			require.Contains(t, string(body[:n]), says, path)
		}
	}
}

// A resolver and PassThrough may find that a secret cannot be used: the client is told, and
// nothing is tried again.
func TestSecretErrors(t *testing.T) {
	t.Parallel()
	bad := fmt.Errorf("wrapped: %w", &live.SecretError{Reason: "no header can carry the secret"})
	w := newWorld(t, func(_ *world, o *live.Options) {
		o.PassThrough = func(context.Context, string, []byte) error { return bad }
	})
	w.hub.Handle("secrets", func(_ context.Context, _ live.Key, secret string) ([][]byte, error) {
		w.fetches.Add(1)
		if secret == "bad" {
			return nil, bad
		}
		return [][]byte{[]byte("1")}, nil
	})
	const subscribe = `{"action":"subscribe","body":{"entity":"secrets","id":"%s","have":""}}`
	for _, frame := range []string{fmt.Sprintf(subscribe, "1"), `{"chat":1}`} {
		plain := w.dial("secret=bad")
		plain.send(frame)
		closed := plain.closed()
		require.EqualValues(t, 1008, closed.Code, frame)
		require.Equal(t, "no header can carry the secret", closed.Reason, frame)
	}
	p, all := w.dial("protocol=2&secret=bad"), w.dial("protocol=2&secret=bad")
	p.send(`{"chat":1}`)
	require.Equal(t, map[string]any{"type": "error", "code": "invalid", "message": "no header can carry the secret"}, p.read())
	all.send(fmt.Sprintf(subscribe, "*"))
	require.Equal(t, "subscribed", all.read()["type"])
	p.send(fmt.Sprintf(subscribe, "1"))
	require.Equal(t, "subscribed", p.read()["type"])
	require.Equal(t, map[string]any{"type": "error", "code": "invalid", "message": "no header can carry the secret", "entity": "secrets", "id": "1"}, p.read())
	w.hub.NotifyLocal(live.KeyOf("secrets", "1"))
	require.Equal(t, "1", p.read()["id"])
	require.Equal(t, "*", all.read()["id"])
	for _, peer := range []*peer{all, p} { // a better secret gets the state, and no question about all of the type
		peer.send(`{"action":"secret","body":"good"}`)
	}
	require.Equal(t, "secret", all.read()["type"])
	seen := map[any]bool{}
	for range 2 { // the state is fetched while the answer is on its way
		seen[p.read()["type"]] = true
	}
	require.Equal(t, map[any]bool{"secret": true, "entity": true}, seen)
}
