package plan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/headgate/headgate/internal/record"
	"github.com/headgate/headgate/internal/sync/definition"
	"github.com/headgate/headgate/internal/sync/mapping"
	"github.com/headgate/headgate/internal/sync/run/plan"
)

var (
	before = time.Date(2026, 3, 4, 5, 0, 0, 0, time.UTC)
	edited = before.Add(time.Hour)
	now    = before.Add(2 * time.Hour)
)

func row(data string) *mapping.Mapped {
	if data == "" {
		return &mapping.Mapped{Key: "a", Deleted: true, Time: now}
	}
	return &mapping.Mapped{Key: "a", Data: []byte(data), Time: now}
}

// linked returns the record of a row that both sides agreed on, edited here if edit is
// not "". The edit "delete" deletes it.
func linked(data, edit string) *record.Record {
	r := &record.Record{ID: "a", Version: 1, UpdatedAt: before, Data: []byte(data)}
	r.SetLink("s", record.Link{Key: "a"})
	switch edit {
	case "":
	case "delete":
		r.Delete(edited)
	default:
		r.Edit([]byte(edit), edited)
	}
	return r
}

func pulled(t require.TestingT, rule definition.Rule, m *mapping.Mapped, old *record.Record) plan.Outcome {
	p := plan.Planner{Sync: "s", Rule: rule, Now: now}
	out, err := p.Pulled(m, "a", old)
	require.NoError(t, err)
	return out
}

func TestPulled(t *testing.T) {
	t.Parallel()
	const was, ours, theirs, both = `{"x":1,"y":1}`, `{"x":2,"y":1}`, `{"x":3,"y":1}`, `{"x":2,"y":2}`
	const otherField = `{"x":1,"y":2}`
	for name, c := range map[string]struct {
		rule      definition.Rule
		row       string // "": deleted
		old       *record.Record
		effect    plan.Effect
		data      string // of the record to write; "": nothing is written
		base      string // of its link
		pushes    bool
		conflicts int
	}{
		"a new row":                      {definition.SourceWins, was, nil, plan.Created, was, "", false, 0},
		"a deletion of an unknown row":   {definition.SourceWins, "", nil, plan.Unchanged, "", "", false, 0},
		"nothing new":                    {definition.SourceWins, was, linked(was, ""), plan.Unchanged, "", "", false, 0},
		"changed there":                  {definition.SourceWins, theirs, linked(was, ""), plan.Updated, theirs, "", false, 0},
		"changed here":                   {definition.SourceWins, was, linked(was, ours), plan.Unchanged, "", "", true, 0},
		"both alike":                     {definition.Manual, ours, linked(was, ours), plan.Linked, ours, "", false, 0},
		"both, other fields":             {definition.Manual, otherField, linked(was, ours), plan.Updated, both, otherField, true, 0},
		"both, the source wins":          {definition.SourceWins, theirs, linked(was, ours), plan.Updated, theirs, "", false, 0},
		"both, the store wins":           {definition.StoreWins, theirs, linked(was, ours), plan.Linked, ours, theirs, true, 0},
		"both, the row is newer":         {definition.Newest, theirs, linked(was, ours), plan.Updated, theirs, "", false, 0},
		"both, a person decides":         {definition.Manual, theirs, linked(was, ours), plan.Linked, ours, theirs, true, 1},
		"deleted there":                  {definition.StoreWins, "", linked(was, ""), plan.Deleted, was, "", false, 0},
		"deleted there, edited here":     {definition.StoreWins, "", linked(was, ours), plan.Linked, ours, "", true, 0},
		"the same, the source wins":      {definition.SourceWins, "", linked(was, ours), plan.Deleted, ours, "", false, 0},
		"the same, a person decides":     {definition.Manual, "", linked(was, ours), plan.Unchanged, "", "", false, 1},
		"deleted on both sides":          {definition.Manual, "", linked(was, "delete"), plan.Linked, was, "", false, 0},
		"deleted here":                   {definition.Manual, was, linked(was, "delete"), plan.Unchanged, "", "", true, 0},
		"deleted here, edited there":     {definition.StoreWins, theirs, linked(was, "delete"), plan.Linked, was, theirs, true, 0},
		"deleted here, the source wins":  {definition.SourceWins, theirs, linked(was, "delete"), plan.Updated, theirs, "", false, 0},
		"deleted here, a person decides": {definition.Manual, theirs, linked(was, "delete"), plan.Linked, was, theirs, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := pulled(t, c.rule, row(c.row), c.old)
			require.Equal(t, c.effect, out.Effect, "%s", out.Effect)
			require.Equal(t, c.pushes, out.Pushes)
			require.Len(t, out.Conflicts, c.conflicts)
			if c.data == "" {
				require.Nil(t, out.Record)
				return
			}
			require.JSONEq(t, c.data, string(out.Record.Data))
			require.Equal(t, c.base, string(out.Record.Links["s"].Base))
		})
	}
}

