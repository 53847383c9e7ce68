package live_test

import (
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// A client of entity-sync works unchanged: nothing is acknowledged, and a change comes as
// the bare row.
func TestPlainClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	p := w.dial("")
	p.send(`{"ACTION":"subscribe","Body":{"Entity":"items","ID":"100"}}`)
	require.NoError(t, p.conn.Write(t.Context(), websocket.MessageBinary, []byte(`{"action":"subscribe","body":{"entity":"items","id":"200"}}`)))
	w.settled(2)
	w.set("items", "100", 1)
	require.Equal(t, `{"id":"100","v":1}`, p.text())
	w.set("items", "300", 1)
	w.set("items", "200", 2)
	require.Equal(t, `{"id":"200","v":2}`, p.text())
	w.hub.NotifyLocal(live.KeyOf("items", "200")) // a Plain client gets it again
	require.Equal(t, `{"id":"200","v":2}`, p.text())
	p.send(`{"action":"unsubscribe","body":{"entity":"items","id":"200"}}`)
	w.settled(1)
	w.set("items", "200", 3)
	w.set("items", "100", 4)
	require.Equal(t, `{"id":"100","v":4}`, p.text())
}

func TestVersionedClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	w.set("items", "1", 7)
	p := w.dial("protocol=2")
	p.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""},"ref":"r1"}`)
	require.Equal(t, map[string]any{"type": "subscribed", "entity": "items", "id": "1", "ref": "r1"}, p.read())
	require.Equal(t, map[string]any{"type": "entity", "entity": "items", "id": "1", "version": "7", "data": map[string]any{"id": "1", "v": 7.0}}, p.read())

	q := w.dial("protocol=2")
	q.send(`{"action":"subscribe","body":{"entity":"items","id":"1","have":"7"}}`)
	require.Equal(t, "subscribed", q.read()["type"])
	require.Equal(t, map[string]any{"type": "current", "entity": "items", "id": "1", "version": "7"}, q.read())
	q.send(`{"action":"subscribe","body":{"entity":"items","id":"2","have":"3"}}`)
	require.Equal(t, "subscribed", q.read()["type"])
	require.Equal(t, map[string]any{"type": "gone", "entity": "items", "id": "2"}, q.read())

	w.set("items", "1", 8)
	require.Equal(t, "8", p.read()["version"])
	require.Equal(t, "8", q.read()["version"])
	w.hub.NotifyLocal(live.KeyOf("items", "1")) // a Versioned client has it: nothing is sent
	w.set("items", "2", 1)
	require.Equal(t, "2", q.read()["id"])
	w.set("items", "1", 0)
	require.Equal(t, map[string]any{"type": "entity", "entity": "items", "id": "1", "deleted": true}, p.read())

	for frame, says := range map[string]string{
		`{`:                               "not understood",
		`[]`:                              "JSON object",
		`{}{}`:                            "more than one",
		`{"action":"dance"}`:              "the actions are",
		`{"action":"subscribe","body":3}`: "the body must be",
		`{"action":"subscribe","body":{"entity":"","id":"1"}}`: "must have 1 to 512 bytes",
		`{"action":"subscribe","body":{"entity":"a"}}`:         "the body must be",
		`{"action":"secret","body":{}}`:                        "must be the secret",
		`{"hello":"world"}`:                                    "nothing is configured",
	} {
		p.send(frame)
		m := p.read()
		require.Equal(t, "error", m["type"], frame)
		require.Contains(t, m["message"], says, frame)
	}
	p.send(`{"action":"unsubscribe","body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "unsubscribed", p.read()["type"])
}
