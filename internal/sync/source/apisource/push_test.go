package apisource_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

var row = source.Spec{Datatype: "row", Key: []string{"id"}}

// A refused batch is sent again row by row, so that only the bad row is refused.
func TestARefusedBatchIsSentRowByRow(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+made+"}")
	src := s.Open(t)
	var changes []source.Change
	for i := range 5 {
		name := fmt.Sprint("n", i)
		if i == 2 {
			name = "refuse me"
		}
		changes = append(changes, source.Change{Op: source.Create, ID: name, Attempt: name, Fields: map[string]any{"name": name}})
	}
	results, err := src.Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, changes)
	require.NoError(t, err)
	for i, r := range results {
		if i == 2 {
			require.ErrorContains(t, r.Err, "name is refused")
			continue
		}
		require.NoError(t, r.Err)
		require.NotEmpty(t, r.Key)
	}
	require.Len(t, s.rows, 4)
}

func TestRefusedCredentialsFailThePush(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+byKey+"}")
	s.refuse = func(*http.Request) (int, string) { return 403, `{}` }
	_, err := s.Open(t).Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{
		{Op: source.Create, ID: "a", Key: []any{"a"}, Fields: map[string]any{"id": "a"}},
	})
	require.ErrorContains(t, err, "403")
}

func TestKeysAreEscapedInURLs(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+byKey+"}")
	for _, id := range []string{"a/b", "../../admin", "ü?x=1#y", "%2e%2e", "a:b", "https://x/y", "...", "{id}"} {
		_, err := s.Open(t).Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"id"}}, []source.Change{
			{Op: source.Create, ID: id, Key: []any{id}, Fields: map[string]any{"id": id}},
		})
		require.NoError(t, err)
		require.Contains(t, s.rows, id)
	}
}

// An empty key or a key of dots must not turn the change of one row into a change of the
// whole list.
func TestKeysThatNameAnotherResource(t *testing.T) {
	t.Parallel()
	s := filled(t, `"list":"row",`+byKey, 3)
	for _, id := range []string{"", ".", ".."} {
		for _, op := range []source.Op{source.Create, source.Update, source.Delete} {
			results, err := s.Open(t).Push(t.Context(), row, []source.Change{
				{Op: op, ID: "x", Key: []any{id}, Fields: map[string]any{"name": "n"}, Changed: []string{"name"}},
				{Op: source.Update, ID: "y", Key: []any{"r0001"}, Fields: map[string]any{"name": "n"}, Changed: []string{"name"}},
			})
			require.NoError(t, err)
			require.ErrorContains(t, results[0].Err, "cannot be the id in a URL")
			require.NoError(t, results[1].Err, "only the bad row is refused")
		}
	}
	for _, call := range s.calls {
		require.Contains(t, call, "PATCH /v1/row/r0001 ")
	}
	require.Len(t, s.rows, 3)
}

func TestKeysInURLs(t *testing.T) {
	t.Parallel()
	const options = `"delete":{"url":"row/{well}?at={at}"}`
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))
	for want, key := range map[string][]any{
		"/v1/row/1000000?at=a%26at%3Db+c":       {float64(1e6), "a&at=b c"},
		"/v1/row/0.5?at=":                       {0.5, ""},
		"/v1/row/7?at=2026-01-02T02%3A04%3A05Z": {int64(7), at},
	} {
		s := newServer(t, "{"+options+"}")
		_, err := s.Open(t).Push(t.Context(), source.Spec{Datatype: "row", Key: []string{"well", "at"}}, []source.Change{{Op: source.Delete, Key: key}})
		require.NoError(t, err)
		require.Equal(t, "DELETE "+want, s.calls[0])
	}
	s := newServer(t, `{"delete":{"url":"row/{wel}"}}`)
	_, err := s.Open(t).Push(t.Context(), row, []source.Change{{Op: source.Delete, Key: []any{"a"}}})
	require.ErrorContains(t, err, "push of row: a URL of the data source has {wel}")
	require.Empty(t, s.calls)
}

// Somebody made the row, or the answer to a Create was lost. Only a look at the row tells.
func TestCreateOfAnExistingRow(t *testing.T) {
	t.Parallel()
	create := func(id, name string) source.Change {
		return source.Change{Op: source.Create, ID: id, Key: []any{id}, Attempt: id, Fields: map[string]any{"id": id, "name": name}}
	}
	s := filled(t, looked+`"list":"row",`+posts, 2)
	s.rows["r0001"]["name"] = "theirs"
	was := maps.Clone(s.rows["r0001"])
	results, err := s.Open(t).Push(t.Context(), row, []source.Change{create("r0001", "ours"), create("r0001", "theirs"), create("r0009", "new")})
	require.NoError(t, err)
	require.ErrorIs(t, results[0].Err, source.ErrExists)
	require.NoError(t, results[1].Err)
	require.NoError(t, results[2].Err)
	require.Equal(t, was, s.rows["r0001"])

	s = filled(t, `"list":"row",`+posts, 2)
	was = maps.Clone(s.rows["r0001"])
	results, err = s.Open(t).Push(t.Context(), row, []source.Change{create("r0001", "ours"), create("r0009", "new")})
	require.NoError(t, err)
	require.NoError(t, results[0].Err, "without a look, the last write wins")
	require.NoError(t, results[1].Err)
	was["name"] = "ours"
	require.Equal(t, was, s.rows["r0001"])

	s.refuse = func(r *http.Request) (int, string) { // the conflict is about another value, not about the key
		if r.Method == http.MethodPost {
			return 409, `{"message":"the name is taken"}`
		}
		return 0, ""
	}
	results, err = s.Open(t).Push(t.Context(), row, []source.Change{create("r0010", "new")})
	require.NoError(t, err)
	require.ErrorContains(t, results[0].Err, "the name is taken")
}

