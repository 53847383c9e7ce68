package run

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"

	"github.com/headgate/headgate/internal/store"
	"github.com/headgate/headgate/internal/sync/mapping"
)

// digests let a pull of everything pass over the pages that are as they were
// when the last one ended. They hold only until a page is applied: the commit of
// the first that differs forgets them, so a run that dies half-way never makes
// the next one pass over what it changed.
type digests struct {
	last  []digest // of the last whole pull; nil: none hold
	valid bool     // the state says that last holds
	next  []digest
	all   bool // every page so far was the same
}

func digestDoc(syncID, datatype string) string { return syncID + "/" + url.PathEscape(datatype) }

var digestDocs = store.Collection{Kind: "state", Scope: "digests"}

// readDigests returns those of the generation.
func (s *Service) readDigests(ctx context.Context, syncID, datatype, generation string) (*digests, error) {
	d := &digests{all: true}
	if generation == "" {
		return d, nil
	}
	docs, err := s.docs.Get(ctx, digestDocs, []string{digestDoc(syncID, datatype)})
	if err != nil || docs[0] == nil {
		return d, err
	}
	body, ok := bytes.CutPrefix(docs[0].Body, []byte(generation))
	if !ok {
		return d, nil
	}
	for len(body) >= len(digest{}) {
		d.last = append(d.last, digest(body[:len(digest{})]))
		body = body[len(digest{}):]
	}
	d.valid = true
	return d, nil
}

// same notes the next page's digest and tells whether the page is as it was.
func (d *digests) same(page digest) bool {
	if d == nil {
		return false
	}
	i := len(d.next)
	d.next = append(d.next, page)
	same := page != digest{} && i < len(d.last) && d.last[i] == page
	d.all = d.all && same
	return same
}

// unchanged is whether every page was as before, and none is gone.
func (d *digests) unchanged() bool {
	return d != nil && d.valid && d.all && len(d.next) == len(d.last)
}

// write returns what keeps the digests for the next pull, and their generation.
// Before the state names it they count for nothing.
func (d *digests) write(syncID, datatype string) ([]store.Write, string) {
	if d == nil {
		return nil, ""
	}
	generation := generationOf(d.next)
	if d.unchanged() {
		return nil, generation
	}
	body := append([]byte(generation), make([]byte, 0, len(d.next)*len(digest{}))...)
	for _, p := range d.next {
		body = append(body, p[:]...)
	}
	if len(body) > maxDigests {
		return nil, "" // a pull so large compares row by row
	}
	return []store.Write{{Collection: digestDocs, Doc: store.Doc{ID: digestDoc(syncID, datatype), Body: body}, Any: true}}, generation
}

func generationOf(pages []digest) string {
	h := sha256.New()
	for _, p := range pages {
		_, _ = h.Write(p[:])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// maxDigests keeps the document below what every store takes: 60,000 pages.
const maxDigests = 960_000

// digest is of a page's rows, mapped; the zero digest equals none.
type digest [16]byte

func digestOf(items []mapping.Mapped) (d digest) {
	h := sha256.New()
	var b []byte
	for i := range items {
		b = append(append(b[:0], items[i].Key...), 0)
		if items[i].Deleted {
			b = append(b, 1)
		}
		_, _ = h.Write(append(append(b, items[i].Data...), 0))
	}
	copy(d[:], h.Sum(nil))
	return d
}