// While a sent change has no answer, its values in a row count as ours: they do not
// overwrite a later edit here.
func TestAValueThatWeSentIsNoChangeByTheSource(t *testing.T) {
	t.Parallel()
	change, err := plan.NewSentChange(map[string]any{"x": 2}, nil)
	require.NoError(t, err)
	sent := []*plan.SentChange{change}
	p := plan.Planner{Sync: "s", Rule: definition.SourceWins, Now: now, Sent: func(string) []*plan.SentChange { return sent }}
	for name, c := range map[string]struct {
		row, data string
		clashes   int
	}{
		"it has what we sent":    {`{"x":2}`, `{"x":3}`, 0},
		"it has something else":  {`{"x":4}`, `{"x":4}`, 1},
		"and another field, too": {`{"x":2,"y":1}`, `{"x":3,"y":1}`, 0},
	} {
		out, err := p.Pulled(row(c.row), "a", linked(`{"x":1}`, `{"x":3}`))
		require.NoError(t, err)
		require.JSONEq(t, c.data, string(out.Record.Data), name)
		require.Equal(t, c.clashes, out.Clashes, name)
		require.Equal(t, sent, out.Seen, "%s: its outcome is known now", name)
	}
	out, err := p.Pulled(row(`{"x":1}`), "a", linked(`{"x":1}`, `{"x":3}`))
	require.NoError(t, err)
	require.Empty(t, out.Seen, "the request may still be on its way")
}

// A row that is pulled a second time changes nothing, in every case.
func TestARepeatedRowChangesNothing(t *testing.T) {
	t.Parallel()
	values := rapid.SampledFrom([]string{`{"x":1}`, `{"x":2}`, `{"x":1,"y":1}`, `{"y":2}`})
	rapid.Check(t, func(t *rapid.T) {
		rule := rapid.SampledFrom([]definition.Rule{definition.SourceWins, definition.StoreWins, definition.Manual}).Draw(t, "rule")
		edit := rapid.OneOf(rapid.Just(""), rapid.Just("delete"), values).Draw(t, "edit")
		m := row(rapid.OneOf(rapid.Just(""), values).Draw(t, "row"))
		var old *record.Record
		var text string
		if rapid.Bool().Draw(t, "there is a record") {
			old = linked(values.Draw(t, "base"), edit)
			text = string(old.AppendJSON(nil))
		}
		first := pulled(t, rule, m, old)
		if old != nil {
			require.Equal(t, text, string(old.AppendJSON(nil)), "the record that was read is not changed")
		}
		if first.Record != nil {
			old = first.Record
		}
		again := pulled(t, rule, m, old)
		if again.Record != nil {
			require.Equal(t, string(old.AppendJSON(nil)), string(again.Record.AppendJSON(nil)))
		}
		require.Contains(t, []plan.Effect{plan.Unchanged, plan.Linked}, again.Effect)
	})
}