// The same changes in another order make the same call with the same idempotency key, so
// that the server recognises a repeated batch.
func TestARepeatedBatchIsTheSame(t *testing.T) {
	t.Parallel()
	s := newServer(t, "{"+`"list":"row",`+strings.Replace(made, `"batch":5`, `"batch":2,"attemptField":"ref"`, 1)+"}")
	var changes []source.Change
	for _, name := range []string{"c", "a", "d", "b", "e"} {
		changes = append(changes, source.Change{Op: source.Create, ID: name, Attempt: "attempt " + name, Fields: map[string]any{"name": name}})
	}
	keys := map[string]any{}
	for range 2 {
		results, err := s.Open(t).Push(t.Context(), row, changes)
		require.NoError(t, err)
		for i, r := range results {
			id := fmt.Sprint(r.Key[0])
			require.Equal(t, changes[i].Fields["name"], s.rows[id]["name"], "each row has its own key")
			require.Equal(t, changes[i].Attempt, s.rows[id]["ref"])
			if keys[changes[i].ID] != nil {
				require.Equal(t, keys[changes[i].ID], id)
			}
			keys[changes[i].ID] = id
		}
		slices.Reverse(changes)
	}
	require.Len(t, s.rows, 5)
	require.Len(t, s.calls, 6)
	require.Equal(t, s.calls[:3], s.calls[3:])
}

// Updates and deletes are sent in batches. The bodies hold the keys. The server says that a
// row of a batch is refused, and not which, so each of its rows is sent by itself.
func TestBatchesOfChanges(t *testing.T) {
	t.Parallel()
	s := filled(t, `"list":"row",
		"update":{"url":"row?do=update","method":"POST","batch":2,"error":"problem"},
		"delete":{"url":"row?do=delete","method":"POST","batch":10}`, 6)
	update := func(id, name string) source.Change {
		return source.Change{
			Op: source.Update, ID: id, Key: []any{id}, Attempt: id, Changed: []string{"name"}, Fields: map[string]any{"name": name, "n": 77},
		}
	}
	src := s.Open(t)
	require.Equal(t, 50, src.PushSize())
	results, err := src.Push(t.Context(), row, []source.Change{
		update("r0000", "a"), update("r0001", "refuse me"), {Op: source.Delete, ID: "r0005", Key: []any{"r0005"}, Attempt: "x"},
		{Op: source.Create, ID: "n", Key: []any{"n"}}, update("r0404", "c"),
	})
	require.NoError(t, err)
	require.NoError(t, results[0].Err)
	require.ErrorContains(t, results[1].Err, `refuses: {"text":"name is refused"}`)
	require.NoError(t, results[2].Err)
	require.ErrorContains(t, results[3].Err, "options.create is not defined")
	require.ErrorContains(t, results[4].Err, "no such row")
	require.Equal(t, []string{
		`POST /v1/row?do=update [{"id":"r0000","name":"a"},{"id":"r0001","name":"refuse me"}]`,
		`POST /v1/row?do=update [{"id":"r0000","name":"a"}]`,
		`POST /v1/row?do=update [{"id":"r0001","name":"refuse me"}]`,
		`POST /v1/row?do=update [{"id":"r0404","name":"c"}]`,
		`POST /v1/row?do=delete [{"id":"r0005"}]`,
	}, s.calls)
	require.Equal(t, 0, s.rows["r0000"]["n"], "only what changed is sent")
	require.Len(t, s.rows, 5)
}

func TestAnswersWithoutTheNewKey(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{`{}`, `{"row":{"id":null}}`, `{"row":{"id":""}}`, `{"row":{"id":{}}}`, `[]`, ``} {
		s := newServer(t, "{"+`"list":"row",`+single+"}")
		s.refuse = func(*http.Request) (int, string) { return 201, answer }
		_, err := s.Open(t).Push(t.Context(), row, []source.Change{{Op: source.Create, ID: "a", Fields: map[string]any{"name": "a"}}})
		require.ErrorContains(t, err, "no key of the new row at row.id", answer)
	}
}

// A creation has no field that the record lacks, so that the server's default holds. A field
// that is null is sent, and so is a value that an update removes.
func TestACreationHasNoFieldThatTheRecordLacks(t *testing.T) {
	t.Parallel()
	for _, options := range []string{byKey, `"create":{"url":"row","batch":2},"update":{"url":"row/{id}"}`} {
		s := newServer(t, "{"+`"list":"row",`+options+"}")
		creation := func(id string) source.Change {
			return source.Change{Op: source.Create, ID: id, Key: []any{id}, Attempt: id, Lacking: []string{"kind"}, Fields: map[string]any{"id": id, "name": nil, "kind": nil}}
		}
		_, err := s.Open(t).Push(t.Context(), row, []source.Change{creation("a"), creation("b")})
		require.NoError(t, err)
		for _, id := range []string{"a", "b"} {
			require.Contains(t, s.rows[id], "name")
			require.NotContains(t, s.rows[id], "kind")
		}
		_, err = s.Open(t).Push(t.Context(), row, []source.Change{{Op: source.Update, ID: "a", Key: []any{"a"}, Changed: []string{"kind"}, Lacking: []string{"kind"}, Fields: map[string]any{"kind": nil}}})
		require.NoError(t, err)
		require.Contains(t, s.calls[len(s.calls)-1], `"kind":null`)
	}
}
