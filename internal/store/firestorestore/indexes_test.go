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

// written is what is written where.
func written() map[string]any {
	docs := map[string]any{
		colEvents: eventDoc{}, colParts: partDoc{}, colOutbox: claimDoc{}, "endpoints": boundDoc{}, colCommits: commitDoc{},
	}
	for _, kind := range kinds {
		docs[kind] = docDoc{}
	}
	return docs
}

// asked are the shapes of all queries.
func asked() []shape {
	all := slices.Clone(shapes)
	for _, kind := range kinds {
		all = append(all, byDocID(kind), byDocOrder(kind, false), byDocOrder(kind, true))
	}
	return all
}

// TestIndexes derives from the queries what production needs, and compares it
// with the file that is deployed: the emulator, which needs no index, would not
// tell what is missing, and nobody what is superfluous and paid for.
//
// Pointers are not in it: their collections have many names, their one field is
// queried in both directions, and Firestore indexes that by itself.
func TestIndexes(t *testing.T) {
	t.Parallel()
	want := indexFile{}
	automatic := map[string]bool{colPending + ".receivedAt": true} // fields that a query needs an index of
	for _, s := range asked() {
		switch {
		case s.order == firestore.DocumentID:
			require.False(t, s.descending, "Firestore does not list %s so", s.collection)
		case s.equal != "" && s.order != "":
			dir := "ASCENDING"
			if s.descending {
				dir = "DESCENDING"
			}
			want.Indexes = append(want.Indexes, composite{s.collection, "COLLECTION", []indexField{{s.equal, "ASCENDING"}, {s.order, dir}}})
		default:
			automatic[s.collection+"."+s.equal+s.order] = true
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
		}), "%s never expire", c)
	}
}

// TestEveryQueryHasAShape keeps queries from being built past the list.
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
