package firestorestore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// waitingField is the only field of a waitingDoc.
const waitingField = "packed"

// waitingDoc is the pointer to an event that waits in a set of keys. Its collection's name is
// not known beforehand, so each field would be indexed in both directions. It therefore has
// one field, and that one serves as the index of times: see packWaiting.
type waitingDoc struct {
	Packed []byte `firestore:"packed"`
}

// waitingSet returns the endpoint's collections of pointers by key, one per shard.
func (s *Store) waitingSet(ep store.Endpoint) []*firestore.CollectionRef {
	return s.shardsOf(ep, colWaiting)
}

// keyNames names the pointers of one correlation key.
type keyNames struct {
	col  *firestore.CollectionRef
	hash string
}

// namesOf returns the names of a key's pointers. The key's hash also chooses the shard, so all
// of them are in one collection.
func namesOf(set []*firestore.CollectionRef, key string) keyNames {
	sum := sha256.Sum256([]byte(key))
	n := binary.BigEndian.Uint32(sum[16:]) % uint32(len(set))
	return keyNames{set[n], hex.EncodeToString(sum[:16])}
}

// doc returns the document of a pointer. Without a slot, the id contains the window's time in
// an order that names keep, and the time of the receipt: an event id that is used again after
// it was forgotten gets another pointer. With a slot, the id is the slot's, so the pointers of
// two events of one slot cannot both exist.
func (k keyNames) doc(w store.Waiting) *firestore.DocumentRef {
	if w.Slot != "" {
		return k.slot(w.Slot)
	}
	return k.col.Doc(k.at(w.At.UnixMicro()) + "." + w.ID + "." + strconv.FormatInt(w.ReceivedAt.UnixMicro(), 36))
}

func (k keyNames) slot(slot string) *firestore.DocumentRef { return k.col.Doc(k.hash + "~" + slot) }

// at returns the beginning of the ids of the pointers with the window's time.
func (k keyNames) at(micros int64) string {
	return k.hash + "." + fmt.Sprintf("%016x", ascending(micros))
}

// between returns the query for the pointers without a slot whose time is in the half-open
// interval.
func (k keyNames) between(in microSpan) firestore.Query {
	return byKeyHash.on(k.col).StartAt(k.at(in.from)).EndBefore(k.at(in.to))
}

// slots returns the query for the pointers with a slot. "g" is after all hex digits.
func (k keyNames) slots() firestore.Query {
	return byKeyHash.on(k.col).StartAt(k.hash + "~").EndBefore(k.hash + "~g")
}

// ascending maps signed numbers to unsigned ones in the same order. So the bytes, and the hex
// digits, of times before 1970 sort before those of later times.
func ascending(micros int64) uint64 { return uint64(micros) ^ 1<<63 }

// packed is the length of the part of a packed pointer that has a fixed length: 8 bytes of the
// window's time, 16 of id, 8 each of the receipt, the slot's first time and the size, and 1 of
// the slot's length. The slot and the key follow.
const packed = 8 + event.IDLen/2 + 3*8 + 1

// packWaiting packs a pointer. The bytes sort by (At, ID), so Firestore's automatic index of
// this one field lists the pointers of all keys in the contract's order, and a cursor is a
// plain bound. A longest key leaves it below the 1,500 bytes that an index compares.
func packWaiting(w store.Waiting) ([]byte, error) {
	b, err := packPosition(w.At.UnixMicro(), w.ID)
	if err != nil {
		return nil, err
	}
	if len(w.Slot) > 255 {
		return nil, fault.New(fault.Invalid, "the slot %.40q… has %d digits, and 255 is the most", w.Slot, len(w.Slot))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(w.ReceivedAt.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(w.First.UnixMicro()))
	b = binary.BigEndian.AppendUint64(b, uint64(w.Size))
	b = append(append(b, byte(len(w.Slot))), w.Slot...)
	return append(b, w.Key...), nil
}

// packPosition returns the bytes that a packed pointer with this time and id begins with.
func packPosition(micros int64, id string) ([]byte, error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != event.IDLen/2 {
		return nil, fault.New(fault.Invalid, "%.40q is not the id of an event", id)
	}
	return append(packTime(micros), raw...), nil
}

func packTime(micros int64) []byte { return binary.BigEndian.AppendUint64(nil, ascending(micros)) }

// unpackTime is the inverse of packTime. It reads the first 8 bytes.
func unpackTime(b []byte) time.Time { return micros(int64(binary.BigEndian.Uint64(b) ^ 1<<63)) }

// next returns the smallest bytes of the same length that sort after every string with the
// prefix b, and nil if there are none.
func next(b []byte) []byte {
	for i := len(b) - 1; i >= 0; i-- {
		if b[i]++; b[i] != 0 {
			return b
		}
	}
	return nil
}

// unpackWaiting is the inverse of packWaiting.
func unpackWaiting(b []byte) (store.Waiting, error) {
	if len(b) < packed || len(b) < packed+int(b[packed-1]) {
		return store.Waiting{}, fmt.Errorf("firestorestore: a packed pointer has only %d bytes", len(b))
	}
	const ids = 8 + event.IDLen/2
	num := func(at int) int64 { return int64(binary.BigEndian.Uint64(b[at:])) }
	slotEnd := packed + int(b[packed-1])
	return store.Waiting{
		Ref:   event.Ref{ID: hex.EncodeToString(b[8:ids]), ReceivedAt: micros(num(ids)), Size: num(ids + 16)},
		At:    unpackTime(b),
		First: micros(num(ids + 8)),
		Slot:  string(b[packed:slotEnd]),
		Key:   string(b[slotEnd:]),
	}, nil
}

// toWaiting reads a pointer. It sets Rev if the pointer has a slot; without one, its name is
// all that a claim must compare.
func toWaiting(d *firestore.DocumentSnapshot) (store.Waiting, error) {
	var doc waitingDoc
	if err := d.DataTo(&doc); err != nil {
		return store.Waiting{}, err
	}
	w, err := unpackWaiting(doc.Packed)
	if w.Slot != "" {
		w.Rev = toRev(d.UpdateTime)
	}
	return w, err
}

func micros(n int64) time.Time { return time.UnixMicro(n).UTC() }

// toRev returns the Rev of a pointer with a slot: the time of the document's last change.
func toRev(updated time.Time) string { return strconv.FormatInt(updated.UnixNano(), 36) }

// asRead returns the condition that the pointer still waits as it was read, and false if it
// cannot hold: a pointer with a slot that was never read.
func asRead(w store.Waiting) (removal, bool) {
	if w.Slot == "" {
		return removal{}, true
	}
	nanos, err := strconv.ParseInt(w.Rev, 36, 64)
	return removal{updated: time.Unix(0, nanos)}, err == nil
}
