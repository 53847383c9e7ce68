package live_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// clientFrame returns a frame as a client sends it.
func clientFrame(first byte, payload []byte) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n <= 125:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := binary.BigEndian.AppendUint32(nil, rand.Uint32())
	b = append(b, mask...)
	for i, c := range payload {
		b = append(b, c^mask[i%4])
	}
	return b
}

// However frames arrive, all is read as it came, up to a close frame whose reason is not
// UTF-8.
func TestTheReasonOfAClose(t *testing.T) {
	t.Parallel()
	for range 12 {
		var before []byte
		for range rand.IntN(5) {
			payload := make([]byte, []int{0, 1, 125, 126, 300, 70_000}[rand.IntN(6)])
			for i := range payload {
				payload[i] = byte(rand.Uint32())
			}
			opcode := []byte{fin | text, text, 0, fin, fin | 2}[rand.IntN(5)]
			if len(payload) <= 125 {
				opcode = []byte{opcode, fin | ping, fin | pong}[rand.IntN(3)]
			}
			before = append(before, clientFrame(opcode, payload)...)
		}
		for reason, bad := range map[string]bool{"": false, "bye": false, "é🌊": false, "\xff": true, "caf\xc3": true, "\xed\xa0\x80": true} {
			sent := append(bytes.Clone(before), clientFrame(fin|closing, append([]byte{0x03, 0xe8}, reason...))...)
			for _, arrives := range []io.Reader{bytes.NewReader(sent), iotest.HalfReader(bytes.NewReader(sent)), iotest.DataErrReader(bytes.NewReader(sent)), iotest.OneByteReader(bytes.NewReader(sent))} {
				got, err := io.ReadAll(live.CheckFrames(arrives))
				if bad {
					require.ErrorIs(t, err, live.ErrCloseReason, "%q", reason)
					require.Equal(t, sent[:len(sent)-1], got, "%q", reason)
				} else {
					require.NoError(t, err, "%q", reason)
					require.True(t, bytes.Equal(sent, got), "%q", reason)
				}
			}
		}
		for _, short := range [][]byte{nil, {0xff}} { // no reason: what is wrong with it is found elsewhere
			sent := append(bytes.Clone(before), clientFrame(fin|closing, short)...)
			got, err := io.ReadAll(live.CheckFrames(bytes.NewReader(sent)))
			require.NoError(t, err)
			require.True(t, bytes.Equal(sent, got))
		}
	}
}

// A server whose connections cannot be taken over says so.
func TestAConnectionThatCannotBeTakenOver(t *testing.T) {
	t.Parallel()
	hub := live.New(live.Options{})
	r := httptest.NewRequest(http.MethodGet, "/ws", nil)
	for name, v := range map[string]string{"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="} {
		r.Header.Set(name, v)
	}
	w := httptest.NewRecorder()
	require.NoError(t, hub.ServeWebSocket(w, r, live.Access{}))
	require.Equal(t, http.StatusNotImplemented, w.Code)
	require.NoError(t, hub.Close(t.Context()))
}
