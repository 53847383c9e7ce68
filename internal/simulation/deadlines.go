package simulation

import (
	"cmp"
	"container/heap"
	"time"
)

// deadlines has, for each correlation key with events, the instant at which its windows are
// to be looked at next.
type deadlines struct {
	byKey map[string]*deadline
	queue deadlineQueue
}

type deadline struct {
	key   string
	at    time.Time
	index int
}

// set moves the key's deadline to the instant, if it is earlier than the present one.
func (d *deadlines) set(key string, at time.Time) {
	if one := d.byKey[key]; one != nil {
		if at.Before(one.at) {
			one.at = at
			heap.Fix(&d.queue, one.index)
		}
		return
	}
	if d.byKey == nil {
		d.byKey = map[string]*deadline{}
	}
	one := &deadline{key: key, at: at}
	d.byKey[key] = one
	heap.Push(&d.queue, one)
}

// remove drops the key's deadline.
func (d *deadlines) remove(key string) {
	if one := d.byKey[key]; one != nil {
		delete(d.byKey, key)
		heap.Remove(&d.queue, one.index)
	}
}

// next returns the earliest deadline.
func (d *deadlines) next() (one *deadline, ok bool) {
	if len(d.queue) == 0 {
		return nil, false
	}
	return d.queue[0], true
}

// deadlineQueue is a heap, by time and then by key, so that it has one order only.
type deadlineQueue []*deadline

func (q deadlineQueue) Len() int { return len(q) }

func (q deadlineQueue) Less(i, j int) bool {
	return cmp.Or(q[i].at.Compare(q[j].at), cmp.Compare(q[i].key, q[j].key)) < 0
}

func (q deadlineQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements [heap.Interface].
func (q *deadlineQueue) Push(one any) {
	d := one.(*deadline)
	d.index = len(*q)
	*q = append(*q, d)
}

// Pop implements [heap.Interface].
func (q *deadlineQueue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	return last
}
