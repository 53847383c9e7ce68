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

// digests let a whole pull pass over the pages that have not changed since the last one.
// They hold only until a page is applied: the commit of the first page that differs drops
// them. So a run that dies half-way never makes the next one pass over what it changed.
type digests struct {
	last  []digest // of the last whole pull; nil: none hold
	valid bool     // the state says that last holds
	next  []digest
	all   bool // every page so far equals that of the last pull
}

func digestDoc(syncID, datatype string) string { return syncID + "/" + url.PathEscape(datatype) }

var digestDocs = store.Collection{Kind: "state", Scope: "digests"}

// readDigests returns the digests of the generation that the state names.
func readDigests(ctx context.Context, docs store.Docs, syncID, datatype, generation string) (*digests, error) {
	d := &digests{all: true}
	if generation == "" {
		return d, nil
	}
	found, err := docs.Get(ctx, digestDocs, []string{digestDoc(syncID, datatype)})
	if err != nil || found[0] == nil {
		return d, err
	}
	body, ok := bytes.CutPrefix(found[0].Body, []byte(generation))
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

// same notes the next page's digest, and reports whether the page equals that of the last
// pull.
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

// unchanged reports whether all pages equal those of the last pull, and none is gone.
func (d *digests) unchanged() bool {
	return d != nil && d.valid && d.all && len(d.next) == len(d.last)
}

// write returns the write that keeps the digests for the next pull, and their generation.
// They do not hold before the state names that generation.
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
		return nil, "" // a pull of so many pages compares row by row
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

// maxDigests keeps the document, of 60,000 pages at most, below every store's limit.
const maxDigests = 960_000

// digest is the digest of a page's mapped rows. The zero digest equals none.
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
