package firestorestore

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// record is the length of a packed member: 16 bytes of id, 8 of time and 8 of size. Ten
// thousand members, in base64 within JSON, take less than half of a document.
const record = event.IDLen/2 + 8 + 8

func pack(members []store.Member) ([]byte, error) {
	b := make([]byte, 0, len(members)*record)
	for _, m := range members {
		id, err := hex.DecodeString(m.ID)
		if err != nil || len(id) != event.IDLen/2 {
			return nil, fmt.Errorf("firestorestore: %.40q is not the id of an event", m.ID)
		}
		b = append(b, id...)
		b = binary.BigEndian.AppendUint64(b, uint64(m.ReceivedAt.UnixMicro()))
		b = binary.BigEndian.AppendUint64(b, uint64(m.Size))
	}
	return b, nil
}

func unpack(b []byte) ([]store.Member, error) {
	if len(b)%record != 0 {
		return nil, fmt.Errorf("firestorestore: the stored members have %d bytes, which is no multiple of %d", len(b), record)
	}
	var members []store.Member
	for ; len(b) > 0; b = b[record:] {
		members = append(members, store.Member{
			ID:         hex.EncodeToString(b[:event.IDLen/2]),
			ReceivedAt: time.UnixMicro(int64(binary.BigEndian.Uint64(b[event.IDLen/2:]))).UTC(),
			Size:       int64(binary.BigEndian.Uint64(b[event.IDLen/2+8:])),
		})
	}
	return members, nil
}
