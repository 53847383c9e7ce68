package apisource_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// A server may answer 200 and say in the body that it did nothing. Such a change is refused,
// unless the answer has the row: then error is one of its columns.
func TestAnAnswerOfAnErrorAloneIsARefusal(t *testing.T) {
	t.Parallel()
	const batches = `"create":{"url":"row","batch":5,"method":"PUT"},"update":{"url":"row","batch":5},"delete":{"url":"row","batch":5,"method":"POST"}`
	for name, c := range map[string]struct {
		body    string
		refused string
	}{
		"a text":              {`{"error":"the backend is down"}`, "the backend is down"},
		"an object":           {`{"error":{"name":"Fault","message":"no such pump"}}`, "no such pump"},
		"a list":              {`{"data":null,"errors":[{"message":"not allowed"}]}`, "not allowed"},
		"a row with a column": {`{"id":"a","error":"4 mm"}`, ""},
		"a row inside":        {`{"row":{"id":"a"},"error":"4 mm"}`, ""},
		"no error":            {`{"ok":true,"error":null,"errors":[]}`, ""},
		"a count of none":     {`{"updated":1,"errors":0}`, ""},
		"an empty object":     {`{"errors":{}}`, ""},
		"a count":             {`{"updated":0,"errors":1}`, "an error"},
		"nothing":             {`{}`, ""},
	} {
		for form, options := range map[string]string{"single": byKey, "batches": batches} {
			t.Run(name+" "+form, func(t *testing.T) {
				t.Parallel()
				s := newServer(t, `{"list":"row",`+options+`}`)
				s.refuse = func(*http.Request) (int, string) { return http.StatusOK, c.body }
				var changes []source.Change
				for _, op := range []source.Op{source.Create, source.Update, source.Delete} {
					for range 2 { // two make a batch
						changes = append(changes, source.Change{Op: op, ID: "a", Key: []any{"a"}, Changed: []string{"name"}, Fields: map[string]any{"name": "pump"}})
					}
				}
				results, err := s.Open(t).Push(t.Context(), row, changes)
				require.NoError(t, err)
				for i, r := range results {
					if c.refused == "" {
						require.NoError(t, r.Err, i)
					} else {
						require.ErrorContains(t, r.Err, "refuses: "+c.refused, i)
					}
				}
			})
		}
	}
}
