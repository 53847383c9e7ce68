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
	Indexes        []any           `json:"indexes"`
	FieldOverrides []fieldOverride `json:"fieldOverrides"`
}

type fieldOverride struct {
	CollectionGroup string       `json:"collectionGroup"`
	FieldPath       string       `json:"fieldPath"`
	TTL             bool         `json:"ttl,omitempty"`
	Indexes         []fieldIndex `json:"indexes"` // empty: the field is exempt
}

type fieldIndex struct {
	Order       string `json:"order,omitempty"`
	ArrayConfig string `json:"arrayConfig,omitempty"`
	QueryScope  string `json:"queryScope"`
}

// written returns a document of every collection whose name is known beforehand, by that name.
func written() map[string]any {
	return map[string]any{colEvents: eventDoc{}, colParts: partDoc{}, colMessages: claimDoc{}, colDocs: docDoc{}}
}

// settings returns the exemptions and TTL policies that make a database cheaper: the map data
// is never queried, and a policy replaces the query for what has expired. The times of
// collections that grow fast need no index then.
func settings() indexFile {
	automatic := []fieldIndex{
		{Order: "ASCENDING", QueryScope: "COLLECTION"}, {Order: "DESCENDING", QueryScope: "COLLECTION"}, {ArrayConfig: "CONTAINS", QueryScope: "COLLECTION"},
	}
	want := indexFile{Indexes: []any{}}
	for _, collection := range Groups() {
		expireAt := fieldOverride{collection, "expireAt", true, automatic}
		if collection == colEvents || collection == colMessages {
			expireAt.Indexes = []fieldIndex{}
		}
		want.FieldOverrides = append(want.FieldOverrides, fieldOverride{collection, "data", false, []fieldIndex{}}, expireAt)
	}
	return want
}

// TestIndexes requires that no query needs a composite index, that each uses a field which is
// not exempt, and that no other field is indexed. The emulator needs no index, so no other
// test would notice.
//
// Pointers have no entry: their collections have many names, and Firestore indexes their only
// field by itself, in both directions.
func TestIndexes(t *testing.T) {
	t.Parallel()
	queried := map[string]bool{}
	for _, s := range shapes {
		require.True(t, s.equal == "" || s.order == "", "%v needs a composite index", s)
		require.False(t, s.order == firestore.DocumentID && s.descending, "Firestore cannot list %s by descending name", s.collection)
		queried[s.collection+"."+s.equal+s.order] = true
	}
	for collection, doc := range written() {
		typ := reflect.TypeOf(doc)
		for i := range typ.NumField() {
			name, _, _ := strings.Cut(typ.Field(i).Tag.Get("firestore"), ",")
			require.Equal(t, name != "data" && (name != "expireAt" || collection != colParts), queried[collection+"."+name], "%s.%s", collection, name)
		}
	}
	if *update {
		b, err := json.MarshalIndent(settings(), "", "  ")
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(indexesFile, append(b, '\n'), 0o600))
	}
	b, err := os.ReadFile(indexesFile)
	require.NoError(t, err)
	var got indexFile
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, settings(), got)
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
	names := []string{colServices, colEndpoints, colScopes, colEvents, colParts, colMessages, colDocs, colPending, colWaiting}
	require.False(t, slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, "headgate-") }))
}
