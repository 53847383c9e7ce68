package sqlitestore

import (
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

// listsFormat is the first byte of a claim's encoded lists. They are one blob of about 27
// bytes per member, a fifth of the size of JSON. Numbers are varints, a string follows its
// length, and a member's time is the difference to that of the previous member.
const listsFormat = 1

var errLists = errors.New("the stored lists of a claim are damaged")

func encodeLists(lists []event.List) ([]byte, error) {
	size := 2
	for _, l := range lists {
		size += 40 + len(l.Key) + len(l.Send) + 27*len(l.Included)
	}
	b := binary.AppendUvarint(append(make([]byte, 0, size), listsFormat), uint64(len(lists)))
	for _, l := range lists {
		b = appendString(appendString(b, l.Key), l.Send)
		first := l.First.UnixMicro()
		for _, n := range [...]int64{int64(l.Need), int64(l.Count), first, l.Last.UnixMicro(), int64(len(l.Included))} {
			b = binary.AppendVarint(b, n)
		}
		before := first
		for _, m := range l.Included {
			id, err := encodeID(m.ID)
			if err != nil {
				return nil, err
			}
			at := m.ReceivedAt.UnixMicro()
			b = binary.AppendVarint(binary.AppendVarint(append(b, id...), at-before), m.Size)
			before = at
		}
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func decodeLists(b []byte) ([]event.List, error) {
	if len(b) == 0 || b[0] != listsFormat {
		return nil, errLists
	}
	d := decoder{b: b[1:]}
	var lists []event.List
	for range d.count(1) {
		l := event.List{Key: d.string(), Send: d.string(), Need: int(d.varint()), Count: int(d.varint())}
		before := d.varint()
		l.First, l.Last = instant(before), instant(d.varint())
		if n := int(d.varint()); n > 0 && n <= len(d.b) {
			l.Included = make([]store.Member, n)
		}
		for i := range l.Included {
			id := d.take(event.IDLen / 2)
			before += d.varint()
			l.Included[i] = store.Member{ID: hex.EncodeToString(id), ReceivedAt: instant(before), Size: d.varint()}
		}
		lists = append(lists, l)
	}
	if d.bad || len(d.b) > 0 {
		return nil, errLists
	}
	return lists, nil
}

// decoder reads encoded values from the front of b. After a damaged value it is bad, and
// returns only zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) advance(n int) {
	if n <= 0 {
		d.b, d.bad = nil, true
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.advance(n)
	return v
}

// count reads the number of values that follow, each at least each bytes long. A number
// that cannot be true makes the decoder bad, so that it never allocates for one.
func (d *decoder) count(each int) int {
	v, n := binary.Uvarint(d.b)
	d.advance(n)
	if v > uint64(len(d.b)/each) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(v)
}

func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.b, d.bad = nil, true
		return nil
	}
	out := d.b[:n]
	d.b = d.b[n:]
	return out
}

func (d *decoder) string() string { return string(d.take(d.count(1))) }
