package list

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Data that are too large for a document are stored in parts, apart from the list and from
// the deliveries that refer to them. Parts are named by the digest of the whole, so a writer
// that repeats or overtakes another one writes the same bytes. They are written before the
// list that refers to them. After a crash in between they refer to nothing, and expire as
// all parts do, when no delivery of them is kept any more.

const (
	// inline is the most data of a list's or a delivery's own document, in bytes.
	inline = 512 << 10
	// partBytes is the size of a part. Firestore takes 1 MiB.
	partBytes = 1_000_000
	// partsFor is longer than deliveries are kept, which is 30 days.
	partsFor = 32 * 24 * time.Hour
)

// Large refers to data in parts.
type Large struct {
	Digest string `json:"digest"`
	Parts  int    `json:"parts"`
}

// parts returns the collection of the parts. A target's id, by which deliveries are kept,
// has no space.
func (l *Large) parts() store.Collection {
	return store.Collection{Kind: "deliveries", Scope: "data " + l.Digest}
}

func partID(n int) string { return fmt.Sprintf("%03d", n) }

// writeLarge stores data in parts, in as few commits as the store takes.
func (s Store) writeLarge(ctx context.Context, data []byte, at time.Time) (*Large, error) {
	sum := sha256.Sum256(data)
	l := &Large{Digest: hex.EncodeToString(sum[:])}
	limits := s.docs.Limits()
	var writes []store.Write
	size := 0
	flush := func() error {
		_, err := s.docs.Commit(ctx, writes)
		writes, size = nil, 0
		return err
	}
	for len(data) > 0 {
		part := data[:min(len(data), partBytes)]
		if len(writes) > 0 && (size+len(part) > limits.MaxCommitBytes || len(writes) == limits.MaxCommit) {
			if err := flush(); err != nil {
				return nil, err
			}
		}
		writes = append(writes, store.Write{Collection: l.parts(), Any: true, Doc: store.Doc{ID: partID(l.Parts), Body: part, ExpireAt: at.Add(partsFor)}})
		data, size, l.Parts = data[len(part):], size+len(part), l.Parts+1
	}
	return l, flush()
}

// Load returns data in parts. NotFound: they have expired.
func (s Store) Load(ctx context.Context, l *Large) (json.RawMessage, error) {
	var data []byte
	for n := range l.Parts {
		docs, err := s.docs.Get(ctx, l.parts(), []string{partID(n)})
		if err != nil {
			return nil, err
		}
		if docs[0] == nil {
			return nil, fault.New(fault.NotFound, "the data are not kept any more")
		}
		data = append(data, docs[0].Body...)
	}
	return data, nil
}
