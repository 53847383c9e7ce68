package event

import (
	"cmp"
	"strings"
	"time"
)

// Waiting stands for an event that waits in a window of a correlation key.
type Waiting struct {
	Ref
	Key string // the correlation key
	// At is the window's time: the receipt, or the event's own time. A store orders by it.
	At time.Time
	// First is the At of the first event that waited in the slot since the slot was last
	// taken; the same as At for an event without a slot.
	First time.Time
	// Slot, if it is not "", is a hash: of the events of one endpoint, key and slot, one
	// waits at a time.
	Slot string
	// Rev is the store's name for what it has read; only the store looks into it.
	Rev string
}

// Compare orders by (At, ID), as a store does.
func (w Waiting) Compare(v Waiting) int {
	return cmp.Or(w.At.Compare(v.At), strings.Compare(w.ID, v.ID))
}
