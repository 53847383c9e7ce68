// Package tracetest is a recorder of spans for tests: it keeps what is recorded. It records
// each span whose parent is sampled, and each that has no parent.
package tracetest

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"

	"github.com/headgate/headgate/internal/platform/trace"
)

// Recorder is a [trace.Recorder]. The zero Recorder is ready.
type Recorder struct {
	mu    sync.Mutex
	next  uint64
	ended []Span
}

// Span is a span as it was recorded.
type Span struct {
	trace.Context
	Parent     trace.Context
	Kind       trace.Kind
	Name       string
	Links      []trace.Context
	Attributes map[string]any
	Failed     string // the kind of its error
}

// Ended returns the spans that have ended, in that order.
func (r *Recorder) Ended() []Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ended)
}

// Named returns the spans of that name that have ended.
func (r *Recorder) Named(name string) []Span {
	return slices.DeleteFunc(r.Ended(), func(s Span) bool { return s.Name != name })
}

// Start implements [trace.Recorder].
func (r *Recorder) Start(parent trace.Context, kind trace.Kind, name string) trace.Recording {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	s := &recording{r: r, span: Span{Context: parent, Parent: parent, Kind: kind, Name: name, Attributes: map[string]any{}}}
	if !parent.Valid() {
		s.span.Sampled = true
		binary.BigEndian.PutUint64(s.span.Trace[:], r.next)
	}
	binary.BigEndian.PutUint64(s.span.Span[:], r.next)
	return s
}

type recording struct {
	r    *Recorder
	span Span
}

// Context implements [trace.Recording].
func (s *recording) Context() trace.Context { return s.span.Context }

// SetString implements [trace.Recording].
func (s *recording) SetString(name, value string) { s.set(func() { s.span.Attributes[name] = value }) }

// SetInt implements [trace.Recording].
func (s *recording) SetInt(name string, value int) { s.set(func() { s.span.Attributes[name] = value }) }

// Link implements [trace.Recording].
func (s *recording) Link(to trace.Context) {
	s.set(func() { s.span.Links = append(s.span.Links, to) })
}

func (s *recording) set(do func()) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	do()
}

// End implements [trace.Recording].
func (s *recording) End(kind string) {
	s.set(func() {
		if !s.span.Sampled {
			return
		}
		s.span.Failed = kind
		ended := s.span
		ended.Links, ended.Attributes = slices.Clone(ended.Links), maps.Clone(ended.Attributes)
		s.r.ended = append(s.r.ended, ended)
	})
}
