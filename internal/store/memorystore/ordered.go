package memorystore

import (
	"iter"
	"slices"
	"sort"
)

// chunkSize is the number of values in a chunk at which it is split.
const chunkSize = 256

// ordered is a sorted set. It is a list of short sorted chunks, so that a change moves a
// few hundred values, however many there are. Changes at either end are the usual case.
type ordered[T any] struct {
	compare func(a, b T) int
	chunks  [][]T // none is empty
	n       int
}

func newOrdered[T any](compare func(a, b T) int) *ordered[T] { return &ordered[T]{compare: compare} }

func (o *ordered[T]) len() int { return o.n }

// first returns the smallest value.
func (o *ordered[T]) first() (v T, ok bool) {
	if o.n == 0 {
		return v, false
	}
	return o.chunks[0][0], true
}

// chunkOf returns the chunk that v is in, or belongs to: the last one that begins at v or
// before it.
func (o *ordered[T]) chunkOf(v T) int {
	return max(0, sort.Search(len(o.chunks), func(i int) bool { return o.compare(o.chunks[i][0], v) > 0 })-1)
}

// put adds v, in place of an equal value.
func (o *ordered[T]) put(v T) {
	if o.n == 0 {
		o.chunks, o.n = append(o.chunks, []T{v}), 1
		return
	}
	c := o.chunkOf(v)
	chunk := o.chunks[c]
	at, found := len(chunk), false
	if o.compare(chunk[at-1], v) >= 0 {
		at, found = slices.BinarySearchFunc(chunk, v, o.compare)
	}
	if found {
		chunk[at] = v
		return
	}
	o.n++
	chunk = slices.Insert(chunk, at, v)
	o.chunks[c] = chunk
	if len(chunk) < chunkSize {
		return
	}
	half := len(chunk) / 2
	if at == len(chunk)-1 && c == len(o.chunks)-1 { // values come in order: leave this chunk full
		half = at
	}
	upper := append(make([]T, 0, chunkSize), chunk[half:]...)
	clear(chunk[half:])
	o.chunks[c] = chunk[:half]
	o.chunks = slices.Insert(o.chunks, c+1, upper)
}

// remove deletes the value that is equal to v, and returns it.
func (o *ordered[T]) remove(v T) (removed T, ok bool) {
	if o.n == 0 {
		return removed, false
	}
	c := o.chunkOf(v)
	at, ok := slices.BinarySearchFunc(o.chunks[c], v, o.compare)
	if !ok {
		return removed, false
	}
	removed = o.chunks[c][at]
	o.n--
	if len(o.chunks[c]) == 1 {
		o.chunks = slices.Delete(o.chunks, c, c+1)
		return removed, true
	}
	if at == 0 { // the front of a queue: nothing moves
		var none T
		o.chunks[c][0] = none
		o.chunks[c] = o.chunks[c][1:]
		return removed, true
	}
	o.chunks[c] = slices.Delete(o.chunks[c], at, at+1)
	return removed, true
}

// get returns the value that is equal to v.
func (o *ordered[T]) get(v T) (found T, ok bool) {
	if o.n == 0 {
		return found, false
	}
	chunk := o.chunks[o.chunkOf(v)]
	at, ok := slices.BinarySearchFunc(chunk, v, o.compare)
	if ok {
		found = chunk[at]
	}
	return found, ok
}

// seek returns the position of the first value for which before is false. before is true
// for the values at the front, and for no other.
func (o *ordered[T]) seek(before func(T) bool) (chunk, at int) {
	chunk = max(0, sort.Search(len(o.chunks), func(i int) bool { return !before(o.chunks[i][0]) })-1)
	if chunk == len(o.chunks) {
		return chunk, 0
	}
	at = sort.Search(len(o.chunks[chunk]), func(i int) bool { return !before(o.chunks[chunk][i]) })
	return chunk, at
}

// from yields the values for which before is false, upwards.
func (o *ordered[T]) from(before func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for c, at := o.seek(before); c < len(o.chunks); c, at = c+1, 0 {
			for _, v := range o.chunks[c][at:] {
				if !yield(v) {
					return
				}
			}
		}
	}
}

// down yields the values for which before is true, downwards.
func (o *ordered[T]) down(before func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		c, at := o.seek(before)
		for {
			for at--; at >= 0; at-- {
				if !yield(o.chunks[c][at]) {
					return
				}
			}
			if c--; c < 0 {
				return
			}
			at = len(o.chunks[c])
		}
	}
}

func all[T any](T) bool  { return true }
func none[T any](T) bool { return false }
