package sourcetest

import (
	"strings"

	"github.com/stretchr/testify/require"

	"github.com/headgate/headgate/internal/sync/source"
)

// hostileNames returns strings that look like SQL, markup, paths or other syntax. A source
// must treat all of them as data.
func (f *fixture) hostileNames() []string {
	names := []string{
		`it's "quoted", with, commas; and \backslashes\ and ` + "`ticks`",
		`'; DROP TABLE reading; --`,
		`" OR "1"="1`,
		"line one\nline two\r\nline three\ttabbed",
		"ünïcödé 日本語 🌊 \u202eright to left\u202c e\u0301",
		"<script>alert(1)</script>&amp;",
		"%s %d {{.}} ${x} $1 ? :name @p",
		"=1+1", "-", "NULL", "null", "true", "0123", "1e5",
		"../../etc/passwd",
		strings.Repeat("long ", f.h.LongestName/5),
	}
	if f.h.NUL {
		names = append(names, "zero \x00 byte")
	}
	return names
}

var hostileTests = topic{
	"HostileStringsArePulled": func(f *fixture) {
		var rows []Record
		for i, name := range f.hostileNames() {
			r := f.nth(i)
			r.Name = name
			rows = append(rows, r)
		}
		f.place.Put(f, rows...)
		f.same(rows, f.pull(f.request(3)))
	},
	"HostileStringsArePushed": func(f *fixture) {
		if !f.h.Push {
			return
		}
		s := f.open()
		var changes []source.Change
		names := f.hostileNames()
		for i, name := range names {
			c := f.create(i)
			r := f.nth(i)
			r.Name = name
			c.Fields = f.fields(r)
			changes = append(changes, c)
		}
		for _, r := range f.push(s, changes...) {
			require.NoError(f, r.Err)
		}
		got := map[string]bool{}
		for _, r := range f.place.Rows(f) {
			got[r.Name] = true
		}
		for _, name := range names {
			require.True(f, got[name], "%.60q did not arrive", name)
		}
	},
	"HostileKeys": func(f *fixture) {
		if f.h.ID(1) != "r0001" {
			return // this source's keys have a form of their own
		}
		var rows []Record
		for i, id := range []string{`it's`, `"q"`, `a,b`, `a b`, `a/b?c=d&e#f`, `日本`, `'; --`, `%00`, `A`, `a`, `á`, `Z`} {
			r := f.nth(0) // all have the same time, so only the key orders them
			r.ID, r.Value = id, float64(i)
			rows = append(rows, r)
		}
		f.place.Put(f, rows...)
		for _, size := range []int{1, 2, 5} {
			f.same(rows, f.pull(f.request(size)))
		}
	},
}
