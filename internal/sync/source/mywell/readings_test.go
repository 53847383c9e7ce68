package mywell_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// New readings are answered in another order, in part, or not at all. Each gets its own id.
func TestReadingsGetTheirOwnIDs(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func([]map[string]any) any{
		"reversed":   func(list []map[string]any) any { slices.Reverse(list); return list },
		"in part":    func(list []map[string]any) any { return list[1:2] },
		"without id": func(list []map[string]any) any { delete(list[0], "id"); return list },
		"a count":    func(list []map[string]any) any { return map[string]any{"count": len(list)} },
		"nothing":    func([]map[string]any) any { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, "reading")
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := httptest.NewRecorder()
				p.ServeHTTP(answer, r)
				var list []map[string]any
				if r.Method != http.MethodPost || json.Unmarshal(answer.Body.Bytes(), &list) != nil {
					w.WriteHeader(answer.Code)
					_, _ = w.Write(answer.Body.Bytes())
					return
				}
				_ = json.NewEncoder(w).Encode(change(list))
			}))
			defer front.Close()
			p.url = front.URL
			var changes []source.Change
			for day := 1; day <= 3; day++ {
				at := fmt.Sprintf("2026-01-%02dT00:00:00Z", day)
				changes = append(changes, source.Change{Op: source.Create, ID: at, Key: []any{"313603.117", "default", at}, Attempt: at, Fields: map[string]any{
					"resourceId": "313603.117", "timeseries": "default", "datetime": at, "value": float64(day),
				}})
			}
			results, err := p.Open(t).Push(t.Context(), p.Spec(), changes)
			require.NoError(t, err)
			values := map[string]any{}
			for _, row := range p.Server.Rows("reading") {
				values[fmt.Sprint(row["id"])] = row["value"]
			}
			require.Len(t, values, 3)
			for i, r := range results {
				require.NoError(t, r.Err)
				require.EqualValues(t, fmt.Sprint(changes[i].Fields["value"]), fmt.Sprint(values[r.ExternalIDs["legacyMyWellId"]]))
			}
		})
	}
}
