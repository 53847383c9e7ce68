package live_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/live"
)

// joined returns both ends of a connection that does not hold the longest messages.
func joined(t *testing.T) (server, client net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	client, err = net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	server, err = l.Accept()
	require.NoError(t, err)
	require.NoError(t, server.(*net.TCPConn).SetWriteBuffer(64<<10))
	t.Cleanup(func() { _, _ = server.Close(), client.Close() })
	return server, client
}

// serverFrame reads a frame of a server.
func serverFrame(t *testing.T, r io.Reader) (first byte, payload []byte) {
	t.Helper()
	head := make([]byte, 10)
	_, err := io.ReadFull(r, head[:2])
	require.NoError(t, err)
	n := int(head[1])
	switch n {
	case 126:
		_, err = io.ReadFull(r, head[2:4])
		n = int(binary.BigEndian.Uint16(head[2:]))
	case 127:
		_, err = io.ReadFull(r, head[2:10])
		n = int(binary.BigEndian.Uint64(head[2:]))
	}
	require.NoError(t, err)
	payload = make([]byte, n)
	_, err = io.ReadFull(r, payload)
	require.NoError(t, err)
	return head[0], payload
}

// writePings writes control frames, each with its number.
func writePings(w io.Writer, n int) error {
	for i := range n {
		if _, err := w.Write([]byte{fin | ping, 1, byte(i)}); err != nil {
			return err
		}
	}
	return nil
}

// However little a connection takes at once, each message arrives whole and in its order, and
// so does each control frame between them. Nothing follows a close frame.
func TestMessagesAndControlFramesArriveWhole(t *testing.T) {
	t.Parallel()
	server, client := joined(t)
	out := live.NewOutlet(server)
	sizes := []int{0, 1, 125, 126, 65535, 65536, 300_000}
	const messages, pings = 70, 50
	begun := make(chan string, 1000)
	failed := make(chan error, 2)
	go func() { failed <- writePings(out, pings) }()
	go func() {
		for i := range messages {
			text := fmt.Sprintf("%d:", i) + strings.Repeat("x", sizes[i%len(sizes)])
			took, err := out.Send(text, i%3 == 0)
			begun <- took
			if err != nil {
				failed <- err
				return
			}
		}
		close(begun)
		failed <- nil
	}()
	r := bufio.NewReader(client)
	read, pinged := 0, 0
	for read < messages || pinged < pings {
		first, payload := serverFrame(t, r)
		if first == fin|ping {
			require.Equal(t, []byte{byte(pinged)}, payload)
			pinged++
			continue
		}
		opcode := byte(fin | text)
		if read%3 == 0 {
			opcode = fin | 2
		}
		require.Equal(t, opcode, first)
		require.Equal(t, fmt.Sprintf("%d:", read)+strings.Repeat("x", sizes[read%len(sizes)]), string(payload))
		read++
	}
	require.NoError(t, <-failed)
	require.NoError(t, <-failed)
	took := map[string]int{}
	for each := range begun {
		took[each]++
	}
	if live.CanTry {
		require.Positive(t, took["part"], "no message was taken in part: %v", took)
		require.Positive(t, took["all"])
	}
	_, err := out.Write([]byte{fin | closing, 0})
	require.NoError(t, err)
	_, err = out.Send("late", false)
	require.ErrorIs(t, err, net.ErrClosed)
	first, _ := serverFrame(t, r)
	require.Equal(t, byte(fin|closing), first)
}

// mute is a connection that says nothing and is never full.
type mute struct{}

func (mute) Write([]byte, bool) error { return nil }
func (mute) Ping() error              { return nil }
func (mute) Close(int, string)        {}

// A state that is being given to many clients reaches each of them, those too that change
// their secret meanwhile, whether they had it before or not.
func TestASecretThatChangesWhileAStateIsGiven(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"1", "*"} {
		synctest.Test(t, func(t *testing.T) {
			w := newEntities(t, nil)
			protocol := live.Plain
			if id == "*" {
				protocol = live.Versioned
			}
			n := live.WriteBatch * (runtime.GOMAXPROCS(0) + 3)
			got := make([]atomic.Int64, n)
			gate := make(chan struct{})
			clients := make([]live.FakeClient, n)
			for i := range clients {
				clients[i] = w.hub.ConnectPrompt(mute{}, protocol, func(frame string) {
					switch {
					case strings.Contains(frame, `"type":"subscribed"`), strings.Contains(frame, `"type":"welcome"`), strings.Contains(frame, `"type":"secret"`):
					default:
						<-gate
						got[i].Add(1)
					}
				})
				clients[i].Handle(subscribeTo(id))
			}
			time.Sleep(time.Second)
			synctest.Wait()
			w.set(live.KeyOf("items", "1"), 7)
			time.Sleep(time.Second)
			synctest.Wait() // all that write stand at the gate
			for _, c := range clients {
				c.Handle(`{"action":"secret","body":"another"}`)
			}
			close(gate)
			time.Sleep(time.Minute)
			synctest.Wait()
			for i := range got {
				require.Positive(t, got[i].Load(), "client %d of %d missed the change", i, n)
			}
			for _, c := range clients {
				c.Close()
			}
		})
	}
}
