package firestorestore

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"slices"

	"cloud.google.com/go/firestore"
	"golang.org/x/sync/errgroup"

	"github.com/headgate/headgate/internal/event"
	"github.com/headgate/headgate/internal/store"
)

const (
	// receiptField is the field of an event by which a service's events are listed.
	receiptField = "receipt"
	// receiptBuckets is the number of ranges that its index has. A single range would grow
	// at its end only, and Firestore takes about 500 writes a second there: all endpoints of
	// a service, and all of their shards, would share them.
	receiptBuckets = 16
)

// packReceipt returns a bucket, the time of the receipt and the id, in 25 bytes. In a bucket
// they sort by (ReceivedAt, ID), so the automatic index of this one field lists the bucket's
// events in the contract's order, and a cursor is a plain bound.
func packReceipt(r event.Ref) ([]byte, error) {
	position, err := packPosition(r.ReceivedAt.UnixMicro(), r.ID)
	if err != nil {
		return nil, err
	}
	return inBucket(position[len(position)-1]%receiptBuckets, position), nil // ids end with random bits
}

func inBucket(bucket byte, position []byte) []byte { return append([]byte{bucket}, position...) }

func unpackReceipt(b []byte) (event.Ref, error) {
	if len(b) != 1+8+event.IDLen/2 {
		return event.Ref{}, fmt.Errorf("firestorestore: an event's receipt has %d bytes", len(b))
	}
	return event.Ref{ID: hex.EncodeToString(b[9:]), ReceivedAt: unpackTime(b[1:])}, nil
}

// EventsBetween implements [store.Received]. It is one query per bucket. A page is merged
// only as far as every bucket was read, so it may have fewer events than the limit. Reading
// the limit from every bucket would be billed sixteen times over.
func (s *Store) EventsBetween(ctx context.Context, service string, in store.Span, after *store.Cursor, limit int) ([]store.Stored, error) {
	span := toMicroSpan(in)
	from, to := packTime(span.from), packTime(span.to)
	if after != nil && after.Date.UnixMicro() >= span.from {
		position, err := packPosition(after.Date.UnixMicro(), after.ID)
		if err != nil {
			return nil, err
		}
		from = append(position, 0) // the smallest bytes after it
	}
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	each := min(limit, limit/receiptBuckets+limit/(4*receiptBuckets)+4) // a little more than the share of a bucket
	read := make([][]store.Stored, receiptBuckets)
	eg, ctx := errgroup.WithContext(ctx)
	for i := range read {
		q := byReceipt.on(s.service(service).Collection(colEvents)).Select(receiptField, "data.eventKey", "data.size").Limit(each).
			Where(receiptField, ">=", inBucket(byte(i), from))
		if span.to < math.MaxInt64 {
			q = q.Where(receiptField, "<", inBucket(byte(i), to))
		} else {
			q = q.Where(receiptField, "<", []byte{byte(i) + 1})
		}
		eg.Go(func() (err error) {
			read[i], err = toStored(ctx, q)
			return err
		})
	}
	if err := eg.Wait(); err != nil {
		return nil, failed("list events", err)
	}
	return mergeBuckets(read, each, limit), nil
}

func toStored(ctx context.Context, q firestore.Query) ([]store.Stored, error) {
	docs, err := q.Documents(ctx).GetAll()
	if err != nil {
		return nil, err
	}
	list := make([]store.Stored, len(docs))
	for i, d := range docs {
		var doc eventDoc
		if err := d.DataTo(&doc); err != nil {
			return nil, err
		}
		ref, err := unpackReceipt(doc.Receipt)
		if err != nil {
			return nil, err
		}
		ref.Size = doc.Data.Size
		list[i] = store.Stored{Ref: ref, Key: doc.Data.EventKey}
	}
	return list, nil
}

// mergeBuckets merges what was read of each bucket, at most each events. A bucket that has
// more may have the event that follows its last one, so the page ends there.
func mergeBuckets(read [][]store.Stored, each, limit int) []store.Stored {
	order := func(a, b store.Stored) int { return a.Compare(b.Ref) }
	merged := slices.Concat(read...)
	slices.SortFunc(merged, order)
	for _, bucket := range read {
		if len(bucket) == each {
			n, _ := slices.BinarySearchFunc(merged, bucket[each-1], order)
			merged = merged[:min(len(merged), n+1)]
		}
	}
	return merged[:min(len(merged), limit)]
}
