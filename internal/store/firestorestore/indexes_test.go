package firestorestore

import (
	"encoding/json"
	"flag"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/firestore"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write firestore.indexes.json")

const indexesFile = "../../../firestore.indexes.json"

type indexFile struct {
	Indexes        []composite     `json:"indexes"`
	FieldOverrides []fieldOverride `json:"fieldOverrides"`
}

type composite struct {
	CollectionGroup string       `json:"collectionGroup"`
	QueryScope      string       `json:"queryScope"`
	Fields          []indexField `json:"fields"`
}

type indexField struct {
	FieldPath string `json:"fieldPath"`
	Order     string `json:"order"`
}

type fieldOverride struct {
	CollectionGroup string `json:"collectionGroup"`
	FieldPath       string `json:"fieldPath"`
	TTL             bool   `json:"ttl,omitempty"`
	Indexes         []any  `json:"indexes"`
}

// written returns a document of every collection, by the collection's name.
func written() map[string]any {
	docs := map[string]any{
		colEvents: eventDoc{}, colParts: partDoc{}, colOutbox: claimDoc{}, "endpoints": boundDoc{}, colCommits: commitDoc{},
	}
	for _, kind := range kinds {
		docs[kind] = docDoc{}
	}
	return docs
}

// asked returns the shapes of all queries.
func asked() []shape {
	all := slices.Clone(shapes)
	for _, kind := range kinds {
		all = append(all, byDocID(kind), byDocOrder(kind, false), byDocOrder(kind, true))
	}
	return all
}

// TestIndexes derives the indexes that production needs from the queries, and compares them
// with the file that is deployed. The emulator needs no index, so no other test would find a
// missing one, or a superfluous one that costs money.
//
// Pointers have no entry: their collections have many names, and Firestore indexes their only
// field by itself, in both directions.
func TestIndexes(t *testing.T) {
	t.Parallel()
	want := indexFile{}
	automatic := map[string]bool{colPending + ".receivedAt": true} // fields whose automatic index a query needs
	for _, s := range asked() {
		switch {
		case s.merged: // from an index for each field, in the same order
			for _, f := range s.equal {
				require.True(t, slices.ContainsFunc(asked(), func(one shape) bool {
					return one.collection == s.collection && slices.Equal(one.equal, []string{f}) && one.order == s.order && one.descending == s.descending && !one.merged
				}), "%v cannot be merged: %s has no index", s.equal, f)
			}
		case s.order == firestore.DocumentID:
			require.False(t, s.descending, "Firestore cannot list %s by descending name", s.collection)
		case len(s.equal) > 0 && s.order != "":
			dir := "ASCENDING"
			if s.descending {
				dir = "DESCENDING"
			}
			fields := []indexField{}
			for _, f := range s.equal {
				fields = append(fields, indexField{f, "ASCENDING"})
			}
			want.Indexes = append(want.Indexes, composite{s.collection, "COLLECTION", append(fields, indexField{s.order, dir})})
		default:
			require.LessOrEqual(t, len(s.equal), 1, "%v needs an index of its own", s.equal)
			automatic[s.collection+"."+strings.Join(s.equal, "")+s.order] = true
		}
	}
	for collection, doc := range written() {
		typ := reflect.TypeOf(doc)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("firestore"), ",")
			require.NotEmpty(t, name, "%s.%s", collection, typ.Field(i).Name)
			if !automatic[collection+"."+name] {
				want.FieldOverrides = append(want.FieldOverrides, fieldOverride{collection, name, name == "expireAt", []any{}})
			}
		}
	}
	slices.SortFunc(want.FieldOverrides, func(a, b fieldOverride) int {
		return strings.Compare(a.CollectionGroup+"."+a.FieldPath, b.CollectionGroup+"."+b.FieldPath)
	})
	if *update {
		b, err := json.MarshalIndent(want, "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(indexesFile, append(b, '\n'), 0o600))
	}
	b, err := os.ReadFile(indexesFile)
	require.NoError(t, err)
	var got indexFile
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, want, got)
	for _, c := range append([]string{colEvents, colParts, colOutbox, colCommits}, kinds...) {
		require.True(t, slices.ContainsFunc(got.FieldOverrides, func(f fieldOverride) bool {
			return f.CollectionGroup == c && f.FieldPath == "expireAt" && f.TTL
		}), "%s have no expiry", c)
	}
}

// TestEveryQueryHasAShape requires that no query is built without a shape.
func TestEveryQueryHasAShape(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasSuffix(f.Name(), "_test.go") || f.Name() == "queries.go" {
			continue
		}
		b, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.NotContains(t, string(b), ".OrderBy(", "%s builds a query of its own", f.Name())
		require.NotContains(t, string(b), `"=="`, "%s builds a query of its own", f.Name())
	}
}
