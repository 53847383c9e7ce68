package live_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

func TestPassThrough(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) {
		o.PassThrough = func(_ context.Context, secret string, frame []byte) error {
			w.passed <- secret + " " + string(frame)
			return nil
		}
	})
	p := w.dial("secret=s3")
	p.send(`{"type": "chat",  "text":"hello"}`)
	require.Equal(t, `s3 {"type": "chat",  "text":"hello"}`, <-w.passed, "byte for byte")
}

// A frame without an action is passed on, with any other members.
func TestPassThroughTakesAnyMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(w *world, o *live.Options) {
		o.PassThrough = func(_ context.Context, _ string, frame []byte) error { w.passed <- string(frame); return nil }
	})
	p := w.dial("")
	for _, frame := range []string{`{"ref":7,"x":1}`, `{"REF":{"a":[]},"body":null}`, `{"action":null,"ref":[1]}`} {
		p.send(frame)
		select {
		case got := <-w.passed:
			require.Equal(t, frame, got)
		case <-time.After(30 * time.Second):
			require.Fail(t, "not passed on", frame)
		}
	}
	q := w.dial("protocol=2")
	q.send(`{"action":"subscribe","ref":7,"body":{"entity":"items","id":"1"}}`)
	require.Equal(t, "invalid", q.read()["code"])
	q.send(`{"action":7,"ref":"r"}`)
	m := q.read()
	require.Equal(t, "r", m["ref"])
	require.Equal(t, "the frame is not understood: action must be text", m["message"])
}

func FuzzFrame(f *testing.F) {
	f.Add([]byte(`{"action":"subscribe","body":{"entity":"items","id":"1","have":""}}`))
	f.Add([]byte(`{"Action":"secret","body":"x"}{`))
	f.Add([]byte("\x00"))
	hub := live.New(live.Options{Log: slog.New(slog.DiscardHandler)})
	hub.Handle("items", func(context.Context, live.Key, string) ([][]byte, error) { return [][]byte{[]byte("{}")}, nil })
	f.Cleanup(func() { _ = hub.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, answer := range hub.Try(frame) {
			require.True(t, json.Valid(answer), "%s", answer)
		}
	})
}
