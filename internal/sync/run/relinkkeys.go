package run

import (
	"context"
	"slices"
	"strings"

	"github.com/headgate/headgate/internal/platform/budget"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/sync/source"
)

const (
	// relinkMemory is the memory that relinking takes beside the keys: a page of rows or of
	// records, and the documents that are made of it.
	relinkMemory = 8 * source.PageBytes
	// perRelinkedRow is the memory of a row's keys beside their text. It is measured: see
	// TestKeysWeighNoMore.
	perRelinkedRow = 224
)

// rowKeys holds the keys of all rows of a datatype while its records are linked anew. Their
// memory is taken from a budget.
type rowKeys struct {
	hold    *budget.Hold
	untaken int64             // bytes that the hold does not have yet
	newOf   map[string]string // the new key of a row, by its old one; "" if it has none
	records map[string]string // the record of the row, by the new key; "" if there is none

	rejected map[string]bool // the new keys of rows that the next pull will reject
}

func newRowKeys(hold *budget.Hold) *rowKeys {
	return &rowKeys{hold: hold, newOf: make(map[string]string), records: make(map[string]string), rejected: map[string]bool{}}
}

// add keeps the keys of a row. The copies do not keep the row's page in memory.
func (k *rowKeys) add(old, key string) {
	old, key = strings.Clone(old), strings.Clone(key)
	if k.newOf[old] = key; key != "" {
		k.records[key] = ""
	}
	k.untaken += perRelinkedRow + weight(old, key)
}

// addNew keeps the key of a row that does not have the old key's columns.
func (k *rowKeys) addNew(key string) {
	k.records[strings.Clone(key)] = ""
	k.untaken += perRelinkedRow + weight(key)
}

// reject notes that the row with the new key will be rejected.
func (k *rowKeys) reject(key string) {
	k.rejected[strings.Clone(key)] = true
	k.untaken += perRelinkedRow/2 + weight(key)
}

// meet notes the record of a row. The map then keeps this copy of the key.
func (k *rowKeys) meet(key, id string) {
	k.records[key] = id
	k.untaken += weight(key, id)
}

// weight returns the memory of texts. The allocator rounds their lengths up, by an eighth at
// most where they are long.
func weight(texts ...string) (n int64) {
	for _, t := range texts {
		n += int64(len(t) + len(t)/8)
	}
	return n
}

// take takes the memory of what was added since the last call.
func (k *rowKeys) take(ctx context.Context) error {
	err := k.hold.Extend(ctx, k.untaken)
	if fault.CodeOf(err) == fault.TooLarge {
		return fault.Wrap(fault.TooLarge, err, "the keys of %d rows need more memory than this process has for syncs: link them anew with a process that has more, or give the sync a new id", len(k.records))
	}
	k.untaken = 0
	return err
}

// without returns how many valid rows have no record, and the first of them by key.
func (k *rowKeys) without() (n int, examples []string) {
	examples = []string{}
	for key, id := range k.records {
		if id != "" || k.rejected[key] {
			continue
		}
		n++
		if at, _ := slices.BinarySearch(examples, key); at < relinkExamples {
			examples = slices.Insert(examples, at, key)
			examples = examples[:min(len(examples), relinkExamples)]
		}
	}
	return n, examples
}
