package live

import "encoding/binary"

// The opcodes of RFC 6455 that the hub knows; the WebSocket library knows the others.
const (
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	finalBit = 0x80
)

// message is a frame for clients: its payload behind the head that a WebSocket sends. It
// is made once, and every client that gets it is sent the same bytes.
type message struct {
	wire []byte
	head int // bytes before the payload
}

// newMessage returns the message with a copy of the payload.
func newMessage(payload []byte, isBinary bool) message {
	const longest = 10
	wire := make([]byte, 1, longest+len(payload))
	if wire[0] = finalBit | opText; isBinary {
		wire[0] = finalBit | opBinary
	}
	switch n := len(payload); {
	case n <= 125:
		wire = append(wire, byte(n))
	case n < 1<<16:
		wire = binary.BigEndian.AppendUint16(append(wire, 126), uint16(n))
	default:
		wire = binary.BigEndian.AppendUint64(append(wire, 127), uint64(n))
	}
	return message{append(wire, payload...), len(wire)}
}

// payload returns the message as an event stream sends it.
func (m message) payload() []byte { return m.wire[m.head:] }

// isBinary reports whether a WebSocket sends the message as binary.
func (m message) isBinary() bool { return m.wire[0]&0xf == opBinary }
