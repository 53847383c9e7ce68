package apisource_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// table answers batches of creations with what echo returns for each row, in another order.
type table struct {
	rows    map[string]map[string]any // by key
	made    map[string]string         // attempt → key
	echo    func(id string, row map[string]any) any
	order   func([]any)
	batches int
}

func (s *table) answer(r *http.Request) (int, string) {
	var sent []map[string]any
	if json.NewDecoder(r.Body).Decode(&sent) != nil {
		return 400, `{}`
	}
	if len(sent) > 1 {
		s.batches++
	}
	results := []any{}
	for _, row := range sent {
		if row["name"] == "refuse me" {
			results = append(results, s.echo("", row))
			continue
		}
		ref := fmt.Sprint(row["ref"])
		id := s.made[ref]
		if row["id"] != nil {
			id = fmt.Sprint(row["id"])
		} else if id == "" || row["ref"] == nil {
			id = fmt.Sprint("key-", len(s.rows)+1)
		}
		s.rows[id], s.made[ref] = row, id
		results = append(results, s.echo(id, row))
	}
	if len(sent) > 1 {
		s.order(results)
	}
	results = slices.DeleteFunc(results, func(r any) bool { return r == nil })
	b, _ := json.Marshal(map[string]any{"results": results})
	return 200, string(b)
}

func with(id string, row map[string]any) map[string]any {
	out := maps.Clone(row)
	out["id"], out["by"] = id, "server"
	return out
}

// Whatever order a server answers in and whatever it repeats, each record gets the key of
// its own row, and a refusal goes to the row that was refused. Nothing goes by position.
func TestResultsGoToTheirRows(t *testing.T) {
	t.Parallel()
	const chooses, attempts, keyed = `"id":"id","error":"problem",`, `"id":"id","error":"problem","attemptField":"ref",`, `"error":"problem",`
	problem := func(id string, out map[string]any) any {
		if id == "" {
			delete(out, "id")
			out["problem"] = "refused: " + fmt.Sprint(out["name"])
		}
		return out
	}
	whole := func(id string, row map[string]any) any { return problem(id, with(id, row)) }
	only := func(names ...string) func(string, map[string]any) any {
		return func(id string, row map[string]any) any {
			out := with(id, row)
			maps.DeleteFunc(out, func(name string, _ any) bool { return name != "id" && !slices.Contains(names, name) })
			if id == "" {
				out = map[string]any{"problem": "refused: refuse me"}
			}
			return out
		}
	}
	for name, c := range map[string]struct {
		create string
		echo   func(id string, row map[string]any) any
		fails  bool
	}{
		"the whole row": {chooses, whole, false},
		"the row inside": {strings.Replace(chooses, `"id":"id"`, `"id":"new.id"`, 1), func(id string, row map[string]any) any {
			return problem(id, map[string]any{"id": id, "name": row["name"], "new": with(id, row)})
		}, false},
		"the fields, one refused": {chooses, only("name", "depth", "at"), false},
		"other digits": {chooses, func(id string, row map[string]any) any {
			out := with(id, row)
			out["at"] = "2026-01-02T04:04:05.000+01:00"
			out["depth"] = json.RawMessage(fmt.Sprintf("%v0", row["depth"]))
			return problem(id, out)
		}, false},
		"the attempt":               {attempts, only("ref"), false},
		"nothing, but has attempts": {attempts, only(), false},
		"no answer, but attempts":   {attempts, func(string, map[string]any) any { return nil }, true},
		"nothing":                   {chooses, only(), true},
		"one field of three":        {chooses, only("name"), true},
		"other values": {chooses, func(id string, row map[string]any) any {
			return problem(id, map[string]any{"id": id, "name": "x", "depth": 1, "at": 2})
		}, true},
		"the key": {keyed, only("id"), false},
		"the key, also of refused": {keyed, func(id string, row map[string]any) any {
			return problem(id, map[string]any{"id": row["id"], "name": row["name"]})
		}, false},
		"nothing of a row with keys": {keyed, func(id string, _ map[string]any) any { return problem(id, map[string]any{"name": "refuse me"}) }, false},
	} {
		for order, change := range map[string]func([]any){
			"same": func([]any) {}, "reversed": func(r []any) { slices.Reverse(r) },
			"turned": func(r []any) { r[0], r[1], r[2] = r[2], r[0], r[1] }, "one is missing": func(r []any) { slices.Reverse(r); r[1] = nil },
		} {
			t.Run(name+"/"+order, func(t *testing.T) {
				t.Parallel()
				fails := c.fails || order == "one is missing" && !strings.Contains(c.create, "ref") && !strings.HasPrefix(c.create, `"error"`)
				tab := &table{rows: map[string]map[string]any{}, made: map[string]string{}, echo: c.echo, order: change}
				s := newServer(t, `{"list":"row","create":{"url":"row",`+c.create+`"batch":9,"results":"results"}}`)
				s.refuse = tab.answer
				var changes []source.Change
				for i, name := range []string{"a", "b", "refuse me", "c", "c"} {
					ch := source.Change{Op: source.Create, ID: fmt.Sprint(i), Attempt: fmt.Sprint("attempt ", i), Fields: map[string]any{
						"name": name, "depth": 1.5, "at": "2026-01-02T03:04:05Z",
					}}
					if strings.HasPrefix(c.create, `"error"`) {
						ch.Key = []any{fmt.Sprint("mine-", i)}
					}
					changes = append(changes, ch)
				}
				results, err := s.Open(t).Push(t.Context(), row, changes)
				require.Equal(t, 1, tab.batches)
				if fails {
					require.Error(t, err)
				} else {
					require.NoError(t, err)
				}
				known := map[string]bool{}
				for i, r := range results {
					switch {
					case fails && r.Err != nil:
						require.True(t, changes[i].Fields["name"] == "refuse me" || errors.Is(r.Err, source.ErrUnanswered))
					case changes[i].Fields["name"] == "refuse me":
						require.ErrorContains(t, r.Err, "refused: refuse me")
					default:
						require.NoError(t, r.Err)
						id := fmt.Sprint(changes[i].Key)
						if changes[i].Key == nil {
							id = fmt.Sprint(r.Key[0])
							require.Equal(t, changes[i].Fields["name"], tab.rows[id]["name"], "the record got the key of its row")
						}
						require.False(t, known[id], "each row is that of one record")
						known[id] = true
					}
				}
				require.Len(t, tab.rows, 4, "nothing is made twice")
			})
		}
	}
}
