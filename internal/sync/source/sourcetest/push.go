package sourcetest

import (
	"fmt"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// create returns the change that creates the i-th row.
func (f *fixture) create(i int) source.Change {
	r := f.nth(i)
	c := source.Change{Op: source.Create, ID: "record-" + r.ID, Fields: f.fields(r), Attempt: "create-" + r.ID}
	if !f.h.ChoosesKeys {
		c.Key = f.h.Key(r.ID)
	}
	return c
}

// fields returns the fields of a Create, without the key if the source chooses it.
func (f *fixture) fields(r Record) map[string]any {
	fields := f.h.Fields(r)
	if f.h.ChoosesKeys {
		for _, k := range f.spec().Key {
			delete(fields, k)
		}
	}
	return fields
}

// update returns the change from one version of a row to another.
func (f *fixture) update(was, now Record) source.Change {
	old := f.h.Fields(was)
	c := source.Change{
		Op: source.Update, ID: "record-" + now.ID, Key: f.h.Key(now.ID), Fields: f.h.Fields(now), Expect: map[string]any{},
		Attempt: fmt.Sprintf("update-%s-%s-%v", now.ID, now.Name, now.Value),
	}
	for name, v := range c.Fields {
		if fmt.Sprint(v) != fmt.Sprint(old[name]) {
			c.Changed = append(c.Changed, name)
			c.Expect[name] = old[name]
		}
	}
	return c
}

func (f *fixture) remove(r Record) source.Change {
	return source.Change{
		Op: source.Delete, ID: "record-" + r.ID, Key: f.h.Key(r.ID), Expect: f.h.Fields(r), Attempt: "delete-" + r.ID,
	}
}

func (f *fixture) push(s source.Source, changes ...source.Change) []source.Result {
	f.Helper()
	require.Positive(f, s.PushSize())
	var all []source.Result
	for len(changes) > 0 {
		n := min(len(changes), s.PushSize())
		results, err := s.Push(f.ctx, f.spec(), changes[:n])
		require.NoError(f, err)
		require.Len(f, results, n)
		all, changes = append(all, results...), changes[n:]
	}
	return all
}

func (f *fixture) pushed(s source.Source, c source.Change) source.Result {
	f.Helper()
	r := f.push(s, c)[0]
	require.NoError(f, r.Err)
	return r
}

// created pushes the i-th row and returns it with its key at the source.
func (f *fixture) created(s source.Source, i int) Record {
	f.Helper()
	r := f.nth(i)
	result := f.pushed(s, f.create(i))
	if f.h.ChoosesKeys {
		require.NotEmpty(f, result.Key, "the source chose a key and did not return it")
		r.ID = fmt.Sprint(result.Key[0])
	}
	return r
}

func (f *fixture) onlyRow() Record {
	f.Helper()
	rows := f.place.Rows(f)
	require.Len(f, rows, 1)
	for _, r := range rows {
		return r
	}
	return Record{}
}

// gone asserts that the row was removed or is marked as deleted.
func (f *fixture) gone(id string) {
	f.Helper()
	if r, ok := f.place.Rows(f)[id]; ok {
		require.True(f, f.h.SoftDelete && r.Deleted, "%s is still there", id)
	}
}

var pushTests = topic{
	"ChoosesKeys": func(f *fixture) {
		chooser, ok := f.open().(source.KeyChooser)
		require.Equal(f, f.h.ChoosesKeys, ok && chooser.ChoosesKeys(f.spec().Datatype))
	},
	"Create": func(f *fixture) {
		s := f.open()
		want := f.created(s, 1)
		require.Equal(f, plainRecord(want), plainRecord(f.onlyRow()))
		f.same([]Record{want}, f.pull(f.request(5))) // a pull returns the pushed values
	},
	"CreateAgain": func(f *fixture) {
		s := f.open()
		first := f.pushed(s, f.create(1))
		again := f.pushed(f.open(), f.create(1))
		if first.Key != nil || f.h.ChoosesKeys {
			require.Equal(f, first.Key, again.Key)
		}
		f.onlyRow()
	},
	"Update": func(f *fixture) {
		s := f.open()
		was := f.created(s, 1)
		now := was
		now.Name, now.UpdatedAt = "another", was.UpdatedAt.Add(time.Minute)
		f.pushed(s, f.update(was, now))
		require.Equal(f, plainRecord(now), plainRecord(f.onlyRow()))
	},
	"UpdateAgain": func(f *fixture) {
		s := f.open()
		was := f.created(s, 1)
		now := was
		now.Name = "another"
		c := f.update(was, now)
		f.pushed(s, c)
		f.pushed(f.open(), c) // the row has this change's own values, which is no conflict
		require.Equal(f, plainRecord(now), plainRecord(f.onlyRow()))
	},
	"UpdateOnlyChangedFields": func(f *fixture) {
		if !f.h.PartialUpdate {
			return
		}
		s := f.open()
		was := f.created(s, 1)
		theirs := was
		theirs.Value = 99.5
		f.place.Put(f, theirs)
		ours := was
		ours.Name = "ours"
		f.pushed(s, f.update(was, ours)) // Fields holds the old value, but Changed does not name it
		theirs.Name = "ours"
		require.Equal(f, plainRecord(theirs), plainRecord(f.onlyRow()))
	},
	"Delete": func(f *fixture) {
		if f.h.NoDelete {
			return
		}
		s := f.open()
		kept, going := f.created(s, 1), f.created(s, 2)
		f.pushed(s, f.remove(going))
		f.gone(going.ID)
		require.Equal(f, plainRecord(kept), plainRecord(f.place.Rows(f)[kept.ID]))
	},
	"DeleteIsRefused": func(f *fixture) {
		if !f.h.NoDelete {
			return
		}
		s := f.open()
		kept := f.created(s, 1)
		require.Error(f, f.push(s, f.remove(kept))[0].Err)
		require.Equal(f, plainRecord(kept), plainRecord(f.onlyRow()))
	},
	"DeleteAgain": func(f *fixture) {
		if f.h.NoDelete {
			return
		}
		s := f.open()
		going := f.created(s, 1)
		c := f.remove(going)
		f.pushed(s, c)
		f.pushed(f.open(), c)
		f.gone(going.ID)
	},
	"DeleteOfAMissingRow": func(f *fixture) {
		if f.h.NoDelete {
			return
		}
		r := f.nth(1)
		r.ID = f.h.ID(4040)
		f.pushed(f.open(), f.remove(r))
		require.Empty(f, f.place.Rows(f))
	},
}
